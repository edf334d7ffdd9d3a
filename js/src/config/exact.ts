/**
 * JSON whose numbers keep the text they were written in.
 *
 * To Python 1.0 is not 1 (`{"min": 0.0, "max": 1.0}` is a uniform parameter, `{"min": 0, "max": 1}` an integer one), and 2**60 is
 * exact. JavaScript's numbers can say neither, so a configuration lives in the page as these values from the kernel's text to
 * the kernel's text. Everything here is immutable.
 */

import { isInteger, isNumber, NUMBER, numberOf, WORDS } from "../numbers";
import type { Json } from "../protocol";

/** A number as it was written: `1e-4`, `1.0`, `NaN`. The text may be half typed: then `isNumber` is false. */
export class Numeral {
  constructor(readonly text: string) {}

  get value(): number {
    return numberOf(this.text);
  }
}

/** An object that keeps the order of its keys, whatever they look like. */
export class Dict {
  constructor(readonly entries: readonly Entry[] = []) {}

  get(key: string): Exact | undefined {
    return this.entries.find(([name]) => name === key)?.[1];
  }

  has(key: string): boolean {
    return this.entries.some(([name]) => name === key);
  }

  get keys(): string[] {
    return this.entries.map(([name]) => name);
  }
}

export type Entry = readonly [key: string, value: Exact];
export type Exact = null | boolean | string | Numeral | readonly Exact[] | Dict;

export function isDict(value: Exact | undefined): value is Dict {
  return value instanceof Dict;
}

export function isList(value: Exact | undefined): value is readonly Exact[] {
  return Array.isArray(value);
}

export function dict(entries: { readonly [key: string]: Exact }): Dict {
  return new Dict(Object.entries(entries));
}

/** The same, to the letter: 1 is not 1.0, and the order of keys matters only to people. */
export function equal(a: Exact | undefined, b: Exact | undefined): boolean {
  if (a === b) return true;
  if (a instanceof Numeral && b instanceof Numeral) return a.text === b.text || sameNumber(a.text, b.text);
  if (isList(a) && isList(b)) return a.length === b.length && a.every((item, i) => equal(item, b[i]));
  if (isDict(a) && isDict(b)) {
    return a.entries.length === b.entries.length && a.entries.every(([key, item]) => equal(item, b.get(key)));
  }
  return false;
}

/** 1e-3 is 0.001, but 1 is not 1.0. Large integers are told apart by their digits. */
function sameNumber(a: string, b: string): boolean {
  if (isInteger(a) !== isInteger(b)) return false;
  if (isInteger(a)) return digits(a) === digits(b);
  return isNumber(a) && isNumber(b) && numberOf(a) === numberOf(b);
}

function digits(text: string): string {
  return text.replaceAll("_", "").replace(/^\+/, "");
}

// -- from and to JavaScript ------------------------------------------------------------------------------------------------

/** Of plain values. Whole numbers become integers: JavaScript does not know better. */
export function fromJson(value: Json): Exact {
  if (typeof value === "number") return new Numeral(numberText(value));
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value === "object" && value !== null) {
    return new Dict(Object.entries(value).map(([key, item]): Entry => [key, fromJson(item)]));
  }
  return value;
}

export function toJson(value: Exact): Json {
  if (value instanceof Numeral) return isNumber(value.text) || Object.hasOwn(WORDS, value.text) ? value.value : value.text;
  if (isList(value)) return value.map(toJson);
  if (isDict(value)) return Object.fromEntries(value.entries.map(([key, item]) => [key, toJson(item)]));
  return value;
}

function numberText(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? BigInt(value).toString() : String(value);
}

/** JSON text for the kernel. What is no number (yet) goes as a string, about which the kernel has the right words. */
export function toText(value: Exact, indent = 0): string {
  const text = write(value, indent, "\n");
  return text;
}

function write(value: Exact, indent: number, newline: string): string {
  if (value instanceof Numeral) return jsonNumber(value.text);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  const inner = newline + " ".repeat(indent);
  const [open, close] = isDict(value) ? ["{", "}"] : ["[", "]"];
  const items = isDict(value)
    ? value.entries.map(([key, item]) => `${JSON.stringify(key)}: ${write(item, indent, inner)}`)
    : (value as readonly Exact[]).map((item) => write(item, indent, inner));
  if (items.length === 0) return open + close;
  return indent ? `${open}${inner}${items.join(`,${inner}`)}${newline}${close}` : `${open}${items.join(", ")}${close}`;
}

/** JSON is stricter than Python about numbers: no `.5`, `5.`, `+1`, `1_000`, `007`. */
function jsonNumber(text: string): string {
  const word = WORDS[text];
  if (word !== undefined) return Number.isNaN(word) ? "NaN" : word > 0 ? "Infinity" : "-Infinity";
  if (!NUMBER.test(text)) return JSON.stringify(text);
  const [, sign = "", whole = "", fraction, power = ""] = /^([-+]?)([\d_]*)(?:\.(\d*))?(.*)$/.exec(text) ?? [];
  const digits = whole.replaceAll("_", "").replace(/^0+(?=\d)/, "") || "0";
  return `${sign === "-" ? "-" : ""}${digits}${fraction === undefined ? "" : `.${fraction || "0"}`}${power}`;
}
