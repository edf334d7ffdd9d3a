"""What the processes do that are killed: an agent of ours, a worker of Optuna's, a hub. Each begins as a fork of one process
that has imported all this already (`forkserver`), so that a kill costs milliseconds and not the start of an interpreter.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from .ledger import BEGAN, ENDED, ERROR, LEFT, ROW, Ledger

for _name in (
    "httpx",
    "psycopg",
    "alembic.script",
    "sqlalchemy.dialects.sqlite",
    "optuna.storages.journal",
    "optuna.storages._rdb.storage",
    *(f"sweepwidget.{name}" for name in ("agents", "api", "hiring", "hub.server", "search.random", "trials")),
    *(f"sweepwidget.store.{name}" for name in ("sqlite", "remote", "postgres")),
):
    with contextlib.suppress(ImportError):  # a peer, or a driver, that is not installed
        importlib.import_module(_name)


@frozen
class Part:
    """What a worker needs to know."""

    folder: Path
    store: str
    """The link of ours ('': `study` is a link to a hub), the URL or the file of Optuna's."""
    study: str = ""
    """The sweep, or the link to it; the study."""
    name: str = ""
    trial_s: float = 0.1
    rows: int = 1
    """Logged by each trial of ours, evenly spread over its time."""
    lease_s: float | None = None
    host: str = ""
    """Another machine's name: then nobody can look at this process, as if it were there."""
    options: Mapping[str, Any] = field(factory=dict)
    """For `agent()`; for Optuna's worker `cap`, after how many done trials the study ends."""

    @property
    def ledger(self) -> Path:
        return self.folder / f"ledger-{self.name}"


def agent(part: Part) -> None:
    """A script that calls `agent()`."""
    ledger = _begin(part)
    import sweepwidget

    if part.store:
        sweepwidget.use_store(part.store)

    def train() -> None:
        run = sweepwidget.init()
        ledger.write(BEGAN, run.id, run.attempt)
        for i in range(part.rows):
            run.log({"row": i, "loss": run.config["x"]})
            ledger.write(ROW, run.id, run.attempt)
            time.sleep(part.trial_s / part.rows)
        ledger.write(ENDED, run.id, run.attempt)

    _say(ledger, lambda: sweepwidget.agent(part.study, function=train, **part.options))


def optuna_worker(part: Part) -> None:
    """A script that calls `optimize()` with Optuna's own storage, until the file `stop` is there."""
    ledger = _begin(part)
    import optuna
    from optuna.storages import RetryHeartbeatStaleTrialCallback
    from optuna.study import MaxTrialsCallback

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    first_number = RetryHeartbeatStaleTrialCallback.retried_trial_number

    def objective(trial: Any) -> float:
        origin = first_number(trial._cached_frozen_trial)
        unit = trial.number if origin is None else origin
        ledger.write(BEGAN, unit)
        x = trial.suggest_float("x", 0.0, 1.0)
        time.sleep(part.trial_s)
        ledger.write(ENDED, unit)
        return x

    def stop(study: Any, _: Any) -> None:
        if (part.folder / "stop").exists():
            study.stop()

    cap = part.options.get("cap")
    callbacks = [stop, *([MaxTrialsCallback(cap)] if cap else [])]

    def work() -> None:
        study = optuna.load_study(storage=optuna_storage(part.store), study_name=part.study, sampler=_random())
        study.optimize(objective, callbacks=callbacks)

    _say(ledger, work)


def optuna_storage(name: str) -> Any:
    """`heartbeat+sqlite:///…` beats every second and retries what has been silent for three; a path is a journal's."""
    from optuna.storages import JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
    from optuna.storages.journal import JournalFileBackend

    if "://" not in name:
        return JournalStorage(JournalFileBackend(name))
    kind, _, url = name.rpartition("+") if name.startswith("heartbeat+") else ("", "", name)
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    if not kind:
        return RDBStorage(url)
    return RDBStorage(
        url,
        heartbeat_interval=1,
        grace_period=3,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
    )


def hub(part: Part, port: int) -> None:
    """A hub on a port, until it is killed."""
    _begin(part)
    import sweepwidget
    from sweepwidget.hub.server import HubServer

    HubServer(sweepwidget.use_store(part.store), port=port).start()
    (part.folder / "hub.up").touch()
    signal.pause()


def creator(part: Part) -> None:
    """A script that makes a sweep in a store that may not be there yet, at the moment that it was given."""
    ledger = _begin(part)
    import sweepwidget

    def make() -> None:
        sweepwidget.use_store(part.store)
        sweepwidget.sweep({"method": "random", "parameters": {"x": {"min": 0.0, "max": 1.0}}})

    _on_time(part)
    _say(ledger, make)


def optuna_creator(part: Part) -> None:
    """The same with Optuna."""
    ledger = _begin(part)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    _on_time(part)
    _say(ledger, lambda: optuna.create_study(storage=part.store, study_name=part.study, load_if_exists=True))


def _begin(part: Part) -> Ledger:
    output = os.open(part.folder / f"output-{part.name}", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(part.folder)
    os.environ["XDG_DATA_HOME"] = str(part.folder / (part.host or "home"))
    os.environ["SWEEPWIDGET_SILENT"] = "1"
    from sweepwidget import agentloop, participant, process, steering

    if part.lease_s is not None:
        agentloop.LEASE_S = participant.LEASE_S = steering.LEASE_S = part.lease_s
    if part.host:
        process.socket.gethostname = functools.partial(str, part.host)  # type: ignore[attr-defined]
    return Ledger(part.ledger)


def _say(ledger: Ledger, work: Callable[[], object]) -> None:
    """Do it, and write down how it went."""
    try:
        work()
    except BaseException as error:
        ledger.write(ERROR, type(error).__name__)
        raise
    ledger.write(LEFT)


def _on_time(part: Part) -> None:
    """Everybody at once: sleep until shortly before, then wait awake."""
    due = part.options["at"]
    time.sleep(max(0.0, due - time.monotonic() - 0.02))
    while time.monotonic() < due:
        pass


def _random() -> Any:
    import optuna

    return optuna.samplers.RandomSampler()
