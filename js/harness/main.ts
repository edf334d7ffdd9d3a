/**
 * The page of the harness. What it shows is said in its address:
 *   ?state=running|paused|finished|canceled|empty|pending   ?ended=14 ?total=60 ?agents=2 ?speed=1 ?goals=2
 *   ?lost=1: the assets that were pushed never came
 *   ?kernel=busy|denied|refuses|trouble|silent|detached|static|stale  ?theme=dark ?width=850 ?panel=runs ?views=2 ?hostile=1
 * Tests reach it as `globalThis.harness`.
 */

import type { Forms, Panel, SweepState } from "../src/protocol";
import { FakeKernel } from "./kernel";
import { FakeModel } from "./model";
import { FakeSweep } from "./sweep";

interface Widget {
  initialize?: (context: { model: FakeModel }) => unknown;
  render: (context: { model: FakeModel; el: HTMLElement }) => unknown;
}

const asked = new URLSearchParams(location.search);
const text = (name: string, otherwise: string) => asked.get(name) ?? otherwise;
const number = (name: string, otherwise: number) => Number(asked.get(name) ?? otherwise);

const OBSERVE = "This link allows to observe only; ask its owner for one that allows to steer.";
const STEERING = [
  "start_agents", "scale", "stop_agent", "pause", "resume", "stop", "cancel", "stop_run", "retry_run", "enqueue", "update_run",
  "apply", "undo_config",
];

async function main(): Promise<void> {
  document.body.dataset["jpThemeLight"] = String(text("theme", "light") !== "dark");
  const state = text("state", "running");
  const kernelState = text("kernel", "");
  const sweep =
    state === "empty"
      ? null
      : new FakeSweep({
          ended: state === "pending" ? 0 : number("ended", 14),
          total: asked.has("total") && text("total", "") === "none" ? null : number("total", Math.max(60, number("ended", 14) + 20)),
          agents: ["running", "paused"].includes(state) ? number("agents", 2) : 0,
          state: state.toUpperCase() as SweepState,
          hostile: asked.has("hostile"),
        });
  if (sweep && text("goals", "1") === "2") sweep.goals.push({ metric: "accuracy", maximize: true, target: null });
  const model = new FakeModel({
    panel: text("panel", "dashboard") as Panel,
    theme: text("trait", "auto") as "auto",
    view: JSON.parse(text("view", "{}")) as { [key: string]: string },
  });
  const forms = (await (await fetch("/forms.json")).json()) as Forms;
  const kernel = new FakeKernel(model, sweep, {
    forms,
    denied: kernelState === "denied" ? Object.fromEntries(STEERING.map((name) => [name, OBSERVE])) : {},
    refuses: kernelState === "refuses" ? "The sweep is finished; give it a larger run_cap first: sweep.edit(run_cap=…)." : "",
    trouble: kernelState === "trouble" ? "The store cannot be read: disk I/O error (sweeps.db)" : "",
    assets: (await (await fetch("/assets.json")).json()) as { [name: string]: string },
    pushes: !asked.has("lost"),
    asset: async (name) => (await fetch(`/asset/${name}`)).arrayBuffer(),
  });

  const module = (await import(new URL("/dashboard.js", location.href).href)) as { default: () => Widget | Promise<Widget> };
  const widget = await module.default();
  await widget.initialize?.({ model });
  const outputs = document.getElementById("outputs") as HTMLElement;
  const endings: unknown[] = [];
  for (let i = 0; i < number("views", 1); i += 1) {
    const output = document.createElement("div");
    output.className = "output";
    const width = number("width", 0);
    if (width) output.style.width = `${width}px`;
    const el = document.createElement("div");
    output.append(el);
    outputs.append(output);
    endings.push(await widget.render({ model, el }));
  }
  if (!["silent", "static"].includes(kernelState)) {
    kernel.open();
    if (kernelState !== "stale") kernel.play(number("speed", 1));
  }
  if (["silent", "static"].includes(kernelState)) {
    const hear = model.heard;
    model.heard = (content) => content["type"] === "need" && !asked.has("lost") && hear(content);
  }
  if (kernelState === "busy") kernel.behaviour.busy = true;
  if (kernelState === "detached") {
    setTimeout(() => {
      kernel.stop();
      model.heard = () => {};
      model.trigger("comm:close");
    }, 1200);
  }
  if (kernelState === "static") model.trigger("comm:close");
  Object.assign(globalThis, { harness: { model, kernel, sweep, widget, endings } });
}

void main();
