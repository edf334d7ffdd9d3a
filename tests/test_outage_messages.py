"""A store goes away and comes back: the user reads one line for each, whoever notices."""

import contextlib
import sqlite3
import threading
from types import SimpleNamespace

import pytest

from sweepwidget import outages
from sweepwidget.errors import StoreUnavailable
from sweepwidget.participant import Participant
from sweepwidget.patience import Patience
from sweepwidget.store import sqlite


@pytest.fixture
def said(capsys, monkeypatch):
    monkeypatch.setattr(outages, "_missing", {})
    for name in ("SWEEPWIDGET_SILENT", "WANDB_SILENT"):
        monkeypatch.delenv(name, raising=False)
    return lambda: capsys.readouterr().err.splitlines()


def test_each_is_said_once(said):
    """Three miss it; it is back when the last of them has met it again."""
    for who in "abc":
        outages.missed("sqlite:///x", who, StoreUnavailable("x is locked"))
    assert ["x is locked", "Trying again until it works; nothing is lost meanwhile."] == [
        line.partition("WARNING ")[2] for line in said()
    ]
    for who in "abd":
        outages.seen("sqlite:///x", who)
    assert [] == said()
    outages.seen("sqlite:///x", "c")
    outages.seen("sqlite:///x", "c")
    assert ["sweepwidget: sqlite:///x is back."] == said()


def test_who_gives_up_does_not_keep_it_away(said):
    """The next who meets it says so."""
    outages.missed("u", "a", StoreUnavailable("gone"))
    outages.given_up("u", "a")
    assert 2 == len(said())
    outages.seen("u", "b")
    assert ["sweepwidget: u is back."] == said()


def test_a_store_that_can_only_be_read_is_not_back(said, tmp_path, monkeypatch):
    """What could not be shipped is left to the run's agent: that there is nothing to ship any more says nothing."""
    monkeypatch.setattr(sqlite, "BUSY_S", 0.01)
    with contextlib.closing(sqlite.SqliteStore(tmp_path / "sweeps.db")) as store:
        here = Participant(store)
        here.runs["run", 1] = SimpleNamespace(flush=lambda: store.remember("what", "was logged"), remind=lambda: None)
        with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable) as missed:
                here.tick(1.0)
            here._note(missed.value)
            here.runs.clear()
            here.tick(2.0)
            outages.missed(store.url, "the agent", missed.value)
        here.tick(3.0)
        outages.seen(store.url, "the agent")
        assert ["locked", "Trying again", "is back"] == [
            next(text for text in ("locked", "Trying again", "is back") if text in line) for line in said()
        ]


def test_agents_that_insist_together(said):
    """Each call of agent() and each of its agents tries again by itself; the user reads it once."""
    away, met = threading.Event(), threading.Barrier(4, timeout=20)

    def ask(asked=[]):  # noqa: B006
        if not away.is_set():
            asked.append(1)
            if len(asked) == 3:
                away.set()
            raise StoreUnavailable("gone")

    def work():
        Patience().insist(ask, "u")
        met.wait()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    met.wait()
    lines = said()
    assert [1, 1] == [sum(text in line for line in lines) for text in ("gone", "u is back")]


def test_a_process_that_works_for_another_is_silent(said, monkeypatch):
    """Its output is the run's."""
    monkeypatch.setattr(outages, "_hushed", False)
    outages.hush()
    outages.missed("u", "a", StoreUnavailable("gone"))
    outages.seen("u", "a")
    assert [] == said()
