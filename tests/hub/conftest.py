"""A hub on a real socket, and whoever calls it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from attrs import frozen

from sweepwidget.columns import column
from sweepwidget.hub import tokens
from sweepwidget.hub.server import HubServer
from sweepwidget.model import (
    Agent,
    AgentId,
    Lease,
    Points,
    Run,
    Scope,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)
from sweepwidget.process import this_process
from sweepwidget.store.sqlite import SqliteStore
from sweepwidget.wire import CONTENT_TYPE, TOKEN_HEADER, decode_error, decode_reply, encode_call

TTL = 60.0


@frozen
class Content:
    """A sweep with an agent at work."""

    sweep_id: SweepId
    lease: Lease
    agent: Agent
    run: Run


def fill(store: Any, name: str) -> Content:
    """A running sweep `name`, whose agent has begun a run and logged something."""
    sweep_id = SweepId(name)
    # Steered from elsewhere, so that no hub's controller meddles with what a test looks at.
    config = {"method": "random", "controller": {"type": "local"}, "parameters": {"x": {"min": 0.0, "max": 1.0}}}
    store.create_sweep(Sweep(sweep_id, config, SweepState.RUNNING))
    lease = store.acquire(sweep_id, "controller", this_process(), TTL)
    agent = Agent(AgentId(f"agent-of-{name}"), sweep_id, this_process(), crew=f"crew-of-{name}")
    store.join(agent, TTL)
    store.allow(agent.crew, sweep_id, 100)
    store.add_runs(lease, [Suggestion({"x": 0.5})], [1])
    run = store.claim(agent.id, f"first of {name}")
    store.log(
        Points(run.id, run.attempt, "", 0, 3, {"loss": column([0, 1, 2], [3.0, 2.0, 1.0])}, summary={"loss": 1.0})
    )
    return Content(sweep_id, lease, agent, store.run(run.id))


class Caller:
    """Who has a token and calls a hub."""

    def __init__(self, base: str, token: str, **options: Any) -> None:
        self.base, self.token = base, token
        self.http = httpx.Client(timeout=20, trust_env=False, **options)

    def post(self, verb: str, body: bytes = b"", path: str = "/v1/", **headers: str | None) -> httpx.Response:
        """A call as it is, with headers set (`Content_Type=…`) or left out (None)."""
        sent = {TOKEN_HEADER: self.token, "Content-Type": CONTENT_TYPE}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value is not None}
        return self.http.post(f"{self.base}{path}{verb}", content=body, headers=sent)

    def call(self, verb: str, request: str | None = None, **args: Any) -> Any:
        """What the call returns; raises what the hub says."""
        answer = self.post(verb, encode_call(verb, args), X_Sweep_Request=request)
        if answer.status_code == 200:
            return decode_reply(verb, answer.content)
        error = decode_error(answer.status_code, answer.content)
        assert error is not None, answer.text
        raise error


class Hub:
    """A server on a store of its own, and tokens for it."""

    def __init__(self, store: SqliteStore, **options: Any) -> None:
        self.store = store
        self.server = HubServer(store, **options)
        self.base = self.server.start()
        self._stack = contextlib.ExitStack()

    def token(self, sweep_id: str | None = None, scope: Scope = Scope.control, expires_s: float | None = 600.0) -> str:
        return tokens.issue(self.store, None if sweep_id is None else SweepId(sweep_id), scope, expires_s)

    def caller(self, sweep_id: str | None = None, scope: Scope = Scope.control, **options: Any) -> Caller:
        caller = Caller(self.base, self.token(sweep_id, scope), **options)
        self._stack.callback(caller.http.close)
        return caller

    def stranger(self, token: str) -> Caller:
        caller = Caller(self.base, token)
        self._stack.callback(caller.http.close)
        return caller

    def raw(self) -> socket.socket:
        """A connection for what no client library would send."""
        connection = self._stack.enter_context(socket.create_connection(("127.0.0.1", self.server.port), 20))
        connection.settimeout(20)
        return connection

    def close(self) -> None:
        self._stack.close()
        self.server.stop()


@pytest.fixture
def open_hub(tmp_path) -> Iterator[Callable[..., Hub]]:
    """Opens hubs on one store of the test's own."""
    store = SqliteStore(tmp_path / "sweeps.db")
    opened: list[Hub] = []

    def open_one(**options: Any) -> Hub:
        opened.append(Hub(store, **options))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
    store.close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[Hub]:
    """One hub for the tests of a module, with two sweeps `mine` and `other` in its store."""
    store = SqliteStore(tmp_path_factory.mktemp("hub") / "sweeps.db")
    running = Hub(store)
    running.mine, running.other = fill(store, "mine"), fill(store, "other")
    yield running
    running.close()
    store.close()
