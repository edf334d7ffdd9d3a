import { expect, test } from "vitest";
import { Buffer, table } from "../harness/encode";
import { front } from "../src/pareto";
import { RunTable } from "../src/runtable";
import { frontOf } from "../src/shell/front";

test("The front is what nobody dominates; equal rows do not dominate each other.", () => {
  expect(front([[1, 4], [2, 2], [3, 3], [2, 2]])).toEqual([true, true, false, true]);
  expect(front([])).toEqual([]);
  expect(front([[1], [1], [2]])).toEqual([true, true, false]);
});

test("It is what a look at every pair finds.", () => {
  let seed = 7;
  const next = () => (seed = (seed * 1103515245 + 12345) % 2147483648) % 6;
  const rows = Array.from({ length: 80 }, () => [next(), next(), next()]);
  const beats = (a: readonly number[], b: readonly number[]) => a.every((cost, k) => cost <= (b[k] ?? 0)) && a.some((cost, k) => cost < (b[k] ?? 0));
  expect(front(rows)).toEqual(rows.map((row) => !rows.some((other) => beats(other, row))));
});

test("Of a sweep: runs without a finite value of every goal are not there, and each goal has its best.", () => {
  const buffer = new Buffer();
  const runs = new RunTable();
  const values: [number | undefined, number | undefined][] = [[1, 0.5], [2, 0.9], [3, 0.6], [0.1, undefined], [NaN, 1]];
  const rows = values.map(([loss, acc], i) => ({
    id: `r${i + 1}`,
    number: i + 1,
    ...(loss === undefined ? {} : { "summary.loss": loss }),
    ...(acc === undefined ? {} : { "summary.acc": acc }),
  }));
  runs.replace(table(rows, buffer), buffer.joined());
  const goals = [{ metric: "loss", maximize: false, target: null }, { metric: "acc", maximize: true, target: null }];
  const found = frontOf(runs, goals);
  expect(found.runs).toEqual(["r1", "r2"]);
  expect(found.best.map(({ run, value }) => [run, value])).toEqual([["r1", 1], ["r2", 0.9]]);
});
