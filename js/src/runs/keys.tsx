/** The keys of the table. */

import type { VNode } from "preact";
import { STRINGS } from "../strings";
import { Icon } from "../ui/icons";

const WORDS = STRINGS.runs;

export function Keys({ onClose }: { onClose: () => void }): VNode {
  return (
    <div class="sw-keys" role="dialog" aria-label={WORDS.keysTitle}>
      <header class="sw-drawer-head">
        <h3>{WORDS.keysTitle}</h3>
        <span class="sw-space" />
        <button type="button" class="sw-button sw-button-icon sw-quiet" aria-label={STRINGS.close} onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <dl>
        {WORDS.keys.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
