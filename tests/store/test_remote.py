"""The store behind a hub: the network loses, repeats and delays, hubs die, proxies lie, and everything is kept once."""

from __future__ import annotations

import functools
import json
import math
import multiprocessing
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings, strategies as st
from ports import free_port

from sweepwidget import errors
from sweepwidget.columns import column
from sweepwidget.hub.tokens import issue
from sweepwidget.links import make_link
from sweepwidget.model import (
    Agent,
    AgentId,
    Cursor,
    Outcome,
    Points,
    Run,
    RunId,
    RunState,
    Scope,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)
from sweepwidget.process import this_process
from sweepwidget.store import hubclient, news, open_store, sql
from sweepwidget.store.pieces import halves
from sweepwidget.store.remote import RemoteStore
from sweepwidget.store.spool import TIMESTAMP, Spool, leftovers

from .conftest import SWEEP, TTL, World, logged, points

R, S = RunState, SweepState
TOKEN = "0123456789abcdef" * 2


@pytest.fixture
def far(hub, relay, tmp_path) -> Iterator[RemoteStore]:
    """A store behind the relay, which is in good order."""
    relay.plan([])
    relay.limit = None
    relay.seen.clear()
    store = _store(relay.port, hub.link.partition("#")[2], tmp_path)
    yield store
    store.close()


def _store(port: int, token: str, home: Path, sweep_id: str | None = None) -> RemoteStore:
    return RemoteStore(make_link(f"http://127.0.0.1:{port}", sweep_id, token), home)


_names = iter(range(10**6))


def _new_world(store) -> World:
    return World(store, SweepId(f"sweep-{next(_names)}"))


# -- what it says of itself -----------------------------------------------------------------------------------------


def test_a_store_shows_no_token(hub, tmp_path):
    """Its URL is for people, its link for other processes."""
    store = _store(hub.server.port, TOKEN, tmp_path, "s1")
    assert (f"http://127.0.0.1:{hub.server.port}/s1", f"http://127.0.0.1:{hub.server.port}/s1#{TOKEN}") == (
        store.url,
        str(store.link),
    )
    assert TOKEN not in repr(vars(store)) + repr(store)
    with pytest.raises(errors.UsageError) as caught:
        store.sweep(SweepId("s1"))
    assert TOKEN not in str(caught.value)


def test_a_link_opens_a_store(hub, tmp_path, monkeypatch):
    """As a path does; its files are this user's, by hub, with the other stores."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    store = open_store(hub.link)
    assert isinstance(store, RemoteStore)
    assert (tmp_path / "sweepwidget" / "hubs") == store.folder.parent
    assert not store.folder.exists()
    assert store.folder != open_store(make_link("http://127.0.0.1/other", None, TOKEN)).folder
    monkeypatch.setenv("SWEEPWIDGET_STORE", hub.link)
    assert store.link == open_store().link
    store.close()


def test_the_open_internet_is_warned_of(tmp_path):
    """A token without encryption is seen by whoever is on the way."""
    with pytest.warns(UserWarning, match="hub.example.org is reached without encryption"):
        RemoteStore(make_link("http://hub.example.org", "s", TOKEN), tmp_path)
    RemoteStore(make_link("https://hub.example.org", "s", TOKEN), tmp_path)


# -- large sweeps ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [None, ["loss"], []])
def test_a_large_sweep_comes_in_pages(far, hub, relay, monkeypatch, keys):
    """A hub sends some runs and points at a time; whoever asks for changes gets them all, as from the store itself."""
    monkeypatch.setattr(sql, "PAGE_RUNS", 3)
    monkeypatch.setattr(sql, "PAGE_BYTES", 100)
    world, behind = _new_world(far), hub.behind.open()
    runs = [world.begin(f"agent {i} of {world.sweep_id}") for i in range(8)]
    middle = behind.changes(world.sweep_id, Cursor()).cursor
    for start in range(0, 40, 10):
        for run in runs:
            far.log(points(run, start, start + 10, summary={"loss": start}))
    world.finish(runs[0])
    for cursor in (Cursor(), middle):
        relay.seen.clear()
        whole, paged = behind.changes(world.sweep_id, cursor, keys), far.changes(world.sweep_id, cursor, keys)
        assert (whole.cursor, whole.sweep, False) == (paged.cursor, paged.sweep, paged.more)
        assert whole.runs == paged.runs
        assert whole.agents == paged.agents
        assert _values(whole) == _values(paged)
        assert len(relay.seen) > 2
    page = behind.changes(world.sweep_id, Cursor(), keys, in_pages=True)
    assert (True, 3) >= (page.more, len(page.runs))
    assert not far.changes(world.sweep_id, whole.cursor, keys)


def _values(changes):
    return [
        (chunk.run_id, chunk.key, chunk.column.steps.tolist(), chunk.column.values.tolist()) for chunk in changes.chunks
    ]


# -- each call counts once ------------------------------------------------------------------------------------------

FAULTS = st.one_of(
    st.none(),
    st.sampled_from(["lost call", "lost answer", "bad gateway", "twice", "twice in a row", "torn answer"]),
    st.integers(1, 6),
)


OWN = {"method": "random", "parameters": {"x": {"values": [1]}}, "controller": {"type": "local"}}
"""The tests steer it themselves."""


def insist(action):
    """As agents do."""
    for _ in range(100):
        try:
            return action()
        except errors.StoreUnavailable:
            continue
    raise AssertionError("never came through")


@pytest.mark.parametrize("late", range(1, 5))
def test_an_order_that_was_given_up_undoes_no_later_one(far, hub, relay, late):
    """It was lost, sent again, held back and given up; then it was given anew, and another after it. Now it arrives."""
    name = SweepId(f"late-{next(_names)}")
    far.create_sweep(Sweep(name, OWN, S.RUNNING))
    relay.plan(["lost call", late])
    with pytest.raises(errors.StoreUnavailable):
        far.set_state(name, S.PAUSED, "for a while")
    for state in (S.PAUSED, S.RUNNING):
        far.set_state(name, state)
    for _ in range(late):
        assert S.RUNNING is far.sweep(name).state
    relay.deliver_late_ones()
    assert S.RUNNING is hub.behind.open().sweep(name).state


@given(faults=st.lists(FAULTS, max_size=60))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_every_call_counts_once(far, hub, relay, monkeypatch, faults):
    """Whatever is lost, repeated, delayed or torn on the way, the store is as if nothing had been."""
    monkeypatch.setattr(hubclient, "_PAUSE_S", 0.001)
    relay.plan(faults)
    name = SweepId(f"law-{next(_names)}")
    store, me = far, this_process()
    insist(lambda: store.create_sweep(Sweep(name, {"v": math.nan, **OWN}, S.RUNNING, seed=5)))
    lease = insist(lambda: store.acquire(name, "owner", me, TTL))
    first = insist(lambda: store.add_runs(lease, [Suggestion({"x": i}) for i in range(3)], [11, 12, 13]))
    more = insist(lambda: store.add_runs(lease, [Suggestion({"x": i}) for i in range(3)], [14, 15, 16]))
    agent = Agent(AgentId(f"agent of {name}"), name, me)
    insist(lambda: store.join(agent, TTL))
    one = insist(lambda: store.claim(agent.id, f"{name} 1"))
    for start, end in ((0, 3), (3, 5), (5, 9)):
        insist(lambda: store.log(points(one, start, end, summary={"at": end})))
    insist(lambda: store.update_run(one.id, notes="first"))
    insist(lambda: store.update_run(one.id, notes="last"))
    insist(lambda: store.set_state(name, S.PAUSED, "for a while"))
    insist(lambda: store.set_state(name, S.RUNNING, "again"))
    insist(lambda: store.update_config(name, {"v": 1, **OWN}))
    insist(lambda: store.update_config(name, {"v": 2, **OWN}))
    insist(lambda: store.finish(one.id, 1, Outcome(R.finished, 0, summary={"loss": 1}), points(one, 9, 12)))
    two = insist(lambda: store.claim(agent.id, f"{name} 2"))
    insist(lambda: store.finish(two.id, 1, Outcome(R.preempted)))
    again = insist(lambda: store.claim(agent.id, f"{name} 3"))
    insist(lambda: store.log(points(again, 0, 2)))
    insist(lambda: store.finish(again.id, 2, Outcome(R.failed, 1, "Traceback")))
    three = insist(lambda: store.claim(agent.id, f"{name} 4"))
    insist(lambda: store.stop([three.id], "enough"))
    insist(lambda: store.heartbeat([agent.id], TTL))
    insist(lambda: store.finish(three.id, 1, Outcome(R.stopped)))
    four = insist(lambda: store.claim(agent.id, f"{name} 5"))
    insist(lambda: store.leave(agent.id))
    insist(lambda: store.withdraw(lease, [more[-1].id]))
    insist(lambda: store.delete_run(more[-2].id))
    plain = Run(RunId(f"plain-{name}"), None, 0, {})
    insist(lambda: store.start_run(plain, Agent(AgentId(f"p {name}"), SweepId(""), me), TTL))
    insist(lambda: store.finish(plain.id, 1, Outcome(R.finished)))
    relay.plan([])
    relay.deliver_late_ones()

    kept = hub.behind.open()
    sweep = kept.sweep(name)
    assert (S.RUNNING, "again", {"v": 2, **OWN}, 3, 5) == (
        sweep.state,
        sweep.reason,
        sweep.config,
        sweep.config_version,
        sweep.seed,
    )
    runs = kept.runs(name)
    assert [(1, R.finished, 1), (2, R.failed, 2), (3, R.stopped, 1), (4, R.pending, 2)] == [
        (run.number, run.state, run.attempt) for run in runs
    ]
    assert [one.id, two.id, three.id, four.id] == [run.id for run in runs] == [run.id for run in (*first, more[0])]
    assert ("last", {"loss": 1}, "enough") == (runs[0].notes, runs[0].summary, runs[2].stop_reason)
    assert list(range(12)) == logged(kept, one.id)
    assert [0, 1] == logged(kept, two.id)
    assert [(True, False)] == [(agent.gone, agent.waiting) for agent in kept.agents(name)]
    assert R.finished is kept.run(plain.id).state
    assert {one.id, two.id, three.id, four.id} | {run.id for run in more} == {
        run.id for run in kept.changes(name, Cursor()).runs
    }


def test_runs_are_added_once_by_a_hub_that_has_forgotten(far, relay, monkeypatch):
    """It died after it had added them, before it could say so, and the next one knows no call numbers."""
    world = _new_world(far)
    once, calls = far._client._once, []

    def restarted(verb, body, number):
        calls.append(verb)
        return once(verb, body, f"{number} for a hub that was started anew {len(calls)}")

    monkeypatch.setattr(far._client, "_once", restarted)
    relay.plan(["lost answer", "bad gateway"])
    added = far.add_runs(world.lease, [Suggestion({"x": 1}), Suggestion({"x": (2,)})], [71, 72])
    assert [run.id for run in added] == [run.id for run in far.runs(world.sweep_id)]


def test_a_sweep_that_is_there_already_is_refused(far):
    """It is one thing to hear it because an answer got lost, and another to choose an id that is taken."""
    made = far.create_sweep(Sweep(SweepId("taken"), {"a": (1, 2)}, created_at=5.0))
    assert made == far.create_sweep(Sweep(SweepId("taken"), {"a": (1, 2)}, created_at=5.0))
    for other in ({"config": {"a": 3}}, {"seed": 1}, {"created_at": 6.0}):
        with pytest.raises(errors.UsageError, match="taken"):
            far.create_sweep(evolve(made, **other))


# -- what an answer means -------------------------------------------------------------------------------------------

HTML = {"Content-Type": "text/html"}
PLAIN = {"Content-Type": "text/plain"}


@pytest.mark.parametrize(
    ("answer", "kind", "why"),
    [
        ((200, HTML, b"<html>Log in"), errors.StoreUnavailable, "web page.*login"),
        ((302, {"Location": "/hub/login"}, b""), errors.StoreUnavailable, "web page.*login"),
        ((403, HTML, b"<html>Forbidden"), errors.StoreUnavailable, "web page.*login"),
        ((401, PLAIN, b"no"), errors.StoreUnavailable, "web page.*login"),
        ((404, PLAIN, b"no"), errors.StoreUnavailable, "not as a hub: is the address right"),
        ((200, {"Content-Type": "application/json"}, b"{}"), errors.StoreUnavailable, "not as a hub"),
        ((500, PLAIN, b"oh"), errors.StoreUnavailable, "not as a hub"),
        ((502, HTML, b"<html>"), errors.StoreUnavailable, "stands before it says 502"),
        ((503, PLAIN, b""), errors.StoreUnavailable, "stands before it says 503"),
        ((504, HTML, b""), errors.StoreUnavailable, "stands before it says 504"),
        ((301, {"Location": "https://127.0.0.1/v1/sweep"}, b""), errors.UsageError, "by https only"),
        ((426, {"Content-Type": "application/json"}, b'{"protocol": 2, "error": {"kind": "StoreVersion", "message": "m"}}'), errors.StoreVersion, "newer version.*sweepwidget` here"),
        ((426, {"Content-Type": "application/json"}, b'{"protocol": 0, "error": {"kind": "StoreVersion", "message": "m"}}'), errors.StoreVersion, "older version.*sweepwidget` there"),
    ],
)  # fmt: skip
def test_what_is_in_the_way_is_named(far, relay, answer, kind, why):
    """Only what agents can wait for is StoreUnavailable; the message says what to do."""
    relay.plan([answer] * 3)
    with pytest.raises(kind, match=why) as caught:
        far.sweep(SWEEP)
    assert kind is type(caught.value)
    assert str(relay.port) in str(caught.value)


def test_a_torn_answer_is_asked_for_again(far, relay):
    """At once, and once: it is the network's fault until it happens twice."""
    world = _new_world(far)
    for fault in (
        "torn answer",
        "lost call",
        "lost answer",
        (200, {"Content-Type": "application/vnd.sweepwidget"}, b"rubbish"),
    ):
        relay.plan([fault])
        assert world.sweep_id == far.sweep(world.sweep_id).id


def test_a_hub_that_has_too_much_to_do_is_obeyed(far, relay, monkeypatch):
    """Retry-After says when; a little more, so that not everybody comes at once; and not for ever."""
    slept = []
    monkeypatch.setattr(hubclient.time, "sleep", slept.append)
    world = _new_world(far)
    relay.plan([(429, {"Retry-After": "3"}, b""), (429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b"")])
    assert world.sweep_id == far.sweep(world.sweep_id).id
    assert 3.0 <= slept[0] <= 3.75
    assert 1.0 <= slept[1] <= 1.25
    relay.plan([(429, {"Retry-After": "3600"}, b"")] * 10)
    with pytest.raises(errors.StoreUnavailable):
        far.sweep(world.sweep_id)
    assert (5, True) == (len(slept), max(slept) <= 12.5)


def test_tokens_that_do_not_do(hub, tmp_path):
    """Wrong, expired, too narrow, for another sweep: each is said."""
    behind, port = hub.behind.open(), hub.server.port
    world = _new_world(behind)
    expired = issue(behind, world.sweep_id, Scope.run, 1e-9)
    observer = issue(behind, world.sweep_id, Scope.observe)
    for token, call, why in (
        (TOKEN, lambda s: s.sweep(world.sweep_id), "does not know"),
        (expired, lambda s: s.sweep(world.sweep_id), "expired"),
        (observer, lambda s: s.leave(AgentId("a")), "lets you look on; to run agents, .*scope='run'"),
        (observer, lambda s: s.sweeps(), "one sweep"),
    ):
        with pytest.raises(errors.UsageError, match=why) as caught:
            call(_store(port, token, tmp_path))
        assert token not in str(caught.value)
    with pytest.raises(errors.SweepNotFound):
        _store(port, observer, tmp_path).sweep(SweepId("sweep-0"))
    assert world.sweep_id == _store(port, observer, tmp_path).sweep(world.sweep_id).id


def test_nobody_there(tmp_path):
    """Who never met a hub at that address is told at once, and that nothing was begun."""
    port = free_port()
    store = _store(port, TOKEN, tmp_path)
    for call in (lambda: store.sweep(SWEEP), store.sweeps):
        with pytest.raises(errors.StoreUnavailable, match="no hub answers at .* Nothing was begun") as caught:
            call()
        assert "nothing is lost" not in str(caught.value)
    store.close()


def test_no_tls_there(hub, tmp_path, monkeypatch):
    """A link that says https to a hub that speaks http: the hint is in the error, and so is how long it took."""
    monkeypatch.setattr(hubclient, "CONNECT_S", 0.2)
    store = RemoteStore(make_link(f"https://127.0.0.1:{hub.server.port}", None, TOKEN), tmp_path)
    with pytest.raises(errors.StoreUnavailable, match="without TLS its link begins with http://") as caught:
        store.sweeps()
    assert "15 s" not in str(caught.value)
    store.close()


def test_it_was_there(far, relay):
    """Who has met the hub waits a while for the end of its outage where a call comes once; loops are told at once."""
    far.sweeps()
    relay.plan(["bad gateway"] * 99)
    with pytest.raises(errors.StoreUnavailable, match="cannot be reached"):
        far.changes(SWEEP, Cursor())
    thread = threading.Thread(target=far.sweeps, daemon=True)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    relay.plan([])
    thread.join(5)
    assert not thread.is_alive()


def test_a_link_to_one_sweep(hub, tmp_path):
    """It lists that one, and says that it makes no others."""
    behind = hub.behind.open()
    world = _new_world(behind)
    store = _store(hub.server.port, issue(behind, world.sweep_id, Scope.control), tmp_path, world.sweep_id)
    assert [world.sweep_id] == [sweep.id for sweep in store.sweeps()]
    with pytest.raises(errors.UsageError, match="is for one sweep .* may not create new ones"):
        store.create_sweep(Sweep(SweepId("new"), {}))
    assert f"<RemoteStore {store.url}>" == repr(store)
    assert f"<SqliteStore {behind.url}>" == repr(behind)
    store.close()


@pytest.fixture(autouse=True)
def _quiet_threads(monkeypatch):
    """A thread that still calls when its store is closed is told so by an error; nobody reads it."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)


def test_a_certificate_that_is_not_trusted(tmp_path, monkeypatch):
    """It is no outage: the error says how to trust one of your own."""
    from sweepwidget.hub.server import HubServer, tls_context

    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=hub -addext subjectAltName=IP:127.0.0.1"
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(["openssl", *made.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    behind = open_store(tmp_path / "sweeps.db")
    server = HubServer(behind, tls=tls_context(certificate, key))
    link = make_link(server.start(), None, issue(behind, None, Scope.control))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")  # leads nowhere, and least of all back here
    try:
        wary = RemoteStore(link, tmp_path)
        with pytest.raises(errors.StoreError, match="SSL_CERT_FILE") as caught:
            wary.sweeps()
        assert errors.StoreError is type(caught.value)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        trusting = RemoteStore(link, tmp_path)
        assert [] == trusting.sweeps()
        for store in (wary, trusting):
            store.close()
    finally:
        server.stop()
        behind.close()


# -- large and odd things -------------------------------------------------------------------------------------------


def test_what_is_too_large_goes_in_pieces(far, relay, hub):
    """A proxy takes small bodies only: every point arrives once, also when the same piece is delivered again."""
    world = _new_world(far)
    run = world.begin(f"agent of {world.sweep_id}")
    relay.limit = 20_000
    n = 20_000
    piece = Points(
        run.id,
        1,
        "",
        0,
        32 * n,
        {"loss": column(range(n), range(n)), TIMESTAMP: column(range(n), [1.5] * n)},
        summary={"a": 1},
    )
    relay.plan([None] * 5 + ["lost call"] * 2)
    with pytest.raises(errors.StoreUnavailable):
        far.log(piece)
    far.log(piece)
    far.log(piece)
    relay.limit = 10_000
    far.log(evolve(piece, summary={"a": 2}))
    assert list(range(n)) == logged(hub.behind.open(), run.id)
    assert {"": 32 * n} == far.known_offsets(run.id, 1)
    assert {"a": 1} == far.run(run.id).summary
    refused = sum(size > 20_000 for _, size in relay.seen)
    assert refused <= 7  # the size that passes is found by halving, and then known


def test_the_end_of_a_run_is_not_too_large(far, relay, hub):
    """Its last points go before it."""
    world = _new_world(far)
    run = world.begin(f"agent of {world.sweep_id}")
    relay.limit = 20_000
    closed = far.finish(run.id, 1, Outcome(R.finished), points(run, 0, 5_000, summary={"x": 1}))
    assert (R.finished, {"x": 1}) == (closed.state, closed.summary)
    assert list(range(5_000)) == logged(hub.behind.open(), run.id)


def test_a_row_that_nobody_takes_does_not_stop_the_others(far, relay, caplog):
    """Its numbers are kept, what is no number is left out and said."""
    world = _new_world(far)
    run = world.begin(f"agent of {world.sweep_id}")
    relay.limit = 20_000
    row = Points(run.id, 1, "", 0, 50_064, {"loss": column([7], [0.5])}, [(7, json.dumps({"page": "x" * 50_000}))])
    far.log(row)
    far.log(Points(run.id, 1, "", 50_064, 50_096, {"loss": column([8], [0.25])}))
    assert [7, 8] == logged(far, run.id)
    assert [] == far.records(run.id)
    assert "left out" in caplog.text


ROWS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 1, 1, 5]),  # how far the step has moved
        st.dictionaries(
            st.sampled_from("abc"), st.floats(allow_nan=False) | st.text(max_size=9), min_size=1, max_size=3
        ),
    ),
    min_size=1,
    max_size=40,
)


@given(rows=ROWS)
@settings(max_examples=150, deadline=None)
def test_halves_are_the_whole(rows, tmp_path_factory):
    """In order, each value and record once; and who goes on from the cut with the spool finds the second half's rows.

    (Unless metrics came up that were not logged together before: their announcement stands in the file, too.)
    """
    folder, step = tmp_path_factory.mktemp("halves"), 0
    spool = Spool(folder, "r", 1)
    for names in {tuple(k for k, v in row.items() if isinstance(v, float)) for _, row in rows}:
        spool.append(0, 0.0, dict.fromkeys(names, 0.0))
    for moved, row in rows:
        step += moved
        spool.append(step, float(step), row)
    whole = spool.take({"s": 1})
    cut = halves(whole)
    if cut is None:
        assert 1 == len(whole.columns[TIMESTAMP])
        return
    early, late = cut
    assert (whole.start, early.end, whole.end, None, {"s": 1}) == (
        early.start,
        late.start,
        late.end,
        early.summary,
        late.summary,
    )
    assert whole.records == [*early.records, *late.records]
    for name, both in whole.columns.items():
        assert both.steps.tolist() == early.columns[name].steps.tolist() + late.columns[name].steps.tolist()
        assert both.values.tolist() == early.columns[name].values.tolist() + late.columns[name].values.tolist()
    first_late = [*late.columns[TIMESTAMP].steps.tolist(), *(step for step, _ in late.records)]
    last_early = [*early.columns[TIMESTAMP].steps.tolist(), *(step for step, _ in early.records)]
    if first_late and last_early and min(first_late) > max(last_early):
        found = leftovers(folder, "r", 1, {"": late.start})
        assert late.columns[TIMESTAMP].steps.tolist() == found[0].columns[TIMESTAMP].steps.tolist()
        assert late.records == list(found[0].records)
    spool.close(remove=True)


# -- waking ---------------------------------------------------------------------------------------------------------


def _until(true, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


def _listening():
    return [thread for thread in threading.enumerate() if thread.name == "sweepwidget-news"]


def test_word_of_others_comes_soon(hub, tmp_path, monkeypatch):
    """Asking costs nothing; one thread waits for the sweep in use, and ends when nobody asks any more."""
    monkeypatch.setattr(news, "WAIT_S", 0.5)
    behind = hub.behind.open()
    world = _new_world(behind)
    store = _store(hub.server.port, hub.link.partition("#")[2], tmp_path)
    assert not store.changed_elsewhere()
    assert not _listening()
    store.changes(world.sweep_id, Cursor(), keys=())
    _until(store.changed_elsewhere)
    asked = time.thread_time()
    for _ in range(1000):
        store.changed_elsewhere()
    assert time.thread_time() - asked < 0.1
    behind.stop([run.id for run in world.add(2)], "why")
    _until(store.changed_elsewhere)
    assert 1 == len(_listening())
    monkeypatch.setattr(news, "INTEREST_S", 0.0)
    _until(lambda: not _listening())
    monkeypatch.setattr(news, "INTEREST_S", 10.0)
    store.changed_elsewhere()
    assert 1 == len(_listening())
    store.close()
    _until(lambda: not _listening())


def test_a_silent_run_is_told_to_stop_soon(far, monkeypatch):
    """Its agent's heartbeats show that the sweep is still of interest, also when nothing else is said of it."""
    monkeypatch.setattr(news, "WAIT_S", 0.5)
    monkeypatch.setattr(news, "USE_S", 0.3)
    world = _new_world(far)
    run = world.begin(f"agent of {world.sweep_id}")
    _until(lambda: not far.changed_elsewhere() and not _listening())
    far.heartbeat([f"agent of {world.sweep_id}"], TTL)
    _until(far.changed_elsewhere)
    assert 1 == len(_listening())
    far.stop([run.id], "why")
    _until(far.changed_elsewhere)


def test_nobody_knows_while_the_hub_is_away(far, relay, monkeypatch):
    """Whoever asks is told to look, once in a while."""
    monkeypatch.setattr(news, "_PAUSES_S", (0.01,))
    world = _new_world(far)
    far._client.base = "http://127.0.0.1:1"
    far.close()
    away = RemoteStore(make_link("http://127.0.0.1:1", None, TOKEN), far.folder)
    away._news.use(world.sweep_id)
    for _ in range(3):
        _until(away.changed_elsewhere)
    away.close()
    _until(lambda: not _listening())


# -- processes ------------------------------------------------------------------------------------------------------


def test_what_the_dead_left_here_is_tidied_up(far):
    """Spools of runs that ended without them are removed when an agent joins; those of running ones are not."""
    world = _new_world(far)
    agent = world.join(f"agent of {world.sweep_id}")
    world.add(2)
    ended, running = world.claim(agent), world.claim(agent)
    far.folder.mkdir(parents=True, exist_ok=True)
    for run, attempt in ((ended, 1), (running, 1), (running, 7)):
        spool = Spool(far.folder, run.id, attempt)
        spool.append(0, 0.0, {"loss": 1.0})
        spool.close()
    world.finish(ended)
    far._tidied = False
    world.join(f"another of {world.sweep_id}")
    assert [f"{running.id}.1..spool"] == [path.name for path in (far.folder / "spool").iterdir()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_calls_by_itself(far):
    """On a connection of its own: the parent's goes on as if nothing had been."""
    world = _new_world(far)
    children = [multiprocessing.get_context("fork").Process(target=world.add, args=(i,)) for i in (1, 2, 3)]
    for child in children:
        child.start()
        assert world.sweep_id == far.sweep(world.sweep_id).id
    for child in children:
        child.join(30)
    assert [0, 0, 0] == [child.exitcode for child in children]
    assert list(range(1, 7)) == [run.number for run in far.runs(world.sweep_id)]


HUB = """
import signal, sys
from sweepwidget.hub.server import HubServer
from sweepwidget.store import open_store
server = HubServer(open_store(sys.argv[1]), port=int(sys.argv[2]))
print(server.start(), flush=True)
signal.pause()
"""

AGENT = """
import pathlib, sys, threading, time
import sweepwidget as wandb
beat, now, worst = threading.Event(), 0, 0
outages = iter(sys.argv[2:])

def tick():  # a clock that stands still while the machine does, in hundredths of a second
    global now
    while True:
        time.sleep(0.01)
        now += 1

def train():
    global worst
    run, outage = wandb.init(), pathlib.Path(next(outages))
    for i in range(60):
        while i == 30 and not outage.exists():
            beat.wait(0.01)
        began = now
        wandb.log({"loss": 1.0 / (i + 1), "i": i})
        worst = max(worst, now - began)
        beat.wait(0.02)

threading.Thread(target=tick, daemon=True).start()
print("ready", flush=True)
wandb.agent(sys.argv[1], function=train, count=3)
print(worst / 100, flush=True)
"""


@pytest.mark.slow
def test_agents_outlast_their_hub(tmp_path, child, monkeypatch):
    """It is killed in mid-run and started anew on the same port, frozen, and killed again: agents never wait in `log()`, and
    every run and every point is there once.
    """
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    behind = open_store(url)
    sweep = {"method": "grid", "parameters": {"a": {"values": list(range(6))}}}
    behind.create_sweep(Sweep(SWEEP, sweep, S.RUNNING))
    port = free_port()
    link = make_link(f"http://127.0.0.1:{port}", SWEEP, issue(behind, SWEEP, Scope.run))

    def in_mid_run(before):
        """So many runs have ended; somebody has logged since then, and not all."""
        runs = behind.runs(SWEEP)
        known = [len(behind.columns(run.id).get("i", ())) for run in runs if run.state is R.running]
        return before == sum(run.ended for run in runs) and any(0 < n < 40 for n in known)

    hub = child(HUB, url, port)
    hub.line()
    outages = [tmp_path / f"outage {i}" for i in range(3)]
    agents = [child(AGENT, link, *outages) for _ in range(2)]
    for agent in agents:
        agent.line()
    _until(lambda: sum(run.state is R.running for run in behind.runs(SWEEP)) == 2, 30)
    for before, outage, kind in zip((0, 2, 4), outages, ("killed", "frozen", "killed"), strict=True):
        _until(functools.partial(in_mid_run, before), 30)
        if kind == "killed":
            hub.kill()
            outage.touch()  # the runs go on
            threading.Event().wait(0.7)
            hub = child(HUB, url, port)
            hub.line()
        else:
            hub.process.send_signal(signal.SIGSTOP)
            outage.touch()
            threading.Event().wait(2.0)
            hub.process.send_signal(signal.SIGCONT)
    for agent in agents:
        assert float(agent.result()[-1]) < 1.0  # half of what the longest outage lasts
    runs = behind.runs(SWEEP)
    assert [(i, R.finished, 1) for i in range(6)] == sorted((run.config["a"], run.state, run.attempt) for run in runs)
    for run in runs:
        assert list(range(60)) == logged(behind, run.id, "i")
    assert not list((tmp_path / "data").glob("**/*.spool"))
    behind.close()
