"""The PostgreSQL schema: finding, making and migrating it, and what happens when the world is unkind. On a real server."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sys
import threading
import time
import traceback
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from postgres import ADMIN, PASSWORD, USER, Server, binaries, shared_server

from sweepwidget import errors
from sweepwidget.columns import column
from sweepwidget.model import AgentId, Cursor, Points, RunState, Sweep, SweepId
from sweepwidget.process import this_process
from sweepwidget.store import open_store, statements as sql

from .conftest import ELSEWHERE, SWEEP, TTL, World, logged, points
from .test_sqlite import CLAIMER

psycopg = pytest.importorskip("psycopg")

from sweepwidget.store import postgres, postgres_transaction
from sweepwidget.store.postgres import PostgresStore
from sweepwidget.store.postgres_address import Address
from sweepwidget.store.postgres_schema import translated


@pytest.fixture(autouse=True)
def _data_home(tmp_path, monkeypatch):
    """Where stores keep their files, in other processes too."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def server():
    """The session's server, with an empty database `sweeps`."""
    server = shared_server()
    server.sql('DROP SCHEMA IF EXISTS "sweepwidget" CASCADE', database="sweeps")
    return server


@pytest.fixture
def opened(server):
    """Opens stores that are closed after the test; without a URL the session's."""
    stores = []

    def start(url=None, **options):
        stores.append(PostgresStore(url or server.url(), **options))
        return stores[-1]

    yield start
    for store in stores:
        store.close()


@pytest.fixture(scope="module")
def _own_server():
    shared_server()  # skips
    server = Server(binaries())
    yield server
    server.close()


@pytest.fixture
def own_server(_own_server):
    """A server that tests may stop and kill, with an empty database `sweeps`."""
    _own_server.start()
    _own_server.sql('DROP SCHEMA IF EXISTS "sweepwidget" CASCADE', database="sweeps")
    return _own_server


def terminate(server):
    """End the server's side of all connections of ours, as an administrator or a failover does."""
    server.sql(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{USER}'")


def insist(action, seconds=20.0):
    """What an agent does: again until the store is back."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except errors.StoreUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.05)


# -- places ---------------------------------------------------------------------------------------------------------

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@given(
    st.fixed_dictionaries(
        {
            "host": st.sampled_from(["db.example.org", "127.0.0.1", "::1", "/var/run", "a,b"]),
            "dbname": WORDS,
            "user": WORDS,
        },
        optional={"password": WORDS, "port": st.just("5433"), "sslmode": st.just("require"), "options": WORDS},
    ),
    st.sampled_from(["sweepwidget", "other"]),
    st.booleans(),
)
def test_a_link_leads_to_the_same_place(parameters, schema, prepare):
    """Whatever characters are in it, the link is understood as what it was made of; the URL for people lacks the password."""
    address = Address(parameters, schema, prepare)
    assert address == Address.parse(address.link)
    assert repr(dict(parameters)) not in repr(address)
    parameters.pop("password", None)
    assert Address(parameters, schema, prepare) == Address.parse(address.url)


def test_the_password_is_only_in_the_link(opened, server, monkeypatch, tmp_path):
    """It is found in the URL, the environment or a password file, and goes along to other processes; people never see it."""
    bare = server.url(password=None)
    passfile = tmp_path / "pass"
    passfile.write_text("*:*:*:*:" + PASSWORD.replace(":", "\\:") + "\n", "utf-8")
    passfile.chmod(0o600)
    stores = [opened()]
    with monkeypatch.context() as patch:
        patch.setenv("PGPASSWORD", PASSWORD)
        stores.append(opened(bare))
    with monkeypatch.context() as patch:
        patch.setenv("PGPASSFILE", str(passfile))
        stores.append(opened(bare))
    assert {bare} == {store.url for store in stores}
    assert {server.url()} == {store.link for store in stores}
    assert stores[0].folder == opened(stores[2].link).folder


def test_one_store_by_two_names(opened, server):
    """However the server is reached, the files beside the store are in one place, and hold no word of the URL."""
    one, other = opened(), opened(server.local_url())
    assert one.folder == other.folder != opened(server.url(schema="other")).folder
    assert USER not in str(one.folder)
    World(one)
    assert other.sweep(SWEEP).id == SWEEP


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:se@cret@h/x", "postgresql://u:se/cret@h/x", "postgresql://u:se?cret@h/x", "postgresql://u:se%cret@h/x",
     "postgresql://u:secret@h/x?secret=1", "postgres://u:secret@h/x?=", "mysql://u:secret@h/x"],
)  # fmt: skip
def test_a_url_that_is_not_understood_is_not_repeated(url):
    """What looks like a host may be half a password."""
    with pytest.raises(errors.UsageError) as caught:
        open_store(url)
    assert "cret" not in str(caught.value)
    assert "postgresql://user" in str(caught.value)


def test_schemas_have_plain_names():
    """Those of the server itself are refused, too."""
    for name in ("pg_toast", "a b", "", 'x"y'):
        with pytest.raises(errors.UsageError, match="schema"):
            Address.parse(f"postgresql:///x?schema={name}")


def test_without_psycopg(monkeypatch):
    """The error says what to install."""
    for name in [name for name in sys.modules if name.startswith("sweepwidget.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(errors.StoreError, match=r'pip install "sweepwidget\[postgres\]"'):
        open_store("postgresql:///x")


# -- doors that stay shut ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"password": "secret"}, r"password authentication.*~/\.pgpass"),
        ({"password": None}, r"no password.*~/\.pgpass"),
        ({"database": "nosuch"}, r'"nosuch" does not exist.*createdb'),
        ({"user": "full", "password": "secret"}, "too many connections.*pgbouncer"),
        ({"user": "tls_only", "password": "secret"}, r"\?sslmode=require"),
        ({"sslmode": "require"}, r"does not support SSL.*\?sslmode=prefer"),
        ({"sslmode": "silly"}, "check the options"),
        ({"host": "nosuch.invalid"}, "is the server running"),
    ],
)
def test_a_server_that_does_not_let_us_in(server, how, says):
    """The error names the place, the reason and the next step, never the password."""
    for role in ("full", "tls_only"):
        if not server.sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"):
            server.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'secret' CONNECTION LIMIT 0")
    with pytest.raises(errors.StoreUnavailable, match=says) as caught:
        PostgresStore(server.url(**how))
    assert f"127.0.0.1:{server.port}" in str(caught.value) or "nosuch.invalid" in str(caught.value)
    assert "secret" not in "".join(traceback.format_exception_only(caught.value)) + str(caught.value.__cause__)


def test_nobody_there():
    """A closed port is told at once, a silent one after the time-out."""
    with pytest.raises(errors.StoreUnavailable, match="Connection refused"):
        PostgresStore("postgresql://u:secret@127.0.0.1:1/x")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        began = time.monotonic()
        with pytest.raises(errors.StoreUnavailable, match="timeout"):
            PostgresStore(f"postgresql://u:secret@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2")
        assert time.monotonic() - began < 20


def test_nobody_hammers_at_a_closed_door(own_server, monkeypatch):
    """While the server is away, many threads and looks make few tries to connect; it is used soon after it is back."""
    with contextlib.closing(PostgresStore(own_server.url())) as store:
        World(store)
        own_server.stop()
        tries = []
        real = psycopg.connect
        monkeypatch.setattr(psycopg, "connect", lambda *a, **o: (tries.append(1), real(*a, **o))[1])
        refused = []
        with monkeypatch.context() as patch:
            now = time.monotonic()
            patch.setattr(postgres, "time", SimpleNamespace(monotonic=lambda: now))
            for _ in range(120):
                now += 0.01
                try:
                    store.changed_elsewhere()
                except errors.StoreUnavailable as error:
                    refused.append(str(error))
        assert len(refused) > 100
        assert "Connection refused" in refused[-1]
        assert 2 <= len(tries) <= 4
        own_server.start()
        assert SWEEP == insist(lambda: store.sweep(SWEEP), 2).id


def test_a_database_without_permission(server):
    """Who may do what is said in the words of SQL."""
    server.sql("DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN PASSWORD 'secret'")
    guest = server.url(user="guest", password="secret")
    with pytest.raises(errors.StoreError, match="GRANT CREATE ON DATABASE sweeps TO guest"):
        PostgresStore(guest)
    owner = PostgresStore(server.url())
    World(owner)
    with pytest.raises(errors.StoreError, match="GRANT USAGE ON SCHEMA sweepwidget TO guest"):
        PostgresStore(guest)
    server.sql(
        "GRANT USAGE ON SCHEMA sweepwidget TO guest",
        "GRANT ALL ON ALL TABLES IN SCHEMA sweepwidget TO guest",
        database="sweeps",
    )
    with contextlib.closing(PostgresStore(guest)) as shared:
        run = World(shared, SweepId("guest001")).begin()
        shared.log(points(run, 0, 3))
        assert logged(owner, run.id) == [0, 1, 2]
    owner.close()
    server.sql('DROP SCHEMA "sweepwidget" CASCADE', "DROP OWNED BY guest", "DROP ROLE guest", database="sweeps")


def test_a_database_that_cannot_keep_every_text(server):
    """An encoding other than UTF-8 is refused before anything is written."""
    server.sql("DROP DATABASE IF EXISTS latin")
    server.sql(f"CREATE DATABASE latin OWNER {USER} ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(errors.StoreError, match="LATIN1.*createdb --encoding=UTF8"):
        PostgresStore(server.url("latin"))
    server.sql("DROP DATABASE latin")


# -- versions -------------------------------------------------------------------------------------------------------


def test_an_older_store_is_migrated(opened, server, monkeypatch):
    """Only the missing steps run, once; what was stored stays."""
    store = opened()
    run = World(store).begin()
    store.log(points(run, 0, 3))
    known = sql.MIGRATIONS
    monkeypatch.setattr(
        sql, "MIGRATIONS", (*known, ("CREATE TABLE extra (x INTEGER)",), ("INSERT INTO extra VALUES (1)",))
    )
    for _ in range(2):
        assert logged(opened(), run.id) == [0, 1, 2]
        assert server.sql("SELECT x FROM sweepwidget.extra", database="sweeps") == [(1,)]
    assert server.sql("SELECT version FROM sweepwidget.store", database="sweeps") == [(len(known) + 2,)]


def test_a_migration_that_fails_changes_nothing(opened, monkeypatch):
    """The store is as it was, and the older program can still use it."""
    World(opened())
    with monkeypatch.context() as patch:
        patch.setattr(
            sql, "MIGRATIONS", (*sql.MIGRATIONS, ("CREATE TABLE extra (x)", "INSERT INTO nonsense VALUES (1)"))
        )
        with pytest.raises(errors.StoreError):
            opened()
    assert opened().sweep(SWEEP).id == SWEEP


def test_a_newer_store_is_refused(opened, server):
    """The error says what to do."""
    World(opened())
    server.sql("UPDATE sweepwidget.store SET version = 99", database="sweeps")
    with pytest.raises(errors.StoreVersion, match=r"99.*pip install -U sweepwidget"):
        opened()


def test_the_users_own_tables_stay_apart(opened, server):
    """Tables of our names in the user's schema are not ours; a schema that has any is refused, an empty one is taken."""
    server.sql("CREATE SCHEMA taken", "CREATE TABLE taken.run (x INTEGER)", database="sweeps")
    server.sql("CREATE TABLE public.run (x INTEGER)", f"CREATE SCHEMA given AUTHORIZATION {USER}", database="sweeps")
    try:
        World(opened())
        World(opened(server.url(schema="given")))
        with pytest.raises(errors.StoreError, match=r"taken.*(another program|permission)"):
            opened(server.url(schema="taken"))
        server.sql(f"ALTER SCHEMA taken OWNER TO {USER}", database="sweeps")
        with pytest.raises(errors.NotAStore, match=r"taken.*another program.*\?schema="):
            opened(server.url(schema="taken"))
        assert server.sql("SELECT * FROM public.run", database="sweeps") == []
    finally:
        server.sql("DROP SCHEMA taken, given CASCADE", "DROP TABLE public.run", database="sweeps")


def test_a_store_that_is_replaced_in_use(opened, server):
    """Writing into another store than the one that was opened is an error."""
    store = opened()
    World(store)
    server.sql("DROP SCHEMA sweepwidget CASCADE", database="sweeps")
    with pytest.raises(errors.NotAStore, match="tables are missing"):
        store.sweeps()
    World(opened())
    terminate(server)
    with pytest.raises(errors.StoreUnavailable, match="replaced while in use"):
        store.sweeps()


# -- sharing --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_many_processes_make_one_store(server, opened, child):
    """Twelve processes open a store that is not there yet, at once: all succeed, and all see the same."""
    code = """
        import sys
        from sweepwidget.model import Sweep, SweepId
        from sweepwidget.store import open_store
        print("ready", flush=True)
        input()
        store = open_store(sys.argv[1])
        store.create_sweep(Sweep(SweepId(sys.argv[2]), {}))
        print(store.folder)
    """
    makers = [child(code, server.url(), f"sweep of {i}") for i in range(12)]
    for maker in makers:
        assert maker.line() == "ready"
    for maker in makers:
        maker.process.stdin.write("\n")
        maker.process.stdin.flush()
    places = {tuple(maker.result()) for maker in makers}
    store = opened()
    assert {(str(store.folder),)} == places
    assert {sweep.id for sweep in store.sweeps()} == {f"sweep of {i}" for i in range(12)}


@pytest.mark.slow
def test_every_run_is_claimed_once(server, opened, child):
    """Two processes with eight threads each empty a queue of 300: each run exactly once, and no thread starves."""
    store = opened()
    World(store).add(300)
    code = """
        import sys, threading
        from sweepwidget.model import Agent, AgentId, Outcome, RunState, SweepId
        from sweepwidget.process import this_process
        from sweepwidget.store import open_store
        store, claimed = open_store(sys.argv[1]), []
        def work(name):
            store.join(Agent(name, SweepId("sweep001"), this_process()), 30.0)
            start.wait()
            n = 0
            while run := store.claim(name, f"{name}:{n}"):
                claimed.append(run.id)
                store.finish(run.id, run.attempt, Outcome(RunState.finished))
                n += 1
            store.leave(name)
        start = threading.Barrier(9)
        threads = [threading.Thread(target=work, args=(AgentId(f"{sys.argv[2]}-{i}"),)) for i in range(8)]
        for thread in threads: thread.start()
        print("ready", flush=True)
        input()
        start.wait()
        for thread in threads: thread.join()
        print(*claimed)
    """
    claimers = [child(code, server.url(), name) for name in "ab"]
    for claimer in claimers:
        assert claimer.line() == "ready"
    for claimer in claimers:
        claimer.process.stdin.write("\n")
        claimer.process.stdin.flush()
    claimed = [run_id for claimer in claimers for run_id in claimer.result()[0].split()]
    assert sorted(run.id for run in store.runs(SWEEP)) == sorted(claimed)
    assert {RunState.finished} == {run.state for run in store.runs(SWEEP)}
    assert len({run.agent_id for run in store.runs(SWEEP)}) == 16


def test_agents_lock_one_another_in_one_order(opened):
    """Heartbeats of many agents, their dismissal, and whoever looks for the dead: no deadlock, whatever the order."""
    stores = [opened() for _ in range(4)]
    world = World(stores[0])
    agents = [world.join(f"agent {i}", ELSEWHERE) for i in range(12)]
    failed = []

    def work(store, action):
        chance = random.Random(str(action))
        try:
            for _ in range(40):
                action(store, chance.sample(agents, len(agents)))
        except Exception as error:
            failed.append(error)

    actions = [
        lambda store, some: store.heartbeat(some, 0.001),
        lambda store, some: store.heartbeat(some, 0.001),
        lambda store, some: store.dismiss(some),
        lambda store, some: store.expire(world.lease),
    ]
    threads = [threading.Thread(target=work, args=pair) for pair in zip(stores, actions, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == failed


def test_metrics_become_visible_in_any_order(opened):
    """Names that another transaction was given a smaller number for, and commits later, are found too."""
    store, reader = opened(), opened()
    first, second = World(store), World(store, SweepId("second"))
    a, b = first.begin("a"), second.begin("b")
    other = opened()
    with other._write as slow:
        other._points._id(slow, ("loss",))
        store.log(_named(b, "accuracy"))
        assert len(reader.changes(SweepId("second"), Cursor()).chunks) == 1
    store.log(_named(a, "loss"))
    (chunk,) = reader.changes(SWEEP, Cursor()).chunks
    assert "loss" == chunk.key


def _named(run, key):
    return Points(run.id, run.attempt, "", 0, 2, {key: column(range(2), [0.0, 1.0])})


@pytest.mark.parametrize("text", ["nul \0 ends it", "lone \ud800", "quote ' \" \\ ; % $1 ?"])
def test_any_text_may_be_asked_for(opened, text):
    """Also one that PostgreSQL would refuse or cut off: it is simply not found."""
    store = opened()
    with pytest.raises(errors.SweepNotFound):
        store.sweep(SweepId(text))
    assert store.recall(text) == ""
    store.create_sweep(Sweep(SweepId(text), {text: text}))
    assert {text: text} == store.sweep(SweepId(text)).config
    with pytest.raises(errors.SweepNotFound):
        store.sweep(SweepId("nul "))


# -- clocks -----------------------------------------------------------------------------------------------------------


def test_leases_run_on_the_servers_clock(opened):
    """Whatever the machines think what time it is."""
    store, other = opened(now=lambda: 0.0), opened(now=lambda: 2e9)
    world = World(store)
    world.join(process=ELSEWHERE)
    assert other.acquire(SWEEP, "other", this_process(), TTL) is None
    lease = store.acquire(SWEEP, "controller", this_process(), TTL)
    other.expire(lease)
    assert [False] == [agent.gone for agent in store.agents(SWEEP)]
    store.heartbeat([AgentId("agent")], 0.2)
    deadline = time.monotonic() + 10
    while not store.agents(SWEEP)[0].gone:
        assert time.monotonic() < deadline
        store.expire(lease)


@pytest.mark.parametrize("step", [-3600.0, -TTL / 2, -0.01, TTL / 3, 3600.0])
def test_a_clock_that_is_set_takes_no_run_away(opened, step):
    """Back or forward, by much or little: an agent that goes on beating keeps its run."""
    now = [1000.0]
    store = opened(clock=lambda: now[0])
    world = World(store)
    run = world.begin(process=ELSEWHERE)

    def pass_time():
        for _ in range(10):
            now[0] += TTL / 10
            store.acquire(SWEEP, "controller", this_process(), TTL)
            store.heartbeat([AgentId("agent")], TTL)
            store.expire(world.lease)

    pass_time()
    now[0] += step
    store.expire(world.lease)
    pass_time()
    assert (run.id, 1, RunState.running) == (store.run(run.id).id, store.run(run.id).attempt, store.run(run.id).state)


# -- waking -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_agents_elsewhere_are_woken(server, opened, child):
    """From the moment a run is added to the moment it is claimed by an agent that waits in another process: no look at
    the clock is waited for."""
    store = opened()
    world = World(store, SweepId("waking01"))
    waiter = child(
        """
        import sys, time
        from sweepwidget.model import Agent, AgentId, SweepId
        from sweepwidget.participant import participant
        from sweepwidget.process import this_process
        from sweepwidget.store import open_store
        store = open_store(sys.argv[1])
        here, agent = participant(store), AgentId("waiter")
        store.join(Agent(agent, SweepId("waking01"), this_process()), 30.0)
        here.keep(agent, SweepId("waking01"))
        print("ready", flush=True)
        for n in range(20):
            run = None
            while run is None:
                seen = here.bell.count
                run = store.claim(agent, str(n))
                if run is None:
                    here.bell.wait(seen, 10.0)
            print(time.time(), flush=True)
        """,
        server.url(),
    )
    assert waiter.line() == "ready"
    delays = []
    for _ in range(20):
        while not any(agent.waiting for agent in store.agents(SweepId("waking01"))):
            time.sleep(0.01)
        began = time.time()
        world.add()
        delays.append(float(waiter.line()) - began)
    assert sorted(delays)[10] < 2.5, delays  # by the look every ten seconds it would be five


def test_reading_and_renewing_wake_nobody(opened, server):
    """Only what others need to know is told."""
    store, other = opened(), opened()
    heard = []
    with psycopg.connect(server.local_url(user=ADMIN), autocommit=True) as listener:
        listener.add_notify_handler(lambda note: heard.append(note.payload))
        listener.execute(f'LISTEN "{store._channel}"'.encode())

        def told():
            """How often others were told of something since the last question: what is told comes in order."""
            listener.execute("SELECT pg_notify(%s, 'so far')", (store._channel,))
            while "so far" not in heard:
                listener.execute("SELECT 1")
            before = heard.index("so far")
            heard.clear()
            return before

        world = World(store)
        agent = world.join()
        assert told() == 2
        store.changes(SWEEP, Cursor())
        store.heartbeat([agent], TTL)
        store.acquire(SWEEP, "controller", this_process(), TTL)
        assert told() == 0
        store.claim(agent, "nothing to claim")
        store.claim(agent, "nothing to claim")
        assert told() == 1  # that the agent waits
        store.claim(agent, "nothing to claim")
        assert told() == 0
    deadline = time.monotonic() + 10
    while not other.changed_elsewhere():
        assert time.monotonic() < deadline


def test_looking_costs_no_round_trip(opened, server):
    """A thousand looks ask the server nothing."""
    store = opened()
    pid = store._reader.connection.pgconn.backend_pid
    last = f"SELECT state_change FROM pg_stat_activity WHERE pid = {pid}"
    before = server.sql(last)
    for _ in range(1000):
        store.changed_elsewhere()
    assert before == server.sql(last)


def test_a_connection_that_was_lost_is_news(opened, server):
    """What happened while nobody could tell is looked up."""
    store, other = opened(), opened()
    World(other)
    while not store.changed_elsewhere():
        pass
    assert not store.changed_elsewhere()
    terminate(server)
    deadline = time.monotonic() + 10
    while not insist(store.changed_elsewhere):
        assert time.monotonic() < deadline
    assert not store.changed_elsewhere()
    World(other, SweepId("second"))
    while not store.changed_elsewhere():
        pass


# -- forks ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_its_own_connections(opened):
    """Parent and child both go on; the child's end closes nothing of the parent's, and the parent hears of its writes."""
    store = opened()
    world = World(store)
    bells = []
    store.subscribe(lambda: bells.append(1))
    pids = [line.connection.pgconn.backend_pid for line in (store._reader, store._writer)]
    for i in range(3):
        store.changed_elsewhere()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                inherited = store._reader.connection or store._writer.connection
                World(store, SweepId(f"child {i}"))
                code = 2 if bells or inherited else 0
            finally:
                os._exit(code)
        world.add()
        assert os.waitpid(pid, 0)[1] == 0
        world.add()
        bells.clear()
    assert len(store.sweeps()) == 4
    assert len(store.runs(SWEEP)) == 6
    assert store.changed_elsewhere()
    assert pids == [line.connection.pgconn.backend_pid for line in (store._reader, store._writer)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forks_while_threads_write(opened):
    """Amid any transaction: nothing hangs, and nothing is lost."""
    store = opened()
    world = World(store)
    done = threading.Event()

    def work():
        for _ in range(100):
            world.add()
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = 0 if store.sweep(SWEEP).id == SWEEP else 1
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0
    thread.join()
    assert [run.number for run in store.runs(SWEEP)] == list(range(1, 101))


# -- faults -----------------------------------------------------------------------------------------------------------


def test_a_connection_that_was_cut_while_idle(opened, server):
    """The next verb does not notice."""
    store = opened()
    world = World(store)
    for _ in range(3):
        terminate(server)
        world.add()
        terminate(server)
        assert store.sweep(SWEEP).id == SWEEP
    assert len(store.runs(SWEEP)) == 3


def test_a_connection_that_is_cut_in_mid_transaction(opened, server, monkeypatch):
    """The transaction has not happened, the error says that it may be tried again, and then it happens once."""
    store = opened()
    run = World(store).begin()
    real = store._points.add
    with monkeypatch.context() as patch:
        patch.setattr(store._points, "add", lambda *a: (real(*a), terminate(server)))
        with pytest.raises(errors.StoreUnavailable, match="nothing that was stored is lost|server closed"):
            store.log(points(run, 0, 3))
    assert logged(store, run.id) == []
    for _ in range(2):
        store.log(points(run, 0, 3))
    assert logged(store, run.id) == [0, 1, 2]


def test_an_answer_that_gets_lost(opened, monkeypatch):
    """The commit happened, its answer did not arrive: the repeated claim gets the same run."""
    store = opened()
    world = World(store)
    world.add(2)
    agent = world.join()
    real = postgres_transaction.PipelinedTransaction._end

    def lose(transaction, rings):
        assert real(transaction, rings) is None
        return psycopg.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr(postgres_transaction.PipelinedTransaction, "_end", lose)
        with pytest.raises(errors.StoreUnavailable):
            store.claim(agent, "request")
    run = store.claim(agent, "request")
    assert (run.id, 1) == (store.runs(SWEEP)[0].id, run.attempt)
    assert [RunState.running, RunState.pending] == [run.state for run in store.runs(SWEEP)]


def test_an_interrupt_in_mid_transaction(opened, monkeypatch):
    """A KeyboardInterrupt leaves neither a half transaction nor a lock; also while we wait for somebody else's."""
    store, other = opened(), opened()
    world = World(store)
    run = world.begin()
    real = store._points.add
    with monkeypatch.context() as patch:
        patch.setattr(store._points, "add", lambda *a: (real(*a), signal.raise_signal(signal.SIGINT)))
        with pytest.raises(KeyboardInterrupt):
            store.log(points(run, 0, 3))
    with other._write as tx:
        other._lock_run(tx, run.id)
        with pytest.raises(KeyboardInterrupt):
            threading.Timer(0.2, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
            store.log(points(run, 0, 3))
        tx.undo()
    assert logged(store, run.id) == []
    store.log(points(run, 0, 3))
    assert logged(other, run.id) == [0, 1, 2]


def test_a_verb_inside_a_verb(opened):
    """A signal handler that uses the store while its own thread does is told so, instead of waiting for itself."""
    store = opened()
    world = World(store)
    with store._write as tx:
        store._lock_sweep(tx, 1)
        with pytest.raises(errors.UsageError, match="signal handler"):
            world.add()
        assert store.sweep(SWEEP).id == SWEEP  # reading is another connection
        tx.undo()
    assert len(world.add()) == 1


def test_names_of_a_failed_transaction_are_not_remembered(opened, monkeypatch):
    """A metric that was first seen in a transaction that failed is stored with the next one."""
    store = opened()
    run = World(store).begin()
    with monkeypatch.context() as patch:
        real = store._points.add
        patch.setattr(store._points, "add", lambda *a: (real(*a), 1 / 0))
        with pytest.raises(ZeroDivisionError):
            store.log(points(run, 0, 3))
    store.log(points(run, 0, 3))
    assert logged(opened(), run.id) == [0, 1, 2]


def test_somebody_who_keeps_a_sweep_locked(opened, server, monkeypatch):
    """We wait, then say how to find out who it is; reading goes on, and afterwards all does."""
    patience = postgres_transaction._PATIENCE.replace(b"'30s'", b"'200ms'")
    monkeypatch.setattr(postgres_transaction, "_PATIENCE", patience)
    store = opened()
    world = World(store)
    with psycopg.connect(server.local_url(user=ADMIN)) as editor:
        editor.execute("SELECT * FROM sweepwidget.ledger FOR UPDATE")
        with pytest.raises(errors.StoreUnavailable, match="pg_stat_activity"):
            world.add()
        assert store.sweep(SWEEP).id == SWEEP
    assert len(world.add()) == 1


@pytest.mark.slow
def test_a_machine_that_sleeps_in_mid_transaction(opened, server, child):
    """It keeps nobody waiting for long: the server gives its lock back, and it is told so when it wakes."""
    store = opened()
    world = World(store)
    run = world.begin()
    sleeper = child(
        """
        import sys
        from sweepwidget.errors import StoreUnavailable
        from sweepwidget.store import open_store, postgres_transaction as module
        module._PATIENCE = module._PATIENCE.replace(b"'15s'", b"'500ms'")
        store = open_store(sys.argv[1])
        try:
            with store._write as tx:
                store._lock_run(tx, sys.argv[2])
                print("locked", flush=True)
                input()
                store._lock_run(tx, sys.argv[2])
        except StoreUnavailable as error:
            print(error)
        print(store.run(sys.argv[2]).id)
        """,
        server.url(),
        run.id,
    )
    assert sleeper.line() == "locked"
    sleeper.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    store.log(points(run, 0, 3))
    assert time.monotonic() - began < postgres_transaction.IDLE_S - 1  # it has been made shorter for the sleeper
    sleeper.process.send_signal(signal.SIGCONT)
    sleeper.process.stdin.write("\n")
    sleeper.process.stdin.flush()
    told, again = sleeper.result()
    assert told.startswith(f"postgresql://{USER}@127.0.0.1:{server.port}/sweeps: ")
    assert again == run.id


@pytest.mark.slow
def test_a_server_that_only_reads(own_server):
    """A standby shows all there is, and the error of a write says where to go."""
    with contextlib.closing(PostgresStore(own_server.url())) as store:
        World(store).add(2)
    with own_server.standby() as standby:
        with contextlib.closing(PostgresStore(standby.url())) as store:
            assert len(store.runs(SWEEP)) == 2
            with pytest.raises(errors.StoreUnavailable, match="standby.*target_session_attrs=read-write"):
                World(store, SweepId("second"))
        with pytest.raises(errors.StoreUnavailable, match="standby"):
            PostgresStore(standby.url(schema="other"))


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.geteuid() != 0, reason="mounts a tmpfs")
@pytest.mark.slow
def test_a_full_disk(own_server):
    """What was stored is there, the error says what to do, and the same store goes on when space returns."""
    with own_server.small_disk("20m") as (place, database):
        with contextlib.closing(PostgresStore(own_server.url(database))) as store:
            world = World(store)
            run = world.begin()
            ballast = place / "ballast"
            kept = 0
            with pytest.raises(errors.StoreUnavailable, match="free some space on the server"):
                for i in range(1000):
                    if i == 3:
                        with ballast.open("wb") as file, contextlib.suppress(OSError):
                            file.write(bytes(20 << 20))
                    store.log(_noise(run, kept))
                    kept += 1000
            assert logged(store, run.id) == list(range(kept))
            ballast.unlink()
            store.log(_noise(run, kept))
            assert logged(store, run.id) == list(range(kept + 1000))
            assert world.finish(run).state is RunState.finished


def _noise(run, start):
    """Points that do not shrink when they are compressed."""
    values = np.random.default_rng(start).random(1000)
    columns = {"loss": column(range(start, start + 1000), values.tolist())}
    return Points(run.id, run.attempt, "", start, start + 1000, columns)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stopped", "crashed", "a backend killed"])
def test_agents_outlast_the_server(own_server, child, how):
    """The server goes away while runs are trained, once and again: training goes on meanwhile, nothing is lost, and
    every run ends once with all its points."""
    agents = child(
        """
        import os, sys, time
        import sweepwidget as wandb
        wandb.use_store(sys.argv[1])
        def train():
            run = wandb.init()
            for step in range(60):
                run.log({"loss": step})
                if step == 20:
                    os.write(1, f"in the middle of {run.config['x']}\\n".encode())
                time.sleep(0.01)
        sweep_id = wandb.sweep({"method": "grid", "parameters": {"x": {"values": list(range(8))}}})
        print(sweep_id, flush=True)
        wandb.agent(sweep_id, function=train, agents=2)
        print("done", flush=True)
        """,
        own_server.url(),
    )
    line = agents.line()
    while " " in line:
        line = agents.line()
    sweep_id = SweepId(line)
    for pause, cell in ((0.2, 1), (0.8, 5)):
        while agents.line() != f"in the middle of {cell}":
            pass
        if how == "a backend killed":
            own_server.kill_backends()
        else:
            own_server.stop(signal.SIGINT if how == "stopped" else signal.SIGQUIT)
            time.sleep(pause)
            own_server.start()
    lines = agents.result()
    assert lines[-1] == "done"
    with contextlib.closing(insist(lambda: PostgresStore(own_server.url()))) as store:
        runs = store.runs(sweep_id)
        assert [(RunState.finished, 1)] * 8 == [(run.state, run.attempt) for run in runs]
        assert list(range(8)) == sorted(run.config["x"] for run in runs)
        for run in runs:
            assert list(range(60)) == logged(store, run.id)


INSIST = """
    from sweepwidget.errors import StoreUnavailable
    def insist(verb):
        def again(*a):
            while True:
                try:
                    return verb(*a)
                except StoreUnavailable:
                    time.sleep(0.01)
        return again
    for verb in ("claim", "log", "finish"):
        setattr(store, verb, insist(getattr(store, verb)))
"""
"""What agents do while the store is away."""


@pytest.mark.slow
def test_killed_agents_and_cut_connections_lose_and_double_nothing(server, opened, child):
    """Agents are killed and connections are cut again and again at any moment; every run ends once, with all its points."""
    chance = random.Random(1)
    claimer = CLAIMER.replace("    n = 0\n", INSIST + "    n = 0\n", 1)
    store = opened()
    world = World(store)
    world.add(60)
    agents = [child(claimer, server.url()) for _ in range(3)]
    told = []
    kills = 0
    while True:
        runs = insist(lambda: store.runs(SWEEP))
        killing = kills < 9 or all(run.attempt == 1 for run in runs)
        if not killing and all(run.ended for run in runs):
            break
        insist(lambda: store.acquire(SWEEP, "controller", this_process(), TTL))
        if killing:
            if not any(run.state is RunState.pending for run in runs):  # there is always one to hit
                insist(lambda: world.add(20))
            victim = chance.randrange(len(agents))
            agents[victim].process.stdout.readline()
            time.sleep(chance.random() * 0.05)
            if kills % 3:
                told += agents[victim].kill()
                agents[victim] = child(claimer, server.url())
            else:
                terminate(server)
            kills += 1
        insist(lambda: store.expire(world.lease, max_attempts=10**6))
        if all(agent.process.poll() is not None for agent in agents):
            told += [line for agent in agents for line in agent.kill()]
            assert told, "no agent ever said a word"
            agents = [child(claimer, server.url()) for _ in range(3)]
    told += [line for agent in agents for line in agent.last_lines()]  # they remove their files, and leave
    assert {run.state for run in store.runs(SWEEP)} == {RunState.finished}
    for run in store.runs(SWEEP):
        assert logged(store, run.id) == list(range(20))
    for line in told:
        words = line.split()
        if len(words) == 4 and words[0] == "logged" and words[3].isdigit():
            # The line itself may be torn by the kill: then its step is a shorter, earlier one.
            assert int(words[3]) in store.columns(words[1], int(words[2]))["loss"].steps
    finished = [line for line in told if line.startswith("finished")]
    assert len(set(finished)) == len(finished)
    assert list((store.folder / "spool").iterdir()) == []


# -- cost -------------------------------------------------------------------------------------------------------------


def test_hot_statements_use_their_indexes(opened, server):
    """No statement that runs per trial or per look reads a whole table."""
    opened()
    statements = [sql.LOCK_SWEEP, sql.LOCK_OF_RUN, sql.LOCK_OF_AGENT, sql.RUN_OF_REQUEST, sql.CLAIM, sql.CLAIMED, sql.HELD,
                  sql.OPEN_RUN, sql.CLOSE, sql.RUNS_BETWEEN, sql.AGENTS_BETWEEN, sql.NEXT_PAGE, sql.CHUNKS_BETWEEN, sql.TOLD, sql.BEAT,
                  sql.CHUNKS_OF_RUN, sql.RECORDS_OF_RUN, sql.LIVING, sql.STOP_WAITING, sql.ALLOWANCE]  # fmt: skip
    with psycopg.connect(server.local_url(), cursor_factory=psycopg.RawCursor) as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan")
        for i, statement in enumerate(statements):
            query = translated(statement, "sweepwidget")
            connection.execute(f"PREPARE s{i} AS ".encode() + query)
            nothing = ", ".join(["NULL"] * statement.count("?"))
            plan = connection.execute(f"EXPLAIN EXECUTE s{i} ({nothing})".encode()).fetchall()
            assert not [step for (step,) in plan if "Seq Scan" in step], (statement, plan)


def test_an_answer_costs_a_round_trip(opened, monkeypatch):
    """A statement that nobody waits for does not: points are kept in three, whatever is written."""
    store = opened()
    run = World(store).begin()
    store.log(points(run, 0, 3))
    trips = []
    real = psycopg.Pipeline.sync
    monkeypatch.setattr(psycopg.Pipeline, "sync", lambda pipeline: (trips.append(1), real(pipeline)))
    store.log(points(run, 3, 6, summary={"loss": 1.0}))
    assert 3 == len(trips)
