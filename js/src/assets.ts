/**
 * What the kernel sends once per page: modules, gzip'd, by the hash of what was sent. Kept for the page (all widgets of all
 * versions share one shelf) and in the browser's database, so that a reloaded page needs no kernel.
 */

export interface Shelf {
  readonly packed: Map<string, Uint8Array>;
  readonly modules: Map<string, Promise<unknown>>;
  readonly waiting: Map<string, ((packed: Uint8Array) => void)[]>;
}

const SHELF = Symbol.for("sweepwidget.assets.1");
const DATABASE = "sweepwidget";
const MOST_KEPT = 12;

export function shelf(): Shelf {
  const page = globalThis as { [SHELF]?: Shelf };
  return (page[SHELF] ??= { packed: new Map(), modules: new Map(), waiting: new Map() });
}

/** An asset has come. */
export function putAsset(hash: string, packed: Uint8Array): void {
  const { packed: all, waiting } = shelf();
  if (!all.has(hash)) void remember(hash, packed);
  all.set(hash, packed);
  for (const resolve of waiting.get(hash) ?? []) resolve(packed);
  waiting.delete(hash);
}

/** What is at hand, here or in the browser's database. */
export async function keptAsset(hash: string): Promise<Uint8Array | null> {
  const here = shelf().packed.get(hash);
  if (here) return here;
  const stored = await recall(hash);
  if (stored) shelf().packed.set(hash, stored);
  return stored;
}

/** Waits until it comes. */
export function comingAsset(hash: string): Promise<Uint8Array> {
  const { packed, waiting } = shelf();
  const here = packed.get(hash);
  if (here) return Promise.resolve(here);
  return new Promise((resolve) => waiting.set(hash, [...(waiting.get(hash) ?? []), resolve]));
}

/** An asset at hand, or asked for with `ask` and waited for. */
export async function wantedAsset(hash: string, ask: () => void): Promise<Uint8Array> {
  const kept = await keptAsset(hash);
  if (kept) return kept;
  ask();
  return comingAsset(hash);
}

export async function unpacked(packed: Uint8Array): Promise<string> {
  const stream = new Blob([packed as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

/** The module of an asset, evaluated once per page. */
export function assetModule(hash: string, ask: () => void): Promise<unknown> {
  const { modules } = shelf();
  let module = modules.get(hash);
  if (!module) {
    module = wantedAsset(hash, ask)
      .then(unpacked)
      .then((text) => import(moduleUrl(text)))
      .then((loaded: { default?: unknown }) => loaded.default ?? loaded);
    modules.set(hash, module);
    module.catch(() => modules.delete(hash));
  }
  return module;
}

export function moduleUrl(text: string): string {
  return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}

// -- the browser's database; without it everything comes from the kernel ------------------------------------------------

interface Kept {
  packed: Uint8Array;
  at: number;
}

function database(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("assets");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}

async function remember(hash: string, packed: Uint8Array): Promise<void> {
  try {
    const opened = await database();
    const store = opened.transaction("assets", "readwrite").objectStore("assets");
    const kept: Kept = { packed, at: Date.now() };
    store.put(kept, hash);
    const keys = store.getAllKeys();
    const values = store.getAll() as IDBRequest<Kept[]>;
    values.onsuccess = () => {
      const oldest = keys.result
        .map((key, i) => ({ key, at: values.result[i]?.at ?? 0 }))
        .sort((a, b) => b.at - a.at)
        .slice(MOST_KEPT);
      for (const { key } of oldest) store.delete(key);
      opened.close();
    };
  } catch {
    // private windows and sandboxes have no database
  }
}

async function recall(hash: string): Promise<Uint8Array | null> {
  try {
    const opened = await database();
    const request = opened.transaction("assets").objectStore("assets").get(hash) as IDBRequest<Kept | undefined>;
    return await new Promise((resolve) => {
      request.onsuccess = () => resolve(request.result?.packed ?? null);
      request.onerror = () => resolve(null);
      request.transaction?.addEventListener("complete", () => opened.close());
    });
  } catch {
    return null;
  }
}
