/** The whole, and the panels that can also stand alone. */

import { useComputed, useSignal } from "@preact/signals";
import type { ComponentChildren, VNode } from "preact";
import type { Connection } from "../connection";
import { Curves } from "../curves";
import { Runs } from "../runs";
import { failures } from "../runs/columns";
import type { Panel } from "../protocol";
import { isOver } from "../state";
import { STRINGS } from "../strings";
import { AgentsCard } from "./agents";
import { BestCard } from "./best";
import { Header } from "./header";
import { LiveRegion } from "./liveregion";
import { Lazy } from "../ui/lazy";
import { NoticeBar } from "./noticebar";
import { Progress } from "./progress";
import { Tabs, type Tab } from "./tabs";

export function Dashboard({ connection }: { connection: Connection }): VNode {
  const { state } = connection;
  const tab = state.view.remember("tab", "curves");
  const draft = useComputed(() => state.known.value && state.sweep.value === null);
  // Where there never was a kernel, only the traits in the saved file are known.
  const done = useComputed(() => isOver(state) && state.agents.value.every((agent) => agent.state === "gone"));
  const saved = useComputed(() => !state.known.value && state.mute.value);
  return (
    <>
      <Header connection={connection} />
      {!draft.value && !saved.value && <Progress connection={connection} />}
      <NoticeBar connection={connection} onShowFailures={() => (tab.value = "log")} />
      {saved.value ? (
        state.best.value && <BestCard connection={connection} />
      ) : draft.value ? (
        <Draft connection={connection} />
      ) : (
        <>
          <div class={`sw-cards ${done.value ? "sw-done" : ""}`}>
            <BestCard connection={connection} done={done.value} />
            {!done.value && <AgentsCard connection={connection} />}
          </div>
          <Views connection={connection} />
          <Runs connection={connection} />
          <EnqueueForm connection={connection} />
        </>
      )}
      <LiveRegion connection={connection} />
    </>
  );
}

/** There is no sweep yet: its configuration, and below it who will work on it. */
function Draft({ connection }: { connection: Connection }): VNode {
  return (
    <>
      <Lazy name="Config" connection={connection} />
      <div class="sw-cards sw-alone">
        <AgentsCard connection={connection} />
      </div>
    </>
  );
}

function Views({ connection }: { connection: Connection }): VNode {
  const { state } = connection;
  const tab = state.view.remember("tab", "curves");
  const failed = useComputed(() => {
    state.runs.version.value;
    return failures(state.runs).length;
  });
  const waiting = state.progress.value.counts.pending ?? 0;
  const words = STRINGS.tabs;
  const tabs: Tab[] = [
    { name: "curves", label: words.curves, panel: () => <Curves connection={connection} /> },
    { name: "parallel", label: words.parallel, panel: () => <Lazy name="Parallel" connection={connection} /> },
    { name: "figures", label: words.figures, panel: () => <Lazy name="Figures" connection={connection} /> },
    { name: "config", label: words.config, apart: true, panel: () => <Lazy name="Config" connection={connection} /> },
    { name: "queue", label: words.queue, ...(waiting ? { badge: String(waiting) } : {}), panel: () => <Lazy name="Queue" connection={connection} /> },
    { name: "log", label: words.log, ...(failed.value ? { badge: String(failed.value), tone: "bad" as const } : {}), panel: () => <Lazy name="FailureLog" connection={connection} /> },
  ];
  return <Tabs label={words.label} tabs={tabs} chosen={tab} className="sw-views" />;
}

const PANELS: { readonly [panel in Exclude<Panel, "dashboard">]: (connection: Connection) => ComponentChildren } = {
  config: (connection) => <Lazy name="Config" connection={connection} />,
  agents: (connection) => <AgentsCard connection={connection} />,
  curves: (connection) => <Curves connection={connection} />,
  runs: (connection) => (
    <>
      <Runs connection={connection} />
      <EnqueueForm connection={connection} />
    </>
  ),
};

/** One panel by itself: what it shows, and above it only what is amiss. */
export function SinglePanel({ connection, panel }: { connection: Connection; panel: Exclude<Panel, "dashboard"> }): VNode {
  return (
    <>
      <NoticeBar connection={connection} />
      {PANELS[panel]?.(connection)}
      <LiveRegion connection={connection} />
    </>
  );
}

/** The form for a run by hand, from the first time that it is wanted. */
function EnqueueForm({ connection }: { connection: Connection }): VNode | null {
  const wanted = useSignal(false);
  if (connection.state.variant.value !== null) wanted.value = true;
  return wanted.value ? <Lazy name="Enqueue" connection={connection} quiet /> : null;
}
