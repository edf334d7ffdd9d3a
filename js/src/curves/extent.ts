/** How far curves reach, and how the axes follow: they grow with the data, and shrink only when asked. Pure. */

import { scaleOf, type Scale } from "../scale";

export interface Extent {
  readonly min: number;
  readonly max: number;
}

export const NOWHERE: Extent = { min: Infinity, max: -Infinity };

/** Of the finite values (the positive ones, on a log axis) from one position to another. */
export function extentOf(values: Float64Array, log: boolean, from = 0, to = values.length): Extent {
  let min = Infinity;
  let max = -Infinity;
  for (let i = from; i < to; i += 1) {
    const value = values[i] as number;
    if (value < min && value > (log ? 0 : -Infinity)) min = value;
    if (value > max && value < Infinity && !(log && value <= 0)) max = value;
  }
  return { min, max };
}

export function union(a: Extent, b: Extent): Extent {
  return { min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) };
}

/** How many finite values a log axis cannot show. */
export function countHidden(values: Float64Array): number {
  let hidden = 0;
  for (const value of values) if (value <= 0 && value > -Infinity) hidden += 1;
  return hidden;
}

/** The first position whose x is at least `limit`; x rises. */
export function lowerBound(x: Float64Array, limit: number): number {
  let low = 0;
  let high = x.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((x[middle] as number) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The scale after new data: what was shown stays shown, unless nothing was. It is given room only when it must grow, so that
 * it does not creep with every point. Null: there is nothing to show, and never was.
 */
export function grown(shown: Scale | null, data: Extent, log: boolean, room: number): Scale | null {
  const kept = shown?.log === log ? shown : null;
  if (!(data.min <= data.max)) return kept;
  if (kept === null) return scaleOf(data.min, data.max, log, room);
  if (data.min >= kept.min && data.max <= kept.max) return kept;
  const wanted = scaleOf(Math.min(data.min, kept.max), Math.max(data.max, kept.min), log, room);
  return { log, min: data.min < kept.min ? wanted.min : kept.min, max: data.max > kept.max ? wanted.max : kept.max };
}
