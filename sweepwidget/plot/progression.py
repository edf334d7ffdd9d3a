"""`history` and `edf`: how the metric of the runs went, and how it is distributed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..errors import UsageError
from ..model import Run, RunState
from ..progresstext import number
from .look import (
    ACCENT,
    INK,
    NOTHING_POSITIVE,
    STATES,
    counted,
    dashes,
    drawn,
    empty,
    figure,
    nothing_yet,
    plain,
    run_color,
    run_text,
    spread_of,
)
from .subject import Floats, Subject, values

MOST_RUNS = 2000
"""Runs of one figure that have a mark of their own."""
_ODD = {RunState.finished: "circle-x-open", RunState.stopped: "x-open"}
"""Signs of runs that ended in order and have no value: it was NaN or infinite, or never logged."""


def history(
    sweep: Any, metric: str | None = None, *, x: str = "number", log_x: bool = False, log_y: bool = False
) -> go.Figure:
    """The metric of every run in the order of the search, and the best so far: `sw.plot.history(sweep_id)`.

    `x` is "number" (of the run) or "time" (when it ended, since the first run began). Runs without a finite value, such
    as failed ones, are marks along the lower edge. The best so far is known of metrics that the sweep optimises.
    """
    subject = Subject.read(sweep)
    metric = subject.metric(metric)
    if x not in ("number", "time"):
        raise UsageError(f"x: expected 'number' or 'time', got {x!r:.80}")
    runs = [run for run in subject.runs if x == "number" or run.ended_at is not None]
    y = values(runs, metric)
    if not np.isfinite(y).any():
        return empty(nothing_yet(subject, metric))
    at, title = _places(runs, x)
    hidden = int((y <= 0).sum()) if log_y else 0
    y = np.where(y > 0, y, np.nan) if log_y else y
    if not np.isfinite(y).any():
        return empty(NOTHING_POSITIVE)
    shown = {run.id for run in subject.some(runs, MOST_RUNS)}
    limits, far = spread_of(y, log_y)
    made = figure(
        _history_traces(subject, metric, runs, at, y, shown),
        [
            drawn(len(shown), len(runs)),
            f"{counted(hidden, 'value')} ≤ 0 hidden on log" if hidden else "",
            far,
        ],
        xaxis={"title": title, "type": "log" if log_x else "linear"},
        yaxis={"title": plain(metric), "type": "log" if log_y else "linear", "range": limits},
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
    )
    own = subject.config.metric
    target = own.target if own is not None and own.name == metric else None
    if target is not None and (target > 0 or not log_y):
        made.add_hline(target, line={"color": INK, "width": 1, "dash": "dot"})
        made.add_annotation(
            x=1,
            xref="paper",
            xanchor="right",
            y=math.log10(target) if log_y else target,
            yanchor="bottom",
            text=f"target {number(target)}",
            showarrow=False,
            font={"size": 11},
        )
    return made


def _places(runs: Sequence[Run], x: str) -> tuple[Floats, str]:
    """Where the runs stand on the x axis, and its title."""
    if x == "number":
        return np.array([run.number for run in runs], float), "run"
    begun = min(run.started_at or math.inf for run in runs)
    at = np.array([(run.ended_at or begun) - begun for run in runs])
    hours = float(at.max()) > 7200
    return at / (3600 if hours else 60), f"time since the first run began ({'h' if hours else 'min'})"


def _history_traces(
    subject: Subject, metric: str, runs: Sequence[Run], at: Floats, y: Floats, shown: set[Any]
) -> Iterator[go.Scatter]:
    kept = np.array([run.id in shown for run in runs])
    for state in STATES:
        mine = kept & np.array([run.state is state for run in runs])
        if (there := mine & np.isfinite(y)).any():
            yield _dots(subject, metric, state, there, runs, at, y)
        if (without := mine & ~np.isfinite(y)).any() and state is not RunState.running:
            yield _rug(subject, metric, state, without, runs, at)
    maximize = subject.maximizes(metric)
    if maximize is not None:
        yield _best_so_far(subject, metric, runs, at, y, maximize)


def _dots(
    subject: Subject, metric: str, state: RunState, there: Any, runs: Sequence[Run], at: Floats, y: Floats
) -> go.Scatter:
    word, color, sign = STATES[state]
    return go.Scatter(
        x=at[there],
        y=y[there],
        text=[run_text(subject, runs[i], metric) for i in np.flatnonzero(there).tolist()],
        ids=[runs[i].id for i in np.flatnonzero(there).tolist()],
        name=word,
        mode="markers",
        marker={"symbol": sign, "color": color, "size": 7 if there.sum() < 300 else 5, "opacity": 0.75},
        hovertemplate="%{text}<extra></extra>",
    )


def _rug(subject: Subject, metric: str, state: RunState, there: Any, runs: Sequence[Run], at: Floats) -> go.Scatter:
    word, color, sign = STATES[state]
    return go.Scatter(
        x=at[there],
        y=np.full(int(there.sum()), 0.02),
        yaxis="y2",
        text=[run_text(subject, runs[i], metric) for i in np.flatnonzero(there).tolist()],
        ids=[runs[i].id for i in np.flatnonzero(there).tolist()],
        name=f"{word}, no value",
        mode="markers",
        marker={"symbol": _ODD.get(state, sign), "color": color, "size": 8},
        hovertemplate="%{text}<extra></extra>",
    )


def _best_so_far(
    subject: Subject, metric: str, runs: Sequence[Run], at: Floats, y: Floats, maximize: bool
) -> go.Scatter:
    order = np.argsort(at, kind="stable")
    order = order[np.isfinite(y[order])]
    best = np.maximum.accumulate(y[order]) if maximize else np.minimum.accumulate(y[order])
    better = np.flatnonzero(np.append(True, np.diff(best) != 0))
    steps = order[better]
    return go.Scatter(
        x=np.append(at[steps], at[order[-1]]),
        y=np.append(best[better], best[-1]),
        text=[run_text(subject, runs[i], metric) for i in [*steps, steps[-1]]],
        name="best so far",
        mode="lines",
        line={"color": ACCENT, "width": 2.5, "shape": "hv"},
        hovertemplate="best so far: %{text}<extra></extra>",
    )


def edf(sweep: Any, metric: str | None = None, *, log_x: bool = False) -> go.Figure:
    """The share of runs whose metric is at most x, the empirical distribution function: `sw.plot.edf([one, other])`.

    One sweep, or several to compare: where the goal is to minimise, the better search is the one further up and to the left.
    """
    several = list(sweep) if isinstance(sweep, (list, tuple)) else [sweep]
    if not several:
        raise UsageError("edf: expected a sweep or a list of sweeps, got none")
    subjects = [Subject.read(each) for each in several]
    metric = subjects[0].metric(metric)
    found = {subject.sweep.id: values(subject.runs, subject.metric(metric)) for subject in subjects}
    finite = {sweep_id: np.sort(some[np.isfinite(some)]) for sweep_id, some in found.items()}
    known = {sweep_id: some[some > 0] if log_x else some for sweep_id, some in finite.items()}
    hidden = sum(len(finite[sweep_id]) - len(known[sweep_id]) for sweep_id in known)
    if not any(len(some) for some in known.values()):
        return empty(NOTHING_POSITIVE if hidden else nothing_yet(subjects[0], metric))
    limits, far = spread_of(np.concatenate(list(known.values())), log_x)
    without = sum(int((~np.isfinite(some)).sum()) for some in found.values())
    names = {subject.sweep.id: plain(subject.config.name or subject.sweep.id, 30) for subject in subjects}
    return figure(
        _edf_traces(known, names),
        [
            f"{counted(without, 'run')} without a value" if without else "",
            f"{counted(hidden, 'value')} ≤ 0 hidden on log" if hidden else "",
            far,
        ],
        xaxis={"title": plain(metric), "type": "log" if log_x else "linear", "range": limits},
        yaxis={"title": "share of runs", "range": [0, 1.03], "tickformat": ".0%"},
        showlegend=len(known) > 1,
    )


def _edf_traces(known: Mapping[Any, Floats], names: Mapping[Any, str]) -> Iterator[go.Scatter]:
    colors = [ACCENT if len(known) == 1 else run_color(n) for n in range(1, len(known) + 1)]
    for (sweep_id, some), color, dash in zip(known.items(), colors, dashes(colors), strict=True):
        if not len(some):
            continue
        kept = np.unique(np.linspace(0, len(some) - 1, min(len(some), MOST_RUNS)).astype(int))
        share = (kept + 1) / len(some)
        yield go.Scatter(
            x=np.append(some[0], some[kept]),
            y=np.append(0.0, share),
            name=f"{names[sweep_id]} ({counted(len(some), 'run')})",
            mode="lines",
            line={"color": color, "width": 2, "shape": "hv", "dash": dash},
            hovertemplate="%{y:.0%} of the runs are at most %{x:.4g}<extra></extra>",
        )
