"""Shows the progress of agents: one quiet view in a notebook, one line in a terminal, one line per run in a log.

Events come from any thread and only count; a thread of the view draws what has changed, at most four times a second. With
WANDB_SILENT or SWEEPWIDGET_SILENT nothing is shown.
"""

from __future__ import annotations

import contextvars
import os
import shutil
import sys
import threading
import time
import uuid
from bisect import insort
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Protocol, TextIO

from attrs import evolve

from . import output
from .model import Run, RunState, Sweep
from .progresstext import (
    BAD,
    FINE,
    Facts,
    Row,
    View,
    cells,
    finished_line,
    last_words,
    notebook_view,
    row_of,
    terminal_line,
)
from .runs import summary_value
from .sweepconfig import SweepConfig
from .term import is_terminal, silent, write

INTERVAL_S = 0.25
"""Between two drawings."""
_KEPT = 8  # best and latest runs that are remembered
_LINES = 50  # finished runs that one drawing prints; more are counted


class Screen(Protocol):
    """Where a view is shown. May raise whatever its stream raises."""

    def draw(self, view: View, ended: list[Row], uncounted: int) -> None:
        """Show the view; `ended` are the runs that ended since the last time (and `uncounted` more, too many to list)."""

    def close(self, view: View, ended: list[Row], uncounted: int) -> None:
        """Show it for the last time."""


class Progress:
    """Follows the runs of one `agent()` call and shows them.

    >>> progress = Progress(Facts("3k9x0q2a", method="bayes", goal=Goal("loss"), total=40))      # doctest: +SKIP
    >>> progress.started(run); progress.ended(run); progress.close()      # doctest: +SKIP
    """

    def __init__(
        self,
        facts: Facts,
        screen: Screen | None = None,
        last_line: Callable[[str], str] = output.last_line,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._facts, self._screen, self._last_line, self._clock = facts, screen, last_line, clock
        self._lock = threading.Lock()
        # Drawn in the context of the call, not of an agent's thread: so a notebook shows it below the cell it belongs to.
        self._context = contextvars.copy_context()
        self._begun = clock()
        self._counts: Counter[RunState] = Counter()
        self._highest = 0
        self._running: dict[str, tuple[Run, float]] = {}
        self._best: list[tuple[float, int, Run, float]] = []
        self._latest: deque[tuple[Run, float]] = deque(maxlen=_KEPT)
        self._new: deque[tuple[Run, float, bool]] = deque(maxlen=_LINES)
        self._news = 0
        self._closed = threading.Event()
        self._drawing: threading.Thread | None = None

    def show(self) -> None:
        """The first look, from the thread that asked for the work: a notebook puts it below the cell that did."""
        if isinstance(self._screen, NotebookScreen):
            self._draw()

    # -- events: any thread, quick ------------------------------------------------------------------------------

    def started(self, run: Run) -> None:
        """A run has begun."""
        with self._lock:
            self._running[run.id] = run, self._clock()
            self._highest = max(self._highest, run.number)
            if self._drawing is None and self._screen is not None and not self._closed.is_set():
                self._drawing = self._start_drawing()

    def ended(self, run: Run) -> None:
        """A run has been closed (or goes back to wait, preempted)."""
        now = self._clock()
        with self._lock:
            _, began = self._running.pop(run.id, (run, now))
            seconds = now - began
            self._counts[run.state] += 1
            self._latest.append((run, seconds))
            self._new.append((run, seconds, self._is_best(run, seconds)))
            self._news += 1

    def close(self) -> None:
        """The last look. Harmless when repeated."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self._drawing is not None:
            self._drawing.join(5)
            self._draw(over=True)

    # -- drawing: one thread at a time --------------------------------------------------------------------------

    def view(self, over: bool = False) -> View:
        """Where things stand now."""
        now = self._clock()
        with self._lock:
            best, latest, running = list(self._best), list(self._latest), list(self._running.values())
            counts, highest = dict(self._counts), self._highest
        goal, leader = self._facts.goal, best[0][2].id if best else None
        row = partial(row_of, constants=self._facts.constants)
        view = View(
            self._facts,
            now - self._begun,
            counts,
            best=[row(run, goal, seconds, best=run.id == leader) for _, _, run, seconds in best],
            latest=[row(run, goal, seconds, best=run.id == leader) for run, seconds in latest],
            running=[row(run, goal, now - began, self._last_line(run.id)) for run, began in running[:_KEPT]],
            at_work=len(running),
            over=over,
        )
        # Runs are numbered through the sweep, whoever works on them.
        done = max(highest - len(running), view.ended) if self._facts.of_sweep else view.ended
        return evolve(view, position=done if self._facts.total is None else min(done, self._facts.total))

    def _is_best(self, run: Run, seconds: float) -> bool:
        """Keep it if it is among the best; whether it is the best so far."""
        goal = self._facts.goal
        if goal is None or run.state not in (RunState.finished, RunState.stopped):
            return False
        value = summary_value(run.summary, goal.metric)
        if value is None:
            return False
        insort(self._best, (goal.cost(value), run.number, run, seconds), key=lambda entry: entry[:2])
        del self._best[_KEPT:]
        return self._best[0][2] is run

    def _draw(self, over: bool = False) -> None:
        with self._lock:
            new, news = list(self._new), self._news
            self._new.clear()
            self._news = 0
        goal = self._facts.goal
        constants = self._facts.constants
        ended = [row_of(run, goal, seconds, best=best, constants=constants) for run, seconds, best in new]
        screen = self._screen
        if screen is None:
            return
        try:
            (screen.close if over else screen.draw)(self.view(over), ended, news - len(new))
        except Exception:  # noqa: BLE001  (a closed stream, a front end that has gone: the sweep goes on unseen)
            self._screen = None

    def _start_drawing(self) -> threading.Thread | None:
        target, name = self._context.run, "sweepwidget-progress"
        thread = threading.Thread(target=target, args=(self._keep_drawing,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the interpreter is shutting down
            self._screen = None
            return None
        return thread

    def _keep_drawing(self) -> None:
        while not self._closed.wait(INTERVAL_S):
            self._draw()


# -- screens ----------------------------------------------------------------------------------------------------------


class NotebookScreen:
    """One display that is updated in place; the saved notebook keeps its last state."""

    def __init__(self) -> None:
        self._id = f"sweepwidget-{uuid.uuid4().hex}"
        self._shown: str | None = None

    def draw(self, view: View, ended: list[Row], uncounted: int) -> None:
        shown = notebook_view(view)
        if shown == self._shown:
            return
        from IPython.display import display

        display({"text/plain": shown}, raw=True, display_id=self._id, update=self._shown is not None)
        self._shown = shown

    close = draw


class LogScreen:
    """One line per run that has ended, for files and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._glyphs = FINE.encoded(getattr(stream, "encoding", None))

    def draw(self, view: View, ended: list[Row], uncounted: int) -> None:
        self._write(self._lines(view, ended, uncounted))

    def close(self, view: View, ended: list[Row], uncounted: int) -> None:
        self._write([*self._lines(view, ended, uncounted), *last_words(view, self._glyphs)])

    def _lines(self, view: View, ended: list[Row], uncounted: int) -> list[str]:
        more = [f"     {self._glyphs.more} {uncounted} more runs ended"] if uncounted else []
        return more + [finished_line(row, view.facts.goal, self._glyphs) for row in ended]

    def _write(self, lines: list[str]) -> None:
        if lines:
            write(self._stream, "".join(f"{line}\n" for line in lines))


class TerminalScreen:
    """One line that is drawn over, below one line per run that has ended."""

    def __init__(self, stream: TextIO, colours: bool) -> None:
        self._stream, self._colours = stream, colours
        self._glyphs = FINE.encoded(getattr(stream, "encoding", None))
        self._shown = ""

    def draw(self, view: View, ended: list[Row], uncounted: int) -> None:
        width = self._width()
        line = terminal_line(view, self._glyphs, width)
        if ended or line != self._shown:
            self._write([*self._lines(view, ended, uncounted, width)], line)

    def close(self, view: View, ended: list[Row], uncounted: int) -> None:
        width = self._width()
        words, *best = last_words(view, self._glyphs, width)
        lines = self._lines(view, ended, uncounted, width)
        self._write([*lines, words, *(self._painted(row, "32") for row in best)], "")

    def _lines(self, view: View, ended: list[Row], uncounted: int, width: int) -> list[str]:
        lines = [f"     {self._glyphs.more} {uncounted} more runs ended"] if uncounted else []
        for row in ended:
            line = finished_line(row, view.facts.goal, self._glyphs, width)
            colour = "32" if row.best else "31" if row.state in BAD else ""
            lines.append(self._painted(line, colour))
        return lines

    def _painted(self, line: str, colour: str) -> str:
        return f"\x1b[{colour}m{line}\x1b[0m" if colour and self._colours else line

    def _write(self, lines: list[str], line: str) -> None:
        """Print lines above the one that stays. Blanks clear it, since not every terminal knows a code for that."""
        wipe = "\r" + " " * cells(self._shown) + "\r" if self._shown else ""
        write(self._stream, wipe + "".join(f"{each}\n" for each in lines) + line)
        self._shown = line

    def _width(self) -> int:
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError, AttributeError):
            columns = shutil.get_terminal_size().columns
        return max(columns - 1, 20)  # the last column makes some terminals wrap


def screen_for(stream: TextIO | None) -> Screen | None:
    """Where this process shows its progress; None if it should be silent or has no stream."""
    if silent():
        return None
    ipython = sys.modules.get("IPython")
    if ipython is not None and hasattr(ipython.get_ipython(), "kernel"):
        return NotebookScreen()
    if stream is None:
        return None
    if not is_terminal(stream) or os.environ.get("TERM") == "dumb":
        return LogScreen(stream)
    return TerminalScreen(
        stream, colours="NO_COLOR" not in os.environ and (os.name != "nt" or "WT_SESSION" in os.environ)
    )


def progress_for(sweep: Sweep, config: SweepConfig, count: int | None = None) -> Progress:
    """The progress of an `agent()` call for this sweep, shown where this process shows things."""
    runs = runs_in_all(config)
    facts = Facts(
        sweep.id,
        config.name or "",
        config.method,
        config.goal,
        min(count, runs) if count and runs is not None else count or runs,
        of_sweep=not count,
        constants=frozenset(".".join(path) for path, p in config.space.parameters.items() if p.constant),
    )
    progress = Progress(facts, screen_for(sys.stderr))
    progress.show()
    return progress


def runs_in_all(config: SweepConfig) -> int | None:
    """How many runs the sweep can have; None: no end in sight."""
    size = None
    if config.method == "grid":
        size = config.space.grid_size()
    elif config.without_replacement:
        size = config.space.size()
    return min((n for n in (size, config.run_cap) if n is not None), default=None)
