"""Kernels that take turns: one for each agent that has work, kept warm in between, each with its GPU."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from attrs import define

from ..term import termwarn
from .kernelprocess import KernelProcess
from .resources import Gpus

ENDING_S = 3.0
"""How long `close` waits for kernels that are ending by themselves."""


@define(eq=False)
class Kernel:
    """A kernel of a pool."""

    process: KernelProcess
    place: int
    """0, 1, …; decides its GPU. A kernel that comes in place of another has the same."""
    preparing: str | None = None
    """The request that makes it ready for the next function, as long as it has not been answered."""
    used: bool = False
    """It has had a turn."""


class KernelPool:
    """Starts kernels when they are needed, with `preparation`, the code that each executes before its next turn. It needs
    `folder`, which goes with them if this process is killed.

    Whoever took one gives it back by exactly one of `put_back`, `end` and `lose`. Thread-safe.
    """

    def __init__(self, preparation: str, folder: Path, cwd: Path, gpus: Gpus) -> None:
        self._preparation, self._folder, self._cwd, self._gpus = preparation, folder, cwd, gpus
        self._starting = threading.Lock()  # one at a time: each sees the places that the others have
        self._lock = threading.Lock()  # guards all below
        self._alive: set[Kernel] = set()
        self._idle: list[Kernel] = []
        self._ending: list[threading.Thread] = []
        self._warned = False

    def take(self) -> Kernel:
        """One that nobody uses, or a new one (still starting). Raises Error if none can be started."""
        while True:
            with self._lock:
                kernel = self._idle.pop() if self._idle else None
            if kernel is None:
                with self._starting:
                    return self._start(self._free_place())
            if kernel.process.status() is None:
                return kernel
            self.lose(kernel)  # it died while nobody looked

    def put_back(self, kernel: Kernel) -> None:
        """It is free, and prepares for its next turn, if it had one."""
        if kernel.preparing is None:
            kernel.used = True
            kernel.preparing = kernel.process.ask(self._preparation)
        with self._lock:
            self._idle.append(kernel)

    def start_next(self, kernel: Kernel) -> None:
        """Start the one that will take the place of a kernel in use: it is warm when that ends."""
        following = self._start(kernel.place)
        with self._lock:
            self._idle.append(following)

    def end(self, kernel: Kernel) -> None:
        """It is not needed any more: it shuts down, in the background."""

        def shut_down() -> None:
            try:
                kernel.process.shut_down()
            finally:
                with self._lock:
                    self._alive.discard(kernel)
                    self._ending.remove(thread)

        thread = threading.Thread(target=shut_down, name="sweepwidget-kernel-ends", daemon=True)
        with self._lock:
            self._ending.append(thread)
        thread.start()

    def lose(self, kernel: Kernel) -> None:
        """It has died or is to die, at once."""
        kernel.process.close()
        with self._lock:
            self._alive.discard(kernel)

    def shrink(self) -> None:
        """One kernel fewer is needed."""
        with self._lock:
            kernel = self._idle.pop() if self._idle else None
        if kernel is not None:
            self._retire(kernel)

    def close(self) -> None:
        """Have all that are idle shut down, and wait for that. Harmless when repeated."""
        with self._lock:
            idle, self._idle = self._idle, []
        for kernel in idle:
            self._retire(kernel)
        until = time.monotonic() + ENDING_S
        with self._lock:
            ending = list(self._ending)
        for thread in ending:
            thread.join(max(0.0, until - time.monotonic()))

    def _retire(self, kernel: Kernel) -> None:
        """One that has never had a turn has nothing to tidy up."""
        if kernel.used:
            self.end(kernel)
        else:
            self.lose(kernel)

    def _start(self, place: int) -> Kernel:
        process = KernelProcess({**os.environ, **self._gpus.environment(place)}, self._cwd, [self._folder])
        kernel = Kernel(process, place, process.ask(self._preparation))
        with self._lock:
            self._alive.add(kernel)
        return kernel

    def _free_place(self) -> int:
        with self._lock:
            taken = {kernel.place for kernel in self._alive}
            place = next(place for place in range(len(taken) + 1) if place not in taken)
            shared = bool(self._gpus.names) and place >= len(self._gpus.names) and not self._warned
            self._warned = self._warned or shared
        if shared:
            termwarn(f"there are more kernels than GPUs ({', '.join(self._gpus.names)}): some share one.")
        return place
