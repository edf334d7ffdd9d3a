"""What the processes of a run say of it when they go, besides points: its summary, an exit code, preemption, how it ended.

The agent that started them closes the run, and takes their exit status and their spools; this is the rest. One small file
per process, beside the run's output.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, field, frozen


@frozen
class Farewell:
    """What one process says, or all of them together."""

    summary: Mapping[str, Any] = field(factory=dict)
    exit_code: int = 0
    """The one given to `run.finish()`."""
    preempting: bool = False
    """`mark_preempting()` was called."""
    state: str = ""
    """How the trial ended, said by a process that only works for the agent (a RunState); '': its exit status says it."""
    error: str = ""
    """The traceback, for that state."""
    counted: bool = True
    """Whether failure rules count that state (see `trials.Ended`)."""


def leave(folder: Path, attempt: int, source: str, farewell: Farewell) -> None:
    """Write it into the run's folder; a process that says something again replaces what it said."""
    path = folder / f"farewell-{attempt}-{source}.json"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")  # a process that is killed while it writes has said nothing
    draft.write_text(json.dumps(asdict(farewell, recurse=False)), encoding="utf-8")
    draft.replace(path)


def gather(folder: Path, attempt: int) -> Farewell:
    """What all processes of that attempt said, the latest over the earlier ones; their files are removed."""
    paths = sorted(folder.glob(f"farewell-{attempt}-*.json"), key=lambda path: path.stat().st_mtime_ns)
    together = Farewell()
    for path in paths:
        together = _and(together, Farewell(**json.loads(path.read_text(encoding="utf-8"))))
        with contextlib.suppress(OSError):
            path.unlink()
    return together


def _and(before: Farewell, said: Farewell) -> Farewell:
    ending = said if said.state else before
    return Farewell(
        {**before.summary, **said.summary},
        before.exit_code or said.exit_code,
        before.preempting or said.preempting,
        ending.state,
        ending.error,
        ending.counted,
    )
