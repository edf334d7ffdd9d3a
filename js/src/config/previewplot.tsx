/** What a parameter would draw: 200 draws as bars, finished runs as ticks below, the best one marked. */

import type { VNode } from "preact";
import { valueText } from "../format";
import { PANEL_STRINGS } from "../panelstrings";
import type { PreviewedParameter } from "../protocol";
import { share, tickText } from "../scale";
import { unmarked } from "../json";
import { bins, scaleOfValues } from "./histogram";

const S = PANEL_STRINGS.config;
const [WIDTH, HEIGHT, BASE] = [180, 40, 25];
const BINS = 30;

interface Props {
  readonly previewed: PreviewedParameter;
  readonly buffer: ArrayBuffer;
  /** The parameter has been edited since. */
  readonly old: boolean;
}

export function PreviewPlot({ previewed, buffer, old }: Props): VNode {
  const listed = previewed.info.values && previewed.info.values.length <= 16 ? counted(previewed, buffer) : previewed;
  const isNumbers = listed.draws !== undefined;
  return (
    <span class={`sw-preview ${old ? "sw-old" : ""}`}>{isNumbers ? <Numbers previewed={previewed} buffer={buffer} /> : <Choices previewed={listed} />}</span>
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

function Numbers({ previewed, buffer }: { previewed: PreviewedParameter; buffer: ArrayBuffer }): VNode {
  const { info } = previewed;
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
        {tickText(scale.min)}
      </text>
      <text x={WIDTH} y={HEIGHT - 2} text-anchor="end">
        {tickText(scale.max)}
      </text>
    </svg>
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
