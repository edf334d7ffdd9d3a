/**
 * The table itself: only the rows on the screen are drawn, so ten thousand runs are no more work than twenty. Focus stays on
 * the table and `aria-activedescendant` names the row; a row that scrolls away takes no focus with it.
 */

import { useComputed, useSignal, useSignalEffect, type ReadonlySignal, type Signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { JSX, VNode } from "preact";
import type { Connection } from "../connection";
import { runColor } from "../palette";
import type { RunTable } from "../runtable";
import { STRINGS } from "../strings";
import { Icon } from "../ui/icons";
import { Dropdown } from "../ui/dropdown";
import { Lazy } from "../ui/lazy";
import { useSeen } from "../ui/seen";
import { toggle } from "../state";
import { TableCell, titleOf } from "./cells";
import { metricColumn, specOf, type ColumnSpec } from "./columns";
import type { Listing } from "./listing";
import { newSparks, type Sparks } from "./sparks";
import { scrolledTo, windowOf } from "./window";
import { useUniqueId } from "../ui/ids";

export const ROW_HEIGHT = 28;
const WORDS = STRINGS.runs;
const FIXED = { select: 32, color: 24, number: 62, menu: 34 };
/** Where there is little room. */
const NARROW = { number: 54, state: 90 };

interface GridProps {
  connection: Connection;
  listing: Listing;
  columns: ReadonlySignal<readonly string[]>;
  onCompare: () => void;
  onFilter: () => void;
  onHelp: () => void;
  narrow: ReadonlySignal<boolean>;
}

export function RunGrid({ connection, listing, columns, onCompare, onFilter, onHelp, narrow }: GridProps): VNode {
  const { state } = connection;
  const id = useUniqueId();
  const scroller = useRef<HTMLDivElement>(null);
  const table = useRef<HTMLTableElement>(null);
  const box = useSignal({ top: 0, height: 8 * ROW_HEIGHT });
  const active = useSignal<string | null>(null);
  /** The last thing that was used was the keyboard: only then the focus is drawn. */
  const keys = useSignal(false);
  const anchor = useRef<string | null>(null);
  const pressed = useRef(false);
  const sparks = useRef<Sparks | null>(null);
  sparks.current ??= newSparks(connection);
  useEffect(() => () => sparks.current?.close(), []);
  const seen = useSeen(scroller);
  const metric = useComputed(() => {
    const goal = state.sweep.value?.goals[0];
    return goal ? metricColumn(goal.metric, state.runs.names.value) : null;
  });
  const specs = useComputed(() => columns.value.map((name) => (narrow.value && name === "state" ? { ...specOf(name), width: NARROW.state } : specOf(name))));
  const shown = listing.shown;
  const range = useComputed(() => windowOf(shown.value.length, ROW_HEIGHT, box.value.top, box.value.height));

  useLayoutEffect(() => measured(scroller.current, box), []);
  useSignalEffect(() => {
    const goal = state.sweep.value?.goals[0];
    const visible = seen.value && columns.value.includes("curve") && goal && state.known.value;
    const runs = shown.value.slice(range.value.first, range.value.end);
    sparks.current?.want(visible ? runs : [], visible ? goal.metric : null);
  });

  const goTo = (row: number) => {
    const element = scroller.current;
    const run = shown.peek()[Math.max(0, Math.min(row, shown.peek().length - 1))];
    if (!element || run === undefined) return;
    active.value = run;
    element.scrollTop = scrolledTo(shown.peek().indexOf(run), ROW_HEIGHT, element.scrollTop, element.clientHeight - HEAD_HEIGHT);
  };
  const select = (run: string, reach: boolean) => {
    const from = anchor.current ? shown.peek().indexOf(anchor.current) : -1;
    const to = shown.peek().indexOf(run);
    if (reach && from >= 0 && to >= 0) {
      const among = shown.peek().slice(Math.min(from, to), Math.max(from, to) + 1);
      state.selected.value = [...new Set([...state.selected.peek(), ...among])];
    } else {
      toggle(state.selected, run);
      anchor.current = run;
    }
  };
  const onKeyDown: JSX.KeyboardEventHandler<HTMLTableElement> = (event) => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    keys.value = true;
    const at = active.value === null ? -1 : shown.peek().indexOf(active.value);
    const page = Math.max(1, Math.floor(box.peek().height / ROW_HEIGHT) - 1);
    const moves: { [key: string]: number } = {
      ArrowDown: at + 1, ArrowUp: Math.max(0, at - 1), Home: 0, End: shown.peek().length - 1, PageDown: at + page, PageUp: at - page,
    };
    const run = active.value;
    const does: { [key: string]: () => void } = {
      " ": () => run && select(run, event.shiftKey),
      Enter: () => run && (state.opened.value = run),
      x: () => {
        if (run && !state.selected.peek().includes(run)) select(run, false);
        onCompare();
      },
      p: () => run && (state.pinned.value = state.pinned.peek() === run ? null : run),
      m: () => run && scroller.current?.querySelector<HTMLElement>(`[data-run-id="${CSS.escape(run)}"] [aria-haspopup=menu]`)?.click(),
      "/": onFilter,
      "?": onHelp,
    };
    const move = moves[event.key];
    const act = does[event.key];
    if (move !== undefined) goTo(move);
    else if (act) act();
    else return;
    event.preventDefault();
  };

  const { first, end } = range.value;
  const rows = shown.value.slice(first, end);
  const selected = new Set(state.selected.value);
  const numberWidth = narrow.value ? NARROW.number : FIXED.number;
  const width = FIXED.select + FIXED.color + numberWidth + FIXED.menu + specs.value.reduce((sum, spec) => sum + spec.width, 0);
  const activeRow = active.value !== null && rows.includes(active.value) ? `${id}-${active.value}` : undefined;
  return (
    <div
      class="sw-grid"
      data-keys={keys.value}
      ref={scroller}
      onPointerDown={() => (keys.value = false)}
      onScroll={(event) => (box.value = { ...box.peek(), top: event.currentTarget.scrollTop })}
      onPointerEnter={() => (listing.held.value = true)}
      onPointerLeave={() => {
        state.hovered.value = null;
        listing.held.value = document.activeElement === table.current;
      }}
    >
      <table
        ref={table}
        role="grid"
        class="sw-table"
        style={{ width: `max(100%, ${width}px)` }}
        tabIndex={0}
        aria-label={WORDS.table}
        aria-rowcount={shown.value.length + 1}
        aria-multiselectable="true"
        aria-activedescendant={activeRow}
        onKeyDown={onKeyDown}
        onFocus={(event) => {
          if (event.target !== event.currentTarget) return;
          keys.value = event.currentTarget.matches(":focus-visible") && !pressed.current;
          listing.held.value = true;
          if (active.peek() === null) active.value = shown.peek()[0] ?? null;
        }}
        onBlur={() => (listing.held.value = scroller.current?.matches(":hover") ?? false)}
      >
        <colgroup>
          <col style={{ width: `${FIXED.select}px` }} />
          <col style={{ width: `${FIXED.color}px` }} />
          <col style={{ width: `${numberWidth}px` }} />
          {specs.value.map((spec) => (
            <col key={spec.name} style={{ width: `${spec.width}px` }} />
          ))}
          <col />
        </colgroup>
        <Head connection={connection} listing={listing} specs={specs.value} />
        <tbody>
          {first > 0 && <Spacer height={first * ROW_HEIGHT} />}
          {rows.map((run, i) => (
            <Row
              key={run}
              id={`${id}-${run}`}
              connection={connection}
              run={run}
              index={first + i}
              specs={specs.value}
              sparks={sparks.current as Sparks}
              metric={metric.value}
              selected={selected.has(run)}
              active={active.value === run}
              onActive={() => {
                active.value = run;
                pressed.current = true;
                table.current?.focus({ preventScroll: true });
                pressed.current = false;
              }}
              onSelect={(reach) => select(run, reach)}
            />
          ))}
          {end < shown.value.length && <Spacer height={(shown.value.length - end) * ROW_HEIGHT} />}
        </tbody>
      </table>
    </div>
  );
}

const HEAD_HEIGHT = 30;

function measured(element: HTMLElement | null, box: Signal<{ top: number; height: number }>): () => void {
  if (!element || typeof ResizeObserver === "undefined") return () => {};
  const observer = new ResizeObserver(() => {
    if (element.clientHeight > 0) box.value = { top: element.scrollTop, height: element.clientHeight };
  });
  observer.observe(element);
  return () => observer.disconnect();
}

function Spacer({ height }: { height: number }): VNode {
  return (
    <tr aria-hidden="true" style={{ height: `${height}px` }}>
      <td />
    </tr>
  );
}

function Head({ connection, listing, specs }: { connection: Connection; listing: Listing; specs: readonly ColumnSpec[] }): VNode {
  const { state } = connection;
  const shown = listing.shown.value;
  const selected = new Set(state.selected.value);
  const all = shown.length > 0 && shown.every((run) => selected.has(run));
  const selectAll = () => {
    state.selected.value = all ? state.selected.peek().filter((run) => !shown.includes(run)) : [...new Set([...state.selected.peek(), ...shown])];
  };
  return (
    <thead>
      <tr aria-rowindex={1}>
        <th scope="col" class="sw-cell-select">
          <input type="checkbox" aria-label={WORDS.selectAll} checked={all} onChange={selectAll} />
        </th>
        <th scope="col" class="sw-cell-color">
          <span class="sw-sr">{WORDS.color}</span>
        </th>
        <SortHead listing={listing} column="number" title={WORDS.column["number"] ?? ""} numeric />
        {specs.map((spec) =>
          spec.name === "curve" ? (
            <th key={spec.name} scope="col">
              <span class="sw-head-text">{spec.title}</span>
            </th>
          ) : (
            <SortHead key={spec.name} listing={listing} column={spec.name} title={spec.title} numeric={spec.numeric && !saysWords(connection.state.runs, spec.name)} />
          ),
        )}
        <th scope="col" class="sw-cell-menu">
          <span class="sw-sr">{STRINGS.more}</span>
        </th>
      </tr>
    </thead>
  );
}

/** Whether a column's first value is a text: then its title stands where its values do. */
function saysWords(runs: RunTable, name: string): boolean {
  const cell = runs.column(name);
  for (let row = 0; row < runs.size; row += 1) {
    const value = cell(row);
    if (value !== undefined && value !== null) return typeof value === "string";
  }
  return false;
}

interface SortHeadProps {
  listing: Listing;
  column: string;
  title: string;
  numeric: boolean;
}

function SortHead({ listing, column, title, numeric }: SortHeadProps): VNode {
  const key = listing.sort.value.find((candidate) => candidate.column === column);
  return (
    <th scope="col" aria-sort={key ? (key.descending ? "descending" : "ascending") : "none"} class={numeric ? "sw-numeric" : ""}>
      <button type="button" class="sw-sort" title={`${WORDS.sort(title)}`} onClick={(event) => listing.sortBy(column, event.shiftKey)}>
        <span class="sw-head-text">{title}</span>
        {key && <Icon name={key.descending ? "down" : "up"} />}
      </button>
    </th>
  );
}

interface RowProps {
  id: string;
  connection: Connection;
  run: string;
  index: number;
  specs: readonly ColumnSpec[];
  sparks: Sparks;
  metric: string | null;
  selected: boolean;
  active: boolean;
  onActive: () => void;
  onSelect: (reach: boolean) => void;
}

function Row(props: RowProps): VNode {
  const { id, connection, run, index, specs, sparks, metric, selected, active, onActive, onSelect } = props;
  const { state } = connection;
  state.runs.version.value;
  const n = state.runs.number(run, "number");
  const number = n ?? run;
  const runState = state.runs.text(run, "state");
  const isBest = state.best.value?.run === run;
  const isPinned = state.pinned.value === run;
  const hidden = state.hidden.value.includes(run);
  const classes = [
    "sw-row",
    index % 2 ? "sw-odd-row" : "",
    selected ? "sw-selected" : "",
    active ? "sw-active" : "",
    state.hovered.value === run ? "sw-hovered" : "",
    state.opened.value === run ? "sw-opened" : "",
  ];
  // A press does not move the focus away from the table: the row may be gone before the focus is.
  const onMouseDown: JSX.MouseEventHandler<HTMLTableRowElement> = (event) => {
    if (event.button !== 0 || (event.target as HTMLElement).closest("[aria-haspopup], .sw-popover")) return;
    event.preventDefault();
    onActive();
  };
  const onClick: JSX.MouseEventHandler<HTMLTableRowElement> = (event) => {
    const target = event.target as HTMLElement;
    if (target.closest(".sw-cell-select")) onSelect(event.shiftKey);
    else if (target.closest(".sw-cell-color")) toggle(state.hidden, run);
    else if (target.closest(".sw-cell-menu")) return;
    else if (event.ctrlKey || event.metaKey || event.shiftKey) onSelect(event.shiftKey);
    else state.opened.value = run;
  };
  return (
    <tr
      id={id}
      class={classes.join(" ")}
      data-testid="sw-run-row"
      data-run-id={run}
      data-state={runState}
      aria-rowindex={index + 2}
      aria-selected={selected}
      onMouseDown={onMouseDown}
      onClick={onClick}
      onPointerEnter={() => (state.hovered.value = run)}
    >
      <td class="sw-cell-select">
        <input type="checkbox" tabIndex={-1} checked={selected} aria-label={WORDS.select(number)} />
      </td>
      <td class="sw-cell-color">
        <button
          type="button"
          tabIndex={-1}
          class={`sw-swatch ${hidden ? "sw-off" : ""}`}
          style={{ "--sw-run": runColor(n, state.look.value.dark) }}
          title={hidden ? WORDS.colorHidden : WORDS.color}
          aria-label={hidden ? WORDS.unhide : WORDS.hide}
        />
      </td>
      <th scope="row" class="sw-numeric" title={state.runs.text(run, "name")}>
        {isPinned && (
          <span class="sw-mark" title={WORDS.pinned}>
            <Icon name="pin" />
          </span>
        )}
        {isBest && (
          <span class="sw-mark sw-star" title={WORDS.best}>
            <Icon name="star" />
          </span>
        )}
        {number}
      </th>
      {specs.map((spec) => (
        <td
          key={spec.name}
          class={spec.numeric && typeof state.runs.cell(run, spec.name) !== "string" ? "sw-numeric" : ""}
          title={spec.group === "fact" ? undefined : titleOf(state.runs.cell(run, spec.name))}
        >
          <TableCell state={state} run={run} column={spec.name} sparks={sparks} metric={metric} />
        </td>
      ))}
      <td class="sw-cell-menu">
        <Dropdown label={WORDS.menu(number)} icon="more" arrow={false} role="menu" align="end" className="sw-quiet" tabIndex={-1}>
          {(close) => <Lazy name="RunMenu" quiet connection={connection} run={run} close={close} />}
        </Dropdown>
      </td>
    </tr>
  );
}
