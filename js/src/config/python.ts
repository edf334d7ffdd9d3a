/** A configuration as Python writes it: one value in a line, and a whole dict to paste. */

import { isDict, Numeral, type Exact } from "./exact";
import { isNumber } from "../numbers";

const WIDTH = 88;

/** `repr(value)`. */
export function repr(value: Exact): string {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (value instanceof Numeral) return numeral(value.text);
  if (typeof value === "string") return quoted(value);
  if (isDict(value)) return `{${value.entries.map(([key, item]) => `${quoted(key)}: ${repr(item)}`).join(", ")}}`;
  return `[${value.map(repr).join(", ")}]`;
}

/** A dict over several lines, each entry on its own unless it fits. */
export function pretty(value: Exact, indent = 0): string {
  const short = repr(value);
  if (indent > 0 && indent + short.length <= WIDTH) return short;
  const inner = " ".repeat(indent + 4);
  if (isDict(value) && value.entries.length > 0) {
    const lines = value.entries.map(([key, item]) => `${inner}${quoted(key)}: ${pretty(item, indent + 4)},\n`);
    return `{\n${lines.join("")}${" ".repeat(indent)}}`;
  }
  return short;
}

function numeral(text: string): string {
  if (isNumber(text)) return text;
  if (/^nan$/i.test(text)) return 'float("nan")';
  if (/^[-+]?inf(inity)?$/i.test(text)) return `float("${text.startsWith("-") ? "-inf" : "inf"}")`;
  return quoted(text);
}

/** Python prefers single quotes, unless that saves escapes. */
export function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}
