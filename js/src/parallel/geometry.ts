/** Lines between axes, in pixels. Pure. */

import type { Strand } from "./model";

export interface Room {
  /** Where the axes stand. */
  readonly x: readonly number[];
  readonly top: number;
  readonly bottom: number;
}

export function roomFor(axes: number, width: number, height: number, least = 92): Room & { readonly width: number } {
  const [side, top, under] = [48, 12, 22];
  const wide = Math.max(width, 2 * side + least * Math.max(axes - 1, 0));
  const step = axes > 1 ? (wide - 2 * side) / (axes - 1) : 0;
  return { width: wide, x: Array.from({ length: axes }, (_, i) => (axes > 1 ? side + i * step : wide / 2)), top, bottom: height - under };
}

export function pixelY(room: Room, at: number): number {
  return room.bottom - at * (room.bottom - room.top);
}

export function shareAt(room: Room, y: number): number {
  return (room.bottom - y) / (room.bottom - room.top);
}

/** The path of one strand; it has a gap where a value is missing. */
export function pathOf(strand: Strand, room: Room): string {
  let path = "";
  let pen = false;
  for (let i = 0; i < strand.at.length; i += 1) {
    const at = strand.at[i] as number;
    if (Number.isNaN(at)) {
      pen = false;
      continue;
    }
    const alone = !pen && Number.isNaN(strand.at[i + 1] ?? NaN);
    path += `${pen ? "L" : "M"}${round(room.x[i] as number)} ${round(pixelY(room, at))}`;
    // A value between two gaps would not be seen.
    if (alone) path += "m-4 0h8";
    pen = true;
  }
  return path;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** The strand that passes nearest to a place, at most `reach` pixels away; of equally near ones the last painted. */
export function nearestStrand(strands: readonly Strand[], room: Room, x: number, y: number, reach: number): Strand | null {
  const right = room.x.findIndex((at) => at >= x);
  const j = right < 0 ? room.x.length - 1 : right;
  const i = Math.max(j - 1, 0);
  const [from, to] = [room.x[i] as number, room.x[j] as number];
  const along = to > from ? (x - from) / (to - from) : 0;
  let best: Strand | null = null;
  let distance = reach;
  for (const strand of strands) {
    if (!strand.kept) continue;
    const [a, b] = [strand.at[i] as number, strand.at[j] as number];
    const here = i === j ? a : a + Math.min(Math.max(along, 0), 1) * (b - a);
    const away = Math.abs(pixelY(room, here) - y);
    if (away <= distance) [best, distance] = [strand, away];
  }
  return best;
}
