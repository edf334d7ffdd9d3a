/** Copies text, and says that it did. */

import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { STRINGS } from "../strings";
import { Icon } from "./icons";
import { Labels } from "./order";

/** The clipboard; where that is forbidden, the way of old. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.style.cssText = "position:fixed;opacity:0";
    document.body.append(area);
    const before = document.activeElement;
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    return copied;
  }
}

interface CopyProps {
  text: () => string;
  label: string;
  iconOnly?: boolean;
  className?: string;
}

export function CopyButton({ text, label, iconOnly = false, className = "" }: CopyProps): VNode {
  const said = useSignal(0);
  const copy = () =>
    void copyText(text()).then((copied) => {
      said.value = copied ? 1 : 2;
      setTimeout(() => (said.value = 0), 1600);
    });
  const labels = [label, STRINGS.copied, STRINGS.notCopied];
  return (
    <button
      type="button"
      class={`sw-button ${iconOnly ? "sw-button-icon" : ""} ${className}`}
      aria-label={iconOnly ? labels[said.value] : undefined}
      title={iconOnly ? labels[said.value] : undefined}
      onClick={copy}
    >
      <Icon name={said.value === 1 ? "check" : "copy"} />
      {!iconOnly && <Labels now={said.value} labels={labels} />}
    </button>
  );
}
