"""Agents for a hub that cost next to nothing themselves: bytes over sockets, many of them in one thread.

What is measured with them is the hub, not our own client: a call is a template with a run's id put in, and of a reply only
the head is read. `python -m benchmarks.rawclients LINK JSON` is one process of them; what it saw is a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from sweepwidget.links import parse_link
from sweepwidget.model import Agent, AgentId, Column, Outcome, Points, Process, RunId, RunState, SweepId
from sweepwidget.wire import CONTENT_TYPE, REQUEST_HEADER, TOKEN_HEADER, encode_call

_RUN, _CLAIM = "RUN-ID-1", "CLAIM-ID"
"""Stand for a run's id and a claim's number in the templates, and are as long as those."""
_PAUSE_S = 0.01


class Connection(asyncio.Protocol):
    """One connection that is kept; one call at a time."""

    def __init__(self, link: str) -> None:
        self.place = parse_link(link)
        parts = urlsplit(self.place.base)
        self.host, self.port = parts.hostname, parts.port
        self._head = (
            f"Host: {parts.netloc}\r\nContent-Type: {CONTENT_TYPE}\r\n{TOKEN_HEADER}: {self.place.token}\r\n"
            f"{REQUEST_HEADER}: "
        )
        self._calls = random.getrandbits(64)
        self._buffer = bytearray()
        self._answer: asyncio.Future[bytes] | None = None

    async def open(self) -> Connection:
        await asyncio.get_running_loop().create_connection(lambda: self, self.host, self.port)
        return self

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    async def call(self, verb: str, body: bytes) -> dict[str, Any]:
        """The head of the reply."""
        self._calls += 1
        self._answer = asyncio.get_running_loop().create_future()
        head = f"POST /v1/{verb} HTTP/1.1\r\n{self._head}{self._calls:x}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)
        answer = await self._answer
        end = 4 + int.from_bytes(answer[:4], "little")
        found: dict[str, Any] = json.loads(answer[4:end])
        return found

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        assert self._answer is not None
        if head.startswith(b"HTTP/1.1 200"):
            self._answer.set_result(bytes(rest[:length]))
        else:
            self._answer.set_exception(RuntimeError(rest[:length].decode()))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the hub has closed the connection"))


class RawAgent:
    """Joins, claims, logs and finishes, and notes how long each took."""

    def __init__(self, link: str, took: dict[str, list[float]]) -> None:
        self._connection = Connection(link)
        self._took = took
        self.id = AgentId(f"raw-{random.getrandbits(64):016x}")
        self._claim = encode_call("claim", {"agent_id": self.id, "request_id": _CLAIM})
        ended = {"run_id": RunId(_RUN), "attempt": 1, "outcome": Outcome(RunState.finished, 0, "", {"loss": 0.5})}
        self._finish = encode_call("finish", ended)
        self._finish_row = encode_call("finish", {**ended, "points": points(_RUN, 0, 1, 2)})

    async def join(self) -> RawAgent:
        await self._connection.open()
        sweep_id = SweepId(self._connection.place.sweep_id or "")
        agent = Agent(self.id, sweep_id, Process("elsewhere", random.getrandbits(30), self.id), "raw")
        await self._connection.call("join", encode_call("join", {"agent": agent, "ttl_s": 600.0}))
        return self

    async def claim(self) -> str:
        """The id of a run; waits until there is one."""
        body = self._claim.replace(_CLAIM.encode(), f"{random.getrandbits(32):08x}".encode())
        begun = time.perf_counter()
        while True:
            run = (await self._connection.call("claim", body))["result"]
            if run is not None:
                self._took["claim"].append(time.perf_counter() - begun)
                return str(run["id"])
            await asyncio.sleep(_PAUSE_S)

    async def log(self, body: bytes) -> None:
        begun = time.perf_counter()
        await self._connection.call("log", body)
        self._took["log"].append(time.perf_counter() - begun)

    async def finish(self, run_id: str, with_row: bool = False) -> None:
        """End a run; `with_row`: with its only row, as short runs do."""
        body = self._finish_row if with_row else self._finish
        begun = time.perf_counter()
        await self._connection.call("finish", body.replace(_RUN.encode(), run_id.encode()))
        self._took["finish"].append(time.perf_counter() - begun)


def points(run_id: str, first: int, n: int, metrics: int) -> Points:
    """The rows `first` to `first + n` of a run, as its spool would deliver them."""
    steps, row = np.arange(first, first + n), 24 + 8 * metrics
    columns = {f"metric{i}": Column(steps, np.random.default_rng(first + i).random(n)) for i in range(metrics)}
    return Points(RunId(run_id), 1, "", first * row, (first + n) * row, columns)


# -- what they do ----------------------------------------------------------------------------------------------------

Work = Callable[[RawAgent, float, Mapping[str, Any]], Awaitable[int]]


async def steady_rows(agent: RawAgent, until: float, task: Mapping[str, Any]) -> int:
    """One row per second of a run that goes on."""
    run_id, due, rows = await agent.claim(), time.monotonic() + random.random(), 0
    while due < until:
        await asyncio.sleep(due - time.monotonic())
        await agent.log(encode_call("log", {"points": points(run_id, rows, 1, 2)}))
        rows, due = rows + 1, max(due + 1.0, time.monotonic())
    return rows


async def short_runs(agent: RawAgent, until: float, task: Mapping[str, Any]) -> int:
    """One run after another."""
    runs = 0
    while time.monotonic() < until:
        await agent.finish(await agent.claim(), with_row=True)
        runs += 1
    return runs


async def batches(agent: RawAgent, until: float, task: Mapping[str, Any]) -> int:
    """As many rows as the hub takes, `batch` at once."""
    run_id, rows, batch = await agent.claim(), 0, task["batch"]
    while time.monotonic() < until:
        await agent.log(encode_call("log", {"points": points(run_id, rows, batch, 4)}))
        rows += batch
    return rows


async def working(agent: RawAgent, until: float, task: Mapping[str, Any]) -> int:
    """Runs of half a second that log 100 rows per second, shipped five times a second as our own agents do."""
    runs = 0
    await asyncio.sleep(random.random() * 0.5)
    while time.monotonic() < until:
        run_id, length, rows = await agent.claim(), random.randint(1, 5), 0
        for _ in range(length):
            await asyncio.sleep(0.2)
            await agent.log(encode_call("log", {"points": points(run_id, rows, 20, 1)}))
            rows += 20
        await agent.finish(run_id)
        runs += 1
    return runs


WORK: Mapping[str, Work] = {work.__name__: work for work in (steady_rows, short_runs, batches, working)}


async def _main(link: str, task: Mapping[str, Any]) -> dict[str, Any]:
    took: dict[str, list[float]] = {"claim": [], "log": [], "finish": []}
    agents = [await RawAgent(link, took).join() for _ in range(task["agents"])]
    begin = time.monotonic() + max(0.0, task["begin"] - time.time())
    await asyncio.sleep(begin - time.monotonic())
    cpu = time.process_time()
    did = await asyncio.gather(*[WORK[task["work"]](agent, begin + task["seconds"], task) for agent in agents])
    seconds = time.monotonic() - begin
    return {"did": did, "seconds": seconds, "cpu_s": time.process_time() - cpu, **took}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_main(sys.argv[1], json.loads(sys.argv[2])))))
