/** anywidget's model, without a comm: traits, events, and a kernel that is a function. */

import type { Traits } from "../src/protocol";

type Handler = (...args: unknown[]) => void;

export class FakeModel {
  readonly #traits: Traits;
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly sent: { [key: string]: unknown }[] = [];
  /** Who hears what the page sends. */
  heard: (content: { [key: string]: unknown }) => void = () => {};
  traitSet: (name: keyof Traits) => void = () => {};
  widget_manager: unknown = undefined;
  #changed = new Set<keyof Traits>();

  constructor(traits: Partial<Traits> = {}) {
    this.#traits = {
      sweep_id: "",
      panel: "dashboard",
      status: "",
      best: null,
      config: {},
      glance: { text: "", at: 0 },
      selected: [],
      view: {},
      theme: "auto",
      ...traits,
    };
  }

  get<K extends keyof Traits>(name: K): Traits[K] {
    return this.#traits[name];
  }

  set<K extends keyof Traits>(name: K, value: Traits[K]): void {
    this.#traits[name] = value;
    this.#changed.add(name);
    this.trigger(`change:${name}`);
  }

  /** The kernel set it. */
  assign<K extends keyof Traits>(name: K, value: Traits[K]): void {
    this.#traits[name] = value;
    this.trigger(`change:${name}`);
  }

  save_changes(): void {
    for (const name of this.#changed) this.traitSet(name);
    this.#changed.clear();
  }

  on(event: string, handler: Handler): void {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(handler));
  }

  off(event: string, handler: Handler): void {
    this.#handlers.get(event)?.delete(handler);
  }

  send(content: unknown): void {
    // What goes over the wire is JSON.
    const copy = JSON.parse(JSON.stringify(content)) as { [key: string]: unknown };
    this.sent.push(copy);
    this.heard(copy);
  }

  trigger(event: string, ...args: unknown[]): void {
    for (const handler of [...(this.#handlers.get(event) ?? [])]) handler(...args);
  }

  /** How many listeners are left: a widget that is closed leaves none. */
  get listeners(): number {
    return [...this.#handlers.values()].reduce((sum, handlers) => sum + handlers.size, 0);
  }

  /** A message of the kernel, as anywidget hands it over: buffers are DataViews. */
  emit(content: object, buffer?: ArrayBuffer): void {
    this.trigger("msg:custom", content, buffer ? [new DataView(buffer)] : []);
  }
}
