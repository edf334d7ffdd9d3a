import { describe, expect, test } from "vitest";
import { drawable, placeText, valuesAt, withValues } from "../src/figures/here";
import { runsOf, skinned, type FullAxis, type FullLayout } from "../src/figures/plotly";
import { bins, scaleOfValues } from "../src/config/histogram";
import { configFrom, doubtOf, middle, typedOf } from "../src/enqueue/form";
import { toJson, toText } from "../src/config/exact";
import type { ParameterInfo } from "../src/protocol";

const info = (name: string, more: Partial<ParameterInfo> = {}): ParameterInfo => ({
  path: name.split("."), column: `config.${name}`, distribution: "uniform", constant: false, ordinal: true, log: false, min: 0, max: 1, values: null, ...more,
});
const LR = info("opt.lr", { distribution: "log_uniform_values", log: true, min: 1e-4, max: 1e-1 });
const ACT = info("act", { distribution: "categorical", ordinal: false, min: null, max: null, values: ["relu", "<tanh>", true] });
const LAYERS = info("layers", { distribution: "int_uniform", min: 1, max: 5, values: [1, 2, 3, 4, 5] });
const DATA = info("data", { distribution: "constant", constant: true, ordinal: false, values: ["digits"] });

const axis = (text: string, from: number, more: Partial<FullAxis> = {}): FullAxis => ({
  _offset: from, _length: 100, p2d: (pixel) => pixel / 100, title: { text }, ...more,
});
const layout = (xaxis: FullAxis, yaxis: FullAxis): FullLayout => ({ _plots: { xy: { xaxis, yaxis } } });

describe("a place in a figure", () => {
  test("stands for the parameters on its axes, not for metrics", () => {
    const found = valuesAt(layout(axis("opt.lr", 50, { p2d: () => 0.0123456 }), axis("loss", 10)), 60, 20, [LR, ACT]);
    expect(found.map(({ value }) => value)).toEqual([0.0123]);
    expect(placeText(found)).toBe("opt.lr = 0.0123");
    expect(withValues({ opt: { lr: 1, m: 2 }, act: "relu" }, found)).toEqual({ opt: { lr: 0.0123, m: 2 }, act: "relu" });
  });

  test("choices are found by the labels of their ticks, which are escaped", () => {
    const ticked = axis("act", 0, { p2d: () => 0.8, tickvals: [0, 1, 2], ticktext: ["relu", "&lt;tanh&gt;", "True"] });
    expect(valuesAt(layout(ticked, axis("layers", 0, { p2d: () => 2.6 })), 10, 10, [ACT, LAYERS]).map(({ value }) => value)).toEqual(["<tanh>", 3]);
  });

  test("outside of the axes is nowhere", () => {
    expect(valuesAt(layout(axis("opt.lr", 50), axis("loss", 10)), 10, 20, [LR])).toEqual([]);
  });

  test("values are such as can be drawn", () => {
    expect(drawable(7, LAYERS)).toBe(5);
    expect(drawable(2e-5, LR)).toBe(1e-4);
    expect(drawable(0.123456, info("x"))).toBe(0.123);
  });
});

test("figures name runs by ids, or by what comes with a point", () => {
  const isRun = (id: string) => id.startsWith("r");
  expect(runsOf([{ pointNumber: 1, data: { ids: ["r1", "r2"] } }, { pointNumber: 0, data: { customdata: [["r3", 4]] } }], isRun)).toEqual(["r2", "r3"]);
  expect(runsOf([{ pointNumber: 0, data: { customdata: [3] } }, { pointNumber: 5, data: {} }], isRun)).toEqual([]);
});

test("a figure takes the page's ink, and keeps what it says of its axes", () => {
  const skin = { text: "#111", grid: "#eee", line: "#999", font: "serif" };
  const made = skinned({ xaxis2: { type: "log" }, grid: { columns: 4 }, title: "x", height: 500 }, skin, 300, "slice");
  expect(made).toMatchObject({ xaxis2: { type: "log", gridcolor: "#eee" }, yaxis: { linecolor: "#999" }, height: 500, width: 680, uirevision: "slice" });
  expect(made["title"]).toBeUndefined();
  expect(skinned({}, skin, 300, "edf")["width"]).toBe(300);
});

describe("histograms", () => {
  test("every value counts once, those outside at the edge", () => {
    expect(bins([0, 0.5, 1, 2, -1, NaN], { log: false, min: 0, max: 1 }, 4)).toEqual([2, 0, 1, 2]);
    expect(bins([1e-4, 2e-3, 1e-1], { log: true, min: 1e-4, max: 1e-1 }, 3)).toEqual([1, 1, 1]);
  });

  test("the scale is the parameter's, or what its values reach", () => {
    expect(scaleOfValues([0, 1], [5], false)).toEqual({ log: false, min: 0, max: 1 });
    expect(scaleOfValues([null, null], [-2, 3, NaN], false)).toEqual({ log: false, min: -2, max: 3 });
    expect(scaleOfValues([null, null], [], false)).toMatchObject({ min: 0.5, max: 1.5 });
    expect(scaleOfValues([null, null], [0.5, 0.5], true)).toEqual({ log: true, min: 0.25, max: 1 });
  });
});

describe("a run by hand", () => {
  const infos = [LR, ACT, LAYERS, info("drop"), DATA];
  const config = { opt: { lr: 0.01 }, act: "relu", layers: 2, drop: 1, data: "digits" };

  test("what is shown is what is sent", () => {
    const typed = typedOf(config, infos);
    expect(typed).toEqual({ "config.opt.lr": "0.01", "config.act": "relu", "config.layers": "2", "config.drop": "1.0", "config.data": "digits" });
    expect(toJson(configFrom(typed, infos))).toEqual(config);
  });

  test("a choice is what it says, and an empty field is left out", () => {
    const typed = { ...typedOf(config, infos), "config.act": "true", "config.drop": " " };
    expect(toText(configFrom(typed, infos))).toBe('{"opt": {"lr": 0.01}, "act": true, "layers": 2, "data": "digits"}');
  });

  test("doubts: no number cannot be sent, out of range can", () => {
    expect(doubtOf("x", LR)?.fatal).toBe(true);
    expect(doubtOf("1e-5", LR)).toEqual({ message: expect.stringContaining("outside"), fatal: false });
    expect(doubtOf("2.5", LAYERS)?.fatal).toBe(false);
    expect(doubtOf("0.1", LR)).toBeNull();
    expect(doubtOf("", LR)).toBeNull();
    expect(doubtOf("anything", ACT)).toBeNull();
  });

  test("the middle of the space can run", () => {
    expect(middle(infos)).toEqual({ opt: { lr: expect.closeTo(0.00316, 5) }, act: "<tanh>", layers: 3, drop: 0.5, data: "digits" });
  });
});
