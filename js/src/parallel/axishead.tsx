/** The name of an axis, and behind it its limits as numbers or boxes to tick: the way by keyboard. */

import type { VNode } from "preact";
import { isNumber, numberOf } from "../numbers";
import { TextField } from "../fields/textfield";
import { numberText, valueText } from "../format";
import { same } from "../json";
import { PANEL_STRINGS } from "../panelstrings";
import type { Json } from "../protocol";
import { Dropdown } from "../ui/dropdown";
import type { Axis, Limits } from "./axes";
import type { ParallelModel } from "./model";

const S = PANEL_STRINGS.parallel;

interface Props {
  readonly axis: Axis;
  readonly model: ParallelModel;
  readonly x: number;
  readonly width: number;
}

export function AxisHead({ axis, model, x, width }: Props): VNode {
  const limits = model.limits.value[axis.column];
  const set = (next: Limits | null) => {
    model.setLimits(axis.column, next);
    model.selectKept();
  };
  return (
    <span class="sw-axis-head" style={{ left: x, maxWidth: Math.max(width - 4, 60) }}>
      <Dropdown label={S.limits(axis.label)} text={<span class="sw-axis-name">{fitted(axis.label, width)}</span>} arrow={false} className={`sw-quiet ${limits ? "sw-limited" : ""}`}>
        {(close) => (
          <div class="sw-axis-menu">
            <strong>{axis.label}</strong>
            {axis.scale ? <Numbers axis={axis} limits={limits} onSet={set} /> : <Ticks axis={axis} limits={limits} onSet={set} />}
            <div class="sw-toolbar">
              <button type="button" class="sw-button" aria-disabled={limits ? undefined : true} onClick={() => set(null)}>
                {S.clear}
              </button>
              {axis.outcome && (
                <label class="sw-check">
                  <input type="checkbox" checked={model.log.value} onChange={(event) => (model.log.value = event.currentTarget.checked)} />
                  {S.log}
                </label>
              )}
            </div>
            <div class="sw-toolbar">
              <button type="button" class="sw-button sw-quiet" aria-label={S.left(axis.label)} title={S.left(axis.label)} onClick={() => model.move(axis.column, -1)}>
                ←
              </button>
              <button type="button" class="sw-button sw-quiet" aria-label={S.right(axis.label)} title={S.right(axis.label)} onClick={() => model.move(axis.column, 1)}>
                →
              </button>
              <button
                type="button"
                class="sw-button sw-quiet"
                onClick={() => {
                  close();
                  model.hide(axis.column);
                }}
              >
                {S.hide(axis.label)}
              </button>
            </div>
          </div>
        )}
      </Dropdown>
    </span>
  );
}

/** Of a nested name the end tells more than the beginning. */
function fitted(label: string, width: number): string {
  const last = label.split(".").at(-1) ?? label;
  return label.length * 8 <= width || last === label ? label : `…${last}`;
}

interface LimitProps {
  readonly axis: Axis;
  readonly limits: Limits | undefined;
  readonly onSet: (limits: Limits | null) => void;
}

function Numbers({ axis, limits, onSet }: LimitProps): VNode {
  const scale = axis.scale ?? { log: false, min: 0, max: 1 };
  const known = limits && "from" in limits ? limits : { from: scale.min, to: scale.max };
  const set = (end: "from" | "to", text: string) => {
    const typed = text.trim();
    const value = typed === "" ? (end === "from" ? scale.min : scale.max) : isNumber(typed) ? numberOf(typed) : null;
    if (value === null) return;
    const next = { ...known, [end]: value };
    onSet(next.from <= next.to ? next : { from: next.to, to: next.from });
  };
  return (
    <div class="sw-toolbar">
      {(["from", "to"] as const).map((end) => (
        <label key={end} class="sw-labelled">
          {S[end]}
          <TextField numeric label={`${axis.label} ${S[end]}`} value={limits ? numberText(known[end], 6) : ""} placeholder={numberText(end === "from" ? scale.min : scale.max, 4)} onCommit={(text) => set(end, text)} />
        </label>
      ))}
    </div>
  );
}

function Ticks({ axis, limits, onSet }: LimitProps): VNode {
  const on = (value: Json) => !limits || !("values" in limits) || limits.values.some((choice) => same(choice, value));
  const toggle = (value: Json) => {
    const values = axis.choices.filter((choice) => (same(choice, value) ? !on(choice) : on(choice)));
    onSet(values.length === axis.choices.length || values.length === 0 ? null : { values });
  };
  return (
    <div class="sw-checks" role="group" aria-label={S.values}>
      {axis.choices.map((choice, i) => (
        <label key={i} class="sw-check">
          <input type="checkbox" checked={on(choice)} onChange={() => toggle(choice)} />
          {valueText(choice)}
        </label>
      ))}
    </div>
  );
}
