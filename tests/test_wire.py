"""What a hub and its clients say to each other survives the journey, and nothing else gets through."""

from __future__ import annotations

import inspect
import json
import math
import struct
import typing

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sweepwidget import errors, wire
from sweepwidget.columns import column
from sweepwidget.message import MAX_DEPTH, MAX_HEAD, Message, Reader, WireError, Writer, kind_of, pack, unpack
from sweepwidget.model import (
    Agent,
    AgentId,
    Changes,
    Chunk,
    Column,
    Cursor,
    Lease,
    Outcome,
    Points,
    Process,
    Run,
    RunId,
    RunState,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)
from sweepwidget.store import Store
from sweepwidget.wire import (
    VERBS,
    Denied,
    decode_call,
    decode_error,
    decode_reply,
    encode_call,
    encode_error,
    encode_reply,
)

# -- strategies -----------------------------------------------------------------------------------------------------

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
KEYS = st.text(max_size=5) | st.sampled_from(["$float", "$$float", "x$float", "nan"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(KEYS, VALUES, max_size=4)
IDS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8)
INTS = st.integers(-(2**63), 2**63 - 1)
TIMES = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(), max_size=20)  # lone surrogates too
COLUMNS = st.lists(st.tuples(INTS, NUMBERS), max_size=5).map(
    lambda rows: column(*zip(*rows, strict=True)) if rows else column([], [])
)
STEADY = st.tuples(st.integers(-5, 2**60), st.integers(0, 5)).map(
    lambda c: column(range(c[0], c[0] + c[1]), [0.5] * c[1])
)
RECORDS = st.lists(st.tuples(INTS, MAPPINGS.map(json.dumps)), max_size=3)

PROCESSES = st.builds(Process, TEXTS, INTS, TEXTS, TEXTS)
SWEEPS = st.builds(Sweep, IDS, MAPPINGS, st.sampled_from(SweepState), TEXTS, INTS, TEXTS, TEXTS, TIMES, INTS)
RUNS = st.builds(
    Run,
    IDS,
    st.none() | IDS,
    INTS,
    MAPPINGS,
    state=st.sampled_from(RunState),
    attempt=INTS,
    name=TEXTS,
    agent_id=st.none() | IDS,
    summary=MAPPINGS,
    info=MAPPINGS,
    started_at=st.none() | TIMES,
    exit_code=st.none() | INTS,
    error=TEXTS,
    stop_state=st.none() | st.sampled_from(RunState),
    tags=st.lists(TEXTS, max_size=2).map(tuple),
    deleted=st.booleans(),
)
AGENTS = st.builds(Agent, IDS, IDS, PROCESSES, TEXTS, st.booleans(), st.none() | INTS, crew=IDS, leaving=st.booleans())
POINTS = st.builds(
    Points,
    IDS,
    INTS,
    TEXTS,
    st.integers(0, 99),
    st.integers(99, 10**9),
    st.dictionaries(TEXTS, COLUMNS | STEADY, max_size=4),
    RECORDS,
    st.none() | MAPPINGS,
)
CHANGES = st.builds(
    Changes,
    st.builds(Cursor, INTS, INTS),
    st.none() | SWEEPS,
    st.lists(RUNS, max_size=2).map(tuple),
    st.lists(AGENTS, max_size=2).map(tuple),
    st.lists(st.builds(Chunk, IDS, INTS, TEXTS, COLUMNS | STEADY), max_size=3).map(tuple),
)


def plain(value):
    """Something that compares: columns by their bits, NaN as itself."""
    if isinstance(value, Column):
        return (value.steps.tolist(), value.values.tobytes())
    if attrs.has(type(value)):
        return (type(value), [plain(getattr(value, field.name)) for field in attrs.fields(type(value))])
    if isinstance(value, dict):
        return [(key, plain(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return (type(value), repr(value))


# -- facts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "values"), [(Sweep, SWEEPS), (Run, RUNS), (Agent, AGENTS), (Points, POINTS), (Changes, CHANGES)]
)
def test_facts_come_back_as_they_were(fact, values):
    """Every field, every float bit for bit, NaN and infinities in users' values, whatever keys these have."""

    @given(value=values)
    @settings(max_examples=60)
    def law(value):
        writer = Writer()
        message = unpack(pack(writer.message({"it": kind_of(fact).write(value, writer)})))
        assert plain(value) == plain(kind_of(fact).read(message.head["it"], Reader(message), "it"))

    law()


def test_the_head_is_json_for_everybody():
    """NaN is marked, not written as Python does: other languages read the head, too."""
    head, _ = _halves(encode_call("update_run", {"run_id": RunId("r"), "summary": {"loss": math.nan, "$float": 1}}))
    strict = json.loads(head, parse_constant=pytest.fail)
    assert {"loss": {"$float": "nan"}, "$$float": 1} == strict["args"]["summary"]


def test_steps_that_count_up_cost_nothing():
    """One logged metric takes eight bytes per point; metrics of the same steps share them."""
    n = 1000
    steady = Points(RunId("r"), 1, "", 0, 8, {"a": column(range(n), [0.5] * n), "b": column(range(n), [0.5] * n)})
    assert len(encode_call("log", {"points": steady})) < 2 * 8 * n + 300
    odd = column(range(0, 3 * n, 3), [0.5] * n)
    shared = Points(RunId("r"), 1, "", 0, 8, {"a": odd, "b": odd, "c": Column(odd.steps.copy(), odd.values)})
    assert len(encode_call("log", {"points": shared})) < (3 + 1) * 8 * n + 300


def test_a_newer_peer_is_understood():
    """A field that is not known is ignored, one that is missing has its default."""
    writer = Writer()
    written = kind_of(Agent).write(Agent(AgentId("a"), SweepId("s"), Process("h", 1, "t")), writer)
    del written["crew"], written["process"]["space"]
    written |= {"mood": {"new": [1]}}
    assert Agent(AgentId("a"), SweepId("s"), Process("h", 1, "t")) == kind_of(Agent).read(
        written, Reader(Message({})), "it"
    )
    del written["process"]
    with pytest.raises(WireError, match="it.process is missing"):
        kind_of(Agent).read(written, Reader(Message({})), "it")


def test_values_that_are_not_json_are_refused_or_made_plain():
    """TypeError, unless the caller says how to write them."""
    odd = {"outcome": Outcome(RunState.finished, summary={"a": {1, 2}}), "run_id": RunId("r"), "attempt": 1}
    with pytest.raises(TypeError):
        encode_call("finish", odd)
    _, args = decode_call(encode_call("finish", odd, plain=lambda value: {"made": str(len(value))}))
    assert {"made": "1"} == args["outcome"].summary


# -- the allow-list -------------------------------------------------------------------------------------------------

AT_HOME = {"subscribe", "changed_elsewhere", "close"}
"""What every store does for itself."""


def test_every_verb_of_a_store_travels():
    """A new verb is added to the list, or said to stay at home."""
    verbs = {name for name, what in vars(Store).items() if inspect.isfunction(what) and not name.startswith("_")}
    assert verbs - AT_HOME == VERBS.keys() - {"wait"}


@pytest.mark.parametrize("name", sorted(VERBS.keys() - {"wait", "update_run"}))
def test_a_verb_is_what_the_store_promises(name):
    """Arguments, which of them may be left out, their types, and the result."""
    signature = inspect.signature(getattr(Store, name))
    hints = typing.get_type_hints(getattr(Store, name))
    parameters = [one for one in signature.parameters.values() if one.name != "self"]
    verb = VERBS[name]
    assert [one.name for one in parameters] == [*verb.needs, *verb.options]
    assert {one.name for one in parameters if one.default is not one.empty} == verb.options.keys()
    for one in parameters:
        assert kind_of(hints[one.name]).write is not None
        ours = (verb.needs | verb.options)[one.name]
        assert ours in (hints[one.name], AgentId) or ours == hints[one.name] | None
    assert (hints["return"] if hints["return"] is not type(None) else None) == verb.result


def test_who_may_do_what():
    """Looking needs the least, working more, steering most; nothing that reads changes anything."""
    scopes = {scope.value: {verb.name for verb in VERBS.values() if verb.scope is scope} for scope in wire.Scope}
    assert {"sweep", "changes", "run", "columns", "wait"} <= scopes["observe"]
    assert {"join", "claim", "log", "finish", "heartbeat", "leave"} <= scopes["run"]
    assert {"create_sweep", "set_state", "update_config", "acquire", "add_runs", "expire", "delete_run"} <= scopes[
        "control"
    ]
    assert {verb.name for verb in VERBS.values() if not verb.mutates} == scopes["observe"]


def test_whose_calls_are():
    """A token of one sweep is compared with everything that a call names."""
    lease = Lease(SweepId("a"), "owner", 1)
    points = Points(RunId("r2"), 1, "", 0, 8, {})
    agent = Agent(AgentId("x"), SweepId("a"), Process("h", 1, ""))

    def concern(verb, **args):
        found = VERBS[verb].concern(args)
        return found.everything, found.sweeps, found.runs, found.agents

    assert (False, ("b", "a"), (), ()) == concern("set_state", sweep_id="b", state=SweepState.PAUSED, lease=lease)
    assert (False, ("a",), (), ()) == concern("add_runs", lease=lease, suggestions=(), seeds=())
    assert (False, ("a",), (), ()) == concern("join", agent=agent, ttl_s=1.0)
    assert (False, (), ("r1", "r2"), ()) == concern("finish", run_id="r1", attempt=1, outcome=None, points=points)
    assert (False, (), ("r1", "r2"), ()) == concern("stop", run_ids=("r1", "r2"), reason="")
    assert (False, (), (), ("x", "y")) == concern("heartbeat", agent_ids=("x", "y"), ttl_s=1.0)
    assert (False, (), (), ()) == concern("recall", key="sha")
    for whole in (
        concern("sweeps"),
        concern("runs"),
        concern("runs", sweep_id=None),
        concern("expire", lease=None),
        concern("create_sweep", sweep=None),
        concern("start_run", run=None, agent=agent, ttl_s=1.0),
        concern("join", agent=attrs.evolve(agent, sweep_id=""), ttl_s=1.0),
    ):
        assert whole[0]


# -- calls and replies ----------------------------------------------------------------------------------------------

CALLS = [
    ("sweep", {"sweep_id": "s"}),
    ("changes", {"sweep_id": "s", "cursor": Cursor(1, 2), "keys": ("loss",)}),
    ("claim", {"agent_id": "a", "request_id": "r", "wanted": None}),
    ("add_runs", {"lease": Lease(SweepId("s"), "o", 1), "suggestions": (Suggestion({"x": math.inf}),), "seeds": (7,)}),
    ("set_state", {"sweep_id": "s", "state": SweepState.PAUSED, "reason": "é\ud800"}),
    ("update_run", {"run_id": "r", "tags": ("a",), "config": {"a": [math.nan]}}),
    ("finish", {"run_id": "r", "attempt": 2, "outcome": Outcome(RunState.failed, 1, "Traceback")}),
]


@pytest.mark.parametrize(("verb", "args"), CALLS, ids=[verb for verb, _ in CALLS])
def test_a_call_comes_back_as_it_was(verb, args):
    """With the verb's own arguments only; those that were left out stay out."""
    name, found = decode_call(encode_call(verb, args))
    assert (verb, plain(args)) == (name, plain(found))


def test_answers_come_back_as_they_were():
    """Mappings of columns keep their order, rows their types; None is an answer, too."""
    columns = {"b": column([1, 2], [math.nan, -0.0]), "a": column([2**62], [1.0])}
    assert plain(columns) == plain(decode_reply("columns", encode_reply("columns", columns)))
    records = [(3, {"a": math.nan}), (4, {})]
    assert plain(records) == plain(decode_reply("records", encode_reply("records", records)))
    assert decode_reply("claim", encode_reply("claim", None)) is None
    assert decode_reply("leave", encode_reply("leave", None)) is None
    run = Run(RunId("r"), None, 1, {"x": 1})
    assert {"r": run} == decode_reply("heartbeat", encode_reply("heartbeat", {"r": run}))


def test_answers_may_be_large():
    """What a hub may be asked is bounded, not what it has to tell."""
    sweeps = tuple(Sweep(SweepId(f"s{i}"), {"x": "y" * 1000, "z": math.nan}) for i in range(MAX_HEAD // 1000))
    assert plain(sweeps) == plain(decode_reply("sweeps", encode_reply("sweeps", sweeps)))


def _halves(body):
    (length,) = struct.unpack_from("<I", body)
    return body[4 : 4 + length], body[4 + length :]


def _call(head, rest=b""):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    text += b" " * (-(4 + len(text)) % 8)
    return struct.pack("<I", len(text)) + text + rest


def _log(**changes):
    """A call of log() with one thing in it changed."""
    points = {
        "run_id": "r",
        "attempt": 1,
        "source": "",
        "start": 0,
        "end": 8,
        "columns": {"a": 0},
        "records": [],
    } | changes
    head = {"verb": "log", "args": {"points": points}, "columns": [[1, 0]], "buffers": [["i8", 0], ["f8", 1]]}
    return _call(head, bytes(8))


GOOD = {"verb": "sweep", "args": {"sweep_id": "s"}}
SLEEPY = {"agent_ids": ["a"], "ttl_s": 1}
BAD = {
    "nothing": b"",
    "short": b"\x01\0",
    "cut head": _call(GOOD)[:-4],
    "huge head": struct.pack("<I", MAX_HEAD + 1) + bytes(MAX_HEAD + 1),
    "no JSON": _call(b"{"),
    "not UTF-8": _call(b'{"verb": "\xff"}'),
    "NaN": _call(b'{"verb": "heartbeat", "args": {"agent_ids": [], "ttl_s": NaN}}'),
    "infinite": _call(b'{"verb": "heartbeat", "args": {"agent_ids": [], "ttl_s": 1e999}}'),
    "a list": _call([]),
    "deep": _call(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "rather deep": _call(
        {"verb": "update_config", "args": {"sweep_id": "s", "config": {"a": eval("[" * MAX_DEPTH + "]" * MAX_DEPTH)}}}
    ),
    "large number": _call(b'{"a":' + b"9" * 5000 + b"}"),
    "no verb": _call({"args": {}}),
    "unknown verb": _call({**GOOD, "verb": "close"}),
    "verb of another kind": _call({**GOOD, "verb": ["sweep"]}),
    "no args": _call({"verb": "sweeps"}),
    "missing argument": _call({**GOOD, "args": {}}),
    "unknown argument": _call({**GOOD, "args": {"sweep_id": "s", "x": 1}}),
    "a number for a text": _call({**GOOD, "args": {"sweep_id": 5}}),
    "a control character": _call({**GOOD, "args": {"sweep_id": "a\0b"}}),
    "half a character": _call({**GOOD, "args": {"sweep_id": "\ud800"}}),
    "a long id": _call({**GOOD, "args": {"sweep_id": "s" * 201}}),
    "a text for a list": _call({"verb": "heartbeat", "args": {**SLEEPY, "agent_ids": "a"}}),
    "a truth for a number": _call({"verb": "heartbeat", "args": {**SLEEPY, "ttl_s": True}}),
    "a text for a number": _call({"verb": "heartbeat", "args": {**SLEEPY, "ttl_s": "1"}}),
    "beyond 64 bits": _log(attempt=2**63),
    "a fraction": _log(attempt=1.5),
    "offsets the wrong way": _log(start=9),
    "a negative offset": _log(start=-1),
    "unknown column": _log(columns={"a": 1}),
    "column of another kind": _log(columns={"a": "0"}),
    "records of no text": _log(records=[[0, 5]]),
    "unknown state": _call({"verb": "set_state", "args": {"sweep_id": "s", "state": "running"}}),
    "unknown float": _call({"verb": "update_config", "args": {"sweep_id": "s", "config": {"$float": "NaN()"}}}),
    "unknown dtype": _call({**GOOD, "buffers": [["O", 1]]}, bytes(8)),
    "negative buffer": _call({**GOOD, "buffers": [["f8", -1]]}),
    "cut buffer": _call({**GOOD, "buffers": [["f8", 2]]}, bytes(8)),
    "endless buffer": _call({**GOOD, "buffers": [["f8", 2**62]]}, bytes(8)),
    "more than said": _call(GOOD, bytes(8)),
    "strange buffers": _call({**GOOD, "buffers": [["f8", 1]]}, bytes(8)),
    "columns beyond their buffers": _call({**GOOD, "columns": [[2, 0]], "buffers": [["i8", 0], ["f8", 1]]}, bytes(8)),
    "buffers beyond their columns": _call({**GOOD, "columns": [], "buffers": [["i8", 0], ["f8", 1]]}, bytes(8)),
    "steps of a later column": _call({**GOOD, "columns": [[1, [0]]], "buffers": [["i8", 0], ["f8", 1]]}, bytes(8)),
    "missing steps": _call({**GOOD, "columns": [[1, None]], "buffers": [["i8", 0], ["f8", 1]]}, bytes(8)),
    "too many columns": _call({**GOOD, "columns": [[0, 0]] * (wire.MAX_NAMES + 1), "buffers": [["i8", 0], ["f8", 0]]}),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_what_is_malformed_is_refused(body):
    """With words about where, and nothing else happens."""
    with pytest.raises(WireError):
        decode_call(body)


def test_good_calls_are_not_refused():
    """The bad ones above are bad for one reason each."""
    assert ("sweep", {"sweep_id": "s"}) == decode_call(_call(GOOD))
    assert "log" == decode_call(_log())[0]
    assert ("heartbeat", {"agent_ids": ("a",), "ttl_s": 1.0}) == decode_call(
        _call({"verb": "heartbeat", "args": SLEEPY})
    )


@pytest.mark.parametrize("text", [b"{", b"5", b"[]", b'{"a": "\xff"}', b"[" * 5000])
def test_records_are_objects(text):
    """One that is not would fail every reader later."""
    points = Points(RunId("r"), 1, "", 0, 8, {}, [(0, "x" * len(text))])
    body = encode_call("log", {"points": points}).replace(b"x" * len(text), text)
    with pytest.raises(WireError, match=r"records\[0\]"):
        decode_call(body)


SEEDS = [encode_call(verb, args) for verb, args in CALLS] + [
    encode_call(
        "log",
        {
            "points": Points(
                RunId("r"), 1, "s", 0, 64, {"a": column([1, 5], [1, 2]), "b": column([0], [1])}, [(1, '{"a": 1}')]
            )
        },
    )
]


@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=4)), max_size=6),
    cut=st.just(0) | st.integers(1, 100),
)
@settings(max_examples=400)
def test_damage_never_gets_further_than_a_wire_error(seed, edits, cut):
    """Whatever bytes are changed, added or cut: either it is still a call, or WireError says no."""
    body = bytearray(seed)
    for at, data in edits:
        body[at % (len(body) + 1) : at % (len(body) + 1) + len(data)] = data
    try:
        verb, args = decode_call(bytes(body[: max(len(body) - cut, 0)]))
    except WireError:
        return
    assert verb in VERBS
    VERBS[verb].concern(args)


@given(body=st.binary(max_size=200))
def test_noise_is_refused(body):
    """No bytes but those of a call are one."""
    with pytest.raises(WireError):
        decode_call(body)
    with pytest.raises(WireError):
        decode_reply("run", body)


def test_buffers_of_other_machines():
    """Big-endian arrays arrive as what they mean."""
    message = unpack(pack(Message({}, [np.array([1, 2], ">i8"), np.array([0.5], ">f8"), np.array([7], "u1")])))
    assert [[1, 2], [0.5], [7]] == [buffer.tolist() for buffer in message.buffers]


# -- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (WireError("bad"), 400),
        (errors.SweepNotFound("no sweep"), 404),
        (errors.TransitionError("cannot"), 409),
        (errors.Fenced("late"), 409),
        (errors.Dismissed("go"), 409),
        (errors.UsageError("wrong"), 422),
        (errors.ConfigError(["one", "two"]), 422),
        (errors.StoreUnavailable("full"), 503),
        (errors.StoreError("odd"), 500),
        (Denied("expired", 401), 401),
        (Denied("too narrow", 403), 403),
    ],
)
def test_errors_keep_their_kind(error, status):
    """What a verb raised at the hub is raised at the caller's."""
    told, body = encode_error(error)
    found = decode_error(told, body)
    assert (status, type(error), str(error)) == (told, type(found), str(found))
    if isinstance(error, errors.ConfigError):
        assert error.problems == found.problems
    if isinstance(error, Denied):
        assert error.status == found.status


def test_a_failure_of_the_hub_is_not_told():
    """What is no error of ours may say anything: only that it failed gets out."""
    status, body = encode_error(KeyError("secret"))
    assert (500, False) == (status, b"secret" in body)
    assert type(decode_error(status, body)) is errors.StoreError


def test_the_hubs_own_names_do_not_travel():
    """The place of its store is its own business; the reader is told of the place that it knows."""
    status, body = encode_error(
        errors.SweepNotFound("no sweep 'x' in sqlite:////home/me/sweeps.db."), ["sqlite:////home/me/sweeps.db"]
    )
    assert b"home" not in body
    assert "no sweep 'x' in https://hub." == str(decode_error(status, body, "https://hub"))


def test_a_kind_that_is_not_known_is_a_store_error():
    """A newer hub may know more kinds."""
    body = json.dumps({"error": {"kind": "Newer", "message": "m"}}).encode()
    assert type(decode_error(409, body)) is errors.StoreError


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"error": "no"}', b'{"error": {"kind": "Fenced"}}', b'"x"', b"\xff"]
)
def test_what_is_no_hubs_error_is_none(body):
    """Proxies answer in their own words."""
    assert decode_error(502, body) is None
