"""Every error of sweepwidget, in one tree.

    Error                      anything sweepwidget raises on purpose (wandb.Error)
     ├─ UsageError             called at the wrong time or with the wrong thing (wandb.UsageError)
     ├─ ConfigError            a sweep configuration that cannot run; `.problems` lists all of it (also a ValueError)
     ├─ ControllerError        the local controller was used out of order
     ├─ SweepNotFound          no sweep (or run) of that id in this store (also a ValueError)
     ├─ TransitionError        a state change that the transition tables do not know
     ├─ Dismissed              an agent asked for a run after it was told to leave
     └─ StoreError             the store cannot do what was asked
         ├─ StoreUnavailable   not there, full, locked by somebody else
         ├─ StoreReadOnly      may be looked at and not changed
         ├─ StoreVersion       written by a newer sweepwidget, or an older one where it cannot be migrated
         ├─ NotAStore          the file is something else, or damaged
         └─ Fenced             a late writer: its run was given to somebody else, or its lease has passed

    RunStopped                 BaseException; raised by `log()` inside a run that was told to stop

Messages name the thing, the place and the next step.
"""

from __future__ import annotations

from collections.abc import Sequence


class Error(Exception):
    """Base of every error that sweepwidget raises on purpose."""


class UsageError(Error):
    """A call at the wrong time or with the wrong thing."""


class ConfigError(Error, ValueError):
    """A sweep configuration that cannot run. `problems` holds every problem found, each with its path."""

    def __init__(self, problems: Sequence[str] | str) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(
            self.problems[0] if len(self.problems) == 1 else f"{len(self.problems)} problems in this sweep:\n{lines}"
        )


class ControllerError(Error):
    """The local controller was used out of order (the texts are W&B's)."""


class SweepNotFound(Error, ValueError):  # noqa: N818  (reads as what happened)
    """No sweep or run of that id in this store."""


class TransitionError(Error):
    """A state change that the transition tables do not know."""


class Dismissed(Error):  # noqa: N818
    """An agent asked for another run after it was told to leave, or when the count of its crew was used up."""


class StoreError(Error):
    """The store cannot do what was asked."""


class StoreUnavailable(StoreError):  # noqa: N818
    """The store is not there, full, or locked by another program: later it may be well again."""


class StoreReadOnly(StoreError):  # noqa: N818
    """The store can be looked at, and not changed."""


class StoreVersion(StoreError):  # noqa: N818
    """The store was written by a newer sweepwidget, or by an older one and cannot be migrated."""


class NotAStore(StoreError):  # noqa: N818
    """The file is not a sweepwidget store, or is damaged."""


class Fenced(StoreError):  # noqa: N818
    """A late writer: the run was given to another attempt, or the controller's lease has passed."""


class RunStopped(BaseException):
    """Raised by `log()` inside a run that was told to stop.

    A BaseException, so that `except Exception` in training code does not swallow it. Let it pass: the run is closed as
    "stopped" (or "killed"), and the agent goes on with the next one.
    """
