"""The last state, for a notebook that is read without a kernel: on GitHub, on paper. Pure, a few kilobytes.

Every text in it is somebody's data, and stands there escaped. The picture is an image, because whoever shows notebooks
safely drops SVG elements; there is no style sheet and no script, because they drop those, too.
"""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Sequence
from html import escape

import numpy as np

from ..model import Run, RunState
from ..progresstext import Facts, config_text, cut, duration, number, title
from ..runs import summary_value
from .mirror import Mirror
from .table import last_line

_TOP = 10
_WIDTH, _HEIGHT, _POINTS = 480, 96, 300
_WORDS = {
    RunState.running: "at work",
    RunState.failed: "failed",
    RunState.crashed: "crashed",
    RunState.killed: "killed",
    RunState.stopped: "stopped early",
}


def glance(mirror: Mirror, now: float) -> str:
    """Where things stand, in a line: `RUNNING · 12 of 40 runs · 2 at work · 1 failed · best loss 0.0713`."""
    if mirror.sweep is None:
        return "a draft"
    progress = mirror.progress(now)
    total, ended, counts = progress["total"], progress["ended"], progress["counts"]
    runs = f"{ended} runs" if total is None else f"{ended} of {total} runs"
    best, goal = mirror.best(), mirror.goal
    parts = [mirror.sweep.state.value, runs]
    parts += [f"{counts[state.value]} {words}" for state, words in _WORDS.items() if counts.get(state.value)]
    if best is not None and goal is not None:
        parts.append(f"best {_line(goal.metric, 40)} {number(summary_value(best.summary, goal.metric))}")
    return " · ".join(parts)


def text(mirror: Mirror, now: float) -> str:
    """The snapshot where there is only text."""
    lines = [_title(mirror), glance(mirror, now)]
    best = mirror.best()
    if best is not None:
        lines.append(f"best: {best.name or best.id}  {config_text(best.config)}")
    return "\n".join(_line(line, 120) for line in lines)


def html(mirror: Mirror, now: float, model_id: str = "") -> str:
    """The snapshot as HTML; the page hides it while the widget `model_id` is alive."""
    said = time.strftime("%Y-%m-%d %H:%M", time.localtime(now))
    best = mirror.best()
    parts = [
        f"<p><b>{escape(_title(mirror))}</b><br>{escape(glance(mirror, now))}</p>",
        _picture(mirror),
        f"<p>Best: <code>{escape(_line(str(dict(best.config)), 400))}</code></p>" if best is not None else "",
        _table(mirror),
        f"<p><small>As it was on {said}. Run the cell to see it live.</small></p>",
    ]
    return f'<div class="sw-snapshot" data-sw-model="{escape(model_id)}">{"".join(parts)}</div>'


def _title(mirror: Mirror) -> str:
    if mirror.sweep is None or mirror.config is None:
        return "sweepwidget"
    return title(Facts(mirror.sweep.id, mirror.config.name or "", mirror.config.method, mirror.goal))


def _line(said: str, width: int) -> str:
    """One line without control characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return cut(plain, width)


# -- the best runs ----------------------------------------------------------------------------------------------------


def _table(mirror: Mirror) -> str:
    goal = mirror.goal
    shown = mirror.ranked(_TOP) or sorted(mirror.runs.values(), key=lambda run: -run.number)[:_TOP]
    if not shown:
        return ""
    head = ["run", "state", goal.metric if goal is not None else "", "time", "config"]
    rows = "".join(_row(mirror, run) for run in shown)
    return f"<table><tr>{''.join(f'<th>{escape(_line(cell, 40))}</th>' for cell in head)}</tr>{rows}</table>"


def _row(mirror: Mirror, run: Run) -> str:
    goal = mirror.goal
    value = summary_value(run.summary, goal.metric) if goal is not None else None
    seconds = run.ended_at - run.started_at if run.ended_at is not None and run.started_at is not None else None
    told = last_line(run.error) if run.state in (RunState.failed, RunState.crashed) else config_text(run.config)
    cells = [
        f"{run.number} {run.name}",
        run.state.value,
        "" if value is None else number(value),
        duration(seconds),
        told,
    ]
    return f"<tr>{''.join(f'<td>{escape(_line(cell, 120))}</td>' for cell in cells)}</tr>"


# -- the picture ------------------------------------------------------------------------------------------------------


def _picture(mirror: Mirror) -> str:
    """The metric of every run, and the best so far, as an image of its own; nothing before there are two."""
    goal = mirror.goal
    if goal is None:
        return ""
    runs = sorted(mirror.runs.values(), key=lambda run: run.number)
    points = [(run.number, value) for run in runs if (value := summary_value(run.summary, goal.metric)) is not None]
    if len(points) < 2:
        return ""
    numbers, values = (np.array(column, float) for column in zip(*points, strict=True))
    svg = _svg(numbers, values, goal.maximize)
    source = base64.b64encode(svg.encode()).decode()
    told = f"{goal.metric} of {len(points)} runs, from {number(float(values.min()))} to {number(float(values.max()))}"
    return f'<img alt="{escape(_line(told, 120))}" width="{_WIDTH}" src="data:image/svg+xml;base64,{source}">'


def _svg(numbers: Sequence[float] | np.ndarray, values: np.ndarray, maximize: bool) -> str:
    best = np.maximum.accumulate(values) if maximize else np.minimum.accumulate(values)
    keep = np.unique(
        np.concatenate(
            [np.linspace(0, len(values) - 1, _POINTS).astype(int), np.flatnonzero(np.diff(best))[-_POINTS:] + 1]
        )
    )
    shown = _scaled(values, values)
    line = _scaled(best, values)
    x = 4 + (_WIDTH - 8) * _share(np.asarray(numbers, float))
    dots = "".join(f"M{x[i]:.1f} {shown[i]:.1f}h0" for i in keep)
    steps = "".join(f"{'M' if n == 0 else 'L'}{x[i]:.1f} {line[i]:.1f}" for n, i in enumerate(keep))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" fill="none" stroke-linecap="round">'
        f'<path d="{dots}" stroke="#888" stroke-width="4"/><path d="{steps}" stroke="#1976d2" stroke-width="2"/></svg>'
    )


def _scaled(values: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Heights in the picture; on a logarithmic axis where the values span several orders of magnitude."""
    if limits.min() > 0 and limits.max() > 100 * limits.min():
        values, limits = np.log(values), np.log(limits)
    low, high = float(limits.min()), float(limits.max())
    span = high - low
    share = (values - low) / span if span > 0 and math.isfinite(span) else np.full(len(values), 0.5)
    height: np.ndarray = 4 + (_HEIGHT - 8) * (1 - share)
    return height


def _share(values: np.ndarray) -> np.ndarray:
    span = float(values[-1] - values[0])
    share: np.ndarray = (values - values[0]) / span if span > 0 else np.zeros(len(values))
    return share
