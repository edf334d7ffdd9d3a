/** Where a run's code stands, as lines of a table. Pure. */

import { valueText } from "../format";
import type { Json } from "../protocol";

type Facts = { readonly [key: string]: Json };

const WHOLE = new Set(["function", "program", "git", "packages"]);

/** (name, text) of what is known; the source apart. */
export function provenanceRows(facts: Facts): [string, string][] {
  const { name, where, line } = part(facts, "function");
  const git = part(facts, "git");
  const commit = typeof git["commit"] === "string" ? git["commit"].slice(0, 10) : "";
  return [
    ["function", [text(name), text(where), line === undefined ? "" : `line ${text(line)}`].filter(Boolean).join(" · ")],
    ["program", text(part(facts, "program")["path"])],
    ["git", [text(git["branch"]), commit, git["dirty"] === true ? "with changes" : "", text(git["remote"])].filter(Boolean).join(" · ")],
    ...Object.entries(facts).filter(([key]) => !WHOLE.has(key)).map(([key, value]): [string, string] => [key, valueText(value)]),
    ["packages", Object.entries(part(facts, "packages")).map(([key, value]) => `${key} ${text(value)}`).join(", ")],
  ];
}

/** `In[7]`, or the file. */
export function whereOf(facts: Facts): string {
  return text(part(facts, "function")["where"] ?? part(facts, "program")["path"]);
}

export function sourceOf(facts: Facts): string {
  return text(part(facts, "function")["source"] ?? part(facts, "program")["source"]);
}

function part(facts: Facts, name: string): Facts {
  const value = facts[name];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

function text(value: Json | undefined): string {
  return value === undefined || value === null ? "" : String(value);
}
