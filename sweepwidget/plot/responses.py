"""`slice` and `contour`: the metric along one parameter, and over two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..errors import UsageError
from ..importance import importance as find_importance
from ..model import Run
from .axes import ParameterAxis
from .look import (
    ACCENT,
    NOTHING_POSITIVE,
    SCALE,
    VEIL,
    color_bar,
    counted,
    drawn,
    empty,
    figure,
    nothing_yet,
    plain,
    run_text,
    shaded,
    spans,
    spread_of,
)
from .subject import Floats, Subject, values
from .surface import mean

MARKS = 4000
"""Marks of one figure, shared by its panels."""
COLUMNS = 4
SMOOTHED = 12
"""With more panels than this, none has a mean drawn through it."""
CELLS = 48
_BEST = "#d9480f"
_AGE = ((0.0, "#a0a6ad"), (1.0, ACCENT))


def slice(  # noqa: A001  (the field's name for it)
    sweep: Any, metric: str | None = None, *, params: Any = None, runs: Any = None, log_y: bool = False
) -> go.Figure:
    """The metric against each parameter, one panel each: `sw.plot.slice(sweep_id, params=["lr", "opt.name"])`.

    A mark is a run, the bluer the later; the star is the best one. The line is the mean over what else the runs differ in
    (a Gaussian process, see surface.py). Runs in which a parameter is not active are not in its panel.
    """
    subject = Subject.read(sweep)
    metric = subject.metric(metric)
    names = subject.chosen(params)
    if not names:
        return empty("this sweep has nothing to choose")
    chosen, y, hidden = _known(subject, metric, runs, log_y)
    if not chosen:
        return empty(NOTHING_POSITIVE if hidden else nothing_yet(subject, metric))
    shown = subject.some(chosen, max(200, MARKS // len(names)))
    kept = np.isin([run.number for run in chosen], [run.number for run in shown])
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    limits, far = spread_of(y, log_y)
    made = figure(
        [],
        [drawn(len(shown), len(chosen)), f"{counted(hidden, 'value')} ≤ 0 hidden on log" if hidden else "", far],
        height=300 if rows == 1 else 60 + 230 * rows,
        showlegend=False,
        margin={"t": 16, "r": 16, "l": 56, "b": 44},
        grid={"rows": rows, "columns": columns, "pattern": "independent", "xgap": 0.12, "ygap": 0.3},
        coloraxis={"colorscale": _AGE, "colorbar": color_bar("run", {})},
    )
    for i, name in enumerate(names):
        axis, suffix = ParameterAxis.of(subject, name, chosen), str(i + 1) if i else ""
        made.add_traces(list(_panel(subject, metric, axis, chosen, y, kept, len(names), suffix)))
        y_axis = {"type": "log" if log_y else "linear", "range": limits, "matches": "y" if i else None}
        bare = {"showticklabels": False} if i % columns else {"title": plain(metric)}
        made.update_layout({f"xaxis{suffix}": axis.layout(4 if columns > 2 else 6), f"yaxis{suffix}": y_axis | bare})
    return made


def _known(subject: Subject, metric: str, runs: Any, log: bool | None) -> tuple[Sequence[Run], Floats, int]:
    """The runs that have a value, their values, and how many have one that is not on the axis."""
    chosen = subject.named(runs) if runs is not None else list(subject.runs)
    y = values(chosen, metric)
    there = np.isfinite(y)
    hidden = int((y[there] <= 0).sum()) if log else 0
    there &= (y > 0) | (not log)
    return [run for run, is_there in zip(chosen, there, strict=True) if is_there], y[there], hidden


def _panel(
    subject: Subject,
    metric: str,
    axis: ParameterAxis,
    runs: Sequence[Run],
    y: Floats,
    kept: Any,
    panels: int,
    suffix: str,
) -> Iterator[go.Scatter]:
    place = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
    there = np.flatnonzero(kept & np.isfinite(axis.places)).tolist()
    x = axis.jittered(runs)
    yield go.Scatter(
        x=x[there],
        y=y[there],
        text=[run_text(subject, runs[i], metric) for i in there],
        ids=[runs[i].id for i in there],
        mode="markers",
        marker={
            "color": [runs[i].number for i in there],
            "coloraxis": "coloraxis",
            "size": 7 if len(there) < 300 else 5,
            "opacity": 0.8,
        },
        hovertemplate="%{text}<extra></extra>",
        **place,
    )
    if panels <= SMOOTHED and (line := _mean_line(subject, metric, axis, runs, y)) is not None:
        at, expected = line
        yield go.Scatter(
            x=at,
            y=expected,
            mode="lines" if axis.choices is None else "markers",
            line={"color": _BEST, "width": 2},
            marker={"symbol": "line-ew-open", "size": 22, "line": {"width": 2.5, "color": _BEST}},
            hovertemplate="mean %{y:.4g}<extra></extra>",
            **place,
        )
    best = subject.best
    at_best = [i for i, run in enumerate(runs) if best is not None and run.id == best.id and np.isfinite(x[i])]
    yield go.Scatter(
        x=x[at_best],
        y=y[at_best],
        text=[run_text(subject, runs[i], metric) for i in at_best],
        ids=[runs[i].id for i in at_best],
        mode="markers",
        marker={"symbol": "star", "size": 14, "color": _BEST, "line": {"color": "#ffffff", "width": 1}},
        hovertemplate="best: %{text}<extra></extra>",
        **place,
    )


def _mean_line(
    subject: Subject, metric: str, axis: ParameterAxis, runs: Sequence[Run], y: Floats
) -> tuple[Floats, Floats] | None:
    if axis.parameter.constant:
        return None
    expected = _expected(subject, metric, [axis], runs, y)
    if expected is None:
        return None
    at, found = expected
    return at[0], found


def _expected(
    subject: Subject, metric: str, axes: Sequence[ParameterAxis], runs: Sequence[Run], y: Floats
) -> tuple[list[Floats], Floats] | None:
    """(places along each axis, the metric that is expected there)."""
    there = np.flatnonzero(np.all([np.isfinite(axis.places) for axis in axes], axis=0)).tolist()
    if not there:
        return None
    sign = -1.0 if subject.maximizes(metric) else 1.0
    flat = [subject.flat[runs[i].id] for i in there]
    at = [axis.values(CELLS) for axis in axes]
    found = mean(
        {axis.path: axis.parameter for axis in axes},
        [[some[axis.path] for axis in axes] for some in flat],
        sign * y[there],
        [some for _, some in at],
    )
    return None if found is None else ([places for places, _ in at], sign * found)


def contour(sweep: Any, metric: str | None = None, *, params: Any = None, log_metric: bool | None = None) -> go.Figure:
    """The metric over two parameters: `sw.plot.contour(sweep_id, params=["lr", "batch_size"])`.

    By default over the two that matter most (`importance`). The surface is the mean over what else the runs differ in
    (a Gaussian process, see surface.py), within the values that runs have had; a mark is a run, the star is the best one.
    `log_metric` colours by the logarithm; None: where the metric spans several orders of magnitude.
    """
    subject = Subject.read(sweep)
    metric = subject.metric(metric)
    names = subject.chosen(params)
    if params is not None and len(names) != 2:
        raise UsageError(f"params: contour is drawn over two different parameters, got {params!r:.80}")
    if len(names) < 2:
        return empty("a contour needs two parameters with a choice")
    runs, y, hidden = _known(subject, metric, None, log_metric)
    if not runs:
        return empty(NOTHING_POSITIVE if hidden else nothing_yet(subject, metric))
    if params is None:
        names = _most_important(subject, metric, names)
    axes = [ParameterAxis.of(subject, name, runs) for name in names]
    both = np.isfinite(axes[0].places) & np.isfinite(axes[1].places)
    if not both.any():
        return empty(f"{plain(names[0])} and {plain(names[1])} were never used together")
    expected = _expected(subject, metric, axes, runs, y)
    marked = subject.some([run for run, is_there in zip(runs, both, strict=True) if is_there], 500)
    notes = [] if expected is not None else ["too few runs for a surface"]
    made = figure(
        [*_surface(subject, metric, axes, expected, log_metric), *_marks(subject, metric, axes, runs, y, marked)],
        [*notes, drawn(len(marked), int(both.sum()))],
        height=440,
        showlegend=False,
        xaxis=axes[0].layout(),
        yaxis=axes[1].layout(),
        margin_t=28,
    )
    for update, axis in ((made.update_xaxes, axes[0]), (made.update_yaxes, axes[1])):
        update(showgrid=False)
        if axis.choices is not None and _is_smooth(axes):
            update(range=[-0.15, len(axis.choices) - 0.85])
    return made


def _is_smooth(axes: Sequence[ParameterAxis]) -> bool:
    """Whether there is something between the places of both axes: choices without an order are cells."""
    return all(axis.choices is None or axis.parameter.ordinal for axis in axes)


def _most_important(subject: Subject, metric: str, names: Sequence[str]) -> list[str]:
    ranked = [name for name in find_importance(subject.runs, subject.config.space, metric) if name in names]
    return list(dict.fromkeys([*ranked, *names]))[:2]


def _surface(
    subject: Subject,
    metric: str,
    axes: Sequence[ParameterAxis],
    expected: tuple[list[Floats], Floats] | None,
    log_metric: bool | None,
) -> Iterator[Any]:
    if expected is None:
        return
    at, z = expected
    log = spans(z, 5) if log_metric is None else log_metric and bool((z > 0).all())
    places, marks = shaded(z, bool(subject.maximizes(metric)), log)
    shape: dict[str, Any] = {
        "x": at[0],
        "y": at[1],
        "z": np.round(places.T, 4),
        "customdata": z.T,
        "zmin": 0.0,
        "zmax": 1.0,
        "colorscale": SCALE,
        "colorbar": color_bar(metric, marks),
        "hovertemplate": f"{plain(metric)} %{{customdata:.4g}}<extra>expected</extra>",
    }
    if not _is_smooth(axes):
        xgap, ygap = (int(axis.choices is not None) for axis in axes)
        yield go.Heatmap(shape, xgap=xgap, ygap=ygap)
        return
    yield go.Contour(shape, contours={"start": 0.0, "end": 1.0, "size": 0.05}, line={"width": 0.5, "color": VEIL})


def _marks(
    subject: Subject, metric: str, axes: Sequence[ParameterAxis], runs: Sequence[Run], y: Floats, marked: Sequence[Run]
) -> Iterator[go.Scatter]:
    x, z = (axis.places if _is_smooth(axes) else axis.jittered(runs) for axis in axes)
    ids = {run.id for run in marked}
    best = subject.best
    dots = [i for i, run in enumerate(runs) if run.id in ids and not (best is not None and run.id == best.id)]
    stars = [i for i, run in enumerate(runs) if best is not None and run.id == best.id and np.isfinite(x[i] + z[i])]
    for rows, marker in (
        (dots, {"size": 6, "color": "#ffffff", "line": {"color": "#333333", "width": 1}, "opacity": 0.85}),
        (stars, {"size": 15, "symbol": "star", "color": "#ffe14d", "line": {"color": "#333333", "width": 1}}),
    ):
        yield go.Scatter(
            x=x[rows],
            y=z[rows],
            text=[run_text(subject, runs[i], metric) for i in rows],
            ids=[runs[i].id for i in rows],
            mode="markers",
            marker=marker,
            hovertemplate="%{text}<extra></extra>",
        )
