"""`pareto`: what several goals cost each other, and the runs that nobody beats in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..errors import UsageError
from ..fields import did_you_mean
from ..model import Run
from ..pareto import best_runs
from ..runs import Goal, summary_costs
from .look import ACCENT, INK, VEIL, counted, drawn, empty, figure, nothing_yet, plain, run_text
from .subject import Floats, Subject, values

MARKS = 4000
"""Marks of one figure, shared by its panels."""
MOST_GOALS = 4


def pareto(sweep: Any, metrics: Any = None) -> go.Figure:
    """The Pareto front of a sweep with several goals: `sw.plot.pareto(sweep_id)`.

    A mark is a run; those of the front, which no other run beats in one goal without being worse in another, stand out, and
    with two goals a line through them bounds what has been reached. More goals (at most 4) are drawn in pairs. `metrics`
    chooses among the sweep's goals. UsageError for what is none.
    """
    subject = Subject.read(sweep)
    goals = _chosen(subject, metrics)
    if not subject.runs:
        return empty(nothing_yet(subject))
    if len(goals) < 2:
        return empty(_too_few(subject))
    shown, left_out = goals[:MOST_GOALS], len(goals) - MOST_GOALS
    runs = [run for run in subject.runs if np.isfinite(summary_costs(run, shown)).all()]
    if not runs:
        return empty(f"no run has a value of {' and '.join(plain(goal.metric) for goal in shown)} yet")
    best = best_runs(runs, shown)
    pairs = list(combinations(shown, 2))
    columns = min(len(pairs), 3)
    rows = -(-len(pairs) // columns)
    fronted = {run.id for run in best}
    room = max(MARKS // len(pairs) - len(best), 0)
    others = subject.some([run for run in runs if run.id not in fronted], room)
    made = figure(
        [],
        [
            f"{counted(len(best), 'run')} on the front of {len(runs)}",
            drawn(len(others) + len(best), len(runs)),
            f"{counted(left_out, 'more goal')} not drawn" if left_out > 0 else "",
        ],
        height=400 if rows == 1 else 80 + 280 * rows,
        showlegend=len(pairs) == 1,
        grid={"rows": rows, "columns": columns, "pattern": "independent", "xgap": 0.16, "ygap": 0.3},
    )
    for i, (x, y) in enumerate(pairs):
        suffix = str(i + 1) if i else ""
        made.add_traces(list(_panel(subject, x, y, others, best, suffix, alone=len(pairs) == 1)))
        axes = {f"{letter}axis{suffix}": _axis(goal) for letter, goal in (("x", x), ("y", y))}
        made.update_layout(axes)
    return made


def _chosen(subject: Subject, metrics: Any) -> Sequence[Goal]:
    goals = {goal.metric: goal for goal in subject.config.goals}
    if metrics is None:
        return list(goals.values())
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    for name in names:
        if name not in goals:
            if subject.runs and isinstance(name, str):
                subject.metric(name)  # nobody has logged it: that is said first
            raise UsageError(
                f"metrics: {name!r:.80} is no goal of sweep {subject.sweep.id}{did_you_mean(name, goals)}; "
                f"it has {', '.join(goals) or 'none'}: give it several with 'metrics'"
            )
    return [goals[name] for name in dict.fromkeys(names)]


def _too_few(subject: Subject) -> str:
    names = " and ".join(plain(goal.metric) for goal in subject.config.goals)
    return f"a front needs several goals, and this sweep has {f'one, {names}' if names else 'none'}"


def _axis(goal: Goal) -> dict[str, Any]:
    better = "larger is better" if goal.maximize else "smaller is better"
    return {"title": f"{plain(goal.metric, 40)} ({better})"}


def _panel(
    subject: Subject, x: Goal, y: Goal, others: Sequence[Run], best: Sequence[Run], suffix: str, alone: bool
) -> Iterator[go.Scatter]:
    place = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
    yield _marks(subject, x, y, others, "dominated", {"size": 7, "color": INK, "opacity": 0.55}, place)
    if alone:
        ordered = sorted(best, key=lambda run: _point(run, x, y))
        at: Floats = np.array([_point(run, x, y) for run in ordered])
        # Between two runs of the front, what has been reached is bounded by the one that is worse in x.
        line = {"shape": "vh" if x.maximize else "hv", "color": ACCENT, "width": 1.5}
        yield go.Scatter(x=at[:, 0], y=at[:, 1], mode="lines", line=line, hoverinfo="skip", showlegend=False, **place)
    marker = {"size": 10, "symbol": "diamond", "color": ACCENT, "line": {"color": VEIL, "width": 1}}
    yield _marks(subject, x, y, best, "front", marker, place)


def _marks(
    subject: Subject, x: Goal, y: Goal, runs: Sequence[Run], name: str, marker: dict[str, Any], place: dict[str, str]
) -> go.Scatter:
    return go.Scatter(
        x=values(runs, x.metric),
        y=values(runs, y.metric),
        text=[run_text(subject, run, x.metric, f"{plain(y.metric)} {_point(run, x, y)[1]:.4g}") for run in runs],
        ids=[run.id for run in runs],
        name=name,
        mode="markers",
        marker=marker,
        hovertemplate="%{text}<extra></extra>",
        **place,
    )


def _point(run: Run, x: Goal, y: Goal) -> tuple[float, float]:
    across, up = values([run], x.metric)[0], values([run], y.metric)[0]
    return float(across), float(up)
