"""`run.summary`: one value per metric, the last logged one unless `define_metric` says otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, field, frozen

from .errors import Error
from .values import native

_OPS = frozenset({"min", "max", "mean", "last", "first", "best", "copy", "none"})


@frozen
class MetricRule:
    """What `define_metric` asked for one name or a name with a trailing `*`."""

    name: str
    ops: frozenset[str] = frozenset()
    maximize: bool = False
    step_metric: str | None = None
    step_sync: bool = False

    def covers(self, key: str) -> bool:
        return key.startswith(self.name[:-1]) if self.name.endswith("*") else key == self.name


def metric_rule(
    name: str, step_metric: str | None, step_sync: bool | None, summary: str | None, goal: str | None
) -> MetricRule:
    """The rule of one `define_metric` call; raises Error for what W&B refuses."""
    if not name or not isinstance(name, str) or "*" in name[:-1]:
        raise Error(f"define_metric: {name!r} is not a metric name (a `*` is allowed at the end only)")
    ops = frozenset(op.strip().lower() for op in summary.split(",")) if summary else frozenset()
    if unknown := ops - _OPS:
        raise Error(
            f"define_metric({name!r}): unknown summary {', '.join(sorted(unknown))}; known: {', '.join(sorted(_OPS))}"
        )
    if goal is not None and goal not in ("minimize", "maximize"):
        raise Error(f"define_metric({name!r}): goal must be 'minimize' or 'maximize', not {goal!r}")
    synced = step_metric is not None if step_sync is None else step_sync
    return MetricRule(name, ops, goal == "maximize", step_metric, synced)


@define
class _Tracked:
    n: int = 0
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    first: Any = None
    last: Any = None

    def add(self, value: float) -> None:
        if self.n == 0:
            self.first = value
        self.n += 1
        self.last = value
        self.total += value
        self.low, self.high = min(self.low, value), max(self.high, value)

    def shown(self, rule: MetricRule) -> dict[str, Any]:
        best = self.high if rule.maximize else self.low
        known = {"min": self.low, "max": self.high, "mean": self.total / max(self.n, 1), "first": self.first}
        known |= {"last": self.last, "best": best}
        return {op: known[op] for op in sorted(rule.ops & known.keys())}


@define(eq=False)
class RunSummary:
    """`summary["loss"]`, `summary.loss`, `summary.update({...})`; missing keys raise KeyError (attributes too, as in W&B)."""

    _values: dict[str, Any] = field(factory=dict)
    _rules: list[MetricRule] = field(factory=list)
    _tracked: dict[str, _Tracked] = field(factory=dict)
    _fixed: set[str] = field(factory=set)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        return self._values[key]

    def __setattr__(self, key: str, value: Any) -> None:
        if key in ("_values", "_rules", "_tracked", "_fixed"):
            object.__setattr__(self, key, value)
        else:
            self[key] = value

    def __setitem__(self, key: str, value: Any) -> None:
        self._values[key] = native(value, f"summary.{key}")
        self._fixed.add(key)

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    def get(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def keys(self) -> list[str]:
        return list(self._values)

    def items(self) -> list[tuple[str, Any]]:
        return list(self._values.items())

    def update(self, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            self[key] = value

    @property
    def ruled(self) -> bool:
        """Whether any `define_metric` or explicit value wants more than "the last one"."""
        return bool(self._rules or self._fixed)

    def define(self, rule: MetricRule) -> None:
        self._rules = [known for known in self._rules if known.name != rule.name] + [rule]

    def rule(self, key: str) -> MetricRule | None:
        exact = [r for r in self._rules if r.name == key]
        return exact[0] if exact else next((r for r in reversed(self._rules) if r.covers(key)), None)

    def logged(self, row: Mapping[str, Any]) -> None:
        """Take in a logged row: by default the last value of each key stands; None stands for nothing."""
        if not self.ruled:
            self._values.update(row)
            return
        for key, value in row.items():
            if key not in self._fixed:
                self._take(key, value, self.rule(key))

    def _take(self, key: str, value: Any, rule: MetricRule | None) -> None:
        ops = rule.ops if rule else frozenset()
        if "none" in ops:
            return
        if rule is None or not ops or ops == {"copy"} or isinstance(value, bool) or not isinstance(value, (int, float)):
            self._values[key] = value
            return
        tracked = self._tracked.setdefault(key, _Tracked())
        tracked.add(value)
        self._values[key] = tracked.shown(rule)
