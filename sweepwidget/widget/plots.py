"""What the page watches: which runs, of which metric, and which of their points it has already.

The points of a run are read once and kept as long as there is room; from then on they grow by what the store says is new.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence, Set as AbstractSet
from typing import Any

import numpy as np
from attrs import define, field, frozen

from ..columns import EMPTY, concat
from ..errors import UsageError
from ..model import Chunk, Column, Run, RunId
from .curves import Curve, by_metric, by_step, by_time, decimated, smoothed
from .messages import Buffer, Message, clean
from .mirror import TIMESTAMP, Mirror

MOST_RUNS = 300
"""Curves of one plot."""
MOST_PLOTS = 32
_VERTICES = 20_000
"""Points of one plot, shared by its curves …"""
_FEWEST = 40
"""… but each has at least so many."""
_GROWS = 500
"""A curve is sent anew, decimated, once so many points (or twice its share) have been added to it."""
KEPT = 4_000_000
"""Points that are kept in memory: 64 MB."""


@frozen
class Watch:
    """What a plot shows; see protocol.ts."""

    metric: str
    x: str = "step"
    range: tuple[float, float] | None = None
    width: int = 800
    show: str = "all"
    k: int = 5
    runs: tuple[RunId, ...] = ()
    smooth: float = 0.0
    """The weight of the past in a moving average."""

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Watch:
        """From a command of the page. UsageError for what is none."""
        metric, x, limits, show = (
            given.get("metric"),
            given.get("x", "step"),
            given.get("range"),
            given.get("show", "all"),
        )
        width, k, runs = given.get("width", 800), given.get("k") or 5, given.get("runs") or []
        if not isinstance(metric, str) or not isinstance(x, str):
            raise UsageError("watch: metric and x are names")
        if limits is not None and not (isinstance(limits, list) and len(limits) == 2 and all(map(_is_number, limits))):
            raise UsageError(f"watch: range is [from, to] or null, not {limits!r:.80}")
        if show not in ("all", "running", "best", "none"):
            raise UsageError(f"watch: show is all, running, best or none, not {show!r:.80}")
        smooth = given.get("smooth") or 0.0
        if not _is_number(width) or not _is_number(k):
            raise UsageError("watch: width and k are numbers")
        if not _is_number(smooth) or not 0 <= smooth < 1:
            raise UsageError(f"watch: smooth is a number from 0 to less than 1, not {smooth!r:.80}")
        if not isinstance(runs, list) or not all(isinstance(run, str) for run in runs):
            raise UsageError("watch: runs is a list of ids")
        ordered = None if limits is None else (float(min(limits)), float(max(limits)))
        pixels, asked = min(max(int(width), 20), 4000), tuple(map(RunId, runs[:MOST_RUNS]))
        return cls(metric, x, ordered, pixels, show, int(k), asked, float(smooth))

    @property
    def keys(self) -> frozenset[str]:
        """The metrics that it takes to draw it."""
        return frozenset(
            {self.metric} if self.x == "step" else {self.metric, TIMESTAMP if self.x == "time" else self.x}
        )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))


# -- points -----------------------------------------------------------------------------------------------------------


@define
class _Known:
    attempt: int
    keys: frozenset[str]
    pieces: dict[str, list[Column]]
    points: int


class Points:
    """The points of some runs, of the metrics that are watched."""

    def __init__(self, most: int = KEPT) -> None:
        self._most = most
        self._runs: OrderedDict[RunId, _Known] = OrderedDict()
        self._points = 0

    def has(self, run: Run, keys: frozenset[str]) -> bool:
        """Whether these metrics of the run's attempt have been read."""
        known = self._runs.get(run.id)
        return known is not None and known.attempt == run.attempt and keys <= known.keys

    def put(self, run: Run, columns: Mapping[str, Column], keys: frozenset[str]) -> None:
        """All that the run's attempt has logged of these metrics."""
        self.forget([run.id])
        pieces = {key: [columns[key]] for key in keys if key in columns}
        known = _Known(run.attempt, keys, pieces, sum(len(columns[key]) for key in pieces))
        self._runs[run.id] = known
        self._points += known.points
        while self._points > self._most and len(self._runs) > 1:
            self.forget([next(iter(self._runs))])

    def extend(self, chunks: Iterable[Chunk], keys: AbstractSet[str]) -> set[RunId]:
        """Take in what is new of runs that are known; the runs of all chunks.

        `keys` are the metrics that were looked for: of others, runs that have logged are known no longer.
        """
        touched = set()
        for chunk in chunks:
            touched.add(chunk.run_id)
            known = self._runs.get(chunk.run_id)
            if known is not None and known.attempt == chunk.attempt and chunk.key in known.keys:
                known.pieces.setdefault(chunk.key, []).append(chunk.column)
                known.points += len(chunk.column)
                self._points += len(chunk.column)
        for run in touched & self._runs.keys():
            self._runs[run].keys &= keys
        return touched

    def column(self, run: RunId, key: str) -> Column:
        """What is known of a metric."""
        known = self._runs.get(run)
        if known is None or key not in known.pieces:
            return EMPTY
        self._runs.move_to_end(run)
        known.pieces[key] = [whole] = [concat(known.pieces[key])]
        return whole

    def forget(self, runs: Iterable[RunId]) -> None:
        for run in runs:
            known = self._runs.pop(run, None)
            self._points -= known.points if known is not None else 0


# -- plots ------------------------------------------------------------------------------------------------------------


@define
class _Sent:
    """What the page has of one curve."""

    attempt: int
    points: int
    """So many of its points, …"""
    extra: int
    """… and how many of them came after it was decimated."""
    last_x: float


@define(eq=False)
class Plot:
    """One plot of the page."""

    name: str
    watch: Watch
    _sent: dict[RunId, _Sent] = field(factory=dict)
    _wanted: list[RunId] = field(factory=list)
    _left_out: int = 0
    _chosen_at: int = -1
    _reset: bool = True

    def choose(self, mirror: Mirror) -> Sequence[Run]:
        """The runs whose curves it shows.

        All runs are looked at only if others may be shown than before: what running ones log only moves the k best.
        """
        at = mirror.generation if self.watch.show == "best" else mirror.turns
        if self._chosen_at != at:
            self._chosen_at = at
            chosen = self._chosen(mirror)
            self._left_out = max(len(chosen) - MOST_RUNS, 0)
            self._wanted = chosen[:MOST_RUNS]
        return [mirror.runs[each] for each in self._wanted]

    def _chosen(self, mirror: Mirror) -> list[RunId]:
        """Those that were asked for, running ones, the best, then the latest."""
        watch = self.watch
        asked = [each for each in watch.runs if each in mirror.runs]
        running = [run.id for run in sorted(mirror.running.values(), key=lambda run: run.number)]
        if watch.show == "none":
            return asked
        if watch.show == "running":
            return _once([*asked, *running])
        if watch.show == "best":
            return _once([*asked, *(run.id for run in mirror.ranked(watch.k))])
        begun = sorted((run for run in mirror.runs.values() if run.started_at is not None), key=lambda run: -run.number)
        best = [run.id for run in mirror.ranked(MOST_RUNS)] if len(begun) > MOST_RUNS else []
        return _once([*asked, *running, *best, *(run.id for run in begun)])

    @property
    def new(self) -> bool:
        """The page has heard nothing of it yet."""
        return self._reset

    def missing(self, runs: Iterable[Run], points: Points, touched: set[RunId]) -> list[Run]:
        """Those whose points must be read first: curves that the page lacks, or that have grown and been forgotten."""
        return [
            run for run in runs if (run.id in touched or not self._has(run)) and not points.has(run, self.watch.keys)
        ]

    def _has(self, run: Run) -> bool:
        sent = self._sent.get(run.id)
        return sent is not None and sent.attempt == run.attempt

    def messages(self, runs: Sequence[Run], points: Points, touched: set[RunId]) -> list[Message]:
        """What the page has to be told; runs whose points have not been read wait."""
        wanted = {run.id for run in runs}
        gone = sorted(self._sent.keys() - wanted)
        for each in gone:
            del self._sent[each]
        whole: list[tuple[Run, Curve]] = []
        added: list[tuple[Run, Curve]] = []
        for run in runs:
            known = self._has(run)
            if known and run.id not in touched:
                continue
            if not points.has(run, self.watch.keys):
                self._sent.pop(run.id, None)  # its points were forgotten; they are read again
                continue
            curve = self._curve(run, points)
            if known and (more := self._added(run, curve)) is not None:
                if len(more):
                    added.append((run, more))
                continue
            self._sent[run.id] = _Sent(run.attempt, len(curve), 0, float(curve.x[-1]) if len(curve) else -np.inf)
            whole.append((run, curve))
        return [*self._whole(whole, gone), *self._points(added)]

    def _curve(self, run: Run, points: Points) -> Curve:
        watch = self.watch
        column = points.column(run.id, watch.metric)
        if watch.x == "step":
            return by_step(column)
        if watch.x != "time":
            return by_metric(column, points.column(run.id, watch.x))
        times = points.column(run.id, TIMESTAMP)
        began_at = run.started_at if run.started_at is not None else float(times.values[0]) if len(times) else 0.0
        return by_time(column, times, began_at)

    def _added(self, run: Run, curve: Curve) -> Curve | None:
        """The points that the page lacks; None if the curve should be sent as a whole."""
        sent = self._sent[run.id]
        more = curve.after(sent.points)
        if not len(more):
            return more
        sent.extra += len(more)
        if sent.extra > max(_GROWS, 2 * self._share) or more.x[0] < sent.last_x or (np.diff(more.x) < 0).any():
            return None
        sent.points, sent.last_x = len(curve), float(more.x[-1])
        return more.within(self.watch.range)

    @property
    def _share(self) -> int:
        return min(2 * self.watch.width, max(_VERTICES // max(len(self._wanted), 1), _FEWEST))

    def _whole(self, curves: Sequence[tuple[Run, Curve]], gone: Sequence[RunId]) -> list[Message]:
        if not (curves or gone or self._reset):
            return []
        buffer = Buffer()
        told = []
        for run, curve in curves:
            if (np.diff(curve.x) < 0).any():  # several processes of the run log on their own
                order = np.argsort(curve.x, kind="stable")
                curve = curve.at(order)  # noqa: PLW2901
            if self.watch.smooth:
                curve = smoothed(curve, self.watch.smooth)  # noqa: PLW2901
            shown = curve.within(self.watch.range)
            fewer = decimated(shown, self._share)
            fact = _told(run, fewer, len(shown), buffer)
            if fewer.smooth is not None:
                before = curve.values[curve.x <= shown.x[-1]] if len(shown) else shown.values
                seen = int(np.isfinite(before).sum())
                fact["smooth"] = {"weight": self.watch.smooth, "at": buffer.add(fewer.smooth), "seen": seen}
            told.append(fact)
        head = {
            "type": "curves",
            "plot": self.name,
            "metric": clean(self.watch.metric),
            "x": clean(self.watch.x),
            "range": self.watch.range,
            "reset": self._reset,
            "left_out": self._left_out,
            "runs": told,
            "gone": list(gone),
        }
        self._reset = False
        return [Message(head, buffer.joined())]

    def _points(self, curves: Sequence[tuple[Run, Curve]]) -> list[Message]:
        if not curves:
            return []
        buffer = Buffer()
        told = [_told(run, curve, len(curve), buffer) for run, curve in curves]
        return [Message({"type": "curve_points", "plot": self.name, "runs": told}, buffer.joined())]


def _told(run: Run, curve: Curve, of: int, buffer: Buffer) -> dict[str, Any]:
    at = buffer.add(np.concatenate([curve.x, curve.values]))
    return {"run": run.id, "attempt": run.attempt, "n": len(curve), "at": at, "of": of}


def _once(ids: Iterable[RunId]) -> list[RunId]:
    return list(dict.fromkeys(ids))
