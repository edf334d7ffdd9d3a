"""A real PostgreSQL server for tests, private and thrown away: on a free port of 127.0.0.1 and a Unix socket, in a folder
of its own. PostgreSQL refuses to run as root, so root drops to another user for it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

try:
    from ports import free_port
except ImportError:  # benchmarks begin one of these servers, too
    from tests.ports import free_port

USER, PASSWORD = "sweeper", "pa$$ w/rd@:ü"
"""The owner of the database `sweeps`. Over TCP a password is asked for."""
ADMIN = "admin"
"""The superuser; needs no password on the Unix socket."""


def binaries() -> Path | None:
    """The folder of the newest server's programs; None where there is none."""
    found = [Path(place).resolve().parent for place in [shutil.which("postgres")] if place]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return next((path for path in found if (path / "initdb").exists() and (path / "pg_isready").exists()), None)


@functools.cache
def shared_server() -> Server:
    """One for the whole session: each test uses a schema or a database of its own. Skips where PostgreSQL is missing."""
    import pytest

    pytest.importorskip("psycopg")
    bin = binaries()
    if bin is None:
        pytest.skip("needs a PostgreSQL server: apt install postgresql")
    server = Server(bin)
    atexit.register(server.close)
    return server


class Server:
    """One server. `start` after `kill` or `stop` brings it back with what was committed.

    `durable=False` never calls fsync: killing the server loses nothing then either, only a power cut would.
    """

    def __init__(
        self,
        bin: Path,
        *,
        durable: bool = False,
        settings: dict[str, object] | None = None,
        standby_of: Server | None = None,
    ) -> None:
        self._bin = bin
        self._pid = os.getpid()
        self._owner = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="sw-pg-", dir="/tmp"))  # short: socket paths have 107 bytes at most
        self.port = free_port()
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "max_connections": 100,
            "lc_messages": "C",
            **({} if durable else {"fsync": "off", "full_page_writes": "off"}),
            **(settings or {}),
        }
        self._give(self.folder)
        try:
            if standby_of is None:
                self._make()
            else:
                self._run("pg_basebackup", "-D", self.data, "-R", "-c", "fast", "-h", standby_of.folder, "-p", standby_of.port, "-U", ADMIN)  # fmt: skip
                self.start()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        secret = self.folder / "secret"
        secret.write_text(PASSWORD, "utf-8")
        self._give(secret)
        self._run("initdb", "-D", self.data, "-U", ADMIN, "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync", "-E", "UTF8", "--locale=C")  # fmt: skip
        (self.data / "pg_hba.conf").write_text(
            "local all all trust\nlocal replication all trust\nhost replication all all trust\n"
            "hostnossl all tls_only all reject\nhost all all all scram-sha-256\n"
        )
        self.start()
        self.sql(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'", f"CREATE DATABASE sweeps OWNER {USER}")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(
        self,
        database: str = "sweeps",
        user: str = USER,
        password: str | None = PASSWORD,
        host: str = "127.0.0.1",
        **options: object,
    ) -> str:
        """Of a database, over TCP."""
        secret = f":{quote(password, safe='')}" if password else ""
        query = f"?{urlencode(options)}" if options else ""
        return f"postgresql://{user}{secret}@{host}:{self.port}/{database}{query}"

    def local_url(self, database: str = "sweeps", user: str = USER, **options: object) -> str:
        """Of a database, over the Unix socket, without a password."""
        return (
            f"postgresql:///{database}?{urlencode({'host': self.folder, 'port': self.port, 'user': user, **options})}"
        )

    def sql(self, *statements: str, database: str = "postgres") -> list[Any]:
        """Run statements as the superuser; the rows of the last one."""
        import psycopg

        with psycopg.connect(self.local_url(database, ADMIN), autocommit=True) as connection:
            cursor = [connection.execute(statement) for statement in statements][-1]  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Until it answers. Nothing to do while it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        deadline = time.monotonic() + 60
        while True:
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [self._bin / "postgres", "-D", self.data, *settings],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    preexec_fn=_die_with_parent,
                    **self._as_owner(),
                )
            while self._process.poll() is None:
                if not self._call("pg_isready", "-q", "-h", self.folder, "-p", self.port, "-t", 1).returncode:
                    return
                time.sleep(0.02)
            # After a kill its last processes take a moment to go.
            if time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends it in good order; SIGQUIT at once, as a crash would."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(30)

    def kill_backends(self) -> None:
        """SIGKILL a process that serves a client, as the kernel does when memory is short: the server takes all others
        down with it, recovers, and is there again."""
        for (pid,) in self.sql("SELECT pid FROM pg_stat_activity WHERE usename = 'sweeper'"):
            with contextlib.suppress(ProcessLookupError):  # the server has ended it meanwhile
                os.kill(pid, signal.SIGKILL)

    @contextlib.contextmanager
    def standby(self) -> Iterator[Server]:
        """A second server that follows this one, and only reads."""
        other = Server(self._bin, standby_of=self)
        try:
            yield other
        finally:
            other.close()

    @contextlib.contextmanager
    def small_disk(self, size: str) -> Iterator[tuple[Path, str]]:
        """A file system of that size (root only), and a database that lies on it."""
        place = self.folder / "small"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
        if done.returncode:
            import pytest

            pytest.skip(f"cannot mount a tmpfs: {done.stderr!r}")
        try:
            (place / "tables").mkdir()
            self._give(place / "tables")
            self.sql(
                f"CREATE TABLESPACE small LOCATION '{place / 'tables'}'",
                f"CREATE DATABASE tight OWNER {USER} TABLESPACE small",
            )
            yield place, "tight"
            self.sql("DROP DATABASE tight WITH (FORCE)", "DROP TABLESPACE small")
        finally:
            subprocess.run(["umount", "-l", place], check=True)

    def close(self) -> None:
        """The end, and nothing is left."""
        if os.getpid() != self._pid:  # a forked child that runs the exit handlers of its parent
            return
        if self._process is not None and self._process.poll() is None:
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _give(self, path: Path) -> None:
        if self._owner:
            shutil.chown(path, self._owner.pw_uid, self._owner.pw_gid)

    def _run(self, program: str, *arguments: object) -> None:
        done = self._call(program, *arguments)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr or done.stdout}")

    def _call(self, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [self._bin / program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False, **self._as_owner())

    def _as_owner(self) -> dict[str, Any]:
        if not self._owner:
            return {}
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}


def _unprivileged() -> pwd.struct_passwd | None:
    """Who runs the server when we are root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`")


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)  # PR_SET_PDEATHSIG
