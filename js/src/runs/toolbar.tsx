/** Above the table: how many, the filter, the columns, what can be done with several. */

import { useComputed, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Ref, VNode } from "preact";
import type { Connection } from "../connection";
import type { Json } from "../protocol";
import { STRINGS } from "../strings";
import { reasonAgainst } from "../ui/order";
import { Icon } from "../ui/icons";
import { Dropdown } from "../ui/dropdown";
import { Lazy } from "../ui/lazy";
import { failures } from "./columns";
import type { Listing } from "./listing";
import { useUniqueId } from "../ui/ids";

const WORDS = STRINGS.runs;

interface ToolbarProps {
  connection: Connection;
  listing: Listing;
  columns: ReadonlySignal<readonly string[]>;
  chosen: Signal<Json>;
  filterInput: Ref<HTMLInputElement>;
}

export function Toolbar({ connection, listing, columns, chosen, filterInput }: ToolbarProps): VNode {
  const { state } = connection;
  state.runs.version.value;
  const id = useUniqueId();
  const selected = state.selected.value.filter((run) => state.runs.has(run)).length;
  const failed = useComputed(() => {
    state.runs.version.value;
    return failures(state.runs);
  });
  const wrong = listing.filterError.value;
  const reason = reasonAgainst(state, "retry_run");
  return (
    <div class="sw-toolbar">
      <h3>
        {WORDS.title} <span class="sw-muted">{WORDS.count(listing.shown.value.length, state.runs.size)}</span>
      </h3>
      <div class={`sw-filter ${wrong ? "sw-wrong" : ""}`}>
        <Icon name="search" />
        <input
          ref={filterInput}
          type="text"
          spellcheck={false}
          autocomplete="off"
          aria-label={WORDS.filter}
          aria-invalid={wrong ? true : undefined}
          aria-describedby={`${id}-help`}
          title={WORDS.filterHelp}
          placeholder={WORDS.filterPlaceholder}
          value={listing.filter.value}
          onInput={(event) => (listing.filter.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Escape" || listing.filter.value === "") return;
            listing.filter.value = "";
            event.stopPropagation();
          }}
        />
        {listing.filter.value !== "" && (
          <button type="button" class="sw-button sw-button-icon sw-quiet" aria-label={WORDS.filterClear} title={WORDS.filterClear} onClick={() => (listing.filter.value = "")}>
            <Icon name="close" />
          </button>
        )}
        <span id={`${id}-help`} class={wrong ? "sw-filter-error" : "sw-sr"}>
          {wrong ? wrong.message : WORDS.filterHelp}
        </span>
      </div>
      <Waiting listing={listing} />
      <span class="sw-space" />
      {failed.value.length > 0 && (
        <button
          type="button"
          class="sw-button sw-quiet sw-roomy"
          aria-disabled={reason ? true : undefined}
          title={reason || undefined}
          onClick={() => {
            if (!reason) for (const run of failed.value) connection.command("retry_run", { run });
          }}
        >
          <Icon name="again" />
          {WORDS.retryFailed(failed.value.length)}
        </button>
      )}
      <button
        type="button"
        class="sw-button"
        aria-pressed={state.comparing.value}
        aria-disabled={selected < 2 ? true : undefined}
        title={selected < 2 ? WORDS.compareNone : WORDS.compareTitle}
        onClick={() => {
          if (selected >= 2) state.comparing.value = !state.comparing.value;
        }}
      >
        {WORDS.compare(selected)}
      </button>
      <Dropdown label={WORDS.columns} text={<span class="sw-wide">{WORDS.columns}</span>} icon="columns" align="end">
        {() => <Lazy name="ColumnChoice" quiet connection={connection} columns={columns} chosen={chosen} />}
      </Dropdown>
    </div>
  );
}

/** New runs wait while somebody's hand is in the table. */
function Waiting({ listing }: { listing: Listing }): VNode {
  const { n, moved } = listing.waiting.value;
  const something = n > 0 || moved;
  return (
    <button type="button" class={`sw-link sw-waiting ${something ? "" : "sw-unseen"}`} tabIndex={something ? 0 : -1} onClick={() => listing.refresh()}>
      {WORDS.waiting(n)}
    </button>
  );
}
