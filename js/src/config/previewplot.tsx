/** What a parameter would draw: 200 draws as bars, finished runs as ticks below, the best one marked. */

import { useSignal } from "@preact/signals";
import type { JSX, VNode } from "preact";
import { valueText } from "../format";
import { PANEL_STRINGS } from "../panelstrings";
import type { PreviewedParameter } from "../protocol";
import { share, tickText, type Scale } from "../scale";
import { unmarked } from "../json";
import { bins, roundValueAt, scaleOfValues } from "./histogram";
import type { End } from "./space";

const S = PANEL_STRINGS.config;
const [WIDTH, HEIGHT, BASE] = [180, 40, 25];
const BINS = 30;
/** Pixels by which a hand trembles. */
const CLICK = 2;

interface Props {
  readonly previewed: PreviewedParameter;
  readonly buffer: ArrayBuffer;
  /** The parameter has been edited since. */
  readonly old: boolean;
  /** An end of what it draws is dragged to a value, or let go there. Without it, its ends cannot be moved. */
  readonly onEnd?: ((end: End, value: number, done: boolean) => void) | undefined;
}

export function PreviewPlot({ previewed, buffer, old, onEnd }: Props): VNode {
  const listed = previewed.info.values && previewed.info.values.length <= 16 ? counted(previewed, buffer) : previewed;
  const isNumbers = listed.draws !== undefined;
  return (
    <span class={`sw-preview ${old ? "sw-old" : ""}`}>{isNumbers ? <Numbers previewed={previewed} buffer={buffer} onEnd={onEnd} /> : <Choices previewed={listed} />}</span>
  );
}

function numbersAt(place: { readonly at: number; readonly n: number } | undefined, buffer: ArrayBuffer): Float64Array {
  return place ? new Float64Array(buffer, place.at, place.n) : new Float64Array();
}

/** A few numbers to choose from are told apart, wherever they lie. */
function counted({ draws, seen, ...rest }: PreviewedParameter, buffer: ArrayBuffer): PreviewedParameter {
  if (!draws) return { ...rest };
  const count = (numbers: Float64Array) => (rest.info.values ?? []).map((value) => numbers.filter((number) => number === value).length);
  return { ...rest, counts: count(numbersAt(draws, buffer)), seen_counts: count(numbersAt(seen, buffer)) };
}

function Numbers({ previewed, buffer, onEnd }: Omit<Props, "old">): VNode {
  const { info } = previewed;
  const dragged = useSignal<{ end: End; value: number } | null>(null);
  const draws = numbersAt(previewed.draws, buffer);
  const seen = numbersAt(previewed.seen, buffer);
  const scale = scaleOfValues([info.min, info.max], draws, info.log);
  const few = info.values && info.values.length <= BINS ? info.values.length : BINS;
  const counts = bins(draws, scale, few);
  const most = Math.max(...counts, 1);
  const wide = WIDTH / few;
  const x = (value: number) => Math.min(Math.max(share(scale, value), 0), 1) * WIDTH;
  const best = unmarked(previewed.best);
  const bestAt = typeof best === "number" ? x(best) : NaN;
  const words = [
    S.drawn(tickText(scale.min), tickText(scale.max)),
    seen.length > 0 && S.seen(seen.length),
    typeof best === "number" && S.bestIs(valueText(best)),
  ];
  const label = words.filter(Boolean).join(", ");
  const endAt = (end: End) => (dragged.value?.end === end ? dragged.value.value : scale[end]);
  const drag = (end: End, value: number, done: boolean) => {
    dragged.value = done ? null : { end, value };
    onEnd?.(end, value, done);
  };
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} role="img" aria-label={label}>
      <title>{label}</title>
      {counts.map((count, i) => {
        const height = (count / most) * (BASE - 2);
        return <rect key={i} class="sw-draw" x={i * wide + 0.5} y={BASE - height} width={Math.max(wide - 1, 1)} height={height} />;
      })}
      <line class="sw-base" x1="0" x2={WIDTH} y1={BASE + 0.5} y2={BASE + 0.5} />
      {[...seen.subarray(-400)].map((value, i) => (
        <line key={i} class="sw-seen" opacity={Math.min(0.45, 6 / Math.sqrt(seen.length))} x1={x(value)} x2={x(value)} y1={BASE + 1} y2={BASE + 5} />
      ))}
      {!Number.isNaN(bestAt) && <path class="sw-best-mark" d={`M${bestAt} ${BASE + 1}l-3.5 6h7z`} />}
      <text x="0" y={HEIGHT - 2}>
        {tickText(endAt("min"))}
      </text>
      <text x={WIDTH} y={HEIGHT - 2} text-anchor="end">
        {tickText(endAt("max"))}
      </text>
      {onEnd && (["min", "max"] as const).map((end) => <Handle key={end} end={end} x={x(endAt(end))} scale={scale} onDrag={drag} />)}
    </svg>
  );
}

interface HandleProps {
  readonly end: End;
  readonly x: number;
  readonly scale: Scale;
  readonly onDrag: (end: End, value: number, done: boolean) => void;
}

/** An end to drag, inward or beyond the picture. For the pointer only: the fields beside it are the way by keyboard. */
function Handle({ end, x, scale, onDrag }: HandleProps): VNode {
  // The picture is drawn anew while one drags; what counts is where its ends were when it was taken.
  const taken = useSignal<{ readonly scale: Scale; readonly x: number; readonly moves: boolean } | null>(null);
  const moved = (event: JSX.TargetedPointerEvent<SVGGElement>, done: boolean) => {
    const now = taken.value;
    if (!now) return;
    const moves = now.moves || Math.abs(event.clientX - now.x) > CLICK;
    taken.value = done ? null : { ...now, moves };
    if (!moves) return;
    const box = (event.currentTarget.ownerSVGElement as SVGSVGElement).getBoundingClientRect();
    onDrag(end, roundValueAt(now.scale, (event.clientX - box.left) / box.width, WIDTH), done);
  };
  return (
    <g
      class="sw-end"
      data-end={end}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        event.preventDefault();
        event.currentTarget.setPointerCapture(event.pointerId);
        taken.value = { scale, x: event.clientX, moves: false };
      }}
      onPointerMove={(event) => moved(event, false)}
      onPointerUp={(event) => moved(event, true)}
      onPointerCancel={(event) => moved(event, true)}
    >
      <rect class="sw-end-grip" x={end === "min" ? x : x - 9} y="0" width="9" height={BASE} />
      <line class="sw-end-line" x1={end === "min" ? x + 1 : x - 1} x2={end === "min" ? x + 1 : x - 1} y1="2" y2={BASE} />
    </g>
  );
}

function Choices({ previewed }: { previewed: PreviewedParameter }): VNode {
  const values = (previewed.info.values ?? []).map(unmarked);
  const counts = previewed.counts ?? [];
  const seen = previewed.seen_counts ?? [];
  const total = Math.max(counts.reduce((sum, count) => sum + count, 0), 1);
  const most = Math.max(...counts, 1);
  const shown = values.slice(0, 20);
  const wide = WIDTH / Math.max(shown.length, 1);
  const best = JSON.stringify(unmarked(previewed.best));
  const label = shown
    .map((value, i) => `${valueText(value)} ${Math.round((100 * (counts[i] ?? 0)) / total)}%${seen[i] ? `, ${S.seen(seen[i])}` : ""}`)
    .concat(previewed.best === null ? [] : S.bestIs(valueText(unmarked(previewed.best))))
    .join("; ");
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} role="img" aria-label={label}>
      <title>{label}</title>
      {shown.map((value, i) => {
        const height = Math.max(((counts[i] ?? 0) / most) * (BASE - 2), 1);
        const middle = (i + 0.5) * wide;
        const bar = Math.min(wide - 3, 26);
        const text = valueText(value);
        const room = Math.max(Math.floor(wide / 5.6), 1);
        const isBest = JSON.stringify(value) === best;
        return (
          <g key={i}>
            <rect class={`sw-draw ${isBest ? "sw-draw-best" : ""}`} x={middle - bar / 2} y={BASE - height} width={Math.max(bar, 1)} height={height} />
            {wide > 14 && (
              <text x={middle} y={HEIGHT - 2} text-anchor="middle">
                {text.length > room ? `${text.slice(0, Math.max(room - 1, 1))}…` : text}
              </text>
            )}
          </g>
        );
      })}
      <line class="sw-base" x1="0" x2={WIDTH} y1={BASE + 0.5} y2={BASE + 0.5} />
    </svg>
  );
}
