import { describe, expect, test } from "vitest";
import { marked, same, unmarked } from "../src/json";
import type { Json } from "../src/protocol";

describe("values on the wire", () => {
  test.each<[Json]>([
    [{ a: 1, b: [null, "x", true] }],
    [{ a: NaN, b: [Infinity, -Infinity] }],
    [{ $float: "nan", $$float: 1 }],
    [{ $float: "nan", other: 2 }],
    [[[[NaN]]]],
    [{ "$$$float": { $float: "mine" } }],
  ])("come back as they were: %j", (value) => {
    expect(unmarked(JSON.parse(JSON.stringify(marked(value))) as Json)).toEqual(value);
  });

  test("what needs no change is not copied", () => {
    const value = { a: [1, { b: "c" }] };
    expect(unmarked(value)).toBe(value);
  });

  test("sameness: the order of keys does not matter, NaN is NaN, 1 is not true", () => {
    expect(same({ a: 1, b: NaN }, { b: NaN, a: 1 })).toBe(true);
    expect(same({ a: 1 }, { a: 1, b: 2 })).toBe(false);
    expect(same([1], { 0: 1 })).toBe(false);
    expect(same(1, true)).toBe(false);
    expect(same(undefined, null)).toBe(false);
  });
});
