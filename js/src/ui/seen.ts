/** Whether an element is on the screen and how wide it is: what is not seen is not drawn, and what has no size is not measured. */

import { useLayoutEffect } from "preact/hooks";
import { useSignal, type ReadonlySignal } from "@preact/signals";
import type { RefObject } from "preact";

export function useSeen(element: RefObject<Element>): ReadonlySignal<boolean> {
  const seen = useSignal(true);
  useLayoutEffect(() => {
    if (!element.current || typeof IntersectionObserver === "undefined") return undefined;
    let inView = true;
    const update = () => {
      seen.value = inView && !document.hidden;
    };
    const observer = new IntersectionObserver((entries) => {
      inView = entries.at(-1)?.isIntersecting ?? true;
      update();
    });
    observer.observe(element.current);
    document.addEventListener("visibilitychange", update);
    return () => {
      observer.disconnect();
      document.removeEventListener("visibilitychange", update);
    };
  }, []);
  return seen;
}

/** Width in CSS pixels; 0 before it was measured. Keeps the last width while the element is not laid out. */
export function useWidth(element: RefObject<Element>): ReadonlySignal<number> {
  const width = useSignal(0);
  useLayoutEffect(() => {
    if (!element.current) return undefined;
    width.value = element.current.clientWidth;
    if (typeof ResizeObserver === "undefined") return undefined;
    const observer = new ResizeObserver((entries) => {
      const measured = Math.round(entries.at(-1)?.contentRect.width ?? 0);
      if (measured > 0) width.value = measured;
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return width;
}
