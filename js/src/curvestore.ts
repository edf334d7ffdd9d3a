/** Curves that are watched, by the name of their plot. What the kernel sends replaces or extends them. */

import { signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Curve, CurvePoints, Curves } from "./protocol";

export interface CurveData {
  readonly run: string;
  readonly attempt: number;
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Points before they were decimated, as far as is known. */
  readonly of: number;
  /** Its first points smoothed by the kernel, from all that there were. */
  readonly smooth?: Smooth;
}

export interface Smooth {
  readonly weight: number;
  readonly y: Float64Array;
  /** Finite values that went into the last one. */
  readonly seen: number;
}

export interface PlotCurves {
  readonly metric: string;
  readonly x: string;
  readonly range: readonly [number, number] | null;
  readonly leftOut: number;
  /** By run. The map stays the same while curves in it change; a new `PlotCurves` comes with every change. */
  readonly runs: ReadonlyMap<string, CurveData>;
  /** Counts up with every message: whoever draws knows whether something is new. */
  readonly version: number;
}

export class CurveStore {
  readonly #plots = new Map<string, Signal<PlotCurves | null>>();

  /** What is known for a plot; null: nothing has come yet. */
  plot(name: string): ReadonlySignal<PlotCurves | null> {
    return this.#plot(name);
  }

  /** Forget a plot: it is watched no longer. */
  forget(name: string): void {
    this.#plot(name).value = null;
  }

  replace(message: Curves, buffer: ArrayBuffer): void {
    const plot = this.#plot(message.plot);
    const old = plot.peek();
    const runs = new Map(message.reset ? [] : (old?.runs ?? []));
    for (const curve of message.runs) runs.set(curve.run, decoded(curve, buffer));
    for (const run of message.gone) runs.delete(run);
    plot.value = {
      metric: message.metric,
      x: message.x,
      range: message.range,
      leftOut: message.left_out,
      runs,
      version: (old?.version ?? 0) + 1,
    };
  }

  extend(message: CurvePoints, buffer: ArrayBuffer): void {
    const plot = this.#plot(message.plot);
    const old = plot.peek();
    if (old === null) return;
    const runs = new Map(old.runs);
    for (const curve of message.runs) runs.set(curve.run, joined(runs.get(curve.run), decoded(curve, buffer)));
    plot.value = { ...old, runs, version: old.version + 1 };
  }

  #plot(name: string): Signal<PlotCurves | null> {
    let plot = this.#plots.get(name);
    if (!plot) this.#plots.set(name, (plot = signal<PlotCurves | null>(null)));
    return plot;
  }
}

function decoded(curve: Curve, buffer: ArrayBuffer): CurveData {
  return {
    run: curve.run,
    attempt: curve.attempt,
    x: new Float64Array(buffer, curve.at, curve.n),
    y: new Float64Array(buffer, curve.at + 8 * curve.n, curve.n),
    of: curve.of,
    ...(curve.smooth ? { smooth: { weight: curve.smooth.weight, seen: curve.smooth.seen, y: new Float64Array(buffer, curve.smooth.at, curve.n) } } : {}),
  };
}

function joined(old: CurveData | undefined, more: CurveData): CurveData {
  if (!old || old.attempt !== more.attempt) return more;
  const smooth = old.smooth ? { smooth: old.smooth } : {};
  return { ...more, x: concatenated(old.x, more.x), y: concatenated(old.y, more.y), of: old.of + more.of, ...smooth };
}

function concatenated(a: Float64Array, b: Float64Array): Float64Array {
  const both = new Float64Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
