"""What people see while a sweep runs: true, aligned, quiet, and never in the way."""

from __future__ import annotations

import io
import math
import os
import sys
import threading
import time

import attrs
import pytest
from hypothesis import given, strategies as st

from sweepwidget import progress as progress_module
from sweepwidget.model import Run, RunId, RunState, Sweep, SweepId
from sweepwidget.output import RunOutput
from sweepwidget.progress import LogScreen, NotebookScreen, Progress, TerminalScreen, progress_for, screen_for
from sweepwidget.progresstext import (
    ASCII,
    FINE,
    Facts,
    Row,
    View,
    aligned,
    cells,
    clock,
    config_text,
    cut,
    duration,
    finished_line,
    fit,
    notebook_view,
    number,
    row_of,
    terminal_line,
)
from sweepwidget.runs import Goal
from sweepwidget.sweepconfig import SweepConfig

GOAL = Goal("loss")
FACTS = Facts("3k9x0q2a", "mnist", "bayes", GOAL, 40)


def run(number: int, state: RunState = RunState.running, loss: float | None = None, **more) -> Run:
    summary = {} if loss is None else {"loss": loss}
    name = f"calm-sweep-{number}"
    return Run(RunId(f"id{number}"), SweepId("s"), number, {"lr": 0.1}, state, name=name, summary=summary, **more)


class Shown:
    """A screen that remembers."""

    def __init__(self) -> None:
        self.views, self.ended, self.uncounted, self.drawn = [], [], 0, threading.Event()

    def draw(self, view, ended, uncounted) -> None:
        self.views.append(view)
        self.ended += ended
        self.uncounted += uncounted
        self.drawn.set()

    def close(self, view, ended, uncounted) -> None:
        self.draw(view, ended, uncounted)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


# -- the text ---------------------------------------------------------------------------------------------------------


def test_notebook_view():
    """Title, bar and counts, the best runs, the last ones, those at work; columns aligned."""
    view = View(
        FACTS,
        42.3,
        {RunState.finished: 9, RunState.failed: 2, RunState.stopped: 1},
        position=12,
        best=[
            Row("clever-sweep-7", RunState.finished, 0.1234, 3.2, "lr=0.0032 batch=64", best=True),
            Row("bold-sweep-2", RunState.finished, 12.5, 75.0, "lr=0.1 batch=32"),
        ],
        latest=[
            Row("bold-sweep-2", RunState.finished, 12.5, 75.0, "lr=0.1 batch=32"),
            Row("odd-sweep-11", RunState.failed, None, 0.012, "ValueError: batch must be at most 64"),
            Row("old-sweep-12", RunState.stopped, 130.0, 42.0, "hyperband: 130 > 0.44 at iteration 9"),
        ],
        running=[Row("new-sweep-13", RunState.running, None, 1.0, "epoch 3/10")],
        at_work=1,
    )
    assert notebook_view(view).splitlines() == [
        "mnist · bayes sweep 3k9x0q2a · minimize loss",
        "━━━━━━━─────────────────  12 of 40 runs · 0:42, 1:39 left · 1 at work · 2 failed · 1 stopped early",
        "",
        "     run                   loss    time",
        "  ★  clever-sweep-7      0.1234   3.2 s   lr=0.0032 batch=64",
        "     bold-sweep-2       12.50      1:15   lr=0.1 batch=32",
        "",
        "  ✗  odd-sweep-11                 12 ms   ValueError: batch must be at most 64",
        "  ■  old-sweep-12      130.0       42 s   hyperband: 130 > 0.44 at iteration 9",
        "  ▸  new-sweep-13                 1.0 s   epoch 3/10",
    ]
    line = "  3k9x0q2a  ━━━───────  12/40 · best 0.1234 · 0:42, 1:39 left · 1 at work · 2 f…"
    assert (terminal_line(view), len(line)) == (line, 80)


def test_notebook_view_at_the_end():
    """What the saved notebook keeps: counts, time, the best runs, and the last failure."""
    rows = [Row(f"r-{i}", RunState.finished, float(i), 1.0, "lr=0.1", best=i == 0) for i in range(8)]
    failed = Row("bad", RunState.failed, None, 1.0, "ValueError: no")
    view = View(FACTS, 151, {RunState.finished: 39, RunState.failed: 1}, 40, rows, [failed, *rows[5:]], over=True)
    text = notebook_view(view).splitlines()
    assert text[:2] == ["mnist · bayes sweep 3k9x0q2a · minimize loss", "40 runs in 2:31 · 1 failed"]
    assert [line.split()[0] for line in text[4:] if line] == ["★", "r-1", "r-2", "r-3", "r-4", "✗"]


def test_views_without_much():
    """No metric, no end in sight, nothing begun: still whole sentences."""
    bare = View(Facts("abc"), 0.0, {})
    assert notebook_view(bare) == "sweep abc\n0 runs · 0:00"
    assert terminal_line(bare) == "  abc  0 runs · 0:00"
    one = View(Facts("abc", method="random"), 3.0, {RunState.finished: 1}, 1, over=True)
    assert notebook_view(one) == "random sweep abc\n1 run in 0:03"


def test_a_preempted_run_is_not_done():
    """It will be tried again."""
    assert View(FACTS, 1.0, {RunState.preempted: 2, RunState.finished: 1}).ended == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.123456, "0.1235"),
        (0.1, "0.1"),
        (1e-5, "1e-05"),
        (3.0, "3"),
        (1234.56, "1235"),
        (12345.6, "12346"),
        (16384, "16384"),
        (-16384.0, "-16384"),
        (123456789.0, "1.235e+08"),
        (10**9, "1e+09"),
        (10**400, "huge"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (0, "0"),
        (0.0, "0"),
    ],
)
def test_numbers(value, expected):
    """Four significant digits, in as few characters as that takes."""
    assert number(value) == expected


@given(st.floats(-1e300, 1e300))
def test_numbers_are_true(value):
    """What is shown is the value to four digits, and short."""
    shown = number(value)
    assert float(shown) == pytest.approx(value, rel=5e-4)
    assert len(shown) <= 11


def test_aligned_numbers():
    """Decimal points stand below each other; missing values are blank, and as wide."""
    assert aligned([0.1, 12.5, 130.0, None, 12345.6]) == ["    0.1000", "   12.50  ", "  130.0   ", "", "12346     "]
    assert aligned([]) == []


@given(st.lists(st.none() | st.floats(1e-4, 9999) | st.floats()))
def test_aligned_columns_are_columns(values):
    """Every number of a column is as wide as every other."""
    assert len({len(text) for text in aligned(values) if text}) <= 1


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0, "0 ms"), (0.0123, "12 ms"), (3.24, "3.2 s"), (9.96, "10 s"), (59.6, "1:00"), (3723, "1:02:03"), (None, "")],
)
def test_durations(seconds, expected):
    """Never wider than six characters below an hour."""
    assert duration(seconds) == expected


def test_clock():
    assert [clock(s) for s in (0, 42.4, 725, 36_000)] == ["0:00", "0:42", "12:05", "10:00:00"]


def test_configs():
    """Nested names with dots, numbers short, text with blanks in quotes."""
    config = {
        "lr": 0.00321987,
        "opt": {"name": "adam", "b": (0.9, 0.999)},
        "on": True,
        "no": None,
        "s": "two words",
        "e": {},
    }
    assert config_text(config) == "lr=0.00322 opt.name=adam opt.b=[0.9,0.999] on=True no=None s='two words' e={}"


def test_rows():
    """A row says what matters: the error's last line, the reason of the stop, the last output, else the configuration."""
    traceback = "Traceback (most recent call last):\n  File …\nValueError: no\n\n"
    assert row_of(run(1, RunState.failed, error=traceback), GOAL, 1.0).text == "ValueError: no"
    assert row_of(run(1, RunState.crashed), GOAL, 1.0).text == "crashed"
    assert row_of(run(1, RunState.stopped, 0.5, stop_reason="hyperband"), GOAL, 1.0).text == "hyperband"
    assert row_of(run(1), GOAL, 1.0, "\tepoch\x1b 3").text == "epoch 3"
    assert row_of(run(1, RunState.finished, 0.5), GOAL, 1.0) == Row(
        "calm-sweep-1", RunState.finished, 0.5, 1.0, "lr=0.1"
    )


nasty = st.text(st.characters(codec=None), max_size=60)


@given(nasty, nasty, nasty, st.integers(20, 120))
def test_a_line_stays_one_line(name, error, config, width):
    """Whatever a run, an error or a value is called: no line breaks, no control characters, no line too wide."""
    failed = attrs.evolve(run(1, RunState.failed, error=error), name=name, config={config: config})
    rows = [row_of(failed, GOAL, 1.0), row_of(attrs.evolve(failed, state=RunState.finished), GOAL, None)]
    view = View(attrs.evolve(FACTS, name=name, sweep_id=config), 1.0, {}, latest=rows, running=rows, at_work=9)
    lines = notebook_view(view, width=width).split("\n")
    assert max(cells(line) for line in lines) <= width
    assert all(line.isprintable() for line in lines)
    for line in (terminal_line(view, width=width), finished_line(rows[0], GOAL, width=width)):
        assert cells(line) <= width
        assert line.isprintable()


@given(st.text(), st.integers(3, 40))
def test_cutting(text, width):
    """What fits is left alone; what does not is cut to the width and says so."""
    for shortened in (cut(text, width), fit(text, max(width, 8))):
        assert cells(shortened) <= max(width, 8)
    assert (cut(text, width) == text) == (cells(text) <= width)


def test_fit_keeps_both_ends():
    """A long name loses its middle: the number at its end tells runs apart."""
    assert fit("magnificent-generation-sweep-1234", 24) == "magnificent-…-sweep-1234"


def test_wide_characters_count_twice():
    """Chinese and Japanese letters take two columns, accents none."""
    assert (cells("損失"), cells("e\u0301"), cut("損失関数", 5)) == (4, 1, "損失…")


def test_ascii():
    """A stream that takes only ASCII gets ASCII."""
    assert (FINE.encoded("utf-8"), FINE.encoded("ascii"), FINE.encoded("latin-1"), FINE.encoded(None)) == (
        FINE,
        ASCII,
        ASCII,
        ASCII,
    )
    view = View(FACTS, 42.0, {RunState.failed: 1}, 10, [Row("a", RunState.finished, 1.0, 1.0, "x" * 200, best=True)])
    assert notebook_view(view, ASCII).isascii()
    assert terminal_line(view, ASCII).isascii()


# -- counting ---------------------------------------------------------------------------------------------------------


def test_counts_and_best():
    """Runs are counted by state, and the best one is the best of those that finished or were stopped."""
    progress = Progress(FACTS)
    for i, (state, loss) in enumerate(
        [
            (RunState.finished, 0.5),
            (RunState.failed, 0.01),
            (RunState.finished, 0.25),
            (RunState.stopped, 0.3),
            (RunState.finished, None),
            (RunState.finished, math.nan),
        ],
        start=1,
    ):
        progress.started(run(i))
        progress.ended(run(i, state, loss))
    progress.started(run(7))
    view = progress.view()
    assert view.counts == {RunState.finished: 4, RunState.failed: 1, RunState.stopped: 1}
    assert (view.ended, view.position, view.at_work) == (6, 6, 1)
    assert [(row.value, row.best) for row in view.best] == [(0.25, True), (0.3, False), (0.5, False)]
    assert [row.best for row in view.latest] == [False, False, True, False, False, False]


def test_maximize():
    """With a metric to maximize the largest is the best."""
    progress = Progress(attrs.evolve(FACTS, goal=Goal("loss", maximize=True)))
    for i, loss in enumerate([1.0, 3.0, 2.0], start=1):
        progress.ended(run(i, RunState.finished, loss))
    assert [row.value for row in progress.view().best] == [3.0, 2.0, 1.0]


def test_of_equals_the_first_is_the_best():
    """A later run with the same value does not take its place."""
    shown = Shown()
    progress = Progress(FACTS, shown)
    for i in (1, 2):
        progress.started(run(i))
        progress.ended(run(i, RunState.finished, 0.5))
    progress.close()
    assert [row.best for row in shown.ended] == [True, False]
    assert progress.view().best[0].name == "calm-sweep-1"


def test_times():
    """Durations are ours, from start to end; the remaining time goes by the pace so far."""
    now = Clock()
    progress = Progress(attrs.evolve(FACTS, total=4), clock=now)
    for i in (1, 2):
        progress.started(run(i))
        now.now += 10
        progress.ended(run(i, RunState.finished, float(i)))
    assert [row.seconds for row in progress.view().latest] == [10.0, 10.0]
    assert "2 of 4 runs · 0:20, 0:20 left" in notebook_view(progress.view())


def test_a_sweep_that_others_work_on_too():
    """Where the total is the sweep's, runs are counted by their number: those of earlier and other agents are done."""
    progress = Progress(attrs.evolve(FACTS, of_sweep=True))
    progress.started(run(31))
    progress.started(run(32))
    assert progress.view().position == 30
    progress.ended(run(31, RunState.finished, 1.0))
    progress.ended(run(32, RunState.finished, 1.0))
    assert (progress.view().position, progress.view().ended) == (32, 2)


def test_the_last_line_of_a_run(tmp_path):
    """What a run printed last stands in its row."""
    progress = Progress(FACTS)
    progress.started(run(1))
    assert progress.view().running[0].text == "lr=0.1"
    with RunOutput(tmp_path / "id1") as log:
        log.write("stdout", "epoch 1\nepoch 2")
        log.flush()
        assert progress.view().running[0].text == "epoch 2"


def test_drawing(monkeypatch):
    """The first event starts the drawing; each ended run is handed over once; closing draws the end and stops."""
    monkeypatch.setattr(progress_module, "INTERVAL_S", 0.01)
    shown = Shown()
    progress = Progress(FACTS, shown)
    assert not shown.drawn.wait(0.05)
    progress.started(run(1))
    assert shown.drawn.wait(10)
    progress.ended(run(1, RunState.finished, 1.0))
    progress.ended(run(2, RunState.failed))
    progress.close()
    progress.close()
    assert [row.name for row in shown.ended] == ["calm-sweep-1", "calm-sweep-2"]
    assert [view.over for view in shown.views].count(True) == 1
    assert (shown.views[-1].over, shown.uncounted) == (True, 0)
    assert "sweepwidget-progress" not in [thread.name for thread in threading.enumerate()]


def test_nothing_begun_nothing_shown():
    """An agent that gets no run leaves no empty view."""
    shown = Shown()
    Progress(FACTS, shown).close()
    assert shown.views == []


def test_a_flood_is_counted_not_listed():
    """At thousands of runs per second a drawing lists the last 50 and counts the others; an event costs microseconds."""
    shown = Shown()
    progress = Progress(attrs.evolve(FACTS, total=5000), shown)
    begun, done = [run(i) for i in range(5000)], [run(i, RunState.finished, 1.0 / (i + 1)) for i in range(5000)]
    begin, begin_cpu = time.perf_counter(), time.thread_time()
    for first, last in zip(begun, done, strict=True):
        progress.started(first)
        progress.ended(last)
    cost = time.thread_time() - begin_cpu
    progress.close()
    took = time.perf_counter() - begin
    assert (len(shown.ended) + shown.uncounted, shown.views[-1].ended) == (5000, 5000)
    assert cost / 10_000 < 100e-6  # measured: 1.2 µs
    assert len(shown.views) <= 2 + took / progress_module.INTERVAL_S


def test_a_screen_that_fails_is_left_alone(monkeypatch):
    """A closed stream or a lost front end ends the showing, not the sweep."""
    monkeypatch.setattr(progress_module, "INTERVAL_S", 0.01)

    class Broken(Shown):
        def draw(self, view, ended, uncounted) -> None:
            super().draw(view, ended, uncounted)
            raise BrokenPipeError

    shown = Broken()
    progress = Progress(FACTS, shown)
    progress.started(run(1))
    assert shown.drawn.wait(10)
    progress.ended(run(1, RunState.finished))
    progress.close()
    assert len(shown.views) == 1


def test_events_from_many_threads():
    """Nothing is lost between agents."""
    progress = Progress(FACTS)

    def work(first: int) -> None:
        for i in range(first, first + 500):
            progress.started(run(i))
            progress.ended(run(i, RunState.finished, float(i)))

    threads = [threading.Thread(target=work, args=(1000 * k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    view = progress.view()
    assert (view.ended, view.at_work, view.best[0].value) == (3000, 0, 0.0)


# -- screens ----------------------------------------------------------------------------------------------------------


class Stream(io.StringIO):
    def __init__(self, tty: bool = False, encoding: str = "utf-8") -> None:
        super().__init__()
        self._tty, self._encoding = tty, encoding

    @property
    def encoding(self) -> str:
        return self._encoding

    def isatty(self) -> bool:
        return self._tty


def screen_of(written: str) -> list[str]:
    """What a terminal shows: carriage returns go back, blanks wipe."""
    lines, column = [""], 0
    for c in written:
        if c == "\r":
            column = 0
        elif c == "\n":
            lines.append("")
            column = 0
        else:
            lines[-1] = lines[-1].ljust(column)[:column] + c + lines[-1][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


ROWS = [
    Row("calm-sweep-1", RunState.finished, 0.5, 3.0, "lr=0.1", best=True),
    Row("odd-sweep-2", RunState.failed, None, 0.4, "ValueError: no"),
]
LINES = [
    "  ★  calm-sweep-1          loss 0.5000        3.0 s   lr=0.1",
    "  ✗  odd-sweep-2           failed             0.4 s   ValueError: no",
]
ENDED = View(FACTS, 42.0, {RunState.finished: 1, RunState.failed: 1}, 2, best=ROWS[:1], latest=ROWS)
LAST = "mnist · bayes sweep 3k9x0q2a · minimize loss · 2 runs in 0:42 · 1 failed"


def test_log():
    """In a file: one line per run, a summary at the end, nothing animated, no colours."""
    stream = Stream()
    screen = LogScreen(stream)
    screen.draw(View(FACTS, 1.0, {}), [], 0)
    assert stream.getvalue() == ""
    screen.draw(ENDED, ROWS, 0)
    screen.close(attrs.evolve(ENDED, over=True), [ROWS[1]], 7)
    assert stream.getvalue().splitlines() == [*LINES, "     … 7 more runs ended", LINES[1], LAST, LINES[0]]


def test_terminal():
    """In a terminal: a line per ended run above one that is drawn over; at the end only what is worth keeping."""
    stream = Stream(tty=True)
    screen = TerminalScreen(stream, colours=False)
    screen.draw(View(FACTS, 1.0, {}, at_work=1), [], 0)
    once = stream.getvalue()
    screen.draw(View(FACTS, 1.0, {}, at_work=1), [], 0)
    assert stream.getvalue() == once
    screen.draw(ENDED, ROWS, 0)
    assert screen_of(stream.getvalue())[:2] == LINES
    assert screen_of(stream.getvalue())[2].startswith("  3k9x0q2a  ──────────  2/40 · best 0.5 · 0:42")
    screen.close(attrs.evolve(ENDED, over=True), [], 0)
    assert screen_of(stream.getvalue()) == [*LINES, LAST[:78].rstrip(), LINES[0], ""]


def test_colours():
    """The best is green, failures are red, and the codes are closed again."""
    stream = Stream(tty=True)
    TerminalScreen(stream, colours=True).draw(ENDED, ROWS, 0)
    assert stream.getvalue().startswith(f"\x1b[32m{LINES[0]}\x1b[0m\n\x1b[31m{LINES[1]}\x1b[0m\n  3k9x0q2a")


@pytest.mark.parametrize(
    ("environment", "stream", "expected"),
    [
        ({}, Stream(tty=True), TerminalScreen),
        ({"TERM": "dumb"}, Stream(tty=True), LogScreen),
        ({}, Stream(), LogScreen),
        ({}, None, type(None)),
        ({"WANDB_SILENT": "true"}, Stream(tty=True), type(None)),
        ({"SWEEPWIDGET_SILENT": "1"}, Stream(), type(None)),
    ],
)
def test_where_it_is_shown(monkeypatch, environment, stream, expected):
    """A terminal, a file, or nowhere."""
    for name in ("TERM", "WANDB_SILENT", "SWEEPWIDGET_SILENT", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert type(screen_for(stream)) is expected


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("no_color", "colours"), [(False, True), (True, False)])
def test_a_real_terminal(monkeypatch, no_color, colours):
    """On a pseudo-terminal the width is its own, and NO_COLOR is honoured."""
    import fcntl
    import pty
    import struct
    import termios

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
    try:
        with os.fdopen(theirs, "w", encoding="utf-8") as stream:
            screen = screen_for(stream)
            assert isinstance(screen, TerminalScreen)
            screen.draw(ENDED, ROWS, 0)
            shown = os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
    assert ("\x1b[32m" in shown) is colours
    plain = shown.replace("\x1b[32m", "").replace("\x1b[31m", "").replace("\x1b[0m", "")
    assert max(len(line) for line in screen_of(plain)) == 49


@pytest.mark.parametrize(
    ("config", "count", "expected"),
    [
        ({"method": "grid", "parameters": {"a": {"values": [1, 2, 3]}, "b": {"values": [1, 2]}}}, None, (6, True)),
        ({"method": "grid", "parameters": {"a": {"values": [1, 2, 3]}}, "run_cap": 2}, None, (2, True)),
        ({"method": "grid", "parameters": {"a": {"values": [1, 2, 3]}}}, 2, (2, False)),
        ({"method": "grid", "parameters": {"a": {"values": [1, 2, 3]}}}, 9, (3, False)),
        ({"method": "random", "parameters": {"a": {"min": 0.0, "max": 1.0}}}, None, (None, True)),
        ({"method": "random", "parameters": {"a": {"min": 0.0, "max": 1.0}}}, 5, (5, False)),
        ({"method": "random", "parameters": {"a": {"min": 0.0, "max": 1.0}}, "run_cap": 7}, 0, (7, True)),
    ],
)
def test_how_many_there_will_be(monkeypatch, config, count, expected):
    """The agent's count, the sweep's cap, the size of the grid: whichever is least."""
    monkeypatch.setenv("SWEEPWIDGET_SILENT", "1")
    made = progress_for(Sweep(SweepId("abc"), config), SweepConfig.parse(config), count)
    assert (made._facts.total, made._facts.of_sweep) == expected
    assert (made._facts.sweep_id, made._facts.method, made._screen) == ("abc", config["method"], None)


@pytest.mark.slow
def test_in_a_notebook(kernel):
    """One display below the cell, updated in place, even from the cells after it; the notebook keeps its last state."""
    code = """
import attrs, time
from sweepwidget import progress as module
from sweepwidget.model import Run, RunState
from sweepwidget.progress import Progress, screen_for
from sweepwidget.progresstext import Facts
from sweepwidget.runs import Goal
module.INTERVAL_S = 0.01
progress = Progress(Facts("abc", "", "random", Goal("loss"), 2), screen_for(None), clock=lambda: 100.0)
runs = [Run(f"id{i}", "abc", i, {"lr": 0.1}, RunState.running, name=f"run-{i}") for i in (1, 2)]
progress.started(runs[0])
"""
    cell = kernel.run(
        code
        + """
until = time.monotonic() + 20
while progress._screen._shown is None and time.monotonic() < until:
    time.sleep(0.01)
progress.ended(attrs.evolve(runs[0], state=RunState.finished, summary={"loss": 0.5}))
time.sleep(0.1)
progress.close()
"""
    )
    kinds = [m["msg_type"] for m in cell.messages if "display" in m["msg_type"]]
    assert (kinds[0], set(kinds[1:]), cell.error) == ("display_data", {"update_display_data"}, "")
    (display,) = cell.displays
    first, second, _, _, row = display["text/plain"].split("\n")
    assert first == "random sweep abc · minimize loss"
    assert second.startswith("1 run in 0:00")
    assert row.startswith("  ★  run-1               0.5000   ")


@pytest.mark.slow
def test_the_view_stays_with_its_cell(kernel):
    """With agents that begin later, on threads of their own, the view is shown below the cell of the call."""
    if kernel.run("print(hasattr(get_ipython().display_pub, '_parent_header'))").stdout == "False\n":
        pytest.skip("this ipykernel shows what threads display below the latest cell")
    code = """
import threading
from sweepwidget.model import Run, RunState
from sweepwidget.progress import Progress, screen_for
from sweepwidget.progresstext import Facts
class Told:
    def __init__(self, screen):
        self.screen = screen
    def __getattr__(self, name):
        return getattr(self.screen, name)
    def draw(self, *args):
        self.screen.draw(*args)
        drawn.set()
begin, drawn, progress = threading.Event(), threading.Event(), Progress(Facts("abc"), Told(screen_for(None)))
run = Run("id1", "abc", 1, {}, RunState.running)
threading.Thread(target=lambda: (begin.wait(30), progress.started(run))).start()
"""
    call = kernel.start(code)
    kernel.finish(call)
    later = kernel.start("begin.set(); drawn.wait(20); progress._closed.set()")
    kernel.finish(later)
    shown = [[m["msg_type"] for m in kernel.messages(cell)].count("display_data") for cell in (call, later)]
    assert shown == [1, 0]


def test_the_notebook_screen_needs_a_kernel(monkeypatch):
    """IPython in a terminal is a terminal."""
    from types import SimpleNamespace

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace()))
    assert isinstance(screen_for(Stream()), LogScreen)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object())))
    assert isinstance(screen_for(Stream()), NotebookScreen)
