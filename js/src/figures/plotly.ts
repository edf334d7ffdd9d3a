/** What we use of plotly.js, which the kernel sends (see assets.ts), and how its figures come to look like the page. */

export interface PlotlyPoint {
  readonly pointNumber?: number;
  readonly pointIndex?: number;
  readonly data: { readonly ids?: readonly unknown[]; readonly customdata?: readonly unknown[] };
}

export interface PlotlyElement extends HTMLElement {
  on(event: "plotly_click", handler: (event: { points: readonly PlotlyPoint[]; event: MouseEvent }) => void): void;
  readonly _fullLayout?: FullLayout;
}

/** Plotly's own idea of where its axes stand. It has had these names since its first version. */
export interface FullLayout {
  readonly _plots: { readonly [name: string]: { readonly xaxis: FullAxis; readonly yaxis: FullAxis } };
}

export interface FullAxis {
  readonly _offset: number;
  readonly _length: number;
  readonly p2d: (pixel: number) => number | string;
  readonly title?: { readonly text?: string };
  readonly tickvals?: readonly number[];
  readonly ticktext?: readonly string[];
}

export type Data = readonly { readonly [key: string]: unknown }[];
export type Layout = { readonly [key: string]: unknown };

export interface Plotly {
  react(element: HTMLElement, data: Data, layout: Layout, config: object): Promise<PlotlyElement>;
  relayout(element: HTMLElement, layout: Layout): Promise<unknown>;
  purge(element: HTMLElement): void;
}

export interface Figure {
  readonly data: Data;
  readonly layout: Layout;
}

export interface Skin {
  readonly text: string;
  readonly grid: string;
  readonly line: string;
  readonly font: string;
}

export const CONFIG = {
  displaylogo: false,
  responsive: false,
  showTips: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  toImageButtonOptions: { format: "png", scale: 2 },
};

/** Panels side by side need room; a narrow page scrolls. */
const LEAST_PANEL = 170;

export function isPlotly(module: unknown): module is Plotly {
  return typeof module === "object" && module !== null && "react" in module && typeof module.react === "function";
}

/** The figure in a width, with the page's ink. Axes keep what they say of themselves. */
export function skinned(layout: Layout, skin: Skin, width: number, name: string): Layout {
  const grid = layout["grid"] as { readonly columns?: number } | undefined;
  const axes = Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key));
  const axis = (known: object) => ({ ...known, gridcolor: skin.grid, linecolor: skin.line, tickcolor: skin.line });
  return {
    ...layout,
    ...Object.fromEntries(["xaxis", "yaxis", ...axes].map((key) => [key, axis((layout[key] as object | undefined) ?? {})])),
    title: undefined,
    width: Math.max(width, (grid?.columns ?? 1) > 1 ? LEAST_PANEL * (grid?.columns ?? 1) : 0),
    height: layout["height"] ?? 380,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { ...(layout["font"] as object | undefined), color: skin.text, family: skin.font },
    // The user's zoom outlives new data.
    uirevision: name,
  };
}

/** The runs that points stand for: figures carry their ids. */
export function runsOf(points: readonly PlotlyPoint[], isRun: (id: string) => boolean): string[] {
  const found = points.flatMap((point) => {
    const at = point.pointNumber ?? point.pointIndex ?? -1;
    return [point.data.ids?.[at], point.data.customdata?.[at]].flat().filter((id): id is string => typeof id === "string" && isRun(id));
  });
  return [...new Set(found)];
}
