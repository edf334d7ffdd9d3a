/** A tick a second, shared by all that shows an age; it rests while nobody listens or the page is hidden. */

import { signal, type ReadonlySignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

const tick = signal(Date.now());
let listeners = 0;
let timer: ReturnType<typeof setInterval> | undefined;

/** This page's milliseconds, anew every second. */
export function useClock(): ReadonlySignal<number> {
  useEffect(() => {
    listeners += 1;
    timer ??= setInterval(() => {
      if (!document.hidden) tick.value = Date.now();
    }, 1000);
    return () => {
      listeners -= 1;
      if (listeners > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
  }, []);
  return tick;
}
