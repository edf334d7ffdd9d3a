"""What the dashboard costs the kernel: the time that its feed computes and the bytes that it sends, per update."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

from .measure import Row, fresh_folder, quiet, sizes
from .sweeps import Growing, finish, made

NEW, TIMES, EVERY_S = 10, 12, 0.5
CASES = {
    "50 runs at work, 10,000 points each": (50, 10_000, 0),
    "300 runs at work, 1000 points each": (300, 1000, 0),
    "10 runs at work, 10,000 at rest": (10, 1000, 10_000),
}


class Face:
    """A widget that packs what it is told as a session does, and drops it."""

    def __init__(self) -> None:
        self.sent = 0

    def send(self, head: Mapping[str, Any], buffers: list[bytes] | None) -> None:
        self.sent += len(json.dumps(head, ensure_ascii=False).encode()) + sum(map(len, buffers or ()))

    def show(self, mirror: Any, sweep_id: str) -> None:
        """The best run is a trait."""
        mirror.best_fact()


def updates(runs: int, points: int, at_rest: int) -> tuple[float, float, float]:
    """Of the first look: ms computed. Of an update: ms computed, bytes sent."""
    from sweepwidget.store import open_store
    from sweepwidget.widget.desk import Desk
    from sweepwidget.widget.feed import Feed

    store = open_store(os.path.abspath("sweeps.db"))
    sweep_id = made(store)
    finish(store, sweep_id, at_rest, 10)
    growing = Growing(store, sweep_id, runs)
    growing.grow(points)
    looks: list[float] = []
    look = Feed._look

    def timed_look(feed: Feed) -> bool:
        began = time.thread_time()
        try:
            return look(feed)
        finally:
            looks.append(1e3 * (time.thread_time() - began))

    face = Face()
    with patch.object(Feed, "_look", timed_look):
        desk = Desk(store, growing.sweep_id, face)
        desk.open()
        command = {
            "type": "watch",
            "id": "w",
            "plot": "main",
            "metric": "loss",
            "x": "step",
            "width": 850,
            "show": "all",
        }
        desk.hear(command)
        time.sleep(5)
        first = sum(looks)
        looks.clear()
        before = face.sent
        growing.grow_steadily(NEW, TIMES, EVERY_S)
        time.sleep(2)
        desk.close()
    return first, sum(looks) / TIMES, (face.sent - before) / TIMES


def main() -> list[Row]:
    sizes()
    rows = []
    for name, case in CASES.items():
        with fresh_folder(), quiet():
            first, each, sent = updates(*case)
        rows += [
            Row(f"computed in the kernel to open, {name}", first, "ms"),
            Row(f"computed in the kernel per update, {name}", each, "ms", note=f"{sent:,.0f} bytes sent"),
        ]
    return rows
