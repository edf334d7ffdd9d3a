/** What a screen reader hears without asking: how far the sweep is, at most every ten seconds; errors at once, and once. */

import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { numberText } from "../format";
import type { State } from "../state";
import { STRINGS } from "../strings";

const EVERY_MS = 10_000;

export function LiveRegion({ connection }: { connection: Connection }): VNode {
  const said = useSignal("");
  useEffect(() => {
    const timer = setInterval(() => {
      const text = summary(connection.state);
      if (text !== said.peek()) said.value = text;
    }, EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const refusal = connection.refusal.value?.refused.value?.message ?? "";
  const gone = connection.state.link.value === "detached" ? STRINGS.link.nobody : "";
  return (
    <div class="sw-sr">
      <p aria-live="polite">{said}</p>
      <p aria-live="assertive">{refusal || gone}</p>
    </div>
  );
}

function summary(state: State): string {
  if (state.status.peek() !== "RUNNING") return STRINGS.status[state.status.peek()];
  const { ended, total } = state.progress.peek();
  const best = state.best.peek();
  return [STRINGS.live.progress(ended, total), best ? STRINGS.live.best(numberText(best.value), best.number) : ""].filter(Boolean).join(", ");
}
