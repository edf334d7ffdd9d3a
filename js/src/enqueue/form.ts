/** A run's configuration as fields: where it starts from, what was typed, what is odd about it. Pure. */

import { at, put } from "../config/edit";
import { fromJson, Numeral, toJson, type Exact } from "../config/exact";
import { isInteger, isNumber } from "../numbers";
import { readValue, showValue } from "../config/values";
import { numberText } from "../format";
import { PANEL_STRINGS } from "../panelstrings";
import type { Config, Json, ParameterInfo } from "../protocol";
import { valueAt } from "../scale";

const S = PANEL_STRINGS.enqueue;

/** What stands in the fields, by column; "" is no value. */
export type Typed = { readonly [column: string]: string };

export function typedOf(config: Config, infos: readonly ParameterInfo[]): Typed {
  const exact = fromJson(config);
  return Object.fromEntries(infos.map((info) => [info.column, shown(at(exact, info.path), info)]));
}

/** A uniform parameter is a float, even where JavaScript took its point away. */
function shown(value: Exact | undefined, info: ParameterInfo): string {
  if (value === undefined) return "";
  const text = showValue(value);
  return info.distribution === "uniform" && value instanceof Numeral && isInteger(text) ? `${text}.0` : text;
}

/** The middle of the space: something to start from before there is any run. */
export function middle(infos: readonly ParameterInfo[]): Config {
  return infos.reduce<Config>((config, info) => toJson(put(fromJson(config), info.path, fromJson(middleOf(info)))) as Config, {});
}

function middleOf(info: ParameterInfo): Json {
  const values = info.values ?? [];
  if (values.length > 0) return values[Math.floor((values.length - 1) / 2)] ?? null;
  if (info.min === null || info.max === null) return 0;
  const half = valueAt({ log: info.log && info.min > 0, min: info.min, max: info.max }, 0.5);
  return info.distribution === "int_uniform" ? Math.round(half) : Number(half.toPrecision(3));
}

/** What is sent: every field that has something in it, nested as the training function wants it. */
export function configFrom(typed: Typed, infos: readonly ParameterInfo[]): Exact {
  return infos.reduce<Exact>((config, info) => {
    const text = (typed[info.column] ?? "").trim();
    return text === "" ? config : put(config, info.path, valueOf(text, info));
  }, fromJson({}));
}

/** A choice is what it says; where only numbers are drawn, what is typed is one. */
export function valueOf(text: string, info: ParameterInfo): Exact {
  const choice = info.values?.find((value) => showValue(fromJson(value)) === text);
  return choice === undefined ? readValue(text) : fromJson(choice);
}

export interface Doubt {
  readonly message: string;
  /** It cannot be sent so. */
  readonly fatal: boolean;
}

export function doubtOf(text: string, info: ParameterInfo): Doubt | null {
  const typed = text.trim();
  // Conditions may leave a parameter out: the kernel knows.
  if (typed === "" || !info.ordinal) return null;
  if (!isNumber(typed)) return { message: S.notNumber, fatal: true };
  const value = Number(typed.replaceAll("_", ""));
  if (info.distribution === "int_uniform" && !Number.isInteger(value)) return { message: S.notInteger, fatal: false };
  const low = info.min ?? -Infinity;
  const high = info.max ?? Infinity;
  const slack = 1e-9 * Math.max(Math.abs(value), 1e-300);
  return value < low - slack || value > high + slack ? { message: S.outside(numberText(low), numberText(high)), fatal: false } : null;
}
