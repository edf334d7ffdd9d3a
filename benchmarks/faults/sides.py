"""Who is measured: sweepwidget on each of its stores, Optuna on each of its own. A side makes a study, says how a worker takes
part in it, and reads afterwards what became of each trial.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import socket
import warnings
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

from attrs import evolve

from .. import postgres
from ..measure import fresh_folder, missing, quiet
from . import roles
from .crowd import start, until
from .verdict import DONE, GIVEN_UP, OTHER, RUNNING, WAITING

SPACE = {"method": "random", "parameters": {"x": {"min": 0.0, "max": 1.0}}}
ATTEMPTS = 3
"""How often one of our runs is begun before it is given up, and said to be crashed."""


class Side(Protocol):
    name: str
    role: Callable[..., None]
    part: roles.Part
    retries: bool
    """Whether what a dead worker had begun is begun again."""

    def states(self) -> Mapping[str, str]:
        """Trial → what the store says of it (see `verdict`)."""

    def enqueue(self, trials: int) -> None:
        """Have so many wait."""

    def stop(self) -> None:
        """Nothing more is begun."""


class Ours:
    """`through_hub` puts a hub on the store, and the workers behind it."""

    role = staticmethod(roles.agent)
    retries = True

    def __init__(self, name: str, store: str, folder: Path, through_hub: bool, **config: Any) -> None:
        import sweepwidget

        self.name = name
        self.store = sweepwidget.use_store(store)
        self.sweep = sweepwidget.sweep({**SPACE, **config})
        self.part = roles.Part(folder, "" if through_hub else self.store.link, self.sweep)
        self._hub: BaseProcess | None = None
        if through_hub:
            self.port = _free_port()
            self.hub_starts()
            self.part = evolve(self.part, study=self._link())

    def _link(self) -> str:
        from sweepwidget.hub.tokens import issue
        from sweepwidget.links import make_link
        from sweepwidget.model import SweepId

        return str(
            make_link(f"http://127.0.0.1:{self.port}", SweepId(self.sweep), issue(self.store, SweepId(self.sweep)))
        )

    def hub_starts(self, lease_s: float | None = None) -> None:
        """Always on the same port."""
        part = roles.Part(self.part.folder, self.store.link, name="hub", lease_s=lease_s)
        up = part.folder / "hub.up"
        up.unlink(missing_ok=True)
        self._hub = start(roles.hub, part, self.port)
        assert until(up.exists), f"the hub did not start: {(part.folder / 'output-hub').read_text()[-500:]}"

    @property
    def hub(self) -> BaseProcess:
        assert self._hub is not None
        return self._hub

    def hub_dies(self) -> None:
        self.hub.kill()
        self.hub.join()

    def states(self) -> Mapping[str, str]:
        return {run.id: _state(run) for run in self.store.runs(self.sweep)}

    def enqueue(self, trials: int) -> None:
        from sweepwidget.model import Suggestion

        for i in range(trials):
            self.store.enqueue(self.sweep, Suggestion({"x": i / trials}), i)

    def stop(self) -> None:
        import sweepwidget

        sweepwidget.stop(self.sweep, self.store)

    def close(self) -> None:
        if self._hub is not None:
            self.hub_dies()


class Optuna:
    role = staticmethod(roles.optuna_worker)

    def __init__(self, name: str, storage: str, folder: Path) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        self.name, self.retries = name, "retry" in name
        self.part = roles.Part(folder, storage, f"study-{secrets.token_hex(3)}")
        self._study = optuna.create_study(storage=roles.optuna_storage(storage), study_name=self.part.study)

    def states(self) -> Mapping[str, str]:
        """A trial that was retried is as its last attempt is, unless an earlier one was done."""
        from optuna.storages import RetryHeartbeatStaleTrialCallback

        found: dict[str, str] = {}
        for trial in self._study.get_trials(deepcopy=False):
            origin = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
            unit = str(trial.number if origin is None else origin)
            known = {"COMPLETE": DONE, "RUNNING": RUNNING, "WAITING": WAITING}.get(trial.state.name, OTHER)
            if found.get(unit) != DONE:
                found[unit] = known
        return found

    def enqueue(self, trials: int) -> None:
        for i in range(trials):
            self._study.enqueue_trial({"x": i / trials})

    def stop(self) -> None:
        """Before, what has been silent for too long is looked for once more: what runs still is stuck indeed."""
        import optuna

        optuna.storages.fail_stale_trials(self._study)
        (self.part.folder / "stop").touch()

    def close(self) -> None:
        if hasattr(self._study._storage, "remove_session"):
            self._study._storage.remove_session()


def _state(run: Any) -> str:
    if run.state.value == "crashed" and run.attempt >= ATTEMPTS:
        return GIVEN_UP
    return {"finished": DONE, "running": RUNNING}.get(run.state.value, OTHER)


OURS = ("sweepwidget SQLite", "sweepwidget hub", "sweepwidget PostgreSQL")
OPTUNA = (
    "Optuna SQLite",
    "Optuna SQLite, heartbeat + retry",
    "Optuna Journal file",
    "Optuna PostgreSQL, heartbeat + retry",
)


def unavailable(name: str) -> str:
    """Why this side cannot be measured here; '' if it can."""
    wanted = ["optuna"] * (name in OPTUNA) + ["psycopg"] * ("PostgreSQL" in name)
    return next((missing(module) for module in wanted if importlib.util.find_spec(module) is None), "")


@contextlib.contextmanager
def opened(name: str, **config: Any) -> Iterator[Any]:
    """A side with a fresh study in a fresh folder; None where there is no database server for it. `config` is for our sweep."""
    with fresh_folder() as folder, _home(folder), contextlib.ExitStack() as stack:
        url = ""
        if "PostgreSQL" in name and not (url := stack.enter_context(postgres._server())):
            yield None
            return
        with quiet():
            side = _side(name, url, folder, config)
        stack.callback(side.close)
        yield side


def _side(name: str, url: str, folder: Path, config: Mapping[str, Any]) -> Any:
    if name in OURS:
        return Ours(name, url or str(folder / "sweeps.db"), folder, "hub" in name, **config)
    if "Journal" in name:
        return Optuna(name, str(folder / "journal.log"), folder)
    return Optuna(name, "heartbeat+" * ("heartbeat" in name) + (url or f"sqlite:///{folder / 'optuna.db'}"), folder)


@contextlib.contextmanager
def _home(folder: Path) -> Iterator[None]:
    """Where files beside a database are: here and in every worker the same."""
    before = os.environ.get("XDG_DATA_HOME")
    os.environ["XDG_DATA_HOME"] = str(folder / "home")
    try:
        yield
    finally:
        os.environ.pop("XDG_DATA_HOME")
        if before is not None:
            os.environ["XDG_DATA_HOME"] = before


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
