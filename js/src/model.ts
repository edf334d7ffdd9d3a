/** What we use of the model that anywidget hands us. It is the only door to the kernel. */

import type { Traits } from "./protocol";

export interface Model {
  get<K extends keyof Traits>(name: K): Traits[K];
  set<K extends keyof Traits>(name: K, value: Traits[K]): void;
  save_changes(): void;
  on(event: string, handler: (...args: unknown[]) => void): void;
  off(event: string, handler: (...args: unknown[]) => void): void;
  send(content: unknown): void;
  /** JupyterLab and Notebook 7: their widget manager, whose `kernel` says when it dies. Elsewhere it is another thing, or none. */
  widget_manager?: unknown;
}

/** One copy of a message's buffer, from which aligned views can be made. */
export function copied(buffers: unknown): ArrayBuffer {
  const first: unknown = Array.isArray(buffers) ? buffers[0] : undefined;
  if (first instanceof ArrayBuffer) return first.slice(0);
  if (!ArrayBuffer.isView(first)) return new ArrayBuffer(0);
  const copy = new Uint8Array(first.byteLength);
  copy.set(new Uint8Array(first.buffer, first.byteOffset, first.byteLength));
  return copy.buffer;
}
