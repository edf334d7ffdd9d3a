"""A trial of the sweep's own `program` (or `command`): one process, started for one row."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..backends.program import ProgramEnd, child_env, run_program, write_params
from ..command import DEFAULT_COMMAND, command_line
from ..errors import UsageError
from ..farewell import Farewell, gather
from ..model import Outcome, Run, RunState, SweepId
from ..output import RunOutput
from ..store import Store
from ..sweepconfig import SweepConfig
from . import Ended
from .process import ProcessTrial, Worker


class ProgramTrial(ProcessTrial):
    """Starts the sweep's `program` (or `command`) for each row, in a process group of its own."""

    stopping = "its programs were told to end (SIGTERM)"

    def __init__(self, store: Store, config: SweepConfig, kill_delay_s: float, cwd: Path, sweep_id: str) -> None:
        super().__init__(store)
        self.config, self.kill_delay_s, self.cwd, self.sweep_id = config, kill_delay_s, cwd, sweep_id

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
        """Nothing is kept between runs."""

    def close(self) -> None:
        """Nothing is kept between runs."""

    def _try(self, row: Run, folder: Path, worker: Worker) -> Ended:
        end = self._run(row, folder, worker)
        return Ended(_of_program(end, worker.told, gather(folder, row.attempt)), elsewhere=True)

    def _run(self, row: Run, folder: Path, worker: Worker) -> ProgramEnd:
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
                should_stop=lambda: worker.told,
                kill_delay_s=self.kill_delay_s,
                on_start=worker.started,
            )


def _of_program(end: ProgramEnd, told: RunState | None, said: Farewell) -> Outcome:
    """What the program's end and its processes' last words make of the run."""
    state, exit_code, error = end.state, end.exit_code, end.error
    if said.preempting and told is None and state is not RunState.finished:
        state = RunState.preempted
    elif said.exit_code and state is RunState.finished:
        state, exit_code = RunState.failed, said.exit_code
        error = f"its process ended well, but called run.finish(exit_code={said.exit_code})"
    return Outcome(state, exit_code, error, said.summary)


def _missing(config: SweepConfig, cwd: Path) -> str:
    """Why the program cannot be run from here, where that is certain; else ''."""
    words = [word for word in config.command or DEFAULT_COMMAND if word != "${env}"]
    program = config.program
    first = words[0] if words else ""
    if "$" not in first and not (shutil.which(first) or shutil.which(str(cwd / first))):
        return f"its command begins with {first!r}, which is neither on PATH nor a program in {cwd}; mend `command`"
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
