/** What went wrong, by error: the same one a hundred times is one line. */

import { useComputed } from "@preact/signals";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import type { RunTable } from "../runtable";
import { failures } from "../runs/columns";
import { ASIDE_STRINGS } from "../asidestrings";
import { reasonAgainst } from "../ui/order";
import { Icon } from "../ui/icons";

const WORDS = ASIDE_STRINGS.log;
const MOST_LINKS = 12;

export interface Failure {
  error: string;
  runs: string[];
}

export function FailureLog({ connection }: { connection: Connection }): VNode {
  const { state } = connection;
  const groups = useComputed(() => grouped(state.runs));
  if (groups.value.length === 0) return <p class="sw-hint">{WORDS.none}</p>;
  const reason = reasonAgainst(state, "retry_run");
  const retry = (runs: readonly string[]) => {
    if (!reason) for (const run of runs) connection.command("retry_run", { run });
  };
  return (
    <ul class="sw-list" aria-label={WORDS.list}>
      {groups.value.map(({ error, runs }) => (
        <li key={error} class="sw-failure">
          <Icon name="alert" />
          <span class="sw-list-text sw-mono">{error}</span>
          <span class="sw-failure-runs">
            {runs.slice(0, MOST_LINKS).map((run) => (
              <button key={run} type="button" class="sw-link" onClick={() => (state.opened.value = run)}>
                {state.runs.number(run, "number") ?? run}
              </button>
            ))}
            {runs.length > MOST_LINKS && <span class="sw-muted">…</span>}
          </span>
          <button
            type="button"
            class="sw-button"
            aria-disabled={reason ? true : undefined}
            title={reason || undefined}
            onClick={() => retry(runs)}
          >
            <Icon name="again" />
            {WORDS.retry(runs.length)}
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Errors, the most frequent first. */
export function grouped(runs: RunTable): Failure[] {
  runs.version.value;
  const groups = new Map<string, string[]>();
  for (const run of failures(runs)) {
    const error = runs.text(run, "error") || runs.text(run, "reason") || runs.text(run, "state");
    const group = groups.get(error);
    if (group) group.push(run);
    else groups.set(error, [run]);
  }
  return [...groups].map(([error, group]) => ({ error, runs: group })).sort((a, b) => b.runs.length - a.runs.length);
}
