/** A button with something that opens below it; what opens is loaded when it is first wanted. */

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { ComponentChildren, VNode } from "preact";
import { Icon, type IconName } from "./icons";
import { Lazy } from "./lazy";

interface DropdownProps {
  label: string;
  /** Shown; without it the button is its icon. */
  text?: ComponentChildren;
  icon?: IconName;
  testid?: string;
  className?: string;
  role?: "dialog" | "menu";
  align?: "start" | "end";
  arrow?: boolean;
  disabled?: string;
  tabIndex?: number;
  /** Called with what closes it. */
  children: (close: () => void) => ComponentChildren;
}

export function Dropdown(props: DropdownProps): VNode {
  const { label, text, icon, testid, className = "", role = "dialog", align = "start", arrow = true, disabled = "" } = props;
  const button = useRef<HTMLButtonElement>(null);
  const open = useSignal(false);
  const wasOpen = useRef(false);
  const close = () => {
    if (!open.peek()) return;
    open.value = false;
    button.current?.focus({ preventScroll: true });
  };
  // A press on the button closes what is open before the click arrives; the click must not open it again.
  const toggle = () => {
    if (!disabled) open.value = !open.value && !wasOpen.current;
    wasOpen.current = false;
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        class={`sw-button ${text === undefined ? "sw-button-icon" : ""} ${className}`}
        aria-haspopup={role}
        aria-expanded={open.value}
        aria-disabled={disabled ? true : undefined}
        aria-label={label}
        title={disabled || label}
        data-testid={testid}
        tabIndex={props.tabIndex}
        onPointerDown={() => (wasOpen.current = open.peek())}
        onClick={toggle}
      >
        {icon && <Icon name={icon} />}
        {text}
        {arrow && <Icon name="down" />}
      </button>
      {open.value && button.current && (
        <Lazy name="Popover" quiet anchor={button.current} label={label} role={role} align={align} onClose={close}>
          {props.children(close)}
        </Lazy>
      )}
    </>
  );
}
