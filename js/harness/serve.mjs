// Serves the harness page: node harness/serve.mjs [--port 8765] prints its address. `make js` first.

import { execFileSync } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const built = join(root, "sweepwidget", "static");
const port = Number(process.argv[process.argv.indexOf("--port") + 1]) || 0;

async function harness() {
  const result = await build({
    entryPoints: [join(here, "main.ts")],
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
    sourcemap: "inline",
  });
  return result.outputFiles[0].contents;
}

/** The forms that the kernel sends, asked of Python; without them the configuration's form has nothing to offer. */
function forms() {
  try {
    const code = "import json; from sweepwidget.widget.forms import forms; print(json.dumps(forms()))";
    return execFileSync(process.env.PYTHON ?? "python3", ["-c", code], { cwd: root, stdio: ["ignore", "pipe", "ignore"] });
  } catch {
    return '{"sweep": {}, "metric": {}, "distributions": {}, "stopping": {}}';
  }
}

const formsOnce = forms();
const PAGES = {
  "/": ["text/html", () => readFile(join(here, "index.html"))],
  "/harness.js": ["text/javascript", harness],
  "/dashboard.js": ["text/javascript", () => readFile(join(built, "dashboard.js"))],
  "/forms.json": ["application/json", () => formsOnce],
};

/** What the kernel would send: every asset, with the beginning of its SHA-256. */
async function asset(name) {
  return readFile(join(built, `${name}.js.gz`));
}

async function hashes() {
  const names = (await readdir(built)).filter((file) => file.endsWith(".js.gz")).map((file) => file.slice(0, -6));
  const entries = names.map(async (name) => [name, createHash("sha256").update(await asset(name)).digest("hex").slice(0, 16)]);
  return JSON.stringify(Object.fromEntries(await Promise.all(entries)));
}

PAGES["/favicon.ico"] = ["image/x-icon", () => ""];
PAGES["/assets.json"] = ["application/json", hashes];

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  const name = /^\/asset\/(\w+)$/.exec(pathname)?.[1];
  const page = name ? ["application/octet-stream", () => asset(name)] : PAGES[pathname];
  try {
    if (!page) throw new Error("no such page");
    const body = await page[1]();
    response.writeHead(200, { "content-type": `${page[0]}; charset=utf-8`, "cache-control": "no-store" });
    response.end(body);
  } catch (error) {
    response.writeHead(404, { "content-type": "text/plain" });
    response.end(String(error));
  }
});
server.listen(port, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
