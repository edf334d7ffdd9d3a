"""The `metric` and `metrics` sections of a sweep configuration: what is optimised, one thing or several at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from attrs import evolve, frozen

from .fields import Field, Problems, read_settings, short
from .runs import Goal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

METRIC_MEND = "write {'metric': {'name': 'loss', 'goal': 'minimize'}}"
_METRICS_MEND = "write [{'name': 'loss', 'goal': 'minimize'}, {'name': 'accuracy', 'goal': 'maximize'}]"

_IMPUTE = ("latest", "best", "worst")
METRIC: Mapping[str, Field] = {
    "name": Field("string", "The key that training logs: log({'loss': …}).", filled=True),
    "goal": Field("string", "Whether smaller or larger is better.", "minimize", one_of=("minimize", "maximize")),
    "target": Field("number", "The sweep finishes once a run has reached this value.", None),
    "impute": Field("string", "What counts for a run that failed, in bayes.", "worst", one_of=_IMPUTE),
    "impute_while_running": Field(
        "string", "What counts for a run that is still running, in bayes.", "false", one_of=(*_IMPUTE, "false")
    ),
}


@frozen
class Metric:
    """What is optimised, and what counts for runs that have no value of it."""

    name: str
    goal: Literal["minimize", "maximize"] = "minimize"
    target: float | None = None
    impute: str = "worst"
    impute_while_running: str = "false"

    @property
    def aim(self) -> Goal:
        """The metric as searchers and stoppers see it."""
        return Goal(self.name, self.goal == "maximize")


def read_metric(given: Mapping[str, Any], problems: Problems) -> Metric | None:
    """The section `metric`: the only thing that is optimised. None if it is not there, or says nothing."""
    return _read(given["metric"], "metric", problems, problems.warn) if "metric" in given else None


def read_metrics(given: Mapping[str, Any], problems: Problems) -> tuple[Metric, ...]:
    """The section `metrics`: several things that are optimised at once. Empty if it is not there."""
    sections = given.get("metrics")
    if "metrics" not in given:
        return ()
    if "metric" in given:
        problems.fail(
            "metrics",
            "`metric` and `metrics` cannot both be set: use `metric` for a single objective, "
            "or `metrics` for multi-objective optimization.",
        )
    if not isinstance(sections, list):
        problems.fail("metrics", f"{short(sections)} is not of type 'array'; {_METRICS_MEND}")
        return ()
    if len(sections) < 2:
        problems.fail("metrics", f"{short(sections)} is too short: name at least two, or one under `metric`")
    metrics = [_read(section, f"metrics[{i}]", problems, problems.fail) for i, section in enumerate(sections)]
    names = [metric.name for metric in metrics if metric is not None]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.fail("metrics", f"{name!r} is named {names.count(name)} times; name each metric once")
    return tuple(metric for metric in metrics if metric is not None)


def _read(section: Any, where: str, problems: Problems, report: Callable[[str, str], None]) -> Metric | None:
    if not isinstance(section, dict):
        hint = f"; write {{'name': {section!r}, 'goal': 'minimize'}}" if isinstance(section, str) else ""
        report(where, f"{short(section)} is not of type 'object'{hint}")
        return None
    settings = read_settings(section, METRIC, where, problems, report)
    return Metric(**settings) if "name" in settings else None


def ended_by(metrics: Sequence[Metric], early_terminate: Mapping[str, Any] | None) -> tuple[Metric, ...]:
    """A target stopper of the whole sweep ends it as the target of its metric does; with both, whichever is reached
    first.
    """
    if early_terminate is None or early_terminate.get("scope") != "sweep":
        return tuple(metrics)
    watched, value = early_terminate.get("metric"), early_terminate.get("value")
    return tuple(_with_target(it, value) if watched in (None, it.name) else it for it in metrics)


def _with_target(metric: Metric, value: float | None) -> Metric:
    targets = [target for target in (value, metric.target) if target is not None]
    nearest = min if metric.goal == "maximize" else max
    return evolve(metric, target=nearest(targets, default=None))
