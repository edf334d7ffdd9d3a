"""Chaos: notebooks, kernel agents, a program's agent and a hub work on one sweep, and about every second one of them is killed,
told to end or frozen for a moment. Afterwards the invariants hold. The seed decides who, how and when:

    make chaos SECONDS=600 SEED=7
"""

from __future__ import annotations

import argparse
import contextlib
import random
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from attrs import define, field
from waiting import until

from . import victims
from .invariants import check, check_spools
from .scene import Scene, kill, left

ENDED = frozenset({"finished", "killed", "crashed"})
"""As what runs may end: done, waiting when the sweep was stopped, or lost three times."""
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP)
FROZEN_S = 0.5
NOTEBOOK = """
import os, sweepwidget
os.environ["WANDB_AGENT_DISABLE_FLAPPING"] = "true"
agents = sweepwidget.agent({sweep!r}, function=train, agents={agents}, backend={backend!r}, block=False)
"""


@define
class Chaos:
    """Everybody who works on a scene's sweep, and what has been done to them."""

    scene: Scene
    chance: random.Random
    say: Callable[[str], object]
    strikes: int = 0
    _running: dict[str, Any] = field(factory=dict)

    def run(self, seconds: float) -> None:
        """Strike for so long, then let the sweep end."""
        starts = {
            "notebook": lambda: self._notebook("thread", 2),
            "notebook with kernels": lambda: self._notebook("kernel", 2),
            "program agent": lambda: self.scene.process(sys.executable, "-m", "sweepwidget", "agent", self.scene.sweep),
            "hub": self._hub,
        }
        for name, start in starts.items():
            self._running[name] = start()
        self.scene.victim(victims.agent, self.scene.part(sweep=self.scene.link()))  # behind the hub
        until(self.scene.at_work, 60)
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            time.sleep(0.5 + self.chance.random())  # the schedule
            name, signum, which = (
                self.chance.choice([*starts, "kernel"]),
                self.chance.choice(SIGNALS),
                self.chance.random(),
            )
            self._strike(name, signum, which)
            for ended in [name for name, process in self._running.items() if not _lives(process)]:
                self._running[ended] = starts[ended]()

    def _notebook(self, backend: str, agents: int) -> Any:
        """A real kernel, whose first cell starts agents."""
        cell = self.scene.folder / f"{backend}.py"
        cell.write_text(
            self.scene.ledger.source() + NOTEBOOK.format(sweep=self.scene.sweep, agents=agents, backend=backend)
        )
        connection = self.scene.folder / f"kernel-{secrets.token_hex(4)}.json"
        return self.scene.process(
            sys.executable, "-m", "ipykernel_launcher", "-f", str(connection), f"--IPKernelApp.exec_files=['{cell}']"
        )

    def _hub(self) -> Any:
        return self.scene.victim(victims.hub, self.scene.part(), self.scene.port)

    def _strike(self, name: str, signum: int, which: float) -> None:
        pid = self._kernel(which) if name == "kernel" else self._running[name].pid
        self.say(f"{signal.Signals(signum).name} {name}" + ("" if pid else " (there is none)"))
        if pid is None:
            return
        self.strikes += 1
        kill(pid, signum)
        if signum == signal.SIGSTOP:
            time.sleep(FROZEN_S)
            kill(pid, signal.SIGCONT)
        elif name != "kernel":
            until(lambda: not _lives(self._running[name]), 30)

    def _kernel(self, which: float) -> int | None:
        """One of the kernels that work for the notebook."""
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(self._running["notebook with kernels"].pid).children()
            kernels = [child.pid for child in found if "kernelchild" in " ".join(child.cmdline())]
            return kernels[int(which * len(kernels))] if kernels else None
        return None


def _lives(process: Any) -> bool:
    return (process.poll() if hasattr(process, "poll") else process.exitcode) is None


def chaos(scene: Scene, seconds: float, seed: int, say: Callable[[str], object] = print) -> str:
    """Strike for so many seconds, let the sweep end, and judge. What came of it, in words."""
    say(f"seed {seed}")
    scene.create(program="train.py", parameters={"cell": {"min": 0, "max": 10**9}})
    scene.last(rows=20, pause_s=0.01)
    (scene.folder / "train.py").write_text(f"{scene.ledger.source()}\ntrain()\n")
    made = Chaos(scene, random.Random(seed), say)
    made.run(seconds)
    scene.wandb.stop(scene.sweep)
    until(lambda: all(run.ended for run in scene.store.runs(scene.sweep)), 90)
    told = scene.ledger.told()
    check(scene.store, scene.sweep, told, None, scene.ledger.rows, ENDED)
    scene.close()
    until(lambda: not left(), 15)
    check_spools(scene.store.folder)
    runs = scene.store.runs(scene.sweep)
    finished = sum(run.state.value == "finished" for run in runs)
    assert finished, "nothing was done: this has shown nothing"
    again = sum(run.attempt > 1 for run in runs)
    return (
        f"seed {seed}: {made.strikes} strikes, {finished} runs finished of {len(runs)}, {again} of them at another attempt, "
        f"{sum(map(len, told.values()))} rows logged; nothing lost, nothing twice"
    )


def main() -> None:
    """By hand: any length, any seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    args = parser.parse_args()
    import sweepwidget

    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        scene = Scene(sweepwidget, str(Path(folder) / "sweeps.db"), Path(folder))
        try:
            print(
                chaos(
                    scene,
                    args.seconds,
                    args.seed,
                    lambda text: print(f"{time.strftime('%H:%M:%S')} {text}", flush=True),
                )
            )
        finally:
            scene.close()


if __name__ == "__main__":
    main()
