/** The analysis figures: made by the kernel, drawn by plotly, at home in the page. */

import type { Signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { curvesOf } from "../curves/model";
import { Select } from "../fields/select";
import { CURVE_STRINGS } from "../curvestrings";
import { PANEL_STRINGS } from "../panelstrings";
import type { Json } from "../protocol";
import { Tabs } from "../shell/tabs";
import { Drawing } from "./drawing";
import { FigureModel } from "./model";

const S = PANEL_STRINGS.figures;
const NAMES = ["pareto", "importance", "slice", "contour", "history", "timeline", "edf"] as const;
export type FigureName = (typeof NAMES)[number];
type Options = { readonly [key: string]: Json };

export function Figures({ connection }: { connection: Connection }): VNode {
  const chosen = connection.state.view.remember<Json>("figures.tab", "", (value) => value === "" || NAMES.includes(value as FigureName)) as Signal<string>;
  // A front takes several goals.
  const names = (connection.state.sweep.value?.goals.length ?? 0) > 1 ? NAMES : NAMES.slice(1);
  return (
    <section class="sw-figures" data-testid="sw-figures">
      <Tabs
        label={PANEL_STRINGS.figures.label("")}
        chosen={chosen}
        className="sw-figure-tabs"
        tabs={names.map((name) => ({ name, label: S.names[name], panel: () => <Panel key={name} connection={connection} name={name} /> }))}
      />
    </section>
  );
}

/** One figure, and what can be chosen of it. What was chosen is remembered. */
function Panel({ connection, name }: { connection: Connection; name: FigureName }): VNode {
  const options = connection.state.view.remember<Json>(`figures.${name}`, {}) as Signal<Options>;
  const model = useMemo(() => new FigureModel(connection, name, options), [connection, name]);
  useEffect(() => model.open(), [model]);
  const set = (key: string, value: Json | undefined) => {
    const { [key]: _, ...rest } = options.peek();
    options.value = value === undefined ? rest : { ...rest, [key]: value };
  };
  return (
    <div class="sw-figure">
      <div class="sw-toolbar">
        <Choices connection={connection} name={name} options={options.value} onSet={set} />
        <span class="sw-space" />
        <Freshness model={model} />
      </div>
      <Drawing connection={connection} model={model} name={name} />
    </div>
  );
}

interface ChoicesProps {
  readonly connection: Connection;
  readonly name: FigureName;
  readonly options: Options;
  readonly onSet: (key: string, value: Json | undefined) => void;
}

function Choices({ connection, name, options, onSet }: ChoicesProps): VNode | null {
  const { state } = connection;
  const metrics = curvesOf(connection).metrics.value;
  const goal = state.sweep.value?.goals[0]?.metric ?? "";
  const names = (state.sweep.value?.parameters ?? []).filter((info) => !info.constant).map((info) => info.path.join("."));
  const text = (value: Json | undefined) => (typeof value === "string" ? value : "");
  if (name === "timeline" || name === "pareto") return null;
  return (
    <>
      <label class="sw-labelled">
        {S.metric}
        <Select
          label={S.metric}
          value={text(options["metric"]) || goal}
          choices={metrics.map((metric) => [metric, metric])}
          onChoose={(metric) => onSet("metric", metric === goal ? undefined : metric)}
        />
      </label>
      {name === "slice" && (
        <label class="sw-labelled">
          {S.parameters}
          <Select
            label={S.parameters}
            value={Array.isArray(options["params"]) ? text(options["params"][0]) : ""}
            choices={[["", S.allParameters], ...names.map((parameter) => [parameter, parameter] as const)]}
            onChoose={(parameter) => onSet("params", parameter === "" ? undefined : [parameter])}
          />
        </label>
      )}
      {name === "contour" && <Pair names={names} chosen={options["params"]} onChoose={(pair) => onSet("params", pair)} />}
      {(name === "slice" || name === "history") && (
        <label class="sw-check">
          <input type="checkbox" checked={options["log_y"] === true} onChange={(event) => onSet("log_y", event.currentTarget.checked || undefined)} />
          {CURVE_STRINGS.logY}
        </label>
      )}
      {name === "edf" && (
        <label class="sw-check">
          <input type="checkbox" checked={options["log_x"] === true} onChange={(event) => onSet("log_x", event.currentTarget.checked || undefined)} />
          {CURVE_STRINGS.logX}
        </label>
      )}
    </>
  );
}

/** Two different parameters, or what the kernel finds best. */
function Pair({ names, chosen, onChoose }: { names: readonly string[]; chosen: Json | undefined; onChoose: (pair: Json | undefined) => void }): VNode {
  const [x = "", y = ""] = Array.isArray(chosen) ? chosen.map(String) : [];
  const set = (which: 0 | 1, name: string) => {
    if (name === "") {
      onChoose(undefined);
      return;
    }
    const other = (which === 0 ? y : x) || names.find((candidate) => candidate !== name) || name;
    // The one that was chosen changes places with the other.
    const rest = other === name ? (which === 0 ? x : y) || names.find((candidate) => candidate !== name) || name : other;
    onChoose(which === 0 ? [name, rest] : [rest, name]);
  };
  const choices: (readonly [string, string])[] = [["", S.auto], ...names.map((name) => [name, name] as const)];
  return (
    <>
      {([[S.x, x], [S.y, y]] as const).map(([label, value], i) => (
        <label key={label} class="sw-labelled">
          {label}
          <Select label={label} value={value} choices={choices} onChoose={(name) => set(i as 0 | 1, name)} />
        </label>
      ))}
    </>
  );
}

function Freshness({ model }: { model: FigureModel }): VNode {
  const behind = model.behind.value;
  const pending = model.pending.value;
  return (
    <>
      <span class="sw-hint" role="status">
        {pending ? (pending.late.value ? S.busy : S.drawing) : behind > 0 ? S.stale(behind) : ""}
      </span>
      <button type="button" class="sw-button sw-quiet" aria-disabled={pending ? true : undefined} onClick={() => !pending && model.ask()}>
        {S.refresh}
      </button>
    </>
  );
}
