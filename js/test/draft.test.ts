import { computed, signal, type Signal } from "@preact/signals";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Connection } from "../src/connection";
import { Draft } from "../src/config/draft";
import { at, put } from "../src/config/edit";
import { Numeral, toText } from "../src/config/exact";
import { EXAMPLE } from "../src/config/example";
import type { Config, Forms, Problem } from "../src/protocol";

const FORMS: Forms = { sweep: {}, metric: {}, distributions: { uniform: { doc: "", fields: {}, grid: false } }, stopping: {} };
const CONFIG = { method: "random", parameters: { lr: { min: 0.5, max: 1.5 } } };
const TEXT = '{"method": "random", "parameters": {"lr": {"min": 0.0, "max": 1.0}}}';
const RUN_CAP = ["run_cap"];

interface Sent {
  name: string;
  draft: string;
  done: (value: object) => void;
  fail: (error: Error) => void;
}

/** A connection that keeps what is sent, and answers when the test says so. */
function fake(options: { sweep?: boolean; known?: boolean; config?: Config; text?: string; kept?: string } = {}) {
  const sent: Sent[] = [];
  const kept = new Map<string, Signal<unknown>>([["draft", signal(options.kept ?? "")]]);
  const state = {
    config: signal(options.config ?? CONFIG),
    configText: signal(options.text ?? TEXT),
    sweep: signal(options.sweep === false ? null : { parameters: [], config_version: 1 }),
    forms: signal(FORMS),
    known: signal(options.known ?? true),
    mute: signal(false),
    view: { remember: (name: string) => kept.get(name) },
  };
  const command = (name: string, { draft }: { draft: string }) => {
    const status = signal("sent");
    let settle: Pick<Sent, "done" | "fail"> = { done: () => {}, fail: () => {} };
    const result = new Promise((resolve, reject) => {
      settle = { done: (value) => resolve({ value, buffer: new ArrayBuffer(0) }), fail: reject };
    });
    result.catch(() => {});
    sent.push({ name, draft, ...settle });
    return { status, late: computed(() => false), result };
  };
  return { connection: { state, command } as unknown as Connection, state, sent, kept };
}

const verdict = (failures: Problem[] = []) => ({ failures, violations: [], config: null, yaml: "", python: "", grid_size: null });
const flush = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("what is in force", () => {
  test("comes as text, in which 1.0 is a float; the draft follows it while nothing is edited", () => {
    const { connection, state } = fake();
    const draft = new Draft(connection);
    expect(toText(draft.doc.value)).toBe(TEXT);
    state.configText.value = TEXT.replace("1.0", "2.0");
    expect(toText(draft.doc.value)).toContain("2.0");
    expect(draft.dirty.value).toBe(false);
  });

  test("does not take away what is edited, but says that it has changed", () => {
    const { connection, state } = fake();
    const draft = new Draft(connection);
    draft.edit(put(draft.doc.value, RUN_CAP, new Numeral("5")));
    state.configText.value = TEXT.replace("1.0", "2.0");
    expect(at(draft.doc.value, RUN_CAP)).toEqual(new Numeral("5"));
    expect(draft.elsewhere.value).toBe(true);
    expect(draft.changes.value.map((change) => change.place).sort()).toEqual(["lr.max", "run_cap"]);
    draft.discard();
    expect(draft.dirty.value).toBe(false);
    expect(draft.elsewhere.value).toBe(false);
  });

  test("without text the trait has to do; without anything there is an example that differs from nothing", () => {
    expect(toText(new Draft(fake({ text: "" }).connection).doc.value)).toContain('"min": 0.5');
    const draft = new Draft(fake({ text: "", config: {}, sweep: false }).connection);
    expect(draft.doc.value).toBe(EXAMPLE);
    expect(draft.inForce.value).toBeNull();
    expect(draft.changes.value).toEqual([]);
  });

  test("is what was applied from here, once the trait says the same", () => {
    const { connection, state } = fake({ text: "", config: { x: 1 } });
    const draft = new Draft(connection);
    const mine = put(draft.doc.value, ["x"], new Numeral("2.0"));
    draft.edit(mine);
    state.config.value = { x: 2 };
    expect(draft.dirty.value).toBe(false);
    expect(draft.doc.value).toBe(mine);
  });
});

describe("a draft without a sweep", () => {
  const nothing = { sweep: false, text: "", config: {} };
  const edited = (draft: Draft) => {
    draft.edit(put(draft.doc.value, RUN_CAP, new Numeral("5")));
    return draft.doc.value;
  };

  test("is followed by the trait, which is no news to it", () => {
    const { connection, state } = fake(nothing);
    const draft = new Draft(connection);
    const first = edited(draft);
    const second = put(first, ["name"], "x");
    draft.edit(second);
    state.config.value = { run_cap: 5 };
    expect(draft.doc.value).toBe(second);
    expect(draft.elsewhere.value).toBe(false);
    draft.discard();
    expect(draft.doc.value).toBe(EXAMPLE);
  });

  test("is another one when a cell sets the trait; that can be undone", () => {
    const { connection, state } = fake(nothing);
    const draft = new Draft(connection);
    const mine = edited(draft);
    state.configText.value = TEXT;
    expect(toText(draft.doc.value)).toBe(TEXT);
    expect(draft.elsewhere.value).toBe(false);
    draft.undo();
    expect(draft.doc.value).toBe(mine);
  });

  test("that was kept is not taken back by what the kernel says first", () => {
    const kept = '{"method": "grid", "run_cap": 5}';
    const { connection, state } = fake({ ...nothing, known: false, config: { method: "grid", run_cap: 5 }, kept });
    const draft = new Draft(connection);
    state.configText.value = TEXT;
    state.known.value = true;
    expect(toText(draft.doc.value)).toBe(kept);
    draft.discard();
    expect(toText(draft.doc.value)).toBe(TEXT);
  });
});

describe("edits", () => {
  test("keys typed into one field are undone together", () => {
    const draft = new Draft(fake().connection);
    for (const text of ["1", "12", "123"]) draft.edit(put(draft.doc.value, RUN_CAP, new Numeral(text)), "run_cap");
    draft.edit(put(draft.doc.value, ["name"], "x"));
    draft.undo();
    expect(at(draft.doc.value, RUN_CAP)).toEqual(new Numeral("123"));
    draft.undo();
    expect(at(draft.doc.value, RUN_CAP)).toBeUndefined();
    expect(draft.canUndo.value).toBe(false);
    draft.redo();
    expect(at(draft.doc.value, RUN_CAP)).toEqual(new Numeral("123"));
  });

  test("survive the page, as long as they differ from what is in force", () => {
    const { connection, kept } = fake();
    const draft = new Draft(connection);
    draft.edit(put(draft.doc.value, RUN_CAP, new Numeral("5")));
    const text = String(kept.get("draft")?.value);
    expect(text).toContain('"run_cap": 5');
    expect(at(new Draft(fake({ kept: text }).connection).doc.value, RUN_CAP)).toEqual(new Numeral("5"));
    draft.discard();
    expect(kept.get("draft")?.value).toBe("");
  });
});

describe("the kernel's judgement", () => {
  test("is asked for when the keys rest, one draft at a time, and only counts for the draft it is about", async () => {
    const { connection, sent } = fake();
    const draft = new Draft(connection);
    const end = draft.open();
    expect(sent.map(({ name }) => name)).toEqual(["validate"]);
    for (const text of ["1", "12"]) draft.edit(put(draft.doc.value, RUN_CAP, new Numeral(text)), "run_cap");
    await vi.advanceTimersByTimeAsync(600);
    expect(sent.length).toBe(1);
    sent[0]?.done(verdict([{ path: "", message: "old" }]));
    await flush();
    expect(draft.problems.value).toEqual([]);
    expect(sent[1]?.draft).toContain('"run_cap": 12');
    sent[1]?.done(verdict([{ path: "run_cap", message: "too few" }]));
    await flush();
    expect(draft.problems.value).toEqual([{ path: "run_cap", message: "too few" }]);
    expect(sent.length).toBe(2);
    end();
  });

  test("a draft that can run is drawn", async () => {
    const { connection, sent } = fake();
    const draft = new Draft(connection);
    draft.open();
    sent[0]?.done(verdict());
    await flush();
    expect(sent[1]?.name).toBe("preview");
    sent[1]?.done({ parameters: [], grid_size: null, runs: 3, duration_s: null });
    await flush();
    expect(draft.drawn.value?.preview.runs).toBe(3);
  });
});

describe("texts", () => {
  test("Python is read here, and a slip loses nothing", async () => {
    const draft = new Draft(fake().connection);
    draft.write("python", "{'method': 'grid'");
    await vi.advanceTimersByTimeAsync(500);
    expect(draft.written.value).toMatchObject({ text: "{'method': 'grid'", doc: null, problems: [{ message: "it ends too early" }] });
    expect(toText(draft.doc.value)).toBe(TEXT);
    draft.write("python", "{'method': 'grid'}");
    await vi.advanceTimersByTimeAsync(500);
    expect(toText(draft.doc.value)).toBe('{"method": "grid"}');
    expect(draft.written.value?.doc).toBe(draft.doc.value);
  });

  test("YAML is read by the kernel; an answer to an older text is passed over", async () => {
    const { connection, sent } = fake();
    const draft = new Draft(connection);
    draft.write("yaml", "method: gr");
    await vi.advanceTimersByTimeAsync(500);
    draft.write("yaml", "method: grid");
    await vi.advanceTimersByTimeAsync(500);
    sent[0]?.done({ ...verdict(), python: "{'method': 'gr'}" });
    await flush();
    expect(toText(draft.doc.value)).toBe(TEXT);
    sent[1]?.done({ ...verdict(), python: "{'method': 'grid', 'run_cap': 1.0}" });
    await flush();
    expect(toText(draft.doc.value)).toBe('{"method": "grid", "run_cap": 1.0}');
    draft.write("yaml", "method: [");
    await vi.advanceTimersByTimeAsync(500);
    sent[2]?.fail(new Error("not YAML"));
    await flush();
    expect(draft.written.value?.problems).toEqual([{ path: "", message: "not YAML" }]);
  });
});
