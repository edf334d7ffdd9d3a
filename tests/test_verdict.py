"""The judge of `benchmarks kills` against ledgers whose truth is known."""

import pytest

pytest.importorskip("benchmarks", reason="not part of the source distribution")

from benchmarks.faults.ledger import Ledger, Line, read
from benchmarks.faults.verdict import DONE, GIVEN_UP, OTHER, RUNNING, WAITING, judge, run_again, unfinished


def book(*words):
    """`began:a`, `ended:a`, `error` one second after another."""
    pairs = [(*word.split(":"), "-")[:2] for word in words]
    return [Line(what, unit, 1, float(at)) for at, (what, unit) in enumerate(pairs)]


def found(books, killed, states):
    verdict = judge(books, killed, states, 10.0)
    return {name: n for name in ("lost", "stuck", "twice", "given_up", "errors") if (n := getattr(verdict, name))}


def test_a_worker_that_was_killed_between_the_end_and_the_answer_has_not_told():
    """Its run is done again by somebody else, and that is nobody's fault."""
    books = {"a": book("began:1", "ended:1"), "b": book("began:1", "ended:1", "left")}
    assert {} == found(books, {"a"}, {"1": DONE})
    assert set() == run_again(books) == unfinished(books, {"a"})


def test_two_who_outlive_the_same_run_have_done_it_twice():
    books = {"a": book("began:1", "ended:1", "error"), "b": book("began:1", "ended:1", "left")}
    assert {"twice": 1, "errors": 1} == found(books, (), {"1": DONE})


def test_what_was_told_must_be_kept():
    """Whatever else the store says of it, or if it has never heard of it."""
    books = {"a": book("began:1", "ended:1", "began:2", "ended:2", "left")}
    assert {"lost": 2} == found(books, (), {"1": RUNNING})


def test_a_run_of_a_dead_worker_is_stuck_lost_given_up_or_waits():
    books = {"a": book("began:1"), "b": book("began:2"), "c": book("began:3"), "d": book("began:4")}
    states = {"1": RUNNING, "2": OTHER, "3": GIVEN_UP, "4": WAITING}
    assert {"lost": 1, "stuck": 1, "given_up": 1} == found(books, {"a", "b", "c", "d"}, states)
    assert {"1", "2", "3", "4"} == unfinished(books, books.keys())


def test_a_run_that_nobody_ever_heard_of_may_be_stuck_too():
    """It was claimed, and its worker killed before the first line."""
    assert {"stuck": 1} == found({}, (), {"1": RUNNING, "2": OTHER})


def test_a_finished_run_that_is_begun_once_more_is_seen():
    books = {"a": book("began:1", "ended:1", "began:2"), "b": book("left", "left", "left", "began:1")}
    assert {"1"} == run_again(books)


def test_silence_lasts_from_end_to_end_and_to_the_last_moment():
    books = {"a": book("ended:1", "began:2", "began:2", "ended:2")}
    assert 7.0 == judge(books, (), {}, 10.0).silence_s


def test_a_ledger_is_read_while_it_is_written(tmp_path):
    """A line that is not there to its end is not there yet."""
    ledger = Ledger(tmp_path / "a")
    ledger.write("began", "run1", 2)
    with (tmp_path / "a").open("a") as torn:
        torn.write("ended run1")
    (line,) = read(tmp_path / "a")
    assert ("began", "run1", 2) == (line.what, line.unit, line.attempt)
    assert [] == read(tmp_path / "b")
