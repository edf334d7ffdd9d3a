/** When a parameter is there at all: `only when optimizer is sgd`. */

import type { VNode } from "preact";
import { Select } from "../fields/select";
import { PANEL_STRINGS } from "../panelstrings";
import { Icon } from "../ui/icons";
import { Dict, equal, isDict, isList, type Entry, type Exact } from "./exact";
import { GROUP, type Row } from "./space";
import { at } from "./edit";
import { ValueList } from "./valuelist";
import { showValue } from "./values";

const S = PANEL_STRINGS.config;

interface Props {
  readonly row: Row;
  readonly all: readonly Row[];
  readonly onChange: (condition: Exact | undefined, live: boolean) => void;
}

/** Parameters that a condition of this row may ask for: not itself, and nothing within it. */
export function parents(row: Row, all: readonly Row[]): Row[] {
  const inside = row.path.join("\n");
  return all.filter((other) => other.kind !== GROUP && !`${other.path.join("\n")}\n`.startsWith(`${inside}\n`));
}

/** The condition to begin with: the first parameter of which a value can be asked for. */
export function firstCondition(row: Row, all: readonly Row[]): Dict | null {
  const candidates = parents(row, all);
  const parent = candidates.find((other) => isList(at(other.spec, ["values"]))) ?? candidates[0];
  if (!parent) return null;
  const values = at(parent.spec, ["values"]);
  return new Dict([[parent.path.join("."), isList(values) && values.length > 0 ? [values[0] as Exact] : []]]);
}

export function Condition({ row, all, onChange }: Props): VNode | null {
  const condition = at(row.spec, ["condition"]);
  if (condition === undefined) return null;
  const entries = isDict(condition) ? condition.entries : [];
  const candidates = parents(row, all);
  const names = candidates.map((other) => other.path.join("."));
  const put = (i: number, entry: Entry, live: boolean) => onChange(new Dict(entries.map((old, j) => (j === i ? entry : old))), live);
  const free = firstCondition(row, candidates.filter((other) => !entries.some(([parent]) => parent === other.path.join("."))));
  return (
    <div class="sw-condition">
      {entries.map(([parent, asked], i) => (
        <span key={i} class="sw-condition-part">
          {i === 0 ? S.onlyWhen : S.addAnother.replace("…", "")}
          <Select
            label={`${S.onlyWhen} (${row.name})`}
            value={parent}
            choices={names.filter((name) => name === parent || !entries.some(([used]) => used === name)).map((name) => [name, name])}
            onChoose={(name) => put(i, [name, []], false)}
          />
          {S.is}
          <Asked
            parent={candidates.find((other) => other.path.join(".") === parent)}
            name={`${parent} (${row.name})`}
            asked={asked}
            onChange={(values, live) => put(i, [parent, values], live)}
          />
          <button
            type="button"
            class="sw-button sw-button-icon sw-quiet"
            aria-label={S.removeCondition}
            title={S.removeCondition}
            onClick={() => onChange(entries.length > 1 ? new Dict(entries.filter((_, j) => j !== i)) : undefined, false)}
          >
            <Icon name="close" />
          </button>
        </span>
      ))}
      {free && (
        <button type="button" class="sw-button sw-quiet" onClick={() => onChange(new Dict([...entries, ...free.entries]), false)}>
          {S.addAnother}
        </button>
      )}
    </div>
  );
}

interface AskedProps {
  readonly parent: Row | undefined;
  readonly name: string;
  readonly asked: Exact;
  readonly onChange: (values: readonly Exact[], live: boolean) => void;
}

/** The values that are asked for: boxes to tick where the parent has a list, otherwise as they are typed. */
function Asked({ parent, name, asked, onChange }: AskedProps): VNode {
  const values = parent && at(parent.spec, ["values"]);
  const wanted = isList(asked) ? asked : [asked];
  if (!isList(values)) return <ValueList name={name} values={wanted} onChange={(next, _, live) => onChange(next, live)} />;
  const others = wanted.filter((value) => !values.some((known) => equal(known, value)));
  return (
    <span class="sw-ticks" role="group" aria-label={name}>
      {[...values, ...others].map((value, i) => {
        const on = wanted.some((item) => equal(item, value));
        return (
          <label key={i} class="sw-check">
            <input type="checkbox" checked={on} onChange={() => onChange(on ? wanted.filter((item) => !equal(item, value)) : [...wanted, value], false)} />
            {showValue(value)}
          </label>
        );
      })}
    </span>
  );
}
