"""`timeline`: which agent worked on which run, and when."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from ..model import Agent, Run
from ..progresstext import duration
from .look import STATES, VEIL, empty, figure, plain, run_text
from .subject import Subject

MOST_BARS = 3000
"""The latest runs are drawn."""


def timeline(sweep: Any) -> go.Figure:
    """Runs as bars on the line of their agent: `sw.plot.timeline(sweep_id)`.

    The axis is the time since the first run began. A run that was tried again is drawn with its last attempt; one that is
    still at work ends now, in the time of this machine's clock.
    """
    subject = Subject.read(sweep)
    runs = subject.runs[-MOST_BARS:]
    if not runs:
        return empty("no run has begun yet")
    begun = min(run.started_at or 0.0 for run in subject.runs)
    ends = [run.ended_at or max(time.time(), run.started_at or begun) for run in runs]
    hours, unit = _unit(max(ends) - begun)
    lines = _lines(subject.agents, runs)
    whole = len(runs) == len(subject.runs)
    return figure(
        _traces(subject, runs, ends, begun, hours, lines),
        ["" if whole else f"the latest {len(runs)} of {len(subject.runs)} runs"],
        height=min(120 + 26 * len(lines), 1200),
        xaxis={"title": f"time since the first run began ({unit})", "rangemode": "tozero" if whole else "normal"},
        yaxis={
            "tickvals": list(range(len(lines))),
            "ticktext": list(lines.values()),
            "range": [len(lines) - 0.4, -0.6],
            "showgrid": False,
            "ticks": "",
        },
        barmode="overlay",
        bargap=0.3,
    )


def _unit(seconds: float) -> tuple[float, str]:
    return (3600.0, "h") if seconds > 7200 else (60.0, "min") if seconds > 180 else (1.0, "s")


def _lines(agents: Sequence[Agent], runs: Sequence[Run]) -> dict[Any, str]:
    """Agents that had one of the runs → their labels, oldest first."""
    busy = {run.agent_id for run in runs}
    known = [agent for agent in sorted(agents, key=lambda agent: agent.started_at) if agent.id in busy]
    named = {agent.id: f"{i} · {plain(agent.backend, 20)}" for i, agent in enumerate(known, 1)}
    return named | {agent_id: plain(agent_id or "by hand", 20) for agent_id in busy if agent_id not in named}


def _traces(
    subject: Subject, runs: Sequence[Run], ends: Sequence[float], begun: float, unit: float, lines: dict[Any, str]
) -> Iterator[go.Bar]:
    metric = subject.goal.metric if subject.goal is not None else None
    row = {agent_id: i for i, agent_id in enumerate(lines)}
    took = np.array([max(end - (run.started_at or begun), 0.0) for run, end in zip(runs, ends, strict=True)])
    for state, (word, color, _) in STATES.items():
        mine = [i for i, run in enumerate(runs) if run.state is state]
        if mine:
            yield go.Bar(
                base=[((runs[i].started_at or begun) - begun) / unit for i in mine],
                x=took[mine] / unit,
                y=[row[runs[i].agent_id] for i in mine],
                orientation="h",
                name=word,
                ids=[runs[i].id for i in mine],
                customdata=[run_text(subject, runs[i], metric, f"took {duration(float(took[i]))}") for i in mine],
                marker={"color": color, "line": {"color": VEIL, "width": 0.5 if len(runs) <= 300 else 0}},
                hovertemplate="%{customdata}<extra></extra>",
            )
