/** Runs that wait for an agent. */

import { useComputed } from "@preact/signals";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { valueText } from "../format";
import { columnPath, type RunTable } from "../runtable";
import { ASIDE_STRINGS } from "../asidestrings";
import { STRINGS } from "../strings";

const WORDS = ASIDE_STRINGS.queue;
const MOST = 200;

export function Queue({ connection }: { connection: Connection }): VNode {
  const { runs } = connection.state;
  const waiting = useComputed(() => pending(runs));
  if (waiting.value.length === 0) return <p class="sw-hint">{WORDS.none}</p>;
  const parameters = runs.names.value.filter((name) => name.startsWith("config."));
  return (
    <ol class="sw-list" aria-label={WORDS.list}>
      {waiting.value.slice(0, MOST).map((run) => (
        <li key={run}>
          <button type="button" class="sw-link" onClick={() => (connection.state.opened.value = run)}>
            {STRINGS.best.run(runs.number(run, "number") ?? 0)}
          </button>
          <span class="sw-list-text">
            {parameters
              .filter((name) => runs.cell(run, name) !== undefined)
              .map((name) => `${columnPath(name).slice(1).join(".")} ${valueText(runs.cell(run, name))}`)
              .join("  ·  ")}
          </span>
          <span class="sw-muted">{runs.text(run, "why")}</span>
        </li>
      ))}
    </ol>
  );
}

export function pending(runs: RunTable): string[] {
  runs.version.value;
  const state = runs.column("state");
  const found: string[] = [];
  for (let row = 0; row < runs.size; row += 1) if (state(row) === "pending") found.push(runs.id(row));
  return found;
}
