"""Metric columns in the database: what was logged at the same steps lies together in one row of the table `chunk`.

Chunks are written once, in the order of their ids, and never changed or merged: a reader's cursor is one number.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..columns import STEP, VALUE, concat
from ..model import Chunk, Column, Points, RunId
from . import statements as sql
from .transaction import Transaction


@frozen(eq=False)
class Block:
    """Metrics that were logged at the same steps."""

    names: tuple[str, ...]
    first_step: int
    n: int
    steps: bytes | None
    """None when they count up by one from `first_step`."""
    values: bytes
    """float64, one metric after another."""


_NO_BLOCK = Block((), 0, 0, None, b"")
"""What carries records that came without numbers."""


def blocks_of(points: Points) -> Sequence[Block]:
    """The rows that these points take, at least one if they hold anything."""
    groups: dict[bytes, list[tuple[str, Column]]] = {}
    for name, column in points.columns.items():
        if len(column):
            groups.setdefault(np.ascontiguousarray(column.steps, STEP).tobytes(), []).append((name, column))
    blocks = [_block(steps, group) for steps, group in groups.items()]
    return blocks or ([_NO_BLOCK] if points.records else [])


def _block(steps: bytes, group: list[tuple[str, Column]]) -> Block:
    whole = group[0][1].steps
    n = len(whole)
    first = int(whole[0])
    consecutive = n == 1 or (int(whole[-1]) - first == n - 1 and bool((whole[1:] - whole[:-1] == 1).all()))
    return Block(
        tuple(name for name, _ in group),
        first,
        n,
        None if consecutive else steps,
        b"".join([np.ascontiguousarray(column.values, VALUE).tobytes() for _, column in group]),
    )


class PointsTable:
    """The table `chunk`, and the table `metrics` of the sets of names that its rows refer to."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, ...], int] = {}
        self._names: dict[int, tuple[str, ...]] = {}

    def forget(self) -> None:
        """A transaction has failed, and with it names that it may have added."""
        self._ids.clear()

    def add(self, tx: Transaction, last_id: int, points: Points, blocks: Sequence[Block]) -> None:
        """Write the rows, the last of them under `last_id`."""
        records = json.dumps(points.records) if points.records else None
        for names in sorted({block.names for block in blocks}):
            self._id(tx, names)  # in one order, so that no two writers wait for each other
        for number, block in enumerate(blocks, last_id - len(blocks) + 1):
            row = (block.first_step, block.n, block.steps, block.values, records)
            tx.execute(sql.ADD_CHUNK, (number, points.run_id, points.attempt, self._id(tx, block.names), *row))
            records = None

    def between(self, tx: Transaction, first_id: int, last_id: int, keys: Collection[str] | None) -> Iterator[Chunk]:
        """The chunks of these metrics (None: of all) after `first_id`, up to `last_id`."""
        rows = tx.execute(sql.CHUNKS_BETWEEN, (first_id, last_id)).fetchall()
        self._load_names(tx, {row[3] for row in rows})
        return (
            Chunk(run_id, attempt, name, column)
            for _, run_id, attempt, metrics, *block in rows
            for name, column in _columns(self._names[metrics], *block)
            if keys is None or name in keys
        )

    def page(self, tx: Transaction, first_id: int, last_id: int, size: int) -> int:
        """Up to which chunk after `first_id` there are so many bytes of values; at most `last_id`."""
        row = tx.execute(sql.CHUNK_AFTER_BYTES, (first_id, last_id, size)).fetchone()
        return last_id if row is None else int(row[0])

    def columns(self, tx: Transaction, run_id: RunId, attempt: int) -> Mapping[str, Column]:
        """All metrics of an attempt, in the order logged."""
        rows = tx.execute(sql.CHUNKS_OF_RUN, (run_id, attempt)).fetchall()
        self._load_names(tx, {row[0] for row in rows})
        found: dict[str, list[Column]] = {}
        for metrics, *block in rows:
            for name, column in _columns(self._names[metrics], *block):
                found.setdefault(name, []).append(column)
        return {name: concat(pieces) for name, pieces in found.items()}

    def records(self, tx: Transaction, run_id: RunId, attempt: int) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """(step, object) for the logged values that are not numbers."""
        rows = tx.execute(sql.RECORDS_OF_RUN, (run_id, attempt)).fetchall()
        return [(step, json.loads(text)) for (records,) in rows for step, text in json.loads(records)]

    def _id(self, tx: Transaction, names: tuple[str, ...]) -> int:
        known = self._ids.get(names)
        if known is not None:
            return known
        text = json.dumps(names)
        row = tx.execute(sql.METRICS_ID, (text,)).fetchone()
        if row is None:
            tx.execute(sql.ADD_METRICS, (text,))
            row = tx.execute(sql.METRICS_ID, (text,)).fetchone()
        number: int = row[0]
        self._ids[names] = number
        return number

    def _load_names(self, tx: Transaction, wanted: set[int]) -> None:
        for known in (max(self._names, default=0), 0):  # a smaller number may have been committed after a larger one
            if wanted <= self._names.keys():
                return
            for number, text in tx.execute(sql.METRICS_AFTER, (known,)).fetchall():
                self._names[number] = tuple(json.loads(text))


def _columns(
    names: Sequence[str], first_step: int, n: int, steps: bytes | None, values: bytes
) -> Iterator[tuple[str, Column]]:
    """The columns of a row; read-only views of its bytes."""
    at: NDArray[np.int64] = np.arange(first_step, first_step + n) if steps is None else np.frombuffer(steps, STEP)
    table = np.frombuffer(values, VALUE)
    return ((name, Column(at, table[i * n : (i + 1) * n])) for i, name in enumerate(names))
