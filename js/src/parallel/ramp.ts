/** How good a run is, as a colour: the better, the further from the ground. Pure. */

import { lowerBound } from "../curves/extent";

const LIGHT = ["#b9dccb", "#7fcdbb", "#41b6c4", "#2b95bd", "#2472ae", "#25519a", "#1d3684", "#081d58"] as const;
const DARK = ["#2b4a63", "#2a6687", "#2a86a2", "#36a6ae", "#5cc3a9", "#90d99b", "#c5ea96", "#f4f8a8"] as const;

export const SHADES = LIGHT.length;

export function shades(dark: boolean): readonly string[] {
  return dark ? DARK : LIGHT;
}

/**
 * A shade for every value, 0 for the worst; −1 where there is no value. By rank: most runs of a good search are nearly as good
 * as the best one, and a few far worse ones would take the colours from the rest.
 */
export function shadesOf(values: readonly (number | undefined)[], maximize: boolean): number[] {
  const sorted = Float64Array.from(values.filter((value): value is number => value !== undefined && Number.isFinite(value))).sort();
  const distinct = sorted.filter((value, i) => i === 0 || value !== sorted[i - 1]);
  const last = distinct.length - 1;
  return values.map((value) => {
    if (value === undefined || !Number.isFinite(value)) return -1;
    const share = last > 0 ? lowerBound(distinct, value) / last : 1;
    const goodness = maximize || last <= 0 ? share : 1 - share;
    return Math.min(Math.floor(goodness * SHADES), SHADES - 1);
  });
}
