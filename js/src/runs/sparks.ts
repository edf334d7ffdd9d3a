/** Small curves in the table: asks for those that are on the screen, and keeps what it got while others come. */

import { effect, signal, type ReadonlySignal } from "@preact/signals";
import type { Connection } from "../connection";
import type { CurveData } from "../curvestore";

export const SPARK = { width: 64, height: 18 };

const PLOT = "sparks";
const SETTLE_MS = 250;
const MOST_KEPT = 2000;

export interface Sparks {
  /** Rows that are on the screen now; null: nothing is seen. */
  want(runs: readonly string[], metric: string | null): void;
  path(run: string): string;
  /** Counts up when paths change. */
  readonly version: ReadonlySignal<number>;
  close(): void;
}

export function newSparks(connection: Connection): Sparks {
  const { state } = connection;
  const paths = new Map<string, string>();
  const drawn = new Map<string, CurveData>();
  const version = signal(0);
  let asked = "";
  /** What will be asked once the table stands still. */
  let next = "";
  let metricNow = "";
  let timer: ReturnType<typeof setTimeout> | undefined;

  const end = effect(() => {
    const plot = state.curves.plot(PLOT).value;
    if (!plot || plot.metric !== metricNow) return;
    for (const [run, curve] of plot.runs) {
      if (drawn.get(run) === curve) continue;
      drawn.set(run, curve);
      paths.set(run, sparkPath(curve));
    }
    if (paths.size > MOST_KEPT) for (const run of [...paths.keys()].slice(0, paths.size - MOST_KEPT)) paths.delete(run);
    version.value = version.peek() + 1;
  });

  const forget = () => {
    paths.clear();
    drawn.clear();
  };

  return {
    want(runs, metric) {
      const wanted = metric === null || runs.length === 0 ? "" : `${metric}\n${[...runs].sort().join("\n")}`;
      if (wanted === next) return;
      next = wanted;
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (next === asked) return;
        asked = next;
        if (metric === null) {
          connection.command("unwatch", { plot: PLOT });
          return;
        }
        if (metric !== metricNow) forget();
        metricNow = metric;
        connection.command("watch", { plot: PLOT, metric, x: "step", range: null, width: SPARK.width, show: "none", runs: [...runs] });
      }, SETTLE_MS);
    },
    path: (run) => paths.get(run) ?? "",
    version,
    close() {
      clearTimeout(timer);
      end();
      if (asked) connection.command("unwatch", { plot: PLOT });
    },
  };
}

/** A path through a curve's finite points, in a box of SPARK; the top tenth of outliers does not flatten the rest. */
export function sparkPath(curve: Pick<CurveData, "x" | "y">): string {
  const { x, y } = curve;
  const finite = Array.from(y).filter(Number.isFinite).sort((a, b) => a - b);
  if (finite.length < 2) return "";
  const low = finite[0] as number;
  const high = finite[Math.min(finite.length - 1, Math.ceil(finite.length * 0.97))] as number;
  const [left, right] = [x[0] as number, x[x.length - 1] as number];
  const across = right - left || 1;
  const span = high - low || 1;
  let path = "";
  let pen = "M";
  for (let i = 0; i < y.length; i += 1) {
    const value = y[i] as number;
    if (!Number.isFinite(value)) {
      pen = "M";
      continue;
    }
    const px = 1 + ((SPARK.width - 2) * ((x[i] as number) - left)) / across;
    const py = 1 + (SPARK.height - 2) * (1 - Math.min(1, (value - low) / span));
    path += `${pen}${px.toFixed(1)} ${py.toFixed(1)}`;
    pen = "L";
  }
  return path;
}
