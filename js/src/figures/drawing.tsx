/** A figure in the page: the library is fetched when it is first needed, the ink is the page's, a click tells where. */

import { effect, useSignal, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { VNode } from "preact";
import { assetModule } from "../assets";
import type { Connection } from "../connection";
import { watchVisible } from "../curves/redraw";
import { PANEL_STRINGS } from "../panelstrings";
import { resolvedColor } from "../theme";
import { reasonAgainst } from "../ui/order";
import { placeText, valuesAt, withValues, type Place } from "./here";
import type { FigureModel } from "./model";
import { CONFIG, isPlotly, runsOf, skinned, type Plotly, type PlotlyElement, type Skin } from "./plotly";
import type { FigureName } from "./index";

const S = PANEL_STRINGS.figures;
const ASSET = "plotly";

interface Props {
  readonly connection: Connection;
  readonly model: FigureModel;
  readonly name: FigureName;
}

export function Drawing({ connection, model, name }: Props): VNode {
  const host = useRef<HTMLDivElement>(null);
  const plotly = useSignal<Plotly | null>(null);
  const trouble = useSignal("");
  const here = useSignal<readonly Place[]>([]);
  useEffect(() => fetchPlotly(connection, plotly, trouble), [connection]);
  useEffect(() => (host.current ? attach(host.current, connection, model, name, plotly, here) : undefined), [connection, model, name]);
  const { state } = connection;
  const figure = model.made.value;
  const text = model.refusal.value
    ? model.refusal.value
    : figure && !plotly.value
      ? trouble.value || (state.assets.value[ASSET] === undefined && state.known.value ? S.noAsset : S.loadingAsset)
      : !figure
        ? state.mute.value
          ? S.alone
          : S.drawing
        : "";
  return (
    <>
      <div class="sw-figure-frame">
        <div class="sw-figure-host" ref={host} role="figure" aria-label={S.label(S.names[name])} />
        {text && (
          <p class="sw-plot-empty" {...(model.refusal.value ? { role: "alert", "data-testid": "sw-error" } : { role: "status" })}>
            {text}
          </p>
        )}
      </div>
      <Here connection={connection} here={here} />
    </>
  );
}

/** Offers a run at the place that was clicked. It has its line from the start, so that nothing jumps. */
function Here({ connection, here }: { connection: Connection; here: Signal<readonly Place[]> }): VNode {
  const { state } = connection;
  const places = here.value;
  const reason = reasonAgainst(state, "enqueue");
  return (
    <div class="sw-toolbar sw-here">
      {places.length > 0 && (
        <>
          <span>{S.here(placeText(places))}</span>
          <button
            type="button"
            class="sw-button"
            aria-disabled={reason ? true : undefined}
            title={reason || undefined}
            onClick={() => {
              if (!reason) state.variant.value = withValues(state.best.peek()?.config ?? {}, places);
            }}
          >
            {S.addHere}
          </button>
        </>
      )}
    </div>
  );
}

/** Plotly, from this page's shelf, the browser's database, or the kernel. */
function fetchPlotly(connection: Connection, plotly: Signal<Plotly | null>, trouble: Signal<string>): () => void {
  const { state } = connection;
  return effect(() => {
    const hash = state.assets.value[ASSET];
    if (!hash || plotly.peek()) return;
    assetModule(hash, () => connection.command("need", { asset: ASSET }))
      .then((module) => {
        if (isPlotly(module)) plotly.value = module;
        else trouble.value = S.assetFailed;
      })
      .catch((error: unknown) => {
        trouble.value = `${S.assetFailed}: ${error instanceof Error ? error.message : String(error)}`;
      });
  });
}

function attach(
  host: HTMLElement,
  connection: Connection,
  model: FigureModel,
  name: string,
  plotly: Signal<Plotly | null>,
  here: Signal<readonly Place[]>,
): () => void {
  const { state } = connection;
  let element: PlotlyElement | null = null;
  let visible = false;
  let wanted = true;
  let resizing: ReturnType<typeof setTimeout> | undefined;

  const draw = async () => {
    const made = model.made.peek();
    const library = plotly.peek();
    if (!visible || !wanted || !made || !library || host.clientWidth === 0) return;
    wanted = false;
    const layout = skinned(made.figure.layout, skinOf(host), host.clientWidth, name);
    const first = element === null;
    element = await library.react(host, made.figure.data, layout, CONFIG);
    if (!first) return;
    element.on("plotly_click", ({ points, event }) => {
      const runs = runsOf(points, (id) => state.runs.has(id));
      if (runs.length === 0) return;
      const more = event.ctrlKey || event.metaKey || event.shiftKey;
      state.selected.value = more ? [...new Set([...state.selected.peek(), ...runs])] : runs;
    });
  };
  const request = () => {
    wanted = true;
    void draw();
  };
  const click = (event: MouseEvent) => {
    const layout = element?._fullLayout;
    if (!layout || !(event.target instanceof Element) || event.target.closest(".modebar")) return;
    const box = host.getBoundingClientRect();
    const left = event.clientX - box.left + host.scrollLeft;
    here.value = valuesAt(layout, left, event.clientY - box.top, state.sweep.peek()?.parameters ?? []);
  };
  const observer = new ResizeObserver(() => {
    clearTimeout(resizing);
    resizing = setTimeout(request, 150);
  });
  observer.observe(host);
  // Plotly keeps clicks to itself once it has them.
  host.addEventListener("click", click, { capture: true });
  const endings = [
    effect(() => {
      void [model.made.value, plotly.value];
      request();
    }),
    effect(() => {
      void state.look.value;
      requestAnimationFrame(request);
    }),
    watchVisible(host, (seen) => {
      visible = seen;
      void draw();
    }),
  ];
  return () => {
    for (const end of endings) end();
    observer.disconnect();
    clearTimeout(resizing);
    host.removeEventListener("click", click, { capture: true });
    if (element) plotly.peek()?.purge(host);
    visible = false;
  };
}

function skinOf(host: HTMLElement): Skin {
  return {
    text: resolvedColor(host, "--sw-fg"),
    grid: resolvedColor(host, "--sw-line"),
    line: resolvedColor(host, "--sw-control-line"),
    font: getComputedStyle(host).fontFamily,
  };
}
