"""A finite space as numbered cells, and the walk over them that skips what runs already cover.

Nothing is ever listed: a cell is computed from its number and a number from its cell, so a grid of 10^18 cells costs what
one of ten does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any

from ..bookmark import Bookmark
from ..model import Run, RunId
from ..parameters import Path, Space, key
from ..runs import Runs
from .permutation import Permutation


class Axis:
    """The values of one parameter, by position and back."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values
        # Listed values have no order; the others are numbers that rise, and may be too many for a table.
        listed = isinstance(values, (list, tuple))
        self._table = {key(value): i for i, value in enumerate(values)} if listed else None

    def find(self, value: Any) -> int | None:
        """The position of an equal value (see `parameters.key`), or None."""
        if self._table is not None:
            return self._table.get(key(value))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        i = bisect_left(self.values, value)
        return i if i < len(self.values) and self.values[i] == value else None


class Cells:
    """All combinations of the axes' values as numbers: the last axis varies fastest. Where a parameter is not active its
    values make no difference, and no further cells (see `parameters.combinations`).

    >>> cells = Cells(space, {("a",): (1, 2), ("b",): ("x", "y", "z")})      # doctest: +SKIP
    >>> cells.size, cells.config(4), cells.find({"a": 2, "b": "y"})      # doctest: +SKIP
    (6, {'a': 2, 'b': 'y'}, 4)
    """

    def __init__(self, space: Space, values: Mapping[Path, Sequence[Any]]) -> None:
        self._space = space
        self._axes = {path: Axis(of_one) for path, of_one in values.items()}
        self._combinations = space.combinations(values)
        self.size = self._combinations.size

    def config(self, cell: int) -> dict[str, Any]:
        """What a run of this cell is given, constants included."""
        positions = self._combinations.positions(cell)
        return self._space.nest({path: self._axes[path].values[i] for path, i in positions.items()})

    def find(self, config: Mapping[str, Any]) -> int | None:
        """The cell of a run's config; None if it lacks a parameter or lies outside. Other keys do not matter."""
        positions: dict[Path, int] = {}
        for path, value in self._space.flatten(config).items():
            axis = self._axes.get(path)
            i = axis.find(value) if axis else None
            if i is not None:
                positions[path] = i
        return self._combinations.number(positions)


class Walk:
    """A walk over all cells, 0, 1, 2, … or in a given order, that leaves out those a run (in whatever state) covers.

    Looks at each run when it arrives and, as configs can still be edited, again while it is active and when it ends.
    """

    def __init__(self, cells: Cells, order: Permutation | None = None) -> None:
        self._cells = cells
        self._order = order
        self._bookmark = Bookmark()
        self._clear()

    def free(self, runs: Runs, n: int) -> Sequence[int]:
        """The first n cells that no run covers; fewer when there are no more."""
        self._follow(runs)
        found: list[int] = []
        position = self._free_from(0)
        while len(found) < n and position < self._cells.size:
            found.append(self._order(position) if self._order else position)
            position = self._free_from(position + 1)
        return found

    def _place(self, run: Run) -> int | None:
        """Where on the walk the run's config stands."""
        cell = self._cells.find(run.config)
        return cell if cell is None or self._order is None else self._order.inverse(cell)

    def _clear(self) -> None:
        self._places: dict[RunId, int | None] = {}
        self._onward: dict[int, int] = {}
        """Covered position → a later one; all between are covered. A union–find forest, its roots being free."""

    def _follow(self, runs: Runs) -> None:
        if not self._bookmark.fits(runs):
            self._clear()
        new = [runs[run_id] for run_id in self._bookmark.arrived(runs)]
        ended = [runs[run_id] for run_id in self._bookmark.ended(runs)]
        if any(self._moved(run) for run in [*ended, *runs.active.values()]):
            self._clear()
            new = list(runs)
        for run in new:
            self._cover(run)

    def _moved(self, run: Run) -> bool:
        """Whether a run we know has left its place: its config was edited."""
        return run.id in self._places and self._places[run.id] != self._place(run)

    def _cover(self, run: Run) -> None:
        position = self._places[run.id] = self._place(run)
        if position is not None:
            self._onward.setdefault(position, position + 1)

    def _free_from(self, position: int) -> int:
        """The first free position from here on, with path halving (Tarjan and van Leeuwen, JACM 31, 1984)."""
        onward = self._onward
        while (step := onward.get(position)) is not None:
            onward[position] = position = onward.get(step, step)
        return position
