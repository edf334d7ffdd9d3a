/** The table's choices and what follows from them: the filter, the sort, the order that is shown while nobody's hand is in it. */

import { computed, effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Json } from "../protocol";
import type { State } from "../state";
import { descendingFirst, metricColumn } from "./columns";
import { loadPanels, panels } from "../ui/lazy";
import type { Predicate } from "./filter";
import { FilterError } from "./filtererror";
import { heldOrder, passing, sorted, toggledSort, type SortKey } from "./order";

export interface Listing {
  readonly filter: Signal<string>;
  /** What is wrong with the filter's text; the last one that could be read is in force. */
  readonly filterError: ReadonlySignal<FilterError | null>;
  readonly sort: ReadonlySignal<readonly SortKey[]>;
  sortBy(column: string, add: boolean): void;
  /** The filter is at hand; until then the table stands as it is. */
  readonly ready: ReadonlySignal<boolean>;
  /** Ids, as the table shows them. */
  readonly shown: ReadonlySignal<readonly string[]>;
  /** Somebody's hand is in the table: nothing moves. */
  readonly held: Signal<boolean>;
  /** While it is held: how many runs wait to be shown, and whether the order would be another. */
  readonly waiting: ReadonlySignal<{ n: number; moved: boolean }>;
  /** Show what waits. */
  refresh(): void;
  close(): void;
}

interface Parsed {
  predicate: Predicate;
  error: FilterError | null;
}

const ALL: Parsed = { predicate: () => true, error: null };
const NOTHING_WAITS = { n: 0, moved: false };

export function newListing(state: State): Listing {
  const { runs, view } = state;
  const filter = view.remember("filter", "");
  const chosenSort = view.remember<Json[]>("sort", [], isSort);
  const held = signal(false);
  const shown = signal<readonly string[]>([]);
  const waiting = signal(NOTHING_WAITS);

  const sort = computed<readonly SortKey[]>(() => {
    const chosen = chosenSort.value as unknown as SortKey[];
    return chosen.length ? chosen : defaultSort(state);
  });
  const columns = computed(() => {
    runs.version.value; // accessors hold until the next change
    return panels.value?.filterColumns(runs.names.value, (name) => runs.column(name));
  });
  let lastGood = "";
  const parsed = computed<Parsed | null>(() => {
    const text = filter.value;
    if (text.trim() === "") {
      lastGood = "";
      return ALL;
    }
    const parse = panels.value?.parseFilter;
    if (!parse || !columns.value) return null;
    try {
      const predicate = parse(text, columns.value);
      lastGood = text;
      return { predicate, error: null };
    } catch (error) {
      if (!(error instanceof FilterError)) throw error;
      return { predicate: parse(lastGood, columns.value), error };
    }
  });
  const rows = computed(() => {
    runs.version.value;
    return sorted(runs, sort.value);
  });
  const fresh = computed(() => parsed.value && passing(runs, rows.value, parsed.value.predicate));

  let asked = "";
  const end = effect(() => {
    const order = fresh.value;
    if (!order) return loadPanels();
    const asks = JSON.stringify([filter.value, sort.value]);
    if (!held.value || asks !== asked || shown.peek().length === 0) {
      asked = asks;
      shown.value = order;
      waiting.value = NOTHING_WAITS;
    } else {
      const kept = heldOrder(shown.peek(), order);
      shown.value = kept.shown;
      waiting.value = { n: kept.waiting, moved: kept.moved };
    }
    state.shown.value = shown.peek();
  });

  return {
    filter,
    filterError: computed(() => parsed.value?.error ?? null),
    ready: computed(() => parsed.value !== null),
    sort,
    sortBy(column, add) {
      chosenSort.value = toggledSort(sort.peek(), column, descendingFirst(column, state.sweep.peek(), runs.names.peek()), add) as unknown as Json[];
    },
    shown,
    held,
    waiting,
    refresh() {
      shown.value = fresh.peek() ?? shown.peek();
      state.shown.value = shown.peek();
      waiting.value = NOTHING_WAITS;
    },
    close: end,
  };
}

function defaultSort(state: State): SortKey[] {
  const goal = state.sweep.value?.goal;
  if (!goal) return [{ column: "number", descending: true }];
  return [{ column: metricColumn(goal.metric, state.runs.names.value), descending: goal.maximize }];
}

function isSort(value: Json): boolean {
  return (
    Array.isArray(value) &&
    value.every((key) => typeof key === "object" && key !== null && !Array.isArray(key) && typeof key["column"] === "string" && typeof key["descending"] === "boolean")
  );
}
