/** What can be done with one run. */

import type { VNode } from "preact";
import type { Connection } from "../connection";
import { pythonText } from "../format";
import { columnPath, type RunTable } from "../runtable";
import type { Config, Json } from "../protocol";
import { toggle } from "../state";
import { STRINGS } from "../strings";
import { copyText } from "../ui/copy";
import { reasonAgainst } from "../ui/order";
import { Menu, type MenuItem } from "../ui/popover";

const WORDS = STRINGS.runs;

function runItems(connection: Connection, run: string): (MenuItem | null)[] {
  const { state } = connection;
  const runState = state.runs.text(run, "state");
  const pinned = state.pinned.value === run;
  const hidden = state.hidden.value.includes(run);
  const active = runState === "running" || runState === "pending";
  return [
    { label: WORDS.details, icon: "info", run: () => (state.opened.value = run) },
    { label: WORDS.copyConfig, icon: "copy", run: () => void copyText(pythonText(configOf(state.runs, run), 0)) },
    { label: WORDS.variant, icon: "plus", disabled: reasonAgainst(state, "enqueue"), run: () => (state.variant.value = configOf(state.runs, run)) },
    null,
    { label: pinned ? WORDS.unpin : WORDS.pin, icon: "pin", run: () => (state.pinned.value = pinned ? null : run) },
    { label: hidden ? WORDS.unhide : WORDS.hide, icon: "columns", run: () => toggle(state.hidden, run) },
    null,
    {
      label: WORDS.retry,
      icon: "again",
      disabled: (active ? WORDS.notEnded : "") || reasonAgainst(state, "retry_run"),
      run: () => connection.command("retry_run", { run }),
    },
    {
      label: WORDS.stop,
      icon: "stop",
      danger: true,
      disabled: (active ? "" : WORDS.notRunning) || reasonAgainst(state, "stop_run"),
      run: () => connection.command("stop_run", { run }),
    },
  ];
}

/** `short`: where its details are open already. */
export function RunMenu({ connection, run, short = false, close }: { connection: Connection; run: string; short?: boolean; close: () => void }): VNode {
  return <Menu items={runItems(connection, run).slice(short ? 1 : 0)} close={close} />;
}

/** A run's configuration, as its columns have it. */
export function configOf(runs: RunTable, run: string): Config {
  const config: Config = {};
  for (const name of runs.names.peek()) {
    if (!name.startsWith("config.")) continue;
    const value = runs.cell(run, name);
    if (value !== undefined) put(config, columnPath(name).slice(1), value);
  }
  return config;
}

function put(config: Config, path: readonly string[], value: Json): void {
  const [key, ...rest] = path as [string, ...string[]];
  if (rest.length === 0) {
    define(config, key, value);
    return;
  }
  const inner = Object.hasOwn(config, key) ? config[key] : undefined;
  const nested: Config = typeof inner === "object" && inner !== null && !Array.isArray(inner) ? inner : {};
  define(config, key, nested);
  put(nested, rest, value);
}

/** `__proto__` is a name like any other. */
function define(config: Config, key: string, value: Json): void {
  Object.defineProperty(config, key, { value, enumerable: true, configurable: true, writable: true });
}
