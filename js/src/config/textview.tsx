/** The configuration as a text to edit, to copy and to paste. */

import type { VNode } from "preact";
import type { Connection } from "../connection";
import { PANEL_STRINGS } from "../panelstrings";
import { CopyButton } from "../ui/copy";
import type { Draft, Written } from "./draft";
import { Problems } from "./parameters";
import { pretty } from "./python";
import { toYaml } from "./yaml";

const S = PANEL_STRINGS.config;

interface Props {
  readonly draft: Draft;
  readonly kind: Written["kind"];
  readonly connection: Connection;
}

export function TextView({ draft, kind, connection }: Props): VNode {
  const text = shownText(draft, kind);
  const written = current(draft, kind);
  const lines = text.split("\n").length;
  const waits = written !== null && written.doc === null;
  const problems = (written?.problems ?? []).map(({ path, message }) => ({ path, message: path ? `${path}: ${message}` : message }));
  return (
    <div class="sw-textview">
      <div class="sw-toolbar">
        <span class="sw-hint">{kind === "yaml" ? S.yamlHint : S.pythonHint}</span>
        <span class="sw-space" />
        <CopyButton text={() => shownText(draft, kind)} label={S.copy} className="sw-quiet" />
      </div>
      <textarea
        class="sw-text"
        spellcheck={false}
        aria-label={kind === "yaml" ? S.yaml : S.python}
        aria-invalid={waits && problems.length > 0 ? "true" : undefined}
        placeholder={S.paste}
        rows={Math.min(Math.max(lines + 1, 10), 30)}
        value={text}
        onInput={(event) => draft.write(kind, event.currentTarget.value)}
        onBlur={() => draft.settle()}
      />
      <Problems problems={problems} />
      {waits && <p class="sw-hint">{problems.length === 0 && kind === "yaml" && !connection.state.mute.value ? S.yamlWaits : S.textWaits}</p>}
    </div>
  );
}

/** What somebody has written, as long as it is the draft or has not become it yet. */
function current(draft: Draft, kind: Written["kind"]): Written | null {
  const written = draft.written.value;
  return written?.kind === kind && (written.doc === null || written.doc === draft.doc.value) ? written : null;
}

function shownText(draft: Draft, kind: Written["kind"]): string {
  return current(draft, kind)?.text ?? (kind === "yaml" ? toYaml(draft.doc.value) : pretty(draft.doc.value));
}
