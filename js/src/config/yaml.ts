/** A configuration as YAML. Reading YAML is the kernel's business. */

import { isDict, isList, Numeral, type Exact } from "./exact";
import { isNumber } from "../numbers";

/** What YAML (1.1 or 1.2) would not read as a plain text. */
const TELLING = /^$|^[\s\-?:,[\]{}#&*!|>'"%@`]|: |:$| #|\s$|[\n\r\t]|^(?:y|n|yes|no|on|off|true|false|null|none|~|nan|inf)$|^[-+.\d]|^=$|^<<$/i;

/** The text of a whole document. */
export function toYaml(value: Exact): string {
  return isDict(value) && value.entries.length > 0 ? `${block(value, "")}\n` : `${flow(value)}\n`;
}

function block(value: Exact, indent: string): string {
  if (!isDict(value)) return flow(value);
  return value.entries
    .map(([key, item]) => {
      const head = `${indent}${scalar(key)}:`;
      return isDict(item) && item.entries.length > 0 ? `${head}\n${block(item, `${indent}  `)}` : `${head} ${flow(item)}`;
    })
    .join("\n");
}

function flow(value: Exact): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (value instanceof Numeral) return numeral(value.text);
  if (typeof value === "string") return scalar(value);
  if (isList(value)) return `[${value.map((item) => inFlow(item)).join(", ")}]`;
  return `{${value.entries.map(([key, item]) => `${inFlow(key)}: ${inFlow(item)}`).join(", ")}}`;
}

/** Within brackets, commas and brackets tell something, too. */
function inFlow(value: Exact): string {
  return typeof value === "string" && /[,[\]{}]/.test(value) ? JSON.stringify(value) : flow(value);
}

function scalar(text: string): string {
  return TELLING.test(text) || /[^\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd]/.test(text) ? JSON.stringify(text) : text;
}

function numeral(text: string): string {
  if (isNumber(text)) return text;
  if (/^nan$/i.test(text)) return ".nan";
  if (/^[-+]?inf(inity)?$/i.test(text)) return text.startsWith("-") ? "-.inf" : ".inf";
  return JSON.stringify(text);
}
