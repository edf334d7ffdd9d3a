/** Agents that did not leave by themselves: how they went, and what became of their runs. */

import type { VNode } from "preact";
import type { Connection } from "../connection";
import type { AgentRow } from "../protocol";
import { ASIDE_STRINGS } from "../asidestrings";
import { forget } from "../shell/lost";
import { Icon } from "../ui/icons";
import { OrderButton } from "../ui/order";

const WORDS = ASIDE_STRINGS.lost;

export function LostAgent({ connection, agent }: { connection: Connection; agent: AgentRow }): VNode {
  const how = agent.lost?.how ?? "silent";
  return (
    <>
      <span class="sw-lost-how" title={WORDS.title[how](agent.pid, agent.host)}>
        <Icon name="alert" /> {WORDS.how[how]}
      </span>
      <span class="sw-lost-runs">
        {agent.lost?.runs.map((run) => <Fate key={run} connection={connection} run={run} />)}
      </span>
      <button type="button" class="sw-button sw-button-icon sw-quiet" aria-label={WORDS.forget(`A${agent.number}`)} title={WORDS.forgetTitle} onClick={() => forget(connection.state, agent.id)}>
        <Icon name="close" />
      </button>
    </>
  );
}

function Fate({ connection, run }: { connection: Connection; run: string }): VNode {
  const { state } = connection;
  const number = state.runs.number(run, "number") ?? 0;
  const now = state.runs.text(run, "state");
  return (
    <>
      <button type="button" class="sw-link" onClick={() => (state.opened.value = run)}>
        {WORDS.run(number)}
      </button>
      <span class="sw-muted">{WORDS.fate[now] ?? now}</span>
      {(now === "crashed" || now === "killed") && (
        <OrderButton connection={connection} command="retry_run" args={() => ({ run })} label={WORDS.retry} doing={WORDS.retrying} className="sw-quiet" />
      )}
    </>
  );
}
