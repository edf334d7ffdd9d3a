/** Which values a place in a figure stands for, where its axes are parameters. Pure but for plotly's axes. */

import { numberText, valueText } from "../format";
import type { Config, Json, ParameterInfo } from "../protocol";
import type { FullAxis, FullLayout } from "./plotly";

export interface Place {
  readonly info: ParameterInfo;
  readonly value: Json;
}

/** The parameters and values under a place, in pixels of the figure; empty where no axis is a parameter. */
export function valuesAt(layout: FullLayout, x: number, y: number, infos: readonly ParameterInfo[]): Place[] {
  for (const { xaxis, yaxis } of Object.values(layout._plots)) {
    const [inX, inY] = [x - xaxis._offset, y - yaxis._offset];
    if (inX < 0 || inY < 0 || inX > xaxis._length || inY > yaxis._length) continue;
    return [along(xaxis, inX, infos), along(yaxis, inY, infos)].filter((place): place is Place => place !== null);
  }
  return [];
}

function along(axis: FullAxis, pixel: number, infos: readonly ParameterInfo[]): Place | null {
  const title = unescaped(axis.title?.text ?? "");
  const info = infos.find((candidate) => isNamed(candidate.path.join("."), title));
  if (!info || info.constant) return null;
  const value = valueOf(axis, axis.p2d(pixel), info);
  return value === undefined ? null : { info, value };
}

function isNamed(name: string, title: string): boolean {
  return title.endsWith("…") ? name.startsWith(title.slice(0, -1)) : name === title;
}

function valueOf(axis: FullAxis, at: number | string, info: ParameterInfo): Json | undefined {
  const { tickvals, ticktext } = axis;
  if (tickvals && ticktext && typeof at === "number" && info.values) {
    let nearest = 0;
    tickvals.forEach((tick, i) => {
      if (Math.abs(tick - at) < Math.abs((tickvals[nearest] as number) - at)) nearest = i;
    });
    const text = unescaped(ticktext[nearest] ?? "");
    const named = info.values.find((value) => valueText(value) === text || String(value) === text);
    if (named !== undefined) return named;
  }
  if (typeof at === "string") return info.values?.find((value) => valueText(value) === at || String(value) === at);
  if (!info.ordinal || !Number.isFinite(at)) return undefined;
  return drawable(at, info);
}

/** The nearest value that the parameter can have, with as many digits as a pointer can mean. */
export function drawable(value: number, info: ParameterInfo): number {
  const limited = Math.min(Math.max(value, info.min ?? -Infinity), info.max ?? Infinity);
  const numbers = info.values?.filter((choice): choice is number => typeof choice === "number") ?? [];
  if (numbers.length > 0) return numbers.reduce((best, choice) => (Math.abs(choice - limited) < Math.abs(best - limited) ? choice : best));
  if (info.distribution === "int_uniform") return Math.round(limited);
  return Number(limited.toPrecision(3));
}

export function placeText(places: readonly Place[]): string {
  return places.map(({ info, value }) => `${info.path.join(".")} = ${typeof value === "number" ? numberText(value) : valueText(value)}`).join(", ");
}

/** A configuration with these values in it. */
export function withValues(config: Config, places: readonly Place[]): Config {
  return places.reduce<Config>((result, { info, value }) => inside(result, info.path, value), config);
}

function inside(config: Config, path: readonly string[], value: Json): Config {
  const [key, ...rest] = path;
  if (key === undefined) return config;
  const inner = config[key];
  const isDict = typeof inner === "object" && inner !== null && !Array.isArray(inner);
  return { ...config, [key]: rest.length === 0 ? value : inside(isDict ? inner : {}, rest, value) };
}

/** Titles are escaped for plotly, which reads some markup. */
function unescaped(text: string): string {
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}
