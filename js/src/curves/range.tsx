/** The zoom of the curves as numbers. */

import type { VNode } from "preact";
import { CURVE_STRINGS } from "../curvestrings";
import { TextField } from "../fields/textfield";
import { numberText } from "../format";
import { isNumber, numberOf } from "../numbers";
import type { CurvesModel } from "./model";

const S = CURVE_STRINGS;

/** The zoom as numbers: the way by keyboard. */
export function Range({ model }: { model: CurvesModel }): VNode {
  const range = model.range.value;
  const set = (end: 0 | 1, text: string) => {
    const value = text.trim() === "" ? null : isNumber(text.trim()) ? numberOf(text.trim()) : undefined;
    if (value === undefined) return;
    const known = model.range.peek() ?? extent(model);
    const limits: [number, number] = [...known];
    limits[end] = value ?? extent(model)[end];
    model.range.value = limits[0] < limits[1] ? limits : [limits[1], limits[0]];
  };
  return (
    <div class="sw-toolbar sw-range" role="group" aria-label={S.range}>
      <label class="sw-labelled">
        {S.from}
        <TextField numeric label={`${S.x} ${S.from}`} value={range ? numberText(range[0], 6) : ""} onCommit={(text) => set(0, text)} />
      </label>
      <label class="sw-labelled">
        {S.to}
        <TextField numeric label={`${S.x} ${S.to}`} value={range ? numberText(range[1], 6) : ""} onCommit={(text) => set(1, text)} />
      </label>
      <button type="button" class="sw-button sw-quiet" disabled={range === null && model.rangeY.value === null} onClick={() => model.reset()}>
        {S.all}
      </button>
      <span class="sw-hint">{S.rangeTitle}</span>
    </div>
  );
}

function extent(model: CurvesModel): readonly [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const { x } of model.curves.peek()?.runs.values() ?? []) {
    if (x.length === 0) continue;
    low = Math.min(low, x[0] as number);
    high = Math.max(high, x.at(-1) as number);
  }
  return low < high ? [low, high] : [0, 1];
}
