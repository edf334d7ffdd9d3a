/** One value in a text field: `16` and `1e-4` are numbers, `relu` a text, `true` and `null` what they say; quotes make a text of anything. */

import { isDict, isList, Numeral, toText, type Exact } from "./exact";
import { isNumber } from "../numbers";
import { readLiteral } from "./literal";

/** What was typed, as a value. Whatever is typed is one: text is the last resort. */
export function readValue(typed: string): Exact {
  const text = typed.trim();
  if (isNumber(text)) return new Numeral(text);
  if (/^["'[{(]|^(?:true|false|null|none|nan|-?inf(?:inity)?)$/i.test(text)) {
    try {
      return readLiteral(canonical(text));
    } catch {
      return text;
    }
  }
  return text;
}

/** What to type for a value; the inverse of `readValue`. */
export function showValue(value: Exact): string {
  if (value instanceof Numeral) return value.text;
  if (typeof value === "string") return value !== "" && readValue(value) === value ? value : JSON.stringify(value);
  if (isList(value) || isDict(value)) return toText(value);
  return String(value);
}

function canonical(text: string): string {
  const word = text.toLowerCase();
  if (word === "true" || word === "false" || word === "null") return word;
  return word === "none" ? "None" : word === "infinity" ? "inf" : word === "-infinity" ? "-inf" : word === "nan" ? "nan" : text;
}
