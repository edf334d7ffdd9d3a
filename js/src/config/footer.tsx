/** Where the draft stands: whether it can run, how long that would take, what it changes, and how it comes into force. */

import type { VNode } from "preact";
import type { Connection } from "../connection";
import { durationText } from "../format";
import { PANEL_STRINGS } from "../panelstrings";
import { Icon } from "../ui/icons";
import { Labels, OrderButton, reasonAgainst, useOrder } from "../ui/order";
import { problemsAt } from "./check";
import type { Difference } from "./difference";
import type { Draft } from "./draft";
import { isDict, toText, type Exact } from "./exact";
import { Problems } from "./parameters";
import { repr } from "./python";
import { rows } from "./space";

const S = PANEL_STRINGS.config;
const MOST_CHANGES = 8;

interface Props {
  readonly draft: Draft;
  readonly connection: Connection;
}

export function Footer({ draft, connection }: Props): VNode {
  const { state } = connection;
  const sweep = state.sweep.value;
  const changes = draft.changes.value;
  const problems = draft.problems.value.length;
  const apply = useOrder(connection, "apply");
  const unread = draft.written.value !== null && draft.written.value.doc === null;
  const against = reasonAgainst(state, "apply") || (unread ? S.textWaits : problems > 0 ? S.failures(problems) : "");
  const waiting = apply.status !== "";
  const idle = sweep !== null && !draft.dirty.value;
  const failed = apply.last.value?.refused.value;
  const click = () => {
    draft.settle();
    if (against || waiting || idle || draft.problems.peek().length > 0) return;
    apply.give({ draft: toText(draft.doc.peek()) });
  };
  return (
    <div class="sw-config-foot">
      <Standing draft={draft} connection={connection} />
      {draft.elsewhere.value && (
        <p class="sw-remark" role="status">
          <Icon name="info" /> {S.changedElsewhere}
        </p>
      )}
      <Problems problems={unplaced(draft)} />
      {failed && (
        <p class="sw-problem" role="alert" data-testid="sw-error">
          <Icon name="alert" /> {failed.message}
        </p>
      )}
      <Changes changes={changes} />
      <div class="sw-toolbar">
        <span class="sw-hint" role="status">
          {sweep === null ? S.draft : draft.dirty.value ? S.differs(changes.length) : S.same(sweep.config_version)}
        </span>
        <span class="sw-space" />
        {idle && sweep.config_version > 1 && (
          <OrderButton
            connection={connection}
            command="undo_config"
            args={() => ({ version: null })}
            label={S.undoApply(sweep.config_version - 1)}
            doing={S.undoing}
          />
        )}
        <button type="button" class="sw-button" aria-disabled={!draft.dirty.value && !unread ? true : undefined} onClick={() => draft.discard()}>
          {S.discard}
        </button>
        <button
          type="button"
          class="sw-button sw-primary"
          data-testid="sw-apply"
          data-status={apply.status || undefined}
          aria-busy={waiting || undefined}
          aria-disabled={against || waiting || idle ? true : undefined}
          title={against || undefined}
          onClick={click}
        >
          <Labels now={waiting ? 1 : 0} labels={[sweep === null ? S.create : S.apply, S.applying]} />
        </button>
      </div>
    </div>
  );
}

function Standing({ draft, connection }: Props): VNode {
  const problems = draft.problems.value.length;
  const remarks = draft.remarks.value.length;
  const judged = draft.verdict.value?.doc === draft.settled.value;
  const asking = draft.asking.value;
  const preview = draft.drawn.value?.doc === draft.settled.value ? draft.drawn.value.preview : null;
  const grid = preview?.grid_size ?? (judged ? draft.verdict.value?.gridSize : null) ?? null;
  const estimate = [
    grid !== null && S.grid(grid),
    preview && (preview.runs === null ? S.endless : S.runs(preview.runs)),
    preview && preview.duration_s !== null && S.duration(durationText(preview.duration_s)),
  ].filter((part): part is string => typeof part === "string");
  const doubt = connection.state.mute.value ? S.alone : asking?.late.value ? S.busy : !judged && asking ? S.checking : "";
  return (
    <p class="sw-standing" role="status">
      {problems > 0 ? (
        <span class="sw-problem">
          <Icon name="alert" /> {S.failures(problems)}
        </span>
      ) : (
        judged && (
          <span class="sw-fine">
            <Icon name="check" /> {S.fine}
          </span>
        )
      )}
      {remarks > 0 && <span class="sw-remark">{S.odd(remarks)}</span>}
      {estimate.length > 0 && <span class="sw-number">{estimate.join(" · ")}</span>}
      {doubt && <span class="sw-hint">{doubt}</span>}
    </p>
  );
}

/** Problems that no field shows. */
function unplaced(draft: Draft): ReturnType<typeof problemsAt> {
  const shown = rows(draft.doc.value).map((row) => row.keys.join("."));
  const doc = draft.doc.value;
  const places = [...shown, "method", "metric", "run_cap", "early_terminate", ...(isDict(doc) ? doc.keys.filter((key) => key !== "parameters") : [])];
  return draft.problems.value
    .filter(({ path }) => !places.some((place) => path === place || path.startsWith(`${place}.`)))
    .map(({ path, message }) => ({ path, message: path ? `${path}: ${message}` : message }));
}

function Changes({ changes }: { changes: readonly Difference[] }): VNode | null {
  if (changes.length === 0) return null;
  return (
    <ul class="sw-changes">
      {changes.slice(0, MOST_CHANGES).map(({ keys, place, from, to }) => (
        <li key={keys.join("\n")}>
          <b>{place}</b> {from === undefined ? <em>{S.added}</em> : <del>{short(from)}</del>} {to === undefined ? <em>{S.removed}</em> : <ins>{short(to)}</ins>}
        </li>
      ))}
      {changes.length > MOST_CHANGES && <li>… {S.differs(changes.length)}</li>}
    </ul>
  );
}

function short(value: Exact): string {
  const text = repr(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
