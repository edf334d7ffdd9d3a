"""One trial, from the claimed row to its outcome; here a Python function that is called in this process.

A trial never raises what user code raised (the outcome says it), except KeyboardInterrupt on the user's own thread.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from attrs import evolve, frozen

from .. import session
from ..active_run import Run as ActiveRun
from ..coroutines import AgentEventLoop
from ..errors import Fenced, RunStopped, UsageError
from ..links import is_link
from ..model import Outcome, Run, RunState
from ..output import RunOutput, Sink, capture
from ..participant import participant
from ..provenance import where_written
from ..store import Store, outcomes
from ..store.spool import discard


@frozen
class Ended:
    """What came of a trial. `counted` is False for endings that W&B does not count as failures."""

    outcome: Outcome
    run: ActiveRun | None = None
    """The run's handle, if it was used: what it logged last goes with the outcome."""
    counted: bool = True
    interrupted: BaseException | None = None
    """KeyboardInterrupt on the calling thread: the caller closes the run, then raises it."""
    elsewhere: bool = False
    """Other processes logged it: what they did not ship themselves is taken in when it is closed."""


class Trial(Protocol):
    """Runs one claimed row."""

    def __call__(self, row: Run) -> Ended: ...

    def leave(self) -> None:
        """The agent that works on this thread goes home."""

    def close(self) -> None:
        """All agents have gone home. Harmless when repeated."""


def check_function(function: Any) -> None:
    """Refuse what an agent could not call: TypeError as W&B for what is not callable, UsageError for required arguments."""
    if not callable(function):
        raise TypeError("function parameter must be callable!")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(f"{_name_of(function)} is a generator: calling it runs none of its code. Remove its `yield`.")
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # builtins without a signature: the call itself will tell
        return
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if needed:
        name = _name_of(function)
        raise UsageError(
            f"{name}({', '.join(needed)}) needs arguments, but an agent calls it without any. Give them defaults "
            f"(def {name}({', '.join(f'{n}=None' for n in needed)})) and read the values from wandb.config after "
            f"wandb.init(), or pass a function without arguments: agent(id, function=lambda: {name}(…))"
        )


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


class Log(Sink, Protocol):
    """Takes what a trial prints."""

    def close(self) -> None: ...


class FunctionTrial:
    """Calls the user's function under the run's context, its output going to the run's log.

    In a process that works for an agent elsewhere, `source` names it among the writers of the run, and `log` leads there.
    """

    def __init__(
        self,
        store: Store,
        function: Callable[[], Any],
        locked: frozenset[str],
        on_main_thread: bool,
        source: str = "",
        log: Callable[[Path], Log] = RunOutput,
    ) -> None:
        self.store, self.function, self.locked, self.on_main_thread = store, function, locked, on_main_thread
        self.source, self.log = source, log
        self._of_thread = threading.local()

    def __call__(self, row: Run) -> Ended:
        output = self.log(self.store.folder / "runs" / row.id)
        with session.trial(self.store, row, self.locked & row.config.keys(), self.source) as here, capture(output):
            state, exit_code, error, counted, interrupt = self._call(here, output)
        output.close()
        run = here.run
        if run is None:
            return Ended(Outcome(state, exit_code, error), None, counted, interrupt)
        if state is RunState.finished and run.exit_code:
            state, exit_code = RunState.failed, run.exit_code
        if run.preempting and state in (RunState.failed, RunState.killed):
            state = RunState.preempted
        run.over()
        participant(self.store).remove(run)
        return Ended(Outcome(state, exit_code, error, run.final_summary()), run, counted, interrupt)

    def _call(self, here: session.Trial, output: Log) -> tuple[RunState, int | None, str, bool, BaseException | None]:
        """(state, exit code, traceback, counted, KeyboardInterrupt to raise again)."""
        try:
            result = self.function()
            if inspect.iscoroutine(result):
                self._event_loop().run(result, here.may_cancel)
        except RunStopped:
            return self._as_ordered(here)
        except KeyboardInterrupt as interrupt:
            return RunState.killed, None, "interrupted", False, interrupt if self.on_main_thread else None
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
            text = "" if code == 0 else f"SystemExit: {leave.code}"
            return (RunState.finished if code == 0 else RunState.failed), code, text, False, None
        except BaseException as error:  # noqa: BLE001  (user code may raise anything; the sweep goes on)
            if isinstance(error, asyncio.CancelledError) and here.run is not None and here.run.stop_ordered:
                return self._as_ordered(here)
            text = _user_traceback()
            output.write("stderr", text)
            return RunState.failed, 1, text, True, None
        return RunState.finished, 0, "", True, None

    def _as_ordered(self, here: session.Trial) -> tuple[RunState, int | None, str, bool, BaseException | None]:
        """What a run that obeys the order to stop becomes."""
        ordered = here.run.stop_ordered if here.run else None
        return ordered[1] if ordered else RunState.killed, None, "", False, None

    def _event_loop(self) -> AgentEventLoop:
        """That of the agent which works on this thread."""
        if not hasattr(self._of_thread, "loop"):
            self._of_thread.loop = AgentEventLoop()
        loop: AgentEventLoop = self._of_thread.loop
        return loop

    def leave(self) -> None:
        if hasattr(self._of_thread, "loop"):
            self._of_thread.loop.close()
            del self._of_thread.loop

    def close(self) -> None:
        """Everything went with the agents."""


def _user_traceback() -> str:
    """The current exception without our own frames above the user's function; a notebook's cells have their numbers."""
    kind, error, tb = sys.exc_info()
    assert kind is not None
    package = Path(__file__).parent.parent
    while tb is not None and tb.tb_next is not None and Path(tb.tb_frame.f_code.co_filename).is_relative_to(package):
        tb = tb.tb_next
    text = "".join(traceback.format_exception(kind, error, tb))
    return re.sub(r'^( +)File "([^"\n]+)"(?=, line \d)', _place, text, flags=re.MULTILINE)


def _place(found: re.Match[str]) -> str:
    """`Cell In[3]`, as IPython has it, instead of a file that nobody has written."""
    indent, filename = found.groups()
    place = where_written(filename)
    return found[0] if place == filename else f"{indent}Cell {place.removeprefix('cell ')}"


def close(store: Store, row: Run, ended: Ended) -> Run | None:
    """Write the outcome down; None when the run was given to somebody else meanwhile."""
    if is_link(store.link):
        return _close_far_away(store, row, ended)
    try:
        closed = _closed(store, row, ended)
    except Fenced:
        discard(store.folder, row.id, row.attempt)
        return None
    if ended.run is None:
        discard(store.folder, row.id, row.attempt)
    return closed


def _close_far_away(store: Store, row: Run, ended: Ended) -> Run | None:
    """The same where the store may be away for longer than this process lives: the outcome is on our disk before."""
    outcome = outcomes.keep(store.folder, row, ended.outcome)
    if outcome != ended.outcome:  # given up, after it had ended
        ended = evolve(ended, elsewhere=True)
    try:
        closed = _closed(store, row, evolve(ended, outcome=outcome))
    except Fenced:
        discard(store.folder, row.id, row.attempt)
        return None
    outcomes.clear(store.folder, row.id, row.attempt)
    return closed


def _closed(store: Store, row: Run, ended: Ended) -> Run:
    if ended.run is not None:
        return ended.run.close(ended.outcome)
    outcome = outcomes.with_all_points(store, row, ended.outcome) if ended.elsewhere else ended.outcome
    return store.finish(row.id, row.attempt, outcome)
