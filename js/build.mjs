// Builds the dashboard into sweepwidget/static/, and fails when something has grown too big:
//   dashboard.js       what every widget carries: the loader
//   core.js.gz …       the dashboard, which the kernel sends once per page; panels.js.gz is evaluated once the page stands
//   plotly.js.gz       for the analysis figures, likewise
//
//   node build.mjs            everything
//   node build.mjs --core     without plotly.js, while working on the rest; --why says what takes the room

import { createHash } from "node:crypto";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "sweepwidget", "static");
const KB = 1024;
const LIMITS = { loader: 12 * KB, core: 180 * KB, panels: 180 * KB, styles: 64 * KB, plotly: 1.4 * KB * KB };
const common = {
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  write: false,
  logLevel: "warning",
  absWorkingDir: here,
};

/** Map styles come with plotly.js although no map does; 83 KB. */
const withoutMaps = {
  name: "without-maps",
  setup(builder) {
    builder.onResolve({ filter: /maplibre-gl\.css$/ }, (found) => ({ path: found.path, namespace: "nothing" }));
    builder.onLoad({ filter: /.*/, namespace: "nothing" }, () => ({ contents: "" }));
  },
};

async function styles() {
  const result = await build({ ...common, entryPoints: ["src/styles/dashboard.css"] });
  const text = result.outputFiles[0].text;
  check("styles", text.length);
  // Versions of the package in one page must not style each other: every version has a root class of its own.
  const mark = `sw-${createHash("sha256").update(text).digest("hex").slice(0, 8)}`;
  return { text: text.replaceAll(".sw-root", `.${mark}`), mark };
}

/** The dashboard's modules as [name, text], what others build on first. */
async function modules({ text, mark }) {
  const result = await build({
    ...common,
    entryPoints: { core: "src/widget.ts", panels: "src/panels.ts" },
    outdir: "built",
    splitting: true,
    chunkNames: "shared",
    jsx: "automatic",
    jsxImportSource: "preact",
    define: { __STYLES__: JSON.stringify(text), __ROOT__: JSON.stringify(mark), "process.env.NODE_ENV": '"production"' },
    metafile: true,
  });
  if (process.argv.includes("--why")) explain(result.metafile);
  const built = new Map(result.outputFiles.map((file) => [basename(file.path, ".js"), file.text]));
  if ([...built.keys()].sort().join() !== "core,panels,shared") throw new Error(`unexpected modules: ${[...built.keys()]}`);
  check("core", built.get("shared").length + built.get("core").length - text.length);
  check("panels", built.get("panels").length);
  const order = ["shared", "panels", "core"];
  for (const [i, name] of order.entries()) {
    // The loader knows the address of a part only once all that it names have theirs.
    const later = order.slice(i).find((other) => built.get(name).includes(`"./${other}.js"`));
    if (later) throw new Error(`${name} imports ${later}, which is built on it`);
  }
  return order.map((name) => [name, built.get(name)]);
}

function explain(metafile) {
  for (const [output, { inputs }] of Object.entries(metafile.outputs)) {
    const largest = Object.entries(inputs).sort((a, b) => b[1].bytesInOutput - a[1].bytesInOutput).slice(0, 25);
    for (const [name, { bytesInOutput }] of largest) console.log(basename(output).padEnd(10), String(bytesInOutput).padStart(8), name);
  }
}

async function loader(parts) {
  const result = await build({ ...common, entryPoints: ["src/loader.ts"], define: { __PARTS__: JSON.stringify(parts) } });
  check("loader", result.outputFiles[0].text.length);
  return result.outputFiles[0].text;
}

async function plotly() {
  const result = await build({
    ...common,
    entryPoints: ["plotly/plotly.cjs"],
    define: { global: "globalThis", "define.amd": "false", "process.env.NODE_DEBUG": "false" },
    plugins: [withoutMaps],
  });
  check("plotly", result.outputFiles[0].text.length);
  return result.outputFiles[0].text;
}

function check(name, size) {
  const over = size > LIMITS[name];
  console.log(`${name.padEnd(10)} ${(size / KB).toFixed(1).padStart(8)} KB of ${Math.round(LIMITS[name] / KB)}${over ? "  TOO BIG" : ""}`);
  if (over) process.exitCode = 1;
}

/** As it is found by its hash: the same text is the same file, byte for byte. */
function packed(text) {
  const bytes = gzipSync(text, { level: 9 });
  return { bytes, hash: createHash("sha256").update(bytes).digest("hex").slice(0, 16) };
}

async function write(name, bytes) {
  await writeFile(join(out, name), bytes);
}

await mkdir(out, { recursive: true });
const parts = (await modules(await styles())).map(([name, text]) => ({ name, ...packed(text) }));
for (const { name, bytes } of parts) await write(`${name}.js.gz`, bytes);
await write("dashboard.js", Buffer.from(await loader(parts.map(({ name, hash }) => [name, hash]))));
if (!process.argv.includes("--core")) await write("plotly.js.gz", packed(await plotly()).bytes);
const known = new Set(["dashboard.js", "plotly.js.gz", ...parts.map(({ name }) => `${name}.js.gz`)]);
for (const name of await readdir(out)) if (!known.has(name)) await rm(join(out, name), { recursive: true });
if (process.exitCode) console.error("too big: see above");
