"""The handle that user code holds: `run.config`, `run.log(...)`, `run.summary`, `run.finish()`.

A run belongs to the agent that claimed it (or to the process that called a plain `init()`); this file only writes to its
spool, and ships what stands there. `log` is the hot path: one packed row, one `os.write`, one dict update.
"""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from .errors import Fenced, RunStopped, UsageError
from .loop import after_fork
from .media import log_value, store_artifact
from .model import Outcome, Points, Run as RunRow, RunState
from .run_config import RunConfig, StaticConfig
from .run_summary import RunSummary, metric_rule
from .store import Store
from .store.spool import Spool, discard, leftovers, others
from .term import termwarn

_LAST_STEP = 2**63 - 1
STUCK_S = 10.0
"""A run that was told to stop is given so long to do it before somebody says that it has not."""


class Run:
    """One run, as W&B's `wandb.init()` returns it.

    >>> with wandb.init(config={"lr": 0.1}) as run:      # doctest: +SKIP
    ...     run.log({"loss": 0.5})
    """

    def __init__(
        self,
        store: Store,
        row: RunRow,
        *,
        config: Mapping[str, Any] | None = None,
        locked: Iterable[str] = (),
        on_finish: Callable[[Run], None] | None = None,
        on_preempting: Callable[[Run], None] | None = None,
        on_stop: Callable[[], None] | None = None,
        source: str = "",
        jupyter: bool = False,
        disabled: bool = False,
    ) -> None:
        self._store = store
        self._row = row
        self.id: str = row.id
        self.attempt: int = row.attempt
        self.pid = os.getpid()
        self._spool = Spool(store.folder, row.id, row.attempt, source)
        self._flush_lock = threading.Lock()
        self._step = 0
        self._on_finish, self._on_preempting, self._on_stop = on_finish, on_preempting, on_stop
        self._row_open = False
        """Values of the current step were logged, but the step is not committed."""
        self._stopped: tuple[str, RunState] | None = None
        self._stopped_at = math.inf
        self._disabled = disabled
        self.finished = False
        self.exit_code: int | None = None
        self.preempting = False
        self.summary = RunSummary()
        values = row.config if config is None else config
        self.config = RunConfig(values, frozenset(locked), self._config_changed, allow_val_change=jupyter)
        self.settings: Any = None
        _handles.add(self)

    # -- who it is ----------------------------------------------------------------------------------------------

    @property
    def sweep_id(self) -> str | None:
        return self._row.sweep_id

    @property
    def name(self) -> str | None:
        return self._row.name or None

    @name.setter
    def name(self, value: str) -> None:
        self._update(name=str(value))

    @property
    def notes(self) -> str | None:
        return self._row.notes or None

    @notes.setter
    def notes(self, value: str) -> None:
        self._update(notes=str(value))

    @property
    def tags(self) -> tuple[str, ...]:
        return self._row.tags

    @tags.setter
    def tags(self, value: Iterable[str]) -> None:
        self._update(tags=(value,) if isinstance(value, str) else tuple(value))

    @property
    def group(self) -> str:
        return self._row.group

    @property
    def job_type(self) -> str:
        return self._row.job_type

    @property
    def project(self) -> str:
        return self._row.project

    @property
    def entity(self) -> str:
        return self._row.entity

    @property
    def path(self) -> str:
        return "/".join(part for part in (self.entity, self.project, self.id) if part)

    @property
    def url(self) -> None:
        """None: there is no server."""

    sweep_url = project_url = None

    def get_url(self) -> None:
        """None: there is no server."""

    @property
    def dir(self) -> str:
        """The folder of the run's files, beside the store."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return str(self._folder)

    @property
    def _folder(self) -> Path:
        return self._store.folder / "runs" / self.id

    @property
    def step(self) -> int:
        return self._step

    @property
    def seed(self) -> int:
        """A number of this run alone, the same whenever the sweep is repeated with its seed: for your random generators."""
        return self._row.seed

    @property
    def start_time(self) -> float:
        """Unix seconds."""
        return self._row.started_at or self._row.created_at

    @property
    def resumed(self) -> bool:
        return self.attempt > 1

    offline = True

    @property
    def disabled(self) -> bool:
        return self._disabled

    @property
    def config_static(self) -> StaticConfig:
        return StaticConfig(self.config)

    def __repr__(self) -> str:
        return f"<Run {self.path} ({'finished' if self.finished else 'running'})>"

    # -- logging ------------------------------------------------------------------------------------------------

    def log(
        self, data: Mapping[str, Any], step: int | None = None, commit: bool | None = None, sync: bool | None = None
    ) -> None:
        """Keep a row of metrics: `run.log({"loss": 0.5, "acc": 0.9})`.

        Steps count up by themselves; `step=` sets one (it may not go back: such a row is dropped with a warning, as
        W&B does), `commit=False` lets the next call go on in the same step. Raises RunStopped when the run was told
        to stop. The row is on disk when the call returns.
        """
        if self.finished:
            raise UsageError(
                f"Run ({self.id}) is finished. The call to `log` will be ignored. Please make sure that you are using "
                "an active run."
            )
        if self._stopped is not None:
            self._raise_stopped()
        if self._disabled:
            self.summary.logged(_row(data))
            return
        spool, summary = self._spool, self.summary
        with spool.lock:  # guards the step and the summary as well
            plain = step is None and commit is None and type(data) is dict and not (summary._rules or summary._fixed)
            if not plain or not spool.append_numbers(self._step, time.time(), data):
                self._log_slowly(data, step, commit)
                return
            self._step += 1
            self._row_open = False
            summary._values.update(data)

    def _log_slowly(self, data: Mapping[str, Any], step: int | None, commit: bool | None) -> None:
        row = {key: self._plain(key, value) for key, value in _row(data).items()}
        if step is not None:
            if isinstance(step, bool) or not hasattr(step, "__index__"):
                raise TypeError(f"step must be an integer, not {step!r}")
            step = step.__index__()
            if step >= _LAST_STEP:
                raise UsageError(f"step {step} is beyond what can be stored (2**63 - 1)")
            if step < self._step:
                termwarn(
                    f"Tried to log to step {step} that is less than the current step {self._step}. "
                    "Steps must be monotonically increasing, so this data will be ignored."
                )
                return
            self._step = step
        row = self._with_step_metrics(row)
        self._spool.append(self._step, time.time(), row)
        self.summary.logged({key: value for key, value in row.items() if value is not None})
        self._row_open = not (commit if commit is not None else step is None)
        if not self._row_open:
            self._step += 1

    def _plain(self, key: str, value: Any) -> Any:
        return value if type(value) is float else log_value(value, self._folder, key, self._step)

    def _with_step_metrics(self, row: dict[str, Any]) -> dict[str, Any]:
        """Rows of metrics with a synchronised step metric carry its latest value (W&B's `step_sync`)."""
        if not self.summary._rules:
            return row
        wanted = {rule.step_metric for key in row if (rule := self.summary.rule(key)) and rule.step_sync}
        latest = self.summary._values
        extra = {name: latest[name] for name in wanted if name and name not in row and _is_number(latest.get(name))}
        return {**row, **extra} if extra else row

    def define_metric(
        self,
        name: str,
        step_metric: str | None = None,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: str | None = None,
        goal: str | None = None,
        overwrite: bool | None = None,
    ) -> None:
        """Say how a metric is summarised: `run.define_metric("acc", summary="max")` (min, max, mean, last, first,
        best, copy, none), and against which other metric it is drawn.
        """
        self.summary.define(metric_rule(name, step_metric, step_sync, summary, goal))

    # -- stopping -----------------------------------------------------------------------------------------------

    def announce(self) -> None:
        """In a process that works for an agent elsewhere: stop if somebody else has the run by now. That this process will log
        stands on the disk before it asks, so whoever takes the run away after that waits until it has ended.
        """
        self._spool.begin()
        row = self._store.run(self._row.id)
        if row.attempt != self.attempt or row.ended:
            self.order_stop("it was given to another agent")

    def order_stop(self, reason: str, state: RunState | None = None) -> None:
        """The next `log()` raises RunStopped (the first order stands)."""
        if self._stopped is None:
            self._stopped = (reason or "told to stop", state or RunState.killed)
            self._stopped_at = time.monotonic()
            if (on_stop := self._on_stop) is not None:
                on_stop()

    def remind(self) -> None:
        """Say it, once, of a run that does not stop. In a process for the run alone its agent ends it."""
        if time.monotonic() - self._stopped_at < STUCK_S or self._spool.source:
            return
        self._stopped_at = math.inf
        termwarn(
            f"run {self.name or self.id} was told to stop {STUCK_S:.0f} s ago and is still running. It stops at its next log(); "
            "if it never does: a thread cannot be ended, so restart the kernel, or use agent(..., backend='kernel')."
        )

    @property
    def stop_ordered(self) -> tuple[str, RunState] | None:
        return self._stopped

    def _raise_stopped(self) -> None:
        assert self._stopped is not None
        raise RunStopped(f"run {self.name or self.id} was told to stop: {self._stopped[0]}")

    # -- shipping -----------------------------------------------------------------------------------------------

    def flush(self) -> bool:
        """Ship what has been logged to the store (done by itself every 0.2 s); whether there was anything."""
        shipped = False
        with self._flush_lock:
            left = self._spool.undelivered  # what comes while this is shipped goes next time
            while left > 0 and (points := self._spool.take(self._summary())) is not None:
                self._ship(points)
                shipped = True
                left -= points.end - points.start
        return shipped

    def close(self, outcome: Outcome) -> RunRow:
        """Close the run in the store, with the last of what it and its forked children logged. Fenced if somebody else
        has it by now: then what was logged since is nobody's, and is let go of too.
        """
        children = others(self._spool)
        try:
            points = self._last_points()
            for piece in leftovers(self._store.folder, self.id, self.attempt, self._known()) if children else ():
                if piece.source != self._spool.source:
                    self._store.log(piece)
            closed = self._store.finish(self._row.id, self.attempt, outcome, points)
        except Fenced:
            self._spool.close(remove=True)
            raise
        self._spool.close(remove=True)
        if children:
            discard(self._store.folder, self.id, self.attempt)
        return closed

    def _known(self) -> Mapping[str, int]:
        return self._store.known_offsets(self._row.id, self.attempt)

    def _last_points(self) -> Points | None:
        """What has not been shipped yet; all but the last piece is shipped here."""
        with self._flush_lock:
            while (points := self._spool.take()) is not None:
                if self._spool.undelivered <= points.end - points.start:
                    return points
                self._ship(points)
        return None

    def _ship(self, points: Points) -> None:
        self._store.log(points)
        self._spool.delivered(points)

    def _summary(self) -> dict[str, Any]:
        with self._spool.lock:
            return dict(self.summary._values)

    def final_summary(self) -> dict[str, Any]:
        """The summary with W&B's own entries (`_step`, `_runtime`, `_timestamp`)."""
        values = self._summary()
        last = self._step if self._row_open else self._step - 1
        if last >= 0:
            now = time.time()
            values |= {"_step": last, "_timestamp": now, "_runtime": now - self.start_time}
        return values

    # -- ending -------------------------------------------------------------------------------------------------

    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:
        """End the run's logging. Within a trial, the agent closes the run when the function returns."""
        if self.finished:
            return
        self.finished = True
        self.exit_code = exit_code
        if self._on_finish is not None:
            self._on_finish(self)  # a plain run that could not be closed is not finished
        self.config._close()

    def over(self) -> None:
        """The code of its trial has returned. Nothing here leads back to the trial any more, so that what is left of either
        need not wait for the garbage collector.
        """
        self.finished = True
        self.config._close()
        self._on_stop = None

    def reopen(self, config: Mapping[str, Any]) -> None:
        """`init()` again in the same trial: the same run goes on."""
        self.finished = False
        self.config = RunConfig(config, self.config._locked, self._config_changed, self.config._allow)

    def __enter__(self) -> Run:  # noqa: PYI034  (Self needs Python 3.11)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        well = isinstance(error, (RunStopped, KeyboardInterrupt)) or (isinstance(error, SystemExit) and not error.code)
        self.finish(exit_code=0 if error is None or well else 1)

    # -- the rest of W&B's Run ----------------------------------------------------------------------------------

    def save(self, glob_str: str | Path, base_path: str | Path | None = None, policy: str = "live") -> list[str]:
        """Copy files into the run's folder; returns their new paths. `run.save("model.pt")`, `run.save("*.h5")`."""
        from .files import copy_into

        return copy_into(self._folder / "files", glob_str, base_path)

    def log_artifact(
        self,
        artifact_or_path: Any,
        name: str | None = None,
        type: str | None = None,  # noqa: A002
        aliases: Iterable[str] | None = None,
        **_: Any,
    ) -> Any:
        """Keep an Artifact (or a file or folder) beside the store, as the next version of its name."""
        from .media import Artifact

        artifact = artifact_or_path
        if not isinstance(artifact, Artifact):
            path = Path(artifact_or_path)
            artifact = Artifact(name or f"run-{self.id}-{path.name}", type or "unspecified")
            (artifact.add_dir if path.is_dir() else artifact.add_file)(str(path))
        store_artifact(self._store.folder, artifact, tuple(aliases or ()))
        return artifact

    def use_artifact(self, artifact_or_name: Any, type: str | None = None, **_: Any) -> Any:  # noqa: A002
        """An Artifact logged before: `run.use_artifact("model:latest").download()`."""
        from .media import Artifact, load_artifact

        if isinstance(artifact_or_name, Artifact):
            return artifact_or_name
        return load_artifact(self._store.folder, str(artifact_or_name), type)

    def watch(
        self,
        models: Any,
        criterion: Any = None,
        log: str | None = "gradients",
        log_freq: int = 1000,
        idx: int | None = None,
        log_graph: bool = False,
    ) -> None:
        """Accepted and ignored: gradients are not recorded."""

    def unwatch(self, models: Any = None) -> None:
        """Accepted and ignored."""

    def alert(self, title: str, text: str = "", level: Any = None, wait_duration: Any = None) -> None:
        """Say something in the run's output."""
        print(f"{title}: {text}" if text else title)

    def mark_preempting(self) -> None:
        """This machine is about to be taken away: ending with an error now means that another agent runs it again."""
        self.preempting = True
        if self._on_preempting is not None:
            self._on_preempting(self)

    def log_code(self, root: str = ".", name: str | None = None, **_: Any) -> None:
        """Accepted: the source of the training function is stored with every run already."""

    def restore(self, name: str, run_path: str | None = None, replace: bool = False, root: str | None = None) -> Any:
        """Open a file that was saved with the run; None if there is none."""
        path = self._folder / "files" / name
        return path.open() if path.is_file() else None

    def status(self) -> None:
        """Accepted: nothing is queued, everything logged is on disk."""

    def display(self, height: int = 420, hidden: bool = False) -> bool:
        return False

    def to_html(self, *_: Any, **__: Any) -> str:
        return ""

    # -- inside -------------------------------------------------------------------------------------------------

    def _update(self, **fields: Any) -> None:
        if not self._disabled:
            self._row = self._store.update_run(self._row.id, **fields)

    def _config_changed(self, values: Mapping[str, Any]) -> None:
        self._update(config=dict(values))


def _row(data: Any) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise TypeError("wandb.log must be passed a dictionary")
    if any(not isinstance(key, str) for key in data):
        raise TypeError("Key values passed to `wandb.log` must be strings.")
    return data


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_handles: weakref.WeakSet[Run] = weakref.WeakSet()


def _in_child() -> None:
    """After a fork: a lock that another thread of the parent held would never be released here."""
    for run in _handles:
        run._flush_lock = threading.Lock()


after_fork(_in_child)
