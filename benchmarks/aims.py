"""Is an aim reached? One rule for all rows, from the value, the peer's and the words of the aim; nobody claims it by hand.

An aim is a comparison with a number: `≤ 5 ms` (in the row's unit), `0`, or a ratio to the peer: `≥ 20×`, `≤ 1/20`.
"""

from __future__ import annotations

import math
import operator
import re

from attrs import evolve, frozen

from .measure import Row

COMPARED = {"≥": operator.ge, ">": operator.gt, "≤": operator.le, "<": operator.lt, "": operator.eq}
AIM = re.compile(r"(?P<than>[≥>≤<]?) *(?P<over>1/)?(?P<number>\d[\d,]*(\.\d+)?) *(?P<unit>.*)")


@frozen
class Aim:
    than: str
    number: float
    unit: str
    is_ratio: bool


def aim_of(text: str) -> Aim | None:
    """None when it is not a comparison with a number."""
    found = AIM.fullmatch(text.strip())
    if found is None:
        return None
    number = float(found["number"].replace(",", ""))
    is_ratio = bool(found["over"]) or found["unit"] == "×"
    return Aim(found["than"], 1 / number if found["over"] else number, found["unit"], is_ratio)


def judged(row: Row) -> Row:
    """The row, saying whether its aim is reached. Where the aim's words are not understood, the row says what it said."""
    if not row.aim:
        return evolve(row, reached=None)
    aim = aim_of(row.aim)
    if math.isnan(row.value):
        return evolve(row, reached=None)
    if aim is None or (aim.unit not in ("", row.unit) and not aim.is_ratio):
        return row
    value = ratio(row) if aim.is_ratio and row.peer else row.value
    return evolve(row, reached=None if value is None else COMPARED[aim.than](value, aim.number))


def ratio(row: Row) -> float | None:
    """Ours in the peer's; None when there is no peer, or nothing to divide by."""
    return row.value / row.peer_value if row.peer_value and not math.isnan(row.peer_value + row.value) else None


def larger_is_better(row: Row) -> bool:
    """The aim says so (all of twelve: more is better; 0: less is); else the unit: more per second is better, less of anything else."""
    aim = aim_of(row.aim)
    if aim is None:
        return row.unit.endswith("/s")
    return aim.than in "≥>" if aim.than else aim.number > 0


def times_better(row: Row) -> float | None:
    """How many times better than the peer: above 1 is better, whatever the row measures."""
    if row.peer_value == 0 and row.value == 0:
        return 1.0
    if row.value == 0 and row.peer_value and not larger_is_better(row):
        return math.inf
    found = ratio(row)
    if not found:
        return found
    return found if larger_is_better(row) else 1 / found
