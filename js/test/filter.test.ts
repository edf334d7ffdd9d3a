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

  test("a column is meant by its whole name, its parameter or metric, or an ending that only it has", () => {
    const names = ["config.opt.lr", "config.head.lr", "summary.loss", "state"];
    expect(resolveColumn("loss", names)).toBe("summary.loss");
    expect(resolveColumn("opt.lr", names)).toBe("config.opt.lr");
    expect(resolveColumn("lr", names)).toBeNull();
    expect(resolveColumn("state", names)).toBe("state");
  });
});
