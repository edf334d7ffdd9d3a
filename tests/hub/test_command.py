"""`sweepwidget hub` as a process: it serves, makes, lists and revokes links, and ends when it is told to."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ports import free_port

from sweepwidget.cli import main
from sweepwidget.errors import StoreError
from sweepwidget.links import parse_link
from sweepwidget.model import Scope, Sweep, SweepId
from sweepwidget.store.sqlite import SqliteStore
from sweepwidget.stores import current_store

from .conftest import Caller

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")


class Served:
    """`sweepwidget hub …` in a process of its own, on the store in this folder."""

    def __init__(self, *options: str) -> None:
        env = {**os.environ, "SWEEPWIDGET_STORE": f"{os.getcwd()}/sweeps.db"}
        argv = [sys.executable, "-W", "error", "-m", "sweepwidget", "hub", *options]
        self.process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        first = self.process.stderr.readline()
        self.base = re.search(r"at (\S+)\. Ctrl", first)[1] if " at http" in first else first

    def end(self, signum: int = signal.SIGTERM) -> tuple[int, str]:
        """(exit status, what it said since)."""
        self.process.send_signal(signum)
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said


@pytest.fixture
def serve(wandb):
    started = []

    def start(*options):
        started.append(Served(*options))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def said(capsys, *argv):
    assert 0 == main(["hub", *argv])
    return capsys.readouterr().out


def failed(capsys, *argv):
    assert 1 == main(["hub", *argv])
    return capsys.readouterr().err


def caller_of(link):
    place = parse_link(link)
    return Caller(place.base, place.token)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(serve, signum, capsys):
    """A hub answers whoever has a link, and a signal ends it in order."""
    hub = serve("--token-file", "link.txt")
    assert "A link to the whole store is in link.txt" in hub.process.stderr.readline()
    assert 0o600 == Path("link.txt").stat().st_mode & 0o777
    caller = caller_of(Path("link.txt").read_text())
    made = caller.call("create_sweep", sweep=Sweep(SweepId("new"), {"method": "random"}))
    assert [made] == list(caller.call("sweeps"))
    caller.http.close()
    assert (0, "sweepwidget: The hub has ended.\n") == hub.end(signum)
    assert made == current_store().sweep(SweepId("new"))


def test_links_outlive_it(serve):
    """A hub that was killed and started anew knows its links, and keeps the one in its file."""
    port = str(free_port())
    hub = serve("--token-file", "link.txt", "--port", port)
    hub.process.stderr.readline()
    link = Path("link.txt").read_text()
    hub.process.kill()
    hub.process.communicate()
    again = serve("--token-file", "link.txt", "--port", port)
    caller = caller_of(link)
    assert [] == list(caller.call("sweeps"))
    caller.http.close()
    assert link == Path("link.txt").read_text()
    assert 0 == again.end()[0]


def test_it_shares_a_sweep_at_once(serve, wandb):
    """--share prints the link, whole and alone, on stdout."""
    sweep_id = wandb.sweep({"method": "random", "parameters": {"x": {"min": 0.0, "max": 1.0}}})
    hub = serve("--share", sweep_id, "--scope", "observe")
    link = hub.process.stdout.readline()
    assert (hub.base, sweep_id) == (parse_link(link).base, parse_link(link).sweep_id)
    caller = caller_of(link)
    assert sweep_id == caller.call("sweep", sweep_id=sweep_id).id
    caller.http.close()
    assert 0 == hub.end()[0]


def test_links_are_made_listed_and_revoked(wandb, capsys):
    """The three orders do what they say, and no list shows a token."""
    sweep_id = wandb.sweep({"method": "random", "parameters": {"x": {"min": 0.0, "max": 1.0}}})
    capsys.readouterr()
    of_sweep = said(
        capsys, "link", sweep_id, "--label", "for the lab", "--base-url", "https://hub.example.org/x/"
    ).strip()
    whole = said(capsys, "link", "--expires", "never").strip()
    assert of_sweep.startswith(f"https://hub.example.org/x/{sweep_id}#")
    assert whole.startswith("http://127.0.0.1:8477/#")
    lines = said(capsys, "links").splitlines()
    assert ["TOKEN", "FOR", "SCOPE", "EXPIRES", "LABEL"] == lines[0].split()
    assert {"run  ", "control  never"} == {re.search(r"run  |control  never", line)[0] for line in lines[1:]}
    assert any(line.endswith("for the lab") for line in lines)
    assert not [link for link in (of_sweep, whole) if parse_link(link).token in "".join(lines)]
    (digest,) = [line.split()[0] for line in lines if "all sweeps" in line]
    assert "1 revoked" in said(capsys, "revoke", digest[:6])
    assert [Scope.run] == [token.scope for token in current_store().tokens()]
    assert "1 revoked" in said(capsys, "revoke", sweep_id)
    assert [] == list(current_store().tokens())


def test_what_cannot_be_done_is_said(wandb, capsys, tmp_path):
    """Wrong orders end with status 1 and a line that says what to do."""
    assert "certfile" in failed(capsys, "--host", "0.0.0.0")
    assert "hub links" in failed(capsys, "revoke", "abcd1234")
    assert "a sweep's id" in failed(capsys, "revoke")
    assert "nowhere" in failed(capsys, "link", "nowhere")
    assert "--share nowhere" in failed(capsys, "serve", "nowhere")
    with pytest.raises(SystemExit, match="2"):
        main(["hub", "--expires", "soon"])
    with pytest.raises(SystemExit, match="2"):
        main(["hub", "--port", "99999"])


def test_an_order_that_is_none_is_named_as_typed(wandb, capsys):
    """With those that there are."""
    with pytest.raises(SystemExit) as ended:
        main(["hub", "frob"])
    assert 2 == ended.value.code
    assert "there is no `sweepwidget hub frob`: it is one of serve, link, links, revoke" in capsys.readouterr().err


def test_a_taken_port_is_an_error(serve, capsys):
    """A port that was asked for is not silently another."""
    hub = serve()
    port = hub.base.rpartition(":")[2]
    assert f"port {port}" in failed(capsys, "--port", port)


def test_a_store_that_is_none_is_said(tmp_path, wandb, capsys):
    """What cannot be opened is said as by every other command."""
    Path("broken.db").write_bytes(b"x" * 1000)
    with pytest.raises(StoreError):
        SqliteStore(Path("broken.db"))
    assert 1 == main(["--store", "broken.db", "hub"])
    assert "not a" in capsys.readouterr().err
