/** Points that a line cannot show: values that are not finite, drawn as ✕ where the curve was last. Pure. */

export interface Mark {
  readonly x: number;
  /** The last finite value before it; NaN: there is none. */
  readonly y: number;
  readonly value: number;
}

/** One mark for every stretch of values that are not finite. */
export function oddMarks(x: Float64Array, y: Float64Array): Mark[] {
  const marks: Mark[] = [];
  let last = NaN;
  let odd = false;
  for (let i = 0; i < y.length; i += 1) {
    const value = y[i] as number;
    if (Number.isFinite(value)) {
      last = value;
      odd = false;
    } else if (!odd) {
      marks.push({ x: x[i] as number, y: last, value });
      odd = true;
    }
  }
  return marks;
}

/**
 * Where early stopping looks, on the step axis. Rungs count logged values: the first stands where curves begin, and a run's
 * average spacing leads from one to the next.
 */
export function rungPlaces(rungs: readonly number[], first: number, spacing: number): { rung: number; x: number }[] {
  return Number.isFinite(first) && spacing > 0 ? rungs.map((rung) => ({ rung, x: first + (rung - 1) * spacing })) : [];
}
