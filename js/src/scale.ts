/** Axes of numbers: where a value stands, and which values are worth a label. Pure. */

export interface Scale {
  readonly log: boolean;
  readonly min: number;
  readonly max: number;
}

/** Where a value stands, 0 at min and 1 at max; it may lie outside. NaN if it has no place (≤ 0 on a log scale). */
export function share(scale: Scale, value: number): number {
  const [low, high, here] = scale.log ? [Math.log(scale.min), Math.log(scale.max), Math.log(value)] : [scale.min, scale.max, value];
  if (!Number.isFinite(here)) return NaN;
  return high === low ? 0.5 : (here - low) / (high - low);
}

/** The value at a share: the inverse of `share`. */
export function valueAt(scale: Scale, where: number): number {
  if (scale.log) return Math.exp(Math.log(scale.min) + where * (Math.log(scale.max) - Math.log(scale.min)));
  return scale.min + where * (scale.max - scale.min);
}

/** A scale that holds these limits with a little room, whatever they are: equal, reversed, or missing. */
export function scaleOf(min: number, max: number, log: boolean, room = 0.04): Scale {
  if (!(min <= max)) return log ? { log, min: 0.1, max: 1 } : { log, min: 0, max: 1 };
  if (log) {
    const spare = min === max ? Math.log(2) : room * (Math.log(max) - Math.log(min));
    return { log, min: Math.exp(Math.log(min) - spare), max: Math.exp(Math.log(max) + spare) };
  }
  const spare = min === max ? Math.abs(min) / 2 || 1 : room * (max - min);
  return { log, min: min - spare, max: max + spare };
}

/** Values for labels: about `count` round ones between the limits. */
export function ticks(scale: Scale, count: number): number[] {
  if (!Number.isFinite(scale.min) || !Number.isFinite(scale.max) || !(scale.max > scale.min)) return [scale.min];
  return scale.log ? logTicks(scale, count) : linearTicks(scale.min, scale.max, count);
}

/** 1, 2 or 5 times a power of ten. */
export function roundStep(span: number, count: number): number {
  const rough = span / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const times = rough / power;
  return (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10) * power;
}

function linearTicks(min: number, max: number, count: number): number[] {
  const step = roundStep(max - min, count);
  const found: number[] = [];
  const first = Math.ceil(min / step - 1e-9);
  for (let i = first; i * step <= max + step * 1e-9 && found.length < 1000; i += 1) found.push(tidy(i * step, step));
  return found;
}

/** Powers of ten; between them 2 and 5, or round steps, where a decade would be too wide. */
function logTicks(scale: Scale, count: number): number[] {
  const low = Math.log10(scale.min);
  const high = Math.log10(scale.max);
  const decades = high - low;
  if (decades < 0.8) return linearTicks(scale.min, scale.max, count);
  const times = decades * 3 <= count * 1.5 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil(decades / count));
  const found: number[] = [];
  for (let power = Math.floor(low); power <= Math.ceil(high); power += 1) {
    if (power % every !== 0) continue;
    for (const factor of times) {
      const value = tidy(factor * 10 ** power, 10 ** power);
      if (value >= scale.min * (1 - 1e-9) && value <= scale.max * (1 + 1e-9)) found.push(value);
    }
  }
  return found.length < 2 ? linearTicks(scale.min, scale.max, count) : found;
}

/** Without what binary fractions leave behind. */
function tidy(value: number, step: number): number {
  const digits = Math.min(Math.max(0, 2 - Math.floor(Math.log10(step))), 100);
  const fixed = Number(value.toFixed(digits));
  return fixed === 0 ? 0 : fixed;
}

/** A short label for a value: `0.001`, `2.5e-7`, `12k`, `3.1M`. */
export function tickText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e9) return exponent(value);
  if (size >= 1e6) return `${plain(value / 1e6)}M`;
  if (size >= 1e4) return `${plain(value / 1e3)}k`;
  return plain(value);
}

function plain(value: number): string {
  return minus(String(Number(value.toPrecision(4))));
}

function exponent(value: number): string {
  return minus(value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e"));
}

/** A minus sign is as wide as a digit; a hyphen is not. */
export function minus(text: string): string {
  return text.startsWith("-") ? `−${text.slice(1)}` : text;
}

/** Round steps of time: seconds, minutes, hours, days. */
export function timeTicks(min: number, max: number, count: number): number[] {
  const rough = (max - min) / Math.max(count, 1);
  if (rough < 1) return linearTicks(min, max, count);
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const step = steps.find((candidate) => candidate >= rough) ?? 86400 * Math.ceil(rough / 86400);
  const found: number[] = [];
  for (let i = Math.ceil(min / step); i * step <= max && found.length < 1000; i += 1) found.push(i * step);
  return found;
}
