/** What a configuration says beside its parameters: how it searches, what for, how long, and what ends a run early. */

import type { VNode } from "preact";
import type { Connection } from "../connection";
import { Segmented } from "../fields/segmented";
import { Select } from "../fields/select";
import { TextField } from "../fields/textfield";
import { curvesOf } from "../curves/model";
import { PANEL_STRINGS } from "../panelstrings";
import type { FieldInfo, Forms } from "../protocol";
import { problemsAt } from "./check";
import type { Draft } from "./draft";
import { at, put, without, type Keys } from "./edit";
import { dict, isDict, Numeral, type Exact } from "./exact";
import { FieldInput } from "./fieldinput";
import { Problems } from "./parameters";
import { useUniqueId } from "../ui/ids";

const S = PANEL_STRINGS.config;

/** Keys of a sweep that have a place of their own in the form. */
const PLACED = ["method", "parameters", "metric", "metrics", "early_terminate", "run_cap"];
const METRIC_MORE = ["target", "impute", "impute_while_running"];
/** What most people want of each way to stop early; the kernel says when something is missing. */
const STOPPING_FIRST: { readonly [type: string]: Exact } = {
  hyperband: dict({ type: "hyperband", min_iter: new Numeral("3") }),
  asha: dict({ type: "asha", min_iter: new Numeral("1") }),
};

interface Props {
  readonly draft: Draft;
  readonly forms: Forms;
  readonly connection: Connection;
}

/** Put a value at a place of the draft, or take it away. */
function changer(draft: Draft): (keys: Keys, value: Exact | undefined, live: boolean) => void {
  return (keys, value, live) => {
    const doc = draft.doc.peek();
    draft.edit(value === undefined ? without(doc, keys) : put(doc, keys, value), live ? keys.join(".") : "");
    if (!live) draft.settle();
  };
}

export function General({ draft, forms, connection }: Props): VNode {
  const doc = draft.doc.value;
  const change = changer(draft);
  const metrics = curvesOf(connection).metrics.value;
  const listId = useUniqueId();
  const method = at(doc, ["method"]);
  const metric = at(doc, ["metric"]);
  const goal = at(metric, ["goal"]);
  const stopping = at(doc, ["early_terminate"]);
  const kind = at(stopping, ["type"]);
  const wrong = (place: string) => problemsAt(draft.problems.value, place).length > 0;
  const shown = ["method", "metric", "run_cap", "early_terminate"];
  const name = at(metric, ["name"]);
  const setMetric = (text: string, live: boolean) => {
    if (text.trim() === "" && !live) change(["metric"], undefined, false);
    else change(["metric"], put(isDict(metric) ? metric : dict({ name: "", goal: "minimize" }), ["name"], text.trim()), live);
  };
  return (
    <div class="sw-general">
      <div class="sw-toolbar">
        <span class="sw-labelled">
          {S.method}
          <Segmented
            label={S.method}
            value={typeof method === "string" ? method : ""}
            choices={choicesOf(forms.sweep["method"]).map((text) => [text, text])}
            onChoose={(text) => change(["method"], text, false)}
          />
        </span>
        <label class="sw-labelled">
          {S.metric}
          <TextField
            label={S.metric}
            value={typeof name === "string" ? name : ""}
            placeholder={S.noMetric}
            list={listId}
            invalid={wrong("metric")}
            width={12}
            onLive={(text) => setMetric(text, true)}
            onCommit={(text) => setMetric(text, false)}
          />
          <datalist id={listId}>
            {metrics.map((text) => (
              <option key={text} value={text} />
            ))}
          </datalist>
        </label>
        {metric !== undefined && (
          <Segmented
            label={S.goal}
            value={goal === "maximize" ? "maximize" : "minimize"}
            choices={[["minimize", S.minimize], ["maximize", S.maximize]]}
            onChoose={(text) => change(["metric", "goal"], text, false)}
          />
        )}
        <span class="sw-labelled" title={describe(forms.sweep["run_cap"])}>
          {S.runCap}
          <FieldInput
            field={{ type: "integer", ...forms.sweep["run_cap"], required: false }}
            name="run_cap"
            label={S.runCap}
            value={at(doc, ["run_cap"])}
            invalid={wrong("run_cap")}
            width={6}
            onChange={(value, live) => change(["run_cap"], value, live)}
          />
        </span>
      </div>
      <div class="sw-toolbar">
        <span class="sw-labelled">
          {S.stopping}
          <Select
            label={S.stopping}
            value={typeof kind === "string" ? kind : ""}
            choices={[["", S.noStopping], ...Object.keys(forms.stopping).map((text) => [text, text] as const)]}
            title={typeof kind === "string" ? forms.stopping[kind]?.doc : undefined}
            invalid={wrong("early_terminate")}
            onChoose={(text) => change(["early_terminate"], text === "" ? undefined : (STOPPING_FIRST[text] ?? dict({ type: text })), false)}
          />
        </span>
        {typeof kind === "string" &&
          Object.entries(forms.stopping[kind]?.fields ?? {}).map(([key, field]) => (
            <Setting key={key} keys={["early_terminate", key]} field={field} doc={doc} change={change} wrong={wrong(`early_terminate.${key}`)} />
          ))}
      </div>
      <Problems
        problems={shown.flatMap((place) => problemsAt(draft.problems.value, place))}
        remarks={shown.flatMap((place) => problemsAt(draft.remarks.value, place))}
      />
    </div>
  );
}

export function More({ draft, forms }: Omit<Props, "connection">): VNode {
  const doc = draft.doc.value;
  const change = changer(draft);
  const rest = Object.entries(forms.sweep).filter(([key]) => !PLACED.includes(key));
  const places = rest.map(([key]) => key);
  const metric = at(doc, ["metric"]);
  const wrong = (place: string) => problemsAt(draft.problems.value, place).length > 0;
  const problems = places.flatMap((place) => problemsAt(draft.problems.value, place));
  const set = places.filter((key) => at(doc, [key]) !== undefined).length;
  return (
    <details class="sw-more" open={problems.length > 0 || undefined}>
      <summary>
        {S.more}
        {set > 0 && <span class="sw-count">{set}</span>}
      </summary>
      <div class="sw-more-grid">
        {metric !== undefined &&
          METRIC_MORE.filter((key) => key in forms.metric).map((key) => (
            <Setting
              key={key}
              keys={["metric", key]}
              name={`${S.metric}.${key}`}
              field={forms.metric[key] as FieldInfo}
              doc={doc}
              change={change}
              wrong={wrong(`metric.${key}`)}
            />
          ))}
        {rest.map(([key, field]) => (
          <Setting key={key} keys={[key]} field={field} doc={doc} change={change} wrong={wrong(key)} />
        ))}
      </div>
      <Problems problems={problems} remarks={places.flatMap((place) => problemsAt(draft.remarks.value, place))} />
    </details>
  );
}

interface SettingProps {
  readonly keys: Keys;
  readonly name?: string;
  readonly field: FieldInfo;
  readonly doc: Exact;
  readonly wrong: boolean;
  readonly change: (keys: Keys, value: Exact | undefined, live: boolean) => void;
}

function Setting({ keys, name, field, doc, wrong, change }: SettingProps): VNode {
  const label = name ?? (keys.at(-1) as string);
  return (
    <label class="sw-labelled" title={describe(field)}>
      {label}
      <FieldInput field={field} name={label} label={label} value={at(doc, keys)} invalid={wrong} onChange={(value, live) => change(keys, value, live)} />
    </label>
  );
}

function describe(field: FieldInfo | undefined): string {
  return String(field?.["description"] ?? "");
}

function choicesOf(field: FieldInfo | undefined): string[] {
  const choices = field?.["enum"];
  return Array.isArray(choices) ? choices.map(String) : [];
}
