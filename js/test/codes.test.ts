import { expect, test } from "vitest";
import { Buffer, table } from "../harness/encode";
import { provenanceRows, sourceOf, whereOf } from "../src/drawer/provenance";
import { numbersOf, rangesText } from "../src/drawer/codes";
import { codesDiffer } from "../src/runs/columns";
import { RunTable } from "../src/runtable";

function runs(codes: readonly (string | undefined)[]): RunTable {
  const buffer = new Buffer();
  const known = new RunTable();
  const rows = codes.map((code, i) => ({ id: `r${i}`, number: i + 1, ...(code === undefined ? {} : { code }) }));
  known.replace(table(rows, buffer), buffer.joined());
  return known;
}

test("Runs that have not begun have no code, and so none that differs.", () => {
  expect(codesDiffer(runs(["a@1", undefined, "a@1"]))).toBe(false);
  expect(codesDiffer(runs([undefined]))).toBe(false);
  expect(codesDiffer(runs(["a@1", undefined, "a@2"]))).toBe(true);
});

test("The runs of one code are told by their numbers, in ranges.", () => {
  expect(numbersOf(runs(["a", "b", "a", "a"]), "a")).toEqual([1, 3, 4]);
  expect(rangesText([1, 3, 4, 5])).toBe("1, 3–5");
  expect(rangesText([])).toBe("");
  expect(rangesText([1, 3, 5, 7, 9, 11, 13, 15])).toBe("1, 3, 5, 7, 9, …, 15");
});

test("Where a run's code stands is told in words, its source and packages not as JSON.", () => {
  const facts = {
    function: { name: "__main__.train", where: "In[7]", line: 3, source: "def train(): ...", code: "a1f3" },
    git: { branch: "main", commit: "0123456789abcdef", dirty: true, remote: "" },
    packages: { numpy: "2.1" },
    host: "box",
  };
  expect(Object.fromEntries(provenanceRows(facts).filter(([, text]) => text !== ""))).toEqual({
    function: "__main__.train · In[7] · line 3",
    git: "main · 0123456789 · with changes",
    host: "box",
    packages: "numpy 2.1",
  });
  expect([whereOf(facts), sourceOf(facts)]).toEqual(["In[7]", "def train(): ..."]);
  expect([whereOf({}), sourceOf({})]).toEqual(["", ""]);
});
