/** The field of one key, as the kernel's table says what may stand there. */

import type { VNode } from "preact";
import { Select } from "../fields/select";
import { TextField } from "../fields/textfield";
import type { FieldInfo } from "../protocol";
import { Numeral, type Exact } from "./exact";
import { placeholder } from "./space";
import { readValue, showValue } from "./values";

interface Props {
  readonly field: FieldInfo;
  readonly name: string;
  readonly label: string;
  readonly value: Exact | undefined;
  /** undefined: the key is left out. */
  readonly onChange: (value: Exact | undefined, live: boolean) => void;
  readonly invalid?: boolean;
  readonly describedBy?: string | undefined;
  readonly list?: string;
  readonly width?: number;
}

export function FieldInput({ field, name, label, value, onChange, invalid = false, describedBy, list, width }: Props): VNode {
  const type = field["type"];
  const choices = field["enum"];
  const hint = placeholder(field);
  if (Array.isArray(choices)) {
    const texts = choices.map(String);
    const all: (readonly [string, string])[] = [...(field.required ? [] : [["", hint || "–"] as const]), ...texts.map((text) => [text, text] as const)];
    const shown = typeof value === "string" ? value : value === undefined ? "" : showValue(value);
    return <Select label={label} value={shown} choices={all} invalid={invalid} onChoose={(text) => onChange(text === "" ? undefined : text, false)} />;
  }
  if (type === "boolean") {
    const checked = typeof value === "boolean" ? value : field["default"] === true;
    return (
      <input
        type="checkbox"
        aria-label={label}
        aria-invalid={invalid ? "true" : undefined}
        checked={checked}
        onChange={(event) => onChange(event.currentTarget.checked, false)}
      />
    );
  }
  const numeric = type === "number" || type === "integer";
  const read = (text: string): Exact | undefined => {
    if (text.trim() === "") return undefined;
    if (numeric) return new Numeral(text.trim());
    return type === "string" ? text : readValue(text);
  };
  const shown = value === undefined ? "" : type === "string" && typeof value === "string" ? value : showValue(value);
  return (
    <TextField
      label={label}
      value={shown}
      numeric={numeric}
      placeholder={hint || (field.required ? "" : "–")}
      invalid={invalid}
      describedBy={describedBy}
      {...(list ? { list } : {})}
      width={width ?? (numeric ? 8 : Math.min(Math.max(shown.length + 1, 14), 30))}
      class={`sw-field-${name.replaceAll(/[^\w-]/g, "")}`}
      onLive={(text) => onChange(read(text), true)}
      onCommit={(text) => onChange(read(text), false)}
    />
  );
}
