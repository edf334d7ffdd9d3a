"""`sweepwidget.run`, `.config` and `.summary`: what they are here and now."""

from __future__ import annotations

from typing import Any, NoReturn

from .active_run import Run
from .errors import Error
from .run_config import RunConfig
from .run_summary import RunSummary
from .session import current_run


def run() -> Run | None:
    """The current run, or None."""
    return current_run()


def config() -> RunConfig | BeforeInit:
    """The current run's config; before `init()`, something that says so when it is used."""
    active = current_run()
    return active.config if active is not None else BeforeInit("wandb.config")


def summary() -> RunSummary | BeforeInit:
    """The current run's summary; before `init()`, something that says so when it is used."""
    active = current_run()
    return active.summary if active is not None else BeforeInit("wandb.summary")


class BeforeInit:
    """Stands where a run's config or summary will be; any use raises W&B's error."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def __getattr__(self, key: str) -> NoReturn:
        if key.startswith("__"):
            raise AttributeError(key)
        raise Error(f"You must call wandb.init() before {self._name}.{key}")

    def __setattr__(self, key: str, value: Any) -> NoReturn:
        raise Error(f"You must call wandb.init() before {self._name}.{key}")

    def __getitem__(self, key: str) -> NoReturn:
        raise Error(f"You must call wandb.init() before {self._name}[{key!r}]")

    def __setitem__(self, key: str, value: Any) -> NoReturn:
        raise Error(f"You must call wandb.init() before {self._name}[{key!r}]")

    def __repr__(self) -> str:
        return f"<{self._name}: no run yet, call init() first>"
