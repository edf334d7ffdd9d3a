/** Ids of labels and names of groups. Preact's own `useId` counts anew for each root, and a notebook's page holds many. */

import { useState } from "preact/hooks";

const OURS = Math.random().toString(36).slice(2, 8);
let made = 0;

/** An id that nothing else in the page has: not another dashboard, nor another version of this script. */
export function useUniqueId(): string {
  return useState(() => `sw-${OURS}-${made++}`)[0];
}
