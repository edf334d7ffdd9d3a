/** Which columns the table has, and how wide they are. Pure. */

import { columnPath, type RunTable } from "../runtable";
import type { SweepInfo } from "../protocol";
import { STRINGS } from "../strings";

export interface ColumnSpec {
  readonly name: string;
  readonly title: string;
  readonly group: "fact" | "config" | "summary";
  readonly width: number;
  readonly numeric: boolean;
}

const FACTS: { readonly [name: string]: number } = {
  name: 140, state: 112, curve: 76, duration: 68, agent: 84, reason: 180, error: 220, tags: 110, why: 200, code: 120, attempt: 64,
  config_version: 60, created_at: 96, started_at: 96, ended_at: 96, stopping: 140, id: 110,
};
const NUMERIC = new Set(["duration", "attempt", "config_version", "created_at", "started_at", "ended_at"]);
const MOST_PARAMETERS = 8;

export function specOf(name: string): ColumnSpec {
  const path = columnPath(name);
  const group = path[0] === "config" || path[0] === "summary" ? path[0] : "fact";
  if (group === "fact") {
    return { name, title: STRINGS.runs.column[name] ?? name, group, width: FACTS[name] ?? 110, numeric: NUMERIC.has(name) };
  }
  const title = path.slice(1).join(".");
  return { name, title, group, width: Math.max(92, Math.min(160, 40 + 7 * title.length)), numeric: true };
}

/** The column of a metric, whether its dots are paths or part of its name. */
export function metricColumn(metric: string, names: readonly string[]): string {
  const nested = `summary.${metric}`;
  return names.includes(nested) ? nested : `summary.${metric.replaceAll("\\", "\\\\").replaceAll(".", "\\.")}`;
}

/** What there is to choose from. */
export function offered(names: readonly string[]): ColumnSpec[] {
  const facts = ["name", "state", "curve", "duration", "agent", "reason", "error", "tags", "why", "code", "attempt", "config_version", "started_at", "ended_at", "id"];
  const rest = names.filter((name) => name.startsWith("config.") || name.startsWith("summary."));
  return [...facts.filter((name) => name === "curve" || name === "duration" || names.includes(name)), ...rest].map(specOf);
}

/** What is shown until the user chooses: less where there is less room. */
export function defaultColumns(sweep: SweepInfo | null, names: readonly string[], width: number): string[] {
  const metric = sweep?.goals.length ? sweep.goals.map((goal) => metricColumn(goal.metric, names)) : names.filter((name) => name.startsWith("summary.")).slice(0, 2);
  const errors = names.includes("error") ? ["error"] : [];
  if (width > 0 && width < 480) return ["state", ...metric.slice(0, 2), ...errors];
  const shown = ["state", ...metric, ...errors];
  const searched = sweep?.parameters.filter((parameter) => !parameter.constant).map((parameter) => parameter.column) ?? [];
  const parameters = (searched.length ? searched : names.filter((name) => name.startsWith("config."))).slice(0, width > 0 && width < 720 ? 3 : MOST_PARAMETERS);
  if (width > 0 && width < 720) return [...shown, "curve", ...parameters];
  return [...shown, "curve", ...parameters, "duration", "agent"];
}

/** Whether a column begins with its largest values when it is sorted by. */
export function descendingFirst(column: string, sweep: SweepInfo | null, names: readonly string[]): boolean {
  if (column === "number" || column === "duration" || column.endsWith("_at")) return true;
  return sweep?.goal?.maximize === true && column === metricColumn(sweep.goal.metric, names);
}

export function isFailure(state: string): boolean {
  return state === "failed" || state === "crashed";
}

/** Runs that failed, by number, the newest first. */
export function failures(runs: RunTable): string[] {
  const state = runs.column("state");
  const found: string[] = [];
  for (let row = runs.size - 1; row >= 0; row -= 1) if (isFailure(String(state(row)))) found.push(runs.id(row));
  return found;
}

/** Whether runs ran different code: as long as that is one function that never changed, nobody asks. */
export function codesDiffer(runs: RunTable): boolean {
  const code = runs.column("code");
  let first: unknown;
  for (let row = 0; row < runs.size; row += 1) {
    const here = code(row);
    if (here === undefined) continue;
    first ??= here;
    if (here !== first) return true;
  }
  return false;
}
