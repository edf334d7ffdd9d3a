/** A colour for every run, the same in every panel and every visit. At least 3:1 on light, respectively dark, ground. */

const LIGHT = ["#1f6fb4", "#c2510a", "#22863a", "#b3262e", "#7d4fb8", "#8a5a3c", "#c0398f", "#4b5bd6", "#7f7a0b", "#0d8290"] as const;
const DARK = ["#5ba7f0", "#ff9a4d", "#5cc96b", "#ff7b78", "#b796f2", "#c79a80", "#f083c6", "#98a6ff", "#cfc846", "#4cc9d8"] as const;

export const COLORS = LIGHT.length;

/** By its number: neighbours differ, and those that run at the same time are neighbours. */
export function runColor(number: number | null, dark: boolean): string {
  return (dark ? DARK : LIGHT)[((number ?? 1) - 1) % COLORS] as string;
}
