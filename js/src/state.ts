/**
 * What the page knows, as signals. Only `connection.ts` writes the kernel's half; the user's half anybody may write.
 *
 * A panel is a folder: `index.tsx` with the component, `<folder>.css` with its styles (below `.sw-root`; `styles/dashboard.css`
 * imports it), its words in `strings.ts`. Colours of runs come from `palette.ts`, tokens from `styles/tokens.css`.
 */

import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { CurveStore } from "./curvestore";
import { RunTable } from "./runtable";
import { chosenLook, pageLook, type Look } from "./theme";
import type { ViewMemory } from "./viewmemory";
import type {
  AgentRow,
  Best,
  Config,
  Forms,
  FunctionInfo,
  Load,
  Panel,
  Progress,
  SweepInfo,
  SweepState,
  Traits,
} from "./protocol";

/**
 * How the page stands with the kernel. connecting: nothing was heard yet; live; reconnecting: the page has lost the
 * server for 2 s and tries again; stale: nothing for 15 s; detached: the kernel
 * or the comm is gone; static: there never was a kernel.
 */
export type Link = "connecting" | "live" | "reconnecting" | "stale" | "detached" | "static";

export interface State {
  // -- what the kernel says -------------------------------------------------------------------------------------------
  readonly sweep: Signal<SweepInfo | null>;
  readonly progress: Signal<Progress>;
  readonly agents: Signal<readonly AgentRow[]>;
  /** By agent. */
  readonly load: Signal<{ readonly [agent: string]: Load }>;
  /** What the kernel said of its own accord, until somebody has read it: agents that gave up, and why. */
  readonly notice: Signal<string>;
  /** Why the store cannot be read just now. */
  readonly trouble: Signal<string>;
  readonly functions: Signal<readonly FunctionInfo[]>;
  readonly backends: Signal<readonly string[]>;
  /** Command → why it would be refused. */
  readonly denied: Signal<{ readonly [command: string]: string }>;
  readonly assets: Signal<{ readonly [name: string]: string }>;
  readonly forms: Signal<Forms | null>;
  readonly version: Signal<string>;
  readonly runs: RunTable;
  readonly curves: CurveStore;
  /** Whether a `full` has come: before that, show skeletons. */
  readonly known: Signal<boolean>;

  // -- traits ---------------------------------------------------------------------------------------------------------
  readonly panel: Panel;
  /** The sweep's; "": there is only a draft. Known without a kernel, too. */
  readonly id: Signal<string>;
  readonly status: Signal<"" | SweepState>;
  readonly best: Signal<Best | null>;
  /** The sweep's configuration, with real NaN and infinities. */
  readonly config: Signal<Config>;
  /** The same as JSON text, in which 1.0 is not 1; "": the kernel did not say it so. The config editor works on it. */
  readonly configText: Signal<string>;
  readonly glance: Signal<Traits["glance"]>;
  readonly theme: Signal<Traits["theme"]>;
  /** Run ids; what is written here goes to Python. */
  readonly selected: Signal<readonly string[]>;

  // -- the user's half --------------------------------------------------------------------------------------------------
  /** The run under the pointer, in whichever panel. */
  readonly hovered: Signal<string | null>;
  /** The baseline; remembered. */
  readonly pinned: Signal<string | null>;
  /** The run whose drawer is open. */
  readonly opened: Signal<string | null>;
  /** The selected runs stand beside each other, in the drawer's place. */
  readonly comparing: Signal<boolean>;
  /** Runs that the table shows at present, in its order (ids): filtered and sorted. */
  readonly shown: Signal<readonly string[]>;
  /** Runs that the user does not want to see drawn. */
  readonly hidden: Signal<readonly string[]>;
  /** What the form for a run by hand starts from ({}: nothing); null: it is closed. */
  readonly variant: Signal<Config | null>;
  readonly view: ViewMemory;
  /** The theme that is in force; canvases are drawn anew when it changes. */
  readonly look: ReadonlySignal<Look>;

  // -- the link -----------------------------------------------------------------------------------------------------------
  readonly link: Signal<Link>;
  /** When the kernel was last heard of, in this page's milliseconds; 0: never. */
  readonly heardAt: Signal<number>;
  /** Seconds by which the kernel's clock is ahead of this page's. */
  readonly ahead: Signal<number>;
  /** Nothing can be done just now: there is nobody to do it. */
  readonly mute: ReadonlySignal<boolean>;
}

export const NO_PROGRESS: Progress = {
  ended: 0,
  total: null,
  counts: {},
  by_hand: 0,
  by_hand_since: null,
  run_s: null,
  left_s: null,
  elapsed_s: null,
  saved_s: null,
};

export function newState(panel: Panel, view: ViewMemory): State {
  const link = signal<Link>("connecting");
  const theme = signal<Traits["theme"]>("auto");
  return {
    sweep: signal<SweepInfo | null>(null),
    progress: signal(NO_PROGRESS),
    agents: signal<readonly AgentRow[]>([]),
    load: signal<{ readonly [agent: string]: Load }>({}),
    notice: signal(""),
    trouble: signal(""),
    functions: signal<readonly FunctionInfo[]>([]),
    backends: signal<readonly string[]>([]),
    denied: signal<{ readonly [command: string]: string }>({}),
    assets: signal<{ readonly [name: string]: string }>({}),
    forms: signal<Forms | null>(null),
    version: signal(""),
    runs: new RunTable(),
    curves: new CurveStore(),
    known: signal(false),
    panel,
    id: signal(""),
    status: signal<"" | SweepState>(""),
    best: signal<Best | null>(null),
    config: signal<Config>({}),
    configText: signal(""),
    glance: signal({ text: "", at: 0 }),
    theme,
    selected: signal<readonly string[]>([]),
    hovered: signal<string | null>(null),
    pinned: view.remember<string | null>("pinned", null),
    opened: signal<string | null>(null),
    comparing: signal(false),
    shown: signal<readonly string[]>([]),
    hidden: signal<readonly string[]>([]),
    variant: signal<Config | null>(null),
    view,
    look: computed(() => chosenLook(pageLook().value, theme.value)),
    link,
    heardAt: signal(0),
    ahead: signal(0),
    mute: computed(() => link.value === "detached" || link.value === "static"),
  };
}

/** Nothing will be run any more, unless somebody says so. */
export function isOver(state: State): boolean {
  return state.status.value === "CANCELED" || state.status.value === "FINISHED";
}

/** All the runs that it may have are done: it goes on only when it may have more. */
export function isCapped(state: State): boolean {
  const cap = state.sweep.value?.run_cap ?? null;
  return state.status.value === "FINISHED" && cap !== null && state.progress.value.ended >= cap;
}

/** The kernel's clock now, in unix seconds; it stands still while nobody is there to say that time has passed. */
export function kernelNow(state: State): number {
  const now = state.mute.value && state.heardAt.value ? state.heardAt.value : Date.now();
  return now / 1000 + state.ahead.value;
}

/** In a list if it was not, out of it if it was. */
export function toggle(list: { value: readonly string[]; peek(): readonly string[] }, item: string): void {
  const old = list.peek();
  list.value = old.includes(item) ? old.filter((other) => other !== item) : [...old, item];
}
