/** A line that is always there, so that nothing jumps when there is something to say. */

import { useComputed } from "@preact/signals";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { clockText, durationText } from "../format";
import type { State } from "../state";
import { STRINGS } from "../strings";
import { useClock } from "../ui/clock";
import { Icon } from "../ui/icons";
import { Lazy } from "../ui/lazy";
import { noticeOf, streakOf, type Facts, type Notice, type NoticeKind } from "./notice";

const TESTIDS: { readonly [kind: string]: string } = {
  detached: "sw-detached",
  busy: "sw-kernel-busy",
  refused: "sw-error",
  trouble: "sw-error",
  failure: "sw-error",
  gaveup: "sw-error",
  streak: "sw-error",
};
/** What can be done about it, beyond reading it. */
const ACTIONS: { readonly [kind in NoticeKind]?: "DetachedActions" | "FailureActions" | "OneMore" } = {
  detached: "DetachedActions",
  failure: "FailureActions",
  waiting: "OneMore",
};
const RECENT = 6;

export function NoticeBar({ connection, onShowFailures }: { connection: Connection; onShowFailures?: () => void }): VNode {
  const clock = useClock();
  const streak = useComputed(() => recentStreak(connection.state));
  const notice = noticeOf(factsOf(connection, clock.value, streak.value));
  return (
    <div class={`sw-notice ${notice.text || connection.state.sweep.value ? "" : "sw-silent"}`} data-tone={notice.tone} data-testid={TESTIDS[notice.kind]}>
      {notice.tone !== "quiet" && <Icon name={notice.tone === "info" ? "info" : "alert"} />}
      <span class="sw-notice-text" title={notice.text}>
        {notice.text} {notice.more && <span class="sw-muted">{notice.more}</span>}
      </span>
      <NoticeAction connection={connection} notice={notice} {...(onShowFailures ? { onShowFailures } : {})} />
    </div>
  );
}

function NoticeAction(props: { connection: Connection; notice: Notice; onShowFailures?: () => void }): VNode | null {
  const { connection, notice, onShowFailures } = props;
  const panel = ACTIONS[notice.kind];
  if (panel) return <Lazy name={panel} connection={connection} quiet />;
  if (notice.kind === "refused" || notice.kind === "gaveup") {
    const dismiss = () => (notice.kind === "refused" ? connection.dismissRefusal() : (connection.state.notice.value = ""));
    return (
      <button type="button" class="sw-button sw-quiet" onClick={dismiss}>
        {STRINGS.notice.dismiss}
      </button>
    );
  }
  if (notice.kind === "streak" && onShowFailures) {
    return (
      <button type="button" class="sw-button sw-quiet" onClick={onShowFailures}>
        {STRINGS.notice.show}
      </button>
    );
  }
  return null;
}

function factsOf(connection: Connection, now: number, streak: Facts["streak"]): Facts {
  const { state } = connection;
  const sweep = state.sweep.value;
  const agents = state.agents.value.filter((agent) => agent.state !== "gone");
  const { counts, by_hand, by_hand_since } = state.progress.value;
  const denied = state.denied.value;
  const heardAt = state.heardAt.value;
  const refused = connection.refusal.value?.refused.value?.message ?? "";
  const glance = state.glance.value;
  return {
    link: state.link.value,
    heardTime: clockText(heardAt / 1000),
    heardAge: durationText(Math.max(0, (now - heardAt) / 1000)),
    trouble: state.trouble.value,
    refused,
    late: connection.pending.value.filter((order) => order.late.value && STRINGS.notice.orders[order.command]).map((order) => order.command),
    streak,
    failure: sweep?.failure ?? "",
    gaveUp: state.notice.value,
    status: state.status.value,
    working: agents.filter((agent) => agent.run !== null).length,
    there: agents.length,
    waiting: by_hand,
    waiting_s: by_hand_since === null ? 0 : now / 1000 + state.ahead.value - by_hand_since,
    running: counts.running ?? 0,
    observer: denied["pause"] ?? "",
    violations: sweep?.violations ?? [],
    reason: sweep?.reason ?? "",
    store: sweep?.store ?? "",
    glance: glance.text ? STRINGS.link.glance(glance.text, clockText(glance.at, now)) : "",
  };
}

function recentStreak(state: State): Facts["streak"] {
  const { runs } = state;
  runs.version.value;
  const [ended, stateOf, error] = [runs.column("ended_at"), runs.column("state"), runs.column("error")];
  const latest: { at: number; row: number }[] = [];
  for (let row = 0; row < runs.size; row += 1) {
    const at = ended(row);
    if (typeof at !== "number") continue;
    if (latest.length < RECENT || at > (latest.at(-1)?.at ?? 0)) {
      latest.push({ at, row });
      latest.sort((a, b) => b.at - a.at);
      latest.length = Math.min(latest.length, RECENT);
    }
  }
  return streakOf(latest.map(({ row }) => ({ state: String(stateOf(row)), error: String(error(row) ?? "") })));
}
