/** A run's details: asked when it is opened and whenever it has changed since; the old ones stay until the new ones are there. */

import { effect, signal, type ReadonlySignal } from "@preact/signals";
import type { Connection, Pending } from "../connection";
import { unmarked } from "../json";
import type { Config, RunDetail } from "../protocol";

const AGAIN_MS = 2000;

export interface Details {
  readonly detail: ReadonlySignal<RunDetail | null>;
  readonly asking: ReadonlySignal<Pending<"detail"> | null>;
  close(): void;
}

export function newDetails(connection: Connection, run: string): Details {
  const { state } = connection;
  const detail = signal<RunDetail | null>(null);
  const asking = signal<Pending<"detail"> | null>(null);
  let askedAt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let closed = false;

  const ask = () => {
    timer = undefined;
    askedAt = Date.now();
    const order = connection.command("detail", { run });
    asking.value = order;
    void order.result.then(
      (answer) => {
        if (!closed) detail.value = readDetail(answer.value);
      },
      () => {},
    );
  };
  const end = effect(() => {
    state.runs.version.value;
    if (!rowChanged(state.runs.text(run, "state"), detail.peek())) return;
    timer ??= setTimeout(ask, Math.max(0, askedAt + AGAIN_MS - Date.now()));
  });
  return {
    detail,
    asking,
    close() {
      closed = true;
      clearTimeout(timer);
      end();
    },
  };
}

/** A running run changes all the time; others when their state does. */
function rowChanged(rowState: string, known: RunDetail | null): boolean {
  return known === null || rowState === "running" || rowState !== known.state;
}

function readDetail(detail: RunDetail): RunDetail {
  return { ...detail, config: unmarked(detail.config) as Config, summary: unmarked(detail.summary) as Config, info: unmarked(detail.info) as Config };
}
