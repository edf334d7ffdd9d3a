/**
 * What a widget carries (`_esm`): next to nothing, because it is sent and saved with every single one. The dashboard itself
 * comes as assets, once per page. Until it is there, all that the kernel says is kept for it.
 */

import { keptAsset, moduleUrl, putAsset, shelf, unpacked, wantedAsset } from "./assets";
import { copied, type Model } from "./model";
import { LOADING } from "./loading";

/** Names and hashes of the parts, in the order in which they build on each other; the last is the entry. Put in by build.mjs. */
declare const __PARTS__: readonly (readonly [name: string, hash: string])[];

interface Widget {
  initialize(context: { model: Model }): () => void;
  render(context: { model: Model; el: HTMLElement }): () => void;
}

type Handler = (...args: unknown[]) => void;

/** What must not be missed while the dashboard is on its way. */
const KEPT = ["msg:custom", "comm:close"];
const ASK_AGAIN_MS = 5000;
const GIVE_UP_MS = 15_000;

export default function loader() {
  let widget: Promise<Widget> | undefined;
  let ended = false;

  const start = (model: Model): (() => void) => {
    const early = new EarlyMessages(model);
    let end: (() => void) | undefined;
    widget = load(model).then((made) => {
      if (!ended) end = made.initialize({ model: early.model });
      early.replay();
      return made;
    });
    return () => {
      ended = true;
      end?.();
      early.end();
    };
  };

  return {
    initialize({ model }: { model: Model }): () => void {
      return start(model);
    },

    render({ model, el }: { model: Model; el: HTMLElement }): () => void {
      if (!widget) start(model);
      let end: (() => void) | undefined;
      let gone = false;
      const waiting = placeholder(model, el);
      void widget?.then(
        (made) => {
          waiting.remove();
          if (!gone) end = made.render({ model, el });
        },
        (error: unknown) => waiting.say(`${LOADING.failed} ${String(error)}`),
      );
      return () => {
        gone = true;
        waiting.remove();
        end?.();
      };
    },
  };
}

/** The dashboard's module, evaluated once per page; its parts name each other by URLs that only exist here. */
async function load(model: Model): Promise<Widget> {
  const { modules } = shelf();
  const key = `dashboard ${__PARTS__.map(([, hash]) => hash).join(" ")}`;
  let module = modules.get(key);
  if (!module) {
    module = assembled(model);
    modules.set(key, module);
    module.catch(() => modules.delete(key));
  }
  return ((await module) as { default: () => Widget }).default();
}

async function assembled(model: Model): Promise<unknown> {
  const texts = await Promise.all(__PARTS__.map(([name, hash]) => part(model, name, hash)));
  const urls = new Map<string, string>();
  __PARTS__.forEach(([name], i) => {
    let text = texts[i] as string;
    for (const [other, url] of urls) text = text.replaceAll(`"./${other}.js"`, JSON.stringify(url));
    urls.set(name, moduleUrl(text));
  });
  return import([...urls.values()].at(-1) as string);
}

async function part(model: Model, name: string, hash: string): Promise<string> {
  let timer: ReturnType<typeof setInterval> | undefined;
  const ask = () => model.send({ type: "need", id: `${name}-${Date.now()}-${Math.random()}`, asset: name });
  // The kernel pushes them when it starts: only where nothing comes, and then again and again, they are asked for.
  const packed = await ((await keptAsset(hash)) ??
    wantedAsset(hash, () => {
      timer = setInterval(ask, ASK_AGAIN_MS);
      setTimeout(() => !shelf().packed.has(hash) && ask(), 300);
    }));
  clearInterval(timer);
  return unpacked(packed);
}

/** Keeps what the kernel says until somebody listens; assets go to the shelf at once. */
class EarlyMessages {
  readonly model: Model;
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly #endings: (() => void)[] = [];
  #kept: [event: string, args: unknown[]][] | null = [];

  constructor(real: Model) {
    for (const event of KEPT) {
      const hear: Handler = (...args) => this.#hear(event, args);
      real.on(event, hear);
      this.#handlers.set(event, new Set());
      this.#endings.push(() => real.off(event, hear));
    }
    this.model = {
      get: (name) => real.get(name),
      set: (name, value) => real.set(name, value),
      save_changes: () => real.save_changes(),
      send: (content) => real.send(content),
      on: (event, handler) => {
        const kept = this.#handlers.get(event);
        if (kept) kept.add(handler);
        else real.on(event, handler);
      },
      off: (event, handler) => {
        const kept = this.#handlers.get(event);
        if (kept) kept.delete(handler);
        else real.off(event, handler);
      },
      widget_manager: real.widget_manager,
    };
  }

  replay(): void {
    const kept = this.#kept ?? [];
    this.#kept = null;
    for (const [event, args] of kept) this.#tell(event, args);
  }

  end(): void {
    for (const end of this.#endings) end();
    this.#handlers.clear();
  }

  #hear(event: string, args: unknown[]): void {
    shelve(args[0], args[1]);
    if (this.#kept) this.#kept.push([event, args]);
    else this.#tell(event, args);
  }

  #tell(event: string, args: unknown[]): void {
    for (const handler of this.#handlers.get(event) ?? []) handler(...args);
  }
}

function shelve(content: unknown, buffers: unknown): void {
  if (typeof content !== "object" || content === null || !("type" in content) || content.type !== "asset") return;
  if ("hash" in content && typeof content.hash === "string") putAsset(content.hash, new Uint8Array(copied(buffers)));
}

/** A line in place of the dashboard, and room for it, so that nothing jumps when it comes. */
function placeholder(model: Model, el: HTMLElement): { say: (text: string) => void; remove: () => void } {
  const line = document.createElement("div");
  line.setAttribute("role", "status");
  line.style.cssText = "font:13px system-ui,sans-serif;opacity:.75;padding:8px 2px;min-height:34px";
  const glance = model.get("glance")?.text ?? "";
  const say = (text: string) => (line.textContent = [text, glance].filter(Boolean).join(" "));
  say("");
  el.append(line);
  const slow = setTimeout(() => say(LOADING.slow), 1000);
  const given = setTimeout(() => say(LOADING.nobody), GIVE_UP_MS);
  return {
    say,
    remove() {
      clearTimeout(slow);
      clearTimeout(given);
      line.remove();
    },
  };
}
