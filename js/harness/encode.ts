/** Tables and curves as the kernel sends them: numbers in one buffer, the rest in the head. */

import { marked } from "../src/json";
import type { Column, Json, Table } from "../src/protocol";

export class Buffer {
  #size = 0;
  readonly #pieces: [number, Uint8Array][] = [];

  add(array: Float64Array | Int32Array | Uint8Array): number {
    const at = this.#size;
    this.#pieces.push([at, new Uint8Array(array.buffer, array.byteOffset, array.byteLength)]);
    this.#size += Math.ceil(array.byteLength / 8) * 8;
    return at;
  }

  joined(): ArrayBuffer {
    const all = new Uint8Array(this.#size);
    for (const [at, piece] of this.#pieces) all.set(piece, at);
    return all.buffer;
  }
}

export type Row = { [column: string]: Json | undefined };

export function table(rows: readonly Row[], buffer: Buffer): Table {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return { n: rows.length, left_out: 0, columns: names.map((name) => column(name, rows.map((row) => row[name]), buffer)) };
}

function column(name: string, cells: readonly (Json | undefined)[], buffer: Buffer): Column {
  if (cells.every((cell) => typeof cell === "number" || cell === undefined)) {
    const at = buffer.add(Float64Array.from(cells, (cell) => (typeof cell === "number" ? cell : 0)));
    if (!cells.includes(undefined)) return { name, kind: "number", at };
    return { name, kind: "number", at, missing: buffer.add(Uint8Array.from(cells, (cell) => (cell === undefined ? 1 : 0))) };
  }
  const codes = new Map<string, number>();
  const values: Json[] = [];
  const coded = Int32Array.from(cells, (cell) => {
    if (cell === undefined) return -1;
    const key = JSON.stringify(marked(cell));
    let code = codes.get(key);
    if (code === undefined) {
      codes.set(key, (code = values.length));
      values.push(marked(cell));
    }
    return code;
  });
  return { name, kind: "value", values, codes: buffer.add(coded) };
}
