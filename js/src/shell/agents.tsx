/** Who works on the sweep. */

import type { VNode } from "preact";
import type { Connection } from "../connection";
import { bytesText, durationText, numberText } from "../format";
import type { AgentRow, Load } from "../protocol";
import { isOver, kernelNow, type State } from "../state";
import { STRINGS } from "../strings";
import { useClock } from "../ui/clock";
import { Dropdown } from "../ui/dropdown";
import { Lazy } from "../ui/lazy";
import { OrderButton } from "../ui/order";
import { lostAgents } from "./lost";

const WORDS = STRINGS.agents;
const STUCK_S = 10;

export function AgentsCard({ connection }: { connection: Connection }): VNode {
  const { state } = connection;
  const there = state.agents.value.filter((agent) => agent.state !== "gone");
  const busy = there.filter((agent) => agent.run !== null).length;
  const lost = isOver(state) ? [] : lostAgents(state);
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
            {(close) => <Lazy name="StartForm" quiet connection={connection} onStarted={close} />}
          </Dropdown>
        )}
        {state.sweep.value?.join && (
          <Dropdown label={WORDS.joins} text={WORDS.where} arrow={false} align="end" className="sw-quiet">
            {() => <Lazy name="Join" quiet line={state.sweep.value?.join ?? ""} />}
          </Dropdown>
        )}
      </header>
      {form && <Lazy name="StartForm" quiet connection={connection} />}
      {there.length + lost.length > 0 ? (
        <ul class="sw-agent-list" tabIndex={there.length + lost.length > 3 ? 0 : undefined} aria-label={WORDS.title}>
          {there.map((agent) => (
            <Row key={agent.id} connection={connection} agent={agent} />
          ))}
          {lost.map((agent) => (
            <LostRow key={agent.id} connection={connection} agent={agent} />
          ))}
        </ul>
      ) : (
        !form && <p class="sw-hint">{WORDS.nobody}</p>
      )}
    </section>
  );
}

function LostRow({ connection, agent }: { connection: Connection; agent: AgentRow }): VNode {
  return (
    <li class="sw-agent sw-lost" data-testid="sw-agent-row" data-agent-id={agent.id} data-state="lost">
      <AgentName agent={agent} />
      <Lazy name="LostAgent" quiet connection={connection} agent={agent} />
    </li>
  );
}

function AgentName({ agent }: { agent: AgentRow }): VNode {
  return (
    <span class="sw-agent-name" title={`${agent.id} · ${agent.host} · ${agent.pid}`}>
      <b>A{agent.number}</b> <span class="sw-muted">{agent.backend}</span>
    </span>
  );
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

function Row({ connection, agent }: { connection: Connection; agent: AgentRow }): VNode {
  const { state } = connection;
  state.runs.version.value;
  const run = agent.run;
  const number = run === null ? null : state.runs.number(run, "number");
  const load = state.load.value[agent.id];
  return (
    <li class="sw-agent" data-testid="sw-agent-row" data-agent-id={agent.id} data-state={agent.state}>
      <AgentName agent={agent} />
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
        {agent.told_at !== null && <Stuck state={state} agent={agent} since={agent.told_at} />}
      </span>
      <span class="sw-agent-facts">
        {agent.pace !== null && <span title={WORDS.paceTitle}>{WORDS.pace(numberText(agent.pace, 2))}</span>}
        <LoadFacts load={load} />
        <Heard state={state} agent={agent} />
      </span>
      <Dropdown label={WORDS.menu(`A${agent.number}`)} icon="more" arrow={false} role="menu" align="end" className="sw-quiet">
        {(close) => <Lazy name="AgentMenu" quiet connection={connection} agent={agent} close={close} />}
      </Dropdown>
    </li>
  );
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

/** Its run does not obey. */
function Stuck({ state, agent, since }: { state: State; agent: AgentRow; since: number }): VNode | null {
  useClock().value;
  const age = Math.round(kernelNow(state) - since);
  if (age < STUCK_S) return null;
  return (
    <small class="sw-tag sw-bad" title={["thread", "inline"].includes(agent.backend) ? WORDS.stuckTitle : undefined}>
      {WORDS.stuck(durationText(age))}
    </small>
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
