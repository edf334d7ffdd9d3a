import { describe, expect, test } from "vitest";
import { Buffer, table } from "../harness/encode";
import { RunTable } from "../src/runtable";
import { filterColumns, parseFilter, resolveColumn } from "../src/runs/filter";
import { FilterError } from "../src/runs/filtererror";

const runs = new RunTable();
const buffer = new Buffer();
runs.replace(
  table(
    [
      { id: "a", number: 1, name: "brisk-heron", state: "finished", "config.lr": 0.001, "config.opt.name": "adam", "summary.loss": 0.2, tags: ["base"] },
      { id: "b", number: 2, name: "calm-otter", state: "failed", "config.lr": 0.1, "config.opt.name": "sgd", "summary.loss": NaN, error: "CUDA out of memory" },
      { id: "c", number: 3, name: "or", state: "running", "config.lr": 1e-5, "config.opt.name": "sgd", "config.on": true },
    ],
    buffer,
  ),
  buffer.joined(),
);

function passing(text: string): string {
  const passes = parseFilter(text, filterColumns(runs.names.value, (name) => runs.column(name)));
  return [0, 1, 2].filter(passes).map((row) => runs.id(row)).join("");
}

const EXAMPLES = 3000;

/** Numbers below a limit, the same in every run (mulberry32). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function pick<T>(from: readonly T[], random: (below: number) => number): T {
  return from[random(from.length)] as T;
}

describe("the filter", () => {
  test.each([
    ["", "abc"],
    ["   ", "abc"],
    ["lr < 0.01", "ac"],
    ["lr <= 1e-5", "c"],
    ["config.lr > 0.01", "b"],
    ["lr >= .001 and state = finished", "a"],
    ["lr < 0.01 state = running", "c"],
    ["state = failed or state = running", "bc"],
    ["not state = failed", "ac"],
    ["not (state = failed or lr < 1e-4)", "a"],
    ["state != finished", "bc"],
    ["opt.name in (adam, 'rmsprop')", "a"],
    ["name ~ heron", "a"],
    ["name !~ heron", "bc"],
    ["loss is missing", "c"],
    ["loss is not missing", "ab"],
    ["loss = nan", "b"],
    ["loss < 1", "a"],
    ["tags = base", "a"],
    ["on = true", "c"],
    ["cuda", "b"],
    ["'out of memory'", "b"],
    ["fin", "a"],
    ["otter or heron", "ab"],
    ['name = "or"', "c"],
    ["lr<0.01&&state=finished", "a"],
    ["STATE = Finished", "a"],
  ])("%s → %s", (text, expected) => {
    expect(passing(text)).toBe(expected);
  });

  test.each([
    ["lr <", /value is missing/],
    ["lr < 0.1 and", /missing at the end/],
    ["(lr < 0.1", /\) is missing/],
    ["speed > 3", /no column speed/],
    ["state in finished", /needs a list/],
    ["'open", /quotation mark/],
    ["lr < 0.1)", /not expected/],
    ["and lr", /before and/],
    ["state is what", /after is/],
  ])("%s says what is wrong", (text, message) => {
    expect(() => passing(text)).toThrow(FilterError);
    expect(() => passing(text)).toThrow(message);
  });

  test("whatever is typed, it ends, as a filter or with a FilterError", () => {
    const pieces = ["lr", "<", "=", "(", ")", "and", "or", "not", "'", '"', "in", "is", ",", "0.1", "~", "!", "&", "|", " "];
    let seed = 7;
    for (let i = 0; i < 3000; i += 1) {
      let text = "";
      for (let n = 0; n < 8; n += 1) {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        text += `${pieces[seed % pieces.length]}${seed % 3 ? " " : ""}`;
      }
      try {
        passing(text);
      } catch (error) {
        expect(error, text).toBeInstanceOf(FilterError);
      }
    }
  });

  test("arbitrary text, quoting and all, ends as a filter or with a FilterError that points into it", () => {
    const random = generator(11);
    const alphabet = [..."abcor \t\n()\"'\\,<>=!~&|.0e-+#$%^*[]{}?/:;@`_\0\u00e9\ud800\u{1f600}"];
    const words = ["lr", "config.opt.name", "loss", "missing", "AND", "Or", "nOt", "in", "IS", "__proto__", "constructor", "toString", "nan", "inf", "1e999"];
    for (let i = 0; i < EXAMPLES; i += 1) {
      const pieces = Array.from({ length: 1 + random(12) }, () => (random(2) ? pick(alphabet, random) : ` ${pick(words, random)} `));
      const text = pieces.join("");
      try {
        expect(passing(text), text).toMatch(/^a?b?c?$/);
      } catch (error) {
        expect(error, text).toBeInstanceOf(FilterError);
        const { at } = error as FilterError;
        expect(at >= 0 && at <= text.length, `${at} in ${text}`).toBe(true);
      }
    }
  });

  test("and, or, not mean what they mean: both ways of saying it let the same runs pass", () => {
    const random = generator(5);
    const terms = ["lr < 0.01", "state = failed", "heron", "loss is missing", "opt.name in (adam)", "on = true", "name !~ or", "'out of memory'"];
    const grow = (depth: number): { text: string; rows: boolean[] } => {
      const kind = depth ? random(4) : 0;
      if (kind === 0) {
        const text = pick(terms, random);
        return { text, rows: ["a", "b", "c"].map((id) => passing(text).includes(id)) };
      }
      const left = grow(depth - 1);
      if (kind === 1) return { text: `not (${left.text})`, rows: left.rows.map((row) => !row) };
      const right = grow(depth - 1);
      const joint = kind === 2 ? pick(["and", "&&", "AND", ""], random) : pick(["or", "||"], random);
      const rows = left.rows.map((row, i) => (kind === 2 ? row && Boolean(right.rows[i]) : row || Boolean(right.rows[i])));
      return { text: `(${left.text}) ${joint} (${right.text})`, rows };
    };
    for (let i = 0; i < EXAMPLES / 10; i += 1) {
      const { text, rows } = grow(4);
      expect(passing(text), text).toBe(["a", "b", "c"].filter((_, row) => rows[row]).join(""));
    }
  });

  test.each([
    ["(", 20000],
    ["not ", 20000],
    ["lr < 1 and ", 20000],
    ["'", 20001],
    ["\\", 20000],
    ['"\\', 20000],
    [" ", 100000],
    ["a", 100000],
    ["in (", 20000],
    ["lr in (1,", 5000],
  ])("%s many times over is soon a filter or a FilterError", (piece, times) => {
    const begin = performance.now();
    try {
      passing(piece.repeat(times));
    } catch (error) {
      expect(error).toBeInstanceOf(FilterError);
    }
    expect(performance.now() - begin).toBeLessThan(2000);
  });

  test("a column is meant by its whole name, its parameter or metric, or an ending that only it has", () => {
    const names = ["config.opt.lr", "config.head.lr", "summary.loss", "state"];
    expect(resolveColumn("loss", names)).toBe("summary.loss");
    expect(resolveColumn("opt.lr", names)).toBe("config.opt.lr");
    expect(resolveColumn("lr", names)).toBeNull();
    expect(resolveColumn("state", names)).toBe("state");
  });
});
