/** The sweep is over: what to take away from it, and how to go on. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { ASIDE_STRINGS } from "../asidestrings";
import { exportFile } from "../shell/menus";
import { isCapped } from "../state";
import { CopyButton } from "../ui/copy";
import { OrderButton, reasonAgainst } from "../ui/order";
import { Dropdown } from "../ui/dropdown";
import { useUniqueId } from "../ui/ids";

const WORDS = ASIDE_STRINGS.finish;
const MORE = 10;
const BEST = 5;

export function Finish({ connection }: { connection: Connection }): VNode {
  const { state } = connection;
  return (
    <div class="sw-finish" data-testid="sw-finish">
      <ReportButton connection={connection} />
      {isCapped(state) && <Extend connection={connection} />}
      {state.best.value && (
        <Dropdown label={WORDS.next} text={WORDS.next} align="end" disabled={reasonAgainst(state, "narrow")}>
          {() => <Next connection={connection} />}
        </Dropdown>
      )}
    </div>
  );
}

function ReportButton({ connection }: { connection: Connection }): VNode {
  const waiting = useSignal(false);
  const reason = reasonAgainst(connection.state, "export");
  const make = () => {
    if (reason || waiting.value) return;
    waiting.value = true;
    void exportFile(connection, "report").finally(() => (waiting.value = false));
  };
  return (
    <button
      type="button"
      class="sw-button"
      title={reason || WORDS.reportTitle}
      aria-disabled={reason || waiting.value ? true : undefined}
      aria-busy={waiting.value || undefined}
      onClick={make}
    >
      {waiting.value ? WORDS.reporting : WORDS.report}
    </button>
  );
}

function Extend({ connection }: { connection: Connection }): VNode {
  const id = useUniqueId();
  const runs = useSignal(String(MORE));
  const n = Math.round(Number(runs.value));
  return (
    <span class="sw-extend">
      <OrderButton
        connection={connection}
        command="extend"
        args={() => ({ runs: n })}
        label={WORDS.extend}
        doing={WORDS.extending}
        icon="plus"
        disabled={n >= 1 ? "" : WORDS.extendNone}
        testid="sw-extend"
      />
      <input
        id={id}
        class="sw-short"
        type="number"
        min="1"
        aria-label={WORDS.extendLabel}
        value={runs.value}
        onInput={(event) => (runs.value = event.currentTarget.value)}
      />
      <label for={id}>{WORDS.extendRuns}</label>
    </span>
  );
}

/** A cell to paste: the next sweep is the notebook's, not this dashboard's. */
function Next({ connection }: { connection: Connection }): VNode {
  const id = useUniqueId();
  const k = useSignal(String(BEST));
  const code = useSignal("");
  useEffect(() => {
    const n = Math.round(Number(k.value));
    let asked = true;
    if (n >= 1)
      connection.command("narrow", { k: n }).result.then(
        ({ value }) => asked && (code.value = value.python),
        (error: unknown) => asked && (code.value = `# ${String(error instanceof Error ? error.message : error)}`),
      );
    return () => {
      asked = false;
    };
  }, [k.value]);
  return (
    <div class="sw-paper">
      <p class="sw-paper-line">
        <label for={id}>{WORDS.around}</label>
        <input id={id} class="sw-short" type="number" min="1" value={k.value} onInput={(event) => (k.value = event.currentTarget.value)} />
        <span>{WORDS.bestRuns}</span>
        <span class="sw-space" />
        <CopyButton text={() => code.value} label={WORDS.copy} />
      </p>
      <pre class="sw-output" tabIndex={0}>
        {code.value || WORDS.asking}
      </pre>
      <p class="sw-hint">{WORDS.paste}</p>
    </div>
  );
}
