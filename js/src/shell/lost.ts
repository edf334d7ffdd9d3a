/** Which lost agents are still worth a line: the latest, until somebody has read it or the sweep is over. */

import type { AgentRow } from "../protocol";
import type { State } from "../state";

const MOST = 3;

export function lostAgents(state: State): AgentRow[] {
  const forgotten = new Set(forgottenOf(state).value);
  const lost = state.agents.value.filter((agent) => agent.state === "gone" && agent.lost !== null && !forgotten.has(agent.id));
  return lost.sort((a, b) => b.number - a.number).slice(0, MOST);
}

export function forget(state: State, agent: string): void {
  const list = forgottenOf(state);
  const gone = new Set(state.agents.peek().map(({ id }) => id));
  list.value = [...list.peek().filter((id) => gone.has(id)), agent];
}

function forgottenOf(state: State) {
  return state.view.remember<string[]>("forgotten", []);
}
