import { describe, expect, test } from "vitest";
import { CurveStore } from "../src/curvestore";
import { flowed, legendOf } from "../src/curves/image";
import type { Line, Picture } from "../src/curves/picture";
import { continued, smoothed } from "../src/curves/smooth";
import { countHidden, extentOf, grown, lowerBound, NOWHERE, union } from "../src/curves/extent";
import { oddMarks, rungPlaces } from "../src/curves/marks";
import { nearest } from "../src/curves/nearest";
import { roundStep, scaleOf, share, tickText, ticks, timeTicks, valueAt } from "../src/scale";

const f = (...values: number[]) => Float64Array.from(values);
const steps = (n: number) => Float64Array.from({ length: n }, (_, i) => i);

describe("smoothing", () => {
  test("no weight, no change; a constant stays", () => {
    const y = f(1, 5, 2);
    expect(smoothed(steps(3), y, 3, 0)).toBe(y);
    expect([...smoothed(steps(5), f(2, 2, 2, 2, 2), 5, 0.9)]).toEqual([2, 2, 2, 2, 2].map((v) => expect.closeTo(v, 12)));
  });

  test("evenly spaced, it is the classic debiased one", () => {
    const y = f(1, 3, 2, 7, 4);
    let mean = 0;
    const classic = [...y].map((v, i) => {
      mean = 0.6 * mean + 0.4 * v;
      return mean / (1 - 0.6 ** (i + 1));
    });
    expect([...smoothed(steps(5), y, 5, 0.6)]).toEqual(classic.map((v) => expect.closeTo(v, 12)));
  });

  test("what the kernel has smoothed is continued over later points as if all had been smoothed at once", () => {
    const y = f(1, 3, NaN, 2, 7, NaN, 4, 5);
    const whole = smoothed(steps(6), f(1, 3, 2, 7, 4, 5), 6, 0.8);
    const finite = f(whole[0] as number, whole[1] as number, NaN, whole[2] as number, whole[3] as number, NaN, whole[4] as number, whole[5] as number);
    for (const n of [0, 1, 3, 4, 6, 8]) {
      const known = { weight: 0.8, y: finite.slice(0, n), seen: y.slice(0, n).filter(Number.isFinite).length };
      expect([...continued(known, y)]).toEqual([...finite].map((v) => (Number.isNaN(v) ? NaN : expect.closeTo(v, 10))));
    }
  });

  test("a decimated curve is smoothed as the whole one", () => {
    const n = 1000;
    const y = Float64Array.from({ length: n }, (_, i) => Math.exp(-i / 300));
    const whole = smoothed(steps(n), y, n, 0.95);
    const kept = Array.from({ length: 100 }, (_, i) => i * 10).concat(n - 1);
    const some = smoothed(Float64Array.from(kept), Float64Array.from(kept, (i) => y[i] as number), n, 0.95);
    expect(some.at(-1)).toBeCloseTo(whole.at(-1) as number, 2);
  });

  test("what is not finite stays, and leaves no trace", () => {
    const result = smoothed(steps(4), f(1, NaN, Infinity, 1), 4, 0.5);
    expect([...result]).toEqual([1, NaN, Infinity, 1]);
  });

  test("all points at one x", () => {
    expect([...smoothed(f(3, 3), f(1, 2), 2, 0.5)].every(Number.isFinite)).toBe(true);
  });
});

describe("extents", () => {
  test("only what can be drawn counts", () => {
    expect(extentOf(f(NaN, 2, -1, Infinity, -Infinity), false)).toEqual({ min: -1, max: 2 });
    expect(extentOf(f(0, 2, -1, 5), true)).toEqual({ min: 2, max: 5 });
    expect(extentOf(f(NaN), false)).toEqual(NOWHERE);
    expect(union(NOWHERE, { min: 1, max: 2 })).toEqual({ min: 1, max: 2 });
    expect(countHidden(f(0, -1, 1, NaN, -Infinity))).toBe(2);
  });

  test("the first position at or after", () => {
    expect([0, 1, 1.5, 9].map((limit) => lowerBound(f(0, 1, 1, 2), limit))).toEqual([0, 1, 3, 4]);
  });

  test("axes grow with the data and never shrink by themselves", () => {
    const first = grown(null, { min: 0, max: 10 }, false, 0.05);
    expect(first?.max).toBeGreaterThan(10);
    expect(grown(first, { min: 4, max: 5 }, false, 0.05)).toBe(first);
    expect(grown(first, NOWHERE, false, 0.05)).toBe(first);
    const more = grown(first, { min: 4, max: 20 }, false, 0.05);
    expect(more?.min).toBe(first?.min);
    expect(more?.max).toBeGreaterThan(20);
    expect(grown(more, { min: 1, max: 2 }, true, 0.05)?.log).toBe(true);
    expect(grown(null, NOWHERE, true, 0.05)).toBeNull();
  });
});

describe("marks", () => {
  test("one for each stretch, where the curve was last", () => {
    expect(oddMarks(steps(6), f(NaN, 2, Infinity, Infinity, 3, NaN))).toEqual([
      { x: 0, y: NaN, value: NaN },
      { x: 2, y: 2, value: Infinity },
      { x: 5, y: 3, value: NaN },
    ]);
  });

  test("rungs count logged values", () => {
    expect(rungPlaces([1, 3, 9], 0, 1)).toEqual([{ rung: 1, x: 0 }, { rung: 3, x: 2 }, { rung: 9, x: 8 }]);
    expect(rungPlaces([1], NaN, 1)).toEqual([]);
  });
});

test("the nearest curve, on its line and not only at its points", () => {
  const curves = [
    { run: "flat", x: f(0, 100), y: f(50, 50) },
    { run: "steep", x: f(0, 10, 20), y: f(0, 80, NaN) },
  ];
  const same = (v: number) => v;
  expect(nearest(curves, { x: 60, y: 52, valueX: 60 }, same, same, 20)?.run).toBe("flat");
  expect(nearest(curves, { x: 5, y: 38, valueX: 5 }, same, same, 20)?.run).toBe("steep");
  expect(nearest(curves, { x: 60, y: 90, valueX: 60 }, same, same, 20)).toBeNull();
  expect(nearest([{ run: "none", x: f(), y: f() }], { x: 0, y: 0, valueX: 0 }, same, same, 20)).toBeNull();
});

describe("scales", () => {
  test("share and valueAt are inverse", () => {
    for (const scale of [scaleOf(1e-4, 10, true), scaleOf(-3, 8, false)]) {
      for (const where of [0, 0.3, 1, 1.2]) expect(share(scale, valueAt(scale, where))).toBeCloseTo(where, 9);
    }
    expect(share(scaleOf(1, 10, true), 0)).toBeNaN();
    expect(share({ log: false, min: 2, max: 2 }, 2)).toBe(0.5);
  });

  test.each([
    [0, 1], [0, 0.07], [-5, 5], [1e-9, 3e-9], [1e6, 1e6 + 1], [0, 10_000],
  ])("ticks from %d to %d are round, within, and few", (min, max) => {
    const found = ticks({ log: false, min, max }, 6);
    expect(found.length).toBeGreaterThanOrEqual(3);
    expect(found.length).toBeLessThanOrEqual(12);
    expect(found.every((tick) => tick >= min - 1e-12 && tick <= max + 1e-12 * Math.abs(max))).toBe(true);
  });

  test("a log axis is labelled at powers of ten", () => {
    expect(ticks({ log: true, min: 1e-4, max: 1e-1 }, 5)).toEqual([1e-4, 1e-3, 1e-2, 1e-1]);
    expect(ticks({ log: true, min: 1, max: 100 }, 6)).toEqual([1, 2, 5, 10, 20, 50, 100]);
    expect(ticks({ log: true, min: 1e-300, max: 1e300 }, 6).length).toBeLessThan(9);
    expect(ticks({ log: true, min: 2, max: 3 }, 5).length).toBeGreaterThan(2);
  });

  test("labels are short", () => {
    expect([0, 0.001, 2.5e-7, 12_000, 3_100_000, -5, 1e12, 0.30000000000000004].map(tickText)).toEqual(
      ["0", "0.001", "2.5e-7", "12k", "3.1M", "−5", "1e12", "0.3"],
    );
    expect(timeTicks(0, 300, 5)).toEqual([0, 60, 120, 180, 240, 300]);
    expect(roundStep(10, 5)).toBe(2);
  });
});

describe("what is kept of a plot", () => {
  const curves = (runs: string[], gone: string[], reset = false) => ({
    type: "curves" as const, seq: 1, plot: "main", metric: "loss", x: "step", range: null, reset, left_out: 0, gone,
    runs: runs.map((run) => ({ run, attempt: 1, n: 1, at: 0, of: 1 })),
  });

  test("runs that are shown no longer leave, the others stay", () => {
    const store = new CurveStore();
    const buffer = f(0, 1).buffer as ArrayBuffer;
    store.replace(curves(["a", "b"], [], true), buffer);
    store.replace(curves(["c"], ["a"]), buffer);
    expect([...(store.plot("main").value?.runs.keys() ?? [])]).toEqual(["b", "c"]);
  });
});

describe("the picture to keep", () => {
  const line = (run: string, more: Partial<Line> = {}) => ({ run, colored: true, best: false, ...more }) as Line;
  const shown = (...lines: Line[]) => legendOf({ lines } as unknown as Picture, (run) => run.toUpperCase()).map(({ text }) => text);

  test("names the coloured curves, the last painted first, and counts the others", () => {
    expect(shown(line("a"), line("b", { best: true }))).toEqual(["B ★", "A"]);
    expect(shown(line("x", { colored: false }), line("a"), line("y", { colored: false }))).toEqual(["A", "2 more"]);
    expect(shown(...Array.from({ length: 40 }, (_, i) => line(`r${i}`))).at(-1)).toBe("16 more");
    expect(shown()).toEqual([]);
  });

  test("breaks its legend into lines, and leaves no text out", () => {
    expect(flowed([40, 50, 60], 100)).toEqual({ places: [{ x: 0, line: 0 }, { x: 40, line: 0 }, { x: 0, line: 1 }], lines: 2 });
    expect(flowed([500, 10], 100)).toEqual({ places: [{ x: 0, line: 0 }, { x: 0, line: 1 }], lines: 2 });
    expect(flowed([], 100)).toEqual({ places: [], lines: 0 });
  });
});
