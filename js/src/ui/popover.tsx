/**
 * What opens over the page: menus, choices, help. In the top layer, because outputs clip what hangs over their edge; placed
 * by hand, because anchors in CSS are too young.
 */

import { useLayoutEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX, VNode } from "preact";
import { Icon, type IconName } from "./icons";

interface PopoverProps {
  anchor: HTMLElement;
  label: string;
  role?: "dialog" | "menu";
  align?: "start" | "end";
  onClose: () => void;
  children: ComponentChildren;
}

const GAP = 4;
const EDGE = 6;

export function Popover({ anchor, label, role = "dialog", align = "start", onClose, children }: PopoverProps): VNode {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    element.showPopover?.();
    const put = () => place(element, anchor, align);
    put();
    (element.querySelector<HTMLElement>("[data-autofocus]") ?? element.querySelector<HTMLElement>(FOCUSABLE))?.focus({ preventScroll: true });
    const toggled = (event: Event) => {
      if ((event as ToggleEvent).newState === "closed") onClose();
    };
    element.addEventListener("toggle", toggled);
    window.addEventListener("scroll", put, { capture: true, passive: true });
    window.addEventListener("resize", put);
    return () => {
      element.removeEventListener("toggle", toggled);
      window.removeEventListener("scroll", put, { capture: true });
      window.removeEventListener("resize", put);
    };
  }, [anchor]);
  return (
    <div ref={box} popover="auto" class="sw-popover" role={role} aria-label={label}>
      {children}
    </div>
  );
}

export const FOCUSABLE = "button:not([disabled]), input:not([disabled]), select, textarea, a[href], [tabindex='0']";

function place(element: HTMLElement, anchor: HTMLElement, align: "start" | "end"): void {
  const around = anchor.getBoundingClientRect();
  const { width, height } = element.getBoundingClientRect();
  const [wide, high] = [document.documentElement.clientWidth, window.innerHeight];
  const wished = align === "end" ? around.right - width : around.left;
  const below = around.bottom + GAP;
  const top = below + height <= high - EDGE || around.top - GAP - height < EDGE ? below : around.top - GAP - height;
  element.style.left = `${Math.max(EDGE, Math.min(wished, wide - width - EDGE))}px`;
  element.style.top = `${Math.max(EDGE, Math.min(top, high - height - EDGE))}px`;
}

export interface MenuItem {
  label: string;
  hint?: string;
  icon?: IconName;
  /** For a choice of several. */
  checked?: boolean;
  /** Why it cannot be had now. */
  disabled?: string;
  danger?: boolean;
  /** Asked before it is done: the item shows this, and a second click does it. */
  confirm?: string;
  testid?: string;
  run: () => void;
}

/** Items of a menu, with the keys that menus have. */
export function Menu({ items, close }: { items: readonly (MenuItem | null)[]; close: () => void }): VNode {
  const asked = useSignal<number | null>(null);
  const onKeyDown: JSX.KeyboardEventHandler<HTMLDivElement> = (event) => {
    const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>("[role^=menuitem]")];
    const at = buttons.indexOf(event.target as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    buttons[(to + buttons.length) % buttons.length]?.focus();
  };
  return (
    <div class="sw-menu" onKeyDown={onKeyDown}>
      {items.map((item, i) => {
        if (item === null) return <hr key={i} />;
        const confirming = asked.value === i;
        const choose = () => {
          if (item.disabled) return;
          if (item.confirm && !confirming) {
            asked.value = i;
            return;
          }
          close();
          item.run();
        };
        return (
          <button
            key={i}
            type="button"
            role={item.checked === undefined ? "menuitem" : "menuitemradio"}
            aria-checked={item.checked}
            aria-disabled={item.disabled ? true : undefined}
            title={item.disabled}
            class={`sw-menu-item ${item.danger ? "sw-danger" : ""} ${confirming ? "sw-asked" : ""}`}
            data-testid={item.testid}
            onClick={choose}
          >
            <span class="sw-menu-mark">{item.checked ? <Icon name="check" /> : item.icon ? <Icon name={item.icon} /> : null}</span>
            <span class="sw-menu-text">
              {confirming ? item.confirm : item.label}
              {(item.disabled || item.hint) && <small>{item.disabled || item.hint}</small>}
            </span>
          </button>
        );
      })}
    </div>
  );
}
