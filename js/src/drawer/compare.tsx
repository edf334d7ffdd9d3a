/** Several runs beside each other. */

import type { VNode } from "preact";
import type { Connection } from "../connection";
import { valueText } from "../format";
import { runColor } from "../palette";
import type { Config } from "../protocol";
import { configOf } from "../runs/actions";
import { columnPath, type RunTable } from "../runtable";
import { ASIDE_STRINGS } from "../asidestrings";
import { STRINGS } from "../strings";
import { Icon } from "../ui/icons";
import { comparedRows, type ComparedRow } from "./rows";

const WORDS = ASIDE_STRINGS.compare;
const MOST = 12;

export function Compare({ connection }: { connection: Connection }): VNode {
  const { state } = connection;
  state.runs.version.value;
  const differing = state.view.remember<boolean>("differing", true);
  const all = state.selected.value.filter((run) => state.runs.has(run));
  const runs = all.slice(0, MOST);
  const parameters = comparedRows(runs.map((run) => configOf(state.runs, run)));
  const metrics = comparedRows(runs.map((run) => summaryOf(state.runs, run)));
  const shown = (rows: ComparedRow[]) => (differing.value && runs.length > 1 ? rows.filter((row) => row.differs) : rows);
  return (
    <section class="sw-drawer" aria-label={WORDS.title(all.length)} data-testid="sw-compare">
      <header class="sw-drawer-head">
        <h3>{WORDS.title(all.length)}</h3>
        <label class="sw-check">
          <input type="checkbox" checked={differing.value} onChange={(event) => (differing.value = event.currentTarget.checked)} />
          <span>{WORDS.differing}</span>
        </label>
        <span class="sw-space" />
        <button type="button" class="sw-button sw-button-icon sw-quiet" aria-label={STRINGS.close} title={STRINGS.close} onClick={() => (state.comparing.value = false)}>
          <Icon name="close" />
        </button>
      </header>
      {runs.length < 2 && <p class="sw-hint">{WORDS.none}</p>}
      {all.length > MOST && <p class="sw-hint">{WORDS.most(MOST)}</p>}
      <div class="sw-compare-box" tabIndex={0} role="group" aria-label={WORDS.title(all.length)}>
        <table class="sw-facts sw-compare">
          <thead>
            <tr>
              <th scope="col" />
              {runs.map((run) => (
                <th key={run} scope="col" title={state.runs.text(run, "name")}>
                  <span class="sw-swatch" style={{ "--sw-run": runColor(state.runs.number(run, "number"), state.look.value.dark) }} aria-hidden="true" />
                  <button type="button" class="sw-link" onClick={() => (state.opened.value = run)}>
                    {state.runs.number(run, "number") ?? run}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <Group title={WORDS.metrics} rows={shown(metrics)} n={runs.length} />
          <Group title={WORDS.parameters} rows={shown(parameters)} n={runs.length} />
        </table>
      </div>
    </section>
  );
}

function Group({ title, rows, n }: { title: string; rows: readonly ComparedRow[]; n: number }): VNode | null {
  if (rows.length === 0) return null;
  return (
    <tbody>
      <tr>
        <th scope="rowgroup" colSpan={n + 1} class="sw-group">
          {title}
        </th>
      </tr>
      {rows.map((row) => (
        <tr key={row.name} class={row.differs ? "sw-differs" : ""}>
          <th scope="row">{row.name}</th>
          {row.values.map((value, i) => (
            <td key={i}>{valueText(value)}</td>
          ))}
        </tr>
      ))}
    </tbody>
  );
}

function summaryOf(runs: RunTable, run: string): Config {
  const entries = runs.names
    .peek()
    .filter((name) => name.startsWith("summary.") && runs.cell(run, name) !== undefined)
    .map((name) => [columnPath(name).slice(1).join("."), runs.cell(run, name)]);
  return Object.fromEntries(entries) as Config;
}
