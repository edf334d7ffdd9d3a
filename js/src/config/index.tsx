/** The configuration of the sweep: as a form, as YAML, as Python; what is edited comes into force with Apply. */

import { useEffect } from "preact/hooks";
import type { Signal } from "@preact/signals";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { Segmented } from "../fields/segmented";
import { PANEL_STRINGS } from "../panelstrings";
import type { Json } from "../protocol";
import { draftOf } from "./draft";
import { Footer } from "./footer";
import { General, More } from "./general";
import { Parameters } from "./parameters";
import { TextView } from "./textview";

const S = PANEL_STRINGS.config;
const VIEWS = ["form", "yaml", "python"] as const;
type View = (typeof VIEWS)[number];

export function Config({ connection }: { connection: Connection }): VNode {
  const draft = draftOf(connection);
  const { state } = connection;
  const view = state.view.remember<Json>("config.view", "form", (value) => VIEWS.includes(value as View)) as Signal<View>;
  useEffect(() => draft.open(), [draft]);
  const forms = state.forms.value;
  return (
    <section class="sw-config" data-testid="sw-config">
      <div class="sw-toolbar">
        <Segmented<View> label={S.views} value={view.value} choices={VIEWS.map((name) => [name, S[name]])} onChoose={(name) => (view.value = name)} />
        {state.sweep.value === null && <span class="sw-hint">{S.empty}</span>}
        <span class="sw-space" />
        <span class="sw-plot-tools">
        <button type="button" class="sw-button sw-quiet" aria-disabled={draft.canUndo.value ? undefined : true} onClick={() => draft.undo()}>
          {S.undoEdit}
        </button>
        <button type="button" class="sw-button sw-quiet" aria-disabled={draft.canRedo.value ? undefined : true} onClick={() => draft.redo()}>
          {S.redoEdit}
        </button>
        </span>
      </div>
      {view.value !== "form" ? (
        <TextView key={view.value} draft={draft} kind={view.value} connection={connection} />
      ) : (
        forms && (
          <>
            <General draft={draft} forms={forms} connection={connection} />
            <Parameters draft={draft} forms={forms} />
            <More draft={draft} forms={forms} />
          </>
        )
      )}
      <Footer draft={draft} connection={connection} />
    </section>
  );
}
