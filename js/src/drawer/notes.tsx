/** A run's name, notes and tags. What was typed stays, whatever comes from elsewhere. */

import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import type { RunDetail } from "../protocol";
import { ASIDE_STRINGS } from "../asidestrings";
import { Labels, reasonAgainst, useOrder } from "../ui/order";
import { useUniqueId } from "../ui/ids";

const WORDS = ASIDE_STRINGS.drawer;

interface Draft {
  name: string;
  notes: string;
  tags: string;
}

export function Notes({ connection, detail }: { connection: Connection; detail: RunDetail }): VNode {
  const id = useUniqueId();
  const draft = useSignal<Draft | null>(null);
  const base = useSignal<Draft>(draftOf(detail));
  const order = useOrder(connection, "update_run");
  const now = draftOf(detail);
  const shown = draft.value ?? now;
  const elsewhere = draft.value !== null && JSON.stringify(base.value) !== JSON.stringify(now);
  const reason = reasonAgainst(connection.state, "update_run");
  const refused = order.last.value?.refused.value?.message ?? "";
  const change = (part: Partial<Draft>) => {
    if (draft.peek() === null) base.value = now;
    draft.value = { ...shown, ...part };
  };
  const save = () => {
    if (reason || draft.value === null) return;
    const { name, notes, tags } = draft.value;
    order.give({ run: detail.id, name, notes, tags: tagsOf(tags) });
    void order.last.peek()?.result.then(
      () => (draft.value = null),
      () => {},
    );
  };
  return (
    <form
      class="sw-notes"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <label for={`${id}-name`}>{WORDS.name}</label>
      <input id={`${id}-name`} type="text" value={shown.name} onInput={(event) => change({ name: event.currentTarget.value })} />
      <label for={`${id}-tags`}>{WORDS.tags}</label>
      <input id={`${id}-tags`} type="text" value={shown.tags} onInput={(event) => change({ tags: event.currentTarget.value })} />
      <label for={`${id}-notes`}>{WORDS.notes}</label>
      <textarea id={`${id}-notes`} rows={5} value={shown.notes} onInput={(event) => change({ notes: event.currentTarget.value })} />
      {elsewhere && <p class="sw-hint">{WORDS.elsewhere}</p>}
      {refused && <p class="sw-field-error">{refused}</p>}
      <p class="sw-row-buttons">
        <button type="submit" class="sw-button sw-primary" aria-disabled={reason || draft.value === null || order.status ? true : undefined} title={reason || undefined}>
          <Labels now={order.status ? 1 : 0} labels={[WORDS.save, WORDS.saving]} />
        </button>
      </p>
    </form>
  );
}

function draftOf({ name, notes, tags }: RunDetail): Draft {
  return { name, notes, tags: tags.join(", ") };
}

export function tagsOf(text: string): string[] {
  return [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))];
}
