"""`curves`: what runs logged, against steps, time, or another metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from attrs import evolve, frozen

from ..columns import EMPTY, decimate
from ..errors import UsageError
from ..model import Column, Run, RunState
from ..progresstext import number
from ..stopping import stopper_for
from .look import (
    ACCENT,
    GREY,
    INK,
    MIST,
    NOTHING_POSITIVE,
    STATES,
    VEIL,
    counted,
    dashes,
    drawn,
    empty,
    figure,
    nothing_yet,
    plain,
    run_color,
    run_name,
    run_text,
    spread_of,
)
from .subject import Floats, Subject

MOST_RUNS = 300
"""Curves of one figure."""
MOST_COLORS = 12
"""Running runs that get a colour of their own."""
MANY = 60
"""With more grey curves than this, each is fainter."""
COLORED, OTHERS = 10_000, 20_000
"""Points of one figure, shared evenly by its coloured curves, and by the others …"""
FEWEST, MOST = 40, 1600
"""… but each has at least and at most so many."""
RUNGS = 10
_TIMESTAMP = "_timestamp"
_UNITS = ((172_800.0, "h", 3600.0), (600.0, "min", 60.0), (0.0, "s", 1.0))


def curves(
    sweep: Any,
    metric: str | None = None,
    *,
    x: str = "step",
    runs: Any = None,
    top: int | None = None,
    others: bool = True,
    smoothing: float = 0.0,
    log_x: bool = False,
    log_y: bool = False,
) -> go.Figure:
    """The curves of a metric: `sw.plot.curves(sweep_id, "loss", top=5, smoothing=0.6, log_y=True)`.

    `x` is "step", "time" (since the run began), or another metric, joined by step. `runs` (ids, names, numbers) and the
    `top` best ones have a colour of their own, by default the best and those at work; `others=False` leaves out the rest,
    which is grey. Runs that were stopped early end in ✕, where rungs stand as dotted lines. `smoothing` in [0, 1) is the
    weight of the past in an exponential moving average without the bias of its start (Kingma & Ba 2015, section 3; as
    in TensorBoard and W&B); of coloured runs the raw values stay as a shadow.

    UsageError for a metric or a run that there is not.
    """
    subject = Subject.read(sweep)
    metric = subject.metric(metric)
    if isinstance(smoothing, bool) or not isinstance(smoothing, (int, float)) or not 0 <= smoothing < 1:
        raise UsageError(f"smoothing: expected a number from 0 to less than 1, got {smoothing!r:.80}")
    if x not in ("step", "time"):
        x = subject.metric(x)
    marked = _marked(subject, runs, top)
    chosen = _chosen(subject, marked, others)
    keys = {metric} if x == "step" else {metric, _TIMESTAMP if x == "time" else x}
    columns = subject.columns(chosen, keys)
    read = [_curve(run, columns.get(run.id, {}), metric, x) for run in chosen]
    lines = [curve for curve in read if len(curve)]
    if not lines:
        return empty(_nothing(subject, metric, x))
    unit, seconds = _time_unit(lines) if x == "time" else ("", 1.0)
    lines = [evolve(curve, x=curve.x / seconds) for curve in lines]
    nowhere = sum(bool(curve.odd) and not len(curve) for curve in read)
    picture = _Picture(subject, metric, lines, {run.id for run in marked}, float(smoothing), log_x, log_y)
    hidden = sum(int((~curve.positive(log_x, log_y)).sum()) for curve in lines) if log_x or log_y else 0
    if not picture.shown:
        return empty(NOTHING_POSITIVE)
    limits, far = spread_of(np.concatenate([curve.y for curve in picture.shown]), log_y)
    made = figure(
        picture.traces(),
        [
            drawn(len(chosen), len(subject.runs)) if others else "",
            f"{counted(hidden, 'point')} ≤ 0 hidden on log" if hidden else "",
            f"{counted(nowhere, 'run')} logged nothing finite" if nowhere else "",
            far,
            f"smoothed, {smoothing:g}" if smoothing else "",
        ],
        xaxis={"title": _x_title(x, unit), "type": "log" if log_x else "linear"},
        yaxis={"title": plain(metric), "type": "log" if log_y else "linear", "range": limits},
    )
    if x == "step":
        _draw_rungs(made, subject, lines, log_x)
    return made


def _nothing(subject: Subject, metric: str, x: str) -> str:
    if not subject.runs:
        return nothing_yet(subject)
    beside = "" if x in ("step", "time") else f" and {plain(x)} at the same step"
    return f"no run has logged {plain(metric)}{beside} yet"


def _marked(subject: Subject, runs: Any, top: int | None) -> list[Run]:
    """The runs that have a colour, in the order of the legend."""
    if runs is not None or top is not None:
        asked = [*subject.top(top), *subject.named(runs)]
        return list({run.id: run for run in asked}.values())
    best = [subject.best] if subject.best is not None else []
    running = [run for run in subject.runs if run.state is RunState.running and run not in best]
    return [*best, *running[-MOST_COLORS:]]


def _chosen(subject: Subject, marked: Sequence[Run], others: bool) -> list[Run]:
    """The runs whose curves are drawn, in order of number."""
    if not others:
        return list(marked)[:MOST_RUNS]
    ids = {run.id for run in marked[:MOST_RUNS]}
    rest = [run for run in subject.runs if run.id not in ids]
    kept = {run.id for run in subject.some(rest, MOST_RUNS - len(ids))} | ids
    return [run for run in subject.runs if run.id in kept]


# -- curves -----------------------------------------------------------------------------------------------------------


@frozen(eq=False)
class _Curve:
    """The finite values of one run. x and y are finite, of shape (n,)."""

    run: Run
    x: Floats
    y: Floats
    odd: str = ""
    """What was logged besides: "then nan"."""

    def __len__(self) -> int:
        return len(self.x)

    def positive(self, log_x: bool, log_y: bool) -> Any:
        """Which points there are on these axes, shape (n,)."""
        return ((self.x > 0) | (not log_x)) & ((self.y > 0) | (not log_y))

    def at(self, keep: Any) -> _Curve:
        return evolve(self, x=self.x[keep], y=self.y[keep])

    def smoothed(self, weight: float) -> _Curve:
        """s_i = w s_(i-1) + (1 - w) y_i with s_0 = 0, divided by 1 - w^i."""
        from scipy.signal import lfilter

        y = lfilter([1 - weight], [1, -weight], self.y)
        return evolve(self, y=y / (1 - weight ** np.arange(1, len(y) + 1)))

    def decimated(self, points: int) -> _Curve:
        kept = decimate(Column(np.arange(len(self)), self.y), points).steps
        return self.at(kept)


def _curve(run: Run, columns: Mapping[str, Column], metric: str, x: str) -> _Curve:
    column = columns.get(metric, EMPTY)
    if x == "step":
        at, y = column.steps.astype(float), column.values
    else:
        at, y = _joined(column, columns.get(_TIMESTAMP if x == "time" else x, EMPTY))
        at = at - (run.started_at or 0.0) if x == "time" else at
    if (np.diff(at) < 0).any() and x in ("step", "time"):  # several processes of the run log on their own
        order = np.argsort(at, kind="stable")
        at, y = at[order], y[order]
    finite = np.isfinite(y)
    if finite.all():
        return _Curve(run, at, y)
    first = int(np.argmin(finite))
    return _Curve(run, at[finite], y[finite], f"then {number(float(y[first]))}")


def _joined(column: Column, other: Column) -> tuple[Floats, Floats]:
    """(other, column) where both were logged at the same step and the other is finite."""
    if not len(column) or not len(other):
        return np.empty(0), np.empty(0)
    order = np.argsort(other.steps, kind="stable")
    steps, values = other.steps[order], other.values[order]
    at = np.maximum(np.searchsorted(steps, column.steps, side="right") - 1, 0)
    there = (steps[at] == column.steps) & np.isfinite(values[at])
    return values[at[there]], column.values[there]


def _time_unit(lines: Sequence[_Curve]) -> tuple[str, float]:
    longest = max(float(curve.x[-1]) for curve in lines)
    return next((name, seconds) for least, name, seconds in _UNITS if longest >= least or not least)


def _x_title(x: str, unit: str) -> str:
    return f"time since the run began ({unit})" if x == "time" else plain(x)


# -- what is drawn ----------------------------------------------------------------------------------------------------


class _Picture:
    """The traces: grey runs as one, coloured runs as one each, and where runs ended."""

    def __init__(
        self,
        subject: Subject,
        metric: str,
        lines: Sequence[_Curve],
        marked: set[Any],
        smoothing: float,
        log_x: bool,
        log_y: bool,
    ) -> None:
        self._subject, self._metric, self._smoothing = subject, metric, smoothing
        colors = sum(curve.run.id in marked for curve in lines)
        self._fine = min(MOST, max(COLORED // max(colors, 1) // (2 if smoothing else 1), FEWEST))
        self._coarse = min(MOST, max(OTHERS // max(len(lines) - colors, 1), FEWEST))
        raw = [curve.at(curve.positive(log_x, log_y)) for curve in lines] if log_x or log_y else list(lines)
        raw = [curve for curve in raw if len(curve)]
        full = [curve.smoothed(smoothing) for curve in raw] if smoothing else raw
        self.shown = [curve.decimated(self._fine if curve.run.id in marked else self._coarse) for curve in full]
        self._raw = [curve for curve in raw if curve.run.id in marked]
        self._grey = [curve for curve in self.shown if curve.run.id not in marked]
        self._best = subject.best.id if subject.best is not None else None
        colored = [curve for curve in self.shown if curve.run.id in marked]
        self._colored = sorted(colored, key=lambda curve: curve.run.id != self._best)

    def traces(self) -> Iterator[Any]:
        if self._grey:
            yield self._merged(self._grey)
        colors = [run_color(curve.run.number) for curve in self._colored]
        if self._colored and self._colored[0].run.id == self._best:
            colors[0] = ACCENT
        color = {curve.run.id: shade for curve, shade in zip(self._colored, colors, strict=True)}
        if self._smoothing:
            yield from (self._shadow(curve, color[curve.run.id]) for curve in self._raw)
        for curve, shade, dash in zip(self._colored, colors, dashes(colors), strict=True):
            yield self._line(curve, shade, dash)
        yield from self._ends(color)

    def _merged(self, lines: Sequence[_Curve]) -> go.Scatter:
        gap = np.array([math.nan])
        xs = [part for curve in lines for part in (curve.x, gap)]
        ys = [part for curve in lines for part in (curve.y, gap)]
        numbers = [np.full(len(curve) + 1, curve.run.number) for curve in lines]
        return go.Scatter(
            x=_small(np.concatenate(xs)),
            y=np.concatenate(ys),
            customdata=np.concatenate(numbers).astype("i4"),
            name=f"{counted(len(lines), 'other run' if self._colored else 'run')}",
            mode="lines",
            line={"color": VEIL if len(lines) <= MANY else MIST, "width": 1},
            hovertemplate="run %{customdata}: %{y:.4g} at %{x}<extra></extra>",
        )

    def _shadow(self, curve: _Curve, color: str) -> go.Scatter:
        raw = curve.decimated(self._fine)
        line = {"color": color, "width": 1}
        return go.Scatter(x=raw.x, y=raw.y, mode="lines", line=line, opacity=0.25, showlegend=False, hoverinfo="skip")

    def _line(self, curve: _Curve, color: str, dash: str) -> go.Scatter:
        run, best = curve.run, curve.run.id == self._best
        told = run_text(self._subject, run, self._metric)
        return go.Scatter(
            x=_small(curve.x),
            y=curve.y,
            name=f"{'★ ' if best else ''}{run_name(run)}",
            mode="lines" if len(curve) > 1 else "markers",
            line={"color": color, "width": 2.5 if best else 1.8, "dash": dash},
            zorder=2 if best else 1,
            hovertemplate=f"%{{y:.5g}} at %{{x}}<br>{told}<extra></extra>",
        )

    def _ends(self, color: Mapping[Any, str]) -> Iterator[go.Scatter]:
        """Where runs ended, by how they did; there the whole configuration can be read."""
        groups: dict[str, list[_Curve]] = {}
        for curve in self.shown:
            kind = "NaN or infinite" if curve.odd else curve.run.state.value
            groups.setdefault(kind, []).append(curve)
        for kind, lines in groups.items():
            quiet = kind in (RunState.finished.value, RunState.running.value)
            word, shade, sign = _STATE_NAMES.get(kind, (kind, "#d0353d", "x"))
            yield go.Scatter(
                x=[curve.x[-1] for curve in lines],
                y=[curve.y[-1] for curve in lines],
                text=[run_text(self._subject, curve.run, self._metric, *self._odd(curve)) for curve in lines],
                ids=[curve.run.id for curve in lines],
                name=f"{word} ({len(lines)})",
                mode="markers",
                marker={
                    "symbol": "circle" if quiet else sign,
                    "size": 5 if quiet else 8,
                    "color": [color.get(curve.run.id, GREY) for curve in lines] if quiet else shade,
                    "line": {"width": 0 if quiet else 1},
                },
                showlegend=not quiet,
                hovertemplate="%{text}<br>ended at %{x}<extra></extra>",
            )

    def _odd(self, curve: _Curve) -> Iterable[str]:
        return (curve.odd,) if curve.odd else ()


def _small(x: Floats) -> Any:
    """Steps and the like in half the bytes."""
    with np.errstate(over="ignore"):
        small = x.astype("f4")
    return small if np.array_equal(small, x, equal_nan=True) else x


_STATE_NAMES = {state.value: words for state, words in STATES.items()}


def _draw_rungs(made: go.Figure, subject: Subject, lines: Sequence[_Curve], log_x: bool) -> None:
    """Where early stopping looks: rungs count logged values, so each stands where runs logged so many."""
    stopper = stopper_for(subject.config)
    rungs: Sequence[int] = getattr(stopper, "bands", getattr(stopper, "rungs", ()))
    for rung in rungs[:RUNGS]:
        there = [float(curve.x[rung - 1]) for curve in lines if len(curve) >= rung]
        if not there or (log_x and np.median(there) <= 0):
            continue
        at = float(np.median(there))
        made.add_vline(at, line={"color": INK, "width": 1, "dash": "dot"}, layer="below")
        made.add_annotation(
            x=math.log10(at) if log_x else at,
            y=1,
            yref="paper",
            yanchor="top",
            xanchor="left",
            text=f"rung {rung}",
            showarrow=False,
            font={"size": 10},
        )
