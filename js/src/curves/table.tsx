/** The curves as a table: the same data, for those who read rather than look. */

import type { ComponentChildren, VNode } from "preact";
import type { Connection } from "../connection";
import type { CurveData } from "../curvestore";
import { durationText, numberText } from "../format";
import { CURVE_STRINGS } from "../curvestrings";
import { extentOf } from "./extent";
import type { CurvesModel } from "./model";

const S = CURVE_STRINGS;

interface Props {
  readonly connection: Connection;
  readonly model: CurvesModel;
  readonly children: ComponentChildren;
}

export function CurvesTable({ connection, model, children }: Props): VNode {
  const { runs, hovered } = connection.state;
  const curves = [...(model.curves.value?.runs.values() ?? [])].filter((curve) => !model.omits(curve.run) && curve.x.length > 0);
  curves.sort((a, b) => (runs.number(b.run, "number") ?? 0) - (runs.number(a.run, "number") ?? 0));
  const x = model.x.value;
  const at = (value: number) => (x === "time" ? durationText(value) : numberText(value, 6));
  return (
    <>
    <div class="sw-plot sw-plot-table" tabIndex={0} role="region" aria-label={S.asTableTitle}>
      {curves.length === 0 && <p class="sw-plot-empty">{S.noCurves(model.metric.value)}</p>}
      <table>
        <thead>
          <tr>
            <th scope="col">{S.columns.run}</th>
            <th scope="col">{S.columns.state}</th>
            <th scope="col">{S.columns.points}</th>
            <th scope="col">{S.columns.first}</th>
            <th scope="col">{S.columns.last}</th>
            <th scope="col">{`${S.columns.at} ${x}`}</th>
            <th scope="col">{S.columns.min}</th>
            <th scope="col">{S.columns.max}</th>
          </tr>
        </thead>
        <tbody>
          {curves.map((curve) => (
            <Row
              key={curve.run}
              curve={curve}
              name={`${runs.text(curve.run, "number")} ${runs.text(curve.run, "name")}`}
              state={runs.text(curve.run, "state")}
              at={at}
              onHover={(over) => (hovered.value = over ? curve.run : null)}
            />
          ))}
        </tbody>
      </table>
    </div>
    <div class="sw-plot-foot">
      <p class="sw-caption">{S.count(curves.length)}</p>
      {children}
    </div>
    </>
  );
}

interface RowProps {
  readonly curve: CurveData;
  readonly name: string;
  readonly state: string;
  readonly at: (x: number) => string;
  readonly onHover: (over: boolean) => void;
}

function Row({ curve, name, state, at, onHover }: RowProps): VNode {
  const { x, y } = curve;
  const { min, max } = extentOf(y, false);
  return (
    <tr onPointerEnter={() => onHover(true)} onPointerLeave={() => onHover(false)}>
      <th scope="row">{name}</th>
      <td>{state}</td>
      <td class="sw-number">{curve.of}</td>
      <td class="sw-number">{numberText(y[0] as number)}</td>
      <td class="sw-number">{numberText(y.at(-1) as number)}</td>
      <td class="sw-number">{at(x.at(-1) as number)}</td>
      <td class="sw-number">{min <= max ? numberText(min) : "–"}</td>
      <td class="sw-number">{min <= max ? numberText(max) : "–"}</td>
    </tr>
  );
}
