/**
 * The configuration that is being edited: one for a connection, so that it outlives tabs, views and (as part of the view that
 * the notebook keeps) the page.
 *
 * What is in force comes from the kernel; as long as nothing was edited the draft follows it. The kernel judges every draft a
 * moment after the last key, one at a time; meanwhile, and while it is busy, the page says what it can see by itself.
 */

import { batch, computed, effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Connection, Pending } from "../connection";
import { same } from "../json";
import type { Preview, Problem } from "../protocol";
import { check } from "./check";
import { differences, type Difference } from "./difference";
import { equal, fromJson, isDict, toJson, toText, type Exact } from "./exact";
import { EXAMPLE } from "./example";
import { LiteralError, readDict } from "./literal";
import { withFloats } from "./space";

export interface Verdict {
  readonly doc: Exact;
  readonly failures: readonly Problem[];
  readonly violations: readonly Problem[];
  readonly gridSize: number | null;
}

export interface Drawn {
  readonly doc: Exact;
  readonly preview: Preview;
  readonly buffer: ArrayBuffer;
}

/** A configuration as somebody writes it, in YAML or Python. */
export interface Written {
  readonly kind: "yaml" | "python";
  readonly text: string;
  /** What it was read as; null: it has not been, or cannot be. */
  readonly doc: Exact | null;
  readonly problems: readonly Problem[];
}

const SETTLE_MS = 500;
const READ_MS = 350;
const MOST_UNDO = 200;
const MOST_KEPT = 6000;

export class Draft {
  readonly doc: Signal<Exact>;
  /** What the kernel has; the example where it has nothing. */
  readonly given: ReadonlySignal<Exact>;
  /** Null: nothing is in force yet. */
  readonly inForce: ReadonlySignal<Exact | null>;
  readonly dirty: ReadonlySignal<boolean>;
  readonly changes: ReadonlySignal<readonly Difference[]>;
  /** The draft as it was when the last key had been followed by some rest. */
  readonly settled: Signal<Exact>;
  readonly problems: ReadonlySignal<readonly Problem[]>;
  readonly remarks: ReadonlySignal<readonly Problem[]>;
  readonly verdict = signal<Verdict | null>(null);
  readonly drawn = signal<Drawn | null>(null);
  readonly written = signal<Written | null>(null);
  /** What is in force was changed while the draft differed from it. */
  readonly elsewhere = signal(false);
  /** The look that the kernel has not answered yet. */
  readonly asking = signal<Pending<"validate"> | null>(null);
  readonly canUndo = signal(false);
  readonly canRedo = signal(false);

  readonly #kept: Signal<string>;
  /** What a draft without a sweep began as: the trait `config` follows its edits. */
  readonly #begun: Exact;
  #past: Exact[] = [];
  #future: Exact[] = [];
  #group = "";
  #views = 0;
  #endings: (() => void)[] = [];
  #settling: ReturnType<typeof setTimeout> | undefined;
  #reading: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly connection: Connection) {
    const { state } = connection;
    this.#kept = state.view.remember("draft", "");
    this.doc = signal<Exact>(EXAMPLE);
    this.#begun = Object.keys(state.config.peek()).length === 0 ? EXAMPLE : fromJson(state.config.peek());
    this.given = computed(() => this.#given());
    this.inForce = computed(() => (state.sweep.value === null ? null : this.given.value));
    const kept = restored(this.#kept.peek());
    this.doc.value = kept ?? this.given.peek();
    this.settled = signal(this.doc.peek());
    this.dirty = computed(() => !equal(this.doc.value, this.given.value));
    this.changes = computed(() => (this.inForce.value === null ? [] : differences(this.inForce.value, this.doc.value)));
    this.problems = computed(() => this.#problems());
    this.remarks = computed(() => (this.verdict.value?.doc === this.settled.value ? this.verdict.value.violations : []));
    // What was kept is not taken back by what the kernel says first.
    let before = kept && !state.known.peek() ? null : this.given.peek();
    effect(() => {
      const now = this.given.value;
      if (before === null && !state.known.value) return;
      const was = before ?? now;
      before = now;
      if (equal(was, now)) return;
      if (equal(this.doc.peek(), was)) this.#set(now);
      else if (this.inForce.peek() === null) this.edit(now); // a cell knows what it edits: `config` has the draft
      else this.elsewhere.value = !equal(this.doc.peek(), now);
    });
    effect(() => {
      const text = this.dirty.value ? toText(this.doc.value) : "";
      if (text.length <= MOST_KEPT) this.#kept.value = text;
    });
  }

  /** A view shows the draft, until what it returns is called: only then the kernel is asked about it. */
  open(): () => void {
    this.#views += 1;
    if (this.#views === 1) this.#endings = [effect(() => this.#ask(this.settled.value))];
    return () => {
      this.#views -= 1;
      if (this.#views === 0) for (const end of this.#endings.splice(0)) end();
    };
  }

  // -- edits --------------------------------------------------------------------------------------------------------------

  /** Another draft. Edits of one `group` in a row (keys typed into one field) are undone together. */
  edit(doc: Exact, group = ""): void {
    if (doc === this.doc.peek()) return;
    if (group === "" || group !== this.#group) {
      this.#past = [...this.#past.slice(-MOST_UNDO), this.doc.peek()];
      this.#future = [];
    }
    this.#group = group;
    this.#set(doc, group !== "");
  }

  /** The user is done with a field. */
  settle(): void {
    this.#group = "";
    clearTimeout(this.#settling);
    this.settled.value = this.doc.peek();
  }

  undo(): void {
    this.#step(this.#past, this.#future);
  }

  redo(): void {
    this.#step(this.#future, this.#past);
  }

  /** Back to what the kernel has. It can be undone. */
  discard(): void {
    batch(() => {
      this.edit(this.given.peek());
      this.written.value = null;
      this.elsewhere.value = false;
    });
  }

  #step(from: Exact[], to: Exact[]): void {
    const doc = from.pop();
    if (doc === undefined) return;
    to.push(this.doc.peek());
    this.#group = "";
    this.#set(doc);
  }

  #set(doc: Exact, typing = false): void {
    batch(() => {
      this.doc.value = doc;
      this.canUndo.value = this.#past.length > 0;
      this.canRedo.value = this.#future.length > 0;
      if (!this.dirty.peek()) this.elsewhere.value = false;
      clearTimeout(this.#settling);
      if (typing) this.#settling = setTimeout(() => (this.settled.value = this.doc.peek()), SETTLE_MS);
      else this.settled.value = doc;
    });
  }

  // -- as a text ------------------------------------------------------------------------------------------------------------

  /** Somebody writes; what is written becomes the draft as soon as it can be read. */
  write(kind: Written["kind"], text: string): void {
    clearTimeout(this.#reading);
    const known = this.written.peek();
    this.written.value = { kind, text, doc: null, problems: known?.kind === kind ? known.problems : [] };
    this.#reading = setTimeout(() => (kind === "python" || /^\s*\{/.test(text) ? this.#read(text) : void this.#askToRead(text)), READ_MS);
  }

  #read(text: string): void {
    try {
      this.#readAs(text, readDict(text));
    } catch (error) {
      if (!(error instanceof LiteralError)) throw error;
      this.#unread(text, [{ path: `line ${error.line}`, message: error.message }]);
    }
  }

  async #askToRead(text: string): Promise<void> {
    try {
      const { value } = await this.connection.command("validate", { draft: text }).result;
      if (value.python) this.#readAs(text, readDict(value.python));
      else if (value.config) this.#readAs(text, fromJson(value.config));
      else this.#unread(text, value.failures);
    } catch (error) {
      this.#unread(text, [{ path: "", message: error instanceof Error ? error.message : String(error) }]);
    }
  }

  #readAs(text: string, doc: Exact): void {
    const written = this.written.peek();
    if (written?.text !== text) return;
    batch(() => {
      // Only the way it is written may have changed.
      if (!equal(doc, this.doc.peek())) this.edit(doc);
      this.written.value = { ...written, doc: this.doc.peek(), problems: [] };
    });
  }

  #unread(text: string, problems: readonly Problem[]): void {
    const written = this.written.peek();
    if (written?.text === text) this.written.value = { ...written, problems };
  }

  // -- the kernel's view of it ------------------------------------------------------------------------------------------------

  #given(): Exact {
    const { state } = this.connection;
    const read = restored(state.configText.value);
    if (read) return read;
    if (state.sweep.value === null) return this.#begun;
    const config = state.config.value;
    // What JavaScript's numbers cannot say the draft may know: it was applied from here.
    const doc = this.doc.peek();
    if (same(toJson(doc), config)) return doc;
    return withFloats(fromJson(config), state.sweep.value?.parameters ?? []);
  }

  #problems(): readonly Problem[] {
    const { settled, verdict } = this;
    if (verdict.value?.doc === settled.value) return verdict.value.failures;
    const forms = this.connection.state.forms.value;
    return forms ? check(settled.value, forms) : [];
  }

  #ask(doc: Exact): void {
    if (this.asking.peek() || this.verdict.peek()?.doc === doc || this.connection.state.mute.value) return;
    const pending = this.connection.command("validate", { draft: toText(doc) });
    this.asking.value = pending;
    void pending.result
      .then(({ value }) => {
        this.verdict.value = { doc, failures: value.failures, violations: value.violations, gridSize: value.grid_size };
        if (value.failures.length === 0) void this.#draw(doc);
      })
      .catch(() => {})
      .finally(() => {
        this.asking.value = null;
        const next = this.settled.peek();
        if (next !== doc && this.#views > 0) this.#ask(next);
      });
  }

  async #draw(doc: Exact): Promise<void> {
    if (this.settled.peek() !== doc) return;
    try {
      const told = this.connection.state.configText.peek();
      const { value, buffer } = await this.connection.command("preview", { draft: toText(doc), told }).result;
      this.drawn.value = { doc, preview: value, buffer };
    } catch {
      // No picture, then: what is wrong with the draft was said before.
    }
  }
}

function restored(text: string): Exact | null {
  if (text === "") return null;
  try {
    const doc = readDict(text);
    return isDict(doc) ? doc : null;
  } catch {
    return null;
  }
}

const drafts = new WeakMap<Connection, Draft>();

export function draftOf(connection: Connection): Draft {
  let draft = drafts.get(connection);
  if (!draft) drafts.set(connection, (draft = new Draft(connection)));
  return draft;
}

