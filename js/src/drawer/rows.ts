/** Configurations and metrics as rows that can be compared. Pure. */

import { same } from "../json";
import type { Config, Json } from "../protocol";

export interface ComparedRow {
  /** `opt.lr`. */
  name: string;
  /** One for each of what is compared; undefined: it has none. */
  values: (Json | undefined)[];
  /** Whether they are not all the same. */
  differs: boolean;
}

/** Leaves of several configurations beside each other, in the order in which they are first met. */
export function comparedRows(configs: readonly Config[]): ComparedRow[] {
  const leaves = configs.map((config) => new Map(leavesOf(config, "")));
  const names = [...new Set(leaves.flatMap((found) => [...found.keys()]))];
  return names.map((name) => {
    const values = leaves.map((found) => found.get(name));
    return { name, values, differs: values.some((value) => !same(value, values[0])) };
  });
}

function leavesOf(config: Config, prefix: string): [string, Json][] {
  return Object.entries(config).flatMap(([key, value]): [string, Json][] => {
    const nested = typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0 && !("_type" in value);
    return nested ? leavesOf(value, `${prefix}${key}.`) : [[`${prefix}${key}`, value]];
  });
}
