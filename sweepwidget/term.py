"""What is said to the person at the screen: one prefix, stderr, silent when asked (WANDB_SILENT, SWEEPWIDGET_SILENT)."""

from __future__ import annotations

import os
import sys
from enum import Enum

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
        print(details.rstrip(), file=sys.stderr, flush=True)


def _say(level: str, text: str) -> None:
    if silent():
        return
    fresh = "\r\x1b[K" if sys.stderr is not None and sys.stderr.isatty() else ""  # a live line may stand there
    for line in text.splitlines() or [""]:
        print(f"{fresh}sweepwidget: {level}{line}", file=sys.stderr, flush=True)
