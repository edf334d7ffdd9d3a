"""Messages that both halves of the dashboard are tested against: written by Python, read by pytest here and by vitest in js/.

`python -m tests.widget.test_golden` writes them anew when the protocol has changed.
"""

from __future__ import annotations

import base64
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from sweepwidget.columns import column
from sweepwidget.model import (
    Agent,
    AgentId,
    Changes,
    Chunk,
    Cursor,
    Process,
    Run,
    RunId,
    RunState,
    Sweep,
    SweepId,
    SweepState,
)
from sweepwidget.widget.mirror import Dirty, Mirror
from sweepwidget.widget.plots import Plot, Points, Watch

from .page import Said

FILE = Path(__file__).parent.parent / "fixtures" / "dashboard" / "messages.json"
CONFIG = {
    "method": "bayes",
    "name": "golden <b>&amp;",
    "metric": {"name": "loss", "goal": "minimize"},
    "early_terminate": {"type": "hyperband", "min_iter": 3},
    "run_cap": 8,
    "parameters": {
        "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 0.1},
        "opt": {"parameters": {"name": {"values": ["sgd", "adam", None]}, "nesterov": {"values": [True, False]}}},
        "epochs": {"value": 20},
    },
}


def messages() -> list[dict[str, Any]]:
    """`full`, `delta`, `curves` and `curve_points` of a small sweep; beside each the rows or curves that it holds."""
    sweep = Sweep(SweepId("golden01"), CONFIG, SweepState.RUNNING, project="lab", created_at=1000.0)
    there = Agent(AgentId("c-0"), sweep.id, Process("box", 42, "1"), started_at=1001.0, crew="c")

    def run(number: int, state: RunState, **more: Any) -> Run:
        config = {"lr": 10.0**-number, "opt": {"name": ["sgd", "adam", None][number % 3], "nesterov": number % 2 == 0}}
        return Run(
            RunId(f"run{number}"),
            sweep.id,
            number,
            config,
            state,
            name=f"calm-sweep-{number}",
            created_at=1000.0,
            **more,
        )

    done = {"agent_id": there.id, "started_at": 1001.0, "ended_at": 1011.0}
    rows = [
        run(
            1, RunState.finished, summary={"loss": 0.25, "deep": {"a.b": 1}, "_step": 9}, info={"why": "first"}, **done
        ),
        run(
            2,
            RunState.failed,
            summary={"loss": math.nan},
            error="Traceback\nValueError: <img src=x onerror=alert(1)>",
            **done,
        ),
        run(3, RunState.stopped, summary={"loss": math.inf, "_step": 2}, stop_reason="worse than 2 of 3", **done),
        run(4, RunState.running, summary={"loss": 0.5}, tags=("a", "b"), agent_id=there.id, started_at=1012.0),
        run(5, RunState.pending),
    ]
    mirror, points = Mirror(), Points()
    mirror.apply(Changes(Cursor(), sweep, tuple(rows), (there,)), 1020.0)
    said = [mirror.full("sqlite:///sweeps.db", 1020.0)]
    mirror.dirty = Dirty()

    plot = Plot("main", Watch("loss"))
    keys = plot.watch.keys
    for row in rows[:4]:
        points.put(row, {"loss": column(range(4), [1.0, math.nan, 0.5 / row.number, math.inf])}, keys)
    said += plot.messages(plot.choose(mirror), points, set())
    new = Chunk(rows[3].id, 1, "loss", column([4, 5], [0.5, 0.4]))
    said += plot.messages(plot.choose(mirror), points, points.extend([new], keys))
    ended = run(
        4,
        RunState.finished,
        summary={"loss": 0.125, "extra": "x"},
        agent_id=there.id,
        started_at=1012.0,
        ended_at=1022.0,
    )
    gone = run(5, RunState.killed, deleted=True)
    mirror.apply(Changes(Cursor(), sweep, (ended, gone)), 1022.0)
    said.append(mirror.delta("sqlite:///sweeps.db", 1022.0))
    return [_golden({**message.head, "seq": i}, message.buffer) for i, message in enumerate(said, 1)]


def _golden(head: dict[str, Any], buffer: bytes) -> dict[str, Any]:
    told = Said(json.loads(json.dumps(head, allow_nan=False)), buffer)
    expected: Any = None
    if isinstance(head.get("runs"), dict):
        expected = {"rows": [{name: _shown(value) for name, value in row.items()} for row in told.rows()]}
    elif "plot" in head:
        curves = told.curves().items()
        expected = {"curves": {run: [list(map(_shown, x)), list(map(_shown, y))] for run, (x, y) in curves}}
    return {"head": told.head, "buffer": base64.b64encode(buffer).decode(), "expected": expected}


def _shown(value: Any) -> Any:
    """Numbers that JSON lacks, by name."""
    return repr(value) if isinstance(value, float) and not np.isfinite(value) else value


def test_the_messages_are_those_that_both_halves_know():
    """Whoever changes what is said changes the file, and with it what js/ is tested against."""
    assert json.loads(FILE.read_text("utf-8")) == json.loads(json.dumps(messages()))


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(messages(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    sys.stdout.write(f"{FILE}\n")
