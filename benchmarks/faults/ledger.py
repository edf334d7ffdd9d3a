"""What a worker did, written where no store under test can lose it: one file per worker, a line before and after each trial.

A line is in the file when the call returns, whoever is killed next.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

BEGAN, ROW, ENDED, ERROR, LEFT = "began", "row", "ended", "error", "left"
"""A trial's function begins; one of its rows was logged; it ends; the library raised; the worker went home."""


@frozen
class Line:
    what: str
    unit: str
    """The trial, whatever attempt at it this is."""
    attempt: int
    at: float
    """By the machine's monotonic clock, which all processes share."""


class Ledger:
    """One worker's file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def write(self, what: str, unit: object = "-", attempt: int = 1) -> None:
        os.write(self._file, f"{what} {unit} {attempt} {time.monotonic()}\n".encode())


def read(path: Path) -> Sequence[Line]:
    """All lines until now."""
    if not path.exists():
        return []
    found = [line.split() for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [Line(what, unit, int(attempt), float(at)) for what, unit, attempt, at in found]
