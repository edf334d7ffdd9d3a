/** Which curve is under the pointer. Pure: everything is in pixels of the plot. */

import { lowerBound } from "./extent";

export interface Drawn {
  readonly run: string;
  readonly x: Float64Array;
  readonly y: Float64Array;
}

export interface Hit {
  readonly run: string;
  /** Position of the nearest point in the curve. */
  readonly index: number;
  readonly distance: number;
}

/**
 * The curve nearest to a place, at most `reach` pixels away; of equally near ones the last, which is drawn on top. `toX` and
 * `toY` turn values into pixels; `fromX` is the value at the pointer.
 */
export function nearest(
  curves: Iterable<Drawn>,
  pointer: { readonly x: number; readonly y: number; readonly valueX: number },
  toX: (value: number) => number,
  toY: (value: number) => number,
  reach: number,
): Hit | null {
  let best: Hit | null = null;
  for (const { run, x, y } of curves) {
    const n = x.length;
    if (n === 0) continue;
    const after = lowerBound(x, pointer.valueX);
    // Dense curves have several points within a pixel or two: look a little to both sides.
    for (let i = Math.max(after - 2, 0); i < Math.min(after + 2, n); i += 1) {
      const px = toX(x[i] as number);
      const py = toY(y[i] as number);
      if (!Number.isFinite(px) || !Number.isFinite(py)) continue;
      const distance = i > 0 ? toSegment(pointer, toX(x[i - 1] as number), toY(y[i - 1] as number), px, py) : Math.hypot(px - pointer.x, py - pointer.y);
      if (distance <= reach && (best === null || distance <= best.distance)) {
        const closer = i > 0 && Math.abs(toX(x[i - 1] as number) - pointer.x) < Math.abs(px - pointer.x) && Number.isFinite(toY(y[i - 1] as number));
        best = { run, index: closer ? i - 1 : i, distance };
      }
    }
  }
  return best;
}

function toSegment(p: { readonly x: number; readonly y: number }, ax: number, ay: number, bx: number, by: number): number {
  if (!Number.isFinite(ax) || !Number.isFinite(ay)) return Math.hypot(bx - p.x, by - p.y);
  const dx = bx - ax;
  const dy = by - ay;
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : Math.min(Math.max(((p.x - ax) * dx + (p.y - ay) * dy) / length, 0), 1);
  return Math.hypot(ax + along * dx - p.x, ay + along * dy - p.y);
}
