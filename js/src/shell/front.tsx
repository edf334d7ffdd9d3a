/** The best there is of several goals at once: how many runs nobody beats, and the best of each goal. */

import { useComputed } from "@preact/signals";
import type { VNode } from "preact";
import { ASIDE_STRINGS } from "../asidestrings";
import type { Connection } from "../connection";
import { numberText } from "../format";
import { front } from "../pareto";
import type { GoalInfo } from "../protocol";
import { metricColumn } from "../runs/columns";
import type { RunTable } from "../runtable";
import { STRINGS } from "../strings";

const WORDS = ASIDE_STRINGS.front;

export interface Front {
  /** Ids of the runs of which no other is better in one goal without being worse in another. */
  readonly runs: readonly string[];
  /** For each goal the run that is best in it. */
  readonly best: readonly { readonly goal: GoalInfo; readonly run: string; readonly value: number }[];
}

export function FrontCard({ connection }: { connection: Connection }): VNode {
  const { state } = connection;
  const found = useComputed(() => frontOf(state.runs, state.sweep.value?.goals ?? []));
  const { runs, best } = found.value;
  return (
    <section class="sw-card sw-best sw-front" data-testid="sw-best" aria-label={WORDS.title}>
      <header class="sw-card-head">
        <h3>{WORDS.title}</h3>
        {runs.length > 0 && (
          <button type="button" class="sw-link" title={WORDS.select} onClick={() => (state.selected.value = runs)}>
            {WORDS.size(runs.length)}
          </button>
        )}
      </header>
      {runs.length === 0 ? (
        <p class="sw-hint">{WORDS.none}</p>
      ) : (
        <dl class="sw-chips" tabIndex={0} aria-label={WORDS.each}>
          {best.map(({ goal, run, value }) => (
            <div key={goal.metric} title={STRINGS.goal(goal.maximize, goal.metric)}>
              <dt>{STRINGS.goal(goal.maximize, goal.metric)}</dt>
              <dd>
                <b>{numberText(value)}</b>{" "}
                <button type="button" class="sw-link" onClick={() => (state.opened.value = run)}>
                  {STRINGS.best.run(state.runs.number(run, "number") ?? 0)}
                </button>
              </dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}

/** Of the runs that have a finite value of every goal. */
export function frontOf(runs: RunTable, goals: readonly GoalInfo[]): Front {
  const columns = goals.map((goal) => runs.column(metricColumn(goal.metric, runs.names.value)));
  const rows: number[] = [];
  const costs: number[][] = [];
  for (let row = 0; row < runs.size; row += 1) {
    const values = columns.map((column) => column(row));
    if (!values.every((value) => typeof value === "number" && Number.isFinite(value))) continue;
    rows.push(row);
    costs.push(values.map((value, k) => (goals[k]?.maximize ? -(value as number) : (value as number))));
  }
  const isBest = front(costs);
  const best = goals.flatMap((goal, k) => {
    let first = -1;
    costs.forEach((cost, i) => {
      if (first < 0 || (cost[k] as number) < (costs[first]?.[k] as number)) first = i;
    });
    return first < 0 ? [] : [{ goal, run: runs.id(rows[first] as number), value: (costs[first]?.[k] as number) * (goal.maximize ? -1 : 1) }];
  });
  return { runs: rows.filter((_, i) => isBest[i]).map((row) => runs.id(row)), best };
}
