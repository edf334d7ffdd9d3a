"""Runs as columns, for the page's table: numbers as float64, everything else as values and codes. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..export import column_name, leaves
from ..model import Run
from .messages import Buffer, plain

MOST_COLUMNS = 400
MOST_CHARACTERS = 200
"""Of one cell; the whole value is in the run's details."""
_ABSENT: Any = object()
_EXACT = 1 << 53


def table(runs: Sequence[Run], buffer: Buffer, codes: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The head of a `Table` (see protocol.ts); its numbers go to the buffer. `codes` names the code of each provenance."""
    cells, left_out = _cells(runs, codes or {})
    columns = [_column(name, values, buffer) for name, values in cells.items()]
    return {"n": len(runs), "columns": columns, "left_out": left_out}


def last_line(text: str) -> str:
    """Of a traceback, the line that says what happened."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


# -- cells ------------------------------------------------------------------------------------------------------------

_FACTS: Mapping[str, Callable[[Run], Any]] = {
    "id": lambda run: run.id,
    "number": lambda run: run.number,
    "name": lambda run: run.name or run.id,
    "state": lambda run: run.state.value,
    "attempt": lambda run: run.attempt,
    "agent": lambda run: run.agent_id or _ABSENT,
    "config_version": lambda run: run.config_version,
    "created_at": lambda run: run.created_at,
    "started_at": lambda run: _ABSENT if run.started_at is None else run.started_at,
    "ended_at": lambda run: _ABSENT if run.ended_at is None else run.ended_at,
    "stopping": lambda run: run.stop_reason if not run.ended and run.stop_state is not None else _ABSENT,
    "reason": lambda run: run.stop_reason or _ABSENT if run.ended else _ABSENT,
    "error": lambda run: last_line(run.error) or _ABSENT,
    "tags": lambda run: list(run.tags) or _ABSENT,
    "why": lambda run: run.info.get("why") or _ABSENT,
}


def _cells(runs: Sequence[Run], codes: Mapping[str, str]) -> tuple[dict[str, list[Any]], int]:
    """Column → a value for every run (or _ABSENT), and how many columns there was no room for."""
    cells = {name: [fact(run) for run in runs] for name, fact in _FACTS.items()}
    cells["code"] = [codes.get(run.provenance) or _ABSENT for run in runs]
    left_out = set()
    for i, run in enumerate(runs):
        for group, values in (("config", run.config), ("summary", run.summary)):
            for path, value in leaves(values):
                name = column_name(group, path)
                column = cells.get(name)
                if column is None:
                    if len(cells) >= MOST_COLUMNS:
                        left_out.add(name)
                        continue
                    column = cells[name] = [_ABSENT] * len(runs)
                column[i] = value
    return {name: column for name, column in cells.items() if any(value is not _ABSENT for value in column)}, len(
        left_out
    )


# -- columns ----------------------------------------------------------------------------------------------------------


def _column(name: str, cells: list[Any], buffer: Buffer) -> dict[str, Any]:
    missing = np.fromiter((value is _ABSENT for value in cells), bool, len(cells))
    if all(type(value) is float or (type(value) is int and abs(value) < _EXACT) or value is _ABSENT for value in cells):
        numbers = np.array([0.0 if value is _ABSENT else value for value in cells], float)
        column = {"name": plain(name), "kind": "number", "at": buffer.add(numbers)}
        return column | ({"missing": buffer.add(missing.astype("u1"))} if missing.any() else {})
    codes: dict[str, int] = {}
    values: list[Any] = []
    coded = np.full(len(cells), -1, "<i4")
    for i, value in enumerate(cells):
        if value is _ABSENT:
            continue
        key = value if type(value) is str else f"\0{type(value).__name__} {value!r}"  # True is not 1
        code = codes.get(key)
        if code is None:
            code = codes[key] = len(values)
            values.append(_cell(value))
        coded[i] = code
    if len(values) == len(cells):
        return {"name": plain(name), "kind": "value", "values": values}
    return {"name": plain(name), "kind": "value", "values": values, "codes": buffer.add(coded)}


def _cell(value: Any) -> Any:
    if isinstance(value, Mapping):  # media, or an empty dict
        return f"<{plain(str(value['_type']))}>" if "_type" in value else "{}"
    if isinstance(value, str):
        return plain(value if len(value) <= MOST_CHARACTERS else f"{value[:MOST_CHARACTERS]}…")
    shown = plain(value)
    if isinstance(shown, list) and len(text := json.dumps(shown)) > MOST_CHARACTERS:
        return f"{text[:MOST_CHARACTERS]}…"
    return shown
