import { describe, expect, test } from "vitest";
import { COLORS, runColor } from "../src/palette";
import { comparedRows } from "../src/drawer/rows";
import { tagsOf } from "../src/drawer/notes";
import { noticeOf, streakOf, type Facts } from "../src/shell/notice";
import { countsText, forecastText, segments } from "../src/shell/progress";
import { sparkPath } from "../src/runs/sparks";
import { chosenLook, luminance } from "../src/theme";

const quiet: Facts = {
  link: "live", heardTime: "14:32:10", heardAge: "20s", trouble: "", refused: "", late: [], streak: null, status: "RUNNING",
  working: 1, there: 1, waiting: 0, waiting_s: 0, running: 1, failure: "", gaveUp: "", observer: "", violations: [], reason: "", store: "sweeps.db", glance: "",
};

describe("the notice", () => {
  test.each<[string, Partial<Facts>, string]>([
    ["the dead kernel comes first", { link: "detached", refused: "x", late: ["stop"] }, "detached"],
    ["then the store", { trouble: "disk I/O error", refused: "x" }, "trouble"],
    ["then what was refused", { refused: "no", late: ["stop"] }, "refused"],
    ["then the busy kernel", { late: ["stop"], link: "stale" }, "busy"],
    ["then silence", { link: "stale" }, "stale"],
    ["then repeated failures", { streak: { n: 3, error: "CUDA" } }, "streak"],
    ["but not of a sweep that is over", { streak: { n: 3, error: "CUDA" }, status: "FINISHED" }, "quiet"],
    ["then the controller that failed", { failure: "ValueError: x", streak: { n: 3, error: "CUDA" }, status: "PAUSED" }, "failure"],
    ["agents that gave up are told with what made them", { gaveUp: "Detected 3 failed runs", streak: { n: 3, error: "CUDA" } }, "streak"],
    ["or by themselves", { gaveUp: "Detected 3 failed runs" }, "gaveup"],
    ["nobody works", { there: 0, working: 0, running: 0 }, "nobody"],
    ["a run by hand waits", { waiting: 1, waiting_s: 4 }, "waiting"],
    ["not yet", { waiting: 1, waiting_s: 1 }, "quiet"],
    ["nor while an agent is free", { waiting: 1, waiting_s: 4, working: 0 }, "quiet"],
    ["a lost connection is no alarm", { link: "reconnecting" }, "quiet"],
    ["nothing is amiss", {}, "quiet"],
  ])("%s", (_, facts, kind) => expect(noticeOf({ ...quiet, ...facts }).kind).toBe(kind));

  test("says which order waits", () => {
    expect(noticeOf({ ...quiet, late: ["stop", "stop", "pause"] }).text).toContain("stop, pause");
  });

  test("three failures with the same error are a streak, a success ends it", () => {
    const failed = { state: "failed", error: "CUDA" };
    expect(streakOf([failed, failed, failed])).toEqual({ n: 3, error: "CUDA" });
    expect(streakOf([failed, failed, { state: "finished", error: "" }, failed])).toBeNull();
    expect(streakOf([failed, failed, { state: "failed", error: "other" }])).toBeNull();
    expect(streakOf([])).toBeNull();
  });
});

describe("progress", () => {
  const progress = { ended: 18, total: 60, counts: { finished: 14, running: 2, failed: 1, stopped: 3 }, by_hand: 0, by_hand_since: null, run_s: 90, left_s: [1080, 1560] as [number, number], elapsed_s: 600, saved_s: null };

  test("in words", () => {
    expect(countsText(progress)).toBe("14 done · 3 cut · 1 failed · 2 running · 40 left");
    expect(countsText({ ...progress, counts: {} })).toBe("");
    expect(forecastText(progress, true)).toBe("18–26 min left");
    expect(forecastText({ ...progress, left_s: null }, false)).toBe("took 10m00");
  });

  test("as a bar that is never longer than itself", () => {
    const shares = (total: number | null) => segments(progress.counts, total).reduce((sum, { share }) => sum + share, 0);
    expect(shares(60)).toBeCloseTo(20 / 60);
    expect(shares(null)).toBeCloseTo(1);
    expect(shares(5)).toBeCloseTo(1);
    expect(segments({}, null)).toEqual([]);
  });
});

describe("small things", () => {
  test("runs that follow each other have colours of their own", () => {
    for (const first of [1, 7, 12345]) {
      expect(new Set(Array.from({ length: COLORS }, (_, i) => runColor(first + i, false))).size).toBe(COLORS);
    }
  });

  test("colours of runs stand out on their ground at 3:1", () => {
    const contrast = (a: number, b: number) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    for (let i = 0; i < 200; i += 1) {
      expect(contrast(luminance(runColor(i + 1, false)) ?? 0, 1)).toBeGreaterThan(3);
      expect(contrast(luminance(runColor(i + 1, true)) ?? 0, luminance("#111") ?? 0)).toBeGreaterThan(3);
    }
  });

  test("a chosen theme that is not the page's has no use for the page's variables", () => {
    expect(chosenLook({ host: "jupyter", dark: false }, "auto")).toEqual({ host: "jupyter", dark: false });
    expect(chosenLook({ host: "jupyter", dark: false }, "light")).toEqual({ host: "jupyter", dark: false });
    expect(chosenLook({ host: "jupyter", dark: false }, "dark")).toEqual({ host: "page", dark: true });
  });

  test("configurations are compared leaf by leaf", () => {
    const rows = comparedRows([{ lr: 0.1, opt: { name: "adam" } }, { lr: 0.1, opt: { name: "sgd", beta: NaN } }]);
    expect(rows.map(({ name, differs }) => [name, differs])).toEqual([["lr", false], ["opt.name", true], ["opt.beta", true]]);
  });

  test("tags are a set", () => expect(tagsOf(" a, b,,a ,")).toEqual(["a", "b"]));

  test("small curves have gaps where values are not finite, and stay in their box", () => {
    const path = sparkPath({ x: Float64Array.of(0, 1, 2, 3, 4), y: Float64Array.of(1, 2, NaN, 3, Infinity) });
    expect(path.match(/M/g)).toHaveLength(2);
    for (const number of path.match(/[\d.]+/g) ?? []) expect(Number(number)).toBeLessThanOrEqual(64);
    expect(sparkPath({ x: Float64Array.of(0), y: Float64Array.of(NaN) })).toBe("");
  });
});
