/**
 * The page's end of the comm: takes what the kernel says into the state, sends commands, and knows whether anybody is there.
 *
 * It is made in `initialize`, before anything is drawn, because the kernel speaks first and may then be busy for minutes.
 */

import { batch, computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import { putAsset } from "./assets";
import { unmarked } from "./json";
import { watchKernel } from "./kernel";
import { copied, type Model } from "./model";
import { Order, type Pending } from "./pending";
import { newState, type State } from "./state";
import { STRINGS } from "./strings";
import { ViewMemory } from "./viewmemory";
import type { AgentRow, Alive, Best, Commands, Config, Delta, FromKernel, Full, Traits } from "./protocol";

export type { Answer, Pending, PendingStatus, ResultOf } from "./pending";
export { RefusedError } from "./pending";
export type { Link, State } from "./state";

type Handler<T extends FromKernel["type"]> = (message: Extract<FromKernel, { type: T }>, buffer: ArrayBuffer) => void;

export interface Connection {
  readonly state: State;
  /** For what is neither state nor command: the notebook around us. */
  readonly model: Model;
  /** Send a command. The promise and the signals of what comes back tell how it went. */
  command<C extends keyof Commands>(name: C, args: Commands[C]): Pending<C>;
  /** Listen to a type of messages, after the state has taken them in; returns what ends it. */
  on<T extends FromKernel["type"]>(type: T, handler: Handler<T>): () => void;
  /** Commands that are not answered yet, oldest first. */
  readonly pending: ReadonlySignal<readonly Pending[]>;
  /** The latest refusal that nobody has dismissed. */
  readonly refusal: ReadonlySignal<Pending | null>;
  dismissRefusal(): void;
  /** A view of the widget is shown, until what it returns is called. */
  show(): () => void;
  close(): void;
}

const STALE_MS = 15_000;
const LOOK_EVERY_MS = 1000;
/** A connection that is there again so soon was never missed. */
const LOST_MS = 2000;
/** A `full` that does not come is asked for again, ever more patiently: a busy kernel collects what it is asked. */
const HELLO_AGAIN_MS = [3000, 6000, 12_000, 60_000] as const;
/** Commands whose refusals are shown where they were asked, not in the banner. */
const QUIET = new Set<keyof Commands>([
  "hello", "bye", "need", "watch", "unwatch", "validate", "preview", "apply", "detail", "figure", "versions", "enqueue",
  "narrow", "failure",
]);

export function connect(model: Model): Connection {
  return new ModelConnection(model);
}

class ModelConnection implements Connection {
  readonly state: State;
  readonly model: Model;
  readonly #page = unique();
  readonly #orders = signal<readonly Order[]>([]);
  readonly #refusal = signal<Pending | null>(null);
  readonly #handlers = new Map<string, Set<(message: FromKernel, buffer: ArrayBuffer) => void>>();
  readonly #endings: (() => void)[] = [];
  readonly pending: ReadonlySignal<readonly Pending[]> = computed(() => this.#orders.value);
  #seq = 0;
  #hellos = 0;
  #helloAt = 0;
  #views = 0;
  /** Nothing of it is shown: the kernel was told, and rests. */
  #rests = false;
  #count = 0;
  #madeAt = Date.now();
  /** Since when the front end has no connection to the kernel; 0: it has. */
  #lostAt = 0;

  constructor(model: Model) {
    this.model = model;
    const view = new ViewMemory(model);
    this.state = newState(model.get("panel") ?? "dashboard", view);
    this.#readTraits();
    this.#listen("msg:custom", (content, buffers) => this.#hear(content, buffers));
    for (const trait of ["sweep_id", "status", "best", "config", "glance", "theme"] as const) {
      this.#listen(`change:${trait}`, () => this.#readTraits());
    }
    this.#listen("change:view", () => view.refresh());
    this.#listen("change:selected", () => this.#readSelected());
    this.#endings.push(effect(() => this.#writeSelected(this.state.selected.value)));
    this.#endings.push(effect(() => this.#writeTheme(this.state.theme.value)));
    this.#endings.push(
      watchKernel(model, {
        gone: () => this.#detach(),
        lost: () => this.#lose(),
        back: () => {
          this.#lostAt = 0;
          this.#hello();
        },
      }),
    );
    const timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#endings.push(() => clearInterval(timer));
    const leave = () => this.close();
    globalThis.addEventListener?.("pagehide", leave);
    this.#endings.push(() => globalThis.removeEventListener?.("pagehide", leave));
    this.#hello();
  }

  get refusal(): ReadonlySignal<Pending | null> {
    return this.#refusal;
  }

  dismissRefusal(): void {
    this.#refusal.value = null;
  }

  command<C extends keyof Commands>(name: C, args: Commands[C]): Pending<C> {
    const order = new Order(this.#id(), name, () => this.#drop(order as unknown as Order));
    if (this.state.mute.peek()) {
      order.refuse({ message: STRINGS.link.nobody });
      return order;
    }
    this.#orders.value = [...this.#orders.peek(), order as unknown as Order];
    if (!QUIET.has(name)) {
      this.#refusal.value = null;
      this.state.notice.value = "";
    }
    this.#send({ type: name, id: order.id, ...args });
    return order;
  }

  on<T extends FromKernel["type"]>(type: T, handler: Handler<T>): () => void {
    let handlers = this.#handlers.get(type);
    if (!handlers) this.#handlers.set(type, (handlers = new Set()));
    const any = handler as (message: FromKernel, buffer: ArrayBuffer) => void;
    handlers.add(any);
    return () => handlers.delete(any);
  }

  show(): () => void {
    this.#views += 1;
    if (this.#rests) this.#hello();
    this.#rests = false;
    let shown = true;
    return () => {
      if (!shown) return;
      shown = false;
      this.#views -= 1;
      if (this.#views > 0) return;
      this.#bye();
      this.#rests = true;
    };
  }

  close(): void {
    this.#bye();
    this.state.view.flush();
    for (const end of this.#endings.splice(0)) end();
    for (const order of this.#orders.peek()) order.refuse({ message: STRINGS.link.nobody });
    this.#orders.value = [];
  }

  // -- hearing ----------------------------------------------------------------------------------------------------------

  #hear(content: unknown, buffers: unknown): void {
    if (!isMessage(content)) return;
    const message = content as FromKernel;
    const buffer = copied(buffers);
    batch(() => {
      this.state.heardAt.value = Date.now();
      this.state.link.value = "live";
      this.#lostAt = 0;
      const gap = message.type !== "full" && message.seq !== this.#seq + 1;
      this.#seq = message.seq;
      this.#take(message, buffer);
      if (gap) this.#hello(); // what was lost is in the next `full`
    });
    for (const handler of this.#handlers.get(message.type) ?? []) handler(message, buffer);
  }

  #take(message: FromKernel, buffer: ArrayBuffer): void {
    switch (message.type) {
      case "full":
        return this.#takeFull(message, buffer);
      case "delta":
        return this.#takeDelta(message, buffer);
      case "alive":
        return this.#takeAlive(message);
      case "curves":
        return this.state.curves.replace(message, buffer);
      case "curve_points":
        return this.state.curves.extend(message, buffer);
      case "notice":
        this.state.notice.value = message.text;
        return;
      case "ack":
        return this.#order(message.id)?.ack();
      case "done":
        return this.#order(message.id)?.finish(message, buffer);
      case "refused":
        return this.#order(message.id)?.refuse(message);
      case "asset":
        return putAsset(message.hash, new Uint8Array(buffer));
      default: // newer than we are
    }
  }

  #takeFull(message: Full, buffer: ArrayBuffer): void {
    const { state } = this;
    this.#hellos = 0;
    this.#tell(message.now);
    state.sweep.value = message.sweep;
    state.progress.value = message.progress;
    state.agents.value = message.agents;
    state.functions.value = message.functions;
    state.backends.value = message.backends;
    state.denied.value = message.denied;
    state.assets.value = message.assets;
    state.forms.value = message.forms;
    state.version.value = message.version;
    state.configText.value = message.config ?? "";
    state.runs.replace(message.runs, buffer);
    state.known.value = true;
  }

  #takeDelta(message: Delta, buffer: ArrayBuffer): void {
    const { state } = this;
    this.#tell(message.now);
    if (message.sweep) state.sweep.value = message.sweep;
    if (message.progress) state.progress.value = message.progress;
    if (message.agents) state.agents.value = upserted(state.agents.peek(), message.agents);
    if (message.functions) state.functions.value = message.functions;
    if (message.config !== undefined) state.configText.value = message.config;
    state.runs.update(message.runs, message.gone, buffer);
  }

  #takeAlive(message: Alive): void {
    this.#tell(message.now);
    this.state.trouble.value = message.trouble;
    this.state.load.value = message.load;
  }

  #tell(now: number): void {
    const ahead = now - Date.now() / 1000;
    // Messages that waited make the kernel's clock look slow: only later readings, or clear jumps, count.
    if (ahead > this.state.ahead.peek() || Math.abs(ahead - this.state.ahead.peek()) > 5) this.state.ahead.value = ahead;
  }

  #order(id: string): Order | undefined {
    return this.#orders.peek().find((order) => order.id === id);
  }

  /** An order was answered. */
  #drop(order: Order): void {
    this.#orders.value = this.#orders.peek().filter((other) => other !== order);
    if (order.status.peek() === "refused" && !QUIET.has(order.command)) this.#refusal.value = order;
  }

  // -- traits ------------------------------------------------------------------------------------------------------------

  #readTraits(): void {
    const { state } = this;
    const model = this.model;
    batch(() => {
      state.id.value = model.get("sweep_id") ?? "";
      state.status.value = model.get("status") ?? "";
      state.best.value = readBest(model.get("best"));
      state.config.value = unmarked(model.get("config") ?? {}) as Config;
      state.glance.value = model.get("glance") ?? { text: "", at: 0 };
      state.theme.value = model.get("theme") ?? "auto";
      this.#readSelected();
    });
  }

  #readSelected(): void {
    const selected = this.model.get("selected") ?? [];
    if (!sameList(selected, this.state.selected.peek())) this.state.selected.value = selected;
  }

  #writeSelected(selected: readonly string[]): void {
    if (sameList(selected, this.model.get("selected") ?? [])) return;
    this.model.set("selected", [...selected]);
    this.model.save_changes();
  }

  #writeTheme(theme: Traits["theme"]): void {
    if (theme === (this.model.get("theme") ?? "auto")) return;
    this.model.set("theme", theme);
    this.model.save_changes();
  }

  // -- who is there --------------------------------------------------------------------------------------------------------

  /** Ask for everything, unless that was just asked. */
  #hello(): void {
    if (this.#hellos > 0 && Date.now() - this.#helloAt < this.#patience()) return;
    this.#hellos += 1;
    this.#helloAt = Date.now();
    this.#send({ type: "hello", id: this.#id(), page: this.#page });
  }

  #patience(): number {
    return HELLO_AGAIN_MS[Math.min(this.#hellos, HELLO_AGAIN_MS.length) - 1] ?? 0;
  }

  #bye(): void {
    if (!this.state.mute.peek()) this.#send({ type: "bye", id: this.#id(), page: this.#page });
  }

  #send(content: object): void {
    try {
      this.model.send(content);
    } catch {
      this.#detach(); // the comm is closed
    }
  }

  #id(): string {
    return `${this.#page}-${(this.#count += 1)}`;
  }

  #detach(): void {
    batch(() => {
      this.state.link.value = this.state.known.peek() ? "detached" : "static";
      for (const order of this.#orders.peek()) order.refuse({ message: STRINGS.link.nobody });
    });
  }

  #lose(): void {
    if (this.state.link.peek() === "live") this.#lostAt ||= Date.now();
  }

  /** Once a second: is the kernel still heard? */
  #look(): void {
    const { link, heardAt } = this.state;
    if (this.#lostAt && Date.now() - this.#lostAt >= LOST_MS && link.peek() === "live") link.value = "reconnecting";
    const silence = Date.now() - (heardAt.peek() || this.#madeAt);
    if (silence > STALE_MS && (link.peek() === "live" || link.peek() === "reconnecting")) link.value = "stale";
    if (silence > STALE_MS && link.peek() === "connecting") link.value = "static";
    if (this.#hellos > 0 && !this.state.mute.peek()) this.#hello();
  }

  #listen(event: string, handler: (...args: unknown[]) => void): void {
    this.model.on(event, handler);
    this.#endings.push(() => this.model.off(event, handler));
  }
}

function isMessage(content: unknown): content is { type: string; seq: number } {
  return typeof content === "object" && content !== null && "type" in content && "seq" in content;
}

function upserted(agents: readonly AgentRow[], changed: readonly AgentRow[]): AgentRow[] {
  const byId = new Map(agents.map((agent) => [agent.id, agent]));
  for (const agent of changed) byId.set(agent.id, agent);
  return [...byId.values()];
}

function readBest(best: Best | null): Best | null {
  return best && { ...best, value: unmarked(best.value) as number, config: unmarked(best.config) as Config };
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

function unique(): string {
  return globalThis.crypto?.randomUUID?.() ?? `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
}
