/** The kernel's JSON as values: marked floats become numbers, escaped keys get their names back; and the way back. */

import type { Json } from "./protocol";

const MARK = /^\$+float$/;
const SPECIAL: { [word: string]: number } = { nan: NaN, inf: Infinity, "-inf": -Infinity };

/** A value as the user has it. Unlike `Json` it may hold NaN and infinities; values that need no change are not copied. */
export function unmarked(value: Json): Json {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.map(unmarked);
    return items.some((item, i) => item !== value[i]) ? items : value;
  }
  const keys = Object.keys(value);
  if (keys.length === 1 && keys[0] === "$float") {
    const word = value["$float"];
    const number = typeof word === "string" ? SPECIAL[word] : undefined;
    return number === undefined ? value : number;
  }
  const entries = keys.map((key): [string, Json] => [MARK.test(key) ? key.slice(1) : key, unmarked(value[key] as Json)]);
  return entries.some(([key, item], i) => key !== keys[i] || item !== value[key]) ? Object.fromEntries(entries) : value;
}

/** What `unmarked` read, for the wire. */
export function marked(value: Json): Json {
  if (typeof value === "number" && !Number.isFinite(value)) {
    return { $float: Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf" };
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(marked);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [MARK.test(key) ? `$${key}` : key, marked(item)]));
}

/** Whether two values are the same to a user: order of keys does not matter, NaN is NaN. */
export function same(a: Json | undefined, b: Json | undefined): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => same(item, b[i]));
  }
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}
