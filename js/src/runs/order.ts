/** Which runs the table shows, in which order. Pure. */

import type { Predicate } from "./filter";
import type { Accessor, Cell, RunTable } from "../runtable";

export interface SortKey {
  column: string;
  descending: boolean;
}

/** Ids of runs that pass, sorted; ties are broken by the newest. */
export function ordered(runs: RunTable, pass: Predicate, keys: readonly SortKey[]): string[] {
  return passing(runs, sorted(runs, keys), pass);
}

/** All rows in their order: found once, however often the filter changes. */
export function sorted(runs: RunTable, keys: readonly SortKey[]): number[] {
  const newest: SortKey[] = keys.some((key) => key.column === "number") ? [] : [{ column: "number", descending: true }];
  const comparisons = [...keys, ...newest].map((key) => comparison(valueOf(runs, key.column), runs.size, key.descending));
  const rows = Array.from({ length: runs.size }, (_, row) => row);
  return rows.sort((a, b) => {
    for (const compare of comparisons) {
      const order = compare(a, b);
      if (order !== 0) return order;
    }
    return a - b;
  });
}

export function passing(runs: RunTable, rows: readonly number[], pass: Predicate): string[] {
  const found: string[] = [];
  for (const row of rows) if (pass(row)) found.push(runs.id(row));
  return found;
}

/** Rows by a column: numbers, then texts, then NaN, then what is missing, whatever the direction. */
function comparison(value: Accessor, size: number, descending: boolean): (a: number, b: number) => number {
  const sign = descending ? -1 : 1;
  // Cells are read once, not once per comparison.
  const ranks = new Uint8Array(size);
  const numbers = new Float64Array(size);
  const texts: string[] = [];
  for (let row = 0; row < size; row += 1) {
    const cell = value(row);
    const rank = rankOf(cell);
    ranks[row] = rank;
    if (rank === 0) numbers[row] = cell as number;
    else if (rank === 1) texts[row] = String(cell);
  }
  return (a, b) => {
    const rank = ranks[a] as number;
    if (rank !== ranks[b]) return rank - (ranks[b] as number);
    if (rank === 0) return sign * ((numbers[a] as number) - (numbers[b] as number) || 0);
    if (rank > 1) return 0;
    const [one, other] = [texts[a] as string, texts[b] as string];
    return one === other ? 0 : one < other ? -sign : sign;
  };
}

function rankOf(value: Cell): number {
  if (value === undefined || value === null) return 3;
  if (typeof value === "number") return Number.isNaN(value) ? 2 : 0;
  return 1;
}

/** Columns that are worked out here. */
export function valueOf(runs: RunTable, column: string): Accessor {
  if (column !== "duration") return runs.column(column);
  const [started, ended] = [runs.column("started_at"), runs.column("ended_at")];
  return (row) => {
    const [from, to] = [started(row), ended(row)];
    return typeof from === "number" && typeof to === "number" ? to - from : undefined;
  };
}

/** The order while somebody's hand is in the table: nothing moves; what is gone leaves, what is new waits. */
export function heldOrder(held: readonly string[], fresh: readonly string[]): { shown: readonly string[]; waiting: number; moved: boolean } {
  const there = new Set(fresh);
  const shown = held.every((run) => there.has(run)) ? held : held.filter((run) => there.has(run));
  const waiting = fresh.length - shown.length;
  const known = new Set(shown);
  const rest = waiting ? fresh.filter((run) => known.has(run)) : fresh;
  return { shown, waiting, moved: rest.some((run, i) => run !== shown[i]) };
}

/** What a click on a column's head makes of the sort: first its better direction, then the other; shift adds a key. */
export function toggledSort(keys: readonly SortKey[], column: string, descendingFirst: boolean, add: boolean): SortKey[] {
  const old = keys.find((key) => key.column === column);
  const descending = old ? !old.descending : descendingFirst;
  if (!add) return [{ column, descending }];
  return old ? keys.map((key) => (key === old ? { column, descending } : key)) : [...keys, { column, descending }];
}
