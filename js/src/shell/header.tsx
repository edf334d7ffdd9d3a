/** The sweep's name and state, and what can be ordered of it as a whole. */

import type { VNode } from "preact";
import type { Connection } from "../connection";
import type { SweepState } from "../protocol";
import { isCapped } from "../state";
import { STRINGS } from "../strings";
import { OrderButton, reasonAgainst } from "../ui/order";
import { Dropdown } from "../ui/dropdown";
import { Lazy } from "../ui/lazy";
import { Icon } from "../ui/icons";

const WORDS = STRINGS.header;

export function Header({ connection }: { connection: Connection }): VNode {
  const { state } = connection;
  const sweep = state.sweep.value;
  const status = state.status.value;
  // Without a kernel nobody knows what goes on now.
  const past = state.mute.value && (status === "RUNNING" || status === "PAUSED" || status === "PENDING");
  const named = state.config.value["name"];
  return (
    <div class="sw-header">
      <span class="sw-status" data-testid="sw-status" data-state={past ? "PAST" : status || "DRAFT"}>
        <span class="sw-dot" aria-hidden="true" />
        {past ? STRINGS.link.was(STRINGS.status[status]) : STRINGS.status[status]}
      </span>
      <h2 class="sw-name" title={sweep?.name}>
        {sweep ? sweep.name || sweep.id : typeof named === "string" && state.mute.value ? named : STRINGS.root.draft}
      </h2>
      {sweep && (
        <span class="sw-method" title={sweep.reason || undefined}>
          {sweep.method}
          {sweep.goals.length > 0 && ` · ${sweep.goals.map((goal) => STRINGS.goal(goal.maximize, goal.metric)).join(", ")}`}
        </span>
      )}
      <span class="sw-space" />
      <div class="sw-actions">
        {sweep && <Go connection={connection} status={status} />}
        {sweep && <Stop connection={connection} status={status} />}
        {sweep && <Add connection={connection} status={status} />}
        <Dropdown label={WORDS.menu} icon="more" arrow={false} role="menu" align="end" className="sw-quiet" testid="sw-export">
          {(close) => <Lazy name="HeaderMenu" quiet connection={connection} close={close} />}
        </Dropdown>
      </div>
    </div>
  );
}

type Part = { connection: Connection; status: "" | SweepState };

/** Pause and Resume share a place. */
function Go({ connection, status }: Part): VNode {
  const resumes = status === "PAUSED" || status === "FINISHED";
  if (resumes) {
    return (
      <OrderButton
        key="resume"
        connection={connection}
        command="resume"
        args={() => ({})}
        label={WORDS.resume}
        doing={WORDS.resuming}
        icon="play"
        testid="sw-resume"
        className={status === "PAUSED" && !connection.state.sweep.value?.failure ? "sw-primary" : ""}
        disabled={isCapped(connection.state) ? WORDS.capped : ""}
      />
    );
  }
  return (
    <OrderButton
      key="pause"
      connection={connection}
      command="pause"
      args={() => ({})}
      label={WORDS.pause}
      doing={WORDS.pausing}
      icon="pause"
      testid="sw-pause"
      disabled={status === "CANCELED" ? WORDS.over : status === "PENDING" ? WORDS.notBegun : ""}
    />
  );
}

function Stop({ connection, status }: Part): VNode {
  const over = status === "FINISHED" || status === "CANCELED";
  return (
    <span class="sw-split">
      <OrderButton
        connection={connection}
        command="stop"
        args={() => ({ now: false })}
        label={WORDS.stop}
        doing={WORDS.stopping}
        icon="stop"
        testid="sw-stop"
        title={WORDS.stopTitle}
        disabled={over ? WORDS.over : ""}
      />
      <Dropdown label={WORDS.stopMore} role="menu" align="end" disabled={status === "CANCELED" ? WORDS.over : ""}>
        {(close) => <Lazy name="StopMenu" quiet connection={connection} status={status} close={close} />}
      </Dropdown>
    </span>
  );
}

function Add({ connection, status }: Part): VNode {
  const reason = status === "CANCELED" ? WORDS.over : reasonAgainst(connection.state, "enqueue");
  return (
    <button
      type="button"
      class="sw-button sw-add"
      data-testid="sw-add-run"
      aria-disabled={reason ? true : undefined}
      aria-label={WORDS.add}
      title={reason || WORDS.addTitle}
      onClick={() => {
        if (!reason) connection.state.variant.value = {};
      }}
    >
      <Icon name="plus" />
      <span class="sw-wide">{WORDS.add}</span>
    </button>
  );
}
