/** Hears that the kernel or the comm is gone, where the front end tells: JupyterLab and Notebook 7 do, others stay silent. */

import type { Model } from "./model";
import { property } from "./property";

interface KernelSignal {
  connect(slot: (sender: unknown, args: unknown) => void): unknown;
  disconnect(slot: (sender: unknown, args: unknown) => void): unknown;
}

export interface KernelNews {
  gone: () => void;
  /** The connection is lost, and the front end tries to have it again. */
  lost: () => void;
  /** The connection is there again; what was said meanwhile is lost. */
  back: () => void;
}

const GONE = new Set(["dead", "restarting", "autorestarting", "terminating"]);

export function watchKernel(model: Model, news: KernelNews): () => void {
  const closed = () => news.gone();
  model.on("comm:close", closed);
  const endings = [() => model.off("comm:close", closed)];
  const statusChanged = kernelSignal(model, "statusChanged");
  if (statusChanged) {
    const slot = (_: unknown, status: unknown) => {
      if (typeof status === "string" && GONE.has(status)) news.gone();
    };
    statusChanged.connect(slot);
    endings.push(() => statusChanged.disconnect(slot));
  }
  const connectionChanged = kernelSignal(model, "connectionStatusChanged");
  if (connectionChanged) {
    const slot = (_: unknown, status: unknown) => {
      if (status === "connected") news.back();
      else news.lost();
    };
    connectionChanged.connect(slot);
    endings.push(() => connectionChanged.disconnect(slot));
  }
  return () => {
    for (const end of endings) end();
  };
}

function kernelSignal(model: Model, name: string): KernelSignal | null {
  const kernel = property(model.widget_manager, "kernel");
  const candidate = property(kernel, name);
  return isSignal(candidate) ? candidate : null;
}

function isSignal(value: unknown): value is KernelSignal {
  return typeof property(value, "connect") === "function" && typeof property(value, "disconnect") === "function";
}
