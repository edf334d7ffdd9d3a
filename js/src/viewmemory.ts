/**
 * What a page wants to find again: tab, sort, columns, axes. Kept in the `view` trait, so it survives a reload and is saved
 * in the notebook; written at most every two seconds, and never more than the kernel takes.
 */

import { signal, type Signal } from "@preact/signals";
import type { Model } from "./model";
import { same } from "./json";
import type { Json } from "./protocol";

const WRITE_EVERY_MS = 2000;
const MOST_CHARACTERS = 16_000;

/** "curves" stands for any string. */
type Widened<T extends Json> = T extends string ? string : T extends number ? number : T extends boolean ? boolean : T;

export class ViewMemory {
  readonly #signals = new Map<string, Signal<Json>>();
  readonly #model: Model;
  #stored: { [key: string]: Json };
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(model: Model) {
    this.#model = model;
    this.#stored = { ...model.get("view") };
  }

  /**
   * The signal that is remembered under a name; whoever asks for the same name gets the same signal. What was stored by
   * another version and has another type than `initial` (or that `valid` does not like) is passed over.
   */
  remember<T extends Json>(name: string, initial: T, valid: (value: Json) => boolean = () => true): Signal<Widened<T>> {
    let known = this.#signals.get(name);
    if (!known) {
      const stored = this.#stored[name];
      const usable = stored !== undefined && alike(stored, initial) && valid(stored);
      const fresh = signal<Json>(usable ? stored : initial);
      this.#signals.set(name, (known = fresh));
      let first = true;
      fresh.subscribe((value) => {
        if (first) first = false;
        else this.#keep(name, value);
      });
    }
    return known as unknown as Signal<Widened<T>>;
  }

  /** The trait was set elsewhere: another page, or Python. */
  refresh(): void {
    this.#stored = { ...this.#model.get("view") };
    for (const [name, known] of this.#signals) {
      const stored = this.#stored[name];
      if (stored !== undefined && alike(stored, known.peek()) && !same(stored, known.peek())) known.value = stored;
    }
  }

  /** Write what is not written yet. */
  flush(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (JSON.stringify(this.#stored).length > MOST_CHARACTERS) return;
    this.#model.set("view", { ...this.#stored });
    this.#model.save_changes();
  }

  #keep(name: string, value: Json): void {
    if (same(this.#stored[name], value)) return;
    this.#stored = { ...this.#stored, [name]: value };
    this.#timer ??= setTimeout(() => this.flush(), WRITE_EVERY_MS);
  }
}

/** Whether a value is of the kind that is expected; null stands for any. */
function alike(value: Json, initial: Json): boolean {
  if (initial === null || value === null) return true;
  return typeof value === typeof initial && Array.isArray(value) === Array.isArray(initial);
}
