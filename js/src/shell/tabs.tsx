/** Tabs as WAI-ARIA has them: arrows move, one tab stop, panels are drawn when they are first opened. */

import { useRef } from "preact/hooks";
import type { ComponentChildren, JSX, VNode } from "preact";
import type { Signal } from "@preact/signals";
import { useUniqueId } from "../ui/ids";

export interface Tab {
  name: string;
  label: string;
  badge?: string;
  tone?: "bad";
  /** Begins a second group. */
  apart?: boolean;
  panel: () => ComponentChildren;
}

interface TabsProps {
  label: string;
  tabs: readonly Tab[];
  chosen: Signal<string>;
  className?: string;
}

export function Tabs({ label, tabs, chosen, className = "" }: TabsProps): VNode {
  const id = useUniqueId();
  const list = useRef<HTMLDivElement>(null);
  const current = tabs.find((tab) => tab.name === chosen.value) ?? tabs[0];
  const choose = (name: string, focus: boolean) => {
    chosen.value = name;
    const button = list.current?.querySelector<HTMLElement>(`[data-tab="${name}"]`);
    if (focus) button?.focus();
    button?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
  };
  const onKeyDown: JSX.KeyboardEventHandler<HTMLDivElement> = (event) => {
    const at = tabs.findIndex((tab) => tab === current);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length];
    if (next) choose(next.name, true);
  };
  return (
    <div class={`sw-tabs ${className}`}>
      <div class="sw-tablist" role="tablist" aria-label={label} ref={list} onKeyDown={onKeyDown}>
        {tabs.map((tab) => (
          <button
            key={tab.name}
            type="button"
            role="tab"
            id={`${id}-${tab.name}`}
            class={`sw-tab ${tab.apart ? "sw-apart" : ""}`}
            data-tab={tab.name}
            data-testid={`sw-tab-${tab.name}`}
            aria-selected={tab === current}
            aria-controls={`${id}-panel`}
            tabIndex={tab === current ? 0 : -1}
            onClick={() => choose(tab.name, false)}
          >
            {tab.label}
            {tab.badge && <span class={`sw-badge ${tab.tone === "bad" ? "sw-bad" : ""}`}>{tab.badge}</span>}
          </button>
        ))}
      </div>
      <div class="sw-tabpanel" role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${current?.name}`} tabIndex={-1} key={current?.name}>
        {current?.panel()}
      </div>
    </div>
  );
}
