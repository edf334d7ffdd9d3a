"""Numbering the combinations of finite parameters, of which some exist only for certain values of others.

With every parameter always there, a combination is a number in a mixed radix. Conditions make a tree of it: parameters
that have nothing to do with each other multiply, and the values of a parameter that others depend on add up. Such a tree
counts, finds the n-th combination and the number of a combination without listing any (an AND/OR search space: Dechter and
Mateescu, Artificial Intelligence 171, 2007).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Protocol, TypeAlias

from attrs import frozen

from ..errors import ConfigError
from .conditions import Path

Needs: TypeAlias = Mapping[Path, Mapping[Path, frozenset[int]]]
"""Parameter → ancestor → positions of the ancestor's values where the parameter is there."""
_Member: TypeAlias = tuple[Path, frozenset[Path]]
"""A parameter that may be there, and the ancestors that still have to be asked."""

DEEPEST, MOST = 100, 100_000
"""Limits of the tree and of the steps to make it. Conditions on a few parameters at a time stay far below them."""
TOO_ENTANGLED = (
    "too many parameters depend on too many others to count the configurations; give each fewer conditions, or use "
    "method random or bayes"
)


class Combinations:
    """All combinations, numbered 0 … size - 1. Of parameters that are always there, the last varies fastest; a parameter
    that others depend on changes slower than these.

    >>> sgd, momentum = ("optimizer",), ("momentum",)
    >>> combinations = Combinations({sgd: 2, momentum: 3}, {momentum: {sgd: frozenset({0})}})
    >>> combinations.size, [combinations.positions(n) for n in (2, 3)]
    (4, [{('optimizer',): 0, ('momentum',): 2}, {('optimizer',): 1}])
    >>> combinations.number({sgd: 1})
    3
    """

    def __init__(self, counts: Mapping[Path, int], needs: Needs) -> None:
        """How many values each parameter has, and where the conditional ones are there.

        ConfigError if so many conditions depend on so many parameters at once that counting takes too long.
        """
        there = [path for path in counts if all(needs.get(path, {}).values())]
        self._tree = _Builder(counts, needs).all([(path, frozenset(needs.get(path, ()))) for path in there])
        self.size = self._tree.size

    def positions(self, number: int) -> dict[Path, int]:
        """Which value each parameter of a combination has; parameters that are not there are left out."""
        positions: dict[Path, int] = {}
        self._tree.positions(number, positions)
        return positions

    def number(self, positions: Mapping[Path, int]) -> int | None:
        """The number of a combination; None if it lacks a parameter. Parameters that should not be there do not matter."""
        return self._tree.number(positions)


# -- the tree -----------------------------------------------------------------------------------------------------


class _Node(Protocol):
    @property
    def size(self) -> int: ...

    def positions(self, number: int, into: dict[Path, int]) -> None: ...

    def number(self, positions: Mapping[Path, int]) -> int | None: ...


@frozen(eq=False)
class _One:
    """A parameter that nothing depends on."""

    path: Path
    size: int

    def positions(self, number: int, into: dict[Path, int]) -> None:
        into[self.path] = number

    def number(self, positions: Mapping[Path, int]) -> int | None:
        return positions.get(self.path)


@frozen(eq=False)
class _All:
    """Parts that have nothing to do with each other: each goes with each."""

    parts: Sequence[_Node]
    size: int

    def positions(self, number: int, into: dict[Path, int]) -> None:
        for part in reversed(self.parts):
            number, rest = divmod(number, part.size)
            part.positions(rest, into)

    def number(self, positions: Mapping[Path, int]) -> int | None:
        number = 0
        for part in self.parts:
            rest = part.number(positions)
            if rest is None:
                return None
            number = number * part.size + rest
        return number


@frozen(eq=False)
class _Choice:
    """A parameter that others depend on. Its values come in stretches, which have the same parts below them."""

    path: Path
    starts: Sequence[int]
    """Where each stretch of values begins."""
    below: Sequence[_All]
    before: Sequence[int]
    """How many combinations come before each stretch; at last, how many there are."""

    @property
    def size(self) -> int:
        return self.before[-1]

    def positions(self, number: int, into: dict[Path, int]) -> None:
        stretch = bisect_right(self.before, number) - 1
        step, rest = divmod(number - self.before[stretch], self.below[stretch].size)
        into[self.path] = self.starts[stretch] + step
        self.below[stretch].positions(rest, into)

    def number(self, positions: Mapping[Path, int]) -> int | None:
        position = positions.get(self.path)
        if position is None:
            return None
        stretch = bisect_right(self.starts, position) - 1
        below = self.below[stretch]
        rest = below.number(positions)
        return None if rest is None else self.before[stretch] + (position - self.starts[stretch]) * below.size + rest


class _Builder:
    def __init__(self, counts: Mapping[Path, int], needs: Needs) -> None:
        self._counts = counts
        self._needs = needs
        self._known: dict[tuple[_Member, ...], _Node] = {}
        self._steps = 0

    def all(self, members: Sequence[_Member], depth: int = 0) -> _All:
        parts = [self._part(tuple(part), depth) for part in _components(members)]
        return _All(parts, math.prod(part.size for part in parts))

    def _part(self, members: tuple[_Member, ...], depth: int) -> _Node:
        if len(members) == 1:
            return _One(members[0][0], self._counts[members[0][0]])
        if members not in self._known:
            self._known[members] = self._choice(members, depth)
        return self._known[members]

    def _choice(self, members: Sequence[_Member], depth: int) -> _Choice:
        """Asks the parameter that most others wait for, which itself waits for none."""
        free = [path for path, waits in members if not waits]
        asked = max(free, key=lambda path: sum(path in waits for _, waits in members))
        asking = {path: self._needs[path][asked] for path, waits in members if asked in waits}
        named = frozenset().union(*asking.values())
        starts = sorted({0, *named, *(i + 1 for i in named if i + 1 < self._counts[asked])})
        self._steps += len(starts) * len(members)
        if depth > DEEPEST or self._steps > MOST:
            raise ConfigError(f"parameters: {TOO_ENTANGLED}")
        below = [
            self.all(
                [
                    (path, waits - {asked})
                    for path, waits in members
                    if path != asked and start in asking.get(path, (start,))
                ],
                depth + 1,
            )
            for start in starts
        ]
        lengths = [end - start for start, end in zip(starts, [*starts[1:], self._counts[asked]], strict=True)]
        sizes = (length * node.size for length, node in zip(lengths, below, strict=True))
        return _Choice(asked, starts, below, [0, *accumulate(sizes)])


def _components(members: Sequence[_Member]) -> list[list[_Member]]:
    """The members in groups that do not depend on each other, in order of their first members."""
    group_of: dict[Path, list[Path]] = {path: [path] for path, _ in members}
    for path, waits in members:
        for ancestor in waits:
            one, other = group_of[path], group_of[ancestor]
            if one is not other:
                small, large = sorted((one, other), key=len)
                large += small
                group_of.update(dict.fromkeys(small, large))
    found: dict[int, list[_Member]] = {}
    for member in members:
        found.setdefault(id(group_of[member[0]]), []).append(member)
    return list(found.values())
