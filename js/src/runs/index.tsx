/** The runs: toolbar, table, and beside it the details of one or several beside each other. */

import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import type { Json } from "../protocol";
import { Lazy } from "../ui/lazy";
import { STRINGS } from "../strings";
import { useWidth } from "../ui/seen";
import { codesDiffer, defaultColumns } from "./columns";
import { RunGrid } from "./grid";
import { newListing } from "./listing";
import { Toolbar } from "./toolbar";

const WORDS = STRINGS.runs;

export function Runs({ connection }: { connection: Connection }): VNode {
  const { state } = connection;
  const root = useRef<HTMLElement>(null);
  const filterInput = useRef<HTMLInputElement>(null);
  const width = useWidth(root);
  const narrow = useComputed(() => width.value > 0 && width.value < 480);
  const listing = useMemo(() => newListing(state), []);
  useEffect(() => () => listing.close(), []);
  const help = useSignal(false);
  const chosen = state.view.remember<Json>("columns", null, (value) => value === null || Array.isArray(value));
  const differ = useComputed(() => width.value >= 720 && codesDiffer(state.runs));
  const columns = useComputed<readonly string[]>(() =>
    Array.isArray(chosen.value) ? chosen.value.map(String) : [...defaultColumns(state.sweep.value, state.runs.names.value, width.value), ...(differ.value ? ["code"] : [])],
  );
  state.runs.version.value;
  const empty = state.runs.size === 0;
  const nothing = listing.ready.value && listing.shown.value.length === 0;
  const opened = state.opened.value;
  const aside = state.comparing.value ? "Compare" : opened ? "Drawer" : null;
  useEffect(() => {
    if (opened) state.comparing.value = false;
  }, [opened]);
  return (
    <section class="sw-runs" data-testid="sw-runs" aria-label={WORDS.title} ref={root}>
      <Toolbar connection={connection} listing={listing} columns={columns} chosen={chosen} filterInput={filterInput} />
      <div class={`sw-runs-body ${aside ? "sw-with-drawer" : ""}`}>
        <RunGrid
          connection={connection}
          listing={listing}
          columns={columns}
          onCompare={() => (state.comparing.value = true)}
          onFilter={() => filterInput.current?.focus()}
          narrow={narrow}
          onHelp={() => (help.value = !help.value)}
        />
        {nothing && <p class="sw-hint sw-nothing">{empty ? WORDS.none : WORDS.noneShown}</p>}
        {aside && <Lazy name={aside} connection={connection} />}
        {help.value && <Lazy name="Keys" quiet onClose={() => (help.value = false)} />}
      </div>
    </section>
  );
}
