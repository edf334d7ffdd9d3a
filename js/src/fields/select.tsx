/** A native list to choose from. What is chosen but not offered (any more) is shown all the same. */

import type { VNode } from "preact";

interface Props {
  readonly label: string;
  readonly value: string;
  readonly choices: readonly (readonly [value: string, text: string])[];
  readonly onChoose: (value: string) => void;
  readonly disabled?: boolean;
  readonly title?: string | undefined;
  readonly invalid?: boolean;
  readonly id?: string;
}

export function Select({ label, value, choices, onChoose, disabled, title, invalid, id }: Props): VNode {
  const offered = choices.some(([choice]) => choice === value);
  return (
    <select
      id={id}
      class="sw-select"
      aria-label={label}
      aria-invalid={invalid ? "true" : undefined}
      value={value}
      disabled={disabled}
      title={title}
      onChange={(event) => onChoose(event.currentTarget.value)}
    >
      {!offered && <option value={value}>{value}</option>}
      {choices.map(([choice, text]) => (
        <option key={choice} value={choice}>
          {text}
        </option>
      ))}
    </select>
  );
}
