"""The stores under test. A new implementation is one more `Place`."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweepwidget.columns import column
from sweepwidget.model import (
    Agent,
    AgentId,
    Lease,
    Outcome,
    Points,
    Process,
    Run,
    RunId,
    RunState,
    Scope,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)
from sweepwidget.process import this_process
from sweepwidget.store.sqlite import SqliteStore

from .relay import Relay

TTL = 10.0
"""Seconds of every lease in these tests, on the place's clock."""
SWEEP = SweepId("sweep001")
ELSEWHERE = Process("another-machine", 1, "0", "another boot")
"""A process that cannot be looked at: only its lease tells."""


class SqlitePlace:
    """One SQLite file, and the clock of whoever opens it here."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "sweeps.db"
        self.url = self.link = f"sqlite:///{self.path}"
        self.now = 1000.0
        self._opened: list[SqliteStore] = []

    def open(self) -> SqliteStore:
        store = SqliteStore(self.path, clock=lambda: self.now)
        self._opened.append(store)
        return store

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def close(self) -> None:
        for store in self._opened:
            store.close()


class PostgresPlace:
    """A schema of its own in a database that all tests share, and the clock of whoever opens it here."""

    numbers = itertools.count(1)

    def __init__(self, folder: Path) -> None:
        from postgres import shared_server

        self.server = shared_server()
        self.schema = f"place_{next(self.numbers)}"
        self.link = self.server.local_url(schema=self.schema)
        self.now = 1000.0
        self._opened: list[Any] = []
        self.url = self.open().url

    def open(self) -> Any:
        from sweepwidget.store.postgres import PostgresStore

        store = PostgresStore(self.link, clock=lambda: self.now)
        self._opened.append(store)
        return store

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def close(self) -> None:
        for store in self._opened:
            store.close()
            shutil.rmtree(store.folder, ignore_errors=True)
        self.server.sql(f'DROP SCHEMA "{self.schema}" CASCADE', database="sweeps")


class HubPlace:
    """A hub on a real socket with a store of its own behind it, and a link to all of it."""

    def __init__(self, folder: Path) -> None:
        from sweepwidget.hub.server import HubServer
        from sweepwidget.hub.tokens import issue
        from sweepwidget.links import make_link

        self.behind = SqlitePlace(folder)
        self.folder = folder
        served = self.behind.open()
        self.server = HubServer(served)
        self.link = make_link(self.server.start(), None, issue(served, None, Scope.control))
        self._opened: list[Any] = []
        self.url = self.open().url

    def open(self) -> Any:
        from sweepwidget.store.remote import RemoteStore

        store = RemoteStore(self.link, self.folder / "hubs")
        self._opened.append(store)
        return store

    @property
    def now(self) -> float:
        return self.behind.now

    @now.setter
    def now(self, now: float) -> None:
        self.behind.now = now

    def pass_time(self, seconds: float) -> None:
        self.behind.pass_time(seconds)

    def close(self) -> None:
        for store in self._opened:
            store.close()
        self.server.stop()
        self.behind.close()


PLACES: dict[str, Callable[[Path], Any]] = {"sqlite": SqlitePlace, "postgres": PostgresPlace, "hub": HubPlace}


@pytest.fixture(params=PLACES)
def place(request, tmp_path, monkeypatch) -> Iterator[Any]:
    """Where a store can be opened, several times if need be."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    place = PLACES[request.param](tmp_path)
    yield place
    place.close()


@pytest.fixture
def store(place):
    """An empty store."""
    return place.open()


def not_at_a_hub(place: Any, why: str) -> None:
    """Skip what a hub does not promise; test_remote.py says what it does instead."""
    if isinstance(place, HubPlace):
        pytest.skip(f"at a hub, {why}")


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[HubPlace]:
    """A hub for all tests of a module; each makes sweeps of its own."""
    place = HubPlace(tmp_path_factory.mktemp("hub"))
    yield place
    place.close()


@pytest.fixture(scope="module")
def relay(hub) -> Iterator[Relay]:
    """What stands before that hub, and spoils calls as it is told."""
    with Relay(hub.server.port) as relay:
        yield relay


@pytest.fixture
def world(store) -> World:
    """A store with one running sweep."""
    return World(store)


class World:
    """A running sweep, its controller, and short ways to do what agents do."""

    def __init__(self, store: Any, sweep_id: SweepId = SWEEP) -> None:
        self.store = store
        self.sweep_id = sweep_id
        self.requests = 0
        store.create_sweep(Sweep(sweep_id, {"method": "random"}, SweepState.RUNNING))
        self.lease: Lease = store.acquire(sweep_id, "controller", this_process(), TTL)

    def add(self, n: int = 1) -> Sequence[Run]:
        return self.store.add_runs(self.lease, [Suggestion({"x": i}) for i in range(n)], range(n))

    def join(self, name: str = "agent", process: Process | None = None, crew: str = "") -> AgentId:
        agent = AgentId(name)
        self.store.join(Agent(agent, self.sweep_id, process or this_process(), crew=crew), TTL)
        return agent

    def claim(self, agent: AgentId, **options: Any) -> Run | None:
        self.requests += 1
        return self.store.claim(agent, f"request {self.requests} of {self.sweep_id}", **options)

    def begin(self, name: str = "agent", process: Process | None = None) -> Run:
        """A run, added and claimed."""
        self.add()
        run = self.claim(self.join(name, process))
        assert run is not None
        return run

    def finish(self, run: Run, state: RunState = RunState.finished, **fields: Any) -> Run:
        return self.store.finish(run.id, run.attempt, Outcome(state, **fields))


def points(run: Run, start: int, end: int, source: str = "", **more: Any) -> Points:
    """What a writer logs between two offsets: `loss` at the steps from start to end."""
    steps = range(start, end)
    loss = column(steps, [step / 2 for step in steps])
    return Points(run.id, run.attempt, source, start, end, {"loss": loss}, **more)


def logged(store: Any, run_id: RunId, key: str = "loss") -> list[int]:
    """The steps that are kept of a metric."""
    found = store.columns(run_id).get(key)
    return [] if found is None else np.asarray(found.steps).tolist()


class Child:
    """A Python process of its own, told what to do in source text."""

    def __init__(self, code: str, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """The next line it prints; fails with its traceback when it has died."""
        text = self.process.stdout.readline()
        assert text, self.process.stderr.read()
        return text.rstrip("\n")

    def kill(self) -> list[str]:
        """SIGKILL; what it had printed."""
        self.process.kill()
        out, _ = self.process.communicate()
        return out.splitlines()

    def last_lines(self) -> list[str]:
        """Wait for its end, whatever it is; the lines it printed."""
        out, self.errors = self.process.communicate(timeout=60)
        return out.splitlines()

    def result(self) -> list[str]:
        """Wait for its end, which must be a good one; the lines it printed."""
        lines = self.last_lines()
        assert self.process.returncode == 0, self.errors
        return lines


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """Starts processes; none outlives the test."""
    started: list[Child] = []

    def start(code: str, *arguments: object) -> Child:
        started.append(Child(code, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()
