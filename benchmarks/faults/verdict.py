"""The judge: what the ledgers say was done, beside what the store says became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from attrs import frozen

from .ledger import BEGAN, ENDED, ERROR, Line

DONE, RUNNING, WAITING, GIVEN_UP, OTHER = "done", "running", "waiting", "given up", "other"
"""What a store says of a trial. Waiting: whoever comes next will do it. Given up: lost as often as the library's rules allow, and said to be."""

Books = Mapping[str, Sequence[Line]]
"""Worker → its ledger."""


@frozen
class Verdict:
    done: int
    lost: int
    """Told and not kept, or begun and never done by anybody, though it does not run either."""
    stuck: int
    """Running for ever: whoever ran it is dead."""
    twice: int
    """Executed to the end more than once. Not counted: a worker killed between a trial's end and the store's answer."""
    given_up: int
    errors: int
    silence_s: float
    """The longest time in which no trial ended anywhere."""

    @property
    def wrong(self) -> int:
        return self.lost + self.stuck + self.twice

    def __str__(self) -> str:
        words = f"{self.lost} lost, {self.stuck} stuck, {self.twice} twice of {self.done} done"
        words += f", {self.given_up} given up as documented" * bool(self.given_up)
        return words + f", {self.errors} workers ended by an exception" * bool(self.errors)


def judge(books: Books, killed: Collection[str], states: Mapping[str, str], until: float) -> Verdict:
    """`killed` names the workers that were; `until` is when everybody was at rest."""
    ends = Counter(line.unit for name, book in books.items() for line in _ends(book, name in killed))
    told = {line.unit for book in books.values() for line in _told(book)}
    begun = {line.unit for book in books.values() for line in book if line.what == BEGAN}
    found = {unit: states.get(unit, OTHER) for unit in begun | states.keys()}
    return Verdict(
        done=sum(state == DONE for state in found.values()),
        lost=sum(found[unit] == OTHER or (unit in told and found[unit] != DONE) for unit in begun),
        stuck=sum(state == RUNNING and unit not in told for unit, state in found.items()),
        twice=sum(times > 1 for times in ends.values()),
        given_up=sum(state == GIVEN_UP for state in found.values()),
        errors=sum(line.what == ERROR for book in books.values() for line in book),
        silence_s=_silence(books, until),
    )


def run_again(books: Books) -> set[str]:
    """Trials that somebody began after the store had taken their end."""
    told = {line.unit: line.at for book in books.values() for line in _told(book)}
    lines = [line for book in books.values() for line in book if line.what == BEGAN]
    return {line.unit for line in lines if line.at > told.get(line.unit, line.at)}


def unfinished(books: Books, killed: Collection[str]) -> set[str]:
    """Trials that a killed worker had begun and not told."""
    begun = {line.unit for name in killed for line in books[name] if line.what == BEGAN}
    return begun - {line.unit for book in books.values() for line in _told(book)}


def _ends(book: Sequence[Line], was_killed: bool) -> Sequence[Line]:
    """Executions that the worker outlived."""
    return [line for line in (book[:-1] if was_killed else book) if line.what == ENDED]


def _told(book: Sequence[Line]) -> Sequence[Line]:
    """Ends that the store has taken: the worker went on."""
    return [line for line, following in pairwise(book) if line.what == ENDED and following.what != ERROR]


def _silence(books: Books, until: float) -> float:
    ends = sorted(line.at for book in books.values() for line in book if line.what == ENDED)
    return max((after - before for before, after in pairwise([*ends, until])), default=0.0)
