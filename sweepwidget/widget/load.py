"""What the processes of agents take of this machine: processor, memory, GPU memory."""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
from collections.abc import Collection, Mapping
from typing import Any

import psutil

from ..model import Agent, AgentId
from ..process import is_alive

_PATIENCE_S = 5.0


class Loads:
    """Looks again and again; the processor's share is that since the last look."""

    def __init__(self) -> None:
        self._known: dict[int, psutil.Process] = {}

    def of(self, agents: Collection[Agent]) -> Mapping[AgentId, dict[str, Any]]:
        """`Load`s of protocol.ts, of those that are on this machine."""
        alive = {agent.id: is_alive(agent.process) for agent in agents}
        pids = {agent.process.pid for agent in agents if alive[agent.id]}
        self._known = {pid: process for pid, process in self._known.items() if pid in pids}
        gpu = _gpu_memory() if pids else {}
        takes = {pid: self._look(pid) | ({"gpu": gpu[pid]} if pid in gpu else {}) for pid in pids}
        nothing = {"cpu": None, "memory": None}
        return {
            agent.id: {"alive": alive[agent.id], **takes.get(agent.process.pid, nothing)}
            for agent in agents
            if alive[agent.id] is not None
        }

    def _look(self, pid: int) -> dict[str, Any]:
        with contextlib.suppress(psutil.Error):
            first = pid not in self._known
            process = self._known.setdefault(pid, psutil.Process(pid))
            share = process.cpu_percent()
            return {"cpu": None if first else share, "memory": process.memory_info().rss}
        return {"cpu": None, "memory": None}


def _gpu_memory() -> Mapping[int, int]:
    """Bytes of GPU memory by process, as nvidia-smi knows them; nothing where there is none."""
    program = _nvidia_smi()
    if program is None:
        return {}
    query = [program, "--query-compute-apps=pid,used_gpu_memory", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(
            query, capture_output=True, text=True, timeout=_PATIENCE_S, check=True
        ).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return {}
    found: dict[int, int] = {}
    for line in lines:
        pid, _, used = line.partition(",")
        with contextlib.suppress(ValueError):  # "[N/A]" in a container
            found[int(pid)] = found.get(int(pid), 0) + int(used) * 2**20
    return found


@functools.cache
def _nvidia_smi() -> str | None:
    return shutil.which("nvidia-smi")
