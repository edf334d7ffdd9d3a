/** What to do about a run that failed: see it fail in the foreground, mend the function, try all that failed once more. */

import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useRef } from "preact/hooks";
import type { Connection } from "../connection";
import { notebookOf } from "../notebook";
import type { RunDetail } from "../protocol";
import { failures } from "../runs/columns";
import { ASIDE_STRINGS } from "../asidestrings";
import { STRINGS } from "../strings";
import { CopyButton } from "../ui/copy";
import { Icon } from "../ui/icons";
import { Labels, reasonAgainst } from "../ui/order";
import { numbersOf, rangesText } from "./codes";

const WORDS = ASIDE_STRINGS.drawer;

/** A cell that runs this configuration alone. */
export function Reproduce({ connection, detail, open = false }: { connection: Connection; detail: RunDetail; open?: boolean }): VNode | null {
  const root = useRef<HTMLDetailsElement>(null);
  const inserted = useSignal(0);
  if (detail.cell === "") return null;
  const notebook = notebookOf(connection.model);
  const insert = () => (inserted.value = root.current && notebook?.insertBelow(root.current, detail.cell) ? 1 : 2);
  return (
    <details class="sw-reproduce" data-testid="sw-reproduce" open={open} ref={root}>
      <summary>{WORDS.reproduce}</summary>
      <p class="sw-hint">{WORDS.reproduceHint}</p>
      <pre class="sw-output" tabIndex={0} aria-label={WORDS.reproduceCell}>
        {detail.cell}
      </pre>
      <p class="sw-row-buttons">
        <CopyButton text={() => detail.cell} label={WORDS.reproduceCopy} />
        {notebook && (
          <button type="button" class="sw-button" onClick={insert}>
            <Icon name="plus" />
            <Labels now={inserted.value} labels={[WORDS.reproduceInsert, WORDS.reproduceInserted, WORDS.reproduceFailed]} />
          </button>
        )}
      </p>
    </details>
  );
}

/** Which code failed, and whether the notebook has another by now; then all that failed can be tried with it. */
export function RetryWithFix({ connection, detail }: { connection: Connection; detail: RunDetail }): VNode | null {
  const { state } = connection;
  state.runs.version.value;
  if (detail.code === "") return null;
  const mended = detail.code_now !== "" && detail.code_now !== detail.code;
  const failed = failures(state.runs).filter((run) => state.runs.text(run, "code") !== detail.code_now);
  const reason = reasonAgainst(state, "retry_run");
  return (
    <div class="sw-retry" data-testid="sw-code">
      <p class="sw-hint">{mended ? WORDS.codeMended(detail.code, detail.code_now) : WORDS.codeSame(detail.code)}</p>
      {mended && failed.length > 0 && (
        <button
          type="button"
          class="sw-button"
          aria-disabled={reason ? true : undefined}
          title={reason || WORDS.retryHint}
          onClick={() => {
            if (!reason) for (const run of failed) connection.command("retry_run", { run });
          }}
        >
          <Icon name="again" />
          {STRINGS.runs.retryFailed(failed.length)}
        </button>
      )}
    </div>
  );
}

/** `train@a1f3 · runs 1–8`. */
export function codeText(connection: Connection, code: string): string {
  const numbers = numbersOf(connection.state.runs, code);
  return code === "" || numbers.length === 0 ? code : `${code} · ${WORDS.codeRuns(rangesText(numbers))}`;
}
