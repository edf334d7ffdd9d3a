/** Live curves of a metric, for as many runs as there are. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { Segmented } from "../fields/segmented";
import { Select } from "../fields/select";
import { Lazy, panels } from "../ui/lazy";
import { CURVE_STRINGS } from "../curvestrings";
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
      <button
        type="button"
        class="sw-button sw-quiet"
        title={S.asImageTitle}
        aria-label={S.asImageTitle}
        disabled={asTable.value || !panels.value}
        onClick={() => void panels.peek()?.saveImage(connection, model)}
      >
        {S.asImage}
      </button>
    </span>
  );
  return (
    <section class="sw-curves" data-testid="sw-curves">
      <div class="sw-toolbar">
        <Choices model={model} />
      </div>
      {asTable.value ? <Lazy name="CurvesTable" connection={connection} model={model}>{tools}</Lazy> : <PlotArea connection={connection} model={model}>{tools}</PlotArea>}
      {ranging.value && <Lazy name="Range" quiet model={model} />}
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
