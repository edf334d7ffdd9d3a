"""A sweep configuration: W&B's dict, read once, checked in full, frozen.

`SweepConfig.parse` reports every problem at once, each with its path and its mend. What can still run becomes a
violation, as with W&B, whose words are kept; what cannot raises one ConfigError.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

from attrs import field, frozen

from .fields import Field, Problems, did_you_mean, missing, short, unexpected
from .metricspec import METRIC_MEND, Metric, ended_by, read_metric, read_metrics
from .parameters import TOO_ENTANGLED, Space
from .parameters.spec import place, read_space
from .runs import Goal
from .sources import read
from .stoppingspec import read_stopping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

METHODS = ("bayes", "random", "grid", "custom")

FIELDS: Mapping[str, Field] = {
    "method": Field("string", "How configurations are chosen.", one_of=METHODS),
    "parameters": Field("object", "What is searched.", filled=True),
    "metric": Field("object", "What is optimised.", None),
    "metrics": Field("array", "Several things that are optimised at once, instead of `metric`.", None),
    "early_terminate": Field("object", "Which runs are stopped early.", None),
    "run_cap": Field("integer", "The sweep finishes after this many runs, over all agents.", None, above=0),
    "seed": Field("integer", "Makes the suggestions repeatable.", None, least=0, most=2**63 - 1),
    "without_replacement": Field("boolean", "With random: no configuration twice, until all are used.", False),
    "name": Field("string", "The name of the sweep.", None),
    "description": Field("string", "What the sweep is for.", None),
    "project": Field("string", "The project it belongs to.", None),
    "entity": Field("string", "The user or team it belongs to.", None),
    "program": Field("string", "The script that agents without a function run.", None),
    "command": Field("array", "How the program is run: ['python', '${program}', '${args}'].", None, filled=True),
    "controller": Field("object", "Who steers the sweep.", None),
}
"""Every key of a configuration that means something here."""
CONTROLLER = Field("string", "'local': your own loop steers; 'cloud': the agents do.", one_of=("local", "cloud"))
LAUNCH: Mapping[str, Field] = {
    "job": Field("string", "W&B Launch; ignored.", None),
    "image_uri": Field("string", "W&B Launch; ignored.", None),
    "scheduler": Field("object", "W&B Launch; ignored.", None),
    "apiVersion": Field("string", "W&B Launch; ignored.", None),
    "kind": Field("string", "W&B Launch; ignored.", None, one_of=("sweep",)),
}
"""Keys that are kept and ignored."""
_PLAIN = tuple(key for key, known in FIELDS.items() if not known.required and known.kind not in ("object", "array"))
_VITAL = ("run_cap", "seed", "without_replacement")
"""Keys that must not be dropped when they are wrong: without them the sweep would be another, or never end."""


# -- the facts ----------------------------------------------------------------------------------------------------


@frozen
class SweepConfig:
    """One sweep as configured. Equal to another if they mean the same, whatever was left to defaults.

    >>> config = SweepConfig.parse({"method": "random", "parameters": {"lr": {"min": 0.0, "max": 0.1}}})
    >>> config.space.searchable, config.violations
    ((('lr',),), ())
    """

    method: str
    """grid, random, bayes or custom."""
    space: Space
    metric: Metric | None = None
    """The only thing that is optimised, if it is one."""
    metrics: tuple[Metric, ...] = ()
    """What is optimised at once, if it is several things."""
    early_terminate: Mapping[str, Any] | None = None
    """With defaults filled in: `{"type": "hyperband", "min_iter": 3, "eta": 3, "strict": True}`; with several metrics
    "metric" names the one it goes by."""
    run_cap: int | None = None
    seed: int | None = None
    without_replacement: bool = False
    program: str | None = None
    command: tuple[str, ...] | None = None
    name: str | None = None
    description: str | None = None
    project: str | None = None
    entity: str | None = None
    controller: str = "cloud"
    """Who steers: "local" (the user's own loop) or "cloud" (whoever runs an agent)."""
    violations: tuple[str, ...] = ()
    """What is wrong with the configuration although it can run; W&B prints such things and goes on."""
    _given: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)

    @property
    def objectives(self) -> tuple[Metric, ...]:
        """All that is optimised: nothing, the one metric, or the several."""
        return (self.metric,) if self.metric else self.metrics

    @property
    def goals(self) -> tuple[Goal, ...]:
        """All that is optimised, as searchers see it."""
        return tuple(metric.aim for metric in self.objectives)

    @property
    def goal(self) -> Goal | None:
        """The metric as searchers and stoppers see it; None without one, or with several."""
        return None if self.metric is None else self.metric.aim

    @property
    def watched(self) -> Goal | None:
        """What early stopping goes by: the one metric, or of several that which `early_terminate.metric` names."""
        named = (self.early_terminate or {}).get("metric")
        return next((goal for goal in self.goals if goal.metric == named), self.goal)

    @classmethod
    def parse(cls, source: Any) -> SweepConfig:
        """The configuration that a user gave: see `sources.read` for what it may be.

        >>> SweepConfig.parse("{method: grid, parameters: {x: {values: [1, 2]}}}").method
        'grid'

        Raises ConfigError, which lists every problem, if the sweep cannot run.
        """
        return source if isinstance(source, cls) else _parse(read(source))

    def to_dict(self) -> dict[str, Any]:
        """What the user gave, as JSON values, with nothing added; `parse` makes the same configuration of it."""
        return copy.deepcopy(dict(self._given))


# -- parsing ------------------------------------------------------------------------------------------------------


def _parse(given: dict[str, Any]) -> SweepConfig:
    problems = Problems()
    for key in given:
        if key not in FIELDS and key not in LAUNCH:
            problems.warn(key, unexpected(key, [*FIELDS, *LAUNCH]))
    for key, known in LAUNCH.items():
        if key in given and (complaint := known.complaint(given[key])):
            problems.warn(key, complaint)
    plain = {key: _plain(given, key, problems) for key in _PLAIN}
    method = _method(given, problems)
    space = _space(given, problems)
    metric, metrics = read_metric(given, problems), read_metrics(given, problems)
    objectives = (metric,) if metric else metrics
    early_terminate = read_stopping(given, [it.name for it in objectives], problems)
    objectives = ended_by(objectives, early_terminate)
    _check_method(method, space, objectives, plain["without_replacement"], problems)
    command, controller = _command(given, problems), _controller(given, problems)
    problems.settle()
    return SweepConfig(
        method=method,
        space=space,
        metric=objectives[0] if len(objectives) == 1 else None,
        metrics=objectives if len(objectives) > 1 else (),
        early_terminate=early_terminate,
        command=command,
        controller=controller,
        violations=tuple(problems.violations),
        given=given,
        **plain,
    )


def _plain(given: Mapping[str, Any], key: str, problems: Problems) -> Any:
    """The value of a key that needs nothing else, or its default."""
    known, value = FIELDS[key], given.get(key, FIELDS[key].default)
    complaint = known.complaint(value) if key in given else None
    if complaint:
        report = problems.fail if key in _VITAL and value is not None else problems.warn
        report(key, complaint)
        return known.default
    return int(value) if isinstance(value, float) else value


def _method(given: Mapping[str, Any], problems: Problems) -> str:
    method = given.get("method")
    if "method" not in given:
        problems.fail("method", f"{missing('method')}; it is one of {list(METHODS)}")
    elif method not in METHODS:
        problems.fail("method", f"{short(method)} is not one of {list(METHODS)}{did_you_mean(method, METHODS)}")
    return str(method)


def _space(given: Mapping[str, Any], problems: Problems) -> Space:
    if "parameters" in given:
        return read_space(given["parameters"], problems)
    problems.fail(
        "parameters",
        "`parameters` is required unless `scheduler.search_space` is set. "
        "Write {'parameters': {'lr': {'min': 0.0, 'max': 0.1}}}",
    )
    return Space({})


def _command(given: Mapping[str, Any], problems: Problems) -> tuple[str, ...] | None:
    if "command" not in given:
        return None
    command = given["command"]
    if isinstance(command, str):
        problems.warn("command", f"{short(command)} is not of type 'array'; write {command.split()}")
        return None
    complaint = FIELDS["command"].complaint(command)
    if complaint:
        problems.warn("command", complaint)
        return None
    words = [word for word in command if isinstance(word, (str, int, float))]
    if len(words) < len(command):
        problems.warn("command", f"{short(command)} holds more than strings; it is ignored")
        return None
    return tuple(str(word) for word in words)


def _controller(given: Mapping[str, Any], problems: Problems) -> str:
    if "controller" not in given:
        return "cloud"
    section = given["controller"]
    if not isinstance(section, dict):
        hint = f"; write {{'type': {section!r}}}" if isinstance(section, str) else ""
        problems.warn("controller", f"{short(section)} is not of type 'object'{hint}")
    elif "type" not in section:
        problems.warn("controller", f"{missing('type')}; write {{'type': 'local'}}")
    else:
        complaint = CONTROLLER.complaint(section["type"])
        if complaint is None:
            return cast("str", section["type"])
        problems.warn("controller.type", complaint)
    return "cloud"


# -- what a method needs ------------------------------------------------------------------------------------------


def _check_method(
    method: str, space: Space, objectives: Sequence[Metric], without_replacement: bool, problems: Problems
) -> None:
    if method == "grid":
        _check_grid(space, problems)
    if method == "bayes":
        _check_bayes(space, objectives, problems)
    if not without_replacement:
        return
    if method != "random":
        problems.warn("without_replacement", f"means something with method random only, not with {method}")
    endless = [path for path, parameter in space.parameters.items() if parameter.choices() is None]
    for path in endless if method == "random" else ():
        problems.fail("without_replacement", f"needs values that can be listed, and {place(path)} has too many")
    if method == "random" and not endless and space.size() is None:
        problems.fail("parameters", TOO_ENTANGLED)


def _check_grid(space: Space, problems: Problems) -> None:
    listed = [parameter.grid() is not None for parameter in space.parameters.values()]
    if all(listed) and space.grid_size() is None:
        problems.fail("parameters", TOO_ENTANGLED)
    for path, parameter in space.parameters.items():
        if parameter.grid() is None:
            problems.fail(
                place(path),
                f"Parameter {'.'.join(path)} is a disallowed type with grid search. Grid search requires all "
                "parameters to be categorical, constant, int_uniform, or q_uniform. Specification of probabilities "
                "for categorical parameters is disallowed in grid search; list values, or use method random or bayes",
            )


def _check_bayes(space: Space, objectives: Sequence[Metric], problems: Problems) -> None:
    if not objectives:
        problems.fail("metric", f'Bayesian search requires "metric" section; {METRIC_MEND}')
    broken = any(failure.startswith("parameters") for failure in problems.failures)
    if not space.searchable and not broken:
        mend = "Give one of them several values, or min and max"
        problems.fail("parameters", f"Need at least one searchable parameter for bayes search. {mend}")
