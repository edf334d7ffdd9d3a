"""Where a fault happens: a sweep in a store of its own, who works on it, and the ledger of what they were told."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from attrs import evolve
from kernel import Kernel
from ports import free_port
from waiting import until

from sweepwidget.hub.tokens import issue
from sweepwidget.links import make_link
from sweepwidget.model import Scope

from . import victims
from .failpoints import FailPoint
from .invariants import FINISHED, check, check_spools, processes_of
from .ledger import Ledger, Told

MARK = f"faults-{secrets.token_hex(8)}"
"""Stands in the environment of every process of these tests: what is left of them is found by it."""
TESTS = Path(__file__).parent.parent


@functools.cache
def _forks() -> Any:
    """Where victims are forked off: a process that has imported what they need, with the mark and our path, in a clean
    environment.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["faults.victims"])
    before = dict(os.environ)
    clean = _environment() | {"PYTHONPATH": os.pathsep.join(map(str, (TESTS.parent, TESTS)))}
    try:
        os.environ.clear()
        os.environ.update(clean)
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return context


def _environment() -> dict[str, str]:
    """What every process of these tests finds."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "SWEEPWIDGET_"))}
    return {**ours, "SWEEPWIDGET_TEST_MARK": MARK}


class Scene:
    """One store, one grid of `cells`, and everybody who works on it."""

    def __init__(self, wandb: Any, link: str, folder: Path, cells: int = 4) -> None:
        self.wandb, self.folder, self.cells = wandb, folder, cells
        self.store = wandb.use_store(link)
        self.ledger = Ledger(folder / "ledger")
        self.ledger.folder.mkdir()
        self.sweep = ""
        self._ends: list[Callable[[], None]] = []

    def create(self, **config: Any) -> str:
        """The sweep: a grid, whose runs take a few milliseconds."""
        space = {"cell": {"values": list(range(self.cells))}}
        self.sweep = self.wandb.sweep({"method": "grid", "parameters": space, **config})
        return self.sweep

    def last(self, rows: int, pause_s: float = 0.002, hold: int | None = None) -> None:
        """How long runs are from now on, for those who begin from now on, and the run of which cell is held in its middle."""
        self.ledger = evolve(self.ledger, rows=rows, pause_s=pause_s, hold=hold)

    # -- who works ------------------------------------------------------------------------------------------------

    def part(self, point: FailPoint | None = None, **more: Any) -> victims.Part:
        given = {"store": self.store.link, "sweep": self.sweep, "ledger": self.ledger, "folder": self.folder}
        return victims.Part(**{**given, **more, "point": point})

    def victim(self, role: Callable[..., None], part: victims.Part, *args: Any, **options: Any) -> BaseProcess:
        """A process that plays `role`."""
        process = _forks().Process(target=role, args=(part, *args), kwargs=options)
        process.start()

        def end() -> None:
            process.kill()
            process.join()

        self._ends.append(end)
        return process

    def struck(self, role: Callable[..., None], point: FailPoint, *args: Any, **options: Any) -> None:
        """The same, until it has died at its fail point."""
        process = self.victim(role, self.part(point), *args, **options)
        process.join(60)
        assert -point.signum == process.exitcode, f"it did not reach {point}"

    def process(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """A program in the folder of the scene; its output goes to a file there."""
        environment = _environment() | {"SWEEPWIDGET_STORE": self.store.link}
        with (self.folder / "output").open("a") as output:
            process = subprocess.Popen(
                command, env=environment, cwd=self.folder, stdout=output, stderr=output, **options
            )

        def end() -> None:
            process.kill()
            process.wait()

        self._ends.append(end)
        return process

    def script(self, code: str, **options: Any) -> subprocess.Popen[str]:
        """Python text, with `train` defined."""
        path = self.folder / f"script{len(self._ends)}.py"
        path.write_text(f"{self.ledger.source()}\nimport sweepwidget\n{code}")
        return self.process(sys.executable, str(path), **options)

    def notebook(self, code: str) -> Kernel:
        """A kernel that has begun a cell, with `train` defined."""
        kernel = Kernel(SWEEPWIDGET_STORE=self.store.link, SWEEPWIDGET_TEST_MARK=MARK)
        self._ends.append(kernel.__exit__)
        cell = kernel.run(self.ledger.source() + "\nimport sweepwidget")
        assert not cell.error, cell.error
        kernel.start(code)
        return kernel

    def hub(self, point: FailPoint | None = None) -> str:
        """A hub, always on the same port; the link to the sweep."""
        up = self.folder / "hub.up"
        up.unlink(missing_ok=True)
        self._hub = self.victim(victims.hub, self.part(point), self.port)
        until(up.exists)
        return self.link()

    def link(self, port: int | None = None) -> str:
        """A link to the sweep, by way of the hub or, with another port, of a proxy before it."""
        return make_link(f"http://127.0.0.1:{port or self.port}", self.sweep, issue(self.store, self.sweep, Scope.run))

    def hub_dies(self, signum: int | None = None) -> None:
        """At its fail point, or now."""
        if signum is not None:
            kill(self._hub.pid, signum)
        self._hub.join(60)
        assert self._hub.exitcode is not None, "the hub lives"

    @functools.cached_property
    def port(self) -> int:
        """Of this machine, that nobody uses."""
        return free_port()

    # -- what came of it ------------------------------------------------------------------------------------------

    def at_work(self) -> bool:
        """Somebody is in the first half of a run; if one is to be held, in the middle of that."""
        if self.ledger.hold is not None:
            return self.ledger.held
        return any(0 < len(rows) <= self.ledger.rows // 2 for rows in self.ledger.told().values())

    def finish(self, **options: Any) -> None:
        """Somebody who lives does what is left: this very process."""
        self.wandb.agent(self.sweep, function=self.ledger.training(), **options)

    def check(self, ended: Any = FINISHED, told: Told | None = None) -> None:
        """The invariants hold, and after everybody's end nothing is left of them."""
        told = self.ledger.told() if told is None else told
        check(self.store, self.sweep, told, self.cells, self.ledger.rows, ended)
        self.close()
        check_spools(self.store.folder)
        until(lambda: not left())

    def close(self) -> None:
        """Nobody is on stage any more."""
        while self._ends:
            self._ends.pop()()


def left() -> dict[int, str]:
    """Processes of these tests that live, without those that multiprocessing keeps for the next one."""
    found = processes_of(MARK).items()
    return {
        pid: command
        for pid, command in found
        if "multiprocessing.forkserver" not in command and "resource_tracker" not in command
    }


def kill(pid: int, signum: int = signal.SIGKILL) -> None:
    """Signal a process that may be gone by now."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signum)
