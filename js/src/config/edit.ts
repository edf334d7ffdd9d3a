/** Edits of a configuration: each gives a new one, and shares what it did not touch. */

import { Dict, isDict, type Entry, type Exact } from "./exact";

/** Keys from the outermost dict inwards: `["parameters", "lr", "max"]`. */
export type Keys = readonly string[];

export function at(value: Exact | undefined, keys: Keys): Exact | undefined {
  return keys.reduce<Exact | undefined>((inner, key) => (isDict(inner) ? inner.get(key) : undefined), value);
}

/** With a value at a place; dicts on the way are made. New keys come last. */
export function put(value: Exact | undefined, keys: Keys, item: Exact): Exact {
  const [key, ...rest] = keys;
  if (key === undefined) return item;
  const outer = isDict(value) ? value : new Dict();
  const inner = put(outer.get(key), rest, item);
  return new Dict(
    outer.has(key)
      ? outer.entries.map((entry): Entry => (entry[0] === key ? [key, inner] : entry))
      : [...outer.entries, [key, inner]],
  );
}

/** Without what is at a place. */
export function without(value: Exact, keys: Keys): Exact {
  const key = keys[0];
  if (!isDict(value) || key === undefined || !value.has(key)) return value;
  if (keys.length === 1) return new Dict(value.entries.filter(([name]) => name !== key));
  return put(value, [key], without(value.get(key) as Exact, keys.slice(1)));
}

/** With another name for the last key, at the same position. A name that is taken changes nothing. */
export function renamed(value: Exact, keys: Keys, name: string): Exact {
  const parent = at(value, keys.slice(0, -1));
  const key = keys.at(-1);
  if (!isDict(parent) || key === undefined || !parent.has(key) || parent.has(name)) return value;
  const entries = parent.entries.map((entry): Entry => (entry[0] === key ? [name, entry[1]] : entry));
  return put(value, keys.slice(0, -1), new Dict(entries));
}

/** The last key one position up (−1) or down (+1). */
export function moved(value: Exact, keys: Keys, by: -1 | 1): Exact {
  const parent = at(value, keys.slice(0, -1));
  if (!isDict(parent)) return value;
  const entries = [...parent.entries];
  const from = entries.findIndex(([name]) => name === keys.at(-1));
  const to = from + by;
  if (from < 0 || to < 0 || to >= entries.length) return value;
  [entries[from], entries[to]] = [entries[to] as Entry, entries[from] as Entry];
  return put(value, keys.slice(0, -1), new Dict(entries));
}

/** A name that is not taken: `name`, `name_2`, `name_3` … */
export function freeName(section: Exact | undefined, name: string): string {
  if (!isDict(section) || !section.has(name)) return name;
  let n = 2;
  while (section.has(`${name}_${n}`)) n += 1;
  return `${name}_${n}`;
}
