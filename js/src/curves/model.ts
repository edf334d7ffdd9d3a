/**
 * What the curves of a connection show: the choices that are remembered, and the watch that the kernel keeps up.
 *
 * There is one for a connection, however many views it has: they show the same, and ask the kernel once.
 */

import { computed, effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Connection } from "../connection";
import type { PlotCurves } from "../curvestore";
import type { Json, RunState, Watch } from "../protocol";
import { columnPath } from "../runtable";
import type { Emphasis } from "./picture";
import type { CurvePlot } from "./plot";

export const PLOT = "main";
export const TOPS = [3, 5, 10, 20] as const;
export type Show = "all" | "running" | "best" | "selected";

const ZOOM_WAIT_MS = 250;
/** The watch outlives its last view a little: who looks at another tab comes back. */
const LINGER_MS = 30_000;
const MOST_ASKED = 100;

export class CurvesModel {
  readonly chosenMetric: Signal<string>;
  readonly x: Signal<string>;
  readonly logX: Signal<boolean>;
  readonly logYOf: Signal<{ readonly [metric: string]: boolean }>;
  readonly smooth: Signal<number>;
  readonly show: Signal<Show>;
  readonly top: Signal<number>;
  /** Of x; null: all of it. */
  readonly range = signal<readonly [number, number] | null>(null);
  readonly rangeY = signal<readonly [number, number] | null>(null);
  readonly width = signal(800);
  /** What is drawn at present; null: nothing. */
  plot: CurvePlot | null = null;

  readonly metrics: ReadonlySignal<readonly string[]>;
  readonly metric: ReadonlySignal<string>;
  readonly logY: ReadonlySignal<boolean>;
  readonly curves: ReadonlySignal<PlotCurves | null>;
  /** What the kernel was asked for; null: nothing. */
  readonly watch: ReadonlySignal<Watch | null>;

  #views = 0;
  #end: (() => void) | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly connection: Connection) {
    const { state } = connection;
    const view = state.view;
    this.chosenMetric = view.remember("curves.metric", "");
    this.x = view.remember("curves.x", "step");
    this.logX = view.remember("curves.logX", false);
    this.logYOf = view.remember<{ [metric: string]: boolean }>("curves.logY", {});
    this.smooth = view.remember("curves.smooth", 0, (value) => typeof value === "number" && value >= 0 && value < 1);
    this.show = view.remember<Json>("curves.show", "all", (value) => ["all", "running", "best", "selected"].includes(value as Show)) as Signal<Show>;
    this.top = view.remember("curves.top", 5);
    this.metrics = computed(() => metricsOf(connection));
    this.metric = computed(() => {
      const chosen = this.chosenMetric.value;
      return chosen || state.sweep.value?.goals[0]?.metric || this.metrics.value[0] || "";
    });
    this.logY = computed(() => this.logYOf.value[this.metric.value] ?? false);
    this.curves = state.curves.plot(PLOT);
    this.watch = computed(() => this.#watch());
  }

  /** A view shows the curves, until what it returns is called. */
  open(): () => void {
    clearTimeout(this.#linger);
    this.#views += 1;
    this.#end ??= this.#follow();
    return () => {
      this.#views -= 1;
      if (this.#views > 0) return;
      this.#linger = setTimeout(() => {
        this.#end?.();
        this.#end = undefined;
      }, LINGER_MS);
    };
  }

  chooseMetric(metric: string): void {
    this.chosenMetric.value = metric;
    this.rangeY.value = null;
  }

  chooseX(x: string): void {
    this.x.value = x;
    this.range.value = null;
  }

  setLogY(log: boolean): void {
    this.logYOf.value = { ...this.logYOf.peek(), [this.metric.peek()]: log };
    this.rangeY.value = null;
  }

  reset(): void {
    this.range.value = null;
    this.rangeY.value = null;
  }

  emphasis(run: string): Emphasis {
    const { state } = this.connection;
    if (state.selected.peek().includes(run)) return "selected";
    if (state.pinned.peek() === run) return "pinned";
    if (state.best.peek()?.run === run) return "best";
    return state.runs.cell(run, "state") === "running" ? "running" : "plain";
  }

  stateOf(run: string): RunState | undefined {
    return this.connection.state.runs.cell(run, "state") as RunState | undefined;
  }

  /** Whether the choice leaves a run out. The kernel leaves it out, too, once it has heard; here it is at once. */
  omits(run: string): boolean {
    if (this.connection.state.hidden.peek().includes(run)) return true;
    const show = this.show.peek();
    if (show === "all" || show === "best") return false;
    const stands = this.connection.state.selected.peek().includes(run);
    if (show === "selected") return !stands;
    return this.stateOf(run) !== "running" && this.emphasis(run) === "plain";
  }

  #watch(): Watch | null {
    const { state } = this.connection;
    const metric = this.metric.value;
    if (!metric || !state.known.value) return null;
    const show = this.show.value;
    const range = this.range.value;
    return {
      plot: PLOT,
      metric,
      x: this.x.value,
      range: range && [range[0], range[1]],
      width: this.width.value,
      show: show === "selected" ? "none" : show,
      k: this.top.value,
      runs: show === "all" ? [] : this.#standingOut(show),
      smooth: this.smooth.value,
    };
  }

  /** Runs that are drawn whatever `show` says. Where all are shown they are there anyway, and asking would send all anew. */
  #standingOut(show: Show): string[] {
    const { state } = this.connection;
    const runs = [...state.selected.value];
    if (show !== "selected") {
      const pinned = state.pinned.value;
      const best = state.best.value?.run;
      runs.push(...[pinned, best].filter((run): run is string => typeof run === "string"));
    }
    return [...new Set(runs)].slice(0, MOST_ASKED).sort();
  }

  #follow(): () => void {
    let asked = "";
    let askedRange = "";
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = effect(() => {
      const watch = this.watch.value;
      const text = JSON.stringify(watch);
      if (!watch || text === asked) return;
      const range = JSON.stringify([watch.range, watch.width, watch.smooth]);
      const send = () => {
        asked = text;
        askedRange = range;
        this.connection.command("watch", watch);
      };
      clearTimeout(timer);
      // Zooming, resizing and smoothing go in many small steps.
      if (asked && range !== askedRange) timer = setTimeout(send, ZOOM_WAIT_MS);
      else send();
    });
    return () => {
      stop();
      clearTimeout(timer);
      if (asked) this.connection.command("unwatch", { plot: PLOT });
    };
  }
}

const models = new WeakMap<Connection, CurvesModel>();

export function curvesOf(connection: Connection): CurvesModel {
  let model = models.get(connection);
  if (!model) models.set(connection, (model = new CurvesModel(connection)));
  return model;
}

/** Metrics of which some run has a number, the goal first. */
function metricsOf(connection: Connection): string[] {
  const { runs, sweep } = connection.state;
  const goals = sweep.value?.goals.map((goal) => goal.metric) ?? [];
  // Whether a column has numbers is looked up again only when there are other columns.
  const names = runs.names.value.filter((name) => name.startsWith("summary.")).filter((name) => hasNumbers(connection, name));
  const metrics = names.map((name) => columnPath(name).slice(1).join("."));
  return [...goals, ...metrics.filter((metric) => !goals.includes(metric))];
}

function hasNumbers(connection: Connection, column: string): boolean {
  const { runs } = connection.state;
  const cell = runs.column(column);
  for (let row = runs.size - 1; row >= 0 && row >= runs.size - 500; row -= 1) {
    if (typeof cell(row) === "number") return true;
  }
  return false;
}
