"""A page for tests: takes in a dashboard's messages as protocol.ts says, in this process or over a real kernel's comm."""

from __future__ import annotations

import itertools
import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from attrs import define, field


@define
class Said:
    """One message."""

    head: dict[str, Any]
    buffer: bytes = field(default=b"", repr=False)

    def numbers(self, at: int, n: int, dtype: str = "<f8") -> np.ndarray:
        assert at % 8 == 0
        return np.frombuffer(self.buffer, dtype, n, at)

    def rows(self) -> list[dict[str, Any]]:
        """The table `runs` as one dict per run, without what is missing."""
        table = self.head["runs"]
        rows: list[dict[str, Any]] = [{} for _ in range(table["n"])]
        for column in table["columns"]:
            for row, value in zip(rows, self._cells(column, table["n"]), strict=True):
                if value is not ...:
                    row[column["name"]] = value
        return rows

    def _cells(self, column: Mapping[str, Any], n: int) -> list[Any]:
        if column["kind"] == "number":
            missing = self.numbers(column["missing"], n, "u1") if "missing" in column else np.zeros(n)
            return [
                ... if gone else value
                for value, gone in zip(self.numbers(column["at"], n).tolist(), missing, strict=True)
            ]
        values = column["values"]
        codes = self.numbers(column["codes"], n, "<i4") if "codes" in column else range(n)
        return [... if code < 0 else values[code] for code in codes]

    def curves(self) -> dict[str, tuple[list[float], list[float]]]:
        """run → (x, values)."""
        found = {}
        for curve in self.head["runs"]:
            both = self.numbers(curve["at"], 2 * curve["n"]).tolist()
            found[curve["run"]] = both[: curve["n"]], both[curve["n"] :]
        return found


class State:
    """What a page knows after some messages."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.agents: dict[str, dict[str, Any]] = {}
        self.curves: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
        self.head: dict[str, Any] = {}
        self.seq: int | None = None
        self.gaps = 0

    def take(self, said: Said) -> None:
        head = said.head
        if head["type"] == "full":
            self.rows, self.agents, self.curves, self.head = {}, {}, {}, {}
        elif self.seq is not None and head["seq"] != self.seq + 1:
            self.gaps += 1
        self.seq = head["seq"]
        if head["type"] in ("full", "delta"):
            self.head |= {k: v for k, v in head.items() if k not in ("runs", "agents", "gone", "seq", "type")}
            self.agents |= {agent["id"]: agent for agent in head.get("agents", ())}
            self.rows |= {row["id"]: row for row in (said.rows() if "runs" in head else ())}
            for run in head.get("gone", ()):
                del self.rows[run]
        elif head["type"] == "curves":
            plot = {} if head["reset"] else self.curves.get(head["plot"], {})
            self.curves[head["plot"]] = {run: c for run, c in (plot | said.curves()).items() if run not in head["gone"]}
        elif head["type"] == "curve_points":
            plot = self.curves[head["plot"]]
            for run, (x, values) in said.curves().items():
                plot[run] = plot[run][0] + x, plot[run][1] + values


class Face:
    """The widget's part, in this process."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.shown = 0
        self.drafts: list[Mapping[str, Any]] = []
        self._news = threading.Condition()
        self._ids = itertools.count(1)
        self.desk: Any = None

    def send(self, head: Mapping[str, Any], buffers: list[bytes] | None) -> None:
        head = json.loads(json.dumps(head, allow_nan=False))
        json.dumps(head, ensure_ascii=False).encode()  # as a session does
        with self._news:
            self.said.append(Said(head, buffers[0] if buffers else b""))
            self._news.notify_all()

    def show(self, mirror: Any, sweep_id: str) -> None:
        self.shown += 1

    def edited(self, config: Mapping[str, Any]) -> None:
        self.drafts.append(config)

    # -- for tests ----------------------------------------------------------------------------------------------

    def ask(self, type: str, **given: Any) -> str:
        """Send a command; its id."""
        id = f"c{next(self._ids)}"
        self.desk.hear({"type": type, "id": id, **given})
        return id

    def answer(self, type: str, timeout: float = 20, **given: Any) -> Said:
        """Send a command and wait for `done` or `refused`."""
        id = self.ask(type, **given)
        return self.wait(lambda said: said.head.get("id") == id and said.head["type"] != "ack", timeout)

    def wait(self, fits: Callable[[Said], bool], timeout: float = 20, since: int = 0) -> Said:
        """The first message (after so many) that fits."""
        with self._news:
            found = self._news.wait_for(lambda: next(filter(fits, self.said[since:]), None), timeout)
        assert found is not None, f"not said: {[said.head['type'] for said in self.said]}"
        return found

    def until(self, fits: Callable[[State], bool], timeout: float = 20) -> State:
        """The page's state, once it fits."""
        end = time.monotonic() + timeout
        while True:
            with self._news:
                state, n = self.state(), len(self.said)
                if fits(state):
                    return state
                left = end - time.monotonic()
                assert left > 0, f"never so: {state.rows}, {state.agents}, {state.curves}"
                self._news.wait_for(lambda: len(self.said) > n, left)  # noqa: B023

    def state(self) -> State:
        state = State()
        for said in self.said:
            state.take(said)
        return state


class KernelPage:
    """A page at the other end of a real kernel's comm."""

    def __init__(self, kernel: Any, comm_id: str) -> None:
        self.kernel, self.comm_id = kernel, comm_id
        self._ids = itertools.count(1)

    def send(self, type: str, **given: Any) -> str:
        id = f"{self.comm_id[:6]}-{next(self._ids)}"
        content = {"type": type, "id": id, **given}
        self.kernel.send("comm_msg", {"comm_id": self.comm_id, "data": {"method": "custom", "content": content}})
        return id

    def set(self, **state: Any) -> str:
        """Set traits, as a page does."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        return self.kernel.send("comm_msg", {"comm_id": self.comm_id, "data": data})

    @property
    def said(self) -> list[Said]:
        """All that came so far, in order."""
        heads = [m for m in self._messages() if m["content"]["data"].get("method") == "custom"]
        said = [Said(m["content"]["data"]["content"], bytes(m["buffers"][0]) if m["buffers"] else b"") for m in heads]
        return sorted(said, key=lambda one: one.head["seq"])

    @property
    def first_traits(self) -> dict[str, Any]:
        """The state that came when the comm opened: a page may be drawn before it hears more."""
        opened = [m for m in self._all() if m["msg_type"] == "comm_open" and m["content"]["comm_id"] == self.comm_id]
        return dict(opened[0]["content"]["data"]["state"])

    @property
    def traits(self) -> dict[str, Any]:
        """The state as the page knows it, from the beginning."""
        state = self.first_traits
        for message in self._messages():
            state |= message["content"]["data"].get("state", {})
        return state

    def wait(self, fits: Callable[[Said], bool], timeout: float = 20) -> Said:
        """The first message that fits."""
        return self._wait(lambda: next(filter(fits, self.said), None), timeout)

    def answer(self, type: str, timeout: float = 20, **given: Any) -> Said:
        id = self.send(type, **given)
        return self.wait(lambda said: said.head.get("id") == id and said.head["type"] != "ack", timeout)

    def until(self, fits: Callable[[KernelPage], Any], timeout: float = 20) -> Any:
        return self._wait(lambda: fits(self), timeout)

    def state(self) -> State:
        state = State()
        for said in self.said:
            state.take(said)
        return state

    def _wait(self, found: Callable[[], Any], timeout: float) -> Any:
        end = time.monotonic() + timeout
        while not (result := found()):
            self.kernel._listen(end)
        return result

    def _all(self) -> list[dict[str, Any]]:
        heard = [m for said in self.kernel._heard.values() for m in said]
        return sorted(heard, key=lambda m: m["header"]["date"])

    def _messages(self) -> list[dict[str, Any]]:
        return [m for m in self._all() if m["msg_type"] == "comm_msg" and m["content"]["comm_id"] == self.comm_id]


def is_close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-9) or (math.isnan(a) and math.isnan(b))
