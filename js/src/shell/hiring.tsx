/** How agents come and go: the form that starts them, the line that joins from elsewhere, the menu of one. */

import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import type { AgentRow, Commands } from "../protocol";
import { ASIDE_STRINGS } from "../asidestrings";
import { STRINGS } from "../strings";
import { CopyButton } from "../ui/copy";
import { Labels, reasonAgainst, useOrder } from "../ui/order";
import { Menu, type MenuItem } from "../ui/popover";
import { useUniqueId } from "../ui/ids";

const WORDS = STRINGS.agents;
const START = ASIDE_STRINGS.start;

export function Join({ line }: { line: string }): VNode {
  return (
    <div class="sw-join">
      <p>{WORDS.joins}</p>
      <pre>{line}</pre>
      <CopyButton text={() => line} label={START.joinCopy} />
    </div>
  );
}

export function AgentMenu({ connection, agent, close }: { connection: Connection; agent: AgentRow; close: () => void }): VNode {
  const reason = reasonAgainst(connection.state, "stop_agent");
  const order = (now: boolean) => connection.command("stop_agent", { agent: agent.id, now });
  const items: MenuItem[] = [
    { label: WORDS.leave, icon: "check", disabled: reason || (agent.state === "leaving" ? WORDS.leaving : ""), run: () => order(false) },
    { label: WORDS.stopNow, icon: "stop", danger: true, confirm: WORDS.stopNowConfirm, disabled: reason, run: () => order(true) },
  ];
  return <Menu items={items} close={close} />;
}

/** Function, backend, number, Start. What was chosen stays, whatever the kernel sends meanwhile. */
export function StartForm({ connection, onStarted }: { connection: Connection; onStarted?: () => void }): VNode {
  const { state } = connection;
  const id = useUniqueId();
  const order = useOrder(connection, "start_agents");
  const chosen = useSignal<string | null>(null);
  const backend = useSignal<string | null>(null);
  const n = useSignal("1");
  const functions = state.functions.value;
  const program = typeof state.config.value["program"] === "string";
  const backends = state.backends.value;
  const nothing = functions.length === 0 && !program;
  const reason =
    (state.sweep.value ? "" : START.noSweep) || (nothing ? START.noFunction : "") || reasonAgainst(state, "start_agents");
  const waiting = order.status !== "";
  const start = () => {
    if (reason || waiting) return;
    const name = chosen.value ?? functions[0]?.name ?? "";
    const args: Commands["start_agents"] = {
      n: Math.max(1, Math.round(Number(n.value)) || 1),
      backend: backend.value ?? backends[0] ?? "thread",
      function: name === "" ? null : name,
    };
    order.give(args);
    onStarted?.();
  };
  if (nothing && state.known.value) {
    return (
      <div class="sw-start-form">
        <p class="sw-hint">{START.noFunction}</p>
        <pre class="sw-example">{START.example}</pre>
        <StartButton reason={reason} waiting={waiting} start={start} />
      </div>
    );
  }
  return (
    <form
      class="sw-start-form"
      onSubmit={(event) => {
        event.preventDefault();
        start();
      }}
    >
      <label for={`${id}-f`}>{START.function}</label>
      <select id={`${id}-f`} value={chosen.value ?? functions[0]?.name ?? ""} onChange={(event) => (chosen.value = event.currentTarget.value)}>
        {functions.map((known) => (
          <option key={known.name} value={known.name}>
            {known.where ? `${known.name} · ${known.where}` : known.name}
          </option>
        ))}
        {program && <option value="">{START.program}</option>}
      </select>
      <label for={`${id}-b`}>{START.backend}</label>
      <select id={`${id}-b`} value={backend.value ?? backends[0] ?? ""} onChange={(event) => (backend.value = event.currentTarget.value)}>
        {backends.map((name) => (
          <option key={name} value={name}>
            {START.backends[name] ?? name}
          </option>
        ))}
      </select>
      <label for={`${id}-n`}>{START.number}</label>
      <input
        id={`${id}-n`}
        type="number"
        min="1"
        max="512"
        class="sw-short"
        value={n.value}
        onInput={(event) => (n.value = event.currentTarget.value)}
      />
      <StartButton reason={reason} waiting={waiting} start={start} />
    </form>
  );
}

function StartButton({ reason, waiting, start }: { reason: string; waiting: boolean; start: () => void }): VNode {
  return (
    <button
      type="button"
      class="sw-button sw-primary"
      data-testid="sw-start"
      aria-disabled={reason || waiting ? true : undefined}
      aria-busy={waiting || undefined}
      title={reason || undefined}
      onClick={start}
    >
      <Labels now={waiting ? 1 : 0} labels={[START.start, START.starting]} />
    </button>
  );
}
