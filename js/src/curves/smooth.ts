/**
 * Debiased exponential smoothing of a curve: the kernel's, which has all points; and until that comes the page's own, of a
 * curve that may have been decimated.
 *
 * A point stands for as many raw ones as fit between it and the one before, at the curve's average spacing; so a curve is
 * smoothed alike whether the kernel sent all of its points or a tenth. With evenly spaced raw points it is the classic one.
 */

import type { Smooth } from "../curvestore";

/** What the kernel has smoothed, continued over the points that came since; those come whole. */
export function continued({ weight, y: known, seen }: Smooth, y: Float64Array): Float64Array {
  if (known.length === y.length) return known;
  const result = new Float64Array(y.length);
  result.set(known);
  let mass = 1 - weight ** seen;
  let mean = (known.findLast(Number.isFinite) ?? 0) * mass;
  for (let i = known.length; i < y.length; i += 1) {
    const value = y[i] as number;
    if (!Number.isFinite(value)) {
      result[i] = value;
      continue;
    }
    mean = weight * mean + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    result[i] = mean / mass;
  }
  return result;
}

/** `weight` in [0, 1): how much of the past stays with every raw point. Values that are not finite stay, and leave no trace. */
export function smoothed(x: Float64Array, y: Float64Array, of: number, weight: number): Float64Array {
  const n = x.length;
  if (weight <= 0 || n < 2) return y;
  const spacing = ((x[n - 1] as number) - (x[0] as number)) / Math.max(of - 1, 1);
  const result = new Float64Array(n);
  let mean = 0;
  let mass = 0;
  let before = NaN;
  for (let i = 0; i < n; i += 1) {
    const value = y[i] as number;
    if (!Number.isFinite(value)) {
      result[i] = value;
      continue;
    }
    const here = x[i] as number;
    const gap = Number.isNaN(before) || !(spacing > 0) ? 1 : Math.max((here - before) / spacing, 1e-6);
    const keep = weight ** gap;
    mean = keep * mean + (1 - keep) * value;
    mass = keep * mass + (1 - keep);
    result[i] = mean / mass;
    before = here;
  }
  return result;
}
