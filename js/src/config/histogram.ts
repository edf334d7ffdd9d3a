/** How draws lie along an axis. Pure. */

import { roundStep, share, valueAt, type Scale } from "../scale";

/** How many values fall into each of `n` equal parts of a scale; what lies outside counts for the nearest part. */
export function bins(values: ArrayLike<number>, scale: Scale, n: number): number[] {
  const counts = new Array<number>(n).fill(0);
  for (let i = 0; i < values.length; i += 1) {
    const where = share(scale, values[i] as number);
    if (Number.isNaN(where)) continue;
    const bin = Math.min(Math.max(Math.floor(where * n), 0), n - 1);
    counts[bin] = (counts[bin] as number) + 1;
  }
  return counts;
}

/** The scale of a preview: the parameter's own limits, or as far as its values reach. */
export function scaleOfValues(limits: readonly [number | null, number | null], values: ArrayLike<number>, log: boolean): Scale {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] as number;
    if (!Number.isFinite(value) || (log && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const min = limits[0] ?? low;
  const max = limits[1] ?? high;
  if (!(min < max) || (log && min <= 0)) {
    const middle = Number.isFinite(min) ? min : 1;
    return log && middle > 0 ? { log, min: middle / 2, max: middle * 2 } : { log: false, min: middle - 0.5, max: middle + 0.5 };
  }
  return { log, min, max };
}

/** How far beyond the picture an end can be dragged, as a share of its width. */
const BEYOND = 0.5;

/** The value at a share, as round as a hand can mean it on so many pixels. */
export function roundValueAt(scale: Scale, where: number, pixels: number): number {
  const value = valueAt(scale, Math.min(Math.max(where, -BEYOND), 1 + BEYOND));
  if (scale.log) return Number(value.toPrecision(2));
  const step = roundStep(scale.max - scale.min, pixels / 2);
  return Number((Math.round(value / step) * step).toPrecision(12));
}
