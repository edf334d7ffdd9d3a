/** A sweep that plays: runs begin, log, are stopped early, fail and end, at the pace of its ticks. */

import { drawn, logged, STEPS } from "./trials";
import type { AgentRow, Best, Config, GoalInfo, Json, Progress, RunState, SweepInfo, SweepState } from "../src/protocol";
import type { Row } from "./encode";

export interface Run {
  id: string;
  number: number;
  name: string;
  state: RunState;
  config: Config;
  attempt: number;
  agent: string | null;
  step: number;
  created: number;
  started: number | null;
  ended: number | null;
  stopping: string;
  reason: string;
  error: string;
  tags: string[];
  notes: string;
  why: string;
  version: number;
}

export interface Options {
  /** Runs that have ended when the page opens, and how many there will be. */
  ended: number;
  total: number | null;
  agents: number;
  state: SweepState;
  /** Names that would do harm if they were markup. */
  hostile: boolean;
}

const RUNGS = [9, 27, 81];
const NAMES = ["brisk", "calm", "eager", "fond", "keen", "lucid", "mellow", "noble", "quiet", "rapid", "solid", "vivid"];
const ANIMALS = ["heron", "otter", "lynx", "finch", "ibis", "marten", "raven", "stoat", "tern", "vole", "wren", "yak"];

export class FakeSweep {
  readonly runs: Run[] = [];
  readonly agents: AgentRow[] = [];
  readonly functions = [
    { name: "train", where: "In[7]", doc: "Train the digits network." },
    { name: "train_small", where: "In[9]", doc: "" },
  ];
  name = "mnist-lr";
  state: SweepState;
  reason = "";
  failure = "";
  version = 1;
  total: number | null;
  readonly hostile: boolean;
  goals: GoalInfo[] = [{ metric: "val_loss", maximize: false, target: null }];
  readonly born: number;
  elapsed = 0;
  #agents = 0;

  constructor(options: Options) {
    this.state = options.state;
    this.total = options.total;
    this.hostile = options.hostile;
    this.born = Date.now() / 1000 - options.ended * 45 - 40;
    for (let i = 0; i < options.ended; i += 1) this.#finished(i);
    for (let i = 0; i < options.agents; i += 1) this.hire(i % 2 ? "kernel" : "thread");
    for (const agent of this.agents) {
      this.#claim(agent);
      const run = this.run(agent.run ?? "");
      if (run) run.step = 60 + 37 * (run.number % 3);
    }
    if (this.state === "FINISHED" || this.state === "CANCELED") this.#close();
  }

  get now(): number {
    return Date.now() / 1000;
  }

  run(id: string): Run | undefined {
    return this.runs.find((run) => run.id === id);
  }

  hire(backend: string): AgentRow {
    const row: AgentRow = {
      id: `agent-${(this.#agents += 1)}`,
      number: this.#agents,
      lost: null,
      backend,
      host: "lab-2",
      pid: 4100 + this.#agents,
      here: backend === "thread",
      crew: "crew-1",
      state: "waiting",
      run: null,
      told_at: null,
      ended: 0,
      started_at: this.now,
      heard_at: this.now,
      pace: null,
    };
    this.agents.push(row);
    return row;
  }

  dismiss(id: string, now: boolean): void {
    const agent = this.agents.find((row) => row.id === id);
    if (!agent) return;
    agent.state = agent.run && !now ? "leaving" : "gone";
    if (now && agent.run) this.stop(agent.run);
    if (agent.state === "gone") agent.run = null;
  }

  stop(id: string): void {
    const run = this.run(id);
    if (!run || run.state !== "running") return;
    this.#end(run, "killed", "stopped by you");
  }

  enqueue(config: Config): Run {
    return this.#begin(config, "by hand");
  }

  /** A quarter of a second of training. Returns which runs changed. */
  tick(steps: number): Set<string> {
    const changed = new Set<string>();
    if (this.state === "RUNNING" || this.state === "PAUSED") this.elapsed += 0.25;
    for (const agent of this.agents) {
      if (agent.state === "gone") continue;
      const run = agent.run ? this.run(agent.run) : undefined;
      if (run) {
        this.#advance(run, steps);
        agent.heard_at = this.now;
        agent.pace = steps * 4 - (agent.pid % 3);
        changed.add(run.id);
        if (run.state !== "running") {
          agent.ended += 1;
          agent.run = null;
          agent.pace = null;
          agent.state = agent.state === "leaving" ? "gone" : "waiting";
        }
      } else if (this.state === "RUNNING" && agent.state === "waiting") {
        const next = this.#claim(agent);
        if (next) changed.add(next.id);
      }
    }
    if (this.state === "RUNNING" && this.total !== null && this.#ended() >= this.total) {
      this.state = "FINISHED";
      this.reason = `run_cap reached (${this.total} runs)`;
      for (const agent of this.agents) agent.state = "gone";
    }
    return changed;
  }

  #ended(): number {
    return this.runs.filter((run) => run.ended !== null).length;
  }

  #close(): void {
    for (const run of this.runs) if (run.state === "running") this.#end(run, "killed", "the sweep was stopped");
    for (const agent of this.agents) Object.assign(agent, { state: "gone", run: null });
    this.reason = this.state === "FINISHED" ? `run_cap reached (${this.runs.length} runs)` : "cancelled by you";
  }

  finish(state: SweepState): void {
    this.state = state;
    this.#close();
  }

  #claim(agent: AgentRow): Run | null {
    let run = this.runs.find((candidate) => candidate.state === "pending");
    if (!run) {
      if (this.total !== null && this.runs.length >= this.total) return null;
      run = this.#begin(drawn(this.runs.length), "");
    }
    Object.assign(run, { state: "running", agent: agent.id, started: this.now });
    Object.assign(agent, { run: run.id, state: agent.state === "leaving" ? "leaving" : "working" });
    return run;
  }

  #begin(config: Config, why: string): Run {
    const number = this.runs.length + 1;
    const run: Run = {
      id: `r${number.toString(36).padStart(6, "0")}`,
      number,
      name: this.hostile
        ? `<img src=x onerror="document.title='hacked'"> run ${number}`
        : `${NAMES[number % 12]}-${ANIMALS[(number * 5) % 12]}-${number}`,
      state: "pending",
      config,
      attempt: 1,
      agent: null,
      step: 0,
      created: this.born + number * 44,
      started: null,
      ended: null,
      stopping: "",
      reason: "",
      error: "",
      tags: number % 9 === 0 ? ["baseline"] : [],
      notes: "",
      why: why || "expected improvement 0.0041, predicted 0.081 ± 0.012",
      version: this.version,
    };
    this.runs.push(run);
    return run;
  }

  /** A run of the past. */
  #finished(index: number): void {
    const run = this.#begin(drawn(index), "");
    run.agent = `agent-${1 + (index % 2)}`;
    run.started = this.born + index * 45;
    run.step = STEPS;
    const late = logged(run.config, run.number, 27).val_loss;
    if (index % 13 === 11) Object.assign(run, { state: "failed", step: 12, error: "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB" });
    else if (index % 29 === 17) Object.assign(run, { state: "crashed", step: 40, error: "killed by signal 9 (out of memory?)" });
    else if (late > 1.3) Object.assign(run, { state: "stopped", step: 27, reason: "hyperband: 0.31 at 27, the best third is below 0.12" });
    else run.state = "finished";
    if (this.hostile && run.error) run.error = `<script>document.title='hacked'</script> ${run.error}`;
    run.ended = run.started + run.step * 0.45;
  }

  #advance(run: Run, steps: number): void {
    run.step = Math.min(STEPS, run.step + steps);
    const rung = RUNGS.find((at) => run.step >= at && run.step - steps < at);
    if (run.number % 17 === 5 && run.step > 30) {
      run.error = "ValueError: Expected more than 1 value per channel when training";
      this.#end(run, "failed", "");
    } else if (rung && logged(run.config, run.number, rung).val_loss > 1.2) {
      this.#end(run, "stopped", `hyperband: not among the best third at ${rung}`);
    } else if (run.step >= STEPS) this.#end(run, "finished", "");
  }

  #end(run: Run, state: RunState, reason: string): void {
    run.state = state;
    run.reason = reason;
    run.ended = this.now;
  }

  // -- as the page sees it --------------------------------------------------------------------------------------------

  row(run: Run): Row {
    const last = run.step > 0 ? logged(run.config, run.number, run.step) : null;
    const optimizer = run.config["optimizer"] as Config;
    return {
      id: run.id,
      number: run.number,
      name: run.name,
      state: run.state,
      attempt: run.attempt,
      agent: run.agent ?? undefined,
      config_version: run.version,
      created_at: run.created,
      started_at: run.started ?? undefined,
      ended_at: run.ended ?? undefined,
      stopping: run.stopping || undefined,
      reason: run.reason || undefined,
      error: run.error || undefined,
      tags: run.tags.length ? run.tags : undefined,
      why: run.why,
      ...(run.state === "pending" ? {} : { code: codeOf(run.number) }),
      "config.lr": run.config["lr"],
      "config.batch_size": run.config["batch_size"],
      "config.optimizer.name": optimizer["name"],
      "config.optimizer.momentum": optimizer["momentum"],
      "config.dropout": run.config["dropout"],
      "config.layers": run.config["layers"],
      "config.augment": run.config["augment"],
      "config.dataset": run.config["dataset"],
      "summary.loss": last?.loss,
      "summary.val_loss": last && run.number === 7 && run.state !== "running" ? NaN : last?.val_loss,
      "summary.accuracy": last?.accuracy,
      "summary.epoch": run.step || undefined,
    };
  }

  best(): Best | null {
    if (this.goals.length > 1) return null;
    let best: Best | null = null;
    for (const run of this.runs) {
      if (run.state !== "finished" || run.number === 7) continue;
      const value = logged(run.config, run.number, run.step).val_loss;
      if (best && best.value <= value) continue;
      best = { run: run.id, number: run.number, name: run.name, metric: "val_loss", value, config: run.config };
    }
    return best;
  }

  #byHand(): Run[] {
    return this.runs.filter((run) => run.state === "pending" && run.why === "by hand");
  }

  progress(): Progress {
    const counts: Progress["counts"] = {};
    for (const run of this.runs) counts[run.state] = (counts[run.state] ?? 0) + 1;
    const ended = this.#ended();
    const left = this.total === null ? null : (this.total - ended) * 45;
    const busy = Math.max(1, this.agents.filter((agent) => agent.state === "working").length);
    return {
      ended,
      total: this.total,
      counts,
      by_hand: this.#byHand().length,
      by_hand_since: this.#byHand()[0]?.created ?? null,
      run_s: ended ? 90 : null,
      left_s: left === null || this.state !== "RUNNING" ? null : [(left / busy) * 0.8, (left / busy) * 1.3],
      elapsed_s: ended * 45 + this.elapsed,
      saved_s: (counts.stopped ?? 0) * 78 || null,
    };
  }

  info(): SweepInfo {
    const parameter = (path: string[], rest: Partial<SweepInfo["parameters"][number]>) => ({
      path,
      column: ["config", ...path].join("."),
      distribution: "constant",
      constant: false,
      ordinal: false,
      log: false,
      min: null,
      max: null,
      values: null,
      ...rest,
    });
    return {
      id: "swp7f3a2",
      name: this.hostile ? `<b>bold</b> & "quoted"` : this.name,
      project: "digits",
      state: this.state,
      reason: this.reason,
      failure: this.failure,
      method: "bayes",
      goal: this.goals.length === 1 ? (this.goals[0] as GoalInfo) : null,
      goals: this.goals,
      created_at: this.born,
      config_version: this.version,
      run_cap: this.total,
      parameters: [
        parameter(["lr"], { distribution: "log_uniform_values", ordinal: true, log: true, min: 1e-4, max: 0.1 }),
        parameter(["batch_size"], { distribution: "categorical", ordinal: true, values: [16, 32, 64, 128], min: 16, max: 128 }),
        parameter(["optimizer", "name"], { distribution: "categorical", values: ["adam", "sgd", "rmsprop"] }),
        parameter(["optimizer", "momentum"], { distribution: "uniform", ordinal: true, min: 0.8, max: 0.99 }),
        parameter(["dropout"], { distribution: "uniform", ordinal: true, min: 0, max: 0.5 }),
        parameter(["layers"], { distribution: "int_uniform", ordinal: true, min: 1, max: 5, values: [1, 2, 3, 4, 5] }),
        parameter(["augment"], { distribution: "categorical", values: [true, false] }),
        parameter(["dataset"], { constant: true, values: ["digits"] }),
      ],
      rungs: RUNGS,
      violations: [],
      store: "sweepwidget-data/sweeps.db",
      join: `import sweepwidget as sw; sw.agent("swp7f3a2", train)`,
    };
  }

  config(): Config {
    const parameters: { [key: string]: Json } = {
      lr: { distribution: "log_uniform_values", min: 1e-4, max: 0.1 },
      batch_size: { values: [16, 32, 64, 128] },
      optimizer: { parameters: { name: { values: ["adam", "sgd", "rmsprop"] }, momentum: { min: 0.8, max: 0.99 } } },
      dropout: { min: 0, max: 0.5 },
      layers: { min: 1, max: 5 },
      augment: { values: [true, false] },
      dataset: { value: "digits" },
    };
    return {
      method: "bayes",
      name: this.name,
      metric: { name: "val_loss", goal: "minimize" },
      early_terminate: { type: "hyperband", min_iter: 9, eta: 3 },
      run_cap: this.total,
      parameters,
    };
  }
}

/** The function was mended after the twentieth run. */
export function codeOf(number: number): string {
  return number > 20 ? "train@77c0" : "train@a1f3";
}
