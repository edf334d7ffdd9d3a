"""From `condition: {optimizer: sgd}` to the values that a parent must have; what cannot hold is a failure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set as AbstractSet
from typing import Any

from attrs import frozen

from ..fields import Problems, did_you_mean, short
from . import CONDITION, Continuous, Parameter, Path
from .conditions import Conditions, in_order, requirements, same

DEEPEST = 50
"""How many conditions may follow from one another."""


@frozen
class Written:
    """A condition as it stands in the configuration, at a parameter or at a group of them."""

    where: str
    condition: Any
    parameters: tuple[Path, ...]
    """Which parameters it is about."""


def read_conditions(
    parameters: Mapping[Path, Parameter], broken: AbstractSet[Path], written: Sequence[Written], problems: Problems
) -> Conditions:
    """What the written conditions ask of which parent; what is wrong with them goes to `problems` and is left out.

    `broken` are parameters that are there, but cannot be read themselves.
    """
    reader = _Reader(parameters, broken, problems)
    found: dict[Path, dict[Path, Sequence[Any]]] = {}
    place: dict[Path, str] = {}
    for one in written:
        asked = list(reader.read(one.condition, one.where))
        for path in one.parameters:
            place[path] = one.where
            for parent, values in asked:
                needs = found.setdefault(path, {})
                needs[parent] = _in_both(parameters[parent], needs[parent], values) if parent in needs else values
    return _sound(parameters, found, place, problems)


def _in_both(parameter: Parameter, some: Sequence[Any], others: Sequence[Any]) -> Sequence[Any]:
    known = {same(parameter, value) for value in others}
    return [value for value in some if same(parameter, value) in known]


def _sound(
    parameters: Mapping[Path, Parameter], found: Conditions, place: Mapping[Path, str], problems: Problems
) -> Conditions:
    """Without conditions that can never hold."""
    order, circular = in_order(found)
    for circle in _circles(found, circular):
        names = " → ".join(".".join(path) for path in circle)
        problems.fail(place[circle[0]], f"depends on itself: {names}; one of them must be chosen first")
    sound = {path: found[path] for path in order}
    depth: dict[Path, int] = {}
    for path, parents in sound.items():
        depth[path] = 1 + max(depth.get(parent, 0) for parent in parents)
        if depth[path] == DEEPEST + 1:
            problems.fail(place[path], f"more than {DEEPEST} conditions follow from one another")
    dead: set[Path] = set()
    for path, needs in requirements(parameters, sound).items():
        never = next((".".join(parent) for parent, allowed in needs.items() if not allowed), None)
        if never is None:
            continue
        if dead.isdisjoint(sound[path]):
            problems.fail(place[path], f"can never hold: {never} would need two values at once; ask for one of them")
        dead.add(path)
    return sound


def _circles(conditions: Conditions, circular: Sequence[Path]) -> Iterator[list[Path]]:
    """Each circle once, as [a, b, a]."""
    seen: set[Path] = set()
    for start in circular:
        walk: list[Path] = []
        path = start
        while path not in seen:
            seen.add(path)
            walk.append(path)
            path = next(parent for parent in conditions[path] if parent in circular)
        if path in walk:
            yield [*walk[walk.index(path) :], path]


class _Reader:
    def __init__(self, parameters: Mapping[Path, Parameter], broken: AbstractSet[Path], problems: Problems) -> None:
        self._parameters = parameters
        self._broken = broken
        self._groups = {path[:i] for path in (*parameters, *broken) for i in range(1, len(path))}
        self._problems = problems

    def read(self, condition: Any, where: str, above: Path = ()) -> Iterator[tuple[Path, Sequence[Any]]]:
        """(parent, the values it may have) for each key."""
        complaint = CONDITION.complaint(condition)
        if complaint:
            self._problems.fail(where, f"{complaint}; write {{'optimizer': 'sgd'}}, or a list of values")
            return
        for name, asked in condition.items():
            here, path = f"{where}.{name}", self._find(name, above)
            if path in self._parameters:
                values = asked if isinstance(asked, list) else [asked]
                if self._takes(path, values, asked, here):
                    yield path, values
            elif path in self._groups and isinstance(asked, Mapping):
                yield from self.read(asked, here, path)
            elif path not in self._broken:
                self._problems.fail(here, self._unknown(name, path))

    def _find(self, name: str, above: Path) -> Path:
        """A name with a dot in it, or else a dotted path."""
        literal = (*above, name)
        known = literal in self._parameters or literal in self._broken or literal in self._groups
        return literal if known else (*above, *name.split("."))

    def _unknown(self, name: str, path: Path) -> str:
        names = [".".join(known) for known in self._parameters]
        if path in self._groups:
            inside = [known for known in self._parameters if known[: len(path)] == path]
            return f"is a group; ask for a parameter in it, such as '{'.'.join(inside[0] if inside else path)}'"
        same_end = [".".join(known) for known in self._parameters if known[-1] == name]
        hint = f"; did you mean '{same_end[0]}'?" if same_end else did_you_mean(".".join(path), names)
        return f"no parameter has this name{hint or f'; it is one of {short(names)}'}"

    def _takes(self, path: Path, values: Sequence[Any], asked: Any, here: str) -> bool:
        """Whether the parent can be asked for these values."""
        parent, name = self._parameters[path], ".".join(path)
        if isinstance(parent, Continuous) and not parent.constant:
            mend = "ask for values of a categorical parameter, of int_uniform, or of a q_ distribution"
            self._problems.fail(here, f"{name} is continuous ({parent.distribution}), so it equals no value; {mend}")
            return False
        if not values:
            self._problems.fail(here, "[] should be non-empty; name a value, or a list of values")
            return False
        strange = [value for value in values if not parent.contains(value)]
        if not strange:
            return True
        if isinstance(asked, list) and parent.contains(asked):
            self._problems.fail(here, f"a list stands for several values; for the value {asked} itself write [{asked}]")
            return False
        for value in strange:
            self._problems.fail(here, f"{name} is never {short(value)}{_instead(parent, value)}")
        return False


def _instead(parent: Parameter, value: Any) -> str:
    choices = parent.choices()
    if choices is None or len(choices) > 100:
        return f"; it is {short(parent.to_dict())}"
    texts = [one for one in choices if isinstance(one, str)]
    near = f"; write {str(value)!r} in quotes" if str(value) in texts else did_you_mean(value, texts)
    return near or f"; it takes {short(list(choices))}"
