"""Runs one trial's program: a child process, output read as it comes, and an end that says what happened.

Its process group is stopped as a whole and dies with this process. This process's own environment is never edited: the
child gets one made for it.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import logging
import math
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import yaml
from attrs import frozen

from ..model import Run, RunState, SweepId
from .child import KILL, Child, Status

_log = logging.getLogger(__name__)

LOOK_S = 0.1
"""How often `should_stop` is asked."""
DRAIN_S = 2.0
"""How long output is awaited after the child's end, where processes that it left hold the pipes."""
TAIL_LINES, TAIL_WIDTH = 20, 1000
"""How much of the output an error shows."""


class Output(Protocol):
    """Takes what a program prints."""

    def write(self, stream: str, text: str, /) -> object:
        """`stream` is "stdout" or "stderr"; `text` is any piece of it, in order."""


@frozen
class ProgramEnd:
    """How a program ended."""

    state: RunState
    exit_code: int | None = None
    """None if it was ended by a signal, or never began."""
    signal: int | None = None
    error: str = ""
    """What happened, the last lines of its output, and the next step; empty if it finished or stopped as told."""


def run_program(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | Path,
    output: Output,
    should_stop: Callable[[], RunState | None],
    kill_delay_s: float = 30.0,
    on_start: Callable[[Callable[[int], None]], object] | None = None,
) -> ProgramEnd:
    """Run a command to its end and say how it ended; blocks, and never raises because of the program.

    `should_stop` is asked every 0.1 s; once it names a state, the program's process group gets SIGTERM, after
    `kill_delay_s` (W&B: 30 s) SIGKILL, and the end has that state. `on_start` is given a function that sends a signal
    to the group while it lives, for `forward_signals` and for those who will not wait for the kill delay.
    An exception in `should_stop` or `on_start`, or an interrupt, kills the group and passes on.

    End states are W&B's: exit code 0 is finished, another one failed, SIGINT killed, a signal that nobody here sent
    crashed. A program that cannot be started has failed. What a finished program leaves running is left alone; after any
    other end the rest of the group has until its output ends, at most 2 s, and is killed.

    >>> run_program(["true"], env=os.environ, cwd=".", output=output, should_stop=lambda: None)      # doctest: +SKIP
    ProgramEnd(state=<RunState.finished: 'finished'>, exit_code=0, signal=None, error='')
    """
    try:
        child = Child(argv, env, cwd)
    except (OSError, ValueError) as error:
        return ProgramEnd(RunState.failed, error=_why_not_started(argv, cwd, error))
    echo = Echo(output)
    try:
        if on_start is not None:
            on_start(child.send)
        status, order = _watch(child, echo, should_stop, kill_delay_s)
        if order is not None or status != Status(code=0):
            child.end_group()  # workers that outlived their leader
        return _end(status, order, child.sent, echo.finish(), cwd)
    except BaseException:
        child.end_group()
        raise
    finally:
        child.close()


def _watch(
    child: Child, echo: Echo, should_stop: Callable[[], RunState | None], kill_delay_s: float
) -> tuple[Status, RunState | None]:
    """Pass output on until the child has ended and its output too. Returns its end, and the order to stop if any."""
    order: RunState | None = None
    look_at = 0.0
    kill_at = give_up_at = math.inf
    while True:
        for stream, data in child.pipes.read(LOOK_S):
            echo.write(stream, data)
        now = time.monotonic()
        status = child.status()
        if status is not None:
            give_up_at = min(give_up_at, now + DRAIN_S)
            if child.pipes.closed or now >= give_up_at:
                return status, order
        elif order is None and now >= look_at:
            look_at = now + LOOK_S
            order = should_stop()
            if order is not None:
                child.send(signal.SIGTERM)
                kill_at = now + kill_delay_s
        elif now >= kill_at:
            child.send(KILL)
            kill_at = math.inf


# -- how it ended ---------------------------------------------------------------------------------------------------


def _end(status: Status, order: RunState | None, sent: Iterable[int], tail: str, cwd: str | Path) -> ProgramEnd:
    """What the status means, given what was ordered and sent from here."""
    if order is not None:
        error = "it did not end after SIGTERM and was killed" if status.signal == KILL else ""
        return ProgramEnd(order, status.code, status.signal, error)
    if status.code == 0:
        return ProgramEnd(RunState.finished, 0)
    said = f"\nThe last lines of its output:\n{tail}" if tail else "\nIt printed nothing."
    if status.code is not None:
        what = f"exit code {status.code}{_exit_hint(status.code, tail, cwd)}"
        return ProgramEnd(RunState.failed, status.code, error=what + said)
    if status.signal is None:
        what = "its exit status was lost: something in this process collects every child (is SIGCHLD ignored?)"
        return ProgramEnd(RunState.crashed, error=what + said)
    if status.signal in {signal.SIGINT, signal.SIGTERM, *sent}:  # somebody asked for it
        return ProgramEnd(RunState.killed, signal=status.signal, error=f"killed by {_signal_name(status.signal)}{said}")
    return ProgramEnd(RunState.crashed, signal=status.signal, error=f"killed by {with_hint(status.signal)}{said}")


def with_hint(signum: int) -> str:
    """A signal's name, and what it may mean: 'SIGKILL; maybe out of memory'."""
    name = _signal_name(signum)
    return name + _SIGNAL_HINTS.get(name, "")


_SIGNAL_HINTS: Mapping[str, str] = {
    "SIGKILL": "; maybe out of memory",
    "SIGSEGV": "; a fault in native code (`python -X faulthandler` shows where)",
    "SIGBUS": "; a fault in native code, or shared memory is full (/dev/shm)",
    "SIGABRT": "; native code gave up",
    "SIGILL": "; native code made for another processor",
    "SIGXCPU": "; the limit of CPU time was reached (ulimit -t)",
    "SIGXFSZ": "; the limit of file size was reached (ulimit -f)",
}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _exit_hint(code: int, tail: str, cwd: str | Path) -> str:
    """The next step for the codes that say more than "no" (127 and 126: `env` and shells; 128 + n: shells)."""
    if code == 127:
        return ": a command was not found; is it installed where this agent runs, and on its PATH?"
    if code == 126:
        return ": the program may not be executed; `chmod +x` it, or put ${interpreter} before it in `command`"
    if code == 2 and "can't open file" in tail:
        return f": the program was not found; `program` is looked for from the agent's folder, {os.fspath(cwd)}"
    name = _signal_name(code - 128)
    return f" (128 + {name}{_SIGNAL_HINTS.get(name, '')})" if name.startswith("SIG") else ""


def _why_not_started(argv: Sequence[str], cwd: str | Path, error: OSError | ValueError) -> str:
    """Names the thing that is not there, and the next step."""
    name = argv[0] if argv else ""
    start = f"{name!r} could not be started: "
    if not isinstance(error, OSError):
        return f"{start}{error}; look for it among the parameters: {[word for word in argv if chr(0) in word]}"
    if not Path(cwd).is_dir():
        return f"{start}its folder {os.fspath(cwd)!r} is not there; start the agent where the program is"
    if error.errno == errno.ENOENT and (Path(cwd) / name).is_file():
        if Path(name).name == name:
            return f"{start}it is not on PATH; write './{name}' in `command` for the one in the agent's folder"
        return (
            f"{start}its first line names an interpreter that is not there; put ${{interpreter}} before it in `command`"
        )
    if error.errno == errno.ENOENT:
        return (
            f"{start}no such file; check `command` and `program` of the sweep (they are looked for on PATH and from the "
            f"agent's folder, {os.fspath(cwd)!r})"
        )
    if error.errno == errno.EACCES:
        return f"{start}no permission; `chmod +x` it, or put ${{interpreter}} before it in `command`"
    if error.errno == errno.ENOEXEC:
        return f"{start}it is not an executable and has no `#!` line; put ${{interpreter}} before it in `command`"
    if error.errno == errno.E2BIG:
        return f"{start}its arguments are too long; use ${{args_json_file}} in `command`"
    return f"{start}{error.strerror or error}"


# -- its output -----------------------------------------------------------------------------------------------------


class Echo:
    """Bytes in, text out to the run's output, if there is a run; remembers the last lines for an error."""

    def __init__(self, output: Output | None = None, tail_lines: int = TAIL_LINES) -> None:
        self._output = output
        self._tail_lines = tail_lines
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {stream: decoder("replace") for stream in ("stdout", "stderr")}
        self._lines: deque[str] = deque(maxlen=tail_lines)
        self._unfinished = dict.fromkeys(self._decoders, "")

    def write(self, stream: str, data: bytes, *, final: bool = False) -> None:
        text = self._decoders[stream].decode(data, final)
        if text:
            self._remember(stream, text)
            self._pass_on(stream, text)

    def finish(self) -> str:
        """Nothing more comes. Returns the last lines."""
        for stream in self._decoders:
            self.write(stream, b"", final=True)
        lines = [*self._lines, *(_shown(rest) for rest in self._unfinished.values() if rest)]
        return "\n".join(lines[-self._tail_lines :]).strip("\n")

    def _remember(self, stream: str, text: str) -> None:
        *lines, rest = (self._unfinished[stream] + text).split("\n")
        self._lines.extend(_shown(line) for line in lines[-self._tail_lines :])
        self._unfinished[stream] = rest[-4 * TAIL_WIDTH :]

    def _pass_on(self, stream: str, text: str) -> None:
        if self._output is None:
            return
        try:
            self._output.write(stream, text)
        except Exception:  # noqa: BLE001  (training must not end because its output cannot be kept)
            _log.exception("the output of a program is not kept any more")
            self._output = None


def _shown(line: str) -> str:
    """A line as a terminal shows it: what a progress bar wrote last, and not for ever wide."""
    line = line.rstrip("\r").rpartition("\r")[2]
    return line if len(line) <= TAIL_WIDTH else "…" + line[-TAIL_WIDTH:]


# -- its surroundings -----------------------------------------------------------------------------------------------


def child_env(
    base: Mapping[str, str], store_url: str, sweep_id: SweepId, run: Run, param_path: str | Path
) -> dict[str, str]:
    """The whole environment of a trial's program: `base` (usually `os.environ`) and what ties it to its run.

    `SWEEPWIDGET_STORE` and `SWEEPWIDGET_RUN=<run>:<attempt>` are what `init()` in the program looks for;
    `WANDB_SWEEP_ID`, `WANDB_RUN_ID` and `WANDB_SWEEP_PARAM_PATH` are W&B's.
    """
    # A kernel sets this for itself; in a program's own environment the back end may not even be installed.
    inline = base.get("MPLBACKEND", "").startswith("module://")
    return {
        **{name: value for name, value in base.items() if not (inline and name == "MPLBACKEND")},
        "PYTHONUNBUFFERED": "1",
        "SWEEPWIDGET_STORE": store_url,
        "SWEEPWIDGET_SWEEP": sweep_id,
        "SWEEPWIDGET_RUN": f"{run.id}:{run.attempt}",
        "WANDB_SWEEP_ID": sweep_id,
        "WANDB_RUN_ID": run.id,
        "WANDB_SWEEP_PARAM_PATH": os.fspath(param_path),
    }


def write_params(path: Path, config: Mapping[str, Any]) -> None:
    """Write W&B's parameter file: `wandb_version: 1`, then `name: {value: …}` for each parameter."""
    params = {"wandb_version": 1, **{name: {"value": value} for name, value in config.items()}}
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


@contextlib.contextmanager
def forwarding(
    send: Callable[[int], object], signals: Iterable[signal.Signals] = (signal.SIGINT, signal.SIGTERM)
) -> Iterator[None]:
    """While the block runs, pass these signals to the programs instead of acting on them (`forward_signals=True`).

    Main thread only (ValueError elsewhere).
    """
    before = {signum: signal.signal(signum, lambda number, _frame: send(number)) for signum in signals}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
