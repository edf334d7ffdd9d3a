/** All about one run: its configuration beside the best's, what it logged, printed and died of, and what people say of it. */

import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { ComponentChildren, VNode } from "preact";
import { ansiText } from "../ansi";
import type { Connection } from "../connection";
import { changeText, clockText, durationText, pythonText, valueText } from "../format";
import type { Config, Json, RunDetail } from "../protocol";
import { RunMenu, configOf } from "../runs/actions";
import { tookText } from "../runs/cells";
import { Tabs, type Tab } from "../shell/tabs";
import { ASIDE_STRINGS } from "../asidestrings";
import { STRINGS } from "../strings";
import { Ansi } from "../ui/ansi";
import { CopyButton } from "../ui/copy";
import { reasonAgainst } from "../ui/order";
import { Icon } from "../ui/icons";
import { Dropdown } from "../ui/dropdown";
import { codeText, Reproduce, RetryWithFix } from "./again";
import { newDetails } from "./detail";
import { Notes } from "./notes";
import { provenanceRows, sourceOf, whereOf } from "./provenance";
import { comparedRows } from "./rows";

const WORDS = ASIDE_STRINGS.drawer;

/** The run that is opened. */
export function Drawer({ connection }: { connection: Connection }): VNode | null {
  const run = connection.state.opened.value;
  return run === null ? null : <RunDrawer key={run} connection={connection} run={run} />;
}

function RunDrawer({ connection, run }: { connection: Connection; run: string }): VNode {
  const { state } = connection;
  const details = useMemo(() => newDetails(connection, run), [run]);
  useEffect(() => () => details.close(), [details]);
  state.runs.version.value;
  const { detail, asking } = details;
  const number = state.runs.number(run, "number") ?? detail.value?.number ?? run;
  const runState = state.runs.text(run, "state");
  const close = () => (state.opened.value = null);
  return (
    <section
      class="sw-drawer"
      aria-label={WORDS.label}
      data-testid="sw-drawer"
      data-run-id={run}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || event.defaultPrevented) return;
        event.stopPropagation();
        close();
      }}
    >
      <header class="sw-drawer-head">
        <h3 title={state.runs.text(run, "name")}>
          {WORDS.title(number)} <span class="sw-muted">{state.runs.text(run, "name")}</span>
        </h3>
        <span class="sw-run-state" data-state={runState}>
          <span class="sw-dot" aria-hidden="true" />
          {STRINGS.runs.state[runState] ?? runState}
        </span>
        <span class="sw-muted">{tookText(state, run)}</span>
        <span class="sw-space" />
        <Dropdown label={STRINGS.runs.menu(number)} icon="more" arrow={false} role="menu" align="end" className="sw-quiet">
          {(shut) => <RunMenu connection={connection} run={run} short close={shut} />}
        </Dropdown>
        <button type="button" class="sw-button sw-button-icon sw-quiet" aria-label={STRINGS.close} title={STRINGS.close} onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      {!state.runs.has(run) ? (
        <p class="sw-hint">{WORDS.gone}</p>
      ) : (
        <DrawerTabs connection={connection} run={run} detail={detail.value} late={asking.value?.late.value ?? false} refused={asking.value?.refused.value?.message ?? ""} />
      )}
    </section>
  );
}

interface DrawerTabsProps {
  connection: Connection;
  run: string;
  detail: RunDetail | null;
  late: boolean;
  refused: string;
}

function DrawerTabs({ connection, run, detail, late, refused }: DrawerTabsProps): VNode {
  const chosen = connection.state.view.remember("drawer", "config");
  const { runs } = connection.state;
  const failed = (detail?.error ?? runs.text(run, "error")) !== "";
  const waiting = <p class="sw-hint">{refused || (late ? WORDS.busy : WORDS.loading)}</p>;
  const whenKnown = (show: (known: RunDetail) => ComponentChildren) => (detail ? show(detail) : waiting);
  const tabs: Tab[] = [
    { name: "config", label: WORDS.tabs.config, panel: () => <ConfigTab connection={connection} run={run} config={detail?.config ?? configOf(runs, run)} detail={detail} /> },
    { name: "metrics", label: WORDS.tabs.metrics, panel: () => whenKnown((known) => <MetricsTab connection={connection} detail={known} />) },
    ...(failed ? [{ name: "error", label: WORDS.tabs.error, tone: "bad" as const, badge: "!", panel: () => whenKnown((known) => <ErrorTab connection={connection} detail={known} />) }] : []),
    { name: "output", label: WORDS.tabs.output, panel: () => whenKnown((known) => <OutputTab detail={known} />) },
    { name: "notes", label: WORDS.tabs.notes, panel: () => whenKnown((known) => <Notes connection={connection} detail={known} />) },
    { name: "about", label: WORDS.tabs.about, panel: () => whenKnown((known) => <AboutTab connection={connection} detail={known} />) },
  ];
  return <Tabs label={WORDS.label} tabs={tabs} chosen={chosen} className="sw-drawer-tabs" />;
}

function ConfigTab({ connection, run, config, detail }: { connection: Connection; run: string; config: Config; detail: RunDetail | null }): VNode {
  const { state } = connection;
  const best = state.best.value;
  const isBest = best?.run === run;
  const rows = comparedRows(best && !isBest ? [config, best.config] : [config]);
  const reason = reasonAgainst(state, "enqueue");
  return (
    <>
      <table class="sw-facts">
        <thead>
          <tr>
            <th scope="col">{WORDS.parameter}</th>
            <th scope="col">{WORDS.value}</th>
            {best && !isBest && <th scope="col">{WORDS.best}</th>}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.name} class={row.differs ? "sw-differs" : ""}>
              <th scope="row">{row.name}</th>
              {row.values.map((value, i) => (
                <td key={i} title={exactly(value)}>
                  {valueText(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {isBest && <p class="sw-hint">{WORDS.sameAsBest}</p>}
      <p class="sw-row-buttons">
        <CopyButton text={() => pythonText(config, 0)} label={WORDS.copyConfig} />
        <button
          type="button"
          class="sw-button"
          aria-disabled={reason ? true : undefined}
          title={reason || undefined}
          onClick={() => {
            if (!reason) state.variant.value = config;
          }}
        >
          {WORDS.variant}
        </button>
      </p>
      {detail && <Reproduce connection={connection} detail={detail} />}
    </>
  );
}

function exactly(value: Json | undefined): string {
  return value === undefined ? "" : pythonText(value);
}

function MetricsTab({ connection, detail }: { connection: Connection; detail: RunDetail }): VNode {
  const { state } = connection;
  const baseline = state.pinned.value && state.pinned.value !== detail.id ? state.pinned.value : (state.best.value?.run ?? null);
  const against = baseline !== null && baseline !== detail.id ? baseline : null;
  const summary = comparedRows([detail.summary]);
  if (summary.length === 0) return <p class="sw-hint">{WORDS.noMetrics}</p>;
  const other = (name: string) => (against ? state.runs.cell(against, `summary.${name}`) : undefined);
  return (
    <table class="sw-facts">
      <thead>
        <tr>
          <th scope="col">{WORDS.metric}</th>
          <th scope="col">{WORDS.value}</th>
          {against && <th scope="col">{against === state.pinned.value ? WORDS.pinned : WORDS.best}</th>}
          {against && <th scope="col">{WORDS.change}</th>}
        </tr>
      </thead>
      <tbody>
        {summary.map(({ name, values: [value] }) => {
          const reference = other(name);
          return (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td title={exactly(value)}>{valueText(value)}</td>
              {against && <td title={exactly(reference)}>{valueText(reference)}</td>}
              {against && <td>{typeof value === "number" && typeof reference === "number" ? changeText(value, reference) : ""}</td>}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

/** Follows its end, as long as the reader is there. */
function OutputTab({ detail }: { detail: RunDetail }): VNode {
  const box = useRef<HTMLPreElement>(null);
  const following = useRef(true);
  useLayoutEffect(() => {
    if (box.current && following.current) box.current.scrollTop = box.current.scrollHeight;
  }, [detail.output]);
  if (detail.output === "") return <p class="sw-hint">{WORDS.outputNone}</p>;
  return (
    <>
      <pre
        ref={box}
        class="sw-output"
        tabIndex={0}
        aria-label={WORDS.tabs.output}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => (following.current = scrollTop + clientHeight > scrollHeight - 8)}
      >
        {detail.output_cut && <span class="sw-muted">{`${WORDS.outputCut}\n`}</span>}
        <Ansi text={detail.output} />
      </pre>
      <p class="sw-row-buttons">
        <CopyButton text={() => ansiText(detail.output)} label={WORDS.copyOutput} />
      </p>
    </>
  );
}

function ErrorTab({ connection, detail }: { connection: Connection; detail: RunDetail }): VNode {
  const where = whereOf(detail.provenance);
  return (
    <>
      {where && <p class="sw-tag">{where}</p>}
      <pre class="sw-output sw-error-output" tabIndex={0} aria-label={WORDS.tabs.error}>
        <Ansi text={detail.error} />
      </pre>
      <p class="sw-row-buttons">
        <CopyButton text={() => ansiText(detail.error)} label={WORDS.copyError} />
        <CopyButton text={() => pythonText(detail.config, 0)} label={WORDS.copyConfig} />
      </p>
      <RetryWithFix connection={connection} detail={detail} />
      <Reproduce connection={connection} detail={detail} open />
    </>
  );
}

function AboutTab({ connection, detail }: { connection: Connection; detail: RunDetail }): VNode {
  const facts: [string, string][] = [
    [WORDS.why, [detail.why, infoText(detail.info)].filter(Boolean).join(" · ")],
    [WORDS.reason, detail.stop_reason],
    [WORDS.exit, detail.exit_code === null ? "" : String(detail.exit_code)],
    [WORDS.created, clockText(detail.created_at)],
    [WORDS.began, detail.started_at === null ? "" : clockText(detail.started_at)],
    [WORDS.ended, detail.ended_at === null ? "" : `${clockText(detail.ended_at)}${detail.started_at === null ? "" : ` (${durationText(detail.ended_at - detail.started_at)})`}`],
    [WORDS.agent, detail.agent ?? ""],
    [WORDS.attempt, detail.attempt > 1 ? String(detail.attempt) : ""],
    [WORDS.seed, String(detail.seed)],
    [WORDS.space, `v${detail.config_version}`],
    [WORDS.code, codeText(connection, detail.code)],
    ...provenanceRows(detail.provenance),
  ];
  const source = sourceOf(detail.provenance);
  return (
    <>
      <table class="sw-facts">
        <tbody>
          {facts
            .filter(([, text]) => text !== "")
            .map(([name, text]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="sw-wraps">{text}</td>
              </tr>
            ))}
        </tbody>
      </table>
      {source !== "" && (
        <pre class="sw-output" tabIndex={0} aria-label={WORDS.source}>
          {source}
        </pre>
      )}
    </>
  );
}

function infoText(info: Config): string {
  return Object.entries(info)
    .filter(([name]) => name !== "why")
    .map(([name, value]) => `${name} ${valueText(value)}`)
    .join(" · ");
}
