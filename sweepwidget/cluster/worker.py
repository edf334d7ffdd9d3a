"""What runs in a worker of somebody else's cluster: one agent, from joining to leaving.

Engines are handed `work` and a payload. Nothing it needs comes by other ways, nothing it has done is told by other ways than
the store: an engine may lose a worker, run a loop twice, or forget the client that asked for it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import evolve, field, frozen

from .. import autocontroller, stores, trials
from ..agentloop import AgentLoop
from ..backends.program import forwarding
from ..backends.shipping import pack, unpack
from ..errors import Error, RunStopped, UsageError
from ..failures import FailureRules
from ..model import Agent, AgentId, Process, Run, SweepId, SweepState
from ..participant import participant
from ..patience import Patience
from ..process import is_alive, this_process
from ..store import Store
from ..sweepconfig import SweepConfig
from ..trials import Ended
from ..trials.program import ProgramTrial

WATCH_S = 0.5
GIVE_BACK_S = 10.0
"""The longest wait for the store when a worker is taken away."""
DEFAULT_IDLE_S = 60.0


class Payload(bytes):
    """A packed job. Engines show what they carry in logs and on dashboards, and this holds the link."""

    def __repr__(self) -> str:
        return "<a job of sweepwidget>"


@frozen
class Job:
    """What a worker must know."""

    crew: str
    slot: int
    link: str = field(repr=False)
    """Opens the store; it may hold a secret."""
    sweep_id: SweepId
    function: bytes | None = field(repr=False)
    """The user's, packed once for all workers; None: the sweep's program is started for each run."""
    rules: FailureRules
    notebook: Process
    """Who asked for it."""
    backend: str = ""
    provenance: str = ""
    steer: bool = True
    """Whether it stands by to decide what runs, when whoever does that is gone."""
    idle_s: float = DEFAULT_IDLE_S
    """It goes home when it has found nothing to do for so long, so that an adaptive cluster can shrink (that of slot 0 only
    while the sweep is paused).
    """
    cwd: str = ""
    """Where programs are started."""
    kill_delay_s: float = 0.0
    """Between SIGTERM and SIGKILL for programs."""
    tied: bool = False
    """It ends with the notebook's process."""
    preemption: tuple[str, ...] = ()
    """Names of the signals that say that this worker is about to be taken away."""

    def packed(self) -> Payload:
        return Payload(pack(self))


@frozen
class Report:
    """How a loop ended. `home`: nothing is left for it; `idle`: nothing for now, the sweep being `text`; `preempted`: its
    worker is taken away; `rules`: its failure rules ended it; `error`: `kind` and `text` say what is wrong.
    """

    end: str
    text: str = ""
    kind: str = ""


def work(payload: bytes) -> dict[str, str]:
    """Be an agent of `unpack(payload)`'s crew until there is nothing left to do. Returns a Report as plain words, so that
    every engine can carry it; never raises what went wrong on our side.
    """
    came: list[int] = []
    try:
        report = _work(unpack(payload), came)
    except Error as error:
        report = Report("error", str(error), type(error).__name__)
    except KeyboardInterrupt:
        report = Report("home", "interrupted")
    except Exception as error:  # noqa: BLE001  the user's search function, or a fault of ours: said where it is read
        report = Report("error", "".join(traceback.format_exception(error)), type(error).__name__)
    if came:
        # Whoever had this signal before gets it after all: it ends the process, or has the job begin again elsewhere.
        os.kill(os.getpid(), came[0])
    return {"end": report.end, "text": report.text, "kind": report.kind}


def _work(job: Job, came: list[int]) -> Report:
    store = _open(job)
    config = SweepConfig.parse(store.sweep(job.sweep_id).config)
    on_main_thread = threading.current_thread() is threading.main_thread()
    trial = _trial(job, store, config, on_main_thread)
    # A fresh agent each time: Dask runs a lost loop again, with the same arguments.
    agent = Agent(
        AgentId(f"{job.crew}-{job.slot}-{secrets.token_hex(3)}"),
        job.sweep_id,
        this_process(),
        job.backend,
        provenance=job.provenance,
        crew=job.crew,
    )
    controller = autocontroller.steer(store, job.sweep_id) if job.steer else None
    shift = Shift(job, store, agent, trial, controller)
    try:
        with _watching(job, shift), _heeding(job.preemption if on_main_thread else (), shift.give_back_now, came):
            AgentLoop(store, agent, shift.trial, shift).work()
    finally:
        trial.close()
        if controller is not None:
            autocontroller.let_go(controller)
    return shift.report


def _trial(job: Job, store: Store, config: SweepConfig, on_main_thread: bool) -> trials.Trial:
    if job.function is None:
        program = ProgramTrial(store, config, job.kill_delay_s, Path(job.cwd), job.sweep_id)
        program.check()
        return program
    locked = frozenset(path[0] for path in config.space.parameters)
    return trials.FunctionTrial(store, unpack(job.function), locked, on_main_thread)


class Shift:
    """Whom the loop of a worker works for (`agentloop.Employer`), and the trial it runs."""

    def __init__(
        self,
        job: Job,
        store: Store,
        agent: Agent,
        trial: trials.Trial,
        controller: autocontroller.AutoController | None,
    ) -> None:
        self.report = Report("home")
        self.patience = Patience()
        self.trial = _Guarded(trial, self)
        self._job, self._store, self._agent, self._controller = job, store, agent, controller
        self._here = participant(store)
        self._rules = evolve(job.rules, started_at=time.monotonic())
        self._leaving = threading.Event()
        self._given_back: threading.Event | None = None
        """Whether the run has been given back; None as long as nobody takes the worker away."""
        self.at_work: Run | None = None

    # -- for the loop -------------------------------------------------------------------------------------------

    def leaving(self) -> bool:
        return self._leaving.is_set()

    def take(self) -> tuple[bool, int | None]:
        return True, None  # the store keeps the count of the crew

    def give_back(self) -> None:
        pass

    def trouble(self) -> BaseException | None:
        return None if self._controller is None else self._controller.error

    def waits_on(self, idle_s: float) -> bool:
        if self._controller is not None:
            self._controller.hurry()
        if idle_s < self._job.idle_s:
            return True
        state = self.patience.insist(lambda: self._store.sweep(self._job.sweep_id)).state
        if state is SweepState.RUNNING and self._job.slot == 0:
            return True  # one stays and asks, or nobody would know that runs are wanted
        self._go(Report("idle", state.value))
        return False

    def began(self, run: Run) -> None:
        pass

    def ended(self, run: Run, ended: Ended, closed: Run | None) -> None:
        if ended.counted and (why := self._rules.after(ended.outcome.state, time.monotonic())):
            self._go(Report("rules", why))

    def _go(self, report: Report) -> None:
        if not self._leaving.is_set():
            self.report = report
            self._leaving.set()

    # -- when the worker is taken away --------------------------------------------------------------------------

    def give_back_now(self, signum: int) -> None:
        """The run waits again at once, for another agent; the code that runs here is ended. Called by a signal's handler."""
        if self._given_back is not None:
            return
        self._given_back = threading.Event()
        self._go(Report("preempted", f"its worker was taken away ({signal.Signals(signum).name})"))
        # On another thread: this one may be in the midst of a transaction.
        threading.Thread(
            target=self._give_back, args=(self._given_back,), name="sweepwidget-preempted", daemon=True
        ).start()
        if self.at_work is not None and self._job.function is not None:
            raise RunStopped("this worker is about to be taken away")

    def _give_back(self, given_back: threading.Event) -> None:
        run = self.at_work
        active = None if run is None else self._here.runs.get((run.id, run.attempt))
        with contextlib.suppress(Error):
            if active is not None:
                active.order_stop("its worker was taken away")
                active.flush()
        with contextlib.suppress(Error):
            self._store.leave(self._agent.id)
        given_back.set()
        self._here.bell.ring()

    def given_back(self) -> None:
        """Wait until that is done: the run must not be closed before."""
        if self._given_back is not None:
            self._given_back.wait(GIVE_BACK_S)

    def vanish(self) -> None:
        """The notebook's process is dead, and this worker was its child."""
        self._given_back = threading.Event()
        self._go(Report("home"))
        self._give_back(self._given_back)
        os._exit(1)


@frozen
class _Guarded:
    """A trial that a signal may end."""

    inner: trials.Trial
    shift: Shift

    def __call__(self, row: Run) -> Ended:
        self.shift.at_work = row
        try:
            return self.inner(row)
        finally:
            self.shift.at_work = None
            self.shift.given_back()

    def leave(self) -> None:
        self.inner.leave()

    def close(self) -> None:
        self.inner.close()


@contextlib.contextmanager
def _heeding(names: tuple[str, ...], preempted: Callable[[int], None], came: list[int]) -> Iterator[None]:
    """Have signals of these names give the run back, and note them."""

    def heed(signum: int) -> None:
        came.append(signum)
        preempted(signum)

    known = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    with forwarding(heed, known) if known else contextlib.nullcontext():
        try:
            yield
        except RunStopped:  # it came as the user's code had just ended
            if not came:
                raise


@contextlib.contextmanager
def _watching(job: Job, shift: Shift) -> Iterator[None]:
    """A worker of a pool must not outlive the process that made the pool."""
    if not job.tied or os.getpid() == job.notebook.pid:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(WATCH_S):
            if is_alive(job.notebook) is False:
                shift.vanish()

    threading.Thread(target=watch, name="sweepwidget-parent", daemon=True).start()
    try:
        yield
    finally:
        over.set()


# -- the store, from here ---------------------------------------------------------------------------------------------


def _open(job: Job) -> Store:
    here = this_process()
    if here == job.notebook:
        return stores.store_at(job.link)
    if job.link.startswith("sqlite:"):
        _check_file(job, here)
    store = stores.store_at(job.link)
    if stores._current is None:
        stores.use_store(job.link)  # `wandb.Api()` in the user's code means this one
    return store


def _check_file(job: Job, here: Process) -> None:
    """A file is for one machine. Opening it elsewhere would make an empty store, or damage a shared one."""
    path = Path(job.link.removeprefix("sqlite:///").partition("?")[0])
    instead = (
        "Agents on other machines need a PostgreSQL store (use_store('postgresql://…')) or a hub: share the sweep, and give "
        "agent() the link"
    )
    if not _same_machine(job.notebook, here):
        raise UsageError(
            f"a worker on {here.host} cannot use the store {path}, which is a file on {job.notebook.host}. {instead}"
        )
    if not path.exists():
        raise UsageError(f"a worker on {here.host} does not see the store {path} (a container?). {instead}")


def _same_machine(one: Process, other: Process) -> bool:
    """Containers of one machine share its kernel, and may share a file."""
    boot, other_boot = one.space.partition("/")[0], other.space.partition("/")[0]
    return boot == other_boot if boot and other_boot else one.host == other.host
