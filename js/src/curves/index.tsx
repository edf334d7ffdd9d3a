/** Live curves of a metric, for as many runs as there are. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { Segmented } from "../fields/segmented";
import { Select } from "../fields/select";
import { TextField } from "../fields/textfield";
import { isNumber, numberOf } from "../numbers";
import { numberText } from "../format";
import { CURVE_STRINGS } from "../curvestrings";
import { CurvesTable } from "./table";
import { curvesOf, TOPS, type CurvesModel, type Show } from "./model";
import { PlotArea } from "./plotarea";

const S = CURVE_STRINGS;

export function Curves({ connection }: { connection: Connection }): VNode {
  const model = curvesOf(connection);
  const asTable = useSignal(false);
  const ranging = useSignal(false);
  useEffect(() => model.open(), [model]);
  const tools = (
    <span class="sw-plot-tools">
      <button type="button" class="sw-button sw-quiet" title={S.rangeTitle} aria-expanded={ranging.value} onClick={() => (ranging.value = !ranging.value)}>
        {S.range}
      </button>
      <button type="button" class="sw-button sw-quiet" title={S.asTableTitle} aria-pressed={asTable.value} onClick={() => (asTable.value = !asTable.value)}>
        {S.asTable}
      </button>
    </span>
  );
  return (
    <section class="sw-curves" data-testid="sw-curves">
      <div class="sw-toolbar">
        <Choices model={model} />
      </div>
      {asTable.value ? <CurvesTable connection={connection} model={model}>{tools}</CurvesTable> : <PlotArea connection={connection} model={model}>{tools}</PlotArea>}
      {ranging.value && <Range model={model} />}
    </section>
  );
}

function Choices({ model }: { model: CurvesModel }): VNode {
  const { metric, metrics, x, smooth, show, top, logX, logY } = model;
  const others = useComputed(() => metrics.value.filter((name) => name !== metric.value));
  return (
    <>
      <label class="sw-labelled">
        {S.metric}
        <Select label={S.metric} value={metric.value} choices={metrics.value.map((name) => [name, name])} onChoose={(name) => model.chooseMetric(name)} />
      </label>
      <label class="sw-labelled">
        {S.x}
        <Select
          label={S.x}
          value={x.value}
          choices={[["step", S.step], ["time", S.time], ...others.value.map((name) => [name, name] as const)]}
          onChoose={(name) => model.chooseX(name)}
        />
      </label>
      <label class="sw-labelled" title={S.smoothTitle}>
        {S.smooth}
        <input
          type="range"
          min="0"
          max="0.99"
          step="0.01"
          aria-label={S.smooth}
          value={smooth.value}
          onInput={(event) => (smooth.value = Number(event.currentTarget.value))}
        />
        <span class="sw-number sw-smooth-value">{smooth.value.toFixed(2)}</span>
      </label>
      <label class="sw-check">
        <input type="checkbox" checked={logX.value} onChange={(event) => (logX.value = event.currentTarget.checked)} />
        {S.logX}
      </label>
      <label class="sw-check">
        <input type="checkbox" checked={logY.value} onChange={(event) => model.setLogY(event.currentTarget.checked)} />
        {S.logY}
      </label>
      <Segmented<Show>
        label={S.show}
        value={show.value}
        choices={[["all", S.shows.all], ["running", S.shows.running], ["best", S.best(top.value)], ["selected", S.shows.selected]]}
        onChoose={(value) => (show.value = value)}
      />
      {show.value === "best" && (
        <Select label={S.shows.best} value={String(top.value)} choices={TOPS.map((k) => [String(k), String(k)])} onChoose={(k) => (top.value = Number(k))} />
      )}
    </>
  );
}

/** The zoom as numbers: the way by keyboard. */
function Range({ model }: { model: CurvesModel }): VNode {
  const range = model.range.value;
  const set = (end: 0 | 1, text: string) => {
    const value = text.trim() === "" ? null : isNumber(text.trim()) ? numberOf(text.trim()) : undefined;
    if (value === undefined) return;
    const known = model.range.peek() ?? extent(model);
    const limits: [number, number] = [...known];
    limits[end] = value ?? extent(model)[end];
    model.range.value = limits[0] < limits[1] ? limits : [limits[1], limits[0]];
  };
  return (
    <div class="sw-toolbar sw-range" role="group" aria-label={S.range}>
      <label class="sw-labelled">
        {S.from}
        <TextField numeric label={`${S.x} ${S.from}`} value={range ? numberText(range[0], 6) : ""} onCommit={(text) => set(0, text)} />
      </label>
      <label class="sw-labelled">
        {S.to}
        <TextField numeric label={`${S.x} ${S.to}`} value={range ? numberText(range[1], 6) : ""} onCommit={(text) => set(1, text)} />
      </label>
      <button type="button" class="sw-button sw-quiet" disabled={range === null && model.rangeY.value === null} onClick={() => model.reset()}>
        {S.all}
      </button>
      <span class="sw-hint">{S.rangeTitle}</span>
    </div>
  );
}

function extent(model: CurvesModel): readonly [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const { x } of model.curves.peek()?.runs.values() ?? []) {
    if (x.length === 0) continue;
    low = Math.min(low, x[0] as number);
    high = Math.max(high, x.at(-1) as number);
  }
  return low < high ? [low, high] : [0, 1];
}
