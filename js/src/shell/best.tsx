/** The best run so far: its value, what it was drawn as, and how it stands to the pinned one. */

import type { VNode } from "preact";
import type { Connection } from "../connection";
import { changeText, numberText, pythonText, valueText } from "../format";
import type { Config, Json, ParameterInfo } from "../protocol";
import { metricColumn } from "../runs/columns";
import { STRINGS } from "../strings";
import { CopyButton } from "../ui/copy";
import { Icon } from "../ui/icons";
import { Lazy } from "../ui/lazy";

const WORDS = STRINGS.best;

/** `done`: nothing is to come, and it offers what follows. */
export function BestCard({ connection, done = false }: { connection: Connection; done?: boolean }): VNode {
  const { state } = connection;
  if ((state.sweep.value?.goals.length ?? 0) > 1) return <Lazy name="FrontCard" quiet connection={connection} />;
  const best = state.best.value;
  const noGoal = state.sweep.value !== null && state.sweep.value.goal === null;
  return (
    <section class="sw-card sw-best" data-testid="sw-best" aria-label={WORDS.title}>
      <header class="sw-card-head">
        <h3>{WORDS.title}</h3>
        {best && (
          <button type="button" class="sw-link" onClick={() => (state.opened.value = best.run)}>
            {WORDS.run(best.number)}
          </button>
        )}
        <span class="sw-space" />
        {best && <Actions connection={connection} />}
      </header>
      {best ? (
        <>
          <p class="sw-best-value">
            <span class="sw-muted">{best.metric}</span> <b>{numberText(best.value)}</b> <Change connection={connection} />
          </p>
          <Chips config={best.config} parameters={state.sweep.value?.parameters ?? []} />
        </>
      ) : (
        <p class="sw-hint">{noGoal ? WORDS.noGoal : WORDS.none}</p>
      )}
      {done && <Lazy name="Finish" connection={connection} quiet />}
    </section>
  );
}

function Change({ connection }: { connection: Connection }): VNode | null {
  const { best, pinned, runs } = connection.state;
  runs.version.value;
  const run = pinned.value;
  if (!best.value || !run || run === best.value.run) return null;
  const baseline = runs.number(run, metricColumn(best.value.metric, runs.names.value));
  const number = runs.number(run, "number");
  if (baseline === null || number === null) return null;
  return <span class="sw-change">{WORDS.change(changeText(best.value.value, baseline), number)}</span>;
}

function Actions({ connection }: { connection: Connection }): VNode {
  const { state } = connection;
  const best = state.best.value;
  const pinned = best !== null && state.pinned.value === best.run;
  return (
    <span class="sw-card-actions">
      <CopyButton text={() => pythonText(best?.config ?? {}, 0)} label={WORDS.copy} iconOnly className="sw-quiet" />
      <button
        type="button"
        class="sw-button sw-button-icon sw-quiet"
        aria-pressed={pinned}
        aria-label={pinned ? WORDS.unpin : WORDS.pin}
        title={WORDS.pinTitle}
        onClick={() => (state.pinned.value = pinned ? null : (best?.run ?? null))}
      >
        <Icon name="pin" />
      </button>
    </span>
  );
}

/** `lr 2.1e-3  bs 64`: what was searched first, constants not at all. */
function Chips({ config, parameters }: { config: Config; parameters: readonly ParameterInfo[] }): VNode {
  const searched = parameters.filter((parameter) => !parameter.constant).map((parameter) => parameter.path);
  const paths = searched.length ? searched : leavesOf(config);
  const known = paths.map((path) => ({ name: path.join("."), value: valueAt(config, path) })).filter(({ value }) => value !== undefined);
  return (
    <dl class="sw-chips" tabIndex={0} aria-label={WORDS.config}>
      {known.map(({ name, value }) => (
        <div key={name} title={`${name}: ${valueText(value)}`}>
          <dt>{name}</dt>
          <dd>{valueText(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Where its values are: what is nested is a group of parameters, as long as nobody says otherwise. */
function leavesOf(config: Config, above: readonly string[] = []): string[][] {
  return Object.entries(config).flatMap(([key, value]) => {
    const path = [...above, key];
    const nested = typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
    return nested ? leavesOf(value, path) : [path];
  });
}

export function valueAt(config: Config, path: readonly string[]): Json | undefined {
  let value: Json | undefined = config;
  for (const key of path) {
    if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}
