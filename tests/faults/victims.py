"""What processes do that are hit in the middle of it. Each begins as a fork of one process that has imported all this already,
and holds nothing else (`forkserver`), so that a victim costs milliseconds.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

import sweepwidget
from sweepwidget import agentloop, participant, steering
from sweepwidget.store import sqlite, statements
from sweepwidget.stores import current_store, locate

from . import breaks  # noqa: F401  (does so, if it is asked to)
from .failpoints import FailPoint, arm
from .ledger import Ledger

for _name in (
    "agents",
    "api",
    "hiring",
    "hub.server",
    "search.grid",
    "stopping",
    "store.postgres",
    "store.remote",
    "sweeps",
    "trials",
):
    with contextlib.suppress(ImportError):  # where there is no PostgreSQL
        importlib.import_module(f"sweepwidget.{_name}")


@frozen
class Part:
    """What a victim needs to know."""

    store: str
    sweep: str
    ledger: Ledger
    folder: Path
    point: FailPoint | None = None
    lease_s: float | None = None
    """How long its leases last: seconds instead of half a minute."""


def agent(part: Part, **options: Any) -> None:
    """A script that calls `agent()`."""
    _begin(part)
    sweepwidget.agent(part.sweep, function=part.ledger.training(), **options)


def creator(part: Part) -> None:
    """A script that makes a sweep."""
    _begin(part)
    sweepwidget.sweep({"method": "grid", "parameters": {"cell": {"values": [0]}}})


def hub(part: Part, port: int) -> None:
    """A hub on a port, until it is killed."""
    _begin(part)
    from sweepwidget.hub.server import HubServer

    HubServer(current_store(), port=port).start()
    (part.folder / "hub.up").write_text(str(os.getpid()))
    signal.pause()


def _begin(part: Part) -> None:
    out = os.open(part.folder / f"output.{os.getpid()}", os.O_CREAT | os.O_WRONLY, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(part.folder)
    os.environ["XDG_DATA_HOME"] = str(part.folder / "data")  # where files beside a database are
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if part.lease_s is not None:
        agentloop.LEASE_S = participant.LEASE_S = steering.LEASE_S = part.lease_s
    if part.point is not None:
        arm(part.point)
    sweepwidget.use_store(part.store)


def editor(part: Part) -> None:
    """A script that edits the sweep's configuration."""
    _begin(part)
    store, sweep = locate(part.sweep)
    store.update_config(sweep.id, {**sweep.config, "name": "edited"})


def make_old_store(path: Path) -> None:
    """A store as the first version left it."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements.MIGRATIONS[0]:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {sqlite.APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()


def migrator(part: Part, old: Path) -> None:
    """A script that opens an older store, and is hit after the `nth` statement that changes it."""
    _begin(evolve(part, point=None))
    left = part.point.nth

    class Connection(sqlite3.Connection):
        def execute(self, statement: str, *parameters: Any) -> Any:
            nonlocal left
            result = super().execute(statement, *parameters)
            left -= statement.startswith(("CREATE", "ALTER", "INSERT", "UPDATE", "DROP"))
            if left <= 0:
                os.kill(os.getpid(), part.point.signum)
            return result

    connect = sqlite3.connect
    sqlite3.connect = lambda *given, **options: connect(*given, factory=Connection, **options)
    sqlite.SqliteStore(old)


def agent_whose_clock_is_set(part: Part, by_s: float) -> None:
    """The same as `agent`, and from the middle of its first run on it is another day."""
    _begin(part)
    true_time, train, store = time.time, part.ledger.training(), current_store()

    def another_day() -> float:
        return true_time() + by_s

    def set_clock() -> None:
        time.time = store._now = another_day

    def trained() -> None:
        threading.Timer(0.2, set_clock).start()
        train()

    sweepwidget.agent(part.sweep, function=trained)
