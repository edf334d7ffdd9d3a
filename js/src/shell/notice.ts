/** The one thing that the user should know now. Pure: from facts to at most one notice, the most urgent. */

import type { Link } from "../state";
import { STRINGS } from "../strings";

export type NoticeKind =
  | "detached" | "trouble" | "refused" | "failure" | "busy" | "stale" | "streak" | "gaveup" | "observer" | "paused" | "nobody" | "waiting" | "violation" | "quiet";

export interface Notice {
  kind: NoticeKind;
  tone: "bad" | "warn" | "info" | "quiet";
  text: string;
  /** More of it, for a second sentence. */
  more?: string;
}

export interface Facts {
  link: Link;
  /** When the kernel was last heard, for people; how long ago. */
  heardTime: string;
  heardAge: string;
  trouble: string;
  /** What was refused. */
  refused: string;
  /** Names of the orders that the kernel has not heard for a second. */
  late: readonly string[];
  streak: { n: number; error: string } | null;
  /** What stopped the controller. */
  failure: string;
  /** Why agents went home. */
  gaveUp: string;
  status: string;
  working: number;
  there: number;
  /** Runs by hand that nobody takes, and for how many seconds the oldest has waited. */
  waiting: number;
  waiting_s: number;
  running: number;
  observer: string;
  violations: readonly string[];
  reason: string;
  store: string;
  glance: string;
}

const WORDS = STRINGS.notice;
/** Whoever waits less does not wait: agents are between two runs for moments. */
const WAITING_S = 3;

export function noticeOf(facts: Facts): Notice {
  if (facts.link === "detached") return { kind: "detached", tone: "warn", text: STRINGS.link.detached(facts.heardTime), more: STRINGS.link.attach };
  if (facts.link === "static") return { kind: "detached", tone: "warn", text: [STRINGS.link.static, facts.glance].filter(Boolean).join(" "), more: STRINGS.link.attach };
  if (facts.trouble) return { kind: "trouble", tone: "bad", text: WORDS.trouble(facts.trouble) };
  if (facts.refused) return { kind: "refused", tone: "bad", text: facts.refused };
  if (facts.late.length) return { kind: "busy", tone: "warn", text: WORDS.busy(lateText(facts.late)), more: WORDS.interrupt };
  if (facts.link === "stale") return { kind: "stale", tone: "warn", text: STRINGS.link.stale(facts.heardAge) };
  if (facts.link === "reconnecting") return { kind: "quiet", tone: "quiet", text: STRINGS.link.reconnecting };
  if (facts.failure) return { kind: "failure", tone: "bad", text: WORDS.failure(facts.failure), more: WORDS.failureNext };
  const over = facts.status === "FINISHED" || facts.status === "CANCELED";
  const gaveUp = facts.gaveUp && !over ? WORDS.gaveUp(facts.gaveUp) : "";
  if (facts.streak && !over) return { kind: "streak", tone: "bad", text: WORDS.streak(facts.streak.n, facts.streak.error), more: gaveUp };
  if (gaveUp) return { kind: "gaveup", tone: "bad", text: gaveUp };
  if (facts.observer) return { kind: "observer", tone: "info", text: facts.observer };
  if (facts.status === "PAUSED") return { kind: "paused", tone: "info", text: WORDS.paused(facts.running) };
  if (facts.status === "RUNNING" && facts.there === 0 && facts.running === 0) return { kind: "nobody", tone: "warn", text: WORDS.nobody };
  if (facts.status === "RUNNING" && facts.waiting > 0 && facts.waiting_s >= WAITING_S && facts.working === facts.there) {
    return { kind: "waiting", tone: "info", text: WORDS.waiting(facts.waiting) };
  }
  if (facts.violations.length) return { kind: "violation", tone: "info", text: facts.violations.join(" ") };
  if (facts.link === "connecting") return { kind: "quiet", tone: "quiet", text: STRINGS.link.connecting };
  return { kind: "quiet", tone: "quiet", text: [facts.reason, facts.store ? WORDS.store(facts.store) : ""].filter(Boolean).join(" · ") };
}

function lateText(late: readonly string[]): string {
  return [...new Set(late.map((command) => WORDS.orders[command] ?? WORDS.other))].join(", ");
}

/** The latest ended runs, newest first: how many failed in a row with the same error. Null below three. */
export function streakOf(ended: readonly { state: string; error: string }[]): { n: number; error: string } | null {
  const error = ended[0]?.error ?? "";
  const broken = ended.findIndex((run) => run.state !== "failed" || run.error !== error);
  const n = broken < 0 ? ended.length : broken;
  return n >= 3 && error !== "" ? { n, error } : null;
}
