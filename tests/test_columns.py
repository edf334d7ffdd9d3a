"""Metric columns."""

import numpy as np
from hypothesis import given, strategies as st

from sweepwidget.columns import Growing, column, concat, decimate

values = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=300)


@given(values, st.integers(4, 50))
def test_decimation_keeps_the_extremes_and_the_last_point(raw, points):
    """However far a curve is thinned out, its range and its end stay."""
    whole = column(range(len(raw)), raw)
    thin = decimate(whole, points)
    assert len(thin) <= max(points, 4)
    assert set(thin.steps.tolist()) <= set(whole.steps.tolist())
    if raw:
        assert whole.steps[-1] == thin.steps[-1]
    finite = [v for v in raw if np.isfinite(v)]
    if len(finite) == len(raw) and raw:
        assert (min(raw), max(raw)) == (thin.values.min(), thin.values.max())


@given(st.lists(values, max_size=6))
def test_concat_is_the_pieces_in_order(pieces):
    """Steps and values of all pieces, nothing else."""
    columns, start = [], 0
    for piece in pieces:
        columns.append(column(range(start, start + len(piece)), piece))
        start += len(piece)
    whole = concat(columns)
    assert list(range(start)) == whole.steps.tolist()
    np.testing.assert_array_equal([v for piece in pieces for v in piece], whole.values)


@given(st.lists(values, max_size=8))
def test_growing_holds_what_was_appended(pieces):
    """One array of everything so far, and a view taken earlier does not change."""
    growing = Growing()
    seen = []
    for piece in pieces:
        growing.extend(np.asarray(piece, float))
        seen.append((len(growing), growing.values))
    flat = [v for piece in pieces for v in piece]
    np.testing.assert_array_equal(flat, growing.values)
    for n, view in seen:
        np.testing.assert_array_equal(flat[:n], view)
