"""What a token of one sweep may do to another: nothing, and it does not learn that there is one. Over every verb that travels."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from attrs import evolve

from sweepwidget.columns import column
from sweepwidget.errors import Dismissed, Error
from sweepwidget.hub import app as hub_app, tokens
from sweepwidget.hub.app import App
from sweepwidget.hub.limits import Refused
from sweepwidget.model import (
    Agent,
    AgentId,
    Cursor,
    Lease,
    Outcome,
    Points,
    Process,
    Run,
    RunId,
    RunState,
    Scope,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
    Token,
)
from sweepwidget.provenance import provenance
from sweepwidget.store.sqlite import SqliteStore
from sweepwidget.wire import VERBS, Denied, WireError

from .conftest import TTL, Content, fill

ELSEWHERE = Process("another-machine", 1, "0", "another boot")


def agent_in(content: Content, agent_id: str) -> Agent:
    return Agent(AgentId(agent_id), content.sweep_id, ELSEWHERE)


def points(run: Run) -> Points:
    return Points(run.id, run.attempt, "", 3, 4, {"loss": column([3], [0.5])})


CALLS: Mapping[str, Callable[[Content], Mapping[str, Any]]] = {
    "sweep": lambda to: {"sweep_id": to.sweep_id},
    "sweeps": lambda to: {},
    "changes": lambda to: {"sweep_id": to.sweep_id, "cursor": Cursor()},
    "wait": lambda to: {"sweep_id": to.sweep_id, "version": 0, "timeout_s": 0.0},
    "run": lambda to: {"run_id": to.run.id},
    "runs": lambda to: {"sweep_id": to.sweep_id},
    "agents": lambda to: {"sweep_id": to.sweep_id},
    "configs": lambda to: {"sweep_id": to.sweep_id},
    "columns": lambda to: {"run_id": to.run.id},
    "records": lambda to: {"run_id": to.run.id},
    "known_offsets": lambda to: {"run_id": to.run.id, "attempt": 1},
    "join": lambda to: {"agent": agent_in(to, "joins late"), "ttl_s": TTL},
    "leave": lambda to: {"agent_id": to.agent.id},
    "allow": lambda to: {"crew": to.agent.crew, "sweep_id": to.sweep_id, "runs": 0},
    "dismiss": lambda to: {"agent_ids": (to.agent.id,)},
    "claim": lambda to: {"agent_id": to.agent.id, "request_id": "another"},
    "heartbeat": lambda to: {"agent_ids": (to.agent.id,), "ttl_s": 1.0},
    "log": lambda to: {"points": points(to.run)},
    "finish": lambda to: {
        "run_id": to.run.id,
        "attempt": 1,
        "outcome": Outcome(RunState.finished),
        "points": points(to.run),
    },
    "stop": lambda to: {"run_ids": (to.run.id,), "reason": "why not"},
    "update_run": lambda to: {"run_id": to.run.id, "name": "renamed"},
    "set_state": lambda to: {"sweep_id": to.sweep_id, "state": SweepState.CANCELED},
    "update_config": lambda to: {"sweep_id": to.sweep_id, "config": {"method": "grid"}},
    "acquire": lambda to: {"sweep_id": to.sweep_id, "owner": "me", "process": ELSEWHERE, "ttl_s": TTL, "force": True},
    "release": lambda to: {"lease": to.lease},
    "add_runs": lambda to: {"lease": to.lease, "suggestions": (Suggestion({"x": 1}),), "seeds": (1,)},
    "withdraw": lambda to: {"lease": to.lease, "run_ids": (to.run.id,)},
    "expire": lambda to: {"lease": to.lease},
    "enqueue": lambda to: {"sweep_id": to.sweep_id, "suggestion": Suggestion({"x": 1}), "seed": 1},
    "delete_run": lambda to: {"run_id": to.run.id},
    "create_sweep": lambda to: {"sweep": Sweep(SweepId(f"{to.sweep_id}-again"), {})},
    "start_run": lambda to: {"run": Run(RunId("plain"), None, 0, {}), "agent": agent_in(to, "plain"), "ttl_s": TTL},
}
"""A call of each verb that concerns a sweep. `remember` and `recall` concern none."""
ALONE = ("sweeps", "create_sweep", "start_run")
"""What needs the whole store."""
NOTHING = Content(SweepId("nowhere"), Lease(SweepId("nowhere"), "x", 1), Agent(AgentId("nobody"), SweepId("nowhere"), ELSEWHERE),
                  Run(RunId("norun"), SweepId("nowhere"), 1, {}))  # fmt: skip


class World:
    def __init__(self, store: SqliteStore) -> None:
        self.store, self.app = store, App(store)
        self.mine, self.other = fill(store, "mine"), fill(store, "other")

    def token(self, sweep_id: str | None, scope: Scope = Scope.control) -> Any:
        secret = tokens.issue(self.store, sweep_id and SweepId(sweep_id), scope)
        return tokens.find(self.store, secret)

    def dispatch(self, token: Any, verb: str, args: Mapping[str, Any]) -> Any:
        """What comes of a call; `wait` is made by whoever serves, so here it is only admitted."""
        if verb == "wait":
            return self.app.admit(token, verb, args)["version"]
        return self.app.dispatch(token, verb, args)

    def everything(self) -> str:
        """All that the store holds, but for its tokens and what belongs to `mine`."""
        other = self.other.sweep_id
        return repr((
            self.store.sweep(other), self.store.runs(other), self.store.agents(other), self.store.runs(None),
            [sweep.id for sweep in self.store.sweeps()],
            {key: (kept.steps.tolist(), kept.values.tolist()) for key, kept in self.store.columns(self.other.run.id).items()},
            self.store._connected().execute("SELECT * FROM agent WHERE sweep = 2").fetchall(),
            self.store._connected().execute("SELECT * FROM crew WHERE sweep = 2").fetchall(),
            self.store._connected().execute("SELECT * FROM ledger WHERE sweep <> 1").fetchall(),
        ))  # fmt: skip


@pytest.fixture
def world(tmp_path):
    store = SqliteStore(tmp_path / "sweeps.db")
    yield World(store)
    store.close()


def outcome(action):
    """What came of an action: its result, or the error with its kind."""
    try:
        return action()
    except Error as error:
        return type(error), str(error)


def test_every_verb_is_tried():
    """A verb that is new on the wire is tried on another's sweep, too."""
    assert set(VERBS) == {*CALLS, "remember", "recall"}


@pytest.mark.parametrize("verb", CALLS)
def test_a_token_does_not_reach_another_sweep(world, verb):
    """No call with a token of one sweep changes another, or anything beside them."""
    token, before = world.token("mine"), world.everything()
    outcome(lambda: world.dispatch(token, verb, CALLS[verb](world.other)))
    assert before == world.everything()


@pytest.mark.parametrize("verb", CALLS)
def test_another_sweep_looks_as_if_it_were_not(world, verb):
    """What comes of a call about another's sweep is, but for the names in it, what comes of one about nothing."""
    token = world.token("mine")
    about_other = outcome(lambda: world.dispatch(token, verb, CALLS[verb](world.other)))
    about_nothing = outcome(lambda: world.dispatch(token, verb, CALLS[verb](NOTHING)))
    other, nothing = world.other, NOTHING
    renamed = repr(about_other)
    for name, none in (
        (other.sweep_id, nothing.sweep_id),
        (other.run.id, nothing.run.id),
        (other.agent.id, nothing.agent.id),
    ):
        renamed = renamed.replace(f"'{name}'", f"'{none}'").replace(f" {name}", f" {none}")
    assert renamed == repr(about_nothing)


@pytest.mark.parametrize("verb", sorted(set(CALLS) - set(ALONE)))
def test_a_token_reaches_its_own_sweep(world, verb):
    """The same calls work on the token's own sweep."""
    world.dispatch(world.token("mine"), verb, CALLS[verb](world.mine))


@pytest.mark.parametrize("verb", CALLS)
def test_a_token_of_the_store_reaches_all(world, verb):
    """The same calls work for whoever has a token of the whole store."""
    world.dispatch(world.token(None), verb, CALLS[verb](world.other))


@pytest.mark.parametrize("verb", VERBS)
def test_scopes_are_checked(world, verb):
    """Each verb is denied to every scope below its own."""
    args = CALLS[verb](world.mine) if verb in CALLS else {"key": "k", "text": "t"}
    for scope in Scope:
        if not scope.includes(VERBS[verb].scope):
            with pytest.raises(Denied, match=VERBS[verb].scope.value):
                world.dispatch(world.token("mine", scope), verb, args)


def test_a_lease_of_another_sweep_is_no_pass(world):
    """One's own lease does not open another's runs, nor another's lease one's own sweep."""
    token = world.token("mine")
    for verb, args in (
        ("withdraw", {"lease": world.mine.lease, "run_ids": (world.other.run.id,)}),
        ("set_state", {"sweep_id": world.mine.sweep_id, "state": SweepState.PAUSED, "lease": world.other.lease}),
        ("finish", CALLS["finish"](world.mine) | {"points": points(world.other.run)}),
        ("stop", {"run_ids": (world.mine.run.id, world.other.run.id), "reason": ""}),
    ):
        with pytest.raises(Error, match="sweep mine"):
            world.dispatch(token, verb, args)
    assert RunState.running == world.store.run(world.mine.run.id).state


def test_agents_cannot_be_taken_over(world):
    """Joining under the name of another sweep's agent is an error, and leaves that agent where it is."""
    token, before = world.token("mine"), world.everything()
    with pytest.raises(Error, match="choose another id"):
        world.dispatch(token, "join", {"agent": agent_in(world.mine, world.other.agent.id), "ttl_s": TTL})
    assert before == world.everything()


def test_crews_cannot_be_taken_over(world):
    """A crew's count belongs to its sweep: another's agents neither use it up nor set it."""
    token, before = world.token("mine"), world.everything()
    world.dispatch(token, "allow", {"crew": world.other.agent.crew, "sweep_id": "mine", "runs": 0})
    world.dispatch(token, "allow", {"crew": world.other.agent.crew, "sweep_id": "mine", "runs": None})
    spy = Agent(AgentId("spy"), world.mine.sweep_id, ELSEWHERE, crew=world.other.agent.crew)
    world.dispatch(token, "join", {"agent": spy, "ttl_s": TTL})
    world.store.add_runs(world.mine.lease, [Suggestion({"x": 1})], [1])
    assert world.dispatch(token, "claim", {"agent_id": spy.id, "request_id": "r"}) is not None
    assert before == world.everything()


def test_a_dismissed_agent_is_told(world):
    """What the store says of a call is what the caller hears."""
    token = world.token("mine", Scope.run)
    world.dispatch(token, "dismiss", {"agent_ids": (world.mine.agent.id, world.other.agent.id)})
    with pytest.raises(Dismissed):
        world.dispatch(token, "claim", {"agent_id": world.mine.agent.id, "request_id": "r"})


def test_what_is_remembered_is_what_the_key_says(world):
    """A text is kept under its SHA-256 and under nothing else: nobody can put another in its place."""
    token = world.token("mine", Scope.run)
    key, text = provenance(None, "train.py")
    world.dispatch(token, "remember", {"key": key, "text": text})
    assert text == world.dispatch(token, "recall", {"key": key})
    with pytest.raises(Error, match="SHA-256"):
        world.dispatch(token, "remember", {"key": key, "text": "something else"})


def test_there_is_room_for_so_many_agents(world, monkeypatch):
    """A sweep has a largest number of living agents; those it has may join again."""
    monkeypatch.setattr(hub_app, "AGENTS", 2)
    token = world.token("mine", Scope.run)
    for _ in range(2):
        world.dispatch(token, "join", {"agent": agent_in(world.mine, "second"), "ttl_s": TTL})
    with pytest.raises(Refused, match="2 is the most"):
        world.dispatch(token, "join", {"agent": agent_in(world.mine, "third"), "ttl_s": TTL})
    world.dispatch(token, "leave", {"agent_id": "second"})
    world.dispatch(token, "join", {"agent": agent_in(world.mine, "third"), "ttl_s": TTL})


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("heartbeat", {"agent_ids": (), "ttl_s": 1e9}),
        ("heartbeat", {"agent_ids": (), "ttl_s": float("nan")}),
        ("heartbeat", {"agent_ids": tuple(AgentId(str(i)) for i in range(10_001)), "ttl_s": 1.0}),
        ("log", {"points": Points(RunId("r"), 1, "", 0, 1, {"n" * 1001: column([0], [0.0])})}),
        ("create_sweep", {"sweep": Sweep(SweepId("../etc"), {})}),
        ("start_run", {"run": Run(RunId("a/b"), None, 0, {}), "agent": NOTHING.agent, "ttl_s": 1.0}),
    ],
)
def test_what_is_out_of_bounds_is_refused(world, verb, args):
    """Endless leases, long lists, long names and ids that are paths are refused, whoever asks."""
    with pytest.raises(Error):
        world.dispatch(world.token(None), verb, args)


def test_a_run_is_not_closed_with_anothers_points(tmp_path):
    """They would be kept without a look at who works on that run, and whether it has ended."""
    store = SqliteStore(tmp_path / "sweeps.db")
    mine, other = fill(store, "mine"), fill(store, "other")
    whole_store = Token("digest", None, Scope.control, 0.0, None)
    for late in (points(other.run), evolve(points(mine.run), attempt=2)):
        with pytest.raises(WireError, match="these are the points of"):
            App(store).dispatch(
                whole_store,
                "finish",
                {"run_id": mine.run.id, "attempt": 1, "outcome": Outcome(RunState.finished), "points": late},
            )
    assert 3 == len(store.columns(other.run.id)["loss"])
    store.close()
