/** Lines and marks on a canvas. Breaks where there is nothing to draw: values that are not finite, or ≤ 0 on a log axis. */

import { share, type Scale } from "../scale";

/** Where the plot stands on its canvas, in its pixels. */
export interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** From values to pixels along one axis, fast: a straight line through the values or their logarithms. */
export function pixelsX(scale: Scale, frame: Frame): (value: number) => number {
  return along(scale, frame.left, frame.width);
}

export function pixelsY(scale: Scale, frame: Frame): (value: number) => number {
  return along(scale, frame.top + frame.height, -frame.height);
}

function along(scale: Scale, start: number, length: number): (value: number) => number {
  const at0 = start + length * share(scale, scale.min);
  if (scale.log) {
    const [low, high] = [Math.log(scale.min), Math.log(scale.max)];
    const times = length / (high - low);
    return (value) => (value > 0 ? at0 + (Math.log(value) - low) * times : NaN);
  }
  const times = length / (scale.max - scale.min);
  return (value) => at0 + (value - scale.min) * times;
}

/** Add a curve to the current path. A point without neighbours becomes a short dash, so that it can be seen. */
export function trace(
  ctx: CanvasRenderingContext2D,
  x: Float64Array,
  y: Float64Array,
  toX: (value: number) => number,
  toY: (value: number) => number,
): void {
  let pen = false;
  let alone = false;
  let [lastX, lastY] = [0, 0];
  for (let i = 0; i < x.length; i += 1) {
    const px = toX(x[i] as number);
    const py = toY(y[i] as number);
    if (!(px - px === 0 && py - py === 0)) {
      if (alone) dot(ctx, lastX, lastY);
      pen = alone = false;
    } else if (pen) {
      ctx.lineTo(px, py);
      alone = false;
    } else {
      ctx.moveTo(px, py);
      pen = alone = true;
    }
    [lastX, lastY] = [px, py];
  }
  if (alone) dot(ctx, lastX, lastY);
}

function dot(ctx: CanvasRenderingContext2D, x: number, y: number): void {
  ctx.moveTo(x - 1.5, y);
  ctx.lineTo(x + 1.5, y);
}

/** ✕ around a place. */
export function cross(ctx: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  ctx.moveTo(x - size, y - size);
  ctx.lineTo(x + size, y + size);
  ctx.moveTo(x - size, y + size);
  ctx.lineTo(x + size, y - size);
}

/** ★ around a place. */
export function star(ctx: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  for (let i = 0; i < 10; i += 1) {
    const reach = i % 2 ? size * 0.42 : size;
    const turn = (i * Math.PI) / 5 - Math.PI / 2;
    const [px, py] = [x + reach * Math.cos(turn), y + reach * Math.sin(turn)];
    if (i === 0) ctx.moveTo(px, py);
    else ctx.lineTo(px, py);
  }
  ctx.closePath();
}
