/** One figure: what was asked of the kernel, what came, and how old it is. */

import { computed, effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Connection, Pending } from "../connection";
import type { Json } from "../protocol";
import type { Figure } from "./plotly";

interface Made {
  readonly figure: Figure;
  /** Runs that had ended when it was made. */
  readonly ended: number;
  readonly at: number;
  readonly options: string;
}

/** While runs end, a figure that is looked at is drawn anew no more often than this. */
const FRESH_MS = 10_000;

/** What was drawn last, by connection and figure: a tab that is opened again shows it at once. */
const drawn = new WeakMap<Connection, Map<string, Made>>();

export class FigureModel {
  readonly made: Signal<Made | null>;
  readonly pending = signal<Pending<"figure"> | null>(null);
  readonly refusal = signal("");
  /** Runs that have ended since. */
  readonly behind: ReadonlySignal<number>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #open = false;

  constructor(
    private readonly connection: Connection,
    readonly name: string,
    private readonly options: ReadonlySignal<{ readonly [key: string]: Json }>,
  ) {
    let known = drawn.get(connection);
    if (!known) drawn.set(connection, (known = new Map()));
    this.made = signal(known.get(name) ?? null);
    this.behind = computed(() => (this.made.value ? Math.max(connection.state.progress.value.ended - this.made.value.ended, 0) : 0));
  }

  open(): () => void {
    this.#open = true;
    const endings = [
      effect(() => {
        const wanted = JSON.stringify(this.options.value);
        if (this.connection.state.mute.value || !this.connection.state.sweep.value) return;
        if (this.made.peek()?.options !== wanted) this.ask();
      }),
      effect(() => {
        if (this.behind.value === 0 || this.pending.value || this.#timer !== undefined) return;
        const age = Date.now() - (this.made.peek()?.at ?? 0);
        this.#timer = setTimeout(
          () => {
            this.#timer = undefined;
            if (!document.hidden) this.ask();
          },
          Math.max(FRESH_MS - age, 0),
        );
      }),
    ];
    return () => {
      this.#open = false;
      clearTimeout(this.#timer);
      this.#timer = undefined;
      for (const end of endings) end();
    };
  }

  /** Ask for it anew, unless the kernel is at it: then again when that is done, if something else is wanted by then. */
  ask(): void {
    if (this.pending.peek() || this.connection.state.mute.peek()) return;
    const options = this.options.peek();
    const wanted = JSON.stringify(options);
    const ended = this.connection.state.progress.peek().ended;
    const pending = this.connection.command("figure", { name: this.name, options: { ...options } });
    this.pending.value = pending;
    void pending.result
      .then(({ buffer }) => {
        const figure = JSON.parse(new TextDecoder().decode(buffer)) as Figure;
        const made = { figure, ended, at: Date.now(), options: wanted };
        drawn.get(this.connection)?.set(this.name, made);
        this.made.value = made;
        this.refusal.value = "";
      })
      .catch((error: unknown) => {
        this.refusal.value = error instanceof Error ? error.message : String(error);
      })
      .finally(() => {
        this.pending.value = null;
        if (this.#open && JSON.stringify(this.options.peek()) !== wanted) this.ask();
      });
  }
}
