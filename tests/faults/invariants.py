"""What holds whatever happened: the invariants of the fault catalogue, judged by ledgers that are kept outside the store."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from sweepwidget.model import SweepId, SweepState

from .ledger import Told

FINISHED = frozenset({"finished"})


def check(
    store: Any, sweep_id: str, told: Told, cells: int | None, rows: int, ended: Collection[str] = FINISHED
) -> None:
    """The sweep has ended; each of its `cells` (None: of those that were suggested) is there once, as one of `ended`; nothing runs for ever; of every attempt, the
    dead ones too, no row that was `told` is lost and none is there twice (finished runs have as many as `rows`); no attempt was
    made by two, and none after a run's end.
    """
    runs = store.runs(SweepId(sweep_id))
    assert SweepState.FINISHED is store.sweep(SweepId(sweep_id)).state
    found = sorted(run.config["cell"] for run in runs)
    assert found == (sorted(set(found)) if cells is None else list(range(cells)))
    assert {run.state.value for run in runs} <= set(ended)
    known = {run.id: run for run in runs}
    for (run_id, attempt), lines in told.items():
        assert attempt <= known[run_id].attempt, "somebody began a run that had ended"
        assert 1 == len({pid for pid, _ in lines}) or not lines, "two processes made the same attempt"
        logged = [row for _, row in lines]
        kept = _rows(store, run_id, attempt)
        assert logged == list(range(len(logged)))
        assert kept == list(range(len(kept))), "a row is there twice, or there is a gap"
        assert len(logged) <= len(kept) <= len(logged) + 1, (  # one more was on its way
            f"a row whose log() returned is lost: {len(kept)} of {len(logged)} rows of {known[run_id]}, attempt {attempt}"
        )
    for run in runs:
        if run.state.value == "finished":
            assert list(range(rows)) == _rows(store, run.id, run.attempt)
            assert rows - 1 == run.summary["i"]


def check_spools(folder: Path) -> None:
    """Nothing that was logged waits on the disk beside a store for somebody who will never come."""
    assert [] == [path.name for path in (folder / "spool").glob("*")]


def _rows(store: Any, run_id: Any, attempt: int) -> list[int]:
    column = store.columns(run_id, attempt).get("i")
    return [] if column is None else [int(value) for value in column.values]


def processes_of(mark: str) -> dict[int, str]:
    """Pid → command of every process that has `mark` in its environment, however it came to have it."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if mark.encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found
