"""A dashboard as its page hears it: the state, what changes of it, curves, and the answers to commands."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import threading
import time

import numpy as np
import pytest
import yaml
from attrs import evolve
from readonly import seen_read_only
from waiting import until

from sweepwidget.cli import main
from sweepwidget.columns import column
from sweepwidget.errors import ConfigError, StoreReadOnly, StoreUnavailable
from sweepwidget.model import (
    Agent,
    AgentId,
    Outcome,
    Points,
    RunState,
    Scope,
    Suggestion,
    SweepId,
    SweepState,
)
from sweepwidget.process import this_process
from sweepwidget.provenance import code_name, function_facts, provenance
from sweepwidget.stores import locate
from sweepwidget.widget import desk, mirror
from sweepwidget.widget.feed import _feeds, feed_of
from sweepwidget.widget.mirror import Mirror

from .conftest import RANDOM

R, S = RunState, SweepState


@pytest.fixture
def sweep_id(wandb, capsys) -> str:
    return wandb.sweep(RANDOM)


class Hands:
    """An agent by hand."""

    def __init__(self, sweep_id: str, name: str = "hand", provenance: str = "") -> None:
        self.store, row = locate(sweep_id)
        self.sweep_id = row.id
        if row.state is S.PENDING:
            self.store.set_state(row.id, S.RUNNING)
        self.agent = AgentId(name)
        self.store.join(Agent(self.agent, row.id, this_process(), crew="crew", provenance=provenance), 30)
        self.n = 0

    def begin(self, **config):
        self.store.enqueue(self.sweep_id, Suggestion(config or {"lr": 0.5}, {"why": "by hand"}), 7)
        self.n += 1
        return self.store.claim(self.agent, f"{self.agent}{self.n}")

    def log(self, run, start, end, key="loss", summary=None, **more):
        steps = range(start, end)
        columns = {key: column(steps, [step / 10 for step in steps])}
        columns["_timestamp"] = column(steps, [run.started_at + step for step in steps])
        self.store.log(Points(run.id, run.attempt, "", start, end, columns | more, (), summary))

    def end(self, run, state=R.finished, **fields):
        return self.store.finish(run.id, run.attempt, Outcome(state, **fields))


def fail_once(monkeypatch, owner, name, failed=None, error=StoreUnavailable("the disk is away")):  # noqa: B008
    """The next call of it fails; the event of that."""
    real, failed = getattr(owner, name), failed or threading.Event()

    def fail(*given, **more):
        monkeypatch.setattr(owner, name, real)
        failed.set()
        raise error

    monkeypatch.setattr(owner, name, fail)
    return failed


# -- the state ----------------------------------------------------------------------------------------------------------


def test_a_page_is_told_everything_at_once(page, sweep_id):
    """Without being asked: sweep, runs, agents, what can be started, the form's tables; then the asset."""
    hands = Hands(sweep_id)
    run = hands.begin(lr=0.25, opt={"name": True})
    hands.end(run, summary={"loss": 0.5, "deep": {"a.b": math.inf}, "text": "x", "none": math.nan})
    front = page(sweep_id)
    full = front.wait(lambda said: said.head["type"] == "full")
    assert full.head["seq"] == 1
    assert full.head["sweep"]["goal"] == {"metric": "loss", "maximize": False, "target": None}
    assert [info["column"] for info in full.head["sweep"]["parameters"]] == ["config.lr", "config.opt.name"]
    (row,) = full.rows()
    assert {key: row[key] for key in ("id", "number", "state", "agent", "why", "config.lr", "config.opt.name")} == {
        "id": run.id,
        "number": 1,
        "state": "finished",
        "agent": "hand",
        "why": "by hand",
        "config.lr": 0.25,
        "config.opt.name": True,
    }
    assert (row["summary.loss"], row["summary.deep.a\\.b"], row["summary.text"]) == (0.5, math.inf, "x")
    assert math.isnan(row["summary.none"])
    assert full.head["progress"]["counts"] == {"finished": 1}
    assert full.head["agents"][0]["state"] == "waiting"
    assert full.head["forms"]["distributions"]["uniform"]["fields"]["min"]["required"]
    asset = front.wait(lambda said: said.head["type"] == "asset")
    assert (asset.head["name"], asset.head["hash"]) == ("plotly", full.head["assets"]["plotly"])


def test_the_asset_is_sent_once_per_kernel(page, sweep_id):
    """A second dashboard's page has it already, and may ask."""
    first, second = page(sweep_id), page(sweep_id)
    for face in (first, second):
        face.wait(lambda said: said.head["type"] == "full")
    first.wait(lambda said: said.head["type"] == "asset")
    second.answer("versions")
    sent = [said for face in (first, second) for said in face.said if said.head["type"] == "asset"]
    assert len(sent) == 1
    assert second.answer("need", asset="plotly").head["type"] == "done"
    assert second.wait(lambda said: said.head["type"] == "asset").buffer == sent[0].buffer != b""
    assert second.answer("need", asset="../store/sql").head["type"] == "refused"


def test_changes_arrive_and_add_up(page, sweep_id):
    """Whatever happens, what the page has put together is what a new page would be told."""
    front = page(sweep_id)
    front.wait(lambda said: said.head["type"] == "full")
    hands = Hands(sweep_id)
    runs = [hands.begin(lr=i / 10) for i in range(3)]
    front.until(lambda state: len(state.rows) == 3)
    hands.end(runs[0], summary={"loss": 1.0})
    hands.end(runs[1], R.failed, error="Traceback\n  …\nValueError: no\n")
    hands.store.delete_run(runs[2].id)
    hands.store.update_run(runs[0].id, tags=("a", "b"))
    hands.store.set_state(hands.sweep_id, S.PAUSED, "lunch")
    now = front.until(lambda state: state.head["sweep"]["state"] == "PAUSED" and len(state.rows) == 2)
    other = page(sweep_id)
    full = other.wait(lambda said: said.head["type"] == "full")
    assert now.rows == {row["id"]: row for row in full.rows()}
    assert now.rows[runs[1].id]["error"] == "ValueError: no"
    assert now.rows[runs[0].id]["tags"] == ["a", "b"]
    assert now.head["sweep"] == full.head["sweep"]
    assert now.gaps == 0


def test_two_dashboards_share_one_feed(page, sweep_id):
    """The store is read once; both hear the same."""
    first, second = page(sweep_id), page(sweep_id)
    assert first.desk.feed is second.desk.feed
    run = Hands(sweep_id).begin()
    for face in (first, second):
        face.until(lambda state: run.id in state.rows)
    first.desk.close()
    second.desk.close()
    assert not _feeds


def test_a_page_that_missed_something_says_hello(page, sweep_id):
    """`full` comes again, and the curves it watches."""
    hands = Hands(sweep_id)
    run = hands.begin()
    hands.log(run, 0, 5)
    front = page(sweep_id)
    front.answer("watch", plot="main", metric="loss", x="step", width=100, show="all")
    front.until(lambda state: "main" in state.curves)
    before = len(front.said)
    assert front.answer("hello", page="p1").head["type"] == "done"
    front.wait(lambda said: said.head["type"] == "full", since=before)
    again = front.wait(lambda said: said.head["type"] == "curves", since=before)
    assert again.curves()[run.id][0] == [0, 1, 2, 3, 4]


def test_nobody_looks_and_the_feed_rests(page, sweep_id):
    """After the last `bye` nothing is said; the next `hello` brings all of it."""
    front = page(sweep_id)
    for name in ("p1", "p2"):
        front.answer("hello", page=name)
    front.answer("bye", page="p1")
    assert not front.desk.resting
    front.answer("bye", page="p2")
    deadline = time.monotonic() + 5
    while front.desk.feed._at_work:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    said = len(front.said)
    run = Hands(sweep_id).begin()
    assert len(front.said) == said
    front.answer("hello", page="p3")
    front.until(lambda state: run.id in state.rows)


def test_a_store_that_is_away_is_said(page, sweep_id, monkeypatch):
    """`alive` goes on and tells why; nothing is lost when it is back."""
    from sweepwidget import errors
    from sweepwidget.widget import feed

    monkeypatch.setattr(feed, "ALIVE_S", 0.1)
    front = page(sweep_id)
    front.wait(lambda said: said.head["type"] == "full")
    store, real = front.desk.store, front.desk.store.changes

    def away(*_, **__):
        raise errors.StoreUnavailable("the disk is away")

    monkeypatch.setattr(store, "changes", away)
    front.wait(lambda said: said.head.get("trouble") == "the disk is away")
    run = Hands(sweep_id).begin()
    monkeypatch.setattr(store, "changes", real)
    front.until(lambda state: run.id in state.rows)
    since = len(front.said)
    assert front.wait(lambda said: said.head["type"] == "alive", since=since).head["trouble"] == ""


def test_who_works_is_told(page, sweep_id):
    """An agent's run, how many it has ended, its pace, and what its process takes."""
    front = page(sweep_id)
    front.wait(lambda said: said.head["type"] == "full")
    hands = Hands(sweep_id)
    done = hands.begin()
    hands.end(done)
    run = hands.begin()
    now = time.time()
    stamps = column(range(11), [now - 1 + i / 10 for i in range(11)])
    for i in range(2):
        piece = column([10 * i], [stamps.values[10 * i]])
        hands.store.log(Points(run.id, run.attempt, "", i, i + 1, {"_timestamp": piece}))
    state = front.until(lambda state: (state.agents.get("hand") or {}).get("pace"))
    agent = state.agents["hand"]
    assert (agent["run"], agent["ended"], agent["state"], agent["here"]) == (run.id, 1, "working", True)
    assert agent["pace"] == pytest.approx(10, rel=0.01)
    hands.store.dismiss(["hand"])
    front.until(lambda state: state.agents["hand"]["state"] == "leaving")
    front.desk.feed._alive_at = float("-inf")
    front.desk.feed.wake()
    load = front.wait(lambda said: said.head["type"] == "alive" and said.head["load"]).head["load"]["hand"]
    assert load["alive"]
    assert load["memory"] > 1e6


def test_ten_thousand_runs(wandb, page, sweep_id, capsys):
    """A large sweep opens; the time is printed."""
    hands = Hands(sweep_id)
    lease = hands.store.acquire(hands.sweep_id, "test", this_process(), 60)
    suggestions = [Suggestion({"lr": i / 1e4, "opt": {"name": "sgd"}}, {"why": f"cell {i}"}) for i in range(10_000)]
    hands.store.add_runs(lease, suggestions, range(10_000))
    began = time.perf_counter()
    front = page(sweep_id)
    full = front.wait(lambda said: said.head["type"] == "full")
    took = time.perf_counter() - began
    assert full.head["runs"]["n"] == 10_000
    assert full.rows()[-1]["config.lr"] == 0.9999
    with capsys.disabled():
        print(f"\n10 000 runs open in {took:.2f} s, {len(full.buffer) / 1e6:.1f} MB")


@pytest.mark.parametrize("at_rest", [20, 500])
def test_an_update_costs_what_changed(page, sweep_id, monkeypatch, at_rest):
    """However many runs rest, and however long the curves are: rows and points that are new are read and told, once."""
    hands = Hands(sweep_id)
    for i in range(at_rest):
        hands.end(hands.begin(), summary={"loss": float(i)})
    run = hands.begin()
    hands.log(run, 0, 5000)
    front = page(sweep_id)
    front.answer("watch", plot="main", metric="loss", x="step", width=400, show="all")
    front.until(lambda state: run.id in state.curves.get("main", {}))
    store, feed = front.desk.store, front.desk.feed
    rows, curves, looked_at = [], [], []
    changes, columns, cost = store.changes, store.columns, Mirror._cost

    def read(*asked):
        found = changes(*asked)
        rows.extend(found.runs)
        return found

    monkeypatch.setattr(store, "changes", read)
    monkeypatch.setattr(store, "columns", lambda *asked: curves.append(asked) or columns(*asked))
    monkeypatch.setattr(Mirror, "_cost", lambda mirror, row: looked_at.append(row) or cost(mirror, row))
    said = len(front.said)
    for step in range(5000, 5010):
        hands.log(run, step, step + 1, summary={"loss": step / 10})
        front.until(lambda state: state.curves["main"][run.id][0][-1] == step)  # noqa: B023
    new = [one for one in front.said[said:] if one.head["type"] != "alive"]
    told = [one.head["runs"]["n"] for one in new if one.head["type"] == "delta" and "runs" in one.head]
    points = [curve["n"] for one in new if one.head["type"] == "curve_points" for curve in one.head["runs"]]
    assert {row.id for row in rows} == {run.id}
    assert (len(rows), len(looked_at), curves) == (sum(told), len(rows), [])
    assert sum(points) == 10
    assert sum(len(one.buffer) + len(str(one.head)) for one in new) < 10 * 4000
    assert feed.trouble == ""


# -- curves -------------------------------------------------------------------------------------------------------------


def test_points_are_told_as_they_come(page, sweep_id):
    """The whole curve first, then what is new, with NaN and infinities as they are; other metrics stay away."""
    hands = Hands(sweep_id)
    run = hands.begin()
    hands.log(run, 0, 10)
    front = page(sweep_id)
    front.answer("watch", plot="main", metric="loss", x="step", width=400, show="running")
    front.until(lambda state: len(state.curves.get("main", {}).get(run.id, ((),))[0]) == 10)
    odd = column([10, 11, 12], [math.nan, math.inf, 3.0])
    hands.store.log(Points(run.id, run.attempt, "", 10, 13, {"loss": odd, "other": odd}))
    state = front.until(lambda state: len(state.curves["main"][run.id][0]) == 13)
    x, values = state.curves["main"][run.id]
    assert x == list(range(13))
    assert values[:10] == [i / 10 for i in range(10)]
    assert math.isnan(values[10])
    assert values[11:] == [math.inf, 3.0]
    hands.end(run)
    front.until(lambda state: not state.curves["main"])


def test_curves_against_time_and_against_another_metric(page, sweep_id):
    """Time begins with the run; points without a partner are left out."""
    hands = Hands(sweep_id)
    run = hands.begin()
    hands.log(run, 0, 6, epoch=column([0, 2, 4], [10, 20, 30]))
    front = page(sweep_id)
    front.answer("watch", plot="t", metric="loss", x="time", width=400, show="all")
    front.answer("watch", plot="e", metric="loss", x="epoch", width=400, show="all")
    state = front.until(lambda state: {"t", "e"} <= {name for name, plot in state.curves.items() if run.id in plot})
    assert state.curves["t"][run.id][0] == pytest.approx([0, 1, 2, 3, 4, 5])
    assert state.curves["e"][run.id] == ([10, 20, 30], [0, 0.2, 0.4])


def test_a_long_curve_is_decimated_and_zoomed(page, sweep_id):
    """Extremes and the last point stay; a range brings detail."""
    hands = Hands(sweep_id)
    run = hands.begin()
    values = [math.sin(i / 50) for i in range(20_000)]
    values[7] = 99.0
    points = {"loss": column(range(20_000), values)}
    hands.store.log(Points(run.id, run.attempt, "", 0, 20_000, points))
    front = page(sweep_id)
    front.answer("watch", plot="main", metric="loss", x="step", width=100, show="all")
    state = front.until(lambda state: run.id in state.curves.get("main", {}))
    x, shown = state.curves["main"][run.id]
    assert len(x) <= 200
    assert (99.0 in shown, x[-1]) == (True, 19_999)
    front.answer("watch", plot="main", metric="loss", x="step", width=100, show="all", range=[100, 150])
    state = front.until(lambda state: len(state.curves["main"].get(run.id, ((),))[0]) == 53)
    assert state.curves["main"][run.id][0] == list(range(99, 152))


def test_the_best_are_watched(page, sweep_id):
    """Which runs they are changes as runs end; those that were asked for stay."""
    hands = Hands(sweep_id)
    ends = []
    for loss in (3.0, 2.0, 1.0):
        run = hands.begin()
        hands.log(run, 0, 2)
        ends.append(hands.end(run, summary={"loss": loss}))
    front = page(sweep_id)
    front.answer("watch", plot="main", metric="loss", x="step", width=100, show="best", k=1, runs=[ends[0].id, "ghost"])
    state = front.until(lambda state: len(state.curves.get("main", ())) == 2)
    assert set(state.curves["main"]) == {ends[0].id, ends[2].id}
    better = hands.begin()
    hands.end(better, summary={"loss": 0.5})
    front.until(lambda state: set(state.curves["main"]) == {ends[0].id, better.id})
    front.answer("unwatch", plot="main")
    assert not front.desk.plots


def test_no_point_comes_twice_while_it_is_logged(page, sweep_id):
    """A watch that begins while a run logs neither skips nor repeats."""
    hands = Hands(sweep_id)
    run = hands.begin()
    stop = threading.Event()
    logged = [0]

    def log() -> None:
        while not stop.is_set() and logged[0] < 7500:  # more would be decimated
            hands.log(run, logged[0], logged[0] + 3)
            logged[0] += 3
            time.sleep(0.001)

    thread = threading.Thread(target=log)
    thread.start()
    try:
        front = page(sweep_id)
        for i in range(4):
            front.answer("watch", plot=f"p{i}", metric="loss", x="step", width=4000, show="all")
            time.sleep(0.3)
    finally:
        stop.set()
        thread.join()
    whole = list(range(logged[0]))

    def complete(state) -> bool:
        plots = [state.curves.get(f"p{i}", {}).get(run.id, ((),))[0] for i in range(4)]
        return all(len(x) and x[-1] == whole[-1] for x in plots)

    state = front.until(complete)
    for i in range(4):
        assert state.curves[f"p{i}"][run.id][0] == whole


def test_what_came_while_the_store_went_away_is_told_later(page, sweep_id, monkeypatch):
    """Rows with the names of their code, and points: also when only a part of a look at the store succeeded."""
    hands = Hands(sweep_id)
    run = hands.begin()
    hands.log(run, 0, 3)
    front = page(sweep_id)
    front.answer("watch", plot="main", metric="loss", x="step", width=100, show="all")
    front.until(lambda state: state.curves.get("main", {}).get(run.id, ((),))[0] == [0, 1, 2])
    key, text = provenance(lambda: None)
    hands.store.remember(key, text)
    gone = fail_once(monkeypatch, hands.store, "recall")
    with front.desk.feed.looking:  # one look finds all of it
        other = Hands(sweep_id, "other", key).begin()
        hands.log(run, 3, 6)
    assert gone.wait(20)
    front.desk.feed.wake()
    state = front.until(lambda state: other.id in state.rows and len(state.curves["main"][run.id][0]) > 3)
    assert list(range(6)) == state.curves["main"][run.id][0]
    assert code_name(text) == state.rows[other.id]["code"] != ""


def test_a_configuration_that_cannot_be_read_hides_no_run_for_good(page, sweep_id, monkeypatch):
    """Its rows come once it can be."""
    run = Hands(sweep_id).begin()
    unread = fail_once(monkeypatch, mirror, "runs_in_all", error=ConfigError("x: from another version"))
    front = page(sweep_id)
    assert unread.wait(20)
    front.desk.feed.wake()
    front.until(lambda state: run.id in state.rows)


def test_no_point_comes_twice_when_the_store_goes_away(page, sweep_id, monkeypatch):
    """Points that were logged between a look at the store and the reading of a run, which no look could follow."""
    hands = Hands(sweep_id)
    run = hands.begin()
    hands.log(run, 0, 3)
    front = page(sweep_id)
    front.wait(lambda said: said.head["type"] == "full")
    store, real, gone = hands.store, hands.store.columns, threading.Event()

    def columns(*asked):
        if not gone.is_set():
            hands.log(run, 3, 6)
            fail_once(monkeypatch, store, "changes", gone)
        return real(*asked)

    monkeypatch.setattr(store, "columns", columns)
    front.answer("watch", plot="main", metric="loss", x="step", width=100, show="all")
    assert gone.wait(20)
    front.desk.feed.wake()
    state = front.until(lambda state: run.id in state.curves.get("main", {}))
    assert list(range(6)) == state.curves["main"][run.id][0]


def test_a_metric_that_nobody_watched_for_a_while_is_whole(page, sweep_id):
    """What was logged meanwhile is there when somebody watches it again."""
    hands = Hands(sweep_id)
    run = hands.begin()
    hands.log(run, 0, 3, other=column([0], [1.0]))
    front = page(sweep_id)
    for metric in ("loss", "other"):
        front.answer("watch", plot=metric, metric=metric, x="step", width=100, show="all")
        front.until(lambda state: run.id in state.curves.get(metric, {}))  # noqa: B023
    front.answer("unwatch", plot="loss")
    hands.log(run, 3, 6, other=column([3], [2.0]))
    front.until(lambda state: state.curves["other"][run.id][0] == [0, 3])
    front.answer("watch", plot="loss", metric="loss", x="step", width=100, show="all")
    front.until(lambda state: state.curves["loss"][run.id][0] == [0, 1, 2, 3, 4, 5])


def test_points_are_read_once(page, sweep_id, monkeypatch):
    """However many plots watch a run, and however long it logs: what is new comes by itself."""
    hands = Hands(sweep_id)
    run = hands.begin()
    hands.log(run, 0, 3)
    front = page(sweep_id)
    for x in ("step", "time"):
        front.answer("watch", plot=x, metric="loss", x=x, width=100, show="all")
        front.until(lambda state: run.id in state.curves.get(x, {}))  # noqa: B023
    reads, real = [], front.desk.store.columns
    monkeypatch.setattr(front.desk.store, "columns", lambda *asked: reads.append(asked) or real(*asked))
    for step in range(3, 9):
        hands.log(run, step, step + 1)
        front.until(lambda state: all(len(plot[run.id][0]) == step + 1 for plot in state.curves.values()))  # noqa: B023
    assert reads == []


def test_a_long_curve_is_smoothed_before_it_is_decimated(page, sweep_id):
    """The average of all points is sent beside those that are drawn, and with it how it goes on."""
    hands = Hands(sweep_id)
    run = hands.begin()
    hands.log(run, 0, 5000)
    front = page(sweep_id)
    front.answer("watch", plot="main", metric="loss", x="step", range=None, width=100, show="all", smooth=0.9)
    said = front.wait(lambda said: said.head["type"] == "curves" and bool(said.head["runs"]))
    (curve,) = said.head["runs"]
    drawn = said.numbers(curve["at"], curve["n"]).astype(int)
    values = np.arange(5000) / 10
    weights = 0.9 ** np.arange(5000.0)
    expected = [np.average(values[: step + 1], weights=weights[step::-1]) for step in drawn.tolist()]
    assert (curve["n"] < 500, curve["smooth"]["weight"], curve["smooth"]["seen"]) == (True, 0.9, 5000)
    np.testing.assert_allclose(expected, said.numbers(curve["smooth"]["at"], curve["n"]), rtol=1e-9)
    assert "smooth is a number" in front.answer("watch", plot="main", metric="loss", smooth=1.5).head["message"]


def test_another_attempt_begins_its_curve_anew(page, sweep_id):
    """What the given-up attempt logged is gone from the page."""
    hands = Hands(sweep_id)
    run = hands.begin()
    hands.log(run, 0, 5)
    front = page(sweep_id)
    front.answer("watch", plot="main", metric="loss", x="step", width=100, show="running")
    front.until(lambda state: run.id in state.curves.get("main", {}))
    hands.store.leave(hands.agent)
    again = Hands(sweep_id, "other")
    taken = again.store.claim(again.agent, "r")
    assert (taken.id, taken.attempt) == (run.id, 2)
    again.log(taken, 0, 2)
    front.until(lambda state: state.curves["main"].get(run.id, ((),))[0] == [0, 1])


# -- commands -----------------------------------------------------------------------------------------------------------


def test_every_command_is_acknowledged_and_answered_once(page, sweep_id):
    """The same id again is answered again, and not done twice."""
    Hands(sweep_id)
    front = page(sweep_id)
    for _ in range(2):
        front.desk.hear({"type": "enqueue", "id": "same", "config": {"lr": 0.1, "opt": {"name": "sgd"}}})
        front.wait(lambda said: said.head["type"] == "done" and said.head["id"] == "same")
    acks = [said for said in front.said if said.head["type"] == "ack"]
    assert [said.head["id"] for said in acks] == ["same", "same"]
    assert len(front.desk.store.runs(SweepId(sweep_id))) == 1


@pytest.mark.parametrize(
    "content", [None, 7, "pause", [], {}, {"type": "pause"}, {"type": 1, "id": "x"}, {"type": "pause", "id": "x" * 101}]
)
def test_what_is_no_command_is_ignored(page, sweep_id, content):
    """Nothing is said and nothing breaks."""
    front = page(sweep_id)
    front.wait(lambda said: said.head["type"] == "full")
    front.desk.hear(content)
    assert front.answer("versions").head["type"] == "done"


@pytest.mark.parametrize(
    ("command", "given", "says"),
    [
        ("fly", {}, "does not know 'fly'"),
        ("hello", {}, "page is a text"),
        ("watch", {"plot": "a"}, "metric and x are names"),
        ("watch", {"plot": "a", "metric": "m", "range": [1]}, "range is"),
        ("watch", {"plot": "a", "metric": "m", "show": "some"}, "show is"),
        ("stop_run", {"run": "nobody"}, "no run 'nobody'"),
        ("stop_run", {"run": "../../etc"}, "no run"),
        ("stop_agent", {"agent": "nobody"}, "no agent"),
        ("start_agents", {"n": 0}, "from 1 to"),
        ("start_agents", {"n": 1, "backend": "moon"}, "backend is one of"),
        ("start_agents", {"n": 1, "backend": "thread", "function": "nothing"}, "no function 'nothing'"),
        ("scale", {"n": 2}, "started no agents yet"),
        ("pause", {}, "Cannot pause pending sweep"),
        ("undo_config", {}, "no version 0"),
        ("figure", {"name": "__import__"}, "no figure"),
        ("figure", {"name": "history", "options": {"evil": 1}}, "no option 'evil'"),
        ("export", {"kind": "exe"}, "no export"),
        ("enqueue", {"config": {"lr": "x"}}, "2 problems"),
        ("apply", {"draft": "{method: dance}"}, "problems"),
        ("update_run", {"run": 3}, "run is a text"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(page, sweep_id, command, given, says):
    """The message says what and why; nothing has changed."""
    front = page(sweep_id)
    before = front.desk.store.sweep(SweepId(sweep_id))
    refused = front.answer(command, **given)
    assert refused.head["type"] == "refused"
    assert says in refused.head["message"]
    assert front.desk.store.sweep(SweepId(sweep_id)) == before
    assert not front.desk.store.runs(SweepId(sweep_id))


def test_orders_reach_the_sweep(page, sweep_id):
    """Pause, resume, stop now, resume a finished sweep, cancel."""
    hands = Hands(sweep_id)
    run = hands.begin()
    front = page(sweep_id)
    seen = []
    for command, given in (("pause", {}), ("resume", {}), ("stop", {"now": True}), ("resume", {}), ("cancel", {})):
        assert front.answer(command, **given).head["type"] == "done"
        seen.append(hands.store.sweep(hands.sweep_id).state)
    assert seen == [S.PAUSED, S.RUNNING, S.FINISHED, S.RUNNING, S.CANCELED]
    told = hands.store.run(run.id)
    assert (told.stop_reason, told.stop_state) == ("stopped by the user", R.killed)


def test_agents_are_stopped_one_by_one(page, sweep_id):
    """After the run, or now."""
    hands = Hands(sweep_id)
    run = hands.begin()
    front = page(sweep_id)
    front.answer("stop_agent", agent="hand", now=False)
    (agent,) = hands.store.agents(hands.sweep_id)
    assert (agent.leaving, hands.store.run(run.id).stop_reason) == (True, "")
    front.answer("stop_agent", agent="hand", now=True)
    assert hands.store.run(run.id).stop_reason == "its agent was stopped"


def test_an_agent_whose_run_was_told_to_stop(page, sweep_id):
    """Its row says since when, until the run ends."""
    hands = Hands(sweep_id)
    run = hands.begin()
    front = page(sweep_id)
    began = time.time()
    front.answer("stop_run", run=run.id)
    told = front.until(lambda state: (state.agents.get("hand") or {}).get("told_at")).agents["hand"]["told_at"]
    assert began <= told <= time.time()
    hands.end(run, R.killed)
    front.until(lambda state: state.agents["hand"]["told_at"] is None)


def test_runs_by_hand(page, sweep_id):
    """A run is added, stopped, retried with its seed, and renamed; constants are filled in."""
    hands = Hands(sweep_id)
    front = page(sweep_id)
    config = {"lr": 0.125, "opt": {"name": None}}
    made = front.answer("enqueue", config=config).head["result"]["run"]
    run = hands.store.claim(hands.agent, "r")
    assert (run.id, run.config, run.info["why"]) == (made, config, "added by hand")
    front.answer("stop_run", run=made)
    assert hands.store.run(run.id).stop_state is R.killed
    hands.end(run, R.killed)
    again = hands.store.run(front.answer("retry_run", run=made).head["result"]["run"])
    assert (again.config, again.seed, again.info["again"]) == (config, run.seed, made)
    front.answer("update_run", run=made, name="<b>Ann</b>", notes="n", tags=["t"])
    named = hands.store.run(run.id)
    assert (named.name, named.notes, named.tags) == ("<b>Ann</b>", "n", ("t",))


def test_a_run_by_hand_is_checked(page, sweep_id):
    """Every problem with its path; a value out of range is the user's decision."""
    Hands(sweep_id)
    front = page(sweep_id)
    refused = front.answer("enqueue", config={"lr": True, "opt": {"name": "adm"}})
    assert [problem["path"] for problem in refused.head["problems"]] == [
        "parameters.lr",
        "parameters.opt.parameters.name",
    ]
    assert front.answer("enqueue", config={"lr": 7.0, "opt": {"name": "sgd"}}).head["type"] == "done"


def test_a_draft_is_judged_in_pythons_words(page):
    """The problems are those of ConfigError; a draft that runs comes back as YAML and Python."""
    from sweepwidget.errors import ConfigError
    from sweepwidget.sweepconfig import SweepConfig

    front = page()
    bad = {"method": "grid", "parameters": {"a": {"min": 2, "max": 1}, "b": {"valuess": []}}, "sed": 1}
    with pytest.raises(ConfigError) as caught:
        SweepConfig.parse(bad)
    found = front.answer("validate", draft=bad).head["result"]
    assert [f"{p['path']}: {p['message']}" for p in found["failures"]] == list(caught.value.problems)
    good = front.answer("validate", draft="method: grid\nparameters: {a: {values: [1, 2]}}\n").head["result"]
    assert good["config"] == {"method": "grid", "parameters": {"a": {"values": [1, 2]}}}
    assert (good["failures"], good["grid_size"]) == ([], 2)
    assert SweepConfig.parse(good["yaml"]) == SweepConfig.parse(eval(good["python"]))


def test_a_draft_that_cannot_run_is_read_all_the_same(page):
    """A page that edits YAML gets what the text says, also while something in it is wrong; what cannot be read is nothing."""
    front = page()
    found = front.answer("validate", draft="method: grid\nparameters: {a: {min: 2.0, max: 1}}\n").head["result"]
    assert {"method": "grid", "parameters": {"a": {"min": 2.0, "max": 1}}} == found["config"]
    assert "{'method': 'grid', 'parameters': {'a': {'min': 2.0, 'max': 1}}}" == found["python"]
    assert found["config"] == yaml.safe_load(found["yaml"])
    assert found["failures"]
    unread = front.answer("validate", draft="method: [\n").head["result"]
    assert (None, "", "") == (unread["config"], unread["yaml"], unread["python"])


def test_the_page_has_the_configuration_to_the_letter(page, sweep_id):
    """As JSON text in `full`, and in the `delta` after every edit: 1.0 is not 1, and large integers are whole."""
    front = page(sweep_id)
    whole = {**RANDOM, "parameters": {"a": {"value": 1.0}, "b": {"value": 2**60 + 1}, "c": {"min": 0, "max": 9}}}
    assert json.dumps(RANDOM) == front.wait(lambda said: said.head["type"] == "full").head["config"]
    front.answer("apply", draft=json.dumps(whole))
    assert (
        json.dumps(whole)
        == front.wait(lambda said: "config" in said.head and said.head["type"] == "delta").head["config"]
    )


def test_a_draft_that_python_changes_is_told_to_the_letter(page):
    """There is no sweep yet: `full` has the draft, and a later one comes by itself."""
    front = page()
    front.wait(lambda said: said.head["type"] == "full")
    front.desk.redraft('{"x": 1.0}')
    assert '{"x": 1.0}' == front.wait(lambda said: said.head["type"] == "delta").head["config"]
    front.ask("hello", page="another")
    assert '{"x": 1.0}' == front.wait(lambda said: said.head["type"] == "full" and "config" in said.head).head["config"]


def test_a_draft_is_never_a_path(page, tmp_path):
    """Text that names a file is text."""
    (tmp_path / "secret.yaml").write_text("method: grid\nparameters: {secret: {value: 1}}\n")
    front = page()
    found = front.answer("validate", draft=str(tmp_path / "secret.yaml")).head["result"]
    assert found["config"] is None
    assert found["failures"]


def test_a_draft_without_a_sweep_is_told_as_it_is_edited(page, sweep_id):
    """As far as it can run; a sweep's configuration is what is in force, whatever somebody writes."""
    draft, of_a_sweep = page(), page(sweep_id)
    for front in (draft, of_a_sweep):
        front.answer("preview", draft="method: grid\nparameters: {a: {values: [1.0]}}\n")
        front.answer("preview", draft="method: dance\n")
    assert ([1.0], "grid") == (draft.drafts[0]["parameters"]["a"]["values"], draft.drafts[0]["method"])
    assert (1, 0) == (len(draft.drafts), len(of_a_sweep.drafts))


def test_what_python_sets_is_not_taken_back_by_an_edit_on_its_way(page):
    """The page had not heard of it; what it edits of the new one counts."""
    front = page()
    front.desk.redraft('{"method": "random"}')
    front.answer("preview", draft="method: grid\nparameters: {a: {values: [1]}}\n", told="")
    assert [] == front.drafts
    front.answer("preview", draft="method: grid\nparameters: {a: {values: [2]}}\n", told='{"method": "random"}')
    assert [[2]] == [draft["parameters"]["a"]["values"] for draft in front.drafts]


def test_a_draft_is_previewed(page, sweep_id):
    """200 draws from the real sampler, what finished runs had, the best run's value, how many runs and how long."""
    hands = Hands(sweep_id)
    for loss in (2.0, 1.0):
        run = hands.begin(lr=loss / 4, opt={"name": "sgd"})
        hands.end(run, summary={"loss": loss})
    front = page(sweep_id)
    front.until(lambda state: len(state.rows) == 2)
    done = front.answer("preview", draft=RANDOM)
    lr, opt = done.head["result"]["parameters"]
    draws = done.numbers(**lr["draws"])
    assert (len(draws), lr["best"], sorted(done.numbers(**lr["seen"]))) == (200, 0.25, [0.25, 0.5])
    assert 0 <= draws.min() < draws.max() <= 1
    assert (sum(opt["counts"]), opt["seen_counts"], opt["info"]["values"]) == (
        200,
        [2, 0, 0, 0],
        ["sgd", 1, True, None],
    )
    assert done.head["result"]["runs"] == 4
    assert done.head["result"]["duration_s"] > 0
    refused = front.answer("preview", draft={"method": "random", "parameters": {}})
    assert refused.head["problems"][0]["path"] == "parameters"


def test_a_configuration_is_edited_and_undone(page, sweep_id):
    """From the next run on, with a version of its own; a finished sweep goes on when it may have more runs."""
    front = page(sweep_id)
    store = front.desk.store
    more = {**RANDOM, "run_cap": 9}
    assert front.answer("apply", draft=more).head["result"] == {"sweep_id": sweep_id, "config_version": 2}
    front.until(lambda state: (state.head.get("sweep") or {}).get("run_cap") == 9)
    assert front.answer("undo_config", version=None).head["result"] == {"config_version": 3}
    assert store.sweep(SweepId(sweep_id)).config == RANDOM
    versions = front.answer("versions").head["result"]["configs"]
    assert [(v["version"], v["config"]["run_cap"]) for v in versions] == [(1, 4), (2, 9), (3, 4)]
    hands = Hands(sweep_id)
    store.set_state(hands.sweep_id, S.FINISHED, "run_cap of 4 reached")
    front.answer("apply", draft=more)
    assert store.sweep(hands.sweep_id).state is S.RUNNING


def test_a_draft_becomes_a_sweep(page):
    """The page without a sweep makes one, and shows it."""
    front = page()
    assert front.wait(lambda said: said.head["type"] == "full").head["sweep"] is None
    assert "no sweep yet" in front.answer("pause").head["message"]
    made = front.answer("apply", draft=RANDOM).head["result"]["sweep_id"]
    state = front.until(lambda state: state.head["sweep"])
    assert (state.head["sweep"]["id"], state.head["sweep"]["state"]) == (made, "PENDING")


class _Door:
    """A feed's `looking`; says who comes to it."""

    def __init__(self, lock):
        self.lock, self.came = lock, threading.Semaphore(0)

    def __enter__(self):
        self.came.release()
        return self.lock.__enter__()

    def __exit__(self, *error):
        return self.lock.__exit__(*error)


def test_a_draft_that_becomes_a_sweep_is_no_draft_again(page, sweep_id):
    """What the page hears as everything is the sweep's, also when the draft was about to be told."""
    front = page()
    front.wait(lambda said: said.head["type"] == "full")
    before, after = front.desk.feed, feed_of(front.desk.store, SweepId(sweep_id))
    door = before.looking = _Door(before.looking)
    attaching = threading.Thread(target=front.desk.attach, args=[SweepId(sweep_id)])
    since = len(front.said)
    with after.looking:
        with door.lock:
            before.wake()
            assert door.came.acquire(timeout=20)
            attaching.start()
            until(lambda: not attaching.is_alive() or door.came.acquire(blocking=False))
        attaching.join(20)
        until(lambda: not before._at_work)
    full = front.wait(lambda said: said.head["type"] == "full", since=since)
    assert sweep_id == (full.head["sweep"] or {}).get("id")


def test_a_draft_that_is_closed_as_it_becomes_a_sweep_is_not_followed(page, sweep_id, monkeypatch):
    """Nothing is left of it."""
    front = page()

    def close_first(*given):
        front.desk.close()
        return feed_of(*given)

    monkeypatch.setattr(desk, "feed_of", close_first)
    front.desk.attach(SweepId(sweep_id))
    assert not _feeds


def test_a_run_in_detail(page, sweep_id):
    """What it printed, its traceback, why it was chosen, where its code stands; markup and escapes are text as it was."""
    hands = Hands(sweep_id)
    run = hands.begin()
    folder = hands.store.folder / "runs" / run.id
    folder.mkdir(parents=True)
    (folder / "output.log").write_text("x" * 70_000 + "\n\x1b[31m<script>alert(1)</script>\x1b[0m\n")
    hands.end(run, R.failed, error="Traceback …\nRuntimeError: <img src=x>", exit_code=1)
    front = page(sweep_id)
    detail = front.answer("detail", run=run.id).head["result"]
    assert detail["output"] == "\x1b[31m<script>alert(1)</script>\x1b[0m\n"
    assert (detail["output_cut"], detail["exit_code"], detail["why"]) == (True, 1, "by hand")
    assert detail["error"].endswith("<img src=x>")


def test_where_the_store_is(page, sweep_id):
    """A file is named as seen from here."""
    page(sweep_id).until(lambda state: (state.head.get("sweep") or {}).get("store") == "sweeps.db")


def test_a_figure_is_plotlys_json(page, sweep_id):
    """As `sw.plot` draws it, in the buffer."""
    hands = Hands(sweep_id)
    for loss in (3.0, 2.0, 1.0):
        hands.end(hands.begin(lr=loss / 4, opt={"name": "sgd"}), summary={"loss": loss})
    front = page(sweep_id)
    for name in ("history", "slice", "timeline"):
        done = front.answer("figure", name=name, options={})
        assert done.head["result"] == {"name": name}, done.head
        assert json.loads(done.buffer).keys() >= {"data", "layout"}


def test_the_code_of_every_run(page, sweep_id, monkeypatch):
    """Runs say which code they ran; a run's details say what the notebook has by that name now."""

    def train():
        return 1

    def mended():
        return 2

    store, _ = locate(sweep_id)
    for name, function in (("first", train), ("second", mended)):
        function.__qualname__, function.__module__ = "train", "__main__"
        key, text = provenance(function)
        store.remember(key, text)
        hands = Hands(sweep_id, name, key)
        hands.end(hands.begin(), R.failed, error="Boom")
    codes = [f"train@{function_facts(function)['code'][:4]}" for function in (train, mended)]
    monkeypatch.setattr(sys.modules["__main__"], "train", mended, raising=False)
    front = page(sweep_id)
    rows = front.until(lambda state: len(state.rows) == 2).rows
    assert codes == [row["code"] for row in sorted(rows.values(), key=lambda row: row["number"])]
    details = [
        front.answer("detail", run=run).head["result"] for run in sorted(rows, key=lambda run: rows[run]["number"])
    ]
    assert [(codes[0], codes[1]), (codes[1], codes[1])] == [(each["code"], each["code_now"]) for each in details]


def test_a_cell_that_reproduces_a_run(page, sweep_id, monkeypatch):
    """It is Python that runs the very configuration with the run's seed, under the name the notebook has for the package."""
    import sweepwidget

    seen = []

    def train():
        run = sweepwidget.init()
        seen.append((dict(run.config), run.seed))

    config = {"lr": 1.0, "n": 2**60 + 1, "text": "<b>'\"\n", "odd": [math.inf, None, True]}
    hands = Hands(sweep_id)
    run = hands.begin(**config)
    hands.end(run, R.failed, error="Boom")
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "train", train, raising=False)
    for name in [name for name, value in vars(main).items() if value is sweepwidget]:
        monkeypatch.delattr(main, name)
    front = page(sweep_id)
    cell = front.answer("detail", run=run.id).head["result"]["cell"]
    exec(cell, {"train": train})
    monkeypatch.setattr(main, "wandb", sweepwidget, raising=False)
    short = front.answer("detail", run=run.id).head["result"]["cell"]
    exec(short, {"train": train, "wandb": sweepwidget})
    assert [(config, run.seed)] * 2 == seen
    assert ("import sweepwidget as sw" in cell, "import" in short) == (True, False)


def test_exports(page, sweep_id):
    """CSV has a column for everything, JSON marks what it cannot say, YAML and Python are the configuration."""
    import csv
    import io

    hands = Hands(sweep_id)
    run = hands.begin(lr=0.5, text='a,"b"\nc')
    hands.end(run, summary={"loss": math.inf})
    front = page(sweep_id)
    done = {kind: front.answer("export", kind=kind) for kind in ("csv", "json", "yaml", "python")}
    (row,) = csv.DictReader(io.StringIO(done["csv"].buffer.decode()))
    assert (row["config.text"], row["summary.loss"], row["state"]) == ('a,"b"\nc', "inf", "finished")
    assert json.loads(done["json"].buffer)[0]["summary.loss"] == {"$float": "inf"}
    assert eval(done["python"].buffer.decode()) == RANDOM
    assert done["yaml"].head["result"]["filename"] == f"sweep-{sweep_id}.yaml"


def test_agents_are_started_and_scaled(page, sweep_id, monkeypatch, capsys):
    """With a function of the notebook; they try the sweep's runs, and nothing is printed."""
    import sweepwidget as wandb

    release = threading.Event()

    def train():
        """Trains.

        Long."""
        wandb.init()
        release.wait(20)
        wandb.log({"loss": 1.0})

    train.__module__ = "__main__"
    train.__qualname__ = "train"
    monkeypatch.setattr(sys.modules["__main__"], "train", train, raising=False)
    capsys.readouterr()
    front = page(sweep_id)
    functions = front.wait(lambda said: said.head["type"] == "full").head["functions"]
    assert {"name": "train", "doc": "Trains."}.items() <= functions[0].items()
    done = front.answer("start_agents", n=2, backend="thread", function="train")
    front.until(lambda state: [row["state"] for row in state.rows.values()].count("running") == 2)
    assert front.answer("scale", n=1).head["result"] == {"n": 1}
    release.set()
    state = front.until(lambda state: state.head["sweep"]["state"] == "FINISHED")
    assert len([row for row in state.rows.values() if row["state"] == "finished"]) == 4
    assert {agent["crew"] for agent in state.agents.values()} == {done.head["result"]["crew"]}
    assert "resume it" in front.answer("start_agents", n=1, backend="thread", function="train").head["message"]
    assert capsys.readouterr() == ("", "")


def test_failing_agents_say_why_they_gave_up(page, sweep_id, monkeypatch, capsys):
    """The traceback is the run's, the reason a notice; nothing is printed into whatever cell is there."""
    monkeypatch.setattr(sys.modules["__main__"], "broken", lambda: 1 / 0, raising=False)
    capsys.readouterr()
    front = page(sweep_id)
    assert front.answer("start_agents", n=1, backend="thread", function="broken").head["type"] == "done"
    notice = front.wait(lambda said: said.head["type"] == "notice")
    assert "failed" in notice.head["text"]
    state = front.until(lambda state: any(row["state"] == "failed" for row in state.rows.values()))
    assert {row["error"] for row in state.rows.values() if "error" in row} == {"ZeroDivisionError: division by zero"}
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def link(sweep_id, tmp_path):
    """Serves the test's store; makes links to its sweep."""
    from sweepwidget.hub.server import HubServer
    from sweepwidget.hub.tokens import issue
    from sweepwidget.links import make_link
    from sweepwidget.store.remote import RemoteStore

    served, row = locate(sweep_id)
    server = HubServer(served)
    base, opened = server.start(), []

    def open(scope: Scope) -> RemoteStore:
        opened.append(RemoteStore(make_link(base, row.id, issue(served, row.id, scope)), tmp_path / "hubs"))
        return opened[-1]

    yield open
    for store in opened:
        store.close()
    server.stop()


def test_a_link_that_only_looks(page, sweep_id, link):
    """The page is told what it may not, and why, before it offers it; rows and points come; the token is nowhere."""
    store = link(Scope.observe)
    front = page(sweep_id, store)
    full = front.wait(lambda said: said.head["type"] == "full")
    denied = full.head["denied"]
    assert {"pause", "apply", "enqueue", "start_agents", "stop_run"} <= denied.keys()
    assert "lets you look on" in denied["pause"]
    assert not {"watch", "detail", "export", "validate", "hello"} & denied.keys()
    hands = Hands(sweep_id)
    run = hands.begin()
    hands.log(run, 0, 3)
    front.answer("watch", plot="main", metric="loss", x="step", width=100, show="all")
    front.until(lambda state: state.curves.get("main", {}).get(run.id, ((),))[0] == [0, 1, 2])
    refused = front.answer("pause")
    assert "lets you look on" in refused.head["message"]
    assert hands.store.sweep(hands.sweep_id).state is S.RUNNING
    token = store.link.partition("#")[2]
    assert not any(token in str(said.head) or token.encode() in said.buffer for said in front.said)


def test_a_store_in_a_read_only_folder_is_looked_at(wandb, page, tmp_path, capsys):
    """Its sweeps are listed, a dashboard shows one and says why it offers nothing else, a report is written elsewhere; an agent
    ends at once.
    """
    (tmp_path / "theirs").mkdir()
    with contextlib.closing(wandb.use_store(tmp_path / "theirs" / "sweeps.db")):
        sweep_id = wandb.sweep(RANDOM)
        wandb.agent(sweep_id, function=lambda: wandb.init().log({"loss": 1.0}))
    with (
        seen_read_only(tmp_path / "theirs") as place,
        contextlib.closing(wandb.use_store(place / "sweeps.db")) as store,
    ):
        front = page(sweep_id, store)
        denied = front.wait(lambda said: said.head["type"] == "full").head["denied"]
        assert 4 == len(front.state().rows)
        assert {"pause", "apply", "enqueue", "start_agents", "stop_run"} <= denied.keys()
        assert "is read-only: you can look, not change" in denied["pause"]
        refused = front.answer("enqueue", config={"lr": 0.1, "opt": {"name": 1}})
        assert ("refused", True) == (refused.head["type"], "you can look, not change" in refused.head["message"])
        capsys.readouterr()
        assert 0 == main(["ls"])
        assert sweep_id in capsys.readouterr().out
        wandb.Api().sweep(sweep_id).report(tmp_path / "report.html")
        assert sweep_id in (tmp_path / "report.html").read_text()
        with pytest.raises(StoreReadOnly):
            wandb.agent(sweep_id, function=print)
        front.desk.close()


def test_a_link_that_steers(page, sweep_id, link):
    """Nothing is denied, and orders reach the sweep through the hub."""
    front = page(sweep_id, link(Scope.control))
    assert front.wait(lambda said: said.head["type"] == "full").head["denied"] == {}
    made = front.answer("enqueue", config={"lr": 0.1, "opt": {"name": 1}})
    assert made.head["type"] == "done", made.head
    assert [run.id for run in locate(sweep_id)[0].runs(SweepId(sweep_id))] == [made.head["result"]["run"]]
    assert len(front.answer("versions").head["result"]["configs"]) == 1


# -- what the mirror finds out --------------------------------------------------------------------------------------------


def test_what_is_left_is_estimated():
    """By how long runs took and how many agents there are, from … to; early stopping's savings by steps."""
    from sweepwidget.model import Changes, Cursor, Run, RunId, Sweep

    sweep = Sweep(SweepId("s"), {**RANDOM, "run_cap": 20}, S.RUNNING)
    rows = [
        Run(RunId(f"r{i}"), sweep.id, i, {}, R.finished, started_at=0.0, ended_at=10.0 + i % 2, summary={"_step": 99})
        for i in range(1, 9)
    ]
    stopped = Run(RunId("cut"), sweep.id, 9, {}, R.stopped, started_at=0.0, ended_at=2.0, summary={"_step": 19})
    agents = tuple(Agent(AgentId(f"a{i}"), sweep.id, this_process()) for i in range(2))
    mirror = Mirror()
    mirror.apply(Changes(Cursor(), sweep, (*rows, stopped), agents), 100.0)
    progress = mirror.progress(100.0)
    low, high = progress["left_s"]
    assert low < 11 * 9.6 / 2 < high
    assert (progress["ended"], progress["total"], progress["run_s"]) == (9, 20, 10.5)
    assert progress["saved_s"] == pytest.approx(80 * 0.105, rel=0.01)


def test_the_best_run_is_followed():
    """It moves to a better one, and back when that one is deleted or edited; equal ones count in order."""
    from sweepwidget.model import Changes, Cursor, Run, RunId, Sweep

    sweep = Sweep(SweepId("s"), RANDOM, S.RUNNING)
    mirror = Mirror()

    def take(*rows):
        mirror.apply(Changes(Cursor(), None, rows), 0.0)
        best = mirror.best()
        return None if best is None else best.id

    mirror.apply(Changes(Cursor(), sweep), 0.0)
    runs = [
        Run(RunId(f"r{i}"), sweep.id, i, {}, R.finished, summary={"loss": loss}) for i, loss in enumerate((2, 1, 1))
    ]
    assert take(runs[0]) == "r0"
    assert take(runs[2]) == "r2"
    assert take(runs[1]) == "r1"
    assert take(evolve(runs[1], summary={"loss": 3})) == "r2"
    assert take(evolve(runs[2], deleted=True)) == "r0"
    assert take(evolve(runs[0], summary={"loss": math.nan})) == "r1"


def test_agents_that_are_here_are_told_apart(page, sweep_id):
    """`here` is this kernel's process."""
    hands = Hands(sweep_id)
    elsewhere = evolve(this_process(), pid=1, started="0")
    hands.store.join(Agent(AgentId("away"), hands.sweep_id, elsewhere), 30)
    state = page(sweep_id).until(lambda state: len(state.agents) == 2)
    assert {name: agent["here"] for name, agent in state.agents.items()} == {"hand": True, "away": False}


def test_a_message_with_anything_in_it_is_json(page, sweep_id):
    """Lone surrogates, NaN in configs, marks that look like ours, huge numbers: heads stay strict UTF-8 JSON."""
    hands = Hands(sweep_id)
    run = hands.begin(lr=0.5, odd="\ud800", deep={"$float": "nan", "n": [math.nan]}, big=10**30)
    hands.end(run, summary={"loss": 1.0, "\udfff.x": "\x00\u2028"}, error="\ud83d oops")
    front = page(sweep_id)
    row = front.until(lambda state: "summary.loss" in state.rows.get(run.id, {})).rows[run.id]
    assert (row["config.odd"], row["config.big"]) == ("\\ud800", 10**30)
    detail = front.answer("detail", run=run.id).head["result"]
    assert detail["config"]["deep"] == {"$$float": "nan", "n": [{"$float": "nan"}]}
