"""Twelve processes come to one place where there is no store yet, at the same moment: how many get theirs?"""

from __future__ import annotations

import contextlib
import os
import time

from attrs import evolve

from ..measure import Row, fresh_folder
from . import roles
from .crowd import Crowd
from .ledger import LEFT
from .sides import unavailable

PROCESSES = 12


def rows(repeats: int) -> list[Row]:
    mine = sum(_succeeded(roles.creator, "sweeps.db") for _ in range(repeats))
    print(f"sweepwidget: {mine} of {PROCESSES * repeats} succeeded")
    peer, why = "Optuna SQLite", unavailable("Optuna SQLite")
    theirs = None if why else sum(_succeeded(roles.optuna_creator, "optuna.db", "sqlite:///") for _ in range(repeats))
    print(f"{peer}: {why or f'{theirs} of {PROCESSES * repeats} succeeded'}")
    wanted = PROCESSES * repeats
    what = f"processes that get a store, {PROCESSES} at once, {repeats} times"
    return [Row(what, mine, "processes", peer, theirs, str(wanted), mine == wanted, why)]


def _succeeded(role: object, name: str, scheme: str = "") -> int:
    with fresh_folder() as folder, contextlib.ExitStack() as stack:
        part = roles.Part(folder, f"{scheme}{folder / name}", "study")
        at = time.monotonic() + 1.0 + 0.1 * os.getloadavg()[0]  # when all will be there, forked and waiting
        crowd = stack.enter_context(Crowd(role, evolve(part, options={"at": at}), PROCESSES))  # type: ignore[arg-type]
        crowd.end(60.0)
        return sum(any(line.what == LEFT for line in book) for book in crowd.books.values())
