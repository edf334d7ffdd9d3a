/** How a run's values look in the table. */

import type { VNode } from "preact";
import { changeText, clockText, durationText, numberText, valueText } from "../format";
import type { Cell } from "../runtable";
import { kernelNow, type State } from "../state";
import { STRINGS } from "../strings";
import { SPARK, type Sparks } from "./sparks";

interface CellProps {
  state: State;
  run: string;
  column: string;
  sparks: Sparks;
  /** The goal's column: it shows the change against the pinned run. */
  metric: string | null;
}

export function TableCell({ state, run, column, sparks, metric }: CellProps): VNode {
  if (column === "state") return <StateCell state={state} run={run} />;
  if (column === "curve") return <SparkCell run={run} sparks={sparks} />;
  if (column === "duration") return <>{tookText(state, run)}</>;
  if (column === "agent") return <>{agentText(state, run)}</>;
  const value = state.runs.cell(run, column);
  if (column.endsWith("_at")) return <>{typeof value === "number" ? clockText(value) : ""}</>;
  if (column === "tags") return <>{Array.isArray(value) ? value.map((tag) => valueText(tag)).join(", ") : valueText(value)}</>;
  if (column === metric && typeof value === "number") return <MetricCell state={state} run={run} column={column} value={value} />;
  return <span class={typeof value === "number" && !Number.isFinite(value) ? "sw-odd" : ""}>{valueText(value)}</span>;
}

function MetricCell({ state, run, column, value }: { state: State; run: string; column: string; value: number }): VNode {
  const pinned = state.pinned.value;
  const baseline = pinned && pinned !== run ? state.runs.number(pinned, column) : null;
  return (
    <>
      <span class={Number.isFinite(value) ? "" : "sw-odd"}>{numberText(value)}</span>
      {baseline !== null && <span class="sw-change"> {changeText(value, baseline)}</span>}
    </>
  );
}

function StateCell({ state, run }: { state: State; run: string }): VNode {
  const runState = state.runs.text(run, "state");
  const stopping = state.runs.text(run, "stopping");
  const error = state.runs.text(run, "error");
  const reason = state.runs.text(run, "reason");
  return (
    <span class="sw-run-state" data-state={runState} title={stopping || error || reason || undefined}>
      <span class="sw-dot" aria-hidden="true" />
      {STRINGS.runs.state[runState] ?? runState}
      {stopping && <span class="sw-muted"> {STRINGS.runs.stopping}</span>}
    </span>
  );
}

function SparkCell({ run, sparks }: { run: string; sparks: Sparks }): VNode {
  sparks.version.value;
  const path = sparks.path(run);
  return (
    <svg class="sw-spark" width={SPARK.width} height={SPARK.height} viewBox={`0 0 ${SPARK.width} ${SPARK.height}`} aria-hidden="true">
      {path && <path d={path} />}
    </svg>
  );
}

/** How long it took; of a running one, how long it has been running. */
export function tookText(state: State, run: string): string {
  const started = state.runs.number(run, "started_at");
  if (started === null) return "";
  const ended = state.runs.number(run, "ended_at");
  if (ended !== null) return durationText(ended - started);
  return state.runs.text(run, "state") === "running" ? durationText(Math.max(0, kernelNow(state) - started)) : "";
}

function agentText(state: State, run: string): string {
  const agent = state.runs.text(run, "agent");
  if (!agent) return "";
  const known = state.agents.value.find((row) => row.id === agent);
  return known ? `A${known.number}` : agent;
}

export function titleOf(value: Cell): string {
  return typeof value === "number" ? String(value) : valueText(value);
}
