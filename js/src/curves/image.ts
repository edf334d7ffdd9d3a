/** The curves as a picture to keep: the plot on its ground, what it shows above it, and whose curves these are below. */

import type { Connection } from "../connection";
import { CURVE_STRINGS } from "../curvestrings";
import type { RunTable } from "../runtable";
import { download } from "../shell/menus";
import type { CurvesModel } from "./model";
import type { Picture } from "./picture";

const S = CURVE_STRINGS;
const MOST_NAMED = 24;
const LINE = 20;
const EDGE = 14;

export interface Entry {
  /** null: of those that have no colour of their own. */
  readonly run: string | null;
  readonly text: string;
}

/** Whose curves are coloured, those that stand out most first. */
export function legendOf({ lines }: Picture, nameOf: (run: string) => string): Entry[] {
  const named = lines.filter((line) => line.colored).reverse();
  const shown = named.slice(0, MOST_NAMED).map(({ run, best }) => ({ run, text: `${nameOf(run)}${best ? " ★" : ""}` }));
  const others = lines.length - shown.length;
  return others > 0 ? [...shown, { run: null, text: S.more(others) }] : shown;
}

/** Where texts of these widths stand when they are broken into lines; `lines` of them. */
export function flowed(widths: readonly number[], room: number): { places: { x: number; line: number }[]; lines: number } {
  let [x, line] = [0, 0];
  const places = widths.map((width) => {
    if (x > 0 && x + width > room) [x, line] = [0, line + 1];
    const place = { x, line };
    x += width;
    return place;
  });
  return { places, lines: widths.length > 0 ? line + 1 : 0 };
}

/** Nothing happens while nothing is drawn. */
export async function saveImage({ state }: Connection, model: CurvesModel): Promise<void> {
  const title = [S.over(model.metric.peek(), model.x.peek()), state.sweep.peek()?.name ?? "", state.id.peek()];
  const blob = await new Promise<Blob | null>((made) => {
    const canvas = imageOf(model, state.runs, title.filter((part) => part !== "").join(" · "));
    if (canvas) canvas.toBlob(made, "image/png");
    else made(null);
  });
  if (!blob) return;
  const name = `sweep-${state.id.peek()}-${model.metric.peek()}`.replace(/[^\w.-]+/g, "_");
  download(`${name}.png`, "image/png", await blob.arrayBuffer());
}

function imageOf({ plot }: CurvesModel, runs: RunTable, title: string): HTMLCanvasElement | null {
  const image = document.createElement("canvas");
  const ctx = image.getContext("2d");
  if (!plot || !ctx) return null;
  const { canvas, inks } = plot;
  const ratio = devicePixelRatio;
  const room = canvas.width / ratio - 2 * EDGE;
  const entries = legendOf(plot.scene.picture, (run) => `${S.run(runs.text(run, "number"))} ${runs.text(run, "name")}`);
  ctx.font = inks.font;
  const { places, lines } = flowed(entries.map(({ text }) => ctx.measureText(text).width + 40), room);
  const top = LINE + EDGE;
  image.width = canvas.width;
  image.height = canvas.height + (top + lines * LINE + EDGE) * ratio;
  ctx.fillStyle = inks.ground;
  ctx.fillRect(0, 0, image.width, image.height);
  ctx.drawImage(canvas, 0, top * ratio);
  ctx.scale(ratio, ratio);
  ctx.font = inks.font; // a canvas that gets a size forgets all else
  ctx.textBaseline = "middle";
  ctx.fillStyle = inks.text;
  ctx.fillText(title, EDGE, EDGE + LINE / 2, room);
  const below = top + canvas.height / ratio + EDGE / 2;
  entries.forEach(({ run, text }, i) => {
    const { x, line } = places[i] as { x: number; line: number };
    const [left, middle] = [EDGE + x, below + (line + 0.5) * LINE];
    ctx.fillStyle = run === null ? inks.grey : inks.run(run);
    ctx.fillRect(left, middle - 1.5, 16, 3);
    ctx.fillStyle = inks.text;
    ctx.fillText(text, left + 22, middle, room - 22);
  });
  return image;
}
