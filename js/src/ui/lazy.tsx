/** What is not part of the core: panels, and whatever opens over the page. Loaded once the page stands, or when first wanted. */

import { signal } from "@preact/signals";
import { h, type ComponentChild, type ComponentType, type VNode } from "preact";
import { STRINGS } from "../strings";

type Panels = typeof import("../panels");
type Component = { [N in keyof Panels]: Panels[N] extends (props: never) => VNode | null ? N : never }[keyof Panels];
type PropsOf<N extends Component> = Panels[N] extends (props: infer P) => VNode | null ? P : never;

/** null: not yet. */
export const panels = signal<Panels | null>(null);
let evaluate: (() => Promise<Panels>) | null = null;

/** How they are loaded: said by the entry, because the panels build on what is here, and not the other way round. */
export function panelsFrom(load: () => Promise<Panels>): void {
  evaluate = load;
}

/** They are at hand from the beginning: only their evaluation is put off. */
export function loadPanels(): void {
  void evaluate?.().then((loaded) => (panels.value = loaded));
  evaluate = null;
}

/** `quiet`: until it is there, nothing is said. */
export function Lazy<N extends Component>({ name, quiet = false, ...props }: { name: N; quiet?: boolean; children?: ComponentChild } & PropsOf<N>): VNode | null {
  loadPanels();
  const Panel = panels.value?.[name] as ComponentType<object> | undefined;
  if (Panel) return h(Panel, props);
  return quiet ? null : <p class="sw-hint">{STRINGS.loading}</p>;
}
