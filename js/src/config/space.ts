/** The parameters of a configuration as rows of a form, and what happens when one becomes of another kind. Pure. */

import { at, put, renamed, without, type Keys } from "./edit";
import { Dict, isDict, isList, Numeral, type Exact } from "./exact";
import { isInteger, isNumber } from "../numbers";
import type { FieldInfo, Forms, ParameterInfo } from "../protocol";

export interface Row {
  readonly keys: Keys;
  readonly name: string;
  /** How deep it is nested. */
  readonly depth: number;
  /** `group`, the name of a distribution, or "" where the keys do not say. */
  readonly kind: string;
  readonly spec: Exact;
  /** As a run's config has it: `["opt", "lr"]`. */
  readonly path: readonly string[];
}

export const GROUP = "group";

/** Every parameter and group, in order, each before what is in it. */
export function rows(config: Exact, keys: Keys = ["parameters"], depth = 0): Row[] {
  const section = at(config, keys);
  if (!isDict(section)) return [];
  return section.entries.flatMap(([name, spec]) => {
    const here = [...keys, name];
    const row: Row = { keys: here, name, depth, kind: kindOf(spec), spec, path: pathOf(here) };
    return row.kind === GROUP ? [row, ...rows(config, [...here, "parameters"], depth + 1)] : [row];
  });
}

/** `["parameters", "opt", "parameters", "lr"]` → `["opt", "lr"]`. */
export function pathOf(keys: Keys): string[] {
  return keys.filter((_, i) => i % 2 === 1);
}

export function kindOf(spec: Exact): string {
  if (!isDict(spec)) return "";
  if (spec.has("parameters")) return GROUP;
  const named = spec.get("distribution");
  return typeof named === "string" ? named : (inferred(spec) ?? "");
}

/** W&B's distribution for a parameter that names none; null if the keys do not say. */
export function inferred(spec: Dict): string | null {
  if (spec.has("values")) return spec.has("probabilities") ? "categorical_w_probabilities" : "categorical";
  if (spec.has("value")) return "constant";
  const limits = ["min", "max"].flatMap((key) => spec.get(key) ?? []);
  if (limits.length === 0) return null;
  return limits.every((limit) => limit instanceof Numeral && isInteger(limit.text)) ? "int_uniform" : "uniform";
}

/** With another name, here and wherever a condition asks for it. */
export function withName(config: Exact, row: Row, name: string): Exact {
  const changed = renamed(config, row.keys, name);
  if (changed === config) return config;
  const before = row.path.join(".");
  const after = [...row.path.slice(0, -1), name].join(".");
  return rows(changed).reduce((result, { keys }) => {
    const condition = at(result, [...keys, "condition"]);
    if (!isDict(condition)) return result;
    const entries = condition.entries.map(([parent, value]): [string, Exact] => {
      const other = parent === before ? after : parent.startsWith(`${before}.`) ? after + parent.slice(before.length) : parent;
      return [other, value];
    });
    return entries.every(([parent], i) => parent === condition.entries[i]?.[0]) ? result : put(result, [...keys, "condition"], new Dict(entries));
  }, changed);
}

/** With another value in one field (undefined: without it). The kind stays: it is named if it would change. */
export function withField(spec: Exact, key: string, value: Exact | undefined): Exact {
  const kind = kindOf(spec);
  const changed = value === undefined ? without(spec, [key]) : put(spec, [key], value);
  if (kind === "" || kind === GROUP || kindOf(changed) === kind) return changed;
  const entries = (changed as Dict).entries.filter(([name]) => name !== "distribution");
  return new Dict([["distribution", kind], ...entries]);
}

/** The same parameter with another distribution (or as a group): what both take is carried over. */
export function become(spec: Exact, kind: string, forms: Forms): Exact {
  const condition = at(spec, ["condition"]);
  const kept: [string, Exact][] = condition === undefined ? [] : [["condition", condition]];
  if (kind === GROUP) return new Dict([["parameters", new Dict()], ...kept]);
  const fields = forms.distributions[kind]?.fields ?? {};
  const entries: [string, Exact][] = [];
  for (const [key, field] of Object.entries(fields)) {
    const value = carried(spec, kind, key) ?? (field.required ? example(kind, key, entries) : undefined);
    if (value !== undefined) entries.push([key, value]);
  }
  const plain = new Dict(entries);
  const named = inferred(plain) === kind ? plain : new Dict([["distribution", kind], ...entries]);
  return new Dict([...named.entries, ...kept]);
}

/** What of the old parameter still makes sense under a key of the new one. */
function carried(spec: Exact, kind: string, key: string): Exact | undefined {
  if (!isDict(spec)) return undefined;
  const before = kindOf(spec);
  const list = spec.get("values");
  const [low, high] = limits(spec, before);
  if (key === "values") {
    if (isList(list)) return list;
    if (spec.has("value")) return [spec.get("value") as Exact];
    return low === null || high === null ? undefined : [number(low, false), number(high, false)];
  }
  if (key === "value") return isList(list) ? list[0] : low === null ? undefined : number(low, false);
  if (key === "probabilities") return spec.get(key) ?? (isList(list) ? shares(list.length) : undefined);
  if (key === "min" || key === "max") return limit(key === "min" ? low : high, kind, key, low, high);
  return spec.get(key);
}

/** The smallest and largest value that a parameter has, whatever way it says so. */
function limits(spec: Dict, kind: string): [number | null, number | null] {
  const list = spec.get("values");
  if (isList(list)) {
    const numbers = list.flatMap((item) => (item instanceof Numeral && isNumber(item.text) ? [item.value] : []));
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    return low < high ? [low, high] : [null, null];
  }
  const pair = ["min", "max"].map((key) => {
    const limit = spec.get(key);
    return limit instanceof Numeral && isNumber(limit.text) ? limit.value : null;
  });
  const [low = null, high = null] = pair;
  if (low === null || high === null || !exponents(kind)) return [low, high];
  return kind.startsWith("inv_") ? [Math.exp(-high), Math.exp(-low)] : [Math.exp(low), Math.exp(high)];
}

/** Whether min and max are base-e exponents. */
function exponents(kind: string): boolean {
  return kind.endsWith("log_uniform");
}

function limit(value: number | null, kind: string, key: string, low: number | null, high: number | null): Exact | undefined {
  if (value === null || low === null || high === null) return undefined;
  if (kind === "int_uniform") return number(key === "min" ? Math.floor(value) : Math.ceil(value), false);
  const log = kind.includes("log");
  const positive = log && key === "min" && value <= 0 ? (high > 0 ? high / 1000 : 0.001) : value;
  if (log && positive <= 0) return undefined;
  if (!exponents(kind)) return number(positive, true);
  const ends = [low <= 0 ? high / 1000 : low, high].map(Math.log) as [number, number];
  const [from, to] = kind.startsWith("inv_") ? [-ends[1], -ends[0]] : ends;
  return number(Number((key === "min" ? from : to).toPrecision(6)), true);
}

export type End = "min" | "max";

/** Whether the ends of what it draws are its own fields, to be moved one by one. */
export function hasEnds(spec: Exact): boolean {
  if (!isDict(spec)) return false;
  return (["min", "max"] as const).every((key) => {
    const limit = spec.get(key);
    return limit instanceof Numeral && isNumber(limit.text);
  });
}

/** With one end of what it draws at another value; an end stays on its side of the other. */
export function withEnd(spec: Exact, end: End, value: number): Exact {
  if (!isDict(spec)) return spec;
  const kind = kindOf(spec);
  const [low, high] = limits(spec, kind);
  if (low === null || high === null || (end === "min" ? value >= high : value <= low)) return spec;
  const ends: [number, number] = end === "min" ? [value, high] : [low, value];
  const mirrored = exponents(kind) && kind.startsWith("inv_");
  const key = mirrored ? (end === "min" ? "max" : "min") : end;
  const moved = limit(value, kind, key, ...ends);
  return moved === undefined || (kind === "int_uniform" && !inOrder(key, moved, spec)) ? spec : withField(spec, key, moved);
}

/** Integers may have met although what they were rounded from had not. */
function inOrder(key: End, moved: Exact, spec: Dict): boolean {
  const other = spec.get(key === "min" ? "max" : "min");
  if (!(moved instanceof Numeral) || !(other instanceof Numeral)) return false;
  return key === "min" ? moved.value < other.value : moved.value > other.value;
}

/** As Python would write it: a float has a point. */
export function number(value: number, float: boolean): Numeral {
  const text = String(Number(value.toPrecision(12)));
  return new Numeral(float && isInteger(text) ? `${text}.0` : text);
}

function shares(n: number): Exact {
  const share = Math.floor(1e6 / Math.max(n, 1)) / 1e6;
  return Array.from({ length: n }, (_, i) => new Numeral(String(i < n - 1 ? share : Number((1 - share * (n - 1)).toFixed(6)))));
}

/** Something that works, for what must be given. */
function example(kind: string, key: string, before: readonly [string, Exact][]): Exact | undefined {
  const texts: { readonly [key: string]: string } = kind === "int_uniform"
    ? { min: "1", max: "10" }
    : exponents(kind)
      ? { min: "-7.0", max: "-2.0" }
      : kind.includes("log")
        ? { min: "0.001", max: "1.0" }
        : { min: "0.0", max: "1.0" };
  if (key in texts) return new Numeral(texts[key] as string);
  if (key === "values") return [new Numeral("1"), new Numeral("2")];
  if (key === "value") return new Numeral("1");
  const values = before.find(([name]) => name === "values")?.[1];
  return key === "probabilities" && isList(values) ? shares(values.length) : undefined;
}

/**
 * What came as JavaScript's numbers has lost the points of its floats; the kernel's table of parameters knows which were
 * uniform, hence floats.
 */
export function withFloats(config: Exact, infos: readonly ParameterInfo[]): Exact {
  const known = new Map(infos.map((info) => [JSON.stringify(info.path), info.distribution]));
  return rows(config).reduce((result, row) => {
    if (known.get(JSON.stringify(row.path)) !== "uniform" || at(row.spec, ["distribution"]) !== undefined) return result;
    return ["min", "max"].reduce((inner, key) => {
      const limit = at(inner, [...row.keys, key]);
      return limit instanceof Numeral && isInteger(limit.text) ? put(inner, [...row.keys, key], new Numeral(`${limit.text}.0`)) : inner;
    }, result);
  }, config);
}

/** What a field takes when it is left alone, to show in its place. */
export function placeholder(field: FieldInfo): string {
  const value = field["default"];
  return value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
}
