/** How far the sweep is: a bar of what became of its runs, the same in words, and how long the rest takes. */

import { useRef } from "preact/hooks";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { durationText, rangeText } from "../format";
import type { Progress as Numbers, RunState } from "../protocol";
import { STRINGS } from "../strings";
import { useClock } from "../ui/clock";
import { Icon } from "../ui/icons";

const WORDS = STRINGS.progress;
const ORDER: readonly RunState[] = ["finished", "stopped", "failed", "crashed", "killed", "running"];
const ETA_EVERY_MS = 5000;

export function Progress({ connection }: { connection: Connection }): VNode {
  const progress = connection.state.progress.value;
  const { ended, total, counts } = progress;
  const text = countsText(progress);
  return (
    <div class="sw-progress" data-testid="sw-progress">
      <div
        class="sw-bar"
        role="progressbar"
        aria-label={WORDS.label}
        aria-valuemin={0}
        aria-valuemax={total ?? undefined}
        aria-valuenow={total === null ? undefined : Math.min(ended, total)}
        aria-valuetext={WORDS.value(ended, total)}
      >
        {segments(counts, total).map(({ state, share }) => (
          <span key={state} class="sw-segment" data-state={state} style={{ width: `${100 * share}%` }} />
        ))}
      </div>
      <span class="sw-counts">{text || WORDS.none}</span>
      <Forecast connection={connection} />
    </div>
  );
}

function Forecast({ connection }: { connection: Connection }): VNode {
  useClock().value;
  const progress = connection.state.progress.value;
  const status = connection.state.status.value;
  const shown = useRef({ at: 0, text: "", status });
  const now = Date.now();
  const text = forecastText(progress, status === "RUNNING");
  // A forecast that changes all the time is not believed: at most one in five seconds, unless there was none.
  const { current } = shown;
  const due = status !== "RUNNING" || status !== current.status || now - current.at > ETA_EVERY_MS;
  if (current.text === "" || text === "" || due) shown.current = { at: now, text, status };
  return (
    <span class="sw-forecast">
      <span>{shown.current.text}</span>
      {progress.saved_s !== null && progress.saved_s > 0 && (
        <span class="sw-saved" title={WORDS.savedTitle}>
          <Icon name="bolt" />
          {WORDS.saved(durationText(progress.saved_s))}
        </span>
      )}
    </span>
  );
}

export function forecastText(progress: Numbers, running: boolean): string {
  if (running && progress.left_s) return WORDS.eta(rangeText(progress.left_s));
  if (!progress.elapsed_s) return "";
  return running ? WORDS.since(durationText(progress.elapsed_s)) : WORDS.took(durationText(progress.elapsed_s));
}

export function countsText({ counts, ended, total }: Numbers): string {
  const parts = [...ORDER, "pending" as const, "preempted" as const]
    .filter((state) => (counts[state] ?? 0) > 0)
    .map((state) => `${counts[state]} ${WORDS.counts[state]}`);
  const left = total === null ? 0 : total - ended - (counts.running ?? 0) - (counts.pending ?? 0) - (counts.preempted ?? 0);
  if (left > 0 && parts.length > 0) parts.push(WORDS.left(left));
  return parts.join(" · ");
}

/** Shares of the bar; without a total the bar shows only what has been. */
export function segments(counts: Numbers["counts"], total: number | null): { state: RunState; share: number }[] {
  const known = ORDER.map((state) => ({ state, n: counts[state] ?? 0 })).filter(({ n }) => n > 0);
  const sum = known.reduce((all, { n }) => all + n, 0);
  const whole = Math.max(total ?? sum, sum, 1);
  return known.map(({ state, n }) => ({ state, share: n / whole }));
}
