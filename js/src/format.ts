/** Values as short texts for people. Pure. */

import type { Json } from "./protocol";

/** A number with at most `digits` significant ones: `0.0713`, `2.1e-4`, `12840`, `NaN`, `∞`. */
export function numberText(value: number, digits = 4): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return String(value);
  if (size >= 1e-3 && size < 1e7) return String(Number(value.toPrecision(size >= 10 ** digits ? Math.ceil(Math.log10(size)) : digits)));
  return value
    .toExponential(digits - 1)
    .replace(/\.?0+e/, "e")
    .replace("e+", "e");
}

/** Any value of a user: strings as they are, numbers shortly, the rest as JSON. */
export function valueText(value: Json | undefined): string {
  if (value === undefined) return "";
  if (value === null) return "None";
  if (typeof value === "number") return numberText(value);
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  return pythonText(value);
}

/** A value as Python writes it, exactly. */
export function pythonText(value: Json, indent = -1): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return pythonNumber(value);
  if (typeof value === "string") return pythonString(value);
  const isList = Array.isArray(value);
  const items = isList
    ? value.map((item) => pythonText(item, deeper(indent)))
    : Object.entries(value).map(([key, item]) => `${pythonString(key)}: ${pythonText(item, deeper(indent))}`);
  const [open, close] = isList ? "[]" : "{}";
  if (indent < 0 || items.length === 0 || isList) return `${open}${items.join(", ")}${close}`;
  const pad = " ".repeat(4 * (indent + 1));
  return `{\n${items.map((item) => `${pad}${item},\n`).join("")}${" ".repeat(4 * indent)}}`;
}

function deeper(indent: number): number {
  return indent < 0 ? indent : indent + 1;
}

function pythonNumber(value: number): string {
  if (Number.isNaN(value)) return 'float("nan")';
  if (!Number.isFinite(value)) return value > 0 ? 'float("inf")' : 'float("-inf")';
  return String(value).replace("e+", "e");
}

/** JSON's escapes are Python's, too; Python prefers single quotes. */
function pythonString(text: string): string {
  const inner = JSON.stringify(text).slice(1, -1);
  if (text.includes("'")) return `"${inner}"`;
  return `'${inner.replaceAll('\\"', '"')}'`;
}

/** Seconds in two units: `0.4s`, `51s`, `1m40`, `2h05`, `3d4h`. */
export function durationText(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "–";
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))}s`;
  if (seconds < 59.5) return `${Math.round(seconds)}s`;
  if (seconds < 3570) {
    const whole = Math.round(seconds);
    return `${Math.floor(whole / 60)}m${two(whole % 60)}`;
  }
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)}h${two(minutes % 60)}`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)}d${hours % 24 ? `${hours % 24}h` : ""}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** How long the rest takes: `18–26 min`, `40–55 s`, `2–3 h`; one number where both are the same. */
export function rangeText([low, high]: readonly [number, number]): string {
  if (high < 1) return "under 1 s";
  const unit = high < 90 ? 1 : high < 5400 ? 60 : high < 172_800 ? 3600 : 86_400;
  const name = { 1: "s", 60: "min", 3600: "h", 86_400: "d" }[unit];
  const [from, to] = [low, high].map((seconds) => (high / unit < 10 && unit > 60 ? Number((seconds / unit).toFixed(1)) : Math.round(seconds / unit)));
  return from === to ? `${to} ${name}` : `${from}–${to} ${name}`;
}

export function bytesText(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** A change against a baseline: `−4.1%`; `±0`; where the baseline is zero, the difference itself. */
export function changeText(value: number, baseline: number): string {
  const difference = value - baseline;
  if (!Number.isFinite(difference)) return "";
  if (difference === 0) return "±0";
  const sign = difference > 0 ? "+" : "−";
  if (baseline === 0) return `${sign}${numberText(Math.abs(difference), 3)}`;
  const percent = Math.abs((100 * difference) / baseline);
  return `${sign}${percent >= 1000 ? numberText(percent, 2) : Number(percent.toPrecision(2))}%`;
}

/** The time of day of a moment; with the date if that is another day. */
export function clockText(unix: number, now = Date.now()): string {
  const date = new Date(unix * 1000);
  const time = date.toLocaleTimeString([], { hour12: false });
  return date.toDateString() === new Date(now).toDateString() ? time : `${date.toLocaleDateString()} ${time}`;
}
