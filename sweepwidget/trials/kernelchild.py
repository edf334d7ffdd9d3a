"""The other end of a kernel agent: what its kernel is asked to execute (see kerneltrial.py).

The kernel's output streams lead to the agent, which keeps the run's log; points go straight to the store; the rest is said
in the Farewell. Between runs nothing is kept but imported modules, and threads and processes that a run has left behind.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import faulthandler
import inspect
import io
import os
import pickle
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextvars import copy_context
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from attrs import evolve, field, frozen

from .. import outages
from ..active_run import Run as ActiveRun
from ..backends.shipping import unpack
from ..errors import Error, RunStopped
from ..farewell import Farewell, leave
from ..model import Run, RunState
from ..patience import TRIAL_S, Patience
from ..session import current_run
from ..stores import use_store
from . import Ended, FunctionTrial

_function: Callable[[], Any] | None = None
"""A copy of the function that no run has used yet."""


@frozen
class Order:
    """A run to try."""

    row: Run
    function: str
    """The file that holds the function (shipping.py)."""
    locked: frozenset[str]
    store: str = field(repr=False)
    """`Store.link`."""
    cwd: str

    def mark(self, folder: Path) -> Path:
        """A file in the run's folder that is there from when a kernel is asked until it begins. So whoever asked knows of a
        kernel that has died whether the function was called.
        """
        return folder / f"handed-{self.row.attempt}"

    def code(self) -> str:
        """What a kernel is asked to execute. It leaves no name behind."""
        return _call("obey", base64.b64encode(pickle.dumps(self)).decode())


def preparation(function: str) -> str:
    """The code that makes a kernel ready for its next run, with the modules that this process would find."""
    return f"__import__('sys').path[:] = {[str(path) for path in sys.path]!r}; {_call('prepare', function)}"


def _call(name: str, argument: str) -> str:
    return f"__import__({__name__!r}, fromlist=['']).{name}({argument!r})"


# -- in the kernel --------------------------------------------------------------------------------------------------


def prepare(function: str) -> None:
    """Take a copy of the function, and with it import what it needs. Raises what that raises."""
    global _function
    if _function is None:
        _speak_plainly()
        _function = _load(function)


def obey(order: str) -> None:
    """Try a run, and say how it ended."""
    _try(pickle.loads(base64.b64decode(order)))  # noqa: S301  (from the agent that started this kernel)


def _try(order: Order) -> None:
    global _function
    function, _function = Stoppable(_function or _load(order.function)), None
    pid, source = os.getpid(), f"p{os.getpid()}"
    outages.hush()
    store = Patience(TRIAL_S).insist(lambda: use_store(order.store))
    trial = FunctionTrial(store, function, order.locked, on_main_thread=False, source=source, log=_Streams)
    folder = store.folder / "runs" / order.row.id
    order.mark(folder).unlink(missing_ok=True)
    with _no_trace(order.cwd), _outside_the_loop():
        ended = copy_context().run(trial, order.row)
        if os.getpid() != pid:
            os._exit(0)  # the function forked, and this is the child that came back from it too
        trial.leave()
    leave(folder, order.row.attempt, source, _farewell(ended, function.stopped))


def _farewell(ended: Ended, stopped: bool) -> Farewell:
    outcome = ended.outcome
    if stopped:  # whatever training made of it
        outcome = evolve(outcome, state=RunState.killed, error="")
    if ended.run is not None:
        _let_go(ended.run)
    preempting = ended.run is not None and ended.run.preempting
    summary = outcome.summary or {}
    return Farewell(
        summary, outcome.exit_code or 0, preempting, outcome.state.value, outcome.error, counted=ended.counted
    )


def _let_go(run: ActiveRun) -> None:
    with contextlib.suppress(Error):  # the store is away: the agent takes in what the spool holds
        run.flush()
    run._spool.close()


def _load(path: str) -> Callable[[], Any]:
    function: Callable[[], Any] = unpack(Path(path).read_bytes())
    if getattr(function, "__module__", "") == "__main__":
        # Classes of a notebook are looked up by their name when their instances are pickled (torch.save, workers).
        scope = getattr(function, "__globals__", {})
        vars(sys.modules["__main__"]).update({name: value for name, value in scope.items() if name[:2] != "__"})
    return function


class Stoppable:
    """The function, in which SIGINT raises RunStopped (once: what it does then to end well is left in peace)."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.stopped = False
        self._called = False
        self._pid = os.getpid()

    def __call__(self) -> Any:
        # ipykernel puts its own handler back behind the request: until then SIGINT that comes late must hit nothing.
        signal.signal(signal.SIGINT, self._interrupted)
        self._called = True
        try:
            result = self.function()
            return self._awaited(result) if inspect.iscoroutine(result) else result
        finally:
            self._called = False

    async def _awaited(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        self._called = True
        try:
            return await coroutine
        finally:
            self._called = False

    def _interrupted(self, signum: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a forked worker
            raise KeyboardInterrupt
        if not self._called or self.stopped:
            return
        self.stopped = True
        run = current_run()
        if run is not None:
            run.order_stop("its agent was told so")  # should the function not end, its next log() says it again
        raise RunStopped("this run was told to stop")


class _Streams:
    """The log of a run: what it prints goes to the agent at once, so that it is known whatever happens next."""

    def __init__(self, folder: Path) -> None:
        pass

    def write(self, stream: str, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # training has closed it
            _streams[stream].write(text)

    def close(self) -> None:
        """Nothing is held back."""


_streams: dict[str, TextIO] = {}
_pipe = -1
"""Where our output goes, whatever training does to the streams."""


def _speak_plainly() -> None:
    """Prints are written where C code writes, not sent to clients of this kernel: there are none. Both streams go through
    one pipe, so that the log has them in order.
    """
    global _pipe
    if _pipe < 0:
        _pipe = os.dup(1)
    for name, fd in (("stdout", 1), ("stderr", 2)):
        os.dup2(_pipe, fd)
        if name not in _streams or _streams[name].closed:
            _streams[name] = _unbuffered(fd)
        setattr(sys, name, _streams[name])
        setattr(sys, f"__{name}__", _streams[name])
    faulthandler.enable(_streams["stderr"], all_threads=False)


def _unbuffered(fd: int) -> TextIO:
    raw = io.FileIO(fd, "w", closefd=False)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True)


# -- between runs ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _no_trace(cwd: str) -> Iterator[None]:
    """The next run finds the folder, environment, signal handlers, streams and figures that this one found."""
    os.chdir(cwd)
    environment = dict(os.environ)
    handlers = {signum: signal.getsignal(signum) for signum in signal.valid_signals()}
    try:
        yield
    finally:
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
        for signum, handler in handlers.items():
            if signum != signal.SIGINT and handler is not None and signal.getsignal(signum) != handler:
                signal.signal(signum, handler)
        _speak_plainly()
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")


@contextlib.contextmanager
def _outside_the_loop() -> Iterator[None]:
    """A kernel executes requests inside its event loop. Training is to find none, as in a script: `asyncio.run` works."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task(loop)
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    asyncio.events._set_running_loop(None)
    try:
        yield
    finally:
        asyncio.set_event_loop(loop)
        asyncio.events._set_running_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)
