"""Telling the living from the dead, and both from those that cannot be looked at."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from attrs import evolve

from sweepwidget import process as module
from sweepwidget.process import is_alive, this_process

WHO = "from sweepwidget.process import this_process as t; import attrs; print(*attrs.astuple(t()), sep='|', flush=True)"


def _identity(line):
    host, pid, started, space = line.rstrip("\n").split("|")
    return module.Process(host, int(pid), started, space)


@pytest.fixture
def sleeper():
    """A process that says who it is and then waits for its input to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", WHO + "; input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_this_process_lives():
    """The same process is always named the same."""
    assert this_process() == this_process()
    assert this_process().pid == os.getpid()
    assert is_alive(this_process()) is True


waits = pytest.mark.skipif(not hasattr(os, "waitid"), reason="needs waitid")


@waits
def test_another_process_is_alive_until_it_dies(sleeper):
    """A process is dead as soon as it cannot run any more, also while nobody has collected it (a zombie)."""
    other = _identity(sleeper.stdout.readline())
    assert is_alive(other) is True
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert is_alive(other) is False
    sleeper.wait()
    assert is_alive(other) is False


@waits
def test_a_stopped_process_is_alive(sleeper):
    """SIGSTOP is not death."""
    other = _identity(sleeper.stdout.readline())
    sleeper.send_signal(19)
    os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED | os.WNOWAIT)
    assert is_alive(other) is True


def test_a_pid_used_again_is_another_process():
    """Same pid, other start: the one we mean is dead."""
    assert is_alive(evolve(this_process(), started="1")) is False
    assert is_alive(evolve(this_process(), pid=os.getppid(), started="1")) is False


@pytest.mark.parametrize("field", ["host", "space"])
def test_somewhere_else_nobody_can_look(field):
    """Another machine, boot or container: neither dead nor alive."""
    assert is_alive(evolve(this_process(), **{field: "elsewhere"})) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_somebody_else():
    """The answer of the parent is not kept in the child."""
    mine = this_process()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, b"same" if this_process() == mine else b"other")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reader, 10) == b"other"
    os.close(reader)
    os.close(writer)


@pytest.mark.skipif(not module._LINUX, reason="reads /proc")
def test_a_name_full_of_brackets(tmp_path):
    """The process name in /proc may hold blanks and parentheses."""
    strange = tmp_path / "a) R 1 (b"
    strange.symlink_to(sys.executable)
    process = subprocess.Popen([strange, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    try:
        fields = module._stat(process.pid)
        assert fields[0] in "RSD"
        assert fields[1] == str(os.getpid())
    finally:
        process.communicate(b"\n")


@waits
def test_without_proc_the_mark_is_as_good(sleeper, monkeypatch):
    """Where there is no /proc, psutil tells when a process began."""
    sleeper.stdout.readline()
    monkeypatch.setattr(module, "_LINUX", False)
    module._this.cache_clear()
    try:
        here = this_process()
        assert is_alive(here) is True
        other = evolve(module._this(sleeper.pid))
        module._this.cache_clear()
        assert is_alive(other) is True
        assert is_alive(evolve(other, started="1.0")) is False
        sleeper.kill()
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
        assert is_alive(other) is False
        sleeper.wait()
        assert is_alive(other) is False
    finally:
        module._this.cache_clear()
