/** What "best" means when several things count at once: the Pareto front, as `sweepwidget/pareto.py` has it. Pure. */

/** Which rows of costs (smaller is better) no other row dominates; equal rows do not dominate each other. */
export function front(costs: readonly (readonly number[])[]): boolean[] {
  const best = costs.map(() => true);
  // Whoever dominates a row comes before it.
  const order = costs.map((_, i) => i).sort((a, b) => compare(costs[a] as readonly number[], costs[b] as readonly number[]));
  const kept: (readonly number[])[] = [];
  for (const i of order) {
    const row = costs[i] as readonly number[];
    if (kept.some((other) => dominates(other, row))) best[i] = false;
    else kept.push(row);
  }
  return best;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let k = 0; k < a.length; k += 1) {
    const difference = (a[k] as number) - (b[k] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

function dominates(a: readonly number[], b: readonly number[]): boolean {
  return a.every((cost, k) => cost <= (b[k] as number)) && a.some((cost, k) => cost < (b[k] as number));
}
