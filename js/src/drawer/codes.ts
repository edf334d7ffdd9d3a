/** Which runs ran the same code. Pure. */

import type { RunTable } from "../runtable";

/** Numbers of the runs that ran this code, in order. */
export function numbersOf(runs: RunTable, wanted: string): number[] {
  const [code, number] = [runs.column("code"), runs.column("number")];
  const found: number[] = [];
  for (let row = 0; row < runs.size; row += 1) if (code(row) === wanted) found.push(Number(number(row)));
  return found.sort((a, b) => a - b);
}

/** `1–3, 5`; of many pieces the first and the last. */
export function rangesText(numbers: readonly number[], most = 6): string {
  const ranges: [number, number][] = [];
  for (const n of numbers) {
    const last = ranges.at(-1);
    if (last && n === last[1] + 1) last[1] = n;
    else ranges.push([n, n]);
  }
  const texts = ranges.map(([from, to]) => (from === to ? String(from) : `${from}–${to}`));
  return texts.length > most ? [...texts.slice(0, most - 1), "…", texts.at(-1)].join(", ") : texts.join(", ");
}
