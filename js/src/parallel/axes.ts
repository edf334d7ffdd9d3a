/** The axes of parallel coordinates: what values they have, where those stand, and what lies within limits. Pure. */

import { same } from "../json";
import type { Json, ParameterInfo } from "../protocol";
import { scaleOf, share, ticks, tickText, valueAt, type Scale } from "../scale";
import { valueText } from "../format";

export interface Axis {
  readonly column: string;
  readonly label: string;
  /** Null: the values are `choices`, evenly spaced. */
  readonly scale: Scale | null;
  readonly choices: readonly Json[];
  /** How many runs have no value. */
  readonly missing: number;
  /** The metric, not a parameter. */
  readonly outcome: boolean;
}

/** What is let through: numbers from … to, or some of the choices. */
export type Limits = { readonly from: number; readonly to: number } | { readonly values: readonly Json[] };

/** More choices than that are not told apart; numbers then get a scale. */
const MOST_CHOICES = 12;
/** Runs may have values from before the space was narrowed. */
const ROOM = 0;

export function parameterAxis(info: ParameterInfo, values: readonly (Json | undefined)[]): Axis {
  const missing = values.reduce<number>((n, value) => (value === undefined ? n + 1 : n), 0);
  const base = { column: info.column, label: info.path.join("."), missing, outcome: false };
  const listed = info.values ?? [];
  if (info.ordinal && (listed.length === 0 || listed.length > MOST_CHOICES)) return { ...base, scale: spanOf(info, values), choices: [] };
  const choices = [...listed, ...strangers(values, listed)];
  if (info.ordinal && choices.length > MOST_CHOICES) return { ...base, scale: spanOf(info, values), choices: [] };
  if (info.ordinal) choices.sort((a, b) => Number(a) - Number(b));
  return { ...base, scale: null, choices };
}

function spanOf(info: ParameterInfo, values: readonly (Json | undefined)[]): Scale {
  const numbers = values.filter((value): value is number => typeof value === "number");
  return span(numbers, [info.min, info.max], info.log);
}

export function outcomeAxis(column: string, metric: string, values: readonly (Json | undefined)[], log: boolean): Axis {
  const numbers = values.filter((value): value is number => typeof value === "number");
  const logs = log && numbers.some((value) => value > 0);
  return { column, label: metric, missing: values.length - numbers.length, outcome: true, scale: span(numbers, [null, null], logs), choices: [] };
}

function span(values: readonly number[], limits: readonly [number | null, number | null], log: boolean): Scale {
  let low = limits[0] ?? Infinity;
  let high = limits[1] ?? -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value) || (log && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return scaleOf(low, high, log && low > 0, ROOM);
}

/** Values that are not listed (any more), each once. */
function strangers(values: readonly (Json | undefined)[], listed: readonly Json[]): Json[] {
  const seen = new Set(listed.map(keyOf));
  const found: Json[] = [];
  for (const value of values) {
    if (value === undefined || seen.has(keyOf(value))) continue;
    seen.add(keyOf(value));
    found.push(value);
    if (found.length > 50) break;
  }
  return found;
}

/** Equal for equal values; true is not 1, and "1" neither. */
function keyOf(value: Json): Json {
  return typeof value === "string" ? `"${value}` : typeof value === "object" && value !== null ? JSON.stringify(value) : value;
}

/** Where a value stands, 0 at the bottom and 1 at the top; NaN: nowhere. */
export function place(axis: Axis, value: Json | undefined): number {
  if (value === undefined) return NaN;
  if (axis.scale) return typeof value === "number" ? Math.min(Math.max(share(axis.scale, value), 0), 1) : NaN;
  const at = axis.choices.findIndex((choice) => same(choice, value));
  return at < 0 ? NaN : slot(at, axis.choices.length);
}

function slot(at: number, n: number): number {
  return n === 1 ? 0.5 : (at + 0.5) / n;
}

/** A fast `place`. */
export function placer(axis: Axis): (value: Json | undefined) => number {
  const { scale } = axis;
  if (scale) {
    const spread = scale.log ? Math.log : (value: number) => value;
    const low = spread(scale.min);
    const length = spread(scale.max) - low;
    return (value) => {
      if (typeof value !== "number" || !(length > 0)) return place(axis, value);
      const where = (spread(value) - low) / length;
      return Number.isFinite(where) ? Math.min(Math.max(where, 0), 1) : NaN;
    };
  }
  const slots = new Map(axis.choices.map((choice, i) => [keyOf(choice), slot(i, axis.choices.length)]));
  return (value) => (value === undefined ? NaN : (slots.get(keyOf(value)) ?? place(axis, value)));
}

export interface Label {
  readonly at: number;
  readonly text: string;
}

export function labels(axis: Axis, count: number): Label[] {
  if (!axis.scale) {
    const every = Math.ceil(axis.choices.length / 14);
    return axis.choices.map((choice, i) => ({ at: slot(i, axis.choices.length), text: valueText(choice) })).filter((_, i) => i % every === 0);
  }
  const scale = axis.scale;
  const inner = ticks(scale, count).map((value) => ({ at: share(scale, value), text: tickText(value) }));
  return inner.filter(({ at }) => at >= -1e-9 && at <= 1 + 1e-9);
}

/** What a stretch of the axis lets through; null: everything. */
export function limitsOf(axis: Axis, from: number, to: number): Limits | null {
  const [low, high] = from < to ? [from, to] : [to, from];
  if (low <= 0 && high >= 1) return null;
  if (axis.scale) return { from: low <= 0 ? axis.scale.min : valueAt(axis.scale, low), to: high >= 1 ? axis.scale.max : valueAt(axis.scale, high) };
  const values = axis.choices.filter((_, i) => {
    const at = slot(i, axis.choices.length);
    return at >= low && at <= high;
  });
  return values.length === 0 || values.length === axis.choices.length ? null : { values };
}

/** The stretches that limits take up on the axis. */
export function stretches(axis: Axis, limits: Limits): { readonly from: number; readonly to: number }[] {
  if ("from" in limits) {
    if (!axis.scale) return [];
    const [from, to] = [share(axis.scale, limits.from), share(axis.scale, limits.to)];
    return [{ from: Math.min(Math.max(Number.isNaN(from) ? 0 : from, 0), 1), to: Math.min(Math.max(to, 0), 1) }];
  }
  const half = 0.5 / Math.max(axis.choices.length, 1);
  return limits.values.flatMap((value) => {
    const at = place(axis, value);
    return Number.isNaN(at) ? [] : [{ from: at - half, to: at + half }];
  });
}

export function within(limits: Limits, value: Json | undefined): boolean {
  if (value === undefined) return false;
  if ("values" in limits) return limits.values.some((choice) => same(choice, value));
  if (typeof value !== "number") return false;
  // Limits that were dragged to a value are that value but for the last digits.
  const slack = 1e-9 * Math.max(Math.abs(limits.from), Math.abs(limits.to));
  return value >= limits.from - slack && value <= limits.to + slack;
}
