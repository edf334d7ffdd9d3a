"""The SQLite file: making, opening, migrating and sharing it, and what happens when the world is unkind."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from readonly import seen_read_only

from sweepwidget import errors
from sweepwidget.columns import column
from sweepwidget.model import AgentId, Cursor, Outcome, Points, RunState, Suggestion, Sweep, SweepId, SweepState
from sweepwidget.process import this_process
from sweepwidget.store import default_path, open_store, sqlite as module, statements
from sweepwidget.store.sqlite import SqliteStore

from .conftest import SWEEP, TTL, World, logged, points


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "sweeps.db"


@pytest.fixture
def opened():
    """Opens stores that are closed after the test."""
    stores = []

    def start(*arguments, **options):
        stores.append(open_store(*arguments, **options))
        return stores[-1]

    yield start
    for store in stores:
        store.close()


def integrity(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


# -- places ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", ["{path}", "sqlite:///{path}", "sqlite:///{path}?synchronous=FULL"])
def test_a_store_is_opened_by_path_or_url(opened, path, write):
    """The store's own `url` opens the same file with the same options in any process, wherever that stands."""
    store = opened(write.format(path=path))
    World(store)
    again = opened(store.url)
    assert (again.url, again.sweep(SWEEP).id) == (store.url, SWEEP)
    assert store.folder == path.parent / "sweeps-files"
    full = store._connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert full == ("FULL" in write)


def test_relative_urls_are_relative_to_here(opened, tmp_path, monkeypatch):
    """Three slashes and a path without one: the current folder, once and for all."""
    monkeypatch.chdir(tmp_path)
    store = opened("sqlite:///here.db")
    assert store.path == tmp_path / "here.db"
    assert opened("other.db").url == f"sqlite:///{tmp_path}/other.db"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://x/y", "sqlite:///a?sync=1", "sqlite:///a?synchronous=OFF"])  # fmt: skip
def test_what_is_no_store(url):
    """The error repeats the URL."""
    with pytest.raises(errors.UsageError) as caught:
        open_store(url)
    assert repr(url) in str(caught.value)


def test_the_usual_place_is_the_users(opened, tmp_path, monkeypatch):
    """SWEEPWIDGET_STORE wins; else the data folder of the platform, in a folder that is the user's alone."""
    monkeypatch.setenv("SWEEPWIDGET_STORE", str(tmp_path / "mine.db"))
    assert opened().path == tmp_path / "mine.db"
    monkeypatch.delenv("SWEEPWIDGET_STORE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    store = opened()
    assert store.path == default_path() == tmp_path / "data" / "sweepwidget" / "sweeps.db"
    assert oct(store.path.parent.stat().st_mode & 0o777) == "0o700"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_path() == tmp_path / "home/.local/share/sweepwidget/sweeps.db"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_path() == tmp_path / "home/Library/Application Support/sweepwidget/sweeps.db"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert default_path() == tmp_path / "local/sweepwidget/sweeps.db"


def test_the_files_are_their_owners(opened, path):
    """The database, its log and its index are 0600, whatever the umask."""
    mask = os.umask(0)
    try:
        World(opened(path))
    finally:
        os.umask(mask)
    assert {oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()} == {"0o600"}


# -- versions -------------------------------------------------------------------------------------------------------


def test_an_older_store_is_migrated(path, monkeypatch):
    """Only the missing steps run, once, also when two processes open it; what was stored stays."""
    with contextlib.closing(SqliteStore(path)) as store:
        run = World(store).begin()
        store.log(points(run, 0, 3))
    first = statements.MIGRATIONS
    monkeypatch.setattr(
        statements, "MIGRATIONS", (*first, ("CREATE TABLE extra (x)",), ("INSERT INTO extra VALUES (1)",))
    )
    for _ in range(2):
        with contextlib.closing(SqliteStore(path)) as store:
            assert store._connection.execute("SELECT x FROM extra").fetchall() == [(1,)]
            assert logged(store, run.id) == [0, 1, 2]
            assert store._connection.execute("PRAGMA user_version").fetchone() == (len(first) + 2,)


TAKEN_BACK = {
    4: ("DROP INDEX run_ahead", "CREATE INDEX run_ahead ON run (sweep, number) WHERE ahead = 1"),
    3: ("DROP INDEX run_ahead", "ALTER TABLE run DROP COLUMN ahead", "DROP TABLE former_config"),
    2: (
        "DROP TABLE crew",
        "DROP TABLE token",
        "ALTER TABLE agent DROP COLUMN leaving",
        "ALTER TABLE agent DROP COLUMN crew",
    ),
}
"""What each version of the schema brought, taken back: a store becomes one of the version before, with all that is in it."""


def schema(store):
    """Tables with their columns, and indexes."""
    names = store._connection.execute("SELECT type, name, tbl_name FROM sqlite_master").fetchall()
    tables = [name for kind, name, _ in names if kind == "table"]
    return sorted(names), {
        name: [column[1:] for column in store._connection.execute(f"PRAGMA table_xinfo({name})")] for name in tables
    }


@pytest.mark.parametrize("version", range(1, len(statements.MIGRATIONS)))
def test_a_store_of_each_older_version_goes_on(path, version):
    """Its sweep, runs and points are there, work goes on where it stopped, and it has become what a new store is."""
    with contextlib.closing(SqliteStore(path)) as store:
        new, run = schema(store), World(store).begin()
        store.log(points(run, 0, 3))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in [one for taken in range(len(statements.MIGRATIONS), version, -1) for one in TAKEN_BACK[taken]]:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()
    with contextlib.closing(SqliteStore(path)) as store:
        assert new == schema(store)
        assert logged(store, run.id) == [0, 1, 2]
        store.finish(run.id, run.attempt, Outcome(RunState.finished), points(run, 3, 5))
        assert ([0, 1, 2, 3, 4], [RunState.finished]) == (
            logged(store, run.id),
            [run.state for run in store.runs(SWEEP)],
        )
        store.update_config(SWEEP, {"method": "grid"})
        assert [1, 2] == [version for version, _ in store.configs(SWEEP)]
    assert integrity(path) == "ok"


def test_a_migration_that_fails_changes_nothing(path, monkeypatch):
    """The store is as it was, and the older program can still use it."""
    with contextlib.closing(SqliteStore(path)) as store:
        World(store)
    first = statements.MIGRATIONS
    monkeypatch.setattr(
        statements, "MIGRATIONS", (*first, ("CREATE TABLE extra (x)", "INSERT INTO nonsense VALUES (1)"))
    )
    with pytest.raises(errors.StoreError, match="nonsense"):
        SqliteStore(path)
    monkeypatch.setattr(statements, "MIGRATIONS", first)
    with contextlib.closing(SqliteStore(path)) as store:
        assert store.sweep(SWEEP).id == SWEEP


def test_a_newer_store_is_refused(path):
    """The error says what to do; the file is not touched."""
    with contextlib.closing(SqliteStore(path)) as store:
        World(store)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(errors.StoreVersion, match=r"99.*pip install -U sweepwidget"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_an_old_sqlite_is_refused(path, monkeypatch):
    """The version found and the version needed are named."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(errors.StoreError, match=r"3\.35"):
        SqliteStore(path)


# -- files that are something else ------------------------------------------------------------------------------------


def test_a_file_that_is_no_database(tmp_path):
    """Notes, pictures, random bytes: NotAStore, with the path, and the file stays as it is."""
    path = tmp_path / "notes.txt"
    for content in (b"my notes\n" * 200, os.urandom(5000), b"x"):
        path.write_bytes(content)
        with pytest.raises(errors.NotAStore, match=r"notes\.txt.*another path"):
            SqliteStore(path)
        assert path.read_bytes() == content


def test_a_database_of_another_program(tmp_path):
    """Its tables are not ours to add to: NotAStore, and not even its journal mode changes."""
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE run (x)")
    before = path.read_bytes()
    with pytest.raises(errors.NotAStore, match="another program"):
        SqliteStore(path)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store(tmp_path):
    """As `touch` or a half-made file leaves it."""
    path = tmp_path / "sweeps.db"
    path.touch()
    with contextlib.closing(SqliteStore(path)) as store:
        World(store)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_store_is_an_error_of_ours(tmp_path, seed):
    """Whatever was overwritten or cut off: an error of the tree that names the file, or answers, never a crash of
    another kind; and nothing is thrown away."""
    path = tmp_path / "sweeps.db"
    with contextlib.closing(SqliteStore(path)) as store:
        world = World(store)
        for _ in range(30):
            world.finish(world.begin())
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    if seed % 2:
        del content[chance.randrange(len(content)) :]
    for _ in range(20 * bool(content)):
        at = chance.randrange(len(content))
        content[at : at + 64] = chance.randbytes(len(content[at : at + 64]))
    path.write_bytes(content)
    try:
        with contextlib.closing(SqliteStore(path)) as store:
            store.changes(SWEEP, Cursor())
            store.update_config(SWEEP, {"x": 1})
    except (errors.StoreError, errors.SweepNotFound) as error:
        assert "sweeps.db" in str(error) or "damaged" in str(error)
    assert path.exists()


# -- sharing --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_many_processes_make_one_store(path, child):
    """Twelve processes open a store that is not there yet, at once: all succeed, and all see the same."""
    code = """
        import sys, time
        from sweepwidget.model import Sweep, SweepId
        from sweepwidget.store import open_store
        print("ready", flush=True)
        input()
        store = open_store(sys.argv[1])
        store.create_sweep(Sweep(SweepId(sys.argv[2]), {}))
        print("made")
    """
    makers = [child(code, path, f"sweep of {i}") for i in range(12)]
    for maker in makers:
        assert maker.line() == "ready"
    for maker in makers:
        maker.process.stdin.write("\n")
        maker.process.stdin.flush()
    assert [maker.result() for maker in makers] == [["made"]] * 12
    with contextlib.closing(SqliteStore(path)) as store:
        assert {sweep.id for sweep in store.sweeps()} == {f"sweep of {i}" for i in range(12)}
    assert integrity(path) == "ok"


@pytest.mark.slow
def test_sixteen_processes_share_one_file(path, child):
    """They claim, log and finish as fast as they can: no `database is locked`, nothing lost, no run done twice."""
    code = """
        import sys, uuid
        from sweepwidget.columns import column
        from sweepwidget.model import Agent, AgentId, Outcome, Points, RunState, SweepId
        from sweepwidget.process import this_process
        from sweepwidget.store import open_store
        store, name = open_store(sys.argv[1]), AgentId(uuid.uuid4().hex)
        store.join(Agent(name, SweepId("sweep001"), this_process()), 30.0)
        print("ready", flush=True)
        input()
        for n in range(10):
            run = store.claim(name, f"{name}:{n}")
            for at in range(5):
                store.log(Points(run.id, 1, "", at, at + 1, {"loss": column([at], [at / 2])}))
            store.finish(run.id, 1, Outcome(RunState.finished))
            print(run.id)
    """
    with contextlib.closing(SqliteStore(path)) as store:
        World(store).add(160)
        agents = [child(code, store.url) for _ in range(16)]
        assert ["ready"] * 16 == [agent.line() for agent in agents]
        for agent in agents:
            agent.process.stdin.write("\n")
            agent.process.stdin.flush()
        done = [agent.result() for agent in agents]
        runs = store.runs(SWEEP)
        assert sorted(run.id for run in runs) == sorted(run_id for one in done for run_id in one)
        assert {(run.state, run.attempt) for run in runs} == {(RunState.finished, 1)}
        assert {tuple(logged(store, run.id)) for run in runs} == {tuple(range(5))}
    assert integrity(path) == "ok"


def test_a_claim_costs_the_same_however_many_runs_wait(opened, path):
    """The next run is found by an index, whether it was added by hand or not: nothing is sorted."""
    plan = opened(path)._connection.execute(f"EXPLAIN QUERY PLAN {statements.CLAIM}", ("",) * 7).fetchall()
    assert [] == [step for *_, step in plan if "INDEX" not in step and "SCALAR" not in step]


@pytest.fixture
def refusals(monkeypatch):
    """Released once for each statement that a connection made from now on is refused."""
    refused, connect = threading.Semaphore(0), sqlite3.connect

    class Telling(sqlite3.Connection):
        def execute(self, *statement):
            try:
                return super().execute(*statement)
            except sqlite3.OperationalError:
                refused.release()
                raise

    monkeypatch.setattr(sqlite3, "connect", lambda *given, **options: connect(*given, factory=Telling, **options))
    return refused


def test_another_that_makes_the_store_just_now_is_waited_for(path, refusals):
    """SQLite itself does not wait for it before there is a write-ahead log."""
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        made = []
        thread = threading.Thread(target=lambda: made.append(SqliteStore(path)))
        thread.start()
        assert refusals.acquire(timeout=20)
        assert not made
        other.execute("COMMIT")
        thread.join(20)
    (store,) = made
    assert [] == store.sweeps()
    store.close()


def test_whoever_waits_to_write_asks_again_every_few_milliseconds(path, refusals):
    """However long it has waited: SQLite itself would sleep longer each time, and those who come later be let in first."""
    with (
        contextlib.closing(SqliteStore(path)) as store,
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        thread = threading.Thread(target=store.remember, args=("key", "text"))
        thread.start()
        assert all(refusals.acquire(timeout=20) for _ in range(50))
        other.execute("COMMIT")
        thread.join(20)
        assert "text" == store.recall("key")


CLAIMER = """
    import sys, time, uuid
    from sweepwidget.model import Agent, AgentId, Outcome, RunState, SweepId
    from sweepwidget.process import this_process
    from sweepwidget.store import open_store
    from sweepwidget.store.spool import Spool
    store, name = open_store(sys.argv[1]), AgentId(uuid.uuid4().hex)
    store.join(Agent(name, SweepId("sweep001"), this_process()), 30.0)
    n = 0
    while run := store.claim(name, f"{name}:{n}"):
        print("claimed", run.id, run.attempt, flush=True)
        spool = Spool(store.folder, run.id, run.attempt)
        for step in range(20):
            spool.append(step, 0.0, {"loss": step / 2})
            print("logged", run.id, run.attempt, step, flush=True)
            time.sleep(0.001)
            if step % 7 == 0 and (points := spool.take()):
                store.log(points)
                spool.delivered(points)
        store.finish(run.id, run.attempt, Outcome(RunState.finished), spool.take())
        print("finished", run.id, run.attempt, flush=True)
        spool.close(remove=True)
        n += 1
    """


@pytest.mark.slow
def test_killed_agents_lose_and_double_nothing(path, child):
    """Agents are killed again and again at any moment; every run ends once, with all its points, and no attempt lost
    a row whose logging returned."""
    chance = random.Random(1)
    with contextlib.closing(SqliteStore(path)) as store:
        world = World(store)
        world.add(100)
        agents = [child(CLAIMER, store.url) for _ in range(3)]
        told: list[str] = []
        kills = 0
        while True:
            runs = store.runs(SWEEP)
            killing = kills < 15 or all(run.attempt == 1 for run in runs)
            if not killing and all(run.ended for run in runs):
                break
            store.acquire(SWEEP, "controller", this_process(), TTL)
            if killing:
                if not any(run.state is RunState.pending for run in runs):  # there is always one to hit
                    world.add(20)
                victim = chance.randrange(len(agents))
                agents[victim].process.stdout.readline()  # it is up, or there was nothing to claim
                time.sleep(chance.random() * 0.05)  # any moment of its work
                told += agents[victim].kill()
                agents[victim] = child(CLAIMER, store.url)
                kills += 1
            store.expire(world.lease, max_attempts=10**6)
            if all(agent.process.poll() is not None for agent in agents):
                told += [line for agent in agents for line in agent.kill()]
                agents = [child(CLAIMER, store.url) for _ in range(3)]
        told += [line for agent in agents for line in agent.last_lines()]  # they remove their files, and leave
        assert {run.state for run in store.runs(SWEEP)} == {RunState.finished}
        for run in store.runs(SWEEP):
            assert logged(store, run.id) == list(range(20))
        for line in told:
            words = line.split()
            if len(words) == 4 and words[0] == "logged" and words[3].isdigit():
                _, run_id, attempt, step = words
                # The line itself may be torn by the kill: then its step is a shorter, earlier one.
                assert int(step) in store.columns(run_id, int(attempt))["loss"].steps
        finished = [line for line in told if line.startswith("finished")]
        assert len(set(finished)) == len(finished)
        assert list((store.folder / "spool").iterdir()) == []
    assert integrity(path) == "ok"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_its_own_connection(opened, path):
    """Parent and child both go on writing; the child's end does not disturb the parent's locks or log."""
    store = opened(path)
    world = World(store)
    bells = []
    store.subscribe(lambda: bells.append(1))
    for i in range(3):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                inherited = store._connection is not None
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
    store.close()
    assert integrity(path) == "ok"


def test_news_from_before_a_fork(opened, path):
    """What another process wrote between the last look and a fork is news after it, once."""
    store, other = opened(path), opened(path)
    assert not store.changed_elsewhere()
    World(other)
    module._before_fork()
    module._in_parent()
    assert store.changed_elsewhere()
    assert not store.changed_elsewhere()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forks_while_threads_write(opened, path):
    """A fork waits for the transaction that is under way; nothing hangs and nothing is lost."""
    store = opened(path)
    world = World(store)
    done = threading.Event()

    def work():
        for _ in range(150):
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
    assert [run.number for run in store.runs(SWEEP)] == list(range(1, 151))


def test_threads_that_fork_at_once_let_go_of_what_each_has_locked(opened, path, monkeypatch):
    """One that has the store as soon as another has let go of it keeps it until its own fork is over, and no longer."""
    store = opened(path)
    lock, second_has_it, first_is_through = threading.RLock(), threading.Event(), threading.Event()

    class Mutex:
        acquire, __enter__, __exit__ = lock.acquire, lock.__enter__, lock.__exit__

        def release(self):
            lock.release()
            assert second_has_it.wait(20)

    def second():
        module._before_fork()
        second_has_it.set()
        assert first_is_through.wait(20)
        module._in_parent()

    monkeypatch.setattr(store, "_mutex", Mutex())
    monkeypatch.setattr(module, "_stores", {store})
    with ThreadPoolExecutor(1) as pool:
        module._before_fork()
        try:
            other = pool.submit(second)
            module._in_parent()
            assert not lock.acquire(blocking=False)
        finally:
            first_is_through.set()
        other.result(20)
    assert lock.acquire(timeout=20)
    lock.release()


def test_another_program_that_keeps_it_locked(opened, path, monkeypatch):
    """We wait, then say who may be at fault; afterwards the store works on."""
    monkeypatch.setattr(module, "BUSY_S", 0.2)
    store = opened(path)
    world = World(store)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as browser:
        browser.execute("BEGIN IMMEDIATE")
        with pytest.raises(errors.StoreUnavailable, match=r"locked.*another program"):
            world.add()
        assert store.sweep(SWEEP).state is SweepState.RUNNING  # reading goes on
        browser.execute("ROLLBACK")
    assert len(world.add()) == 1


def test_a_store_that_is_deleted_in_use(opened, path):
    """No write is taken for stored that went into a file which nobody will ever see; nor is an empty one begun in its
    place, also where a fork has had us let go of it. Put back, it has all that was stored."""
    store = opened(path)
    world = World(store)
    run = world.begin()
    kept = path.with_suffix(".kept")
    path.rename(kept)
    for write in (world.add, lambda: world.claim(AgentId("agent"), wanted=1), lambda: store.log(points(run, 0, 3))):
        with pytest.raises(errors.StoreUnavailable, match="deleted or replaced"):
            write()
    module._before_fork()
    module._in_parent()
    with pytest.raises(errors.StoreUnavailable, match="deleted or replaced"):
        store.sweep(SWEEP)
    assert not path.exists()
    kept.rename(path)
    store.log(points(run, 0, 3))
    assert [0, 1, 2] == logged(store, run.id)
    assert [1] == [found.number for found in store.runs(SWEEP)]


def test_an_interrupt_in_mid_transaction(opened, path, monkeypatch):
    """A KeyboardInterrupt leaves neither a half transaction nor a lock."""
    store = opened(path)
    world = World(store)
    real = store._points.add
    monkeypatch.setattr(store._points, "add", lambda *_: (real(*_), signal.raise_signal(signal.SIGINT)))
    run = world.begin()
    with pytest.raises(KeyboardInterrupt):
        store.log(points(run, 0, 3))
    monkeypatch.undo()
    thread = threading.Thread(target=world.add)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert logged(store, run.id) == []
    store.log(points(run, 0, 3))
    assert logged(store, run.id) == [0, 1, 2]


@pytest.mark.parametrize("kind", ["read", "write"])
def test_an_interrupt_while_a_transaction_begins(opened, path, monkeypatch, kind):
    """What this process stores after it is seen by others, and what they store by this process."""
    store, other = opened(path), opened(path)
    World(store)
    real = getattr(store, f"_begin_to_{kind}")
    with monkeypatch.context() as patch:
        patch.setattr(store, f"_begin_to_{kind}", lambda *a: (real(*a), signal.raise_signal(signal.SIGINT)))
        with pytest.raises(KeyboardInterrupt):
            store.sweeps() if kind == "read" else store.create_sweep(Sweep(SweepId("interrupted"), {}))
    other.create_sweep(Sweep(SweepId("theirs"), {}))
    store.create_sweep(Sweep(SweepId("ours"), {}))
    for each in (store, other):
        assert {SWEEP, "theirs", "ours"} == {sweep.id for sweep in each.sweeps()}


def test_names_of_a_failed_transaction_are_not_remembered(opened, path, monkeypatch):
    """A metric that was first seen in a transaction that failed is stored with the next one."""
    store = opened(path)
    world = World(store)
    run = world.begin()
    with monkeypatch.context() as patch:
        real = store._points.add
        patch.setattr(store._points, "add", lambda *a: (real(*a), 1 / 0))
        with pytest.raises(ZeroDivisionError):
            store.log(points(run, 0, 3))
    store.log(points(run, 0, 3))
    assert logged(opened(path), run.id) == [0, 1, 2]


# -- disks ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def mounted(folder: Path, *options: str):
    """A tmpfs, or a skip where we may not mount."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs")
def test_a_full_disk(tmp_path):
    """What was stored is there, the error says what to do, and the same store goes on when space returns."""
    with mounted(tmp_path / "small", "-o", "size=2m"):
        folder = tmp_path / "small"
        with contextlib.closing(SqliteStore(folder / "sweeps.db")) as store:
            world = World(store)
            run = world.begin()
            ballast = folder / "ballast"
            kept = 0
            with pytest.raises(errors.StoreUnavailable, match=r"disk .*full"):
                for i in range(1000):
                    if i == 3:
                        with ballast.open("wb") as file, contextlib.suppress(OSError):
                            file.write(bytes(2 << 20))
                    store.log(points(run, kept, kept + 100))
                    kept += 100
            assert logged(store, run.id) == list(range(kept))
            ballast.unlink()
            store.log(points(run, kept, kept + 100))
            assert logged(store, run.id) == list(range(kept + 100))
            assert world.finish(run).state is RunState.finished
        assert integrity(folder / "sweeps.db") == "ok"


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_file_that_may_not_grow(path, child):
    """A quota is met in the middle of a transaction: an error of ours, all that was stored is there, and more room
    is all that is needed."""
    lines = child(
        """
        import resource, sys
        from sweepwidget.errors import StoreUnavailable
        from sweepwidget.model import Sweep, SweepId
        from sweepwidget.store import open_store
        store = open_store(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        made = 0
        try:
            while made < 1000:
                store.create_sweep(Sweep(SweepId(f"sweep {made}"), {"x": "y" * 1000}))
                made += 1
        except StoreUnavailable as error:
            print(error)
        assert len(store.sweeps()) == made
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        store.create_sweep(Sweep(SweepId("more"), {}))
        print(len(store.sweeps()) - made)
        """,
        path,
    ).result()
    assert len(lines) == 2
    assert "nothing that was stored is lost" in lines[0]
    assert lines[1] == "1"
    assert integrity(path) == "ok"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs")
def test_no_room_for_a_store(tmp_path):
    """Making one on a full disk fails clearly, and works later."""
    with mounted(tmp_path / "tiny", "-o", "size=64k"):
        (tmp_path / "tiny/ballast").write_bytes(bytes(56 << 10))
        with pytest.raises(errors.StoreUnavailable, match=r"sweeps\.db"):
            SqliteStore(tmp_path / "tiny/sweeps.db")
        subprocess.run(["mount", "-o", "remount,size=4m", tmp_path / "tiny"], check=True)
        with contextlib.closing(SqliteStore(tmp_path / "tiny/sweeps.db")) as store:
            World(store)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs")
def test_a_read_only_disk(tmp_path):
    """A new store cannot be made, one that is there can be looked at: the path, the reason, and what to do."""
    with mounted(tmp_path / "ro"):
        with contextlib.closing(SqliteStore(tmp_path / "ro/old.db")) as store:
            run = World(store).begin()
            store.log(points(run, 0, 3))
        subprocess.run(["mount", "-o", "remount,ro", tmp_path / "ro"], check=True)
        for name in ("new.db", "deep/new.db"):
            with pytest.raises(errors.StoreUnavailable) as caught:
                SqliteStore(tmp_path / "ro" / name)
            assert name in str(caught.value)
            assert "SWEEPWIDGET_STORE" in str(caught.value)
        with contextlib.closing(SqliteStore(tmp_path / "ro/old.db")) as store:
            assert ([run.id], 3) == ([found.id for found in store.runs(SWEEP)], len(store.columns(run.id)["loss"]))
            assert not store.changed_elsewhere()
            for write in (
                lambda: World(store),
                lambda: store.stop([run.id], "enough"),
                lambda: store.heartbeat(["agent"], TTL),
            ):
                with pytest.raises(
                    errors.StoreReadOnly, match=r"old\.db is read-only: you can look, not change.*SWEEPWIDGET"
                ):
                    write()


def test_a_read_only_store_is_followed(opened, tmp_path):
    """While others write it, and from their first write on; what they had not written back when they died is said to be missing."""
    (tmp_path / "there").mkdir()
    with seen_read_only(tmp_path / "there") as place:
        with contextlib.closing(SqliteStore(tmp_path / "there/sweeps.db")) as writer:
            World(writer)
        viewer = opened(place / "sweeps.db")
        assert [SWEEP] == [sweep.id for sweep in viewer.sweeps()]
        writer = opened(tmp_path / "there/sweeps.db")
        writer.create_sweep(Sweep(SweepId("second"), {}))
        assert viewer.changed_elsewhere()
        assert {SWEEP, "second"} == {sweep.id for sweep in viewer.sweeps()}
        writer.create_sweep(Sweep(SweepId("third"), {}))
        assert viewer.changed_elsewhere()
        assert 3 == len(viewer.sweeps())
        with pytest.raises(errors.StoreReadOnly):
            viewer.create_sweep(Sweep(SweepId("fourth"), {}))
        for name in ("sweeps.db", "sweeps.db-wal"):  # as a killed writer and a restart of the machine leave them
            shutil.copy(tmp_path / "there" / name, tmp_path / "there" / f"left-{name}")
        with pytest.raises(errors.StoreUnavailable, match="its latest changes are in left-sweeps.db-wal"):
            opened(place / "left-sweeps.db")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    """As above, by mode."""
    (tmp_path / "mine").mkdir(mode=0o500)
    with pytest.raises(errors.StoreUnavailable, match="mine"):
        SqliteStore(tmp_path / "mine/sweeps.db")


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "fuse.drive"])
def test_a_network_disk_is_warned_of(tmp_path, monkeypatch, kind):
    """The warning names the path and the way out."""
    monkeypatch.setattr(module, "_file_system", lambda path: kind)
    with pytest.warns(UserWarning, match=rf"{kind}.*SWEEPWIDGET_STORE"):
        SqliteStore(tmp_path / "sweeps.db").close()


def test_the_file_system_of_a_path(tmp_path):
    """The innermost mount counts; blanks in its name are escaped; unknown is unknown."""
    mounts = tmp_path / "mounts"
    mounts.write_text("a / ext4 rw 0 0\nb /home nfs rw 0 0\nc /home/my\\040disk xfs rw 0 0\n")
    found = [module._file_system(Path(path), mounts) for path in ("/x", "/home/u/s.db", "/home/my disk/s", "/homely")]
    assert found == ["ext4", "nfs", "xfs", "ext4"]
    assert module._file_system(Path("/x"), tmp_path / "nosuch") == ""


# -- cost -------------------------------------------------------------------------------------------------------------


def test_hot_statements_use_their_indexes(opened, path):
    """No statement that runs per trial or per look reads a whole table."""
    store = opened(path)
    from sweepwidget.store import statements as sql

    statements = [sql.LOCK_SWEEP, sql.LOCK_OF_RUN, sql.LOCK_OF_AGENT, sql.RUN_OF_REQUEST, sql.CLAIM, sql.CLAIMED, sql.HELD,
                  sql.OPEN_RUN, sql.CLOSE, sql.RUNS_BETWEEN, sql.AGENTS_BETWEEN, sql.NEXT_PAGE, sql.CHUNKS_BETWEEN, sql.TOLD, sql.BEAT,
                  sql.CHUNKS_OF_RUN, sql.RECORDS_OF_RUN, sql.LIVING, sql.STOP_WAITING]  # fmt: skip
    for statement in statements:
        plan = store._connection.execute(f"EXPLAIN QUERY PLAN {statement}", (0,) * statement.count("?")).fetchall()
        assert all("SCAN" not in step[3] for step in plan), (statement, plan)


def test_a_claim_costs_the_same_however_many_wait(opened, path):
    """Or were added by hand and have ended."""
    store = opened(path)
    world = World(store)
    agent = world.join()
    world.add(5)

    def instructions() -> int:
        counted = []
        store._connection.set_progress_handler(lambda: counted.append(1), 10)
        world.finish(world.claim(agent))
        store._connection.set_progress_handler(None, 10)
        return len(counted)

    few = min(instructions() for _ in range(3))
    for _ in range(100):
        store.enqueue(SWEEP, Suggestion({}), 0)
    for _ in range(100):
        world.finish(world.claim(agent))
    world.add(500)
    many = min(instructions() for _ in range(3))
    assert many < 1.2 * few


def test_the_log_stays_bounded(opened, path):
    """The write-ahead log is moved into the file now and then, also while a reader looks."""
    store, reader = opened(path), opened(path)
    world = World(store)
    run = world.begin()
    for i in range(600):
        store.log(points(run, i * 4000, (i + 1) * 4000))
        if i % 50 == 0:
            reader.changes(SWEEP, Cursor(), [])
    assert path.with_name("sweeps.db-wal").stat().st_size < 40 << 20


# -- several writes as one transaction --------------------------------------------------------------------------------


def test_writes_that_come_together_are_one_transaction(opened, path):
    """Nobody else sees any of them before all are kept, and the bell rings once."""
    store, other = opened(path), opened(path)
    world, rung = World(store), []
    runs = [world.begin(f"agent {i}") for i in range(3)]
    store.subscribe(lambda: rung.append(1))
    with store.together():
        for run in runs:
            store.log(points(run, 0, 5))
            world.finish(run)
        assert ["running"] * 3 == [run.state.value for run in other.runs(SWEEP)]
        assert rung == []
    assert ["finished"] * 3 == [run.state.value for run in other.runs(SWEEP)]
    assert [[0, 1, 2, 3, 4]] * 3 == [logged(other, run.id) for run in runs]
    assert [1] == rung


def test_of_writes_that_come_together_one_may_fail(opened, path):
    """It leaves nothing behind, also no names of metrics, and the others are kept."""
    store, other = opened(path), opened(path)
    world = World(store)
    before, bad, after = (world.begin(f"agent {i}") for i in range(3))
    huge = Outcome(RunState.finished, exit_code=1 << 70)  # no number that a database holds
    with store.together():
        world.finish(before)
        with pytest.raises(errors.Fenced):
            store.log(points(bad, 7, 9))
        with pytest.raises(OverflowError):
            store.finish(bad.id, bad.attempt, huge, Points(bad.id, 1, "", 0, 1, {"new": column([0], [1.0])}))
        store.log(Points(after.id, 1, "", 0, 1, {"new": column([0], [2.0])}))
        world.finish(after)
    assert ["finished", "running", "finished"] == [run.state.value for run in other.runs(SWEEP)]
    assert [[], [0]] == [logged(other, run.id, "new") for run in (bad, after)]


def test_writes_that_come_together_and_change_nothing(opened, path):
    """They wake nobody."""
    store = opened(path)
    world, rung = World(store), []
    agent = world.join()
    world.claim(agent)  # finds nothing, and says that it waits
    store.subscribe(lambda: rung.append(1))
    with store.together():
        assert world.claim(agent) is None
        assert world.claim(agent) is None
    assert rung == []


def test_writes_that_come_together_and_are_lost(opened, path):
    """If the database gives all of them up, each may come again."""
    store, other = opened(path), opened(path)
    world = World(store)
    run = world.begin()
    with pytest.raises(errors.StoreUnavailable, match="nothing that was stored is lost"), store.together():
        store.log(Points(run.id, 1, "", 0, 1, {"new": column([0], [1.0])}))
        store._connection.execute("ROLLBACK")  # as SQLite itself does when the disk is full
    assert [] == logged(other, run.id, "new")
    store.log(Points(run.id, 1, "", 0, 1, {"new": column([0], [1.0])}))
    assert [0] == logged(other, run.id, "new")
