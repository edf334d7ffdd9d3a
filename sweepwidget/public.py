"""`wandb.Api()`: sweeps and runs of the store as plain objects to look at, with W&B's attribute names."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import api
from .columns import EMPTY
from .errors import UsageError
from .export import as_csv, as_frame, as_yaml
from .model import Run, RunId, RunState, Sweep, SweepId
from .pareto import best_runs
from .runs import summary_value
from .store import Store
from .stores import current_store, locate
from .sweepconfig import SweepConfig
from .tending import tend
from .term import termwarn

if TYPE_CHECKING:
    from .importance import Importances


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
        tend(store, row.id)
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
        """W&B's name for what runs are sorted by, `"+summary_metrics.loss"`; of several metrics the first."""
        goals = self._config.goals
        return f"{'-' if goals[0].maximize else '+'}summary_metrics.{goals[0].metric}" if goals else None

    @property
    def best_loss(self) -> float | None:
        best = self.best_run()
        goals = self._config.goals
        return summary_value(best.summary, goals[0].metric) if best and goals else None

    def best_run(self, order: str | None = None, best: str = "last") -> PublicRun | None:
        """The best run by the sweep's metric: by its summary value (W&B: the last one logged), or with `best="best"` by the
        best value it ever logged. None if there are no runs; without a metric the newest run, with a warning; of several
        metrics the first one counts, with a warning that points to `best_runs()`.
        """
        if best not in ("last", "best"):
            raise UsageError(f"best_run(best=…) takes 'last' (W&B's) or 'best', not {best!r}")
        runs = self.runs
        if not runs:
            return None
        config = self._config
        if order is None and config.metrics:
            names = ", ".join(goal.metric for goal in config.goals)
            termwarn(f"sweep {self.id} has several metrics ({names}): best_run() goes by the first; see best_runs()")
        order = order or self.order
        if order is None:
            termwarn(f"sweep {self.id} has no metric: best_run() is its newest run")
            return runs[-1]
        metric, sign = order.lstrip("+-").removeprefix("summary_metrics."), -1.0 if order.startswith("-") else 1.0
        scored = [
            (sign * value, run) for run in runs if (value := run._value(metric, sign, best == "best")) is not None
        ]
        return min(scored, key=lambda pair: pair[0])[1] if scored else None

    def best_runs(self) -> list[PublicRun]:
        """The Pareto front: the runs that no other run beats in one metric without being worse in another, by their
        summary values, the best of the first metric first. A run that lacks a finite value of a metric is not among them.
        With one metric: the runs with its best value.

        >>> [run.summary["loss"] for run in Api().sweep(sweep_id).best_runs()]      # doctest: +SKIP

        UsageError for a sweep without a metric.
        """
        goals, runs = self._config.goals, {RunId(run.id): run for run in self.runs}
        if not goals:
            raise UsageError(f"sweep {self.id} has no metric, so that none of its runs is the best; give it `metric`")
        rows = [run._row for run in runs.values()]
        unseen = [goal.metric for goal in goals if all(summary_value(row.summary, goal.metric) is None for row in rows)]
        if rows and unseen:
            termwarn(f"no run of sweep {self.id} has a finite value of {', '.join(unseen)}: none is among the best")
        return [runs[row.id] for row in best_runs(rows, goals)]

    def to_dataframe(self) -> Any:
        """A pandas DataFrame with one row per run: `df["config.lr"]`, `df["summary.loss"]`; times are unix seconds."""
        return as_frame(self._begun)

    def to_csv(self, path: str | Path) -> Path:
        """Write the same as a CSV file: `sweep.to_csv("runs.csv")`. Returns its path."""
        return _write(path, as_csv(self._begun))

    def to_yaml(self, path: str | Path) -> Path:
        """Write the sweep's configuration as a sweep file, from which `wandb.sweep("sweep.yaml")` makes another one."""
        return _write(path, as_yaml(self.config))

    def report(self, path: str | Path, metric: str | None = None) -> Path:
        """Write one HTML file of some 2 MB that needs no network: what was searched, the best configuration, the best runs, and
        the figures of `sw.plot`: `sweep.report("digits.html")`.
        """
        from .report import html as report_html

        return _write(path, report_html(self, metric))

    @property
    def _begun(self) -> Iterable[Run]:
        return (run._row for run in self.runs)

    def importance(self, metric: str | None = None) -> Importances:
        """How much each parameter matters for a metric (by default the sweep's first), by functional ANOVA.

        >>> {name: found.share for name, found in Api().sweep(sweep_id).importance().items()}      # doctest: +SKIP
        {'lr': 0.71, 'layers': 0.12}

        UsageError for a sweep without a metric. Needs scikit-learn, and some tens of runs to mean much.
        """
        from .importance import importance  # scikit-learn: only who asks for it waits for it

        config = self._config
        if metric is None and not config.goals:
            raise UsageError(f"sweep {self.id} has no metric; name one: importance('loss')")
        return importance(self._store.runs(SweepId(self.id)), config.space, metric or config.goals[0].metric)

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
        """Why the search chose this configuration; `search.reasons.REASONS` says what the keys mean."""
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

    def to_yaml(self, path: str | Path) -> Path:
        """Write its configuration as YAML: `sweep.best_run().to_yaml("best.yaml")`. Returns the path."""
        return _write(path, as_yaml(self.config))

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


def _write(path: str | Path, text: str) -> Path:
    path = Path(path)
    path.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    return path
