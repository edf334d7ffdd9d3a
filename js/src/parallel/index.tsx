/** Parallel coordinates: every run is a line over the axes of its parameters and its result. Axes can be limited. */

import { effect, useSignal, type Signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { Redraw, watchVisible } from "../curves/redraw";
import { numberText } from "../format";
import { runColor } from "../palette";
import { CURVE_STRINGS } from "../curvestrings";
import { PANEL_STRINGS } from "../panelstrings";
import { Dropdown } from "../ui/dropdown";
import { AxisHead } from "./axishead";
import { labels, limitsOf, stretches, type Axis } from "./axes";
import { nearestStrand, pathOf, pixelY, roomFor, shareAt, type Room } from "./geometry";
import { parallelOf, type ParallelModel, type Strand, type Web } from "./model";
import { shades } from "./ramp";

const S = PANEL_STRINGS.parallel;
const REACH = 10;
/** New runs may wait a little: this is no place to watch one grow. */
const EVERY_MS = 2000;
const UNDER_HEADS = 30;
const NOTHING: Web = { axes: [], strands: [], of: 0, kept: 0, shadeless: 0 };

/** A picture, ready to be put into the page. */
interface Drawn {
  readonly web: Web;
  readonly room: Room & { readonly width: number };
  readonly height: number;
  readonly layers: ReturnType<typeof layersOf>;
}

export function Parallel({ connection }: { connection: Connection }): VNode {
  const model = parallelOf(connection);
  const host = useRef<HTMLDivElement>(null);
  const drawn = useSignal<Drawn | null>(null);
  useEffect(() => (host.current ? follow(host.current, connection, model, drawn) : undefined), [connection, model]);
  const { web, room } = drawn.value ?? { web: NOTHING, room: roomFor(0, 0, 0) };
  const limited = Object.keys(model.limits.value).length > 0;
  return (
    <section class="sw-parallel" data-testid="sw-parallel">
      <div class="sw-toolbar">
        <Legend web={web} connection={connection} />
        <span class="sw-hint">{limited ? S.shown(web.kept, web.of) : S.hint}</span>
        <span class="sw-space" />
        <HiddenAxes model={model} />
        <button type="button" class="sw-button sw-quiet" aria-disabled={limited ? undefined : true} onClick={() => limited && model.clear()}>
          {S.reset}
        </button>
      </div>
      <div class="sw-parallel-host" ref={host}>
        {drawn.value && web.of > 0 && (
          <div class="sw-parallel-web" style={{ width: room.width }}>
            <div class="sw-parallel-heads">
              {web.axes.map((axis, i) => (
                <AxisHead key={axis.column} axis={axis} model={model} x={room.x[i] ?? 0} width={axisWidth(room)} />
              ))}
            </div>
            <Strands connection={connection} model={model} drawn={drawn.value} />
          </div>
        )}
        {drawn.value && web.of === 0 && <p class="sw-plot-empty">{S.none}</p>}
      </div>
      <p class="sw-caption">
        {[web.strands.length < web.of && S.sampled(web.strands.length, web.of), web.shadeless > 0 && S.notDrawn(web.shadeless)].filter(Boolean).join(" · ") || "\u00a0"}
      </p>
    </section>
  );
}

function axisWidth(room: Room): number {
  return room.x.length > 1 ? (room.x[1] as number) - (room.x[0] as number) : 160;
}

/** Draw anew when something changed, as rarely as that is dear. */
function follow(host: HTMLElement, connection: Connection, model: ParallelModel, drawn: Signal<Drawn | null>): () => void {
  const { state } = connection;
  const redraw = new Redraw(() => {
    const [width, height] = [host.clientWidth, host.clientHeight - UNDER_HEADS];
    if (width === 0 || height <= 0) return;
    const web = model.web();
    const room = roomFor(web.axes.length, width, height);
    drawn.value = { web, room, height, layers: layersOf(web, room) };
  }, EVERY_MS);
  let last = "";
  const observer = new ResizeObserver(() => {
    const size = `${host.clientWidth}×${host.clientHeight}`;
    if (size !== last) redraw.request(true);
    last = size;
  });
  observer.observe(host);
  const endings = [
    effect(() => {
      void [model.limits.value, model.hidden.value, model.order.value, model.log.value, state.sweep.value?.config_version];
      redraw.request(true);
    }),
    effect(() => {
      void [state.runs.version.value, state.shown.value];
      redraw.request();
    }),
    watchVisible(host, (visible) => {
      redraw.visible = visible;
    }),
    () => observer.disconnect(),
    () => redraw.stop(),
  ];
  return () => {
    for (const end of endings) end();
  };
}

function Legend({ web, connection }: { web: Web; connection: Connection }): VNode | null {
  const { dark } = connection.state.look.value;
  const outcome = web.axes.find((axis) => axis.outcome);
  if (!outcome?.scale) return null;
  const maximize = connection.state.sweep.value?.goals[0]?.maximize ?? false;
  const [worst, best] = maximize ? [outcome.scale.min, outcome.scale.max] : [outcome.scale.max, outcome.scale.min];
  return (
    <span class="sw-legend">
      {outcome.label}
      <span class="sw-number">{numberText(worst, 3)}</span>
      <span class="sw-ramp" style={{ background: `linear-gradient(to right, ${shades(dark).join(", ")})` }} aria-hidden="true" />
      <span class="sw-number">{numberText(best, 3)}</span>
    </span>
  );
}

function HiddenAxes({ model }: { model: ParallelModel }): VNode | null {
  const hidden = model.columns().filter(({ column }) => model.hidden.value.includes(column));
  if (hidden.length === 0) return null;
  return (
    <Dropdown label={S.hidden} text={`${S.hidden} (${hidden.length})`} className="sw-quiet">
      {() => (
        <div class="sw-checks">
          {hidden.map(({ column, label }) => (
            <label key={column} class="sw-check">
              <input type="checkbox" checked={false} onChange={() => model.unhide(column)} />
              {label}
            </label>
          ))}
        </div>
      )}
    </Dropdown>
  );
}

// -- the picture ----------------------------------------------------------------------------------------------------------------

interface StrandsProps {
  readonly connection: Connection;
  readonly model: ParallelModel;
  readonly drawn: Drawn;
}

function Strands({ connection, model, drawn: { web, room, height, layers } }: StrandsProps): VNode {
  const { state } = connection;
  const { dark } = connection.state.look.value;
  const pick = (event: MouseEvent, strand: Strand | null) => {
    if (!strand) return;
    const selected = state.selected.peek();
    const more = event.ctrlKey || event.metaKey || event.shiftKey;
    if (more) state.selected.value = selected.includes(strand.run) ? selected.filter((run) => run !== strand.run) : [...selected, strand.run];
    else state.selected.value = selected.length === 1 && selected[0] === strand.run ? [] : [strand.run];
  };
  const strandAt = (event: MouseEvent): Strand | null => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return nearestStrand(web.strands, room, event.clientX - box.left, event.clientY - box.top, REACH);
  };
  const names = web.axes.map((axis) => axis.label).join(", ");
  return (
    <div class="sw-parallel-plot">
      <svg
        width={room.width}
        height={height}
        role="img"
        aria-label={S.summary(web.of, names)}
        onPointerMove={(event) => {
          const run = strandAt(event)?.run ?? null;
          if (run !== state.hovered.peek()) state.hovered.value = run;
        }}
        onPointerLeave={() => (state.hovered.value = null)}
        onClick={(event) => pick(event, strandAt(event))}
      >
        <path class="sw-strand sw-strand-out" d={layers.out} />
        <path class="sw-strand sw-strand-grey" d={layers.grey} />
        <g stroke-opacity={faintness(web.strands.length)}>
          {layers.shaded.map(({ shade, d }, i) => (
            <path key={i} class="sw-strand" d={d} stroke={shades(dark)[shade]} />
          ))}
        </g>
        <Standing connection={connection} web={web} room={room} dark={dark} />
        {web.axes.map((axis, i) => (
          <AxisLine key={axis.column} axis={axis} x={room.x[i] ?? 0} room={room} model={model} />
        ))}
      </svg>
      <Tip connection={connection} web={web} />
    </div>
  );
}

/** Strands of one path do not add up where they cross; a path for every strand would be slow. */
const BUNDLE = 20;

function layersOf(web: Web, room: Room): { out: string; grey: string; shaded: { shade: number; d: string }[] } {
  const shaded: { shade: number; d: string; n: number }[] = [];
  let [out, grey] = ["", ""];
  for (const strand of web.strands) {
    const path = pathOf(strand, room);
    if (!strand.kept) out += path;
    else if (strand.shade < 0) grey += path;
    else {
      let bundle = shaded.at(-1);
      if (!bundle || bundle.shade !== strand.shade || bundle.n >= BUNDLE) shaded.push((bundle = { shade: strand.shade, d: "", n: 0 }));
      bundle.d += path;
      bundle.n += 1;
    }
  }
  return { out, grey, shaded };
}

/** How faint a strand is among so many, so that where many pass can be seen. */
function faintness(strands: number): number {
  return Math.min(0.75, Math.max(7 / Math.sqrt(Math.max(strands, 1)), 0.14));
}

/** Runs that stand out: best, pinned, selected (as far as they can be told apart), and the one under the pointer. */
function Standing({ connection, web, room, dark }: { connection: Connection; web: Web; room: Room; dark: boolean }): VNode {
  const { state } = connection;
  const hovered = state.hovered.value;
  const selected = state.selected.value;
  const marks: [string | null | undefined, string][] = [
    ...(selected.length <= 10 ? selected.map((run): [string, string] => [run, "sw-strand-selected"]) : []),
    [state.best.value?.run, "sw-strand-best"],
    [state.pinned.value, "sw-strand-pinned"],
    [hovered, "sw-strand-hovered"],
  ];
  return (
    <>
      {marks.map(([run, kind]) => {
        const strand = run ? web.strands.find((candidate) => candidate.run === run) : undefined;
        if (!strand) return null;
        const d = pathOf(strand, room);
        return (
          <g key={`${kind} ${strand.run}`} class={kind}>
            <path class="sw-strand-ground" d={d} />
            <path class="sw-strand-line" d={d} stroke={runColor(state.runs.number(strand.run, "number"), dark)} />
          </g>
        );
      })}
    </>
  );
}

function Tip({ connection, web }: { connection: Connection; web: Web }): VNode | null {
  const { state } = connection;
  const run = state.hovered.value;
  if (run === null || !web.strands.some((strand) => strand.run === run)) return null;
  const outcome = web.axes.find((axis) => axis.outcome);
  const value = outcome ? state.runs.number(run, outcome.column) : null;
  return (
    <div class="sw-plot-tip sw-left" aria-hidden="true">
      <strong>{CURVE_STRINGS.run(state.runs.text(run, "number"))}</strong> <span class="sw-tip-name">{state.runs.text(run, "name")}</span>
      {value !== null && (
        <span class="sw-number">
          {outcome?.label} <b>{numberText(value)}</b>
        </span>
      )}
    </div>
  );
}

// -- axes and their limits ----------------------------------------------------------------------------------------------------

interface AxisProps {
  readonly axis: Axis;
  readonly x: number;
  readonly room: Room;
  readonly model: ParallelModel;
}

function AxisLine({ axis, x, room, model }: AxisProps): VNode {
  const limits = model.limits.value[axis.column];
  const dragged = useSignal<{ from: number; to: number } | null>(null);
  const strip = useRef<SVGRectElement>(null);
  const at = (event: PointerEvent) => {
    const box = strip.current?.getBoundingClientRect();
    const y = box ? event.clientY - box.top + room.top - 8 : 0;
    return Math.min(Math.max(shareAt(room, y), 0), 1);
  };
  const end = (event: PointerEvent) => {
    const drag = dragged.peek();
    dragged.value = null;
    if (!drag) return;
    const to = at(event);
    // A click is no stretch: it takes the limits away.
    const short = Math.abs(drag.from - to) * (room.bottom - room.top) < 5;
    model.setLimits(axis.column, short ? null : limitsOf(axis, drag.from, to));
    model.selectKept();
  };
  useLayoutEffect(() => () => void (dragged.value = null), []);
  const drag = dragged.value;
  const shown = drag ? [drag] : limits ? stretches(axis, limits) : [];
  return (
    <g class="sw-axis">
      <line class="sw-axis-line" x1={x} x2={x} y1={room.top} y2={room.bottom} />
      {shown.map(({ from, to }, i) => {
        const [top, bottom] = [pixelY(room, Math.max(from, to)), pixelY(room, Math.min(from, to))];
        return <rect key={i} class="sw-brush" x={x - 6} y={top} width="12" height={Math.max(bottom - top, 2)} />;
      })}
      {labels(axis, 6).map(({ at: where, text }) => (
        <g key={text} transform={`translate(${x} ${pixelY(room, where)})`}>
          <line class="sw-axis-tick" x1="-3" x2="3" />
          <text x="7" dy="0.32em">
            {text.length > 12 ? `${text.slice(0, 11)}…` : text}
          </text>
        </g>
      ))}
      {axis.missing > 0 && (
        <text class="sw-axis-missing" x={x} y={room.bottom + 16} text-anchor="middle">
          {axis.missing} {S.missing}
        </text>
      )}
      <rect
        ref={strip}
        class="sw-axis-strip"
        x={x - 12}
        y={room.top - 8}
        width="24"
        height={room.bottom - room.top + 16}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          dragged.value = { from: at(event), to: at(event) };
        }}
        onPointerMove={(event) => {
          if (dragged.peek()) dragged.value = { from: (dragged.peek() as { from: number }).from, to: at(event) };
        }}
        onPointerUp={end}
        onClick={(event) => event.stopPropagation()}
      />
    </g>
  );
}

