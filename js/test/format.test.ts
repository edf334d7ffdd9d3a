import { describe, expect, test } from "vitest";
import { bytesText, changeText, durationText, numberText, pythonText, rangeText, valueText } from "../src/format";

describe("texts of values", () => {
  test.each([
    [0, "0"],
    [0.0713, "0.0713"],
    [0.00021, "2.1e-4"],
    [1 / 3, "0.3333"],
    [12840, "12840"],
    [123456.789, "123457"],
    [1e9, "1e9"],
    [-0.5, "-0.5"],
    [NaN, "NaN"],
    [Infinity, "∞"],
    [-Infinity, "-∞"],
    [1.5e-12, "1.5e-12"],
  ])("%d is %s", (value, text) => expect(numberText(value)).toBe(text));

  test("a number's text is near the number", () => {
    for (let power = -12; power < 12; power += 1) {
      for (const digits of [1.2345678, 9.99999, 5]) {
        const value = digits * 10 ** power;
        expect(Math.abs(Number(numberText(value)) - value) / value).toBeLessThan(1e-3);
      }
    }
  });

  test.each([
    [0, "0s"],
    [0.42, "0.4s"],
    [9.96, "10s"],
    [59.7, "1m00"],
    [100, "1m40"],
    [3599, "1h00"],
    [7500, "2h05"],
    [86_400 * 3 + 3600 * 4, "3d4h"],
    [NaN, "–"],
  ])("%d seconds are %s", (seconds, text) => expect(durationText(seconds)).toBe(text));

  test("ranges share a unit", () => {
    expect(rangeText([1080, 1560])).toBe("18–26 min");
    expect(rangeText([40, 55])).toBe("40–55 s");
    expect(rangeText([60, 60])).toBe("60 s");
    expect(rangeText([5400, 9000])).toBe("1.5–2.5 h");
  });

  test("bytes", () => {
    expect(bytesText(512)).toBe("512 B");
    expect(bytesText(1.2e9)).toBe("1.1 GB");
  });

  test("changes against a baseline", () => {
    expect(changeText(0.96, 1)).toBe("−4%");
    expect(changeText(1, 1)).toBe("±0");
    expect(changeText(0.5, 0)).toBe("+0.5");
    expect(changeText(NaN, 1)).toBe("");
  });

  test("Python", () => {
    expect(pythonText({ a: [1, true, null, "it's", 'say "hi"'], b: NaN })).toBe(`{'a': [1, True, None, "it's", 'say "hi"'], 'b': float("nan")}`);
    expect(pythonText({ lr: 0.1, opt: { name: "adam" } }, 0)).toBe("{\n    'lr': 0.1,\n    'opt': {\n        'name': 'adam',\n    },\n}");
    expect(valueText({ a: [1] })).toBe("{'a': [1]}");
    expect(valueText(false)).toBe("False");
  });
});
