"""One trial, from the claimed row to its outcome: a Python function called here, or the sweep's program as a process.

A trial never raises what user code raised (the outcome says it), except KeyboardInterrupt on the user's own thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from . import session
from .active_run import Run as ActiveRun
from .backends.program import ProgramEnd, child_env, run_program, write_params
from .coroutines import AgentEventLoop
from .command import DEFAULT_COMMAND, command_line
from .errors import Fenced, RunStopped, UsageError
from .farewell import Farewell, gather
from .model import Outcome, Points, Run, RunId, RunState, SweepId
from .output import RunOutput, capture
from .participant import participant
from .store import Store
from .store.spool import TIMESTAMP, discard, leftovers
from .sweepconfig import SweepConfig


@frozen
class Ended:
    """What came of a trial. `counted` is False for endings that W&B does not count as failures."""

    outcome: Outcome
    run: ActiveRun | None = None
    """The run's handle, if it was used: what it logged last goes with the outcome."""
    counted: bool = True
    interrupted: BaseException | None = None
    """KeyboardInterrupt on the calling thread: the caller closes the run, then raises it."""


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


class FunctionTrial:
    """Calls the user's function under the run's context, its output going to the run's log."""

    def __init__(self, store: Store, function: Callable[[], Any], locked: frozenset[str], on_main_thread: bool) -> None:
        self.store, self.function, self.locked, self.on_main_thread = store, function, locked, on_main_thread
        self._of_thread = threading.local()

    def __call__(self, row: Run) -> Ended:
        output = RunOutput(self.store.folder / "runs" / row.id)
        with session.trial(self.store, row, self.locked) as here, capture(output):
            state, exit_code, error, counted, interrupt = self._call(here, output)
        output.close()
        run = here.run
        if run is None:
            return Ended(Outcome(state, exit_code, error), None, counted, interrupt)
        if state is RunState.finished and run.exit_code:
            state, exit_code = RunState.failed, run.exit_code
        if run.preempting and state in (RunState.failed, RunState.killed):
            state = RunState.preempted
        run.finished = True
        run.config._close()
        participant(self.store).remove(run)
        return Ended(Outcome(state, exit_code, error, run.final_summary()), run, counted, interrupt)

    def _call(
        self, here: session.Trial, output: RunOutput
    ) -> tuple[RunState, int | None, str, bool, BaseException | None]:
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
    """The current exception without our own frames above the user's function."""
    kind, error, tb = sys.exc_info()
    assert kind is not None
    here = Path(__file__).parent
    while tb is not None and tb.tb_next is not None and Path(tb.tb_frame.f_code.co_filename).parent == here:
        tb = tb.tb_next
    return "".join(traceback.format_exception(kind, error, tb))


class ProgramTrial:
    """Starts the sweep's `program` (or `command`) for each row, in a process group of its own."""

    def __init__(self, store: Store, config: SweepConfig, kill_delay_s: float, cwd: Path, sweep_id: str) -> None:
        self.store, self.config, self.kill_delay_s, self.cwd, self.sweep_id = store, config, kill_delay_s, cwd, sweep_id
        self._programs: dict[RunId, _Program] = {}

    def check(self) -> None:
        """Refuse a sweep whose program cannot be run from here, as far as that is known before."""
        if not (self.config.program or self.config.command):
            raise UsageError(
                f"sweep {self.sweep_id} names no program, so agent() needs the function to call: "
                f"agent({self.sweep_id!r}, function=train). Or name one in its configuration: `program: train.py`"
            )
        command_line(self.config.command, self.config.program, {"any": 1}, env=os.environ, args_file="")
        if problem := _missing(self.config, self.cwd):
            raise UsageError(f"sweep {self.sweep_id}: {problem}")

    def leave(self) -> None:
        """Nothing is kept between its programs."""

    def close(self) -> None:
        """Nothing is kept between its programs."""

    def send(self, signum: int) -> bool:
        """Signal the programs that run now, their workers included. False if there are none."""
        programs = list(self._programs.values())
        for program in programs:
            program.send(signum)
        return bool(programs)

    def __call__(self, row: Run) -> Ended:
        folder = self.store.folder / "runs" / row.id
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        program = self._programs[row.id] = _Program(row)
        here = participant(self.store)
        here.add(program)
        try:
            end = self._run(row, folder, program)
        finally:
            here.remove(program)
            del self._programs[row.id]
        return Ended(self._outcome(row, end, program.told, gather(folder, row.attempt)))

    def _run(self, row: Run, folder: Path, program: _Program) -> ProgramEnd:
        try:
            line = command_line(
                self.config.command,
                self.config.program,
                row.config,
                env=os.environ,
                args_file=str(folder / "args.json"),
            )
        except UsageError as error:  # nothing is left of the command with this configuration
            return ProgramEnd(RunState.failed, error=str(error))
        if line.args_json is not None:
            (folder / "args.json").write_text(line.args_json, encoding="utf-8")
        params = folder / f"config-{row.id}.yaml"
        write_params(params, row.config)
        with RunOutput(folder) as output:
            return run_program(
                line.argv,
                env=child_env(os.environ, self.store.link, SweepId(self.sweep_id), row, params),
                cwd=self.cwd,
                output=output,
                should_stop=lambda: program.told,
                kill_delay_s=self.kill_delay_s,
                on_start=program.started,
            )

    def _outcome(self, row: Run, end: ProgramEnd, told: RunState | None, said: Farewell) -> Outcome:
        """What the process's end and its last words make of the run. All its points are in the store by then."""
        state, exit_code, error = end.state, end.exit_code, end.error
        if said.preempting and told is None and state is not RunState.finished:
            state = RunState.preempted
        elif said.exit_code and state is RunState.finished:
            state, exit_code = RunState.failed, said.exit_code
            error = f"its process ended well, but called run.finish(exit_code={said.exit_code})"
        summary = {**self._take_in(row), **said.summary}
        return Outcome(state, exit_code, error, summary or None)

    def _take_in(self, row: Run) -> dict[str, Any]:
        """Ship what the program's processes logged and did not ship before they died. Returns the summary with it."""
        for _ in range(3):
            # Fenced: a process that the program left behind ships at the same moment, or somebody else has the run.
            with contextlib.suppress(Fenced):
                known = self.store.known_offsets(row.id, row.attempt)
                pieces = leftovers(self.store.folder, row.id, row.attempt, known)
                for points in pieces:
                    self.store.log(points)
                return self._summary(row, pieces)
        return {}

    def _summary(self, row: Run, pieces: Sequence[Points]) -> dict[str, Any]:
        """What was shipped of the summary, and the last values of what was not."""
        summary = dict(self.store.run(row.id).summary)
        for points in pieces:
            for name, column in points.columns.items():
                if not isinstance(summary.get(name), dict):  # one that define_metric made
                    summary[name] = column.values[-1].item()
        stamps = self.store.columns(row.id, row.attempt).get(TIMESTAMP)
        if stamps is None:
            return summary
        step, at = int(stamps.steps[-1]), float(stamps.values[-1])
        return summary | {"_step": step, "_timestamp": at, "_runtime": at - (row.started_at or row.created_at)}


def _missing(config: SweepConfig, cwd: Path) -> str:
    """Why the program cannot be run from here, where that is certain; else ''."""
    words = [word for word in config.command or DEFAULT_COMMAND if word != "${env}"]
    program = config.program
    if program is None or "${program}" not in words:
        return ""
    start = words[: words.index("${program}")]
    path = cwd / program
    mend = "start the agent in the folder of the program, or write its path in `program`"
    if start[:1] == ["${interpreter}"] and not any(word.startswith(("-m", "-c")) for word in start):
        return "" if path.exists() else f"there is no program {program!r} in {cwd}; {mend}"
    if start:  # another command, on another machine perhaps
        return ""
    if Path(program).name == program:
        found = shutil.which(program)
        return "" if found else f"its program {program!r} is not on PATH; write './{program}' for the one in {cwd}"
    if not path.exists():
        return f"there is no program {program!r} in {cwd}; {mend}"
    if not os.access(path, os.X_OK):
        return f"its program {program!r} in {cwd} may not be executed; `chmod +x` it, or put ${{interpreter}} before it"
    return ""


class _Program:
    """One program, for those who must reach it: the participant tells it to stop, `send` signals it."""

    def __init__(self, row: Run) -> None:
        self.id: str = row.id
        self.attempt = row.attempt
        self.told: RunState | None = None
        self._lock = threading.Lock()
        self._early: list[int] = []
        self._send: Callable[[int], None] = self._early.append

    def started(self, send: Callable[[int], None]) -> None:
        """It runs: what was sent before reaches it now."""
        with self._lock:
            self._send = send
            for signum in self._early:
                send(signum)

    def send(self, signum: int) -> None:
        with self._lock:
            self._send(signum)

    def order_stop(self, reason: str, state: RunState | None = None) -> None:
        self.told = self.told or state or RunState.killed

    def flush(self) -> None:
        """The program ships its own points."""


def close(store: Store, row: Run, ended: Ended) -> Run | None:
    """Write the outcome down; None when the run was given to somebody else meanwhile."""
    try:
        if ended.run is None:
            closed = store.finish(row.id, row.attempt, ended.outcome)
        else:
            closed = ended.run.close(ended.outcome)
    except Fenced:
        return None
    if ended.run is None:
        discard(store.folder, row.id, row.attempt)
    return closed
