/** A panel that is not part of the core: its place is kept until it is there. */

import { signal } from "@preact/signals";
import type { VNode } from "preact";
import type { Connection } from "../connection";
import { STRINGS } from "../strings";

type Panels = typeof import("../panels");

const panels = signal<Panels | null>(null);
let asked = false;

export function Lazy({ name, connection, quiet = false }: { name: keyof Panels; connection: Connection; quiet?: boolean }): VNode | null {
  if (!asked) {
    asked = true;
    void import("../panels").then((loaded) => (panels.value = loaded));
  }
  const Panel = panels.value?.[name];
  if (Panel) return <Panel connection={connection} />;
  return quiet ? null : <p class="sw-hint">{STRINGS.loading}</p>;
}
