/** The parameters: one row for each, nested ones set in below their group. */

import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { Select } from "../fields/select";
import { TextField } from "../fields/textfield";
import { PANEL_STRINGS } from "../panelstrings";
import type { Forms, Problem } from "../protocol";
import { Icon } from "../ui/icons";
import { Dropdown } from "../ui/dropdown";
import { Menu } from "../ui/popover";
import { problemsAt } from "./check";
import { Condition, firstCondition } from "./condition";
import type { Draft } from "./draft";
import { at, freeName, moved, put, without, type Keys } from "./edit";
import { Dict, equal, isDict, Numeral, type Exact } from "./exact";
import { FieldInput } from "./fieldinput";
import { PreviewPlot } from "./previewplot";
import { become, GROUP, hasEnds, rows, withEnd, withField, withName, type End, type Row } from "./space";
import { ValueList } from "./valuelist";

const S = PANEL_STRINGS.config;

/** What a new parameter is before anybody says otherwise. */
const FRESH = new Dict([["min", new Numeral("0.0")], ["max", new Numeral("1.0")]]);

export function Parameters({ draft, forms }: { draft: Draft; forms: Forms }): VNode {
  const all = rows(draft.doc.value);
  const places = all.map((row) => row.keys.join("."));
  // The row that was added last, so that its name can be typed at once.
  const fresh = useSignal("");
  const add = (keys: Keys) => {
    const doc = draft.doc.peek();
    const name = freeName(at(doc, keys), S.newName);
    fresh.value = [...keys, name].join(".");
    draft.edit(put(doc, [...keys, name], FRESH));
  };
  return (
    <div class="sw-params" role="group" aria-label={S.parameter}>
      <div class="sw-params-head" aria-hidden="true">
        <span>{S.parameter}</span>
        <span>{S.distribution}</span>
        <span>{S.values}</span>
        <span>{S.preview}</span>
      </div>
      {all.map((row) => (
        <ParameterRow
          key={row.keys.join("\n")}
          row={row}
          all={all}
          draft={draft}
          forms={forms}
          problems={problemsAt(draft.problems.value, row.keys.join("."), places)}
          remarks={problemsAt(draft.remarks.value, row.keys.join("."), places)}
          fresh={fresh.value === row.keys.join(".")}
          onAdd={() => add([...row.keys, "parameters"])}
        />
      ))}
      <button type="button" class="sw-button sw-quiet sw-param-add" data-testid="sw-param-add" onClick={() => add(["parameters"])}>
        {S.addParameter}
      </button>
    </div>
  );
}

interface RowProps {
  readonly row: Row;
  readonly all: readonly Row[];
  readonly draft: Draft;
  readonly forms: Forms;
  readonly problems: readonly Problem[];
  readonly remarks: readonly Problem[];
  readonly fresh: boolean;
  readonly onAdd: () => void;
}

function ParameterRow({ row, all, draft, forms, problems, remarks, fresh, onAdd }: RowProps): VNode {
  const place = row.keys.join(".");
  const errorId = `sw-${place.replaceAll(/[^\w-]/g, "-")}-problem`;
  const change = (spec: Exact, live = false, field = "") => {
    draft.edit(put(draft.doc.peek(), row.keys, spec), live ? `${place} ${field}` : "");
    if (!live) draft.settle();
  };
  const setCondition = (condition: Exact | undefined, live: boolean) =>
    change(condition === undefined ? without(row.spec, ["condition"]) : put(row.spec, ["condition"], condition), live, "condition");
  const first = firstCondition(row, all);
  return (
    <div class="sw-param" data-testid="sw-param-row" data-name={row.path.join(".")} data-kind={row.kind} style={{ "--sw-depth": row.depth }}>
      <Name row={row} draft={draft} fresh={fresh} />
      <span class="sw-param-kind">
        <Select
          label={S.distributionOf(row.name)}
          value={row.kind}
          choices={kinds(row.kind, forms)}
          title={forms.distributions[row.kind]?.doc}
          onChoose={(kind) => change(become(row.spec, kind, forms))}
        />
      </span>
      <span class="sw-param-values">
        {row.kind === GROUP ? (
          <button type="button" class="sw-button sw-quiet" onClick={onAdd}>
            {S.addInGroup(row.name)}
          </button>
        ) : (
          <Fields row={row} forms={forms} problems={problems} errorId={errorId} onChange={change} />
        )}
      </span>
      <span class="sw-param-preview">
        <Preview row={row} draft={draft} onChange={change} />
      </span>
      <span class="sw-param-actions">
        <Dropdown label={S.actions(row.name)} icon="more" arrow={false} role="menu" align="end" className="sw-quiet">
          {(close) => (
            <Menu
              close={close}
              items={[
                { label: S.up(row.name), icon: "up", run: () => draft.edit(moved(draft.doc.peek(), row.keys, -1)) },
                { label: S.down(row.name), icon: "down", run: () => draft.edit(moved(draft.doc.peek(), row.keys, 1)) },
                first && at(row.spec, ["condition"]) === undefined ? { label: S.addCondition, run: () => setCondition(first, false) } : null,
                { label: S.remove(row.name), icon: "close", danger: true, run: () => draft.edit(without(draft.doc.peek(), row.keys)) },
              ]}
            />
          )}
        </Dropdown>
      </span>
      <Condition row={row} all={all} onChange={setCondition} />
      <Problems id={errorId} problems={problems} remarks={remarks} />
    </div>
  );
}

function kinds(kind: string, forms: Forms): (readonly [string, string])[] {
  const known: (readonly [string, string])[] = Object.keys(forms.distributions).map((name) => [name, name]);
  return [...(kind === "" ? [["", S.unknown] as const] : []), ...known, [GROUP, S.group]];
}

function Name({ row, draft, fresh }: { row: Row; draft: Draft; fresh: boolean }): VNode {
  // Only a name that cannot be taken waits here.
  const wrong = useSignal<string | null>(null);
  const commit = (text: string) => {
    const name = text.trim();
    if (name === row.name) {
      wrong.value = null;
      return;
    }
    const changed = name === "" ? draft.doc.peek() : withName(draft.doc.peek(), row, name);
    wrong.value = changed === draft.doc.peek() ? name : null;
    if (wrong.value === null) draft.edit(changed);
  };
  const problem = wrong.value === null ? "" : wrong.value === "" ? S.nameEmpty : S.nameTaken(wrong.value);
  return (
    <span class="sw-param-name">
      <TextField label={S.nameOf(row.name)} value={wrong.value ?? row.name} onCommit={commit} invalid={problem !== ""} focus={fresh} width={12} />
      {problem && (
        <span class="sw-problem" role="alert">
          {problem}
        </span>
      )}
    </span>
  );
}

interface FieldsProps {
  readonly row: Row;
  readonly forms: Forms;
  readonly problems: readonly Problem[];
  readonly errorId: string;
  readonly onChange: (spec: Exact, live?: boolean, field?: string) => void;
}

function Fields({ row, forms, problems, errorId, onChange }: FieldsProps): VNode {
  const { spec } = row;
  const fields = Object.entries(forms.distributions[row.kind]?.fields ?? {});
  const wrong = (key: string) =>
    problems.some(({ path, message }) => path === `${row.keys.join(".")}.${key}` || (path === row.keys.join(".") && message.startsWith(`'${key}'`)));
  return (
    <>
      {fields.map(([key, field]) => {
        if (key === "probabilities") return null;
        const described = wrong(key) ? errorId : undefined;
        if (key === "values") {
          const chances = fields.some(([name]) => name === "probabilities") ? (at(spec, ["probabilities"]) ?? []) : undefined;
          return (
            <ValueList
              key={key}
              name={row.name}
              values={at(spec, [key])}
              chances={chances}
              invalid={wrong(key) || wrong("probabilities")}
              describedBy={described}
              onChange={(values, shares, live) => {
                const withValues = withField(spec, key, values);
                onChange(shares ? withField(withValues, "probabilities", shares) : withValues, live, key);
              }}
            />
          );
        }
        return (
          <label key={key} class="sw-labelled" title={String(field["description"] ?? "")}>
            {key}
            <FieldInput
              field={field}
              name={key}
              label={S.fieldOf(key, row.name)}
              value={at(spec, [key])}
              invalid={wrong(key)}
              describedBy={described}
              onChange={(value, live) => onChange(withField(isDict(spec) ? spec : new Dict(), key, value), live, key)}
            />
          </label>
        );
      })}
    </>
  );
}

function Preview({ row, draft, onChange }: { row: Row; draft: Draft; onChange: (spec: Exact, live: boolean, field: string) => void }): VNode | null {
  const drawn = draft.drawn.value;
  const path = JSON.stringify(row.path);
  const previewed = drawn?.preview.parameters.find(({ info }) => JSON.stringify(info.path) === path);
  if (!drawn || !previewed || previewed.info.constant) return null;
  const move = (end: End, value: number, done: boolean) => {
    onChange(withEnd(at(draft.doc.peek(), row.keys) ?? row.spec, end, value), true, end);
    if (done) draft.settle();
  };
  const old = !equal(at(drawn.doc, row.keys), row.spec);
  return <PreviewPlot previewed={previewed} buffer={drawn.buffer} old={old} onEnd={hasEnds(row.spec) ? move : undefined} />;
}

/** Everything that is wrong or odd at one place, in the words of Python. */
export function Problems({ id, problems, remarks = [] }: { id?: string; problems: readonly Problem[]; remarks?: readonly Problem[] }): VNode | null {
  if (problems.length + remarks.length === 0) return null;
  return (
    <ul class="sw-problems" {...(id ? { id } : {})}>
      {problems.map(({ message }, i) => (
        <li key={i} class="sw-problem" data-testid="sw-error">
          <Icon name="alert" /> {message}
        </li>
      ))}
      {remarks.map(({ message }, i) => (
        <li key={`remark${i}`} class="sw-remark">
          <Icon name="info" /> {message}
        </li>
      ))}
    </ul>
  );
}
