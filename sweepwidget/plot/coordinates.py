"""`parallel_coordinates`: every run as a line through its parameters to its metric. Plain lines, because plotly's own
`parcoords` needs three WebGL contexts, has no hover, and knows no parameter that some runs lack.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from attrs import frozen
from plotly.colors import sample_colorscale

from ..model import Run
from ..progresstext import fit, number
from .axes import ParameterAxis, ticks_of
from .look import (
    ACCENT,
    INK,
    NOTHING_POSITIVE,
    SCALE,
    color_bar,
    counted,
    drawn,
    empty,
    figure,
    nothing_yet,
    plain,
    ranked_shades,
    run_name,
    run_text,
    spans,
    spread_of,
)
from .subject import Floats, Subject, values

MOST_LINES = 600
SHADES = 12
"""Lines of one shade are one trace."""
_TITLES = 96
"""Letters that all titles have room for together."""
_CHIP: dict[str, Any] = {
    "showarrow": False,
    "xanchor": "right",
    "xshift": -6,
    "font": {"size": 10, "color": "#ffffff"},
    "bgcolor": "rgba(112,112,112,0.9)",
    "borderpad": 1,
}
"""A label that lines run behind."""
_UNUSED = -0.12
"""The height of a parameter that a run does not have."""


def parallel_coordinates(
    sweep: Any,
    metric: str | None = None,
    *,
    params: Any = None,
    runs: Any = None,
    top: int | None = None,
    log_metric: bool | None = None,
) -> go.Figure:
    """Every run as a line through its parameters to its metric: `sw.plot.parallel_coordinates(sweep_id, top=50)`.

    `runs` and `top` limit the lines to these. Shades go by the metric, the best line is blue. A parameter that is not active
    in a run is passed below its axis. `log_metric` puts the metric on a logarithmic axis; None: where it spans several
    orders of magnitude.
    """
    subject = Subject.read(sweep)
    metric = subject.metric(metric)
    names = subject.chosen(params)
    asked = subject.named(runs) + subject.top(top) if runs is not None or top is not None else list(subject.runs)
    asked = list({run.id: run for run in asked}.values())
    finite = np.isfinite(values(asked, metric))
    known = [run for run, is_finite in zip(asked, finite, strict=True) if is_finite]
    if not known or not names:
        return empty(nothing_yet(subject, metric) if names else "this sweep has nothing to choose")
    chosen = subject.some(known, MOST_LINES)
    y = values(chosen, metric)
    log = spans(y, 100) if log_metric is None else log_metric
    if log and (y <= 0).any():
        kept = y > 0
        chosen, y = [run for run, is_kept in zip(chosen, kept, strict=True) if is_kept], y[kept]
        if not chosen:
            return empty(NOTHING_POSITIVE)
    axes = [*(_Axis.of(ParameterAxis.of(subject, name, chosen)) for name in names), _Axis.of_metric(metric, y, log)]
    shades, marks = ranked_shades(y, bool(subject.maximizes(metric)))
    made = figure(
        _traces(subject, metric, axes, chosen, shades, marks),
        [
            drawn(len(chosen), len(known)),
            f"{counted(len(asked) - len(known), 'run')} without a value" if len(known) < len(asked) else "",
        ],
        height=420,
        showlegend=False,
        margin={"l": 40, "r": 16, "t": 52, "b": 28},
        xaxis={"visible": False, "range": [-0.25, len(axes) - 0.7], "fixedrange": True},
        yaxis={"visible": False, "range": [_UNUSED - 0.06, 1.04], "fixedrange": True},
    )
    for i, axis in enumerate(axes):
        _draw_axis(made, i, axis, max(_TITLES // len(axes), 6))
    return made


@frozen(eq=False)
class _Axis:
    """One vertical: heights 0 … 1 of the runs, shape (n,), and what they are in words."""

    title: str
    heights: Floats
    told: Sequence[str]
    ticks: Sequence[tuple[float, str]]

    @classmethod
    def of(cls, axis: ParameterAxis) -> _Axis:
        told = [axis.told(place) for place in axis.places.tolist()]
        at, words = axis.ticks()
        if axis.choices is not None:
            low, high, log = -0.5, len(axis.choices) - 0.5, False
        else:
            low, high, log = *_ends(axis.places), axis.log
        heights = _heights(axis.places, low, high, log)
        ticks = _heights(np.array(at), low, high, log).tolist()
        return cls(axis.name, heights, told, list(zip(ticks, words, strict=True)))

    @classmethod
    def of_metric(cls, metric: str, y: Floats, log: bool) -> _Axis:
        low, high = _ends(y)
        edges, _ = spread_of(y, log)
        if edges is not None:
            low, high = (
                (max(low, 10 ** edges[0]), min(high, 10 ** edges[1]))
                if log
                else (max(low, edges[0]), min(high, edges[1]))
            )
        at = ticks_of(np.array([low, high]), log)
        ticks = zip(_heights(np.array(at), low, high, log).tolist(), map(number, at), strict=True)
        heights = np.clip(_heights(y, low, high, log), 0.0, 1.0)
        return cls(metric, heights, [number(value) for value in y.tolist()], list(ticks))


def _ends(places: Floats) -> tuple[float, float]:
    known = places[np.isfinite(places)]
    return (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)


def _heights(places: Floats, low: float, high: float, log: bool) -> Floats:
    if log:
        places, low, high = np.log10(places), math.log10(low), math.log10(high)
    span = high / 2 - low / 2
    found: Floats = (places / 2 - low / 2) / span if span > 0 else np.where(np.isfinite(places), 0.5, np.nan)
    return found


def _traces(
    subject: Subject, metric: str, axes: Sequence[_Axis], runs: Sequence[Run], shades: Floats, marks: dict[str, Any]
) -> Iterator[go.Scatter]:
    faint = min(max((150 / len(runs)) ** 0.5, 0.3), 1.0)
    heights = np.column_stack([np.where(np.isnan(axis.heights), _UNUSED, axis.heights) for axis in axes])
    best = subject.best
    shade = np.minimum((shades * SHADES).astype(int), SHADES - 1)
    colors = sample_colorscale([list(stop) for stop in SCALE], [(i + 0.5) / SHADES for i in range(SHADES)])
    for i in range(SHADES):
        rows = [n for n in np.flatnonzero(shade == i).tolist() if best is None or runs[n].id != best.id]
        if rows:
            line = {"color": colors[i], "width": 1 + i / SHADES}
            yield _lines(axes, [runs[n] for n in rows], heights[rows], rows, line, faint * (0.35 + 0.5 * i / SHADES))
    at_best = [n for n, run in enumerate(runs) if best is not None and run.id == best.id]
    if at_best:
        yield _lines(axes, [runs[n] for n in at_best], heights[at_best], at_best, {"color": ACCENT, "width": 3}, 1.0)
    last = len(axes) - 1
    yield go.Scatter(
        x=np.full(len(runs), last),
        y=heights[:, last],
        text=[run_text(subject, run, metric) for run in runs],
        ids=[run.id for run in runs],
        mode="markers",
        marker={
            "size": 7,
            "color": shades,
            "cmin": 0,
            "cmax": 1,
            "colorscale": SCALE,
            "colorbar": color_bar(metric, marks),
            "opacity": 0.9,
        },
        hovertemplate="%{text}<extra></extra>",
    )


def _lines(
    axes: Sequence[_Axis],
    runs: Sequence[Run],
    heights: Floats,
    rows: Sequence[Any],
    line: dict[str, Any],
    opacity: float,
) -> go.Scatter:
    """Some runs as one trace, with gaps between them."""
    n, D = heights.shape
    x = np.tile(np.append(np.arange(D, dtype=float), np.nan), n)
    y = np.column_stack([heights, np.full(n, np.nan)]).ravel()
    names = [run_name(run) for run in runs]
    text = [
        told
        for name, row in zip(names, rows, strict=True)
        for told in [*(f"{name}<br>{plain(axis.title, 40)} {axis.told[row]}" for axis in axes), ""]
    ]
    return go.Scatter(
        x=x,
        y=np.round(y, 4),
        text=text,
        mode="lines",
        line=line,
        opacity=opacity,
        hovertemplate="%{text}<extra></extra>",
    )


def _draw_axis(made: go.Figure, i: int, axis: _Axis, width: int) -> None:
    made.add_shape(type="line", x0=i, x1=i, y0=0, y1=1, line={"color": INK, "width": 1.2}, layer="below")
    made.add_annotation(
        x=i,
        y=1.04,
        yanchor="bottom",
        text=f"<b>{plain(fit(axis.title, width))}</b>",
        showarrow=False,
        font={"size": 12},
    )
    for height, told in axis.ticks:
        made.add_annotation(x=i, y=height, text=told, **_CHIP)
        made.add_shape(
            {"type": "line", "xsizemode": "pixel", "xanchor": i, "x0": -4, "x1": 0, "y0": height, "y1": height},
            line={"color": INK, "width": 1},
        )
    if np.isnan(axis.heights).any():
        made.add_annotation(x=i, y=_UNUSED, text="not active", **_CHIP)
