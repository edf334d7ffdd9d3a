import { describe, expect, test } from "vitest";
import { Buffer, table, type Row } from "../harness/encode";
import { columnPath, RunTable } from "../src/runtable";

function filled(rows: Row[]): RunTable {
  const runs = new RunTable();
  const buffer = new Buffer();
  runs.replace(table(rows, buffer), buffer.joined());
  return runs;
}

function upsert(runs: RunTable, rows: Row[], gone: string[] = []): void {
  const buffer = new Buffer();
  runs.update(table(rows, buffer), gone, buffer.joined());
}

describe("the table of runs", () => {
  test("cells come back as they were sent, with what is missing and what is not finite", () => {
    const runs = filled([
      { id: "a", "config.lr": 0.1, state: "running", "summary.loss": NaN, tags: ["x", "y"] },
      { id: "b", "config.lr": undefined, state: "finished", "summary.loss": -Infinity, "config.on": false },
    ]);
    expect(runs.cell("a", "config.lr")).toBe(0.1);
    expect(runs.cell("b", "config.lr")).toBeUndefined();
    expect(runs.cell("a", "summary.loss")).toBeNaN();
    expect(runs.cell("b", "summary.loss")).toBe(-Infinity);
    expect(runs.cell("a", "tags")).toEqual(["x", "y"]);
    expect(runs.cell("b", "config.on")).toBe(false);
    expect(runs.cell("c", "config.lr")).toBeUndefined();
  });

  test("whole rows replace whole rows: what a row no longer has is gone", () => {
    const runs = filled([{ id: "a", stopping: "hyperband", x: 1 }, { id: "b", x: 2 }]);
    upsert(runs, [{ id: "a", x: 3 }]);
    expect(runs.cell("a", "stopping")).toBeUndefined();
    expect(runs.cell("a", "x")).toBe(3);
    expect(runs.cell("b", "x")).toBe(2);
  });

  test("new columns are there for all rows, and only new columns change the names", () => {
    const runs = filled([{ id: "a", x: 1 }]);
    const names = runs.names.value;
    upsert(runs, [{ id: "a", x: 2 }]);
    expect(runs.names.value).toBe(names);
    upsert(runs, [{ id: "b", "summary.loss": 0.5 }]);
    expect(runs.names.value).toEqual(["id", "x", "summary.loss"]);
    expect(runs.cell("a", "summary.loss")).toBeUndefined();
  });

  test("what is gone is gone, and the others keep their values", () => {
    const runs = filled([{ id: "a", x: 1 }, { id: "b", x: 2 }, { id: "c", x: 3 }]);
    upsert(runs, [{ id: "d", x: 4 }], ["b", "unknown"]);
    expect(runs.size).toBe(3);
    expect(runs.has("b")).toBe(false);
    expect(["a", "c", "d"].map((run) => runs.cell(run, "x"))).toEqual([1, 3, 4]);
    expect(["a", "c", "d"].map((run) => runs.id(runs.row(run)))).toEqual(["a", "c", "d"]);
  });

  test("many small changes are the same as one large one", () => {
    const rows = Array.from({ length: 50 }, (_, i): Row => ({ id: `r${i}`, x: i, s: `v${i % 3}` }));
    const one = filled(rows);
    const many = filled([]);
    for (let i = 0; i < 50; i += 7) upsert(many, rows.slice(i, i + 7));
    for (const { id } of rows) for (const name of ["x", "s"]) expect(many.cell(String(id), name)).toEqual(one.cell(String(id), name));
  });

  test("its version counts up, so that whatever is derived from it is anew", () => {
    const runs = filled([{ id: "a", x: 1 }]);
    const before = runs.version.value;
    upsert(runs, [{ id: "a", x: 2 }]);
    expect(runs.version.value).toBeGreaterThan(before);
  });
});

describe("names of columns", () => {
  test.each([
    ["config.opt.lr", ["config", "opt", "lr"]],
    ["config.a\\.b", ["config", "a.b"]],
    ["config.a\\\\.b", ["config", "a\\", "b"]],
    ["number", ["number"]],
  ])("%s is a path", (name, path) => {
    expect(columnPath(name)).toEqual(path);
  });
});
