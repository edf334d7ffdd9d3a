"""What was measured, when, and on what: kept in `results.json`, from which `report.py` writes `RESULTS.md`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, evolve, frozen

from .machine import Machine
from .measure import Row

KEPT = Path(__file__).with_name("results.json")


@frozen
class Block:
    """Rows that one benchmark found in one run."""

    benchmark: str
    measured_at: str
    machine: Machine
    revision: str
    """Of sweepwidget. What is empty, here and below, nobody noted."""
    seconds: float | None
    load: tuple[float, ...]
    """The load average (of a minute) before and after."""
    rows: tuple[Row, ...]
    arguments: str = ""


def added(blocks: Sequence[Block], new: Block) -> list[Block]:
    """With the new one in place of what it measures again: all of its benchmark, or with arguments the rows of the same names.

    A row without a value said why there is none; it goes in any case.
    """
    again = {(row.what, row.peer) for row in new.rows}

    def stays(row: Row) -> bool:
        return bool(new.arguments) and (row.what, row.peer) not in again and not math.isnan(row.value)

    kept = []
    for block in blocks:
        if block.benchmark == new.benchmark:
            block = evolve(block, rows=tuple(filter(stays, block.rows)))
        if block.rows:
            kept.append(block)
    return [*kept, new]


def load(path: Path = KEPT) -> list[Block]:
    if not path.exists():
        return []
    return [_block(fields) for fields in json.loads(path.read_text("utf-8"))]


def save(blocks: Sequence[Block], path: Path = KEPT) -> None:
    fields = [asdict(block) for block in blocks]
    path.write_text(json.dumps(_nothing_for_nan(fields), indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def _block(fields: dict[str, Any]) -> Block:
    rows = tuple(Row(**row | {"value": math.nan if row["value"] is None else row["value"]}) for row in fields["rows"])
    return Block(**fields | {"machine": Machine(**fields["machine"]), "load": tuple(fields["load"]), "rows": rows})


def _nothing_for_nan(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _nothing_for_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_nothing_for_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
