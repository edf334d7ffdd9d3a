/** The widget's outermost element: theme, host, and a fence for keys, because `d d` in a notebook deletes the cell. */

import type { JSX, VNode } from "preact";
import { useComputed } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Connection } from "../connection";
import { STRINGS } from "../strings";
import { loadPanels } from "../ui/lazy";
import { Dashboard, SinglePanel } from "./dashboard";

/** Class of this version's styles; see build.mjs. */
declare const __ROOT__: string;
export const ROOT_CLASS = typeof __ROOT__ === "undefined" ? "sw-root" : __ROOT__;

export function Root({ connection }: { connection: Connection }): VNode {
  const { state } = connection;
  const { host, dark } = state.look.value;
  useEffect(soon(loadPanels), []);
  const name = useComputed(() => state.sweep.value?.name || state.sweep.value?.id || STRINGS.root.draft);
  return (
    <div
      class={`sw-widget ${ROOT_CLASS}`}
      data-testid="sw-root"
      data-sw-host={host}
      data-sw-theme={dark ? "dark" : "light"}
      data-sw-panel={state.panel}
      data-link={state.link.value}
      data-known={state.known.value}
      role="region"
      aria-label={STRINGS.root.label(name.value)}
      onKeyDown={fence}
    >
      {state.panel === "dashboard" ? <Dashboard connection={connection} /> : <SinglePanel connection={connection} panel={state.panel} />}
    </div>
  );
}

/** Once the page stands: what opens later is there when it is wanted. */
function soon(load: () => void): () => void {
  if (typeof requestIdleCallback === "undefined") return () => void setTimeout(load, 200);
  return () => void requestIdleCallback(load, { timeout: 1000 });
}

/** Keys stay with us; saving, function keys and leaving by Escape are the notebook's. */
export const fence: JSX.KeyboardEventHandler<HTMLElement> = (event) => {
  const saves = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s";
  const isFunction = /^F\d+$/.test(event.key);
  // The browser closes what is open on top; only the next Escape leaves.
  const leaves = event.key === "Escape" && !event.defaultPrevented && !event.currentTarget.querySelector(":popover-open");
  if (!saves && !isFunction && !leaves) event.stopPropagation();
};
