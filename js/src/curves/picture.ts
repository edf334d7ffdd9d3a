/** What a plot of curves shows: lines in the order in which they are painted, each with its ink. Pure. */

import { countHidden, extentOf, lowerBound, NOWHERE, union, type Extent } from "./extent";
import { oddMarks, rungPlaces, type Mark } from "./marks";
import { continued, smoothed } from "./smooth";
import type { CurveData, PlotCurves } from "../curvestore";
import type { RunState } from "../protocol";

/** Why a line stands out; the later paint over the earlier. */
export const EMPHASES = ["plain", "running", "best", "pinned", "selected"] as const;
export type Emphasis = (typeof EMPHASES)[number];

export interface Line {
  readonly run: string;
  readonly x: Float64Array;
  /** What is drawn: smoothed, if that was asked for. */
  readonly y: Float64Array;
  readonly raw: Float64Array;
  readonly emphasis: Emphasis;
  /** The best run, whether or not it also stands out otherwise. */
  readonly best: boolean;
  /** Whether it has a colour of its own; else it is grey. */
  readonly colored: boolean;
  /** Stopped early: it ends in ✕. */
  readonly cut: boolean;
  readonly odd: readonly Mark[];
}

export interface Picture {
  readonly lines: readonly Line[];
  /** So many stand out that none does by its width. */
  readonly crowded: boolean;
  readonly rungs: readonly { readonly rung: number; readonly x: number }[];
  /** Smoothed from the points that are drawn, because the kernel has not smoothed all of them yet. */
  readonly rough: boolean;
  /** Points that a log axis leaves out. */
  readonly hidden: number;
  readonly x: Extent;
  readonly y: Extent;
}

export interface Wanted {
  readonly smooth: number;
  readonly logX: boolean;
  readonly logY: boolean;
  /** Of x: what is zoomed into. */
  readonly range: readonly [number, number] | null;
  readonly rungs: readonly number[];
  readonly emphasis: (run: string) => Emphasis;
  readonly best: string | null;
  readonly state: (run: string) => RunState | undefined;
  /** Runs that are not to be shown. */
  readonly omit: (run: string) => boolean;
}

/** As many lines as can be told apart by colour. */
const COLORED = 10;

export function picture(curves: PlotCurves | null, wanted: Wanted): Picture {
  const shown = [...(curves?.runs.values() ?? [])].filter((curve) => !wanted.omit(curve.run));
  const few = shown.length <= COLORED;
  const lines = shown.map((curve) => lineOf(curve, few, wanted));
  const vivid = lines.filter((line) => line.emphasis === "running").length;
  lines.sort((a, b) => EMPHASES.indexOf(a.emphasis) - EMPHASES.indexOf(b.emphasis));
  let [x, y] = [NOWHERE, NOWHERE];
  for (const line of lines) {
    x = union(x, extentOf(line.x, wanted.logX));
    const [from, to] = within(line.x, wanted.range);
    y = union(y, extentOf(line.y, wanted.logY, from, to));
    if (line.raw !== line.y) y = union(y, extentOf(line.raw, wanted.logY, from, to));
  }
  return {
    lines: vivid > 2 * COLORED ? lines.map((line) => (line.emphasis === "running" ? { ...line, colored: false } : line)) : lines,
    crowded: lines.filter(({ emphasis }) => emphasis === "selected" || emphasis === "running").length > COLORED,
    rungs: curves?.x === "step" ? rungsOf(shown, wanted.rungs) : [],
    rough: wanted.smooth > 0 && shown.some((curve) => curve.of > curve.x.length && curve.smooth?.weight !== wanted.smooth),
    hidden: hiddenPoints(lines, wanted),
    x: wanted.range ? { min: wanted.range[0], max: wanted.range[1] } : x,
    y,
  };
}

function lineOf(curve: CurveData, few: boolean, wanted: Wanted): Line {
  const emphasis = wanted.emphasis(curve.run);
  return {
    run: curve.run,
    x: curve.x,
    y: smoothLine(curve, wanted.smooth),
    raw: curve.y,
    emphasis,
    best: curve.run === wanted.best,
    colored: few || emphasis !== "plain",
    cut: wanted.state(curve.run) === "stopped",
    odd: marksOf(curve),
  };
}

function hiddenPoints(lines: readonly Line[], { logX, logY }: Wanted): number {
  return lines.reduce((sum, line) => sum + (logY ? countHidden(line.raw) : 0) + (logX ? countHidden(line.x) : 0), 0);
}

/** The positions of the points within a range, and one more on each side. */
function within(x: Float64Array, range: readonly [number, number] | null): [number, number] {
  if (range === null) return [0, x.length];
  return [lowerBound(x, range[0]), Math.min(lowerBound(x, range[1]) + 1, x.length)];
}

/** From the longest curve that came whole: where curves begin, and how far apart logged values are. */
function rungsOf(curves: readonly CurveData[], rungs: readonly number[]): Picture["rungs"] {
  let longest: CurveData | null = null;
  for (const curve of curves) if (curve.of > Math.max(longest?.of ?? 1, 1)) longest = curve;
  if (longest === null) return [];
  const [first, last] = [longest.x[0] as number, longest.x.at(-1) as number];
  return rungPlaces(rungs, first, (last - first) / (longest.of - 1)).filter(({ x }) => x <= last * 1.001);
}

// -- what is computed once for a curve --------------------------------------------------------------------------------------

const smooths = new WeakMap<CurveData, { readonly weight: number; readonly y: Float64Array }>();
const odds = new WeakMap<CurveData, readonly Mark[]>();

function smoothLine(curve: CurveData, weight: number): Float64Array {
  if (weight <= 0) return curve.y;
  const known = smooths.get(curve);
  if (known?.weight === weight) return known.y;
  const y = curve.smooth?.weight === weight ? continued(curve.smooth, curve.y) : smoothed(curve.x, curve.y, curve.of, weight);
  smooths.set(curve, { weight, y });
  return y;
}

function marksOf(curve: CurveData): readonly Mark[] {
  let known = odds.get(curve);
  if (!known) odds.set(curve, (known = oddMarks(curve.x, curve.y)));
  return known;
}
