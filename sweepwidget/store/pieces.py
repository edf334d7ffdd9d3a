"""Points in pieces, for a hub (or a proxy before it) that takes no body so large. Pure.

Where a piece is cut is decided by the points alone, so a delivery that is repeated is cut at the same places and what was
delivered is recognised. The offset of a cut is that of the row in the spool, as its format (see spool.py) has it: whoever
takes in what a process left after its death goes on with the right row.
"""

from __future__ import annotations

import numpy as np
from attrs import evolve

from ..model import Column, Points
from .spool import TIMESTAMP

_ROW = 24
"""Bytes of a spool's row beside its values."""


def halves(points: Points) -> tuple[Points, Points] | None:
    """The points as two pieces of about the same size that follow each other; None if there is but one row."""
    cuts = _cuts(points)
    if cuts is None:
        return None
    where, record = cuts
    late = {name: _part(column, slice(where[name], None)) for name, column in points.columns.items()}
    early = {name: _part(column, slice(where[name])) for name, column in points.columns.items()}
    middle = points.end - _size(late, points.records[record:])
    if not points.start < middle < points.end:  # these come from no spool
        middle = (points.start + points.end) // 2
    return (
        evolve(points, end=middle, columns=early, records=points.records[:record], summary=None),
        evolve(points, start=middle, columns=late, records=points.records[record:]),
    )


def _cuts(points: Points) -> tuple[dict[str, int], int] | None:
    """Where each column is cut, and the records."""
    steps = {name: column.steps for name, column in points.columns.items() if len(column)}
    at = np.array([step for step, _ in points.records], np.int64)
    rows = max([*steps.values(), at], key=len)
    if points.end - points.start < 2 or len(rows) < 2:
        return None
    if all(bool((one[1:] >= one[:-1]).all()) for one in (*steps.values(), at)):
        # Rows of one step stay together: which of their values stood in which row is not known any more.
        step = rows[len(rows) // 2]
        if step == rows[0]:
            step = rows[np.searchsorted(rows, step, "right")] if step < rows[-1] else None
        if step is not None:
            cut = {name: int(np.searchsorted(column.steps, step)) for name, column in points.columns.items()}
            return cut, int(np.searchsorted(at, step))
    return {name: len(column) // 2 for name, column in points.columns.items()}, len(at) // 2


def _size(columns: dict[str, Column], records: object) -> int:
    """Bytes in the spool."""
    texts = [len(text.encode("utf-8", "surrogatepass")) for _, text in records]  # type: ignore[attr-defined]
    rows = len(columns[TIMESTAMP]) if TIMESTAMP in columns else max(map(len, columns.values()), default=0)
    values = sum(len(column) for name, column in columns.items() if name != TIMESTAMP)
    return _ROW * rows + 8 * values + sum(_ROW + -(-size // 8) * 8 for size in texts)


def _part(column: Column, part: slice) -> Column:
    return Column(column.steps[part], column.values[part])
