/**
 * The runs, as columns: what the kernel's tables upsert and its `gone` removes.
 *
 * A row is a position (0 … size − 1) that holds until the next change. Whoever looks up a run or a column is told of changes,
 * as if the table were a signal; accessors of columns then read cells at the speed of arrays.
 */

import { signal, type ReadonlySignal } from "@preact/signals";
import { unmarked } from "./json";
import type { Column, Json, Table } from "./protocol";

export type Cell = Json | undefined;
/** The value in a row; undefined: there is none. */
export type Accessor = (row: number) => Cell;

const NOTHING: Accessor = () => undefined;

export class RunTable {
  readonly #columns = new Map<string, Cell[]>();
  readonly #rows = new Map<string, number>();
  readonly #version = signal(0);
  readonly #names = signal<readonly string[]>([]);
  #size = 0;
  /** Columns that the kernel left out, because there are too many. */
  leftOut = 0;

  /** Counts up with every change. */
  get version(): ReadonlySignal<number> {
    return this.#version;
  }

  /** Names of the columns that there are, in the order in which they came; changes only when there are others. */
  get names(): ReadonlySignal<readonly string[]> {
    return this.#names;
  }

  get size(): number {
    this.#version.value;
    return this.#size;
  }

  has(run: string): boolean {
    return this.row(run) >= 0;
  }

  /** Where a run stands now; −1 if it is not there. */
  row(run: string): number {
    this.#version.value;
    return this.#rows.get(run) ?? -1;
  }

  id(row: number): string {
    return String(this.#ids[row] ?? "");
  }

  get #ids(): Cell[] {
    return this.#columns.get("id") ?? [];
  }

  /** Cells of a column. The accessor holds until the next change. */
  column(name: string): Accessor {
    this.#version.value;
    const cells = this.#columns.get(name);
    return cells ? (row) => cells[row] : NOTHING;
  }

  cell(run: string, name: string): Cell {
    const row = this.row(run);
    return row < 0 ? undefined : this.#columns.get(name)?.[row];
  }

  text(run: string, name: string): string {
    const value = this.cell(run, name);
    return typeof value === "string" ? value : value === undefined || value === null ? "" : String(value);
  }

  number(run: string, name: string): number | null {
    const value = this.cell(run, name);
    return typeof value === "number" ? value : null;
  }

  /** Everything anew. */
  replace(table: Table, buffer: ArrayBuffer): void {
    this.#columns.clear();
    this.#rows.clear();
    this.#size = 0;
    this.#upsert(table, buffer);
    this.#changed();
  }

  /** Whole rows of new and of known runs, then without those that are gone. */
  update(table: Table | undefined, gone: readonly string[] | undefined, buffer: ArrayBuffer): void {
    if (table) this.#upsert(table, buffer);
    if (gone?.length) this.#remove(gone);
    if (table || gone?.length) this.#changed();
  }

  #upsert(table: Table, buffer: ArrayBuffer): void {
    const columns = new Map(table.columns.map((column) => [column.name, reader(column, table.n, buffer)]));
    const id = columns.get("id") ?? NOTHING;
    const targets: number[] = [];
    for (let i = 0; i < table.n; i += 1) {
      const run = String(id(i));
      const known = this.#rows.get(run);
      const row = known ?? this.#size++;
      if (known === undefined) this.#rows.set(run, row);
      targets.push(row);
    }
    for (const name of columns.keys()) if (!this.#columns.has(name)) this.#columns.set(name, []);
    for (const [name, cells] of this.#columns) {
      while (cells.length < this.#size) cells.push(undefined);
      const read = columns.get(name) ?? NOTHING;
      targets.forEach((row, i) => {
        cells[row] = read(i);
      });
    }
    this.leftOut = table.left_out;
  }

  #remove(gone: readonly string[]): void {
    const doomed = new Set(gone.filter((run) => this.#rows.has(run)));
    if (doomed.size === 0) return;
    const ids = this.#columns.get("id") ?? [];
    const kept = ids.map((run) => !doomed.has(String(run)));
    for (const [name, cells] of this.#columns) this.#columns.set(name, cells.filter((_, row) => kept[row]));
    this.#rows.clear();
    (this.#columns.get("id") ?? []).forEach((run, row) => this.#rows.set(String(run), row));
    this.#size = this.#rows.size;
  }

  #changed(): void {
    const names = [...this.#columns.keys()];
    const old = this.#names.peek();
    if (names.length !== old.length || names.some((name, i) => name !== old[i])) this.#names.value = names;
    this.#version.value += 1;
  }
}

/** Cells of a column as it came over the wire. */
export function reader(column: Column, n: number, buffer: ArrayBuffer): Accessor {
  if (column.kind === "number") {
    const numbers = new Float64Array(buffer, column.at, n);
    if (column.missing === undefined) return (i) => numbers[i];
    const missing = new Uint8Array(buffer, column.missing, n);
    return (i) => (missing[i] ? undefined : numbers[i]);
  }
  const values = column.values.map(unmarked);
  if (column.codes === undefined) return (i) => values[i];
  const codes = new Int32Array(buffer, column.codes, n);
  return (i) => {
    const code = codes[i] ?? -1;
    return code < 0 ? undefined : values[code];
  };
}

/** The parts of a column's name: `config.opt.lr\.max` → ["config", "opt", "lr.max"]. */
export function columnPath(name: string): string[] {
  const parts = [""];
  for (let i = 0; i < name.length; i += 1) {
    const character = name[i] as string;
    if (character === "." && parts.length > 0) parts.push("");
    else if (character === "\\" && i + 1 < name.length) parts[parts.length - 1] += name[(i += 1)] as string;
    else parts[parts.length - 1] += character;
  }
  return parts;
}
