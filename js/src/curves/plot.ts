/**
 * The plot of curves: uPlot draws axes, grid and selection; the curves are painted here, because every run has an x of its own.
 *
 * What is under the pointer is painted on a second canvas above, so that hovering never redraws the rest.
 */

import uPlot from "uplot";
import { cross, pixelsX, pixelsY, star, trace, type Frame } from "./canvas";
import { durationText } from "../format";
import { nearest, type Hit } from "./nearest";
import type { Line, Picture } from "./picture";
import { ticks, tickText, timeTicks, valueAt, type Scale } from "../scale";

export interface Inks {
  readonly text: string;
  readonly grid: string;
  readonly grey: string;
  readonly ground: string;
  readonly font: string;
  readonly run: (run: string) => string;
}

/** Everything that is drawn. */
export interface Scene {
  readonly picture: Picture;
  readonly x: Scale;
  readonly y: Scale;
  /** x is seconds. */
  readonly time: boolean;
  readonly hovered: string | null;
}

export interface Heard {
  /** A rectangle was drawn: its x, and its y if it is not the whole height. */
  zoom(x: [number, number], y: [number, number] | null): void;
  reset(): void;
  hover(hit: Hit | null): void;
  /** A click on a curve; `more`: with Ctrl, ⌘ or Shift. */
  pick(run: string | null, more: boolean): void;
}

const REACH = 24;
const WIDTHS = { plain: 1, running: 1.4, best: 2.5, pinned: 2, selected: 2 } as const;

export class CurvePlot {
  readonly #host: HTMLElement;
  readonly #heard: Heard;
  readonly #above = document.createElement("canvas");
  #plot: uPlot;
  #scene: Scene;
  #inks: Inks;
  #dragged = false;
  /** Milliseconds that the last drawing took. */
  cost = 0;

  constructor(host: HTMLElement, width: number, height: number, scene: Scene, inks: Inks, heard: Heard) {
    this.#host = host;
    this.#scene = scene;
    this.#inks = inks;
    this.#heard = heard;
    this.#above.className = "sw-curves-above";
    this.#plot = this.#made(width, height);
  }

  #made(width: number, height: number): uPlot {
    const plot = new uPlot(this.#options(width, height), [[0], [null]], this.#host);
    plot.over.append(this.#above);
    this.#listen(plot.over);
    this.#sizeAbove(plot);
    this.#paintAbove();
    return plot;
  }

  get scene(): Scene {
    return this.#scene;
  }

  get inks(): Inks {
    return this.#inks;
  }

  /** Axes and curves as they were painted last, on no ground. */
  get canvas(): HTMLCanvasElement {
    return this.#plot.ctx.canvas;
  }

  show(scene: Scene): void {
    const other = scene.x.log !== this.#scene.x.log || scene.y.log !== this.#scene.y.log;
    this.#scene = scene;
    if (other) {
      // uPlot's scales are linear or logarithmic for life.
      const { width, height } = this.#plot;
      this.#plot.destroy();
      this.#plot = this.#made(width, height);
      return;
    }
    this.#plot.batch(() => {
      this.#plot.setScale("x", { min: scene.x.min, max: scene.x.max });
      this.#plot.setScale("y", { min: scene.y.min, max: scene.y.max });
    });
    // The scales may be as they were; the curves are not.
    this.#plot.redraw(false, true);
    this.#paintAbove();
  }

  /** Only another curve is under the pointer, here or in the table. */
  hover(run: string | null): void {
    if (run === this.#scene.hovered) return;
    this.#scene = { ...this.#scene, hovered: run };
    this.#paintAbove();
  }

  ink(inks: Inks): void {
    this.#inks = inks;
    this.#plot.redraw(false, true);
    this.#paintAbove();
  }

  resize(width: number, height: number): void {
    this.#plot.setSize({ width, height });
    this.#sizeAbove(this.#plot);
    this.#paintAbove();
  }

  destroy(): void {
    this.#plot.destroy();
  }

  // -- uPlot ------------------------------------------------------------------------------------------------------------

  #options(width: number, height: number): uPlot.Options {
    const { x, y } = this.#scene;
    const axis = (isX: boolean): uPlot.Axis => ({
      stroke: () => this.#inks.text,
      font: this.#inks.font,
      grid: { stroke: () => this.#inks.grid, width: 1 },
      ticks: { show: false },
      gap: isX ? 4 : 6,
      size: isX ? 26 : 58,
      splits: (plot) => this.#ticks(isX, (isX ? plot.bbox.width / 85 : plot.bbox.height / 42) / devicePixelRatio),
      values: (_, values) => values.map(isX && this.#scene.time ? durationText : tickText),
    });
    return {
      width,
      height,
      pxAlign: 0,
      padding: [10, 14, 0, 0],
      legend: { show: false },
      cursor: {
        x: true,
        y: false,
        points: { show: false },
        drag: { x: true, y: true, uni: 24, setScale: false, dist: 6 },
        bind: { dblclick: () => () => null },
      },
      scales: {
        x: { time: false, auto: false, distr: x.log ? 3 : 1, min: x.min, max: x.max, range: (_, min, max) => [min, max] },
        y: { auto: false, distr: y.log ? 3 : 1, min: y.min, max: y.max, range: (_, min, max) => [min, max] },
      },
      series: [{}, { scale: "y", paths: () => null, points: { show: false } }],
      axes: [axis(true), axis(false)],
      hooks: {
        draw: [(plot) => this.#paint(plot)],
        setSelect: [(plot) => this.#selected(plot)],
      },
    };
  }

  #ticks(isX: boolean, count: number): number[] {
    const scale = isX ? this.#scene.x : this.#scene.y;
    return isX && this.#scene.time && !scale.log ? timeTicks(scale.min, scale.max, count) : ticks(scale, count);
  }

  #selected(plot: uPlot): void {
    const { left, top, width, height } = plot.select;
    if (width < 4 && height < 4) return;
    this.#dragged = true;
    const { x, y } = this.#scene;
    const whole = { x: plot.over.clientWidth, y: plot.over.clientHeight };
    const tall = height >= whole.y - 1;
    const wide = width >= whole.x - 1;
    const xs: [number, number] = wide ? [x.min, x.max] : [valueAt(x, left / whole.x), valueAt(x, (left + width) / whole.x)];
    const ys: [number, number] | null = tall ? null : [valueAt(y, 1 - (top + height) / whole.y), valueAt(y, 1 - top / whole.y)];
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#heard.zoom(xs, ys);
  }

  // -- painting -----------------------------------------------------------------------------------------------------------

  #paint(plot: uPlot): void {
    const began = performance.now();
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    this.#paintRungs(ctx, bbox);
    this.#paintLines(ctx, bbox);
    ctx.restore();
    this.cost = performance.now() - began;
  }

  #paintRungs(ctx: CanvasRenderingContext2D, frame: Frame): void {
    const { picture, x } = this.#scene;
    const toX = pixelsX(x, frame);
    const ratio = devicePixelRatio;
    ctx.strokeStyle = ctx.fillStyle = this.#inks.text;
    ctx.lineWidth = ratio;
    ctx.font = this.#inks.font.replace(/^[\d.]+px/, `${11 * ratio}px`);
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    ctx.globalAlpha = 0.55;
    let free = -Infinity;
    for (const { rung, x: value } of picture.rungs) {
      const at = toX(value);
      if (!(at >= frame.left && at <= frame.left + frame.width)) continue;
      ctx.setLineDash([2 * ratio, 4 * ratio]);
      ctx.beginPath();
      ctx.moveTo(at, frame.top);
      ctx.lineTo(at, frame.top + frame.height);
      ctx.stroke();
      const label = `▾${rung}`;
      if (at < free) continue;
      ctx.fillText(label, at + 3 * ratio, frame.top + 1 * ratio);
      free = at + ctx.measureText(label).width + 8 * ratio;
    }
    ctx.setLineDash([]);
    ctx.globalAlpha = 1;
  }

  #paintLines(ctx: CanvasRenderingContext2D, frame: Frame): void {
    const { picture, x, y } = this.#scene;
    const [toX, toY] = [pixelsX(x, frame), pixelsY(y, frame)];
    const ratio = devicePixelRatio;
    const bottom = frame.top + frame.height;
    ctx.lineJoin = "bevel";
    // Many grey lines would make one grey plane.
    const faint = Math.min(0.38, 2.6 / Math.sqrt(picture.lines.length));
    for (const line of picture.lines) {
      const ink = this.#inkOf(line);
      ctx.strokeStyle = ink;
      // Where there is no GPU, a line of one pixel costs a fraction of a wider one.
      const thin = picture.crowded && (line.emphasis === "selected" || line.emphasis === "running");
      ctx.lineWidth = (thin ? WIDTHS.plain : WIDTHS[line.emphasis]) * ratio;
      const alpha = line.colored ? 1 : faint;
      if (line.raw !== line.y) {
        ctx.globalAlpha = alpha * 0.2;
        ctx.beginPath();
        trace(ctx, line.x, line.raw, toX, toY);
        ctx.stroke();
      }
      ctx.globalAlpha = alpha;
      ctx.setLineDash(line.emphasis === "pinned" ? [6 * ratio, 4 * ratio] : []);
      ctx.beginPath();
      trace(ctx, line.x, line.y, toX, toY);
      ctx.stroke();
      ctx.setLineDash([]);
      this.#paintMarks(ctx, line, toX, toY, bottom);
    }
    const best = picture.lines.find((line) => line.best);
    if (best) this.#paintStar(ctx, best, toX, toY);
    ctx.globalAlpha = 1;
  }

  #paintMarks(ctx: CanvasRenderingContext2D, line: Line, toX: (v: number) => number, toY: (v: number) => number, bottom: number): void {
    const size = 3.2 * devicePixelRatio;
    const places: [number, number][] = line.odd.map((mark) => [toX(mark.x), toY(mark.y)]);
    if (line.cut && line.x.length) places.push([toX(line.x.at(-1) as number), toY(line.y.at(-1) as number)]);
    if (!places.length) return;
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.globalAlpha = Math.max(ctx.globalAlpha, 0.75);
    ctx.beginPath();
    for (const [px, py] of places) cross(ctx, px, Number.isFinite(py) ? py : bottom - size, size);
    ctx.stroke();
  }

  /** At the end of the best curve. */
  #paintStar(ctx: CanvasRenderingContext2D, line: Line, toX: (v: number) => number, toY: (v: number) => number): void {
    let last = line.x.length - 1;
    while (last >= 0 && !Number.isFinite(toY(line.y[last] as number))) last -= 1;
    if (last < 0) return;
    const [px, py] = [toX(line.x[last] as number), toY(line.y[last] as number)];
    ctx.globalAlpha = 1;
    ctx.beginPath();
    star(ctx, px, py, 6.5 * devicePixelRatio);
    ctx.fillStyle = this.#inks.run(line.run);
    ctx.strokeStyle = this.#inks.ground;
    ctx.lineWidth = 3 * devicePixelRatio;
    ctx.stroke();
    ctx.fill();
  }

  #inkOf(line: Line): string {
    return line.colored ? this.#inks.run(line.run) : this.#inks.grey;
  }

  // -- above: what is under the pointer -----------------------------------------------------------------------------------

  #sizeAbove({ bbox }: uPlot): void {
    this.#above.width = bbox.width;
    this.#above.height = bbox.height;
    this.#above.style.width = `${bbox.width / devicePixelRatio}px`;
    this.#above.style.height = `${bbox.height / devicePixelRatio}px`;
  }

  #paintAbove(): void {
    const ctx = this.#above.getContext("2d");
    if (!ctx) return;
    const { width, height } = this.#above;
    ctx.clearRect(0, 0, width, height);
    const { picture, hovered, x, y } = this.#scene;
    const line = hovered === null ? undefined : picture.lines.find((candidate) => candidate.run === hovered);
    if (!line) return;
    const frame = { left: 0, top: 0, width, height };
    ctx.lineJoin = "round";
    for (const [ink, times] of [[this.#inks.ground, 3], [this.#inks.run(line.run), 1]] as const) {
      ctx.strokeStyle = ink;
      ctx.lineWidth = (times === 1 ? 2.2 : 5.5) * devicePixelRatio;
      ctx.beginPath();
      trace(ctx, line.x, line.y, pixelsX(x, frame), pixelsY(y, frame));
      ctx.stroke();
    }
  }

  // -- the pointer --------------------------------------------------------------------------------------------------------

  #listen(over: HTMLElement): void {
    let frame = 0;
    let last: PointerEvent | null = null;
    over.addEventListener("pointermove", (event) => {
      last = event;
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        if (last) this.#heard.hover(this.#hit(last));
      });
    });
    over.addEventListener("pointerleave", () => {
      last = null;
      this.#heard.hover(null);
    });
    over.addEventListener("pointerdown", () => {
      this.#dragged = false;
    });
    over.addEventListener("click", (event) => {
      if (this.#dragged) return;
      this.#heard.pick(this.#hit(event)?.run ?? null, event.ctrlKey || event.metaKey || event.shiftKey);
    });
    over.addEventListener("dblclick", () => this.#heard.reset());
  }

  #hit(event: MouseEvent): Hit | null {
    const over = this.#plot.over.getBoundingClientRect();
    if (over.width === 0) return null;
    const frame = { left: 0, top: 0, width: over.width, height: over.height };
    const { picture, x, y } = this.#scene;
    const at = { x: event.clientX - over.left, y: event.clientY - over.top };
    const pointer = { ...at, valueX: valueAt(x, at.x / over.width) };
    return nearest(picture.lines, pointer, pixelsX(x, frame), pixelsY(y, frame), REACH);
  }
}
