"""What a program's processes say of their run when they go, besides points: its summary, an exit code, preemption.

The agent that started the program closes the run, and takes its exit status and its spools; this is the rest. One small
file per process, beside the run's output.
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
    summary: dict[str, Any] = {}
    exit_code, preempting = 0, False
    for path in paths:
        said = Farewell(**json.loads(path.read_text(encoding="utf-8")))
        summary |= said.summary
        exit_code = exit_code or said.exit_code
        preempting = preempting or said.preempting
        with contextlib.suppress(OSError):
            path.unlink()
    return Farewell(summary, exit_code, preempting)
