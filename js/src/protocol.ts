/**
 * The contract between the kernel (`sweepwidget/widget/`) and the page (`js/`): every trait, every message, every command.
 *
 * Traits are small, and safe in a saved notebook. Everything else travels as custom messages of one comm: a head of plain
 * JSON with a `type`, and at most one binary buffer beside it. What the kernel says is numbered by `seq`, 1, 2, 3 … per
 * widget; front ends drop messages silently when there are too many, so a gap means "say `hello`", and `full` comes again.
 *
 * Rules for the page
 *  - Listen in `initialize`, not in `render`: the kernel sends `full` (and the assets) as soon as the comm is open, because a
 *    busy kernel may not hear a `hello` for minutes. A `full` with any `seq` replaces all that is known.
 *  - Ignore types and fields that you do not know: they are newer than you.
 *  - All texts (names, logs, tracebacks, reasons, configs) are user data: show them as text, never as markup.
 *  - Several pages may listen to one comm: whatever one asks for, all hear. Everything is idempotent.
 *  - The static snapshot in the saved notebook is a separate output, `<div class="sw-snapshot" data-sw-model="…model id…">`.
 *    Hide it (and its output area) while the widget is live; leave it where the widget is detached.
 */

export const PROTOCOL = 1;

// -- values ------------------------------------------------------------------------------------------------------------

/**
 * Users' values are JSON. In heads, NaN and the infinities are `{"$float": "nan" | "inf" | "-inf"}`, and a user's own key that
 * looks like `$float` has one `$` more (`$$float`).
 */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
/** W&B's dict: `{method, parameters, metric, early_terminate, run_cap, …}`. */
export type Config = { [key: string]: Json };
/** Unix seconds, by the clock of the machine that wrote it. Durations are seconds, and their names end in `_s`. */
export type Time = number;
export type SweepState = "PENDING" | "RUNNING" | "PAUSED" | "FINISHED" | "CANCELED";
export type RunState =
  | "pending"
  | "running"
  | "finished"
  | "failed"
  | "crashed"
  | "killed"
  | "stopped"
  | "preempted";

/**
 * Where numbers stand in the message's buffer: `at` bytes from its beginning (a multiple of 8). How many, and of which type,
 * is said where an `At` is used; all are little-endian. The buffer itself may begin at any address: copy it once,
 * `bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)`, then make views.
 */
export type At = number;

// -- traits ------------------------------------------------------------------------------------------------------------

export type Panel = "dashboard" | "config" | "agents" | "curves" | "runs";

/** What the page may set is marked; the kernel ignores the rest. */
export interface Traits {
  /** "" as long as there is only a draft. */
  sweep_id: string;
  panel: Panel;
  status: "" | SweepState;
  best: Best | null;
  /**
   * The sweep's configuration as it stands (edits go through `validate` and `apply`); without a sweep the draft, as far as it
   * was previewed. Marked as in `Json`.
   */
  config: Config;
  /** Where things stood when the kernel last said so, for a page without a kernel: "12 of 40 runs · 2 at work", and when. */
  glance: { text: string; at: Time };
  /** Run ids. The page may set it; Python sees it as `dash.selected`. */
  selected: string[];
  /** Tab, sort, filter, columns, axes: whatever the page wants to find again, at most 16 KB. The page may set it. */
  view: { [key: string]: Json };
  /** The page may set it. */
  theme: "auto" | "light" | "dark";
}

export interface Best {
  run: string;
  number: number;
  name: string;
  metric: string;
  value: number;
  config: Config;
}

// -- the state: full, delta, alive -------------------------------------------------------------------------------------

/** Everything; replaces all that the page knew. Curves that were asked for follow by themselves. */
export interface Full {
  type: "full";
  seq: number;
  protocol: number;
  /** Of sweepwidget. */
  version: string;
  /** The kernel's clock: take its difference to yours into account for "3 s ago". */
  now: Time;
  /** null: there is no sweep yet (`apply` makes one). */
  sweep: SweepInfo | null;
  progress: Progress;
  agents: AgentRow[];
  runs: Table;
  /** What `start_agents` may call, the best guess first. */
  functions: FunctionInfo[];
  /** What `start_agents` may use; the first is the default. */
  backends: string[];
  /** Commands that would be refused, and why: "this link allows to observe …". Disable their buttons with the reason. */
  denied: { [command: string]: string };
  /** What the kernel can send: name → hash. It has sent them once already since it was started; ask with `need`. */
  assets: { [name: string]: string };
  /** What a form of a configuration is made of; see `Forms`. */
  forms: Forms;
  /**
   * The configuration as it stands, as JSON text: in it 1.0 is no integer and 2**60 is exact, which JavaScript's own numbers
   * cannot say. The page's drafts are such text, too. Without it the page makes do with the trait `config`.
   */
  config?: string;
}

/** What changed since the message before, at most four times a second. Absent: as before. */
export interface Delta {
  type: "delta";
  seq: number;
  now: Time;
  sweep?: SweepInfo;
  progress?: Progress;
  /** Upsert by id. */
  agents?: AgentRow[];
  /** Whole rows; upsert by id. It may have columns that are new. */
  runs?: Table;
  /** Ids of runs that were deleted, or taken back before they began. */
  gone?: string[];
  functions?: FunctionInfo[];
  /** As in `Full`. */
  config?: string;
}

/** Every 5 s, from a thread: it comes while a cell is busy, too. None for 15 s: the kernel is stale. */
export interface Alive {
  type: "alive";
  seq: number;
  now: Time;
  /** Why the store cannot be read just now; "" when all is well. */
  trouble: string;
  load: { [agent: string]: Load };
}

/** What an agent's process takes; only for those on the kernel's machine. Agents that are threads share a process. */
export interface Load {
  /** Whether the process is there. */
  alive: boolean;
  /** Percent of one core, over the last 5 s; null at the first look. */
  cpu: number | null;
  /** Bytes. */
  memory: number | null;
  /** Bytes of GPU memory, where that is known. */
  gpu?: number;
}

export interface SweepInfo {
  id: string;
  name: string;
  project: string;
  state: SweepState;
  /** Why it is in this state: "grid spent (48 runs)". */
  reason: string;
  /** What stopped its controller, so that it is paused; "": nothing has. `failure` tells more, `resume` tries again. */
  failure: string;
  method: string;
  /** The only thing that is optimised, if it is one. */
  goal: GoalInfo | null;
  /** All that is optimised: nothing, the one, or several at once. */
  goals: GoalInfo[];
  created_at: Time;
  /** Counts up with every edit; `runs.config_version` says from which one a run was drawn. */
  config_version: number;
  run_cap: number | null;
  /** What is searched, in the order of the configuration; constants are last. */
  parameters: ParameterInfo[];
  /** Numbers of logged values at which early stopping looks (the first ten). */
  rungs: number[];
  /** What is odd about the configuration although it runs. */
  violations: string[];
  /** Names the store to people. */
  store: string;
  /** A line that joins from another notebook of this machine. */
  join: string;
}

export interface GoalInfo {
  metric: string;
  maximize: boolean;
  target: number | null;
}

export interface ParameterInfo {
  /** `["opt", "lr"]`. */
  path: string[];
  /** Its column in the table: `config.opt.lr`. */
  column: string;
  distribution: string;
  constant: boolean;
  /** Whether its values are numbers, so that near ones are alike. */
  ordinal: boolean;
  /** A logarithmic axis shows it best. */
  log: boolean;
  /** Limits of an ordinal one, as far as there are any. */
  min: number | null;
  max: number | null;
  /** The choices of one that is not ordinal, or has at most 50 values. */
  values: Json[] | null;
}

export interface Progress {
  /** Runs that have ended (preempted ones will be tried again). */
  ended: number;
  /** How many there will be; null: nobody knows. */
  total: number | null;
  counts: Partial<Record<RunState, number>>;
  /** Runs that somebody added and that no agent has taken yet; since when the oldest waits. */
  by_hand: number;
  by_hand_since: Time | null;
  /** Of finished runs: the median; null: none has finished. */
  run_s: number | null;
  /** How long the rest will take, from … to; null where that is a guess. */
  left_s: [number, number] | null;
  /** Since the first run began; stands still once the sweep is over. */
  elapsed_s: number | null;
  /** What early stopping has saved: stopped runs would have taken as long as the median finished one. */
  saved_s: number | null;
}

export interface AgentRow {
  id: string;
  /** A1, A2, …: in the order in which they came, for good. */
  number: number;
  /** Agents that were started together. */
  crew: string;
  /** "thread", "kernel", "program", … */
  backend: string;
  host: string;
  pid: number;
  /** Whether its process is this kernel. */
  here: boolean;
  state: "working" | "waiting" | "leaving" | "gone";
  /** The run it works on. */
  run: string | null;
  /** Since when that run is known to have been told to stop. */
  told_at: Time | null;
  /** How many runs it has ended. */
  ended: number;
  started_at: Time;
  /** When it was last heard of: it logged, or took or ended a run. */
  heard_at: Time | null;
  /** Steps per second of its run, over the last seconds. */
  pace: number | null;
  /** It did not leave by itself: its process died, or it fell silent; and the runs that it was at. */
  lost: { how: "dead" | "silent"; runs: string[] } | null;
}

export interface FunctionInfo {
  name: string;
  /** "In[7]", or a file. */
  where: string;
  doc: string;
}

// -- tables ------------------------------------------------------------------------------------------------------------

/**
 * Runs as columns. Which there are:
 *   id, number, name, state, attempt, agent, config_version, created_at, started_at, ended_at,
 *   stopping ("" or why a running run was told to stop), reason (why an ended one was), error (its last line), tags (string[]),
 *   why (what the search said of it, shortly), code (which it ran: `train@a1f3`), config.<parameter>, summary.<metric>.
 * Names below config. and summary. are paths: dots within one key are written `\.`, and a backslash `\\`. A column may be of
 * one kind in one message and of the other in the next; one in which no row has a value is left out.
 */
export interface Table {
  /** How many rows. */
  n: number;
  columns: Column[];
  /** Columns that were left out, because a table has at most 400. */
  left_out: number;
}

export type Column = NumberColumn | ValueColumn;

/** float64[n] at `at`. Where uint8[n] at `missing` is 1 there is no value; a NaN elsewhere is a NaN. */
export interface NumberColumn {
  name: string;
  kind: "number";
  at: At;
  missing?: At;
}

/** Row i has `values[codes[i]]`, with int32[n] at `codes`; -1 is no value. Without `codes`, row i has `values[i]`. */
export interface ValueColumn {
  name: string;
  kind: "value";
  values: Json[];
  codes?: At;
}

// -- curves ------------------------------------------------------------------------------------------------------------

export interface Watch {
  /** The page's name for what it draws: "main", "sparks". A new watch of that name replaces the old one. */
  plot: string;
  metric: string;
  /** "step"; "time" (seconds since the run began); else the name of another metric. */
  x: string;
  /** Of x; null: all of it. */
  range: [number, number] | null;
  /** Pixels: at most two points for each, and fewer where many runs share the budget. */
  width: number;
  /** Which runs, kept up to date by the kernel as runs begin and end. `best` are the first `k` by the goal. */
  show: "all" | "running" | "best" | "none";
  k?: number;
  /** These too, whatever `show` says: selected, pinned, visible ones. */
  runs?: string[];
  /** The weight of the past in a moving average, 0 … 1; 0 or absent: none. */
  smooth?: number;
}

/** Points of a watched metric; `reset`: forget all curves of this plot, else replace those of these runs. */
export interface Curves {
  type: "curves";
  seq: number;
  plot: string;
  metric: string;
  x: string;
  range: [number, number] | null;
  reset: boolean;
  /** Runs that `show` would have, beyond the most that are sent (300): running ones first, then the best. */
  left_out: number;
  runs: Curve[];
  /** Runs that are shown no longer. */
  gone: string[];
}

/** Points that came after those; at most twice a second, one message for all runs of a plot. */
export interface CurvePoints {
  type: "curve_points";
  seq: number;
  plot: string;
  runs: Curve[];
}

/**
 * x rises within a curve, and over its points that follow.
 * float64[n] of x at `at`, then float64[n] of values. Values keep NaN and infinities. Decimated to the smallest and the
 * largest of each bucket, its first value that is not finite, and the last point of the run.
 */
export interface Curve {
  run: string;
  attempt: number;
  n: number;
  at: At;
  /** Points before they were decimated. */
  of: number;
  /**
   * Smoothed before it was decimated, where that was asked for, by this weight: float64[n] at `at`. `seen` finite values went
   * into the last one, so that the average can be continued over the points that follow.
   */
  smooth?: { weight: number; at: At; seen: number };
}

// -- assets ------------------------------------------------------------------------------------------------------------

/** Something that nobody asked for and somebody should know: agents that gave up after failed runs, and why. */
export interface Notice {
  type: "notice";
  seq: number;
  text: string;
}

/** The buffer is the gzip'd asset. Sent once after the kernel was started, and in answer to `need`. Keep it by its hash. */
export interface Asset {
  type: "asset";
  seq: number;
  name: string;
  hash: string;
}

// -- answers -----------------------------------------------------------------------------------------------------------

/** The kernel has heard a command. None for 1 s: it is busy, and will hear it when it yields. */
export interface Ack {
  type: "ack";
  seq: number;
  id: string;
}

/** It is done. What it gave is in `result` (see `Results`), and in the buffer. */
export interface Done<C extends keyof Commands = keyof Commands> {
  type: "done";
  seq: number;
  id: string;
  command: C;
  result: C extends keyof Results ? Results[C] : null;
}

/** It was not done, and nothing has changed. */
export interface Refused {
  type: "refused";
  seq: number;
  id: string;
  command: string;
  /** For people: what, where, and the next step. */
  message: string;
  /** Of a configuration. */
  problems?: Problem[];
}

export type FromKernel = Full | Delta | Alive | Curves | CurvePoints | Notice | Asset | Ack | Done | Refused;

// -- commands ----------------------------------------------------------------------------------------------------------

/**
 * A command is `{type: <name>, id: <unique>, ...arguments}`. It is answered by `ack` at once, then by `done` or `refused`.
 * Orders (pause, stop …) are obeyed in the order given and never wait for a look (detail, figure, preview …).
 * The same `id` again is acknowledged and answered again, and not done twice.
 */
export interface Commands {
  /** A page is there: when it starts, after a gap, when it shows the widget again. Answered by `full` (and `done`). */
  hello: { page: string };
  /** This page shows it no longer; when all have gone, the feed rests. */
  bye: { page: string };
  /** Answered by `asset`, too. */
  need: { asset: string };
  watch: Watch;
  unwatch: { plot: string };

  /** `function`: a name of `functions`, null for the sweep's program. `count`: how many runs they begin in all. */
  start_agents: { n: number; backend: string; function: string | null; count?: number | null };
  /** Have `n` agents of this dashboard work: started like the last ones, or dismissed after their runs. */
  scale: { n: number };
  /** After its run; `now`: its run is stopped, too. Any agent of the sweep, wherever it works. */
  stop_agent: { agent: string; now: boolean };
  pause: object;
  /** Go on: with a paused sweep, and with a finished one (where there is still something to do). */
  resume: object;
  /** No new runs; those running end by themselves, or `now`: are stopped at their next log(). The sweep is finished. */
  stop: { now: boolean };
  /** The sweep is over for good; running runs are stopped. */
  cancel: object;
  stop_run: { run: string };
  /** Its configuration once more, as a new run at the head of the queue. */
  retry_run: { run: string };
  /** A run by hand, at the head of the queue. */
  enqueue: { config: Config };
  update_run: { run: string; name?: string; notes?: string; tags?: string[] };

  /** A draft: a dict, or YAML or JSON text. */
  validate: { draft: Config | string };
  /** Without a sweep, the trait `config` is this draft from here on; unless Python's was set since it was `told` to the page. */
  preview: { draft: Config | string; told: string };
  /** From the next run on; makes the sweep if there is none. A finished sweep that may have more runs goes on. */
  apply: { draft: Config | string };
  /** The configuration of `version` again, as a new version; null: of the version before. */
  undo_config: { version: number | null };
  versions: object;
  /** So many runs more than its run_cap, or than there are; a finished sweep goes on. */
  extend: { runs: number };
  /** A cell that makes a next sweep, around the `k` best runs of this one. */
  narrow: { k: number };
  /** Where the controller failed (see `SweepInfo.failure`). */
  failure: object;

  detail: { run: string };
  /** A figure of `sweepwidget.plot`: curves, history, parallel_coordinates, importance, slice, contour, timeline, edf, pareto. */
  figure: { name: string; options: { [key: string]: Json } };
  /** The buffer is the file. */
  export: { kind: "report" | "csv" | "json" | "yaml" | "python" };
}

export type Command = { [C in keyof Commands]: { type: C; id: string } & Commands[C] }[keyof Commands];

/** Results of commands that give something; the others give null. */
export interface Results {
  start_agents: { crew: string };
  scale: { n: number };
  retry_run: { run: string };
  enqueue: { run: string };
  validate: Validated;
  preview: Preview;
  apply: { sweep_id: string; config_version: number };
  undo_config: { config_version: number };
  /** Oldest first. */
  versions: { configs: { version: number; config: Config }[] };
  extend: { run_cap: number; config_version: number };
  narrow: { python: string; runs: number };
  failure: { traceback: string };
  detail: RunDetail;
  /** The buffer is UTF-8 JSON of `{data, layout}`, as plotly.js takes it. */
  figure: { name: string };
  export: { filename: string; mime: string };
}

/** The very words of Python's ConfigError. */
export interface Problem {
  /** `parameters.lr.max`; "" where it is about the whole. */
  path: string;
  message: string;
}

export interface Validated {
  /** It cannot run with these. */
  failures: Problem[];
  /** It runs with these all the same. */
  violations: Problem[];
  /** The draft as a dict; null if it cannot be read. */
  config: Config | null;
  yaml: string;
  /** The page reads it back: unlike `config` it tells 1.0 from 1. */
  python: string;
  /** Cells of a grid search; null where there is no grid. */
  grid_size: number | null;
}

/** What a draft would draw. Refused, with `problems`, if it cannot run. */
export interface Preview {
  parameters: PreviewedParameter[];
  grid_size: number | null;
  /** Runs in all: the grid, or run_cap; null: no end. */
  runs: number | null;
  /** For those at the pace so far, by the agents that are there (at least one); null: unknown. */
  duration_s: number | null;
}

/**
 * `draws`: 200 from the parameter's distribution; fewer where a condition leaves it out. `seen`: finished runs' values, as many
 * as have it. Ordinal parameters: float64 in the buffer. Others: `counts` and `seen_counts`, beside `info.values`.
 */
export interface PreviewedParameter {
  info: ParameterInfo;
  draws?: { at: At; n: number };
  seen?: { at: At; n: number };
  counts?: number[];
  seen_counts?: number[];
  /** The best run's value. */
  best: Json;
}

export interface RunDetail {
  id: string;
  number: number;
  name: string;
  state: RunState;
  attempt: number;
  config: Config;
  summary: Config;
  /** What the search says of it: acquisition, prediction, nearest run, or only "random draw". */
  info: Config;
  /** The same in a few words: "grid cell 17 of 48". */
  why: string;
  /** Traceback of a failed run, or what is known of the death of a crashed one. */
  error: string;
  /** The end of what it printed (64 KB), with its ANSI escapes; "" if it is not on this machine. */
  output: string;
  output_cut: boolean;
  stop_reason: string;
  exit_code: number | null;
  seed: number;
  notes: string;
  tags: string[];
  agent: string | null;
  created_at: Time;
  started_at: Time | null;
  ended_at: Time | null;
  config_version: number;
  /** Names of all metrics that it logged. */
  metrics: string[];
  /** Where its code stands: `function` (name, where, line, source, code: a hash) or `program`, git, packages, python, host. */
  provenance: { [key: string]: Json };
  /** Its code, shortly: `train@a1f3`; "" if that is not known. */
  code: string;
  /** The function of that name as the notebook has it now: `train@77c0`; "" if it has none. */
  code_now: string;
  /** A cell that runs this configuration once, in the foreground; "" where a program ran it. */
  cell: string;
}

// -- forms -------------------------------------------------------------------------------------------------------------

/** One key of a configuration, as JSON Schema says it (type, description, minimum, enum, default …), and whether it must be. */
export type FieldInfo = { [key: string]: Json } & { required: boolean };

/** The tables that check a configuration in Python: what a form offers, and what it may say while the kernel is busy. */
export interface Forms {
  sweep: { [key: string]: FieldInfo };
  metric: { [key: string]: FieldInfo };
  distributions: { [name: string]: { doc: string; fields: { [key: string]: FieldInfo }; grid: boolean } };
  stopping: { [type: string]: { doc: string; fields: { [key: string]: FieldInfo }; needs_metric: boolean } };
}
