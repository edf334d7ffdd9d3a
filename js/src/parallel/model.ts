/** Which runs and axes are drawn, what the user limited, and who is left. */

import { computed, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Connection } from "../connection";
import type { Json } from "../protocol";
import { columnPath, type Accessor } from "../runtable";
import { outcomeAxis, parameterAxis, placer, within, type Axis, type Limits } from "./axes";
import { shadesOf } from "./ramp";

export interface Strand {
  readonly run: string;
  /** For each axis, 0 to 1; NaN: it has no value there. */
  readonly at: Float64Array;
  /** Its shade; −1: grey. */
  readonly shade: number;
  /** Within all limits. */
  readonly kept: boolean;
}

export interface Web {
  readonly axes: readonly Axis[];
  readonly strands: readonly Strand[];
  /** Runs that could be drawn, and those of them that are within the limits. */
  readonly of: number;
  readonly kept: number;
  readonly shadeless: number;
}

/** More lines than that are neither told apart nor drawn quickly. */
export const MOST_STRANDS = 2000;
/** Ids that a selection may take to Python, and into the saved notebook. */
export const MOST_SELECTED = 1000; // at most half of MOST_STRANDS

export class ParallelModel {
  readonly limits: Signal<{ readonly [column: string]: Limits }>;
  readonly hidden: Signal<readonly string[]>;
  readonly order: Signal<readonly string[]>;
  readonly log: Signal<boolean>;
  readonly metric: ReadonlySignal<string>;
  constructor(private readonly connection: Connection) {
    const { state } = connection;
    const remember = <T extends Json>(name: string, initial: T): Signal<T> => state.view.remember(`parallel.${name}`, initial) as unknown as Signal<T>;
    this.limits = remember<Json>("limits", {}) as unknown as Signal<{ readonly [column: string]: Limits }>;
    this.hidden = remember<string[]>("hidden", []) as Signal<readonly string[]>;
    this.order = remember<string[]>("order", []) as Signal<readonly string[]>;
    this.log = remember("log", false);
    this.metric = computed(() => state.sweep.value?.goals[0]?.metric ?? "");
  }

  /** What is drawn now. */
  web(): Web {
    const { state } = this.connection;
    const { runs } = state;
    const rows = this.#rows();
    const axes = this.#axes(rows);
    const cells = axes.map((axis) => runs.column(axis.column));
    const places = axes.map(placer);
    const outcome = axes.find((axis) => axis.outcome);
    const value = outcome ? runs.column(outcome.column) : null;
    const shades = shadesOf(
      rows.map((row) => {
        const cell = value?.(row);
        return typeof cell === "number" ? cell : undefined;
      }),
      state.sweep.peek()?.goals[0]?.maximize ?? false,
    );
    const limits = axes.flatMap((axis, j) => {
      const limit = this.limits.peek()[axis.column];
      return limit === undefined ? [] : [{ limit, cell: cells[j] as Accessor }];
    });
    const kept = rows.map((row) => limits.every(({ limit, cell }) => within(limit, cell(row))));
    const strands = thinned(kept, shades).map((i): Strand => {
      const row = rows[i] as number;
      const at = Float64Array.from(places, (placeOf, j) => placeOf(cells[j]?.(row)));
      return { run: runs.id(row), at, shade: shades[i] ?? -1, kept: kept[i] ?? false };
    });
    return {
      axes,
      strands,
      of: rows.length,
      kept: kept.reduce((n, is) => (is ? n + 1 : n), 0),
      shadeless: shades.reduce((n, shade) => (shade < 0 ? n + 1 : n), 0),
    };
  }

  setLimits(column: string, limits: Limits | null): void {
    const { [column]: _, ...rest } = this.limits.peek();
    this.limits.value = limits === null ? rest : { ...rest, [column]: limits };
  }

  clear(): void {
    this.limits.value = {};
    this.connection.state.selected.value = [];
  }

  /** The runs within the limits become the selection, here, in the table and in Python. */
  selectKept(): void {
    const { state } = this.connection;
    if (Object.keys(this.limits.peek()).length === 0) return;
    const web = this.web();
    // Within so few, none was left out of the picture.
    if (web.kept > MOST_SELECTED) return;
    state.selected.value = web.strands.filter((strand) => strand.kept).map((strand) => strand.run);
  }

  hide(column: string): void {
    this.setLimits(column, null);
    this.hidden.value = [...this.hidden.peek(), column];
  }

  unhide(column: string): void {
    this.hidden.value = this.hidden.peek().filter((name) => name !== column);
  }

  move(column: string, by: -1 | 1): void {
    const columns = this.#axes(this.#rows()).map((axis) => axis.column);
    const at = columns.indexOf(column);
    const to = at + by;
    if (at < 0 || to < 0 || to >= columns.length) return;
    [columns[at], columns[to]] = [columns[to] as string, columns[at] as string];
    this.order.value = columns;
  }

  /** Columns that could be axes, whether hidden or not. */
  columns(): { column: string; label: string }[] {
    const { state } = this.connection;
    const parameters = (state.sweep.value?.parameters ?? []).filter((info) => !info.constant);
    const metric = this.metric.value;
    const outcome = state.runs.names.value.find((name) => name.startsWith("summary.") && columnPath(name).slice(1).join(".") === metric);
    return [
      ...parameters.map((info) => ({ column: info.column, label: info.path.join(".") })),
      ...(outcome ? [{ column: outcome, label: metric }] : []),
    ];
  }

  #axes(rows: readonly number[]): Axis[] {
    const { state } = this.connection;
    const infos = new Map((state.sweep.value?.parameters ?? []).map((info) => [info.column, info]));
    const order = this.order.value;
    const rank = (column: string) => (order.includes(column) ? order.indexOf(column) : order.length);
    return this.columns()
      .filter(({ column }) => !this.hidden.value.includes(column))
      .sort((a, b) => rank(a.column) - rank(b.column))
      .map(({ column, label }) => {
        const cell = state.runs.column(column);
        const values = rows.map(cell);
        const info = infos.get(column);
        return info ? parameterAxis(info, values) : outcomeAxis(column, label, values, this.log.value);
      });
  }

  /** Rows of the runs that have a configuration worth drawing: those that the table shows. */
  #rows(): number[] {
    const { runs, shown } = this.connection.state;
    const ids = shown.peek();
    const rows = ids.length > 0 ? ids.map((run) => runs.row(run)).filter((row) => row >= 0) : [...Array(runs.size).keys()];
    const state = runs.column("state");
    return rows.filter((row) => state(row) !== "pending");
  }
}

/**
 * Which can be drawn, in the order in which they are painted: those within the limits before the others, of too many the best
 * half and the rest evenly, so that the picture stays true.
 */
function thinned(kept: readonly boolean[], shades: readonly number[]): number[] {
  const rank = Float64Array.from(kept, (is, i) => (is ? 1e9 : 0) + ((shades[i] ?? -1) + 1) * 1e6 + i);
  const order = Array.from(kept, (_, i) => i).sort((a, b) => (rank[a] as number) - (rank[b] as number));
  if (order.length <= MOST_STRANDS) return order;
  const half = MOST_STRANDS / 2;
  const rest = order.slice(0, -half);
  return [...Array.from({ length: half }, (_, i) => rest[Math.floor((i * rest.length) / half)] as number), ...order.slice(-half)];
}

const models = new WeakMap<Connection, ParallelModel>();

export function parallelOf(connection: Connection): ParallelModel {
  let model = models.get(connection);
  if (!model) models.set(connection, (model = new ParallelModel(connection)));
  return model;
}
