"""`importance`: which parameters matter (see `sweepwidget/importance.py` for what the shares are)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from ..importance import LEAST, Importance, Importances, importance as find_importance
from .look import ACCENT, INK, counted, empty, figure, nothing_yet, plain
from .subject import Subject

MOST_BARS = 30
_POOR = 0.1
"""A forest that predicts less of the metric's variance than this has learnt next to nothing."""
_CHECK = "#d9480f"


def importance(sweep: Any, metric: str | None = None, *, params: Any = None) -> go.Figure:
    """How much of the metric's variance each parameter explains by itself: `sw.plot.importance(sweep_id)`.

    Bars are shares by functional ANOVA of a random forest (Hutter, Hoos & Leyton-Brown 2014), whiskers their standard
    deviation over its trees. Diamonds are a check that shares no formula with them: half of the growth of the squared error
    when the parameter is shuffled (Breiman 2001), in the same unit. It is what the parameter explains in all, alone or
    together with others (the total effect of Sobol 1993), so a diamond far to the right of its bar tells of interactions.
    """
    subject = Subject.read(sweep)
    metric = subject.metric(metric)
    wanted = set(subject.chosen(params))
    found = find_importance(subject.runs, subject.config.space, metric)
    if not found:
        if found.runs == 0:
            return empty(nothing_yet(subject, metric if any(run.ended for run in subject.runs) else None))
        return empty(f"{counted(found.runs, 'run')} with a value; importance needs {LEAST}")
    bars = {name: share for name, share in found.items() if name in wanted or params is None}
    shown = dict(list(bars.items())[:MOST_BARS])
    if not shown:
        return empty("no parameter with a choice among these")
    return figure(
        _traces(dict(reversed(shown.items()))),
        [
            f"{len(shown)} of {len(bars)} parameters" if len(shown) < len(bars) else "",
            counted(found.runs, "run"),
            _trust(found),
        ],
        height=130 + 30 * len(shown),
        xaxis={"title": f"share of the variance of {plain(metric)}", "rangemode": "tozero", "tickformat": ".0%"},
        yaxis={"showgrid": False, "ticks": "", "tickfont": {"size": 12}},
        bargap=0.35,
    )


def _traces(shown: Mapping[str, Importance]) -> list[Any]:
    names = [plain(name, 40) for name in shown]
    shares = list(shown.values())
    return [
        go.Bar(
            x=[share.share for share in shares],
            y=names,
            orientation="h",
            name="functional ANOVA",
            marker={"color": ACCENT, "line": {"width": 0}},
            error_x={
                "type": "data",
                "array": [share.std for share in shares],
                "arrayminus": [min(share.std, share.share) for share in shares],  # a share is not negative
                "color": INK,
                "thickness": 1.2,
                "width": 4,
            },
            hovertemplate="<b>%{y}</b><br>explains %{x:.1%} by itself, ± %{error_x.array:.1%}<extra></extra>",
        ),
        go.Scatter(
            x=[max(share.permutation / 2, 0.0) for share in shares],
            y=names,
            mode="markers",
            name="permutation (with interactions)",
            marker={"symbol": "diamond", "size": 9, "color": _CHECK, "line": {"width": 0}},
            hovertemplate="<b>%{y}</b><br>%{x:.1%} of the variance when shuffled<extra></extra>",
        ),
    ]


def _trust(found: Importances) -> str:
    if found.explained < _POOR:
        return "the forest predicts next to nothing of new runs: do not trust the shares"
    return f"the forest predicts {found.explained:.0%} of the variance of runs it has not seen"
