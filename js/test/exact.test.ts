import { describe, expect, test } from "vitest";
import { dict, Dict, equal, fromJson, Numeral, toJson, toText, type Exact } from "../src/config/exact";
import { isInteger, isNumber } from "../src/numbers";
import { LiteralError, readDict, readLiteral } from "../src/config/literal";
import { pretty, repr } from "../src/config/python";
import { readValue, showValue } from "../src/config/values";
import { toYaml } from "../src/config/yaml";
import { at, freeName, moved, put, renamed, without } from "../src/config/edit";
import { differences, placeOf } from "../src/config/difference";

const n = (text: string) => new Numeral(text);

describe("exact values", () => {
  test("1.0 stays a float, and large integers keep their digits", () => {
    const text = '{"min": 0.0, "max": 1.0, "seed": 9223372036854775807, "lr": 1e-4}';
    expect(toText(readDict(text))).toBe(text);
  });

  test("keys keep their order, even if they look like numbers", () => {
    expect(toText(readDict('{"b": 1, "10": 2, "2": 3}'))).toBe('{"b": 1, "10": 2, "2": 3}');
  });

  test("1 is not 1.0, 1e-3 is 0.001, and the order of keys does not matter", () => {
    expect(equal(n("1"), n("1.0"))).toBe(false);
    expect(equal(n("1e-3"), n("0.001"))).toBe(true);
    expect(equal(n("9007199254740993"), n("9007199254740992"))).toBe(false);
    expect(equal(readDict('{"a": 1, "b": [2]}'), readDict('{"b": [2], "a": 1}'))).toBe(true);
    expect(equal("1", n("1"))).toBe(false);
  });

  test("what JSON would not take is written so that it does", () => {
    const odd = { ".5": "0.5", "5.": "5.0", "+1": "1", "1_000": "1000", "007": "7", "-.5e3": "-0.5e3" };
    for (const [typed, json] of Object.entries(odd)) {
      expect(isNumber(typed)).toBe(true);
      expect(toText(n(typed))).toBe(json);
      expect(JSON.parse(json)).toBe(n(typed).value);
    }
  });

  test("a half typed number goes as a text", () => {
    expect(toText(dict({ min: n("1e-") }))).toBe('{"min": "1e-"}');
    expect(isNumber("1e-")).toBe(false);
    expect(isNumber("")).toBe(false);
    expect(isNumber("1e999")).toBe(false);
  });

  test("NaN and infinities travel as Python's json writes them", () => {
    expect(toText(readLiteral("[NaN, Infinity, -Infinity]"))).toBe("[NaN, Infinity, -Infinity]");
  });

  test("to JavaScript and back", () => {
    const value = { a: [1, 2.5, null, true, "x"], b: {} };
    expect(toJson(fromJson(value))).toEqual(value);
    expect(isInteger((fromJson(1e20) as Numeral).text)).toBe(true);
  });

  test("indented text says the same", () => {
    const value = readDict('{"a": {"b": [1, {}]}, "c": []}');
    expect(equal(readDict(toText(value, 2)), value)).toBe(true);
  });
});

describe("pasted Python", () => {
  test("a dict with everything that Python allows", () => {
    const read = readDict(`
      sweep_config = {
        'method': "random",   # how
        'parameters': {'lr': {'min': 1e-4, 'max': .1}, 'act': {'values': ('relu', 'tanh',)}, 'n': {'value': None}},
        "flag": True, 'joined': 'a' "b",
      }
      `);
    expect(toJson(read)).toEqual({
      method: "random",
      parameters: { lr: { min: 1e-4, max: 0.1 }, act: { values: ["relu", "tanh"] }, n: { value: null } },
      flag: true,
      joined: "ab",
    });
  });

  test("within a call", () => {
    expect(toJson(readDict("wandb.sweep({'method': 'grid'})"))).toEqual({ method: "grid" });
  });

  test.each([
    ["{'a': 1", "it ends too early", 1],
    ["{'a': 1\n 'b': 2}", "a comma is missing", 2],
    ["{'a': train}", "train is a name: put texts in quotes", 1],
    ["{'a': 1, 'a': 2}", "a is given twice", 1],
    ["{'a': 'x}", "a string does not end", 1],
    ["nothing", "there is no { in it", 1],
    ["{'a': 1} = b", "something stands after it", 1],
  ])("%s is refused with a reason", (text, message, line) => {
    expect(() => readDict(text)).toThrowError(new LiteralError(message, line));
  });

  test("(1) is 1, and (1,) a list", () => {
    expect(toJson(readLiteral("[(1), (1,), ()]"))).toEqual([1, [1], []]);
  });
});

describe("words of Python and YAML", () => {
  const awkward: Exact[] = [
    "", "relu", "it's", 'say "x"', "both ' and \"", "1", "1e-3", "true", "No", "null", "a: b", "# c", "x #y", "- d", "a,b", "[x]", "line\nbreak", "é", "\u0001", "~", " pad ",
    null, true, false, n("1"), n("1.0"), n("1e-4"), n("-2"), [n("1"), "a", [null]], dict({ a: n("1"), "b c": [true] }), [], new Dict(),
  ];

  test("repr is read back", () => {
    for (const value of awkward) expect(equal(readLiteral(repr(value)), value)).toBe(true);
    expect(repr(dict({ a: [true, null, n("1.0")] }))).toBe("{'a': [True, None, 1.0]}");
  });

  test("pretty is read back, with one entry in a line", () => {
    const value = dict({ method: "random", parameters: dict({ lr: dict({ min: n("0.0"), max: n("1.0") }) }) });
    expect(equal(readDict(pretty(value)), value)).toBe(true);
    expect(pretty(value)).toBe("{\n    'method': 'random',\n    'parameters': {'lr': {'min': 0.0, 'max': 1.0}},\n}");
  });

  test("YAML quotes what it would read otherwise", () => {
    const value = dict({ a: "yes", b: "relu", c: "1e3", d: [n("16"), "x, y", "16"], e: dict({ f: null, "g: h": "# i" }) });
    expect(toYaml(value)).toBe('a: "yes"\nb: relu\nc: "1e3"\nd: [16, "x, y", "16"]\ne:\n  f: null\n  "g: h": "# i"\n');
  });

  test("what is shown for a value is what has to be typed for it", () => {
    for (const value of awkward) expect(equal(readValue(showValue(value)), value)).toBe(true);
    expect(readValue("relu")).toBe("relu");
    expect(readValue(" 16 ")).toEqual(n("16"));
    expect(readValue("True")).toBe(true);
    expect(readValue("'16'")).toBe("16");
    expect(readValue("[half")).toBe("[half");
  });
});

describe("edits", () => {
  const config = readDict('{"method": "grid", "parameters": {"a": {"value": 1}, "b": {"values": [1, 2]}}}');

  test("put and without", () => {
    expect(toText(put(config, ["parameters", "a", "value"], n("2")))).toContain('"a": {"value": 2}');
    expect(toText(put(config, ["metric", "name"], "loss"))).toContain('"metric": {"name": "loss"}');
    expect(at(without(config, ["parameters", "a"]), ["parameters", "a"])).toBeUndefined();
    expect(without(config, ["nope", "x"])).toBe(config);
  });

  test("a renamed parameter keeps its place, and takes no name that is taken", () => {
    expect((at(renamed(config, ["parameters", "a"], "z"), ["parameters"]) as Dict).keys).toEqual(["z", "b"]);
    expect(renamed(config, ["parameters", "a"], "b")).toBe(config);
  });

  test("move and free names", () => {
    expect((at(moved(config, ["parameters", "b"], -1), ["parameters"]) as Dict).keys).toEqual(["b", "a"]);
    expect(moved(config, ["parameters", "b"], 1)).toBe(config);
    expect(freeName(at(config, ["parameters"]), "a")).toBe("a_2");
  });

  test("differences are told in people's words", () => {
    const changed = put(without(config, ["parameters", "a"]), ["parameters", "b", "values"], [n("1")]);
    expect(differences(config, changed).map(({ place, from, to }) => [place, from && repr(from), to && repr(to)])).toEqual([
      ["b.values", "[1, 2]", "[1]"],
      ["a", "{'value': 1}", undefined],
    ]);
    expect(differences(config, config)).toEqual([]);
    expect(placeOf(["parameters", "opt", "parameters", "lr", "max"])).toBe("opt.lr.max");
    expect(placeOf(["metric", "name"])).toBe("metric.name");
    expect(placeOf(["parameters"])).toBe("parameters");
  });
});
