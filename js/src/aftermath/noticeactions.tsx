/** What can be done about what the notice says: beside it, and only when it says so. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { ASIDE_STRINGS } from "../asidestrings";
import { download } from "../shell/menus";
import { CopyButton } from "../ui/copy";
import { OrderButton } from "../ui/order";
import { Dropdown } from "../ui/dropdown";
import { csvOf } from "./csv";

const WORDS = ASIDE_STRINGS.notice;

type Props = { connection: Connection };

/** Nobody is there: what the page itself can still give. */
export function DetachedActions({ connection }: Props): VNode | null {
  const { state } = connection;
  const id = state.id.value;
  if (!id) return null;
  const save = () => download(`sweep-${id}.csv`, "text/csv", new TextEncoder().encode(csvOf(state.runs)).buffer as ArrayBuffer);
  return (
    <span class="sw-notice-actions">
      <CopyButton text={() => `sw.dashboard(${JSON.stringify(id)})`} label={WORDS.copyAttach} />
      {state.known.value && (
        <button type="button" class="sw-button" title={WORDS.saveTitle} onClick={save}>
          {WORDS.save}
        </button>
      )}
    </span>
  );
}

/** The controller failed: where, and try again. */
export function FailureActions({ connection }: Props): VNode {
  return (
    <span class="sw-notice-actions">
      <Dropdown label={WORDS.tracebackTitle} text={WORDS.traceback} align="end">
        {() => <Traceback connection={connection} />}
      </Dropdown>
      <OrderButton connection={connection} command="resume" args={() => ({})} label={WORDS.restart} doing={WORDS.restarting} icon="again" className="sw-primary" testid="sw-restart" />
    </span>
  );
}

function Traceback({ connection }: Props): VNode {
  const text = useSignal<string>(WORDS.asking);
  useEffect(() => {
    connection.command("failure", {}).result.then(
      ({ value }) => (text.value = value.traceback || WORDS.tracebackNone),
      (error: unknown) => (text.value = String(error instanceof Error ? error.message : error)),
    );
  }, []);
  return (
    <div class="sw-paper">
      <pre class="sw-output sw-error-output" tabIndex={0}>
        {text.value}
      </pre>
      <CopyButton text={() => text.value} label={WORDS.copyTraceback} />
    </div>
  );
}

/** A run waits for an agent, and none is free. */
export function OneMore({ connection }: Props): VNode {
  const { state } = connection;
  const name = state.functions.value[0]?.name ?? null;
  const backend = state.agents.value.find((agent) => agent.state !== "gone" && state.backends.value.includes(agent.backend))?.backend;
  const program = typeof state.config.value["program"] === "string";
  return (
    <OrderButton
      connection={connection}
      command="start_agents"
      args={() => ({ n: 1, backend: backend ?? state.backends.value[0] ?? "thread", function: program ? null : name })}
      label={WORDS.oneMore}
      doing={WORDS.starting}
      icon="plus"
      disabled={name === null && !program ? WORDS.noFunction : ""}
    />
  );
}
