/** The values of a categorical parameter: a chip for each, its probability beside it where there are any, and room for another. */

import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { TextField } from "../fields/textfield";
import { PANEL_STRINGS } from "../panelstrings";
import { Icon } from "../ui/icons";
import { isList, Numeral, type Exact } from "./exact";
import { readValue, showValue } from "./values";

const S = PANEL_STRINGS.config;

interface Props {
  readonly name: string;
  readonly values: Exact | undefined;
  /** undefined: all are equally likely. */
  readonly chances?: Exact | undefined;
  readonly onChange: (values: readonly Exact[], chances: readonly Exact[] | undefined, live: boolean) => void;
  readonly invalid?: boolean;
  readonly describedBy?: string | undefined;
}

export function ValueList({ name, values, chances, onChange, invalid = false, describedBy }: Props): VNode {
  // The key of the last field: another one after every value that was added.
  const added = useSignal(0);
  const list = isList(values) ? values : values === undefined ? [] : [values];
  const shares = isList(chances) ? chances : undefined;
  const set = (i: number, value: Exact, live: boolean) => onChange(list.map((item, j) => (j === i ? value : item)), shares, live);
  const setChance = (i: number, text: string, live: boolean) =>
    onChange(list, (shares ?? []).map((item, j) => (j === i ? new Numeral(text.trim()) : item)), live);
  const remove = (i: number) => onChange(list.filter((_, j) => j !== i), shares?.filter((_, j) => j !== i), false);
  const add = (texts: readonly string[]) => {
    const fresh = texts.map((text) => text.trim()).filter((text) => text !== "");
    if (fresh.length === 0) return;
    const more = fresh.map(readValue);
    onChange([...list, ...more], shares && [...shares, ...more.map(() => new Numeral("0.0"))], false);
    added.value += 1;
  };
  return (
    <span class="sw-chips" role="group" aria-label={S.fieldOf(S.values, name)}>
      {list.map((value, i) => (
        <span key={i} class="sw-chip">
          <TextField
            label={S.valueOf(name, i + 1)}
            value={showValue(value)}
            width={Math.max(showValue(value).length, 1)}
            invalid={invalid}
            describedBy={describedBy}
            onLive={(text) => text.trim() !== "" && set(i, readValue(text), true)}
            onCommit={(text) => (text.trim() === "" ? remove(i) : set(i, readValue(text), false))}
          />
          {shares && (
            <TextField
              label={`${S.newChance} ${showValue(value)}`}
              numeric
              class="sw-chance"
              value={showValue(shares[i] ?? "")}
              width={Math.max(showValue(shares[i] ?? "").length, 3)}
              onLive={(text) => setChance(i, text, true)}
              onCommit={(text) => setChance(i, text, false)}
            />
          )}
          <button type="button" class="sw-chip-close" aria-label={S.removeValue(showValue(value))} title={S.removeValue(showValue(value))} onClick={() => remove(i)}>
            <Icon name="close" />
          </button>
        </span>
      ))}
      <TextField
        key={`add${added.value}`}
        label={`${S.newValue}: ${name}`}
        placeholder={S.newValue}
        class="sw-chip-add"
        width={7}
        value=""
        focus={added.value > 0}
        onCommit={(text) => add([text])}
        onKey={(event, text) => {
          // A comma ends a value, unless it stands within brackets or quotes.
          if (event.key !== "," || text.trim() === "" || /[[({"']/.test(text)) return false;
          event.preventDefault();
          add([text]);
          return true;
        }}
        onPaste={(text) => {
          const parts = text.trim().replace(/^\[(.*)\]$/s, "$1").split(/[,\n]/);
          if (parts.length < 2 || /[[({]/.test(parts.join(""))) return false;
          add(parts);
          return true;
        }}
      />
    </span>
  );
}
