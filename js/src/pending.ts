/** A command that was sent, until it is answered. `sent` → `acked` → `done` or `refused`; a click never fails silently. */

import { signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Commands, Done, Problem, Refused, Results } from "./protocol";

export type ResultOf<C extends keyof Commands> = C extends keyof Results ? Results[C] : null;

export interface Answer<C extends keyof Commands> {
  readonly value: ResultOf<C>;
  /** What came beside it: a file, draws, a figure. */
  readonly buffer: ArrayBuffer;
}

export type PendingStatus = "sent" | "acked" | "done" | "refused";

export interface Pending<C extends keyof Commands = keyof Commands> {
  readonly id: string;
  readonly command: C;
  readonly sentAt: number;
  readonly status: ReadonlySignal<PendingStatus>;
  /** No ack for a second: the kernel is busy. True until it is answered. */
  readonly late: ReadonlySignal<boolean>;
  /** What was refused, for people; null while it is not. */
  readonly refused: ReadonlySignal<RefusedError | null>;
  /** Rejects with a `RefusedError`. It may be ignored: whoever wants to know looks at `refused`. */
  readonly result: Promise<Answer<C>>;
}

export class RefusedError extends Error {
  readonly command: string;
  readonly problems: readonly Problem[];

  constructor(message: string, command: string, problems: readonly Problem[] = []) {
    super(message);
    this.name = "RefusedError";
    this.command = command;
    this.problems = problems;
  }
}

const ACK_MS = 1000;

export class Order<C extends keyof Commands = keyof Commands> implements Pending<C> {
  readonly status: Signal<PendingStatus> = signal("sent");
  readonly late = signal(false);
  readonly refused = signal<RefusedError | null>(null);
  readonly result: Promise<Answer<C>>;
  readonly sentAt = Date.now();
  readonly #settle: { done: (answer: Answer<C>) => void; refused: (error: RefusedError) => void };
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(
    readonly id: string,
    readonly command: C,
    private readonly answered: () => void,
  ) {
    let done: (answer: Answer<C>) => void = () => {};
    let refused: (error: RefusedError) => void = () => {};
    this.result = new Promise<Answer<C>>((resolve, reject) => {
      done = resolve;
      refused = reject;
    });
    this.result.catch(() => {});
    this.#settle = { done, refused };
    this.#timer = setTimeout(() => {
      if (this.status.peek() === "sent") this.late.value = true;
    }, ACK_MS);
  }

  ack(): void {
    if (this.status.peek() === "sent") this.status.value = "acked";
    this.#quiet();
  }

  finish(message: Done, buffer: ArrayBuffer): void {
    this.status.value = "done";
    this.#quiet();
    this.#settle.done({ value: message.result as ResultOf<C>, buffer });
    this.answered();
  }

  refuse(message: Pick<Refused, "message" | "problems">): void {
    const error = new RefusedError(message.message, this.command, message.problems);
    this.refused.value = error;
    this.status.value = "refused";
    this.#quiet();
    this.#settle.refused(error);
    this.answered();
  }

  #quiet(): void {
    clearTimeout(this.#timer);
    this.late.value = false;
  }
}
