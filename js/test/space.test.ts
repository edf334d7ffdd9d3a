import { describe, expect, test } from "vitest";
import { check, complaint, problemsAt } from "../src/config/check";
import { readDict } from "../src/config/literal";
import { equal, Numeral, toText, type Exact } from "../src/config/exact";
import { roundValueAt } from "../src/config/histogram";
import { EXAMPLE } from "../src/config/example";
import { become, hasEnds, inferred, kindOf, pathOf, rows, withEnd, withField, withFloats } from "../src/config/space";
import { at } from "../src/config/edit";
import type { FieldInfo, Forms, ParameterInfo } from "../src/protocol";

const field = (type: string, more: object = {}): FieldInfo => ({ type, required: true, ...more }) as FieldInfo;
const range = { min: field("number"), max: field("number") };
const FORMS: Forms = {
  sweep: {
    method: field("string", { enum: ["bayes", "random", "grid"] }),
    parameters: field("object", { minProperties: 1 }),
    run_cap: { ...field("integer", { exclusiveMinimum: 0 }), required: false },
  },
  metric: { name: field("string", { minLength: 1 }), target: { ...field("number"), required: false } },
  distributions: {
    constant: { doc: "", fields: { value: { required: true } }, grid: true },
    categorical: { doc: "", fields: { values: field("array", { minItems: 1 }) }, grid: true },
    categorical_w_probabilities: {
      doc: "",
      fields: { values: field("array", { minItems: 1 }), probabilities: field("array", { items: { type: "number", minimum: 0 } }) },
      grid: false,
    },
    int_uniform: { doc: "", fields: { min: field("integer"), max: field("integer") }, grid: true },
    uniform: { doc: "", fields: range, grid: false },
    log_uniform: { doc: "", fields: range, grid: false },
    log_uniform_values: { doc: "", fields: { min: field("number", { exclusiveMinimum: 0 }), max: field("number") }, grid: false },
    inv_log_uniform: { doc: "", fields: range, grid: false },
    normal: { doc: "", fields: { mu: { ...field("number", { default: 0 }), required: false } }, grid: false },
  },
  stopping: { hyperband: { doc: "", fields: { min_iter: { ...field("integer", { minimum: 1 }), required: false } }, needs_metric: true } },
};
const spec = (text: string) => readDict(text);
const config = (parameters: string, more = "") => readDict(`{"method": "random", "parameters": {${parameters}}${more}}`);
const messages = (given: Exact) => check(given, FORMS).map(({ path, message }) => `${path}: ${message}`);

describe("rows", () => {
  test("nested ones follow their group", () => {
    const found = rows(config('"a": {"value": 1}, "opt": {"parameters": {"lr": {"min": 0.1, "max": 1.0}, "in": {"parameters": {"x": {"values": [1]}}}}}'));
    expect(found.map((row) => [row.name, row.depth, row.kind])).toEqual([
      ["a", 0, "constant"], ["opt", 0, "group"], ["lr", 1, "uniform"], ["in", 1, "group"], ["x", 2, "categorical"],
    ]);
    expect(found.at(-1)?.path).toEqual(["opt", "in", "x"]);
    expect(pathOf(["parameters", "opt", "parameters", "lr"])).toEqual(["opt", "lr"]);
  });

  test.each([
    ["{'value': None}", "constant"], ["{'values': []}", "categorical"], ["{'values': [1], 'probabilities': [1]}", "categorical_w_probabilities"],
    ["{'min': 1, 'max': 2}", "int_uniform"], ["{'min': 1.0, 'max': 2.0}", "uniform"], ["{'min': 1}", "int_uniform"], ["{'mu': 1}", null],
  ])("%s is %s, as in W&B", (text, kind) => {
    expect(inferred(spec(text))).toBe(kind);
  });
});

describe("changes of one parameter", () => {
  test("another limit does not change the kind by the way it is written", () => {
    const changed = withField(spec("{'min': 0.0, 'max': 1.0}"), "max", new Numeral("2"));
    expect(kindOf(changed)).toBe("uniform");
    const both = withField(changed, "min", new Numeral("1"));
    expect(kindOf(both)).toBe("uniform");
    expect(toText(both)).toBe('{"distribution": "uniform", "min": 1, "max": 2}');
    expect(toText(withField(spec("{'min': 1, 'max': 2}"), "max", new Numeral("9")))).toBe('{"min": 1, "max": 9}');
    expect(toText(withField(spec("{'mu': 1, 'distribution': 'normal'}"), "mu", undefined))).toBe('{"distribution": "normal"}');
  });

  test.each([
    ["{'min': 0.0, 'max': 1.0}", "log_uniform_values", '{"distribution": "log_uniform_values", "min": 0.001, "max": 1.0}'],
    ["{'distribution': 'log_uniform_values', 'min': 1e-4, 'max': 1e-1}", "uniform", '{"min": 0.0001, "max": 0.1}'],
    ["{'distribution': 'log_uniform_values', 'min': 1, 'max': 1000}", "uniform", '{"min": 1.0, "max": 1000.0}'],
    ["{'min': 0.5, 'max': 2.5}", "int_uniform", '{"min": 0, "max": 3}'],
    ["{'values': [16, 32, 64]}", "int_uniform", '{"min": 16, "max": 64}'],
    ["{'values': ['a', 'b']}", "uniform", '{"min": 0.0, "max": 1.0}'],
    ["{'values': [1, 2, 3]}", "categorical_w_probabilities", '{"values": [1, 2, 3], "probabilities": [0.333333, 0.333333, 0.333334]}'],
    ["{'value': 5}", "categorical", '{"values": [5]}'],
    ["{'values': ['relu']}", "constant", '{"value": "relu"}'],
    ["{'min': 1, 'max': 3}", "categorical", '{"values": [1, 3]}'],
    ["{'distribution': 'log_uniform', 'min': 0.0, 'max': 1.0}", "uniform", '{"min": 1.0, "max": 2.71828182846}'],
    ["{'distribution': 'inv_log_uniform', 'min': 0.0, 'max': 1.0}", "log_uniform", '{"distribution": "log_uniform", "min": -1.0, "max": 0.0}'],
    ["{'value': 1, 'condition': {'a': 1}}", "group", '{"parameters": {}, "condition": {"a": 1}}'],
    ["{'min': 0, 'max': 1}", "normal", '{"distribution": "normal"}'],
  ])("%s as %s", (text, kind, expected) => {
    expect(toText(become(spec(text), kind, FORMS))).toBe(expected);
  });

  test("whatever becomes of whatever can run", () => {
    const all = Object.keys(FORMS.distributions);
    for (const from of all) {
      for (const to of all) {
        const changed = become(become(spec("{}"), from, FORMS), to, FORMS);
        expect(kindOf(changed)).toBe(to);
        expect(messages(readDict(`{"method": "random", "parameters": {"p": ${toText(changed)}}}`))).toEqual([]);
      }
    }
  });
});

test("floats that JavaScript took for integers are floats again where the kernel knows it", () => {
  const given = config('"u": {"min": 0, "max": 1}, "h": {"min": 0, "max": 0.5}, "i": {"min": 0, "max": 1}, "g": {"parameters": {"v": {"min": 1, "max": 2}}}');
  const info = (path: string[], distribution: string) => ({ path, distribution }) as ParameterInfo;
  const mended = withFloats(given, [info(["u"], "uniform"), info(["h"], "uniform"), info(["i"], "int_uniform"), info(["g", "v"], "uniform")]);
  expect(at(mended, ["parameters", "u", "max"])).toEqual(new Numeral("1.0"));
  expect(at(mended, ["parameters", "h"])).toEqual(readDict("{'min': 0.0, 'max': 0.5}"));
  expect(at(mended, ["parameters", "i", "max"])).toEqual(new Numeral("1"));
  expect(at(mended, ["parameters", "g", "parameters", "v", "min"])).toEqual(new Numeral("1.0"));
});

describe("instant checks speak as Python does", () => {
  test("the example is fine", () => {
    expect(check(EXAMPLE, FORMS)).toEqual([]);
    expect(equal(EXAMPLE, readDict(toText(EXAMPLE)))).toBe(true);
  });

  test.each([
    ["{'min': 0.1, 'max': 0.1}", "parameters.p.max: must be greater than min (0.1); p: min 0.1 is not less than max 0.1"],
    ["{'min': 0.1, 'max': 1}", "parameters.p: Parameter p is ambiguous, please specify bounds as both floats (for a float_uniform distribution) or ints (for an int_uniform distribution)."],
    ["{'distribution': 'log_uniform_values', 'min': 0, 'max': 1}", "parameters.p.min: 0 is less than or equal to the minimum of 0"],
    ["{'min': '1', 'max': 2.5}", "parameters.p.min: '1' is not of type 'number'; write 1 without quotes"],
    ["{'values': []}", "parameters.p.values: [] should be non-empty"],
    ["{'values': [1, 2], 'probabilities': [0.5, 0.6]}", "parameters.p.probabilities: Parameter p: Probabilities [0.5, 0.6] do not sum to 1; they sum to 1.1"],
    ["{'values': [1, 2], 'probabilities': [1, -1]}", "parameters.p.probabilities: -1 is less than the minimum of 0"],
    ["{'distribution': 'uniform', 'min': 1.5}", "parameters.p: 'max' is a required property of uniform"],
    ["{'distribution': 'unform'}", "parameters.p: 'unform' is not a distribution"],
    ["{}", "parameters.p: needs value, values, min and max, or parameters"],
    ["{'parameters': {}}", "parameters.p.parameters: {} should be non-empty; name at least one parameter"],
  ])("%s", (text, expected) => {
    expect(messages(config(`"p": ${text}`))).toEqual([expected]);
  });

  test("of the sweep", () => {
    expect(messages(readDict('{"method": "bayes", "run_cap": 0, "parameters": {}}'))).toEqual([
      "run_cap: 0 is less than or equal to the minimum of 0",
      'metric: Bayesian search requires "metric" section',
      "parameters: {} should be non-empty; name at least one parameter",
    ]);
    expect(messages(readDict('{"method": "grid", "early_terminate": {"type": "hyperband", "min_iter": 0}, "parameters": {"p": {"min": 0.5, "max": 1.5}}}'))[0]).toBe(
      "early_terminate.min_iter: 0 is less than the minimum of 1",
    );
    expect(messages(readDict('{"method": "greed", "parameters": {"a": {"value": 1}}}'))).toEqual([
      "method: 'greed' is not one of ['bayes', 'random', 'grid']",
    ]);
  });

  test("5.0 is an integer, True is not", () => {
    expect(complaint(field("integer"), new Numeral("5.0"))).toBe("");
    expect(complaint(field("integer"), new Numeral("5.5"))).toBe("5.5 is not of type 'integer'");
    expect(complaint(field("number"), true)).toBe("True is not of type 'number'");
    expect(complaint(field("number", { maximum: 1e6 }), new Numeral("2e6"))).toBe("2e6 is greater than the maximum of 1e+06");
  });
});

test("each problem is told once, at the deepest place that knows it", () => {
  const problems = ["parameters.opt", "parameters.opt.parameters.lr.max", "parameters.opt.parameters.lr", "run_cap"].map((path) => ({ path, message: path }));
  const places = ["parameters.opt", "parameters.opt.parameters.lr"];
  expect(problemsAt(problems, "parameters.opt", places).map((p) => p.path)).toEqual(["parameters.opt"]);
  expect(problemsAt(problems, "parameters.opt.parameters.lr", places).length).toBe(2);
});

describe("An end of what a parameter draws, dragged", () => {
  const moved = (spec: string, end: "min" | "max", value: number) => toText(withEnd(readDict(spec), end, value));

  test("changes that field alone, as a number of the same kind", () => {
    expect(moved('{"min": 0.0, "max": 1e0}', "min", 0.25)).toBe('{"min": 0.25, "max": 1e0}');
    expect(moved('{"min": 0.0, "max": 1.5}', "max", 1)).toBe('{"min": 0.0, "max": 1.0}');
    expect(moved('{"min": 1, "max": 10}', "max", 7.2)).toBe('{"min": 1, "max": 8}');
    expect(moved('{"distribution": "log_uniform_values", "min": 1e-4, "max": 0.1}', "max", 0.03)).toBe(
      '{"distribution": "log_uniform_values", "min": 1e-4, "max": 0.03}',
    );
  });

  test("of exponents is the logarithm, and of inverse ones the other field", () => {
    expect(moved('{"distribution": "log_uniform", "min": -3.0, "max": 0.0}', "min", Math.exp(-2))).toBe(
      '{"distribution": "log_uniform", "min": -2.0, "max": 0.0}',
    );
    expect(moved('{"distribution": "inv_log_uniform", "min": 1.0, "max": 3.0}', "min", Math.exp(-2))).toBe(
      '{"distribution": "inv_log_uniform", "min": 1.0, "max": 2.0}',
    );
  });

  test("never passes the other", () => {
    expect(moved('{"min": 0.0, "max": 1.0}', "min", 1.5)).toBe('{"min": 0.0, "max": 1.0}');
    expect(moved('{"min": 1, "max": 2}', "max", 1)).toBe('{"min": 1, "max": 2}');
    expect(moved('{"min": 1, "max": 3}', "min", 2.9)).toBe('{"min": 2, "max": 3}');
  });

  test("is offered where there are two", () => {
    expect(hasEnds(readDict('{"min": 0, "max": 1}'))).toBe(true);
    expect(hasEnds(readDict('{"mu": 0, "sigma": 1}'))).toBe(false);
    expect(hasEnds(readDict('{"values": [1, 2]}'))).toBe(false);
  });

  test("stands at round values, a little beyond the picture at most", () => {
    expect(roundValueAt({ log: false, min: 0, max: 1 }, 0.2512, 180)).toBe(0.26);
    expect(roundValueAt({ log: true, min: 1e-4, max: 1 }, 0.5, 180)).toBe(0.01);
    expect(roundValueAt({ log: false, min: 0, max: 1 }, 9, 180)).toBe(1.5);
  });
});
