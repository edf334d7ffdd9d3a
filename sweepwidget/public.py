"""`wandb.Api()`: sweeps and runs of the store as plain objects to look at, with W&B's attribute names."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import api
from .columns import EMPTY
from .errors import UsageError
from .model import Run, RunId, RunState, Sweep, SweepId
from .runs import summary_value
from .store import Store
from .stores import current_store, locate
from .sweepconfig import SweepConfig
from .term import termwarn


class Api:
    """The store, as W&B's public API shows it: `Api().sweep(sweep_id).best_run()`."""

    def __init__(
        self, overrides: Mapping[str, Any] | None = None, timeout: int | None = None, api_key: str | None = None
    ) -> None:
        self._store = current_store()

    def sweep(self, path: str = "") -> PublicSweep:
        """A sweep by `id`, `project/id` or `entity/project[/sweeps]/id`. Raises SweepNotFound (a ValueError)."""
        if "://" not in str(path):
            path = "/".join(part for part in str(path).split("/") if part and part != "sweeps")
        store, row = locate(path, self._store)
        return PublicSweep(store, row.id)

    def sweeps(self, path: str = "") -> list[PublicSweep]:
        """All sweeps of a project (or of the store), newest first."""
        project = str(path).rpartition("/")[2]
        return [
            PublicSweep(self._store, row.id) for row in self._store.sweeps() if not project or row.project == project
        ]

    def run(self, path: str) -> PublicRun:
        """A run by `id` or `entity/project/id`."""
        return PublicRun(self._store, RunId(str(path).rpartition("/")[2]))

    def runs(self, path: str | None = None, filters: Mapping[str, Any] | None = None, **_: Any) -> list[PublicRun]:
        """The runs of a project that belong to no sweep, or with `filters={"sweep": id}` those of a sweep."""
        wanted = (filters or {}).get("sweep")
        rows = (
            self._store.runs(SweepId(wanted))
            if wanted
            else self._store.runs(None, str(path or "").rpartition("/")[2] or None)
        )
        return [PublicRun(self._store, row.id) for row in rows]


class PublicSweep:
    """A sweep of the store; every attribute is read when asked for, so it is always up to date."""

    def __init__(self, store: Store, sweep_id: SweepId) -> None:
        self._store = store
        self.id: str = store.sweep(sweep_id).id

    @property
    def _row(self) -> Sweep:
        return self._store.sweep(SweepId(self.id))

    @property
    def _config(self) -> SweepConfig:
        return SweepConfig.parse(self._row.config)

    @property
    def config(self) -> dict[str, Any]:
        return dict(self._row.config)

    @property
    def name(self) -> str:
        return self._config.name or self.id

    @property
    def state(self) -> str:
        """PENDING, RUNNING, PAUSED, FINISHED or CANCELED."""
        return self._row.state.value

    @property
    def reason(self) -> str:
        """Why it is in that state, in words."""
        return self._row.reason

    @property
    def entity(self) -> str:
        return self._row.entity

    @property
    def project(self) -> str:
        return self._row.project

    @property
    def path(self) -> list[str]:
        return [self.entity, self.project, self.id]

    @property
    def url(self) -> None:
        """None: there is no server."""

    @property
    def runs(self) -> list[PublicRun]:
        """All runs, oldest first (without those that were taken back before they began)."""
        rows = self._store.runs(SweepId(self.id))
        return [PublicRun(self._store, row.id, row) for row in rows if row.started_at or not row.ended]

    @property
    def expected_run_count(self) -> int | None:
        """How many runs a grid has (with `run_cap`: at most that many); None for searches without an end."""
        config = self._config
        size = config.space.grid_size() if config.method == "grid" else None
        caps = [n for n in (size, config.run_cap) if n is not None]
        return min(caps) if caps else None

    @property
    def order(self) -> str | None:
        goal = self._config.goal
        return f"{'-' if goal.maximize else '+'}summary_metrics.{goal.metric}" if goal else None

    @property
    def best_loss(self) -> float | None:
        best = self.best_run()
        goal = self._config.goal
        return summary_value(best.summary, goal.metric) if best and goal else None

    def best_run(self, order: str | None = None, best: str = "last") -> PublicRun | None:
        """The best run by the sweep's metric: by its summary value (W&B: the last one logged), or with `best="best"` by the
        best value it ever logged. None if there are no runs; without a metric the newest run, with a warning.
        """
        if best not in ("last", "best"):
            raise UsageError(f"best_run(best=…) takes 'last' (W&B's) or 'best', not {best!r}")
        runs = self.runs
        if not runs:
            return None
        order = order or self.order
        if order is None:
            termwarn(f"sweep {self.id} has no metric: best_run() is its newest run")
            return runs[-1]
        metric, sign = order.lstrip("+-").removeprefix("summary_metrics."), -1.0 if order.startswith("-") else 1.0
        scored = [
            (sign * value, run) for run in runs if (value := run._value(metric, sign, best == "best")) is not None
        ]
        return min(scored, key=lambda pair: pair[0])[1] if scored else None

    def pause(self) -> None:
        api.pause(self.id, self._store)

    def resume(self) -> None:
        api.resume(self.id, self._store)

    def stop(self) -> None:
        api.stop(self.id, self._store)

    def cancel(self) -> None:
        api.cancel(self.id, self._store)

    def __repr__(self) -> str:
        return f"<Sweep {'/'.join(part for part in self.path if part)} ({self.state})>"

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(repr(self))}</code>"


class PublicRun:
    """A run of the store, as it is now (read anew by `load()`; a finished one does not change)."""

    def __init__(self, store: Store, run_id: RunId, row: Run | None = None) -> None:
        self._store = store
        self._row: Run = row or store.run(run_id)

    def load(self, force: bool = False) -> None:
        """Read it anew."""
        self._row = self._store.run(self._row.id)

    @property
    def id(self) -> str:
        return self._row.id

    @property
    def name(self) -> str:
        return self._row.name or self.id

    @property
    def state(self) -> str:
        """pending, running, finished, failed, crashed, killed, stopped or preempted."""
        return self._row.state.value

    @property
    def config(self) -> dict[str, Any]:
        return dict(self._row.config)

    @property
    def summary(self) -> dict[str, Any]:
        return dict(self._row.summary)

    @property
    def agent(self) -> str | None:
        """The id of the agent that runs it, or ran it; None while it waits."""
        return self._row.agent_id

    @property
    def error(self) -> str:
        """The traceback of a failed run, or what is known of the death of a crashed one."""
        return self._row.error

    @property
    def exit_code(self) -> int | None:
        return self._row.exit_code

    @property
    def attempt(self) -> int:
        return self._row.attempt

    @property
    def seed(self) -> int:
        return self._row.seed

    @property
    def search_info(self) -> dict[str, Any]:
        """Why the search chose this configuration."""
        return dict(self._row.info)

    @property
    def stop_reason(self) -> str:
        return self._row.stop_reason

    @property
    def tags(self) -> list[str]:
        return list(self._row.tags)

    @property
    def notes(self) -> str:
        return self._row.notes

    @property
    def group(self) -> str:
        return self._row.group

    @property
    def project(self) -> str:
        return self._row.project

    @property
    def entity(self) -> str:
        return self._row.entity

    @property
    def created_at(self) -> float:
        """Unix seconds."""
        return self._row.created_at

    @property
    def duration_s(self) -> float | None:
        """Seconds from claim to end; None while it has not ended."""
        row = self._row
        return row.ended_at - row.started_at if row.ended_at and row.started_at else None

    @property
    def sweep(self) -> PublicSweep | None:
        return PublicSweep(self._store, self._row.sweep_id) if self._row.sweep_id else None

    @property
    def provenance(self) -> dict[str, Any]:
        """Source of the training function, package versions, git commit, host: what the run came from."""
        import json

        text = self._store.recall(self._row.provenance)
        return dict(json.loads(text)) if text else {}

    @property
    def output(self) -> str:
        """What the run printed."""
        log = self._store.folder / "runs" / self.id / "output.log"
        return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""

    def scan_history(self, keys: Sequence[str] | None = None, **_: Any) -> list[dict[str, Any]]:
        """Every logged row as a dict with `_step`, `_timestamp` and `_runtime`, in order of step."""
        rows: dict[int, dict[str, Any]] = {}
        started = self._row.started_at or self._row.created_at
        for key, column in self._store.columns(self._row.id).items():
            values: list[Any] = column.values.tolist()
            if type(self._row.summary.get(key)) is int and all(value.is_integer() for value in values):
                values = [int(value) for value in values]  # kept as float64; it was logged as integers
            for step, value in zip(column.steps.tolist(), values, strict=True):
                rows.setdefault(step, {})[key] = value
        for step, record in self._store.records(self._row.id):
            rows.setdefault(step, {}).update(record)
        result = []
        for step in sorted(rows):
            row = {"_step": step, **rows[step]}
            if "_timestamp" in row:
                row["_runtime"] = row["_timestamp"] - started
            if keys is None or all(key in row for key in keys):
                result.append({k: v for k, v in row.items() if keys is None or k in keys})
        return result

    def history(
        self,
        samples: int = 500,
        keys: Sequence[str] | None = None,
        x_axis: str = "_step",
        pandas: bool = True,
        **_: Any,
    ) -> Any:
        """At most `samples` rows, as a pandas DataFrame where pandas is installed, else a list of dicts."""
        rows = self.scan_history([x_axis, *keys] if keys else None)
        if len(rows) > samples:
            stride = len(rows) / samples
            rows = [rows[math.floor(i * stride)] for i in range(samples)]
        if not pandas:
            return rows
        try:
            from pandas import DataFrame
        except ImportError:
            return rows
        return DataFrame(rows)

    def stop(self) -> None:
        """Stop it at its next `log()`; it is marked killed."""
        self._store.stop([self._row.id], "stopped by the user", RunState.killed)

    def delete(self) -> None:
        """Forget it: its grid cell is free again."""
        self._store.delete_run(self._row.id)

    def _value(self, metric: str, sign: float, best: bool) -> float | None:
        if best:
            column = self._store.columns(self._row.id).get(metric, EMPTY)
            values = column.values[np.isfinite(column.values)]
            if len(values):
                return sign * float((sign * values).min())
        return summary_value(self._row.summary, metric)

    def __repr__(self) -> str:
        return f"<Run {self.name} ({self.state})>"
