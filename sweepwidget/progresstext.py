"""What people read while a sweep runs, as pure functions of facts: the table in a notebook, the line in a terminal.

Numbers have four significant digits, columns are aligned (metrics at their decimal point), one line stays one line whatever
a run is called or has printed.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from .model import Run, RunState
from .runs import Goal, headline, summary_value

WIDTH = 100
"""Columns of the view in a notebook."""
TABLE_WIDTH = 88
"""Columns of its table: what a window of 1200 pixels shows without breaking lines."""


@frozen
class Facts:
    """What does not change while the agents work."""

    sweep_id: str
    name: str = ""
    method: str = ""
    goal: Goal | None = None
    total: int | None = None
    """How many runs there will be; None: nobody knows."""
    of_sweep: bool = False
    """`total` counts all runs of the sweep, those of other agents too."""
    constants: frozenset[str] = frozenset()
    """Parameters that every run has in common."""


@frozen
class Row:
    """One run, ready to be shown."""

    name: str
    state: RunState
    value: float | None
    """The metric, if it has one."""
    seconds: float | None
    text: str
    """Its configuration, its error, why it was stopped, or what it has just printed."""
    best: bool = False


@frozen
class View:
    """Where things stand."""

    facts: Facts
    elapsed_s: float
    counts: Mapping[RunState, int]
    """Runs that have ended here, by their state."""
    position: int = 0
    """How many of `facts.total` are done."""
    best: Sequence[Row] = ()
    """The best ones, best first."""
    latest: Sequence[Row] = ()
    """The last ones that ended, oldest first."""
    running: Sequence[Row] = ()
    """Some of those at work."""
    at_work: int = 0
    over: bool = False

    @property
    def ended(self) -> int:
        """Runs that are done; a preempted one will be tried again."""
        return sum(n for state, n in self.counts.items() if state is not RunState.preempted)


@frozen
class Glyphs:
    """The signs, in one repertoire of characters."""

    best: str = "★"
    failed: str = "✗"
    stopped: str = "■"
    running: str = "▸"
    bar: str = "━"
    rest: str = "─"
    dot: str = "·"
    more: str = "…"

    def encoded(self, encoding: str | None) -> Glyphs:
        """These, if a stream of that encoding takes them, else ASCII."""
        try:
            f"{self.best}{self.failed}{self.stopped}{self.running}{self.bar}{self.rest}{self.dot}{self.more}".encode(
                encoding or "ascii"
            )
        except (UnicodeEncodeError, LookupError):
            return ASCII
        return self


FINE = Glyphs()
ASCII = Glyphs("*", "x", "-", ">", "#", ".", "-", "...")


# -- whole views ------------------------------------------------------------------------------------------------------


def notebook_view(view: View, glyphs: Glyphs = FINE, width: int = WIDTH) -> str:
    """All of it: what is searched, how far it is, the best runs, the last ones, the running ones."""
    bar = "" if view.over else _bar(view, 24, glyphs)
    lines = [title(view.facts, glyphs), bar + _joined(standing(view), glyphs)]
    groups = [group for group in _chosen(view) if group]
    if groups:
        lines += ["", *table(groups, view.facts.goal, glyphs, min(width, TABLE_WIDTH))]
    if view.at_work > _RUNNING and not view.over:
        lines.append(f"     {glyphs.more} and {view.at_work - _RUNNING} more at work")
    return "\n".join(cut(line, width, glyphs) for line in lines)


def terminal_line(view: View, glyphs: Glyphs = FINE, width: int = 80) -> str:
    """The one line that is drawn over and over; at most `width` columns, the most important first."""
    done = f"{view.position}/{view.facts.total}" if view.facts.total is not None else _runs(view.ended)
    best = f"best {number(view.best[0].value)}" if view.best and view.best[0].value is not None else ""
    rest = _joined([done, best, _times(view), *_doings(view)], glyphs)
    return cut(
        f"  {_plain(view.facts.sweep_id)}  {_bar(view, max(min(24, width - 80), 10), glyphs)}{rest}", width, glyphs
    )


def last_words(view: View, glyphs: Glyphs = FINE, width: int | None = None) -> list[str]:
    """What stays in a terminal or a log: where it ended, and the best run."""
    lines = [_joined([title(view.facts, glyphs), *standing(view)], glyphs)]
    lines += [finished_line(row, view.facts.goal, glyphs) for row in view.best[:1]]
    return lines if width is None else [cut(line, width, glyphs) for line in lines]


def title(facts: Facts, glyphs: Glyphs = FINE) -> str:
    """`my-sweep · bayes sweep 3k9x0q2a · minimize val_loss`."""
    goal = facts.goal and f"{'maximize' if facts.goal.maximize else 'minimize'} {facts.goal.metric}"
    what = f"{facts.method} sweep {facts.sweep_id}".strip()
    return _joined([_plain(facts.name), _plain(what), _plain(goal or "")], glyphs)


def standing(view: View) -> list[str]:
    """`["12 of 40 runs", "0:42, 1:38 left", "2 at work", "1 failed"]`, at the end `["40 runs in 2:31", "1 failed"]`."""
    if view.over:
        return [f"{_runs(view.ended)} in {clock(view.elapsed_s)}", *_doings(view)]
    total = view.facts.total
    return [_runs(view.ended) if total is None else f"{view.position} of {_runs(total)}", _times(view), *_doings(view)]


def _times(view: View) -> str:
    left = remaining_s(view)
    return clock(view.elapsed_s) + (f", {clock(left)} left" if left is not None and left >= 1 else "")


def _doings(view: View) -> list[str]:
    """What the runs do, and how they ended if not well."""
    counts = {words: view.counts.get(state, 0) for words, state in _ENDINGS.items()}
    at_work = 0 if view.over else view.at_work
    return [f"{n} {words}" for words, n in {"at work": at_work, **counts}.items() if n]


_ENDINGS: Mapping[str, RunState] = {
    "failed": RunState.failed,
    "crashed": RunState.crashed,
    "killed": RunState.killed,
    "stopped early": RunState.stopped,
    "preempted": RunState.preempted,
}


def remaining_s(view: View) -> float | None:
    """Seconds that the rest will take at the pace so far; None where that is a guess."""
    if view.facts.total is None or view.ended < 2 or view.position >= view.facts.total:
        return None
    return (view.facts.total - view.position) * view.elapsed_s / view.ended


# -- rows -------------------------------------------------------------------------------------------------------------

BAD = frozenset({RunState.failed, RunState.crashed, RunState.killed})
_BEST, _LATEST, _RUNNING, _BEST_AT_END = 3, 3, 4, 5  # rows of a notebook's view


def row_of(
    run: Run,
    goal: Goal | None,
    seconds: float | None,
    line: str = "",
    best: bool = False,
    constants: Container[str] = (),
) -> Row:
    """A run as a row; `line` is what it printed last, `constants` are the parameters that say nothing of this run."""
    if run.state is RunState.running:
        text = line or config_text(run.config, constants)
    elif run.state in BAD:
        text = headline(run) or run.state.value
    else:
        told = run.stop_reason if run.state is not RunState.finished else ""
        text = told or config_text(run.config, constants)
    value = summary_value(run.summary, goal.metric) if goal is not None else None
    return Row(_plain(run.name or run.id), run.state, value, seconds, _plain(text), best)


def _chosen(view: View) -> list[Sequence[Row]]:
    """The rows worth their place, in groups: the best ones, then what happened last (at the end: the last failure)."""
    if view.over:
        failed = [row for row in view.latest if row.state in BAD]
        return [view.best[:_BEST_AT_END] or view.latest[-_BEST_AT_END:], failed[-1:] if view.best else []]
    best = view.best[:_BEST]
    known = {row.name for row in best}
    latest = [row for row in view.latest if row.name not in known]
    return [best, [*latest[-_LATEST:], *view.running[:_RUNNING]]]


def table(groups: Sequence[Sequence[Row]], goal: Goal | None, glyphs: Glyphs = FINE, width: int = WIDTH) -> list[str]:
    """Groups of rows below one heading, each row in one line."""
    rows = [row for group in groups for row in group]
    values = dict(zip(map(id, rows), aligned([row.value for row in rows]), strict=True))
    heading = fit(_plain(goal.metric), 14, glyphs) if goal is not None and any(values.values()) else ""
    names = max(16, *(cells(fit(row.name, 24, glyphs)) for row in rows))
    numbers = max(8, cells(heading), *map(cells, values.values()))

    def line(sign: str, name: str, value: str, time: str, text: str) -> str:
        return _line(sign, pad(fit(name, 24, glyphs), names), pad(value, numbers, right=True), time, text)

    lines = [line("", "run", heading, "time", "")]
    for i, group in enumerate(groups):
        lines += [""] if i else []
        lines += [line(mark(row, glyphs), row.name, values[id(row)], duration(row.seconds), row.text) for row in group]
    return [cut(each, width, glyphs) for each in lines]


def finished_line(row: Row, goal: Goal | None, glyphs: Glyphs = FINE, width: int | None = None) -> str:
    """One ended run as one line of a log: `★ clever-sweep-7    loss 0.1234     3.2 s   lr=0.0032 batch=64`."""
    value = (
        f"{_plain(goal.metric)} {_full(row.value)}" if goal is not None and row.value is not None else row.state.value
    )
    name = pad(fit(row.name, 24, glyphs), 20)
    line = _line(mark(row, glyphs), name, pad(value, 16), duration(row.seconds), row.text)
    return line if width is None else cut(line, width, glyphs)


def _line(sign: str, name: str, value: str, time: str, text: str) -> str:
    return f"  {pad(sign, 1)}  {name}  {value}  {time:>6}   {text}".rstrip()


def mark(row: Row, glyphs: Glyphs) -> str:
    """The sign before a row."""
    if row.best:
        return glyphs.best
    if row.state in BAD:
        return glyphs.failed
    return {RunState.stopped: glyphs.stopped, RunState.running: glyphs.running}.get(row.state, "")


# -- words and numbers ------------------------------------------------------------------------------------------------


def number(value: Any) -> str:
    """Four significant digits, and as few characters as that takes: 0.1234, 12346, 1.2e-05, 16384."""
    if isinstance(value, int):
        return str(value) if abs(value) < 10**7 else f"{float(value):.4g}" if abs(value) < 10**300 else "huge"
    if not math.isfinite(value) or abs(value) < 1e4 or abs(value) >= 1e7:
        return f"{value:.4g}"
    return f"{value:.0f}"


def aligned(values: Sequence[float | None]) -> list[str]:
    """A column of numbers with their decimal points below each other, four significant digits each; None is blank."""
    texts = ["" if value is None else _full(value) for value in values]
    whole = [text.partition(".")[0] for text in texts]
    after = [text[len(head) :] for text, head in zip(texts, whole, strict=True)]
    left, right = max(map(len, whole), default=0), max(map(len, after), default=0)
    return [f"{head:>{left}}{tail:<{right}}" if head else "" for head, tail in zip(whole, after, strict=True)]


def _full(value: float) -> str:
    if isinstance(value, int) or not math.isfinite(value) or abs(value) >= 1e4 or 0 < abs(value) < 1e-4:
        return number(value)
    return f"{value:#.4g}".rstrip(".") if value else "0.000"


def duration(seconds: float | None) -> str:
    """`12 ms`, `3.2 s`, `42 s`, `1:05`, `1:02:03`."""
    if seconds is None:
        return ""
    seconds = max(seconds, 0.0)
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s" if seconds < 59.5 else clock(seconds)


def clock(seconds: float) -> str:
    """`0:42`, `12:05`, `1:02:03`."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def config_text(config: Mapping[str, Any], constants: Container[str] = ()) -> str:
    """`lr=0.0032 batch=64 opt.name=adam`; what every run has in common is left out."""
    return " ".join(f"{name}={_compact(value)}" for name, value in _flat(config) if name not in constants)


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _compact(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.3g}"  # enough to recognise a run by
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_compact, value))}]"
    text = str(value)
    return text if re.fullmatch(r"\S+", text) else repr(text)


def _runs(n: int) -> str:
    return f"{n} run" if n == 1 else f"{n} runs"


def _joined(parts: Iterable[str], glyphs: Glyphs) -> str:
    return f" {glyphs.dot} ".join(part for part in parts if part)


def _bar(view: View, width: int, glyphs: Glyphs) -> str:
    """`━━━━━━──────  `, or nothing where nobody knows the end."""
    if not view.facts.total:
        return ""
    full = int(min(view.position / view.facts.total, 1.0) * width)
    return glyphs.bar * full + glyphs.rest * (width - full) + "  "


# -- columns of a screen ----------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """One line without control characters, whatever it came from."""
    return text if text.isprintable() else " ".join("".join(c if c.isprintable() else " " for c in text).split())


def cells(text: str) -> int:
    """How many columns a terminal takes to show it."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, width: int, glyphs: Glyphs = FINE) -> str:
    """The text, shortened at its end to at most `width` columns."""
    if cells(text) <= width:
        return text
    room = max(width - cells(glyphs.more), 0)
    if text.isascii():
        return (text[:room].rstrip() + glyphs.more)[:width]
    kept = 0
    for kept, c in enumerate(text):  # noqa: B007
        room -= cells(c)
        if room < 0:
            break
    return text[:kept].rstrip() + glyphs.more


def fit(text: str, width: int, glyphs: Glyphs = FINE) -> str:
    """A name, shortened in its middle: its end tells runs apart."""
    if cells(text) <= width:
        return text
    tail = text[-(width // 2 - 1) :]
    return cut(text, width - cells(tail), glyphs) + tail


def pad(text: str, width: int, right: bool = False) -> str:
    blank = " " * (width - cells(text))
    return blank + text if right else text + blank
