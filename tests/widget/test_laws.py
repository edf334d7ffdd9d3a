"""Laws of what travels to the page: tables, curves, values."""

from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given, strategies as st

from sweepwidget.columns import column
from sweepwidget.export import column_name, leaves
from sweepwidget.model import Chunk, Run, RunId, RunState
from sweepwidget.widget.curves import Curve, by_metric, decimated, smoothed
from sweepwidget.widget.messages import Buffer, plain, unmarked
from sweepwidget.widget.plots import Points
from sweepwidget.widget.table import table

from .page import Said

floats = st.floats(width=64)
texts = st.text(st.characters(codec="utf-8"), max_size=8)
leaf = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | floats | texts
values = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
configs = st.dictionaries(texts | st.sampled_from(["a.b", "a", "$float", "\\"]), values, max_size=4)


def same(a: object, b: object) -> bool:
    """Equal, NaN to NaN, and True not to 1."""
    return repr(a) == repr(b)


@given(values)
def test_values_come_back(value):
    """What `plain` writes is strict JSON, and `unmarked` reads it back."""
    assert same(unmarked(json.loads(json.dumps(plain(value), allow_nan=False))), value)


odd = st.text(st.characters(categories=["Cs"]) | st.characters(), max_size=4)


@given(odd | st.dictionaries(odd, odd))
def test_any_text_can_be_sent(value):
    """Lone surrogates too: the message is UTF-8."""
    json.dumps(plain(value), ensure_ascii=False).encode()


@given(st.lists(configs, max_size=5))
def test_a_table_has_every_cell(configs):
    """What is in a run's config is in its row, numbers as numbers, and nothing else is."""
    runs = [Run(RunId(f"r{i}"), None, i, config, RunState.pending) for i, config in enumerate(configs)]
    buffer = Buffer()
    head = json.loads(json.dumps({"runs": table(runs, buffer)}, allow_nan=False))
    rows = Said(head, buffer.joined()).rows()
    assert [row["id"] for row in rows] == [run.id for run in runs]
    for row, config in zip(rows, configs, strict=True):
        found = {name: cell for name, cell in row.items() if name.startswith("config.")}
        wanted = {column_name("config", path): value for path, value in leaves(config)}
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            if isinstance(value, float) and isinstance(found[name], float):
                assert same(found[name], value)
            elif isinstance(value, (int, str, type(None))):
                assert found[name] == value


@given(st.lists(st.lists(texts, min_size=1, max_size=3), max_size=6))
def test_column_names_are_unique(paths):
    """Two paths have one name only if they are one path."""
    names = {column_name("config", tuple(path)) for path in paths}
    assert len(names) == len({tuple(path) for path in paths})


@given(st.lists(floats, max_size=300), st.integers(4, 60))
def test_decimation_keeps_what_matters(logged, points):
    """The smallest, the largest, whether there is anything odd, and the last point; in order, and nothing is made up."""
    whole = Curve(np.arange(len(logged), dtype=float), np.array(logged, float))
    kept = decimated(whole, points)
    finite = whole.values[np.isfinite(whole.values)]
    assert len(kept) <= max(points + points // 2, 4)
    assert all(same(kept.values[i], whole.values[int(x)]) for i, x in enumerate(kept.x))
    assert (np.diff(kept.x) > 0).all()
    if len(logged):
        assert kept.x[-1] == len(logged) - 1
    if len(finite):
        shown = kept.values[np.isfinite(kept.values)]
        assert (shown.min(), shown.max()) == (finite.min(), finite.max())
    assert np.isfinite(kept.values).all() == np.isfinite(whole.values).all()


@given(st.lists(st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf]), max_size=60), st.floats(0.01, 0.99))
def test_smoothing_is_an_average_of_what_is_finite(logged, weight):
    """The weights of the past fall by the same factor and add up to one; what is not finite stays where it is."""
    curve = smoothed(Curve(np.arange(len(logged), dtype=float), np.array(logged, dtype=float)), weight)
    assert curve.smooth is not None
    past: list[float] = []
    for value, smooth in zip(logged, curve.smooth.tolist(), strict=True):
        if not math.isfinite(value):
            assert same(value, smooth)
            continue
        past.append(value)
        weights = weight ** np.arange(len(past) - 1, -1, -1.0)
        assert math.isclose(float(np.average(past, weights=weights)), smooth, rel_tol=1e-6, abs_tol=1e-3)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=400), st.integers(5, 50))
def test_what_is_drawn_was_smoothed_before_it_was_decimated(logged, points):
    """Every point that is kept has the average over all points, those that are not drawn among them."""
    whole = smoothed(Curve(np.arange(len(logged), dtype=float), np.array(logged)), 0.9)
    kept = decimated(whole, points)
    assert whole.smooth[kept.x.astype(int)].tolist() == kept.smooth.tolist()


@given(st.lists(st.integers(0, 30), unique=True), st.lists(st.integers(0, 30), unique=True))
def test_metrics_are_joined_by_step(mine, others):
    """Each point has the other metric's value at its own step, whatever order the other came in."""
    joined = by_metric(column(sorted(mine), sorted(mine)), column(others, [10.0 * step for step in others]))
    assert list(zip(joined.x, joined.values, strict=True)) == [(10.0 * s, s) for s in sorted(mine) if s in others]


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=6), st.integers(1, 12))
def test_points_grow_by_what_is_new(pieces, most):
    """A known run's points are what was read and what came after; a forgotten one is read again."""
    run, keys = Run(RunId("r"), None, 1, {}, RunState.running), frozenset({"m"})
    kept, logged = Points(most), []
    kept.put(run, {}, keys)
    for piece in pieces:
        kept.extend(
            [Chunk(run.id, 1, "m", column(range(len(piece)), piece)), Chunk(run.id, 2, "m", column([0], [99]))], keys
        )
        logged += piece
    assert kept.column(run.id, "m").values.tolist() == logged
    other = Run(RunId("other"), None, 2, {}, RunState.running)
    kept.put(other, {"m": column([0], [1.0])}, keys)
    assert kept.has(other, keys)
    assert kept.has(run, keys) == (len(logged) + 1 <= most)
    assert math.isclose(kept._points, sum(len(kept.column(each.id, "m")) for each in (run, other)))
