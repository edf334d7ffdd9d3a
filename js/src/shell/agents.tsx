/** Who works on the sweep, and the form that starts more. */

import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { bytesText, durationText, numberText } from "../format";
import type { AgentRow, Commands, Load } from "../protocol";
import { kernelNow, type State } from "../state";
import { STRINGS } from "../strings";
import { useClock } from "../ui/clock";
import { CopyButton } from "../ui/copy";
import { OrderButton, Labels, reasonAgainst, useOrder } from "../ui/order";
import { Dropdown, Menu } from "../ui/popover";

const WORDS = STRINGS.agents;

export function AgentsCard({ connection }: { connection: Connection }): VNode {
  const { state } = connection;
  const there = state.agents.value.filter((agent) => agent.state !== "gone");
  const busy = there.filter((agent) => agent.run !== null).length;
  const form = there.length === 0 && !isOver(state);
  return (
    <section class="sw-card sw-agents" data-testid="sw-agents" aria-label={WORDS.title}>
      <header class="sw-card-head">
        <h3>{WORDS.title}</h3>
        <span class="sw-muted">{WORDS.busy(busy, there.length)}</span>
        <span class="sw-space" />
        {there.length > 0 && <Scale connection={connection} agents={there} />}
        {there.length > 0 && (
          <Dropdown label={WORDS.startMore} text={<span class="sw-wide">{WORDS.startTitle}</span>} icon="plus" align="end" className="sw-quiet">
            {(close) => <StartForm connection={connection} onStarted={close} />}
          </Dropdown>
        )}
        {state.sweep.value?.join && (
          <Dropdown label={WORDS.joins} text={WORDS.where} arrow={false} align="end" className="sw-quiet">
            {() => <Join line={state.sweep.value?.join ?? ""} />}
          </Dropdown>
        )}
      </header>
      {form ? (
        <StartForm connection={connection} />
      ) : (
        <ul class="sw-agent-list" tabIndex={there.length > 3 ? 0 : undefined} aria-label={WORDS.title}>
          {there.map((agent, i) => (
            <Row key={agent.id} connection={connection} agent={agent} index={i} />
          ))}
          {there.length === 0 && <li class="sw-hint">{WORDS.nobody}</li>}
        </ul>
      )}
    </section>
  );
}

function isOver(state: State): boolean {
  return state.status.value === "CANCELED" || state.status.value === "FINISHED";
}

/** − 2 ＋ */
function Scale({ connection, agents }: { connection: Connection; agents: readonly AgentRow[] }): VNode {
  const staying = agents.filter((agent) => agent.crew !== "" && agent.state !== "leaving").length;
  return (
    <span class="sw-stepper">
      <OrderButton
        connection={connection}
        command="scale"
        args={() => ({ n: staying - 1 })}
        label={WORDS.fewer}
        doing={WORDS.leaving}
        icon="minus"
        iconOnly
        disabled={staying === 0 ? WORDS.nobody : ""}
      />
      <output aria-label={WORDS.title}>{staying}</output>
      <OrderButton
        connection={connection}
        command="scale"
        args={() => ({ n: staying + 1 })}
        label={WORDS.more}
        doing={WORDS.starting}
        icon="plus"
        iconOnly
        testid="sw-agent-add"
      />
    </span>
  );
}

function Join({ line }: { line: string }): VNode {
  return (
    <div class="sw-join">
      <p>{WORDS.joins}</p>
      <pre>{line}</pre>
      <CopyButton text={() => line} label={WORDS.joinCopy} />
    </div>
  );
}

function Row({ connection, agent, index }: { connection: Connection; agent: AgentRow; index: number }): VNode {
  const { state } = connection;
  state.runs.version.value;
  const run = agent.run;
  const number = run === null ? null : state.runs.number(run, "number");
  const load = state.load.value[agent.id];
  const name = `A${index + 1}`;
  return (
    <li class="sw-agent" data-testid="sw-agent-row" data-agent-id={agent.id} data-state={agent.state}>
      <span class="sw-agent-name" title={`${agent.id} · ${agent.host} · ${agent.pid}`}>
        <b>{name}</b> <span class="sw-muted">{agent.backend}</span>
      </span>
      <span class="sw-agent-run">
        {run === null || number === null ? (
          <span class="sw-muted">{agent.state === "leaving" ? WORDS.states.leaving : WORDS.noRun}</span>
        ) : (
          <button type="button" class="sw-link" onClick={() => (state.opened.value = run)}>
            {WORDS.run(number)}
          </button>
        )}
        {run !== null && agent.state === "leaving" && <small class="sw-tag">{WORDS.leaving}</small>}
        {load?.alive === false && <small class="sw-tag sw-bad">{WORDS.lost}</small>}
      </span>
      <span class="sw-agent-facts">
        {agent.pace !== null && <span title={WORDS.paceTitle}>{WORDS.pace(numberText(agent.pace, 2))}</span>}
        <LoadFacts load={load} />
        <Heard state={state} agent={agent} />
      </span>
      <Dropdown label={WORDS.menu(name)} icon="more" arrow={false} role="menu" align="end" className="sw-quiet">
        {(close) => <Menu close={close} items={agentItems(connection, agent)} />}
      </Dropdown>
    </li>
  );
}

function agentItems(connection: Connection, agent: AgentRow) {
  const reason = reasonAgainst(connection.state, "stop_agent");
  const order = (now: boolean) => connection.command("stop_agent", { agent: agent.id, now });
  return [
    { label: WORDS.leave, icon: "check" as const, disabled: reason || (agent.state === "leaving" ? WORDS.leaving : ""), run: () => order(false) },
    { label: WORDS.stopNow, icon: "stop" as const, danger: true, confirm: WORDS.stopNowConfirm, disabled: reason, run: () => order(true) },
  ];
}

function LoadFacts({ load }: { load: Load | undefined }): VNode | null {
  if (!load) return null;
  return (
    <>
      {load.cpu !== null && <span>{Math.round(load.cpu)}%</span>}
      {load.memory !== null && <span class="sw-wide">{bytesText(load.memory)}</span>}
      {load.gpu !== undefined && <span class="sw-wide">gpu {bytesText(load.gpu)}</span>}
    </>
  );
}

function Heard({ state, agent }: { state: State; agent: AgentRow }): VNode | null {
  useClock().value;
  if (agent.heard_at === null) return null;
  const age = durationText(Math.max(0, Math.round(kernelNow(state) - agent.heard_at)));
  return (
    <span class="sw-heard" title={WORDS.heardTitle(age)}>
      <span aria-hidden="true">♥</span> {WORDS.heard(age)}
    </span>
  );
}

/** Function, backend, number, Start. What was chosen stays, whatever the kernel sends meanwhile. */
export function StartForm({ connection, onStarted }: { connection: Connection; onStarted?: () => void }): VNode {
  const { state } = connection;
  const id = useId();
  const order = useOrder(connection, "start_agents");
  const chosen = useSignal<string | null>(null);
  const backend = useSignal<string | null>(null);
  const n = useSignal("1");
  const functions = state.functions.value;
  const program = typeof state.config.value["program"] === "string";
  const backends = state.backends.value;
  const nothing = functions.length === 0 && !program;
  const reason =
    (state.sweep.value ? "" : WORDS.noSweep) || (nothing ? WORDS.noFunction : "") || reasonAgainst(state, "start_agents");
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
        <p class="sw-hint">{WORDS.noFunction}</p>
        <pre class="sw-example">{WORDS.example}</pre>
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
      <label for={`${id}-f`}>{WORDS.function}</label>
      <select id={`${id}-f`} value={chosen.value ?? functions[0]?.name ?? ""} onChange={(event) => (chosen.value = event.currentTarget.value)}>
        {functions.map((known) => (
          <option key={known.name} value={known.name}>
            {known.where ? `${known.name} · ${known.where}` : known.name}
          </option>
        ))}
        {program && <option value="">{WORDS.program}</option>}
      </select>
      <label for={`${id}-b`}>{WORDS.backend}</label>
      <select id={`${id}-b`} value={backend.value ?? backends[0] ?? ""} onChange={(event) => (backend.value = event.currentTarget.value)}>
        {backends.map((name) => (
          <option key={name} value={name}>
            {WORDS.backends[name] ?? name}
          </option>
        ))}
      </select>
      <label for={`${id}-n`}>{WORDS.number}</label>
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
      <Labels now={waiting ? 1 : 0} labels={[WORDS.start, WORDS.starting]} />
    </button>
  );
}
