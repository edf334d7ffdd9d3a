/** The kernel's half of `protocol.ts`, played for a `FakeSweep`: enough for every button and every panel to be tried. */

import { marked } from "../src/json";
import type {
  Commands,
  Config,
  Curve,
  Forms,
  Json,
  ParameterInfo,
  PreviewedParameter,
  RunDetail,
  Watch,
} from "../src/protocol";
import { Buffer, table } from "./encode";
import type { FakeModel } from "./model";
import { codeOf, FakeSweep, type Run } from "./sweep";
import { drawn, logged, STEPS } from "./trials";

export interface Behaviour {
  /** Hears nothing, as a kernel whose cell blocks; `alive` comes all the same. */
  busy: boolean;
  denied: { [command: string]: string };
  /** Refuses orders with these words. */
  refuses: string;
  trouble: string;
  forms: Forms;
  /** Answers after so many milliseconds. */
  delay: number;
  /** Name → hash of what can be sent, and the sending of it. */
  assets: { [name: string]: string };
  asset: (name: string) => Promise<ArrayBuffer>;
  /** Sends them as soon as it is there. */
  pushes: boolean;
}

const LOOKS = new Set(["hello", "bye", "need", "watch", "unwatch", "detail", "figure", "versions", "validate", "preview", "export"]);

export class FakeKernel {
  behaviour: Behaviour;
  #seq = 0;
  #watches = new Map<string, Watch>();
  #sent = new Map<string, Map<string, number>>();
  #versions: Config[];
  #waiting: { [key: string]: unknown }[] = [];
  #timers: ReturnType<typeof setInterval>[] = [];

  constructor(
    readonly model: FakeModel,
    readonly sweep: FakeSweep | null,
    behaviour: Partial<Behaviour> = {},
  ) {
    this.behaviour = {
      busy: false,
      denied: {},
      refuses: "",
      trouble: "",
      forms: { sweep: {}, metric: {}, distributions: {}, stopping: {} },
      delay: 15,
      assets: {},
      pushes: true,
      asset: async () => new ArrayBuffer(0),
      ...behaviour,
    };
    this.#versions = sweep ? [sweep.config()] : [];
    this.#traits();
    model.heard = (content) => {
      setTimeout(() => (this.behaviour.busy ? this.#waiting.push(content) : this.#obey(content)), this.behaviour.delay);
    };
  }

  /** The comm is open: everything is pushed at once. */
  open(): void {
    this.full();
    this.alive();
    for (const name of this.behaviour.pushes ? Object.keys(this.behaviour.assets) : []) void this.#sayAsset(name);
  }

  play(speed: number): void {
    if (speed > 0) this.#timers.push(setInterval(() => this.tick(Math.max(1, Math.round(2 * speed))), 250));
    this.#timers.push(setInterval(() => this.alive(), 5000));
  }

  stop(): void {
    this.#timers.forEach(clearInterval);
    this.#timers = [];
  }

  unblock(): void {
    this.behaviour.busy = false;
    for (const content of this.#waiting.splice(0)) this.#obey(content);
  }

  say(content: object, buffer?: ArrayBuffer): void {
    this.model.emit({ ...content, seq: (this.#seq += 1) }, buffer);
  }

  /** Lose a message, as a server that is asked to carry too many does. */
  lose(): void {
    this.#seq += 1;
  }

  full(): void {
    const buffer = new Buffer();
    const { sweep } = this;
    const runs = table((sweep?.runs ?? []).map((run) => sweep?.row(run) ?? {}), buffer);
    const message = {
      type: "full",
      protocol: 1,
      version: "0.1.0",
      now: Date.now() / 1000,
      sweep: sweep?.info() ?? null,
      progress: sweep?.progress() ?? { ended: 0, total: null, counts: {}, run_s: null, left_s: null, elapsed_s: null, saved_s: null },
      agents: sweep?.agents ?? [],
      runs,
      functions: sweep?.functions ?? [{ name: "train", where: "In[7]", doc: "Train the digits network." }],
      backends: ["thread", "kernel", "process"],
      denied: this.behaviour.denied,
      assets: this.behaviour.assets,
      forms: this.behaviour.forms,
    };
    this.say(message, buffer.joined());
    for (const plot of this.#watches.keys()) this.curves(plot);
  }

  alive(): void {
    const load = Object.fromEntries(
      (this.sweep?.agents ?? [])
        .filter((agent) => agent.state !== "gone")
        .map((agent) => [agent.id, { alive: true, cpu: 80 + (agent.pid % 19), memory: 1.2e9 + agent.pid * 2e5, ...(agent.pid % 2 ? {} : { gpu: 5.1e9 }) }]),
    );
    this.say({ type: "alive", now: Date.now() / 1000, trouble: this.behaviour.trouble, load });
  }

  tick(steps: number): void {
    const { sweep } = this;
    if (!sweep) return;
    this.delta(sweep.tick(steps));
    for (const plot of this.#watches.keys()) this.points(plot);
  }

  delta(changed: Iterable<string>): void {
    const { sweep } = this;
    if (!sweep) return;
    const buffer = new Buffer();
    const rows = [...changed].map((id) => sweep.run(id)).filter((run): run is Run => run !== undefined);
    const message = {
      type: "delta",
      now: Date.now() / 1000,
      sweep: sweep.info(),
      progress: sweep.progress(),
      agents: sweep.agents,
      ...(rows.length ? { runs: table(rows.map((run) => sweep.row(run)), buffer) } : {}),
    };
    this.#traits();
    this.say(message, buffer.joined());
  }

  // -- curves -----------------------------------------------------------------------------------------------------------

  curves(plot: string): void {
    const watch = this.#watches.get(plot);
    if (!watch) return;
    const buffer = new Buffer();
    const all = this.#watched(watch);
    const runs = all.slice(0, 300);
    this.#sent.set(plot, new Map(runs.map((run) => [run.id, run.step])));
    const message = {
      type: "curves",
      plot,
      metric: watch.metric,
      x: watch.x,
      range: watch.range,
      reset: true,
      left_out: all.length - runs.length,
      gone: [],
      runs: runs.map((run) => curve(run, watch, 0, buffer)),
    };
    this.say(message, buffer.joined());
  }

  points(plot: string): void {
    const watch = this.#watches.get(plot);
    const sent = this.#sent.get(plot);
    if (!watch || !sent) return;
    const buffer = new Buffer();
    const grown = this.#watched(watch).filter((run) => run.step > (sent.get(run.id) ?? 0));
    if (!grown.length) return;
    const runs = grown.map((run) => curve(run, watch, sent.get(run.id) ?? 0, buffer));
    for (const run of grown) sent.set(run.id, run.step);
    this.say({ type: "curve_points", plot, runs }, buffer.joined());
  }

  #watched(watch: Watch): Run[] {
    const runs = this.sweep?.runs ?? [];
    const also = new Set(watch.runs ?? []);
    const key = (run: Run) => logged(run.config, run.number, Math.max(1, run.step)).val_loss;
    const best =
      watch.show === "best"
        ? new Set([...runs].filter((run) => run.step).sort((a, b) => key(a) - key(b)).slice(0, watch.k ?? 5).map((run) => run.id))
        : null;
    const wanted = (run: Run) =>
      watch.show === "all" || (watch.show === "running" && run.state === "running") || (best?.has(run.id) ?? false) || also.has(run.id);
    return runs.filter((run) => run.step > 0 && wanted(run));
  }

  // -- commands -----------------------------------------------------------------------------------------------------------

  #obey(content: { [key: string]: unknown }): void {
    const name = String(content["type"]) as keyof Commands;
    const id = String(content["id"]);
    this.say({ type: "ack", id });
    const refusal = this.behaviour.denied[name] ?? (LOOKS.has(name) ? "" : this.behaviour.refuses);
    if (refusal) return this.say({ type: "refused", id, command: name, message: refusal });
    const done = (result: unknown = null, buffer?: ArrayBuffer) => this.say({ type: "done", id, command: name, result }, buffer);
    this.#do(name, content, done, (message) => this.say({ type: "refused", id, command: name, message }));
    if (!LOOKS.has(name)) this.delta((this.sweep?.runs ?? []).slice(-12).map((run) => run.id));
  }

  #do(
    name: keyof Commands,
    args: { [key: string]: unknown },
    done: (result?: unknown, buffer?: ArrayBuffer) => void,
    refuse: (message: string) => void,
  ): void {
    const { sweep } = this;
    const run = sweep?.run(String(args["run"]));
    switch (name) {
      case "hello":
        this.full();
        return done();
      case "need":
        void this.#sayAsset(String(args["asset"])).then(() => done());
        return;
      case "watch":
        this.#watches.set(String(args["plot"]), args as unknown as Watch);
        done();
        return this.curves(String(args["plot"]));
      case "unwatch":
        this.#watches.delete(String(args["plot"]));
        return done();
      case "validate":
        return done(validated(args["draft"] as Config | string));
      case "export":
        return done({ filename: `sweep.${String(args["kind"])}`, mime: "text/plain" }, new TextEncoder().encode("run,loss\n1,0.1\n").buffer);
      case "figure": {
        const figure = new TextEncoder().encode(JSON.stringify(madeFigure(String(args["name"]), sweep)));
        return done({ name: args["name"] }, figure.buffer);
      }
      default:
    }
    if (name === "preview") {
      const space = sweep ?? new FakeSweep({ ended: 0, total: 20, agents: 0, state: "PENDING", hostile: false });
      const buffer = new Buffer();
      const parameters = space.info().parameters.map((info) => previewed(info, space, buffer));
      return done({ parameters, grid_size: null, runs: space.total, duration_s: sweep ? 2520 : null }, buffer.joined());
    }
    if (!sweep) return name === "apply" ? done({ sweep_id: "swp7f3a2", config_version: 1 }) : done();
    switch (name) {
      case "start_agents": {
        for (let i = 0; i < Number(args["n"]); i += 1) sweep.hire(String(args["backend"]));
        if (sweep.state === "PENDING") sweep.state = "RUNNING";
        return done({ crew: "crew-1" });
      }
      case "scale": {
        const there = sweep.agents.filter((agent) => agent.state === "working" || agent.state === "waiting");
        for (const agent of there.slice(Number(args["n"]))) sweep.dismiss(agent.id, false);
        for (let n = there.length; n < Number(args["n"]); n += 1) sweep.hire("thread");
        return done({ n: args["n"] });
      }
      case "stop_agent":
        sweep.dismiss(String(args["agent"]), Boolean(args["now"]));
        return done();
      case "pause":
        sweep.state = "PAUSED";
        return done();
      case "resume":
        sweep.state = "RUNNING";
        return done();
      case "stop":
        sweep.finish("FINISHED");
        return done();
      case "cancel":
        sweep.finish("CANCELED");
        return done();
      case "stop_run":
        sweep.stop(String(args["run"]));
        return done();
      case "retry_run":
      case "enqueue": {
        const config = (name === "enqueue" ? args["config"] : run?.config) as Config | undefined;
        return config ? done({ run: sweep.enqueue(config).id }) : refuse("There is no such run.");
      }
      case "update_run":
        if (run) Object.assign(run, { tags: args["tags"] ?? run.tags, notes: args["notes"] ?? run.notes, name: args["name"] ?? run.name });
        return done();
      case "versions":
        return done({ configs: this.#versions.map(marked) });
      case "apply":
        if (typeof args["draft"] === "object") this.#versions.push(args["draft"] as Config);
        sweep.version += 1;
        return done({ sweep_id: "swp7f3a2", config_version: sweep.version });
      case "undo_config":
        sweep.version += 1;
        return done({ config_version: sweep.version });
      case "detail":
        return run ? done(detail(run, sweep)) : refuse("There is no such run.");
      default:
        return done();
    }
  }

  async #sayAsset(name: string): Promise<void> {
    const asset = await this.behaviour.asset(name);
    this.say({ type: "asset", name, hash: this.behaviour.assets[name] ?? "" }, asset);
  }

  #traits(): void {
    const { model, sweep } = this;
    if (!sweep) return;
    const best = sweep.best();
    if (model.get("status") !== sweep.state) model.assign("status", sweep.state);
    if (model.get("sweep_id") === "") model.assign("sweep_id", "swp7f3a2");
    if (model.get("best")?.run !== best?.run) model.assign("best", best);
    const config = marked(sweep.config()) as Config;
    if (JSON.stringify(model.get("config")) !== JSON.stringify(config)) model.assign("config", config);
    const { ended, total } = sweep.progress();
    model.assign("glance", { text: `${ended} of ${total ?? "?"} runs`, at: Date.now() / 1000 });
  }
}

function curve(run: Run, watch: Watch, from: number, buffer: Buffer): Curve {
  const metric = watch.metric as "loss" | "val_loss" | "accuracy";
  const n = run.step - from;
  const both = new Float64Array(2 * n);
  for (let i = 0; i < n; i += 1) {
    const step = from + i + 1;
    const values = logged(run.config, run.number, step);
    both[i] = watch.x === "time" ? step * 0.45 : watch.x === "step" ? step - 1 : (values[watch.x as "loss"] ?? NaN);
    both[n + i] = run.number === 7 && step > 120 ? NaN : (values[metric] ?? NaN);
  }
  return { run: run.id, attempt: run.attempt, n, at: buffer.add(both), of: n };
}

const TRACEBACK = [
  "\u001b[0;31m---------------------------------------------------------------------------\u001b[0m",
  "\u001b[0;31mRuntimeError\u001b[0m                              Traceback (most recent call last)",
  "Cell \u001b[0;32mIn[7], line 14\u001b[0m, in \u001b[0;36mtrain\u001b[0;34m(config)\u001b[0m",
  "\u001b[1;32m     12\u001b[0m model = Net(config.layers).to(device)",
  "\u001b[1;32m     13\u001b[0m \u001b[38;5;28;01mfor\u001b[39;00m epoch \u001b[38;5;129;01min\u001b[39;00m range(200):",
  "\u001b[0;32m---> 14\u001b[0m     loss = step(model, next(batches))",
  "",
  "\u001b[0;31mRuntimeError\u001b[0m: CUDA out of memory. Tried to allocate 2.00 GiB <img src=x onerror=alert(1)>",
].join("\n");

function detail(run: Run, sweep: FakeSweep): RunDetail {
  const last = logged(run.config, run.number, Math.max(1, run.step));
  const lines = Array.from({ length: run.step }, (_, i) => {
    const { loss, val_loss } = logged(run.config, run.number, i + 1);
    return `epoch ${String(i + 1).padStart(3)}  loss ${loss.toFixed(4)}  val_loss \u001b[${val_loss < 0.3 ? 32 : 33}m${val_loss.toFixed(4)}\u001b[0m`;
  });
  return {
    id: run.id,
    number: run.number,
    name: run.name,
    state: run.state,
    attempt: run.attempt,
    config: marked(run.config) as Config,
    summary: run.step ? { ...last, epoch: run.step } : {},
    info: { acquisition: "expected improvement", value: 0.0041, mean: 0.081, sd: 0.012 },
    why: run.why,
    error: run.state === "failed" ? TRACEBACK : run.error,
    output: `\u001b[1mtraining on cuda:0\u001b[0m\n${lines.join("\n")}\n`,
    output_cut: false,
    stop_reason: run.reason,
    exit_code: run.state === "crashed" ? -9 : null,
    seed: 1234 + run.number,
    notes: run.notes,
    tags: run.tags,
    agent: run.agent,
    created_at: run.created,
    started_at: run.started,
    ended_at: run.ended,
    config_version: run.version,
    metrics: ["loss", "val_loss", "accuracy", "epoch"],
    code: codeOf(run.number),
    code_now: "train@77c0",
    cell: `# Run ${run.number} once more, in no sweep. If it fails, %debug in the next cell stands where.\nsw.run_one(\n    train,\n    {'lr': ${run.config["lr"]}, 'dataset': '${sweep.name}'},\n    seed=${1234 + run.number},\n)`,
    provenance: {
      function: { name: "__main__.train", where: "In[7]", line: 3, code: "a1f39c02", source: "def train(config):\n    model = Net(config.layers)\n    ..." },
      git: { branch: "main", commit: "77c0d1e5a4", dirty: true, remote: "https://example.org/lab/digits" },
      packages: { numpy: "2.1.0", torch: "2.5.1" },
      host: "lab-2",
      python: "3.12.1",
    },
  };
}

function validated(draft: Config | string): object {
  const config = typeof draft === "string" ? null : draft;
  return {
    failures: config && !("parameters" in config) ? [{ path: "parameters", message: "A sweep needs parameters to search." }] : [],
    violations: [],
    config,
    yaml: typeof draft === "string" ? draft : asYaml(draft, 0),
    python: JSON.stringify(draft, null, 4),
    grid_size: null,
  };
}

function asYaml(value: Json, depth: number): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => asYaml(item, depth)).join(", ")}]`;
  const pad = "  ".repeat(depth);
  return Object.entries(value)
    .map(([key, item]) => {
      const nested = typeof item === "object" && item !== null && !Array.isArray(item);
      return `${pad}${key}:${nested ? `\n${asYaml(item, depth + 1)}` : ` ${asYaml(item, depth)}`}`;
    })
    .join("\n");
}

function previewed(info: ParameterInfo, sweep: FakeSweep, buffer: Buffer): PreviewedParameter {
  const value = (config: Config): Json => info.path.reduce<Json>((inner, key) => (inner as Config)[key] ?? null, config);
  const draws = Array.from({ length: 200 }, (_, i) => value(drawn(5000 + i)));
  const seen = sweep.runs.filter((run) => run.state === "finished").map((run) => value(run.config));
  const best = value(sweep.best()?.config ?? drawn(0));
  if (info.ordinal) {
    const add = (values: Json[]) => ({ at: buffer.add(Float64Array.from(values as number[])), n: values.length });
    return { info, draws: add(draws), seen: add(seen), best };
  }
  const count = (values: Json[]) => (info.values ?? []).map((choice) => values.filter((item) => item === choice).length);
  return { info, counts: count(draws), seen_counts: count(seen), best };
}

/** A figure of the right kind; the real ones are `sweepwidget.plot`'s. */
function madeFigure(name: string, sweep: FakeSweep | null): object {
  const runs = (sweep?.runs ?? []).filter((run) => run.state === "finished");
  const y = runs.map((run) => logged(run.config, run.number, STEPS).val_loss);
  const layout = { title: { text: name }, xaxis: { title: { text: "lr" }, type: "log" }, yaxis: { title: { text: "val_loss" } } };
  const mode = name === "importance" ? { type: "bar", orientation: "h" } : { type: "scatter", mode: "markers" };
  if (name === "importance") {
    const names = ["lr", "dropout", "layers", "batch_size", "optimizer.name"];
    return { data: [{ ...mode, y: names, x: [0.61, 0.18, 0.12, 0.06, 0.03] }], layout: { title: { text: name } } };
  }
  if (name === "contour") {
    const z = Array.from({ length: 20 }, (_, i) => Array.from({ length: 20 }, (__, j) => (i - 9) ** 2 + (j - 12) ** 2));
    return { data: [{ type: "contour", z }], layout: { title: { text: name } } };
  }
  return { data: [{ ...mode, x: runs.map((run) => run.config["lr"]), y, customdata: runs.map((run) => run.id) }], layout };
}
