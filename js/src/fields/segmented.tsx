/** One of a few choices, all of them visible: radio buttons that look like one control. */

import type { VNode } from "preact";
import { useUniqueId } from "../ui/ids";

interface Props<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly choices: readonly (readonly [value: T, text: string])[];
  readonly onChoose: (value: T) => void;
  readonly disabled?: boolean;
}

export function Segmented<T extends string>({ label, value, choices, onChoose, disabled = false }: Props<T>): VNode {
  const name = useUniqueId();
  return (
    <span class="sw-segmented" role="radiogroup" aria-label={label}>
      {choices.map(([choice, text]) => (
        <label key={choice} class={choice === value ? "sw-on" : ""}>
          <input type="radio" name={name} checked={choice === value} disabled={disabled} onChange={() => onChoose(choice)} />
          {text}
        </label>
      ))}
    </span>
  );
}
