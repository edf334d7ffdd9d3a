import { describe, expect, test } from "vitest";
import { labels, limitsOf, outcomeAxis, parameterAxis, place, placer, stretches, within } from "../src/parallel/axes";
import { nearestStrand, pathOf, pixelY, roomFor, shareAt } from "../src/parallel/geometry";
import type { Strand } from "../src/parallel/model";
import { SHADES, shadesOf } from "../src/parallel/ramp";
import type { ParameterInfo } from "../src/protocol";

const info = (more: Partial<ParameterInfo>): ParameterInfo => ({
  path: ["p"], column: "config.p", distribution: "uniform", constant: false, ordinal: true, log: false, min: 0, max: 1, values: null, ...more,
});

describe("axes", () => {
  test("numbers stand where the parameter's scale has them, and runs from a wider space widen it", () => {
    const axis = parameterAxis(info({ log: true, min: 1e-4, max: 1e-2 }), [1e-3, 1e-1, undefined]);
    expect(axis.missing).toBe(1);
    expect(place(axis, 1e-4)).toBeCloseTo(0);
    expect(place(axis, 1e-1)).toBeCloseTo(1);
    expect(place(axis, undefined)).toBeNaN();
    expect(place(axis, "x")).toBeNaN();
  });

  test("choices are evenly spaced; true is not 1, and what is listed no longer has a place", () => {
    const axis = parameterAxis(info({ ordinal: false, values: ["a", true, 1] }), ["a", "gone"]);
    expect(axis.choices).toEqual(["a", true, 1, "gone"]);
    const at = placer(axis);
    expect(["a", true, 1, "gone"].map(at)).toEqual([0.125, 0.375, 0.625, 0.875]);
    expect(at(undefined)).toBeNaN();
  });

  test("a few numbers are choices, sorted", () => {
    const axis = parameterAxis(info({ values: [64, 16, 32], distribution: "categorical" }), [16, 128]);
    expect(axis.scale).toBeNull();
    expect(axis.choices).toEqual([16, 32, 64, 128]);
    expect(labels(axis, 5).map((label) => label.text)).toEqual(["16", "32", "64", "128"]);
  });

  test("an outcome ignores what is not finite, and is logarithmic only where that can be", () => {
    expect(outcomeAxis("summary.l", "l", [1, NaN, Infinity, 3, "x"], false).scale).toMatchObject({ min: 1, max: 3 });
    expect(outcomeAxis("summary.l", "l", [-1, 10], true).scale?.log).toBe(true);
    expect(outcomeAxis("summary.l", "l", [-1, -10], true).scale?.log).toBe(false);
    expect(outcomeAxis("summary.l", "l", [], false).scale).toMatchObject({ min: 0, max: 1 });
  });
});

describe("limits", () => {
  const numbers = parameterAxis(info({}), [0.5]);
  const choices = parameterAxis(info({ ordinal: false, values: ["a", "b", "c"] }), []);

  test("a stretch of an axis, either way, and back", () => {
    expect(limitsOf(numbers, 0.6, 0.2)).toEqual({ from: expect.closeTo(0.2), to: expect.closeTo(0.6) });
    expect(stretches(numbers, { from: 0.2, to: 0.6 })).toEqual([{ from: expect.closeTo(0.2), to: expect.closeTo(0.6) }]);
    expect(limitsOf(numbers, 0, 1)).toBeNull();
    expect(limitsOf(choices, 0.4, 0.9)).toEqual({ values: ["b", "c"] });
    expect(limitsOf(choices, 0.9, 0.95)).toBeNull();
    expect(stretches(choices, { values: ["b"] })).toEqual([{ from: expect.closeTo(1 / 3), to: expect.closeTo(2 / 3) }]);
  });

  test("who is within", () => {
    expect(within({ from: 0, to: 1 }, 1)).toBe(true);
    expect(within({ from: 0, to: 1 }, 1.1)).toBe(false);
    expect(within({ from: 0, to: 1 }, undefined)).toBe(false);
    expect(within({ from: 0, to: 1 }, NaN)).toBe(false);
    expect(within({ values: [true] }, 1)).toBe(false);
    expect(within({ values: ["a", "b"] }, "b")).toBe(true);
  });
});

describe("strands", () => {
  const room = roomFor(3, 500, 200);
  const strand = (run: string, ...at: number[]): Strand => ({ run, at: Float64Array.from(at), shade: 0, kept: true });

  test("pixels and shares are inverse, and many axes make the picture wider", () => {
    expect(shareAt(room, pixelY(room, 0.3))).toBeCloseTo(0.3);
    expect(roomFor(20, 300, 200).width).toBeGreaterThan(1500);
    expect(roomFor(1, 300, 200).x).toEqual([150]);
  });

  test("a missing value is a gap, and a lonely one is still seen", () => {
    expect(pathOf(strand("a", 0, 0.5, 1), room).match(/[ML]/g)).toEqual(["M", "L", "L"]);
    expect(pathOf(strand("a", 0, NaN, 1), room)).toMatch(/^M.*h8M.*h8$/);
    expect(pathOf(strand("a", NaN, NaN, NaN), room)).toBe("");
  });

  test("the nearest one between two axes", () => {
    const strands = [strand("low", 0, 0, 0), strand("rising", 0, 1, 1), strand("gone", NaN, 1, 1)];
    const middle = ((room.x[0] as number) + (room.x[1] as number)) / 2;
    expect(nearestStrand(strands, room, middle, pixelY(room, 0.5), 10)?.run).toBe("rising");
    expect(nearestStrand(strands, room, middle, pixelY(room, 0.02), 10)?.run).toBe("low");
    expect(nearestStrand(strands, room, middle, pixelY(room, 0.8), 10)).toBeNull();
  });
});

test("the best has the last shade, whatever the goal; ties share theirs", () => {
  expect(shadesOf([3, 1, 2, undefined, NaN], false)).toEqual([0, SHADES - 1, SHADES / 2, -1, -1]);
  expect(shadesOf([3, 1], true)).toEqual([SHADES - 1, 0]);
  expect(shadesOf([5, 5], false)).toEqual([SHADES - 1, SHADES - 1]);
});
