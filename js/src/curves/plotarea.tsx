/** The plot in the page: when it is drawn, how large it is, and what is said beside it. */

import { effect, useComputed, useSignal, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { ComponentChildren, VNode } from "preact";
import type { Connection } from "../connection";
import { durationText, numberText } from "../format";
import { runColor } from "../palette";
import type { RunTable } from "../runtable";
import { CURVE_STRINGS } from "../curvestrings";
import { scaleOf, type Scale } from "../scale";
import { resolvedColor } from "../theme";
import { grown } from "./extent";
import type { CurvesModel } from "./model";
import type { Hit } from "./nearest";
import { picture, type Picture } from "./picture";
import { CurvePlot, type Inks, type Scene } from "./plot";
import { Redraw, watchVisible } from "./redraw";

const S = CURVE_STRINGS;

/** What the captions say of the picture that was drawn last. */
interface Told {
  readonly picture: Picture;
  readonly x: Scale;
  readonly y: Scale;
}

interface Props {
  readonly connection: Connection;
  readonly model: CurvesModel;
}

export function PlotArea({ connection, model, children }: Props & { readonly children: ComponentChildren }): VNode {
  const host = useRef<HTMLDivElement>(null);
  const told = useSignal<Told | null>(null);
  const hit = useSignal<Hit | null>(null);
  useEffect(() => (host.current ? attach(host.current, connection, model, told, hit) : undefined), [connection, model]);
  return (
    <>
      <div class="sw-plot">
        <Frame told={told} model={model}>
          <div class="sw-plot-host" ref={host} />
        </Frame>
        <Tip connection={connection} model={model} told={told} hit={hit} />
        <Empty connection={connection} model={model} told={told} />
      </div>
      <div class="sw-plot-foot">
        <Caption connection={connection} model={model} told={told} />
        {children}
      </div>
    </>
  );
}

function Frame({ told, model, children }: { told: Signal<Told | null>; model: CurvesModel; children: VNode }): VNode {
  const label = useComputed(() => {
    const now = told.value;
    if (!now?.picture.lines.length) return S.metric;
    return S.summary(model.metric.value, now.picture.lines.length, model.x.value, numberText(now.picture.y.min), numberText(now.picture.y.max));
  });
  return (
    <div role="img" aria-label={label.value}>
      {children}
    </div>
  );
}

// -- drawing ------------------------------------------------------------------------------------------------------------------

/** Keep a plot in the element up to date, until what is returned is called. */
function attach(host: HTMLElement, connection: Connection, model: CurvesModel, told: Signal<Told | null>, hit: Signal<Hit | null>): () => void {
  const { state } = connection;
  let plot: CurvePlot | null = null;
  let scales: { key: string; x: Scale | null; y: Scale | null } = { key: "", x: null, y: null };
  let inks: Inks | null = null;

  const dark = () => state.look.value.dark;

  const scene = (): Scene => {
    const curves = model.curves.peek();
    const current = curves && curves.metric === model.metric.peek() && curves.x === model.x.peek() ? curves : null;
    const logX = model.logX.peek();
    const logY = model.logY.peek();
    const range = model.range.peek();
    const rangeY = model.rangeY.peek();
    const made = picture(current, {
      smooth: model.smooth.peek(),
      logX,
      logY,
      range,
      rungs: state.sweep.peek()?.rungs ?? [],
      emphasis: (run) => model.emphasis(run),
      best: state.best.peek()?.run ?? null,
      state: (run) => model.stateOf(run),
      omit: (run) => model.omits(run),
    });
    // The axes follow the data, but never back: that is what double-click, another metric or another choice does.
    const key = JSON.stringify([model.metric.peek(), model.x.peek(), logX, logY, model.show.peek(), range, rangeY]);
    if (key !== scales.key) scales = { key, x: null, y: null };
    scales.x = range ? scaleOf(range[0], range[1], logX, 0) : grown(scales.x, made.x, logX, 0.015);
    scales.y = rangeY ? scaleOf(rangeY[0], rangeY[1], logY, 0) : grown(scales.y, made.y, logY, 0.05);
    const [x, y] = [scales.x ?? scaleOf(NaN, NaN, logX), scales.y ?? scaleOf(NaN, NaN, logY)];
    return { picture: made, x, y, time: model.x.peek() === "time", hovered: state.hovered.peek() };
  };

  const redraw = new Redraw(() => {
    const [width, height] = [host.clientWidth, host.clientHeight];
    if (width === 0 || height === 0) return;
    const next = scene();
    inks ??= inksOf(host, state.runs, dark());
    if (plot) plot.show(next);
    else model.plot = plot = new CurvePlot(host, width, height, next, inks, heard);
    told.value = { picture: next.picture, x: next.x, y: next.y };
  });

  const heard = {
    zoom: (x: [number, number], y: [number, number] | null) => {
      model.range.value = x;
      model.rangeY.value = y;
    },
    reset: () => model.reset(),
    hover: (found: Hit | null) => {
      hit.value = found;
      if (state.hovered.peek() !== (found?.run ?? null)) state.hovered.value = found?.run ?? null;
    },
    pick: (run: string | null, more: boolean) => {
      const selected = state.selected.peek();
      if (run === null) return;
      if (more) state.selected.value = selected.includes(run) ? selected.filter((other) => other !== run) : [...selected, run];
      else state.selected.value = selected.length === 1 && selected[0] === run ? [] : [run];
    },
  };

  const endings = [
    effect(() => {
      void [model.metric.value, model.x.value, model.logX.value, model.logY.value, model.smooth.value, model.show.value];
      void [model.range.value, model.rangeY.value, state.selected.value, state.pinned.value, state.hidden.value];
      redraw.request(true);
    }),
    effect(() => {
      void [model.curves.value, state.runs.version.value, state.best.value, state.sweep.value];
      redraw.request();
    }),
    effect(() => plot?.hover(state.hovered.value)),
    effect(() => {
      const isDark = dark();
      // The styles follow the attribute that the root gets in this same turn.
      requestAnimationFrame(() => {
        inks = inksOf(host, state.runs, isDark);
        plot?.ink(inks);
      });
    }),
    watchVisible(host, (visible) => {
      redraw.visible = visible;
    }),
    watchSize(host, (width, height) => {
      plot?.resize(width, height);
      if (Math.abs(width - model.width.peek()) > model.width.peek() / 4) model.width.value = Math.round(width);
      redraw.request(true);
    }),
  ];
  return () => {
    for (const end of endings) end();
    redraw.stop();
    plot?.destroy();
    if (model.plot === plot) model.plot = null;
    if (state.hovered.peek() !== null) state.hovered.value = null;
  };
}

function inksOf(host: HTMLElement, runs: RunTable, dark: boolean): Inks {
  const style = getComputedStyle(host);
  return {
    text: resolvedColor(host, "--sw-muted"),
    grid: resolvedColor(host, "--sw-grid"),
    grey: resolvedColor(host, "--sw-muted"),
    ground: resolvedColor(host, "--sw-bg"),
    font: `11px ${style.fontFamily || "sans-serif"}`,
    run: (run) => runColor(runs.number(run, "number"), dark),
  };
}

/** Sizes of an element that are worth drawing in; not 0, as in output that is scrolled away. */
function watchSize(element: Element, tell: (width: number, height: number) => void): () => void {
  let last = "";
  const observer = new ResizeObserver(() => {
    const { clientWidth, clientHeight } = element;
    const size = `${clientWidth}×${clientHeight}`;
    if (!clientWidth || !clientHeight || size === last) return;
    last = size;
    tell(clientWidth, clientHeight);
  });
  observer.observe(element);
  return () => observer.disconnect();
}

// -- words --------------------------------------------------------------------------------------------------------------------

function Tip({ connection, model, told, hit }: Props & { told: Signal<Told | null>; hit: Signal<Hit | null> }): VNode | null {
  const { state } = connection;
  const run = state.hovered.value;
  const line = run === null ? undefined : told.value?.picture.lines.find((candidate) => candidate.run === run);
  if (run === null || !line || !told.value) return null;
  const at = hit.value?.run === run ? hit.value.index : line.x.length - 1;
  const [x, y, raw] = [line.x[at], line.y[at], line.raw[at]];
  if (x === undefined || y === undefined || raw === undefined) return null;
  // It stands where the pointer is not.
  const left = hit.value?.run === run && x > (told.value.x.min + told.value.x.max) / 2;
  const name = state.runs.text(run, "name");
  const { dark } = state.look.value;
  return (
    <div class={`sw-plot-tip ${left ? "sw-left" : ""}`} aria-hidden="true">
      <span class="sw-swatch" style={{ background: runColor(state.runs.number(run, "number"), dark) }} />
      <strong>{S.run(state.runs.text(run, "number"))}</strong> {name !== run && <span class="sw-tip-name">{name}</span>}
      <span class="sw-number">
        {S.point(model.x.value === "time" ? "" : model.x.value, model.x.value === "time" ? durationText(x) : numberText(x, 6))}
      </span>
      <span class="sw-number">
        <b>{numberText(y)}</b> {line.raw !== line.y && S.raw(numberText(raw))}
      </span>
    </div>
  );
}

function Empty({ connection, model, told }: Props & { told: Signal<Told | null> }): VNode | null {
  const now = told.value;
  if (!now || now.picture.lines.length > 0) return null;
  const curves = model.curves.value;
  const { state } = connection;
  const current = curves?.metric === model.metric.value && curves.x === model.x.value;
  const text = !model.metric.value
    ? S.noMetric
    : model.show.value === "selected" && state.selected.value.length === 0
      ? S.noSelected
      : model.show.value === "running" && !state.progress.value.counts.running
        ? S.noRunning
        : current || state.mute.value
          ? S.noCurves(model.metric.value)
          : S.waiting;
  return <p class="sw-plot-empty">{text}</p>;
}

function Caption({ connection, model, told }: Props & { told: Signal<Told | null> }): VNode {
  const made = told.value?.picture;
  const lines = made?.lines ?? [];
  const running = lines.filter((line) => connection.state.runs.cell(line.run, "state") === "running").length;
  const leftOut = model.curves.value?.leftOut ?? 0;
  const parts = [
    S.count(lines.length),
    running > 0 && S.running(running),
    lines.some((line) => !line.colored) && S.grey,
    lines.some((line) => line.cut) && S.cut,
    lines.some((line) => line.odd.length > 0) && S.odd,
    (made?.rungs.length ?? 0) > 0 && S.rungs,
    made?.rough && S.rough,
    (made?.hidden ?? 0) > 0 && S.hidden(made?.hidden ?? 0),
    leftOut > 0 && S.leftOut(leftOut),
  ].filter((part): part is string => typeof part === "string");
  return <p class="sw-caption">{lines.length > 0 ? parts.join(" · ") : "\u00a0"}</p>;
}
