/** What differs between two configurations, in the words people use: `lr.max 0.1 → 0.03`. */

import { equal, isDict, type Exact } from "./exact";

export interface Difference {
  /** Keys, as they stand in the configuration. */
  readonly keys: readonly string[];
  /** Where it is, without the words that only nest: `lr.max`. */
  readonly place: string;
  /** undefined: it was not there. */
  readonly from: Exact | undefined;
  /** undefined: it is there no longer. */
  readonly to: Exact | undefined;
}

/** From one to the other, in the order of the new one; what was taken out comes last within its dict. */
export function differences(from: Exact | undefined, to: Exact | undefined, keys: readonly string[] = []): Difference[] {
  if (equal(from, to)) return [];
  if (!isDict(from) || !isDict(to)) return [{ keys, place: placeOf(keys), from, to }];
  const both = [...to.keys, ...from.keys.filter((key) => !to.has(key))];
  return both.flatMap((key) => differences(from.get(key), to.get(key), [...keys, key]));
}

/** `["parameters", "opt", "parameters", "lr", "max"]` → `opt.lr.max`. */
export function placeOf(keys: readonly string[]): string {
  if (keys[0] !== "parameters") return keys.join(".");
  const inner: string[] = [];
  let i = 0;
  while (keys[i] === "parameters" && i + 1 < keys.length) {
    inner.push(keys[i + 1] as string);
    i += 2;
  }
  const rest = keys.slice(i);
  return [...inner, ...rest].join(".") || keys.join(".");
}
