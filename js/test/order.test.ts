import { describe, expect, test } from "vitest";
import { Buffer, table, type Row } from "../harness/encode";
import { RunTable } from "../src/runtable";
import { heldOrder, ordered, toggledSort } from "../src/runs/order";
import { scrolledTo, windowOf } from "../src/runs/window";

function filled(rows: Row[]): RunTable {
  const runs = new RunTable();
  const buffer = new Buffer();
  runs.replace(table(rows, buffer), buffer.joined());
  return runs;
}

const all = () => true;

describe("the order", () => {
  const runs = filled([
    { id: "a", number: 1, x: 3 },
    { id: "b", number: 2, x: NaN },
    { id: "c", number: 3, x: undefined },
    { id: "d", number: 4, x: 1 },
    { id: "e", number: 5, x: Infinity },
    { id: "f", number: 6, x: 1 },
  ]);

  test("NaN comes after numbers, what is missing comes last, in both directions", () => {
    expect(ordered(runs, all, [{ column: "x", descending: false }]).join("")).toBe("fdaebc");
    expect(ordered(runs, all, [{ column: "x", descending: true }]).join("")).toBe("eafdbc");
  });

  test("ties are broken by the second key, then by the newest", () => {
    expect(ordered(runs, all, [{ column: "x", descending: false }, { column: "number", descending: false }]).join("")).toBe("dfaebc");
  });

  test("numbers and texts in one column do not mix", () => {
    const mixed = filled([{ id: "a", number: 1, x: "10" }, { id: "b", number: 2, x: 9 }, { id: "c", number: 3, x: "b" }]);
    expect(ordered(mixed, all, [{ column: "x", descending: false }]).join("")).toBe("bac");
  });

  test("only runs that pass are in it", () => {
    expect(ordered(runs, (row) => row % 2 === 0, [{ column: "number", descending: true }]).join("")).toBe("eca");
  });

  test("a click sorts by the better direction first, then by the other; with shift it adds a key", () => {
    const first = toggledSort([], "loss", false, false);
    expect(first).toEqual([{ column: "loss", descending: false }]);
    expect(toggledSort(first, "loss", false, false)).toEqual([{ column: "loss", descending: true }]);
    expect(toggledSort(first, "lr", true, true)).toEqual([{ column: "loss", descending: false }, { column: "lr", descending: true }]);
  });
});

describe("while somebody's hand is in the table", () => {
  test("nothing moves, what is new waits, what is gone leaves", () => {
    expect(heldOrder(["a", "b", "c"], ["c", "x", "a"])).toEqual({ shown: ["a", "c"], waiting: 1, moved: true });
    expect(heldOrder(["a", "b"], ["a", "b"])).toEqual({ shown: ["a", "b"], waiting: 0, moved: false });
    expect(heldOrder(["a", "b"], ["x", "a", "b"])).toEqual({ shown: ["a", "b"], waiting: 1, moved: false });
  });
});

describe("the window", () => {
  test("holds every row that is visible, and never more than there are", () => {
    for (const count of [0, 1, 7, 10_000]) {
      for (const top of [0, 13, 280, 280_000]) {
        const { first, end } = windowOf(count, 28, top, 260);
        expect(first).toBeGreaterThanOrEqual(0);
        expect(end).toBeLessThanOrEqual(count);
        expect(end).toBeGreaterThanOrEqual(first);
        for (let row = 0; row < Math.min(count, 10_000); row += 97) {
          const visible = row * 28 < top + 260 && (row + 1) * 28 > top;
          if (visible) expect(row >= first && row < end).toBe(true);
        }
      }
    }
  });

  test("scrolls as little as it must", () => {
    expect(scrolledTo(0, 28, 100, 200)).toBe(0);
    expect(scrolledTo(5, 28, 100, 200)).toBe(100);
    expect(scrolledTo(20, 28, 0, 280)).toBe(21 * 28 - 280);
  });
});
