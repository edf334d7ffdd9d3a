"""Kernel agents: each run is tried by an ipykernel in a process of its own, warm from the run before.

The agent itself stays here, on its thread: it hands its kernel the claimed row, keeps the run's log, passes the order to
stop on, notices when the kernel dies, and says what that makes of the run. What happens in the kernel: kernelchild.py.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import shutil
import signal
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from ..backends.child import Status
from ..backends.kernelpool import Kernel, KernelPool
from ..backends.kernelprocess import KernelProcess
from ..backends.program import TAIL_LINES, Echo, with_hint
from ..backends.resources import bytes_of, find_gpus, memory_of_tree, shown_bytes
from ..backends.shipping import pack
from ..errors import Error, UsageError
from ..farewell import Farewell, gather
from ..model import Outcome, Run, RunState
from ..output import RunOutput
from ..process import is_alive, this_process
from ..store import Store
from ..store.rows import process_of, text_of
from . import Ended
from .kernelchild import Order, preparation
from .process import ProcessTrial, Worker

_PREFIX = "sweepwidget-"
LOOK_S = 0.1
"""How often an agent looks whether its kernel lives, and whether its run was told to stop."""
WEIGH_S = 0.5
"""How often it looks how much memory the kernel uses, if that is limited."""
REMIND_S = 0.5
"""How often a kernel that is to stop is interrupted: one that has not quite begun its run would not hear the first time."""
HANDED_ON = 3
"""How often a run is handed to another kernel, because the one that had it died before it began."""
_OUR_FRAME = os.path.join("trials", "kernelchild.py")  # noqa: PTH118
_STACK_LINES = 200  # of output; a fault in native code has Python's stack printed


class KernelTrial(ProcessTrial):
    """Has kernels call a function for each row: as many as there are agents, each reused for its agent's next run.

    Of a run nothing reaches the next but imported modules, and threads and processes that it leaves behind. `fresh` starts
    a new kernel for every run, while the one before still goes. `gpus` ("auto" or a list) pins one to each kernel;
    `memory` (bytes, "4GB") limits what a kernel and its workers may have resident. A run whose kernel dies is tried
    `retries` more times before it is crashed. UsageError for arguments that cannot be.
    """

    kill_delay_s = 3.0
    stopping = "its kernels were interrupted"

    def __init__(
        self,
        store: Store,
        sweep_id: str,
        function: Callable[[], Any],
        locked: frozenset[str],
        *,
        fresh: bool = False,
        gpus: str | Sequence[int | str] | None = None,
        memory: int | str | None = None,
        retries: int = 0,
        cwd: str | Path | None = None,
    ) -> None:
        super().__init__(store)
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise UsageError(f"retries must be a number of further tries, 0 or more, not {retries!r}")
        self.sweep_id, self.function, self.locked = sweep_id, function, locked
        self.fresh, self.memory, self.retries = fresh, bytes_of(memory), retries
        self.gpus = find_gpus(gpus, os.environ)
        self.cwd = Path(cwd or Path.cwd())
        self._function_file = Path()
        self._pool: KernelPool | None = None

    def check(self) -> None:
        """Pack the function: UsageError, before the first run, if it cannot go to another process."""
        packed = pack(self.function)
        _sweep_up()
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        (folder / "owner").write_text(text_of(this_process()), encoding="utf-8")
        weakref.finalize(self, _remove, folder, os.getpid())
        self._function_file = folder / "function"
        self._function_file.write_bytes(packed)
        self._pool = KernelPool(preparation(str(self._function_file)), folder, self.cwd, self.gpus)

    def leave(self) -> None:
        if self._pool is not None:
            self._pool.shrink()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            _remove(self._function_file.parent, os.getpid())

    def _try(self, row: Run, folder: Path, worker: Worker) -> Ended:
        if self._pool is None:
            self.check()
        assert self._pool is not None
        with RunOutput(folder) as output:
            end = self._hand(self._pool, row, folder, worker, output)
            for _ in range(HANDED_ON):
                if worker.told is not None or not end.for_another:
                    break
                end = self._hand(self._pool, row, folder, worker, output)
        return _ended(end, worker.told, gather(folder, row.attempt), row.attempt <= self.retries)

    def _hand(self, pool: KernelPool, row: Run, folder: Path, worker: Worker, output: RunOutput) -> End:
        """Have one kernel try the run."""
        kernel, prepared = self._kernel(pool, worker)
        try:
            worker.started(kernel.process.send)
            echo = Echo(output, _STACK_LINES)
            end = self._run(pool, kernel, row, folder, worker, echo) if prepared else End(begun=False)
        except BaseException:
            pool.lose(kernel)
            raise
        if end.lost:
            pool.lose(kernel)
        elif self.fresh and end.begun:
            pool.end(kernel)
        else:
            pool.put_back(kernel)
        return end

    def _kernel(self, pool: KernelPool, worker: Worker) -> tuple[Kernel, bool]:
        """A kernel, and whether it has the function (False: the run was told to stop before). Raises why it has not."""
        while True:
            kernel = pool.take()
            try:
                return kernel, self._prepared(kernel, worker)
            except BaseException as error:
                pool.lose(kernel)
                if not (kernel.used and isinstance(error, Error)):  # a new one that fails would do so again
                    raise

    def _run(self, pool: KernelPool, kernel: Kernel, row: Run, folder: Path, worker: Worker, echo: Echo) -> End:
        process = kernel.process
        for _ in process.written():
            """Of no run: what was left running after the last one wrote it."""
        order = Order(row, str(self._function_file), self.locked, self.store.link, str(self.cwd))
        mark = order.mark(folder)
        with contextlib.suppress(OSError):  # a full disk: then it is taken for begun
            mark.touch(0o600)
        request = process.ask(order.code())
        if self.fresh:
            with contextlib.suppress(Error):  # the next run will try again, and say it
                pool.start_next(kernel)
        end = self._watch(process, request, worker, echo)
        begun = not mark.exists()
        mark.unlink(missing_ok=True)
        return evolve(end, begun=begun)

    def _prepared(self, kernel: Kernel, worker: Worker) -> bool:
        """Wait until the kernel has the function; False if the run is told to stop before. Raises what went wrong."""
        echo = Echo()
        while kernel.preparing is not None:
            for stream, data in kernel.process.read(LOOK_S):
                echo.write(stream, data)
            reply = kernel.process.reply(kernel.preparing)
            if reply is not None:
                kernel.preparing = None
                if reply.error:
                    raise UsageError(f"the function cannot be loaded in its kernel: {reply.error}")
            elif (status := kernel.process.status()) is not None:
                raise Error(_not_started(status, echo.finish()))
            elif worker.told is not None:
                break
        return worker.told is None

    def _watch(self, process: KernelProcess, request: str, worker: Worker, echo: Echo) -> End:
        """Keep its output until the run or the kernel has ended. Ends either as told."""
        limit = math.inf if self.memory is None else self.memory
        used, weigh_at = 0, math.inf if self.memory is None else 0.0
        remind_at, kill_at = 0.0, math.inf
        while True:
            for stream, data in process.read(LOOK_S):
                echo.write(stream, data)
            reply, status = process.reply(request), process.status()
            if reply is not None or status is not None:
                break
            now = time.monotonic()
            if worker.told is not None and now >= remind_at:
                process.interrupt()
                remind_at, kill_at = now + REMIND_S, min(kill_at, now + self.kill_delay_s)
            if now >= weigh_at:
                used, weigh_at = memory_of_tree(process.pid, int(limit)), now + WEIGH_S
            if now >= kill_at or used > limit:
                process.kill()
        if status is not None:
            process.kill()  # what it started must not hold the pipes open
        for stream, data in process.written():
            echo.write(stream, data)
        excess = f"{shown_bytes(used)} of the {shown_bytes(limit)}" if used > limit else ""
        tail = _without_our_frames(echo.finish())
        return End(reply.error if reply else "", status, excess, frozenset(process.sent), tail)


def _sweep_up() -> None:
    """Remove what processes of this user left that were killed: nobody will start a kernel from it any more."""
    for owner in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/owner"):
        with contextlib.suppress(OSError, ValueError, TypeError):  # another user's, or just being made
            if is_alive(process_of(owner.read_text(encoding="utf-8"))) is False:
                shutil.rmtree(owner.parent, ignore_errors=True)


def _remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # a forked child that ends must leave its parent's files alone
        shutil.rmtree(folder, ignore_errors=True)


# -- what that makes of the run ---------------------------------------------------------------------------------------


@frozen
class End:
    """How a kernel came through a run."""

    error: str = ""
    """Why it could not try it."""
    status: Status | None = None
    """How its process ended, if it did."""
    excess: str = ""
    """"4.3 GB of the 4 GB", if it was killed for that."""
    sent: frozenset[int] = frozenset()
    """Signals that were sent to it from here."""
    tail: str = ""
    """The last lines of its output."""
    begun: bool = True
    """Whether it came to call the function."""

    @property
    def lost(self) -> bool:
        """Whether it can be used no more."""
        return self.status is not None or bool(self.error)

    @property
    def for_another(self) -> bool:
        """Whether another kernel should have the run: this one died, of nothing that the run or its agent did."""
        return self.status is not None and not (self.begun or self.excess or self.sent)


def _ended(end: End, told: RunState | None, said: Farewell, may_retry: bool) -> Ended:
    """What came of the run, given the order to stop it (if any) and what was said in the kernel."""
    if said.state:
        state = RunState(said.state)
        if state is RunState.killed and told is not None:
            state = told
        exit_code = said.exit_code if state in (RunState.finished, RunState.failed) else None
        return Ended(Outcome(state, exit_code, said.error, said.summary), counted=said.counted, elsewhere=True)
    if told is not None:
        error = "it did not end after SIGINT and was killed" if end.status is not None else ""
        return Ended(Outcome(told, error=error, summary=said.summary), elsewhere=True)
    state, what = _death(end)
    error = f"{what}\n" + (f"The last lines of its output:\n{end.tail}" if end.tail else "It printed nothing.")
    exit_code = end.status.code if end.status is not None else None
    again = said.preempting or (may_retry and state is RunState.crashed)
    state = RunState.preempted if again else state
    return Ended(Outcome(state, exit_code, error, said.summary), counted=not again or said.preempting, elsewhere=True)


def _death(end: End) -> tuple[RunState, str]:
    """What a kernel's end makes of a run that had not ended, and what happened."""
    status = end.status
    if end.excess:
        return RunState.crashed, f"its kernel used {end.excess} it may, and was killed"
    if status is None:
        return RunState.crashed, f"its kernel could not try it: {end.error}"
    if status.signal is not None:
        asked_for = status.signal in {signal.SIGINT, signal.SIGTERM, *end.sent}
        return (
            RunState.killed if asked_for else RunState.crashed,
            f"its kernel was killed by {with_hint(status.signal)}",
        )
    if status.code is not None:
        return RunState.crashed, (
            f"its kernel ended with exit code {status.code} before the function did (os._exit, or native code)"
        )
    return RunState.crashed, (
        "its kernel is gone and how it ended was lost: something in this process collects every child (is SIGCHLD ignored?)"
    )


def _without_our_frames(tail: str) -> str:
    """The last lines of output; of a stack that the fault handler printed only what lies above our own functions."""
    before, fault, stack = tail.partition("Fatal Python error: ")
    theirs = itertools.takewhile(lambda line: _OUR_FRAME not in line, stack.splitlines()) if fault else ()
    return "\n".join((before + fault + "\n".join(theirs)).splitlines()[-TAIL_LINES:])


def _not_started(status: Status, tail: str) -> str:
    how = f"by {with_hint(status.signal)}" if status.signal is not None else f"with exit code {status.code}"
    said = f" It said:\n{tail}" if tail else " It said nothing."
    install = "\nInstall it in this environment: pip install ipykernel" if "No module named ipykernel" in tail else ""
    return f"a kernel agent could not start: its process ended {how}.{said}{install}"
