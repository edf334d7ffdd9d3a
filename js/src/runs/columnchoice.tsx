/** Which columns the table shows, chosen from all there are. */

import { useSignal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import type { Json } from "../protocol";
import { STRINGS } from "../strings";
import { offered, type ColumnSpec } from "./columns";

const WORDS = STRINGS.runs;

interface ChoiceProps {
  connection: Connection;
  columns: ReadonlySignal<readonly string[]>;
  chosen: Signal<Json>;
}

export function ColumnChoice({ connection, columns, chosen }: ChoiceProps): VNode {
  const find = useSignal("");
  const { runs } = connection.state;
  const all = offered(runs.names.value);
  const wanted = find.value.trim().toLowerCase();
  const found = all.filter((spec) => spec.title.toLowerCase().includes(wanted));
  const shown = columns.value;
  const set = (name: string, on: boolean) => {
    chosen.value = on ? all.map((spec) => spec.name).filter((other) => other === name || shown.includes(other)) : shown.filter((other) => other !== name);
  };
  const group = (name: ColumnSpec["group"]) => found.filter((spec) => spec.group === name);
  return (
    <div class="sw-columns">
      <input
        type="text"
        data-autofocus
        aria-label={WORDS.columnsFind}
        placeholder={WORDS.columnsFind}
        value={find.value}
        onInput={(event) => (find.value = event.currentTarget.value)}
      />
      <div class="sw-columns-list">
        {(["summary", "config", "fact"] as const).map(
          (name) =>
            group(name).length > 0 && (
              <fieldset key={name}>
                <legend>{WORDS.groups[name]}</legend>
                {group(name).map((spec) => (
                  <label key={spec.name}>
                    <input type="checkbox" checked={shown.includes(spec.name)} onChange={(event) => set(spec.name, event.currentTarget.checked)} />
                    <span>{spec.title}</span>
                  </label>
                ))}
              </fieldset>
            ),
        )}
        {runs.leftOut > 0 && <p class="sw-hint">{WORDS.leftOut(runs.leftOut)}</p>}
      </div>
      <button type="button" class="sw-button" onClick={() => (chosen.value = null)}>
        {WORDS.columnsReset}
      </button>
    </div>
  );
}
