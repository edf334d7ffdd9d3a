"""The `early_terminate` section of a sweep configuration: what each way to stop runs early may be told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import frozen

from .fields import Field, Problems, did_you_mean, read_settings, short
from .metricspec import METRIC_MEND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

WATCHED = Field("string", "With several metrics: the name of the one that it goes by.", None, filled=True)
"""The key `metric` under `early_terminate`, whatever its type."""


@frozen
class Stopping:
    """What a configuration may say of one way to stop runs early."""

    doc: str
    fields: Mapping[str, Field]
    any_of: tuple[tuple[str, ...], ...] = ()
    """Sets of keys; one of them must be given."""
    settle: Callable[[dict[str, Any]], dict[str, Any]] = lambda settings: settings
    """Puts the filled-in settings in order; ValueError says what is wrong with them together."""
    needs_metric: bool = True
    """Whether the sweep cannot run without a metric (otherwise nothing is stopped)."""


def _settle_hyperband(settings: dict[str, Any]) -> dict[str, Any]:
    by_max = settings["max_iter"] is not None and settings["s"] is not None
    if by_max and (settings["s"] < 1 or settings["max_iter"] / settings["eta"] < 1):
        mend = "Try increasing s, decreasing eta, or increasing min_iter."
        raise ValueError(f"Bands must be an array of length at least 1. {mend} (or max_iter)")
    unused = ("min_iter",) if by_max else ("max_iter", "s")
    return {key: value for key, value in settings.items() if key not in unused}


def _settle_asha(settings: dict[str, Any]) -> dict[str, Any]:
    if settings["max_iter"] is None:
        return {key: value for key, value in settings.items() if key != "max_iter"}
    if settings["max_iter"] <= settings["min_iter"]:
        raise ValueError(f"max_iter ({settings['max_iter']}) must be greater than min_iter ({settings['min_iter']})")
    return settings


STOPPING: Mapping[str, Stopping] = {
    "hyperband": Stopping(
        "Stops a run that is not among the best 1/eta when it reaches a band.",
        {
            "min_iter": Field("integer", "The first band; the next are eta times as far.", None, least=1),
            "max_iter": Field("integer", "Where the last run ends; with s, and instead of min_iter.", None),
            "s": Field("integer", "How many bands there are below max_iter.", None),
            "eta": Field("number", "The best 1/eta of the runs continue.", 3, above=1),
            "strict": Field("boolean", "Compare the value at the band, not the best so far.", True),
        },
        any_of=(("min_iter",), ("max_iter", "s")),
        settle=_settle_hyperband,
    ),
    "envelope": Stopping(
        "Stops a run that is worse than all of the best finished runs were at that step.",
        {
            "fraction": Field("number", "The share of finished runs that make the envelope.", 0.3, above=0, most=1),
            "min_runs": Field("integer", "Finished runs needed before any is stopped.", 3, least=1),
            "start_iter": Field("integer", "No run is stopped before this step.", 3, least=0),
        },
        needs_metric=False,
    ),
    "median": Stopping(
        "Stops a run whose best value is worse than the median of the finished runs' averages up to that step.",
        {
            "min_iter": Field("integer", "No run is stopped before this step.", 5, least=1),
            "min_runs": Field("integer", "Finished runs needed before any is stopped.", 5, least=1),
            "percentile": Field(
                "number", "Keep up with the best so many percent; 50: the median.", 50, above=0, most=100
            ),
            "interval": Field("integer", "From min_iter on, runs are judged every so many steps.", 1, least=1),
        },
    ),
    "asha": Stopping(
        "Stops a run that is not among the best 1/eta of the runs that reached a rung before it.",
        {
            "min_iter": Field("integer", "The first rung; the next are eta times as far.", least=1),
            "eta": Field("number", "The best 1/eta of the runs continue.", 3, above=1),
            "max_iter": Field("integer", "Where a whole run ends: there is no rung from there on.", None, least=1),
        },
        settle=_settle_asha,
    ),
    "target": Stopping(
        "Stops a run that has reached a value.",
        {
            "value": Field("number", "The value of the metric that is good enough."),
            "scope": Field(
                "string", "'sweep': the whole sweep ends once a run has reached it.", "run", one_of=("run", "sweep")
            ),
        },
    ),
}
"""Ways to stop runs early, by `early_terminate.type`. A new one is a line here."""


def read_stopping(given: Mapping[str, Any], metrics: Sequence[str], problems: Problems) -> Mapping[str, Any] | None:
    """The settings under `early_terminate`, defaults filled in; None if there is nothing to stop by. `metrics` are the
    names of what the sweep optimises.
    """
    if "early_terminate" not in given:
        return None
    section = given["early_terminate"]
    if section is None:
        problems.warn("early_terminate", f"{_fits_no_schema(section)}; leave the key out")
        return None
    kind = section.get("type") if isinstance(section, dict) else None
    if kind is None:
        problems.fail("early_terminate", f"{_fits_no_schema(section)}; write {{'type': 'hyperband', 'min_iter': 3}}")
        return None
    if not isinstance(kind, str) or kind not in STOPPING:
        problems.fail(
            "early_terminate.type",
            f"Invalid early stopping type {kind}, must be one of {json.dumps(list(STOPPING))}"
            f"{did_you_mean(kind, STOPPING)}",
        )
        return None
    stopping, before = STOPPING[kind], len(problems.failures)
    rest = {key: value for key, value in section.items() if key != "type"}
    fields = {**stopping.fields, "metric": WATCHED}
    settings = read_settings(rest, fields, "early_terminate", problems, problems.fail)
    watched = settings.pop("metric", None)
    if len(problems.failures) == before:
        try:
            settings = _settle(stopping, settings)
        except ValueError as error:
            problems.fail("early_terminate", f"{error}; {_fits_no_schema(section)}")
    _check_watched(watched, metrics, stopping, problems)
    return {"type": kind, **settings, **({"metric": watched} if len(metrics) > 1 else {})}


def _check_watched(watched: str | None, metrics: Sequence[str], stopping: Stopping, problems: Problems) -> None:
    if not metrics:
        report = problems.fail if stopping.needs_metric else problems.warn
        report("early_terminate", f'early terminate requires "metric" section; {METRIC_MEND}')
    elif watched is None and len(metrics) > 1:
        problems.fail(
            "early_terminate",
            f"the sweep has {len(metrics)} metrics, and a run is stopped by one; name it: add 'metric': {metrics[0]!r}",
        )
    elif watched is not None and watched not in metrics:
        problems.fail(
            "early_terminate.metric",
            f"{short(watched)} is not one of {list(metrics)}{did_you_mean(watched, metrics)}",
        )


def _settle(stopping: Stopping, settings: dict[str, Any]) -> dict[str, Any]:
    if stopping.any_of and not any(all(settings[key] is not None for key in keys) for keys in stopping.any_of):
        raise ValueError(f"needs {', or '.join(' and '.join(keys) for keys in stopping.any_of)}")
    return stopping.settle(settings)


def _fits_no_schema(section: Any) -> str:
    return f"{short(section)} is not valid under any of the given schemas"
