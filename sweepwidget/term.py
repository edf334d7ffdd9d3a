"""What is said to the person at the screen: one prefix, stderr, silent when asked (WANDB_SILENT, SWEEPWIDGET_SILENT)."""

from __future__ import annotations

import contextlib
import os
import sys
from enum import Enum
from typing import TextIO

_TRUE = frozenset({"1", "true", "yes", "on"})


def silent() -> bool:
    """Whether the user asked for silence."""
    return any(os.environ.get(name, "").lower() in _TRUE for name in ("SWEEPWIDGET_SILENT", "WANDB_SILENT"))


class AlertLevel(str, Enum):
    """How loud `alert(level=…)` is meant (W&B's names)."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


def termlog(text: str) -> None:
    """Say something."""
    _say("", text)


def termwarn(text: str) -> None:
    """Say that something is not as it should be, and that work goes on."""
    _say("WARNING ", text)


def termerror(text: str, details: str = "") -> None:
    """Say that something failed; `details` (a traceback) follow as they are."""
    _say("ERROR ", text)
    if details and not silent():
        write(sys.stderr, f"{details.rstrip()}\n")


def _say(level: str, text: str) -> None:
    if silent():
        return
    fresh = "\r\x1b[K" if is_terminal(sys.stderr) else ""  # a live line may stand there
    for line in text.splitlines() or [""]:
        write(sys.stderr, f"{fresh}sweepwidget: {level}{line}\n")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sees it as it is written."""
    with contextlib.suppress(ValueError):  # closed
        return stream is not None and stream.isatty()
    return False


def write(stream: TextIO | None, text: str) -> None:
    """Show it, unless the screen has gone: a terminal that was closed and a broken pipe end no agent."""
    if stream is None:
        return
    with contextlib.suppress(OSError, ValueError):  # ValueError: somebody has closed the stream
        stream.write(text)
        stream.flush()
