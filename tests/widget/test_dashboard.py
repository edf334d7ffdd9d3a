"""The widget in this process: what its traits tell, and what whoever observes them may do."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from waiting import until

from sweepwidget.model import SweepId
from sweepwidget.widget import dashboard, feed
from sweepwidget.widget.dashboard import Dashboard

from .conftest import RANDOM
from .test_desk import Hands

PATIENCE_S = 20


@pytest.fixture
def shown(wandb, static, monkeypatch) -> Iterator[Callable[..., Dashboard]]:
    """Makes dashboards that have looked at the store. Their feeds are in a hurry."""
    monkeypatch.setattr(feed, "STATE_S", 0.01)
    with contextlib.ExitStack() as stack:

        def show(*given: Any, **more: Any) -> Dashboard:
            dash = Dashboard(*given, **more)
            stack.callback(dash.close)
            assert dash._desk.feed.looked.wait(PATIENCE_S)
            return dash

        yield show


@pytest.fixture
def sweep_id(wandb, capsys) -> str:
    return wandb.sweep(RANDOM)


def test_an_observer_edits_the_configuration(shown, sweep_id):
    """What it sets while it is called is in force, and stays."""
    dash, hands, told = shown(sweep_id), Hands(sweep_id), threading.Event()
    caps: list[int] = []

    def more(change: Any) -> None:
        if change.new is not None:
            dash.config = {**dash.config, "run_cap": 7}

    dash.observe(more, "best")
    dash.observe(lambda change: caps.append(change.new["run_cap"]), "config")
    dash.observe(lambda change: told.set() if "best loss" in change.new["text"] else None, "glance")
    hands.end(hands.begin(), summary={"loss": 1.0})
    assert told.wait(PATIENCE_S)
    assert (7, [7]) == (hands.store.sweep(SweepId(sweep_id)).config["run_cap"], caps)


def test_what_two_threads_tell_at_once_is_nobodys_edit(shown, monkeypatch):
    """The one that tells the configuration last does so as the store, too."""
    dash, observing, go_on = shown(config=RANDOM), threading.Event(), threading.Event()
    edits: list[str] = []
    monkeypatch.setattr(dash._desk, "redraft", edits.append)

    def wait(_: Any) -> None:
        observing.set()
        go_on.wait(PATIENCE_S)

    dash.observe(wait, "status")
    thread = threading.Thread(target=lambda: dash._tell(status="RUNNING", config={**RANDOM, "run_cap": 8}))
    thread.start()
    try:
        assert observing.wait(PATIENCE_S)
        dash._tell(config={**RANDOM, "run_cap": 9})
    finally:
        go_on.set()
        thread.join()
    assert (8, []) == (dash.config["run_cap"], edits)


def test_a_dashboard_is_shown_while_an_observer_is_at_work(shown, sweep_id, monkeypatch):
    """The cell does not wait for it: a snapshot has what was seen last, or nothing yet, and follows later."""
    monkeypatch.setattr(dashboard, "FIRST_LOOK_S", 0.05)
    dash, observing, go_on = shown(sweep_id), threading.Event(), threading.Event()
    dash._snapshot.display()

    def retrain(_: Any) -> None:
        observing.set()
        go_on.wait()

    dash.observe(retrain, "best")
    hands = Hands(sweep_id)
    hands.end(hands.begin(), summary={"loss": 1.0})
    with ThreadPoolExecutor() as pool:
        try:
            assert observing.wait(PATIENCE_S)
            again, other = dash._snapshot, shown(sweep_id)._snapshot
            drawn = [pool.submit(each.bundle) for each in (again, other)]
            assert again._shown == drawn[0].result(PATIENCE_S)
            assert "0 of 4 runs" in again._shown["text/plain"]
            assert drawn[1].result(PATIENCE_S)
        finally:
            go_on.set()
    until(lambda: "best loss" in other.bundle()["text/plain"])
