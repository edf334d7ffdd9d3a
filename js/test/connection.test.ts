import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeKernel } from "../harness/kernel";
import { FakeModel } from "../harness/model";
import { FakeSweep } from "../harness/sweep";
import { connect, RefusedError, type Connection } from "../src/connection";

let model: FakeModel;
let kernel: FakeKernel;
let connection: Connection;

beforeEach(() => {
  vi.useFakeTimers();
  model = new FakeModel();
  const sweep = new FakeSweep({ ended: 5, total: 20, agents: 2, state: "RUNNING", hostile: false });
  kernel = new FakeKernel(model, sweep, { delay: 0 });
  connection = connect(model);
});

afterEach(() => {
  connection.close();
  vi.useRealTimers();
});

const sentTypes = () => model.sent.map((content) => content["type"]);

describe("what the kernel says", () => {
  test("a full is all that is known, and a later full replaces it", () => {
    kernel.open();
    const { state } = connection;
    expect(state.known.value).toBe(true);
    expect(state.link.value).toBe("live");
    expect(state.runs.size).toBe(7);
    expect(state.sweep.value?.name).toBe("mnist-lr");
    expect(state.best.value?.metric).toBe("val_loss");
    kernel.sweep?.runs.splice(0, 3);
    kernel.full();
    expect(state.runs.size).toBe(4);
  });

  test("deltas change what they name, and leave the rest", () => {
    kernel.open();
    const before = connection.state.runs.number("r000006", "summary.epoch") ?? 0;
    kernel.tick(3);
    expect(connection.state.runs.number("r000006", "summary.epoch")).toBe(before + 3);
    expect(connection.state.functions.value).toHaveLength(2);
  });

  test("a gap in the numbers is answered by hello, and the full that follows heals it", () => {
    kernel.open();
    vi.advanceTimersByTime(100);
    const hellos = () => sentTypes().filter((type) => type === "hello").length;
    const before = hellos();
    kernel.lose();
    kernel.alive();
    expect(hellos()).toBe(before + 1);
    kernel.lose();
    kernel.alive();
    expect(hellos()).toBe(before + 1);
    vi.advanceTimersByTime(100);
    kernel.lose();
    kernel.alive();
    expect(hellos()).toBe(before + 2);
  });

  test("a lost full is asked for again, ever more patiently", () => {
    kernel.behaviour.busy = true;
    kernel.alive();
    const before = model.sent.length;
    vi.advanceTimersByTime(10_000);
    const early = model.sent.length - before;
    vi.advanceTimersByTime(120_000);
    const all = model.sent.length - before;
    expect(early).toBeGreaterThanOrEqual(2);
    expect(all).toBeLessThan(8);
  });

  test("types that are not known are passed over", () => {
    kernel.open();
    kernel.say({ type: "from_the_future", what: 1 });
    model.emit({ hello: 1 });
    model.emit({ type: 7, seq: "x" });
    expect(connection.state.runs.size).toBe(7);
  });

  test("curves are replaced, extended, and begun anew with a new attempt", () => {
    kernel.open();
    connection.command("watch", { plot: "main", metric: "val_loss", x: "step", range: null, width: 800, show: "all" });
    vi.advanceTimersByTime(10);
    const plot = connection.state.curves.plot("main");
    const length = plot.value?.runs.get("r000006")?.x.length ?? 0;
    expect(length).toBeGreaterThan(0);
    kernel.tick(2);
    expect(plot.value?.runs.get("r000006")?.y.length).toBe(length + 2);
    expect(plot.value?.runs.get("r000006")?.of).toBe(length + 2);
  });
});

describe("commands", () => {
  test("go from sent to done, and give their result", async () => {
    kernel.open();
    const order = connection.command("detail", { run: "r000001" });
    expect(order.status.value).toBe("sent");
    vi.advanceTimersByTime(10);
    expect(order.status.value).toBe("done");
    expect((await order.result).value.number).toBe(1);
    expect(connection.pending.value).toHaveLength(0);
  });

  test("are late when they are not heard for a second, and act when the kernel yields", () => {
    kernel.open();
    kernel.behaviour.busy = true;
    const order = connection.command("stop", { now: false });
    vi.advanceTimersByTime(900);
    expect(order.late.value).toBe(false);
    vi.advanceTimersByTime(200);
    expect(order.late.value).toBe(true);
    kernel.unblock();
    expect(order.late.value).toBe(false);
    expect(order.status.value).toBe("done");
    expect(connection.state.status.value).toBe("FINISHED");
  });

  test("that are refused say so, once, until the next order", async () => {
    kernel.open();
    kernel.behaviour.refuses = "not now";
    const order = connection.command("pause", {});
    vi.advanceTimersByTime(10);
    expect(order.refused.value?.message).toBe("not now");
    await expect(order.result).rejects.toBeInstanceOf(RefusedError);
    expect(connection.refusal.value).toBe(order);
    connection.dismissRefusal();
    expect(connection.refusal.value).toBeNull();
  });

  test("refused looks are not shouted about", () => {
    kernel.open();
    connection.command("detail", { run: "nobody" });
    vi.advanceTimersByTime(10);
    expect(connection.refusal.value).toBeNull();
  });

  test("without a kernel are refused at once, and not sent", () => {
    kernel.open();
    model.trigger("comm:close");
    const before = model.sent.length;
    const order = connection.command("pause", {});
    expect(order.status.value).toBe("refused");
    expect(model.sent).toHaveLength(before);
  });

  test("have names of their own", () => {
    const ids = new Set(Array.from({ length: 50 }, () => connection.command("pause", {}).id));
    expect(ids.size).toBe(50);
  });
});

describe("who is there", () => {
  test("silence for 15 s is stale, the next word is live", () => {
    kernel.open();
    vi.advanceTimersByTime(14_000);
    expect(connection.state.link.value).toBe("live");
    kernel.behaviour.busy = true;
    vi.advanceTimersByTime(16_000);
    expect(connection.state.link.value).toBe("stale");
    kernel.alive();
    expect(connection.state.link.value).toBe("live");
  });

  test("where nobody ever speaks, the page is static, and a late word still wakes it", () => {
    kernel.behaviour.busy = true;
    vi.advanceTimersByTime(16_000);
    expect(connection.state.link.value).toBe("static");
    kernel.open();
    expect(connection.state.link.value).toBe("live");
  });

  test("a closed comm is detached, and what waits is refused", () => {
    kernel.open();
    kernel.behaviour.busy = true;
    const order = connection.command("stop", { now: true });
    model.trigger("comm:close");
    expect(connection.state.link.value).toBe("detached");
    expect(order.status.value).toBe("refused");
  });

  test("a kernel that dies is heard of where the front end tells", () => {
    const slots = new Set<(sender: unknown, status: unknown) => void>();
    const own = new FakeModel();
    own.widget_manager = {
      kernel: { statusChanged: { connect: (slot: (sender: unknown, status: unknown) => void) => slots.add(slot), disconnect: (slot: (sender: unknown, status: unknown) => void) => slots.delete(slot) } },
    };
    const there = connect(own);
    new FakeKernel(own, kernel.sweep).open();
    for (const slot of slots) slot(null, "busy");
    expect(there.state.link.value).toBe("live");
    for (const slot of slots) slot(null, "restarting");
    expect(there.state.link.value).toBe("detached");
    there.close();
    expect(slots.size).toBe(0);
  });

  test("nothing listens after it is closed", () => {
    vi.advanceTimersByTime(100);
    connection.close();
    vi.advanceTimersByTime(100);
    expect(model.listeners).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("it says hello when it begins, bye when the last view goes, and hello when one comes back", () => {
    kernel.open();
    vi.advanceTimersByTime(5000);
    const [one, two] = [connection.show(), connection.show()];
    const before = model.sent.length;
    one();
    one();
    expect(model.sent).toHaveLength(before);
    two();
    expect(sentTypes().at(-1)).toBe("bye");
    connection.show();
    expect(sentTypes().at(-1)).toBe("hello");
  });
});

describe("traits", () => {
  test("a selection goes to Python, and comes from there, without an echo", () => {
    const set: string[] = [];
    model.traitSet = (name) => set.push(name);
    connection.state.selected.value = ["a"];
    expect(model.get("selected")).toEqual(["a"]);
    expect(set).toEqual(["selected"]);
    model.assign("selected", ["b", "c"]);
    expect(connection.state.selected.value).toEqual(["b", "c"]);
  });

  test("the view is found again, and written at most every two seconds", () => {
    let writes = 0;
    model.traitSet = (name) => (writes += name === "view" ? 1 : 0);
    const tab = connection.state.view.remember("tab", "curves");
    for (let i = 0; i < 20; i += 1) {
      tab.value = `tab${i}`;
      vi.advanceTimersByTime(200);
    }
    expect(writes).toBeLessThanOrEqual(3);
    vi.advanceTimersByTime(3000);
    expect(model.get("view")).toEqual({ tab: "tab19" });
    const again = connect(model);
    expect(again.state.view.remember("tab", "curves").value).toBe("tab19");
    expect(again.state.view.remember("sort", 3).value).toBe(3);
    again.close();
  });

  test("a remembered value of another type is passed over", () => {
    const other = new FakeModel({ view: { tab: 7, list: "x" } });
    const there = connect(other);
    expect(there.state.view.remember("tab", "curves").value).toBe("curves");
    expect(there.state.view.remember<string[]>("list", []).value).toEqual([]);
    there.close();
  });

  test("special numbers in the configuration and the best are numbers", () => {
    model.assign("config", { parameters: { x: { max: { $float: "inf" } } } });
    expect(connection.state.config.value).toEqual({ parameters: { x: { max: Infinity } } });
  });
});
