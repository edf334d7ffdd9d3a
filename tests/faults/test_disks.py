"""The disk under a sweep at work: full, read-only, and a file that is no store.

The store by itself (damaged at random, quotas, no permission, deleted in use, a disk full in mid-row):
tests/store/test_sqlite.py, test_spool.py. Locked by another program: tests/test_outages.py. A database's disk:
tests/store/test_postgres.py.
"""

import contextlib
import subprocess
import sys

import pytest
from waiting import until

from . import victims
from .scene import Scene

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs"),
]


@pytest.fixture
def disk(tmp_path):
    """A file system of four megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def small_scene(wandb, disk, tmp_path):
    """A sweep whose store is on it."""
    made = Scene(wandb, str(disk / "sweeps.db"), tmp_path, cells=2)
    made.create()
    yield made
    made.close()
    made.store.close()


def outage_ends(scene, agent, end):
    """The agent goes on while the disk refuses, and when it no longer does, all is there. A page has room for a hundred rows,
    so the spool's last one is full before long.
    """
    rows = sum(map(len, scene.ledger.told().values()))  # while its run is held: later it may have too few rows left
    scene.ledger.go()
    until(lambda: sum(map(len, scene.ledger.told().values())) > rows + 250)
    assert agent.is_alive()
    end()
    agent.join(60)
    assert 0 == agent.exitcode
    assert {1} == {run.attempt for run in scene.store.runs(scene.sweep)}
    scene.check()


def test_a_disk_that_fills_up_under_a_sweep(small_scene, disk):
    """Training goes on; when there is room again, no point is missing."""
    small_scene.last(rows=600, hold=0)
    agent = small_scene.victim(victims.agent, small_scene.part())
    until(small_scene.at_work)
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(1 << 16)):
            pass
    with (disk / "more").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x"):
            pass
    outage_ends(small_scene, agent, lambda: (ballast.unlink(), (disk / "more").unlink()))


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage " * 1000, b"SQLite format 3\0" + bytes(84), b"x"],
    ids=["empty", "garbage", "torn", "a byte"],
)
def test_a_file_that_is_no_store_ends_an_agent_before_its_first_run(scene, content):
    """The error says what and where; the file is as it was. (An empty file becomes a store, which lacks the sweep.)"""
    path = scene.folder / "other.db"
    path.write_bytes(content)
    script = scene.script(f"sweepwidget.use_store({str(path)!r})\nsweepwidget.agent({scene.sweep!r}, function=train)")
    assert 1 == script.wait(30)
    said = (scene.folder / "output").read_text()
    assert str(path) in said.splitlines()[-1]
    assert "sweepwidget.errors." in said.splitlines()[-1]
    assert not content or content == path.read_bytes()
    scene.finish()
    scene.check()
