"""The verbs of W&B's Python API, on the local store: sweep, agent, controller, and the module-level calls of a run."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, overload

from . import session, trials
from .agents import Agents
from .autocontroller import has_own_search
from .backends import backend_for
from .errors import UsageError
from .failures import failure_rules
from .localcontroller import LocalController
from .model import (
    SWEEP_ENDED,
    Agent,
    AgentId,
    Outcome,
    Points,
    Run,
    RunId,
    RunState,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)
from .process import this_process
from .progress import progress_for
from .provenance import provenance
from .pump import pump_while
from .signals import forwarded
from .steering import Steering
from .store import Store
from .stores import current_store
from .sweepconfig import SweepConfig
from .term import termerror, termlog, termwarn

KILL_DELAY_S = 30.0
"""Between SIGTERM and SIGKILL for a program that is told to stop (WANDB_AGENT_KILL_DELAY changes it)."""


def sweep(
    sweep: Mapping[str, Any] | Callable[[], Any] | str | os.PathLike[str],
    entity: str | None = None,
    project: str | None = None,
    prior_runs: list[str] | None = None,
) -> str:
    """Keep a new sweep and return its id: `sweep_id = wandb.sweep({"method": "random", "parameters": …})`.

    `sweep` is a dict (or anything like one), a callable without arguments that returns one, or YAML text or its path. What
    W&B warns about is warned about; what cannot run raises ConfigError with all problems, and nothing is kept.
    """
    sweep_id = _create(SweepConfig.parse(sweep), entity, project, prior_runs)
    print(f"Create sweep with ID: {sweep_id}", flush=True)
    return sweep_id


def _create(config: SweepConfig, entity: str | None, project: str | None, prior_runs: list[str] | None) -> str:
    _warn_of(config)
    store = current_store()
    before = [store.run(RunId(run_id.rpartition("/")[2])) for run_id in prior_runs or ()]
    row = Sweep(
        id=SweepId(_new_id()),
        config=config.to_dict(),
        seed=config.seed if config.seed is not None else secrets.randbits(31),
        project=project or config.project or os.environ.get("WANDB_PROJECT") or "uncategorized",
        entity=entity or config.entity or os.environ.get("WANDB_ENTITY", ""),
    )
    kept = store.create_sweep(row)
    if before:
        _take_over(store, kept, before)
    return kept.id


def _warn_of(config: SweepConfig) -> None:
    if config.violations:
        termwarn("Malformed sweep config detected! This may cause your sweep to behave in unexpected ways.")
        termwarn("To avoid this, please fix the sweep config schema violations below:")
        for i, violation in enumerate(config.violations, 1):
            termwarn(f"  Violation {i}. {violation}")


def _take_over(store: Store, row: Sweep, before: list[Run]) -> None:
    """Runs of before that the search should know (W&B's `prior_runs`): copied in, with all they logged."""
    lease = store.acquire(row.id, "prior-runs", this_process(), 10.0)
    assert lease is not None
    store.set_state(row.id, SweepState.RUNNING, lease=lease)
    copyist = Agent(AgentId(secrets.token_hex(8)), row.id, this_process(), backend="prior runs")
    store.join(copyist, 10.0)
    store.add_runs(
        lease, [Suggestion(run.config, {"why": f"prior run {run.id}"}) for run in before], [r.seed for r in before]
    )
    for run in before:
        copy = store.claim(copyist.id, secrets.token_hex(8))
        assert copy is not None
        points = Points(copy.id, copy.attempt, "", 0, 1, store.columns(run.id))
        state = run.state if run.ended else RunState.crashed
        store.finish(copy.id, copy.attempt, Outcome(state, run.exit_code, run.error, run.summary), points)
    store.leave(copyist.id)
    store.release(lease)


def _new_id() -> str:
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "".join(secrets.choice(alphabet) for _ in range(8))


# -- agents ---------------------------------------------------------------------------------------------------------


@overload
def agent(
    sweep_id: str,
    function: Callable[[], Any] | None = ...,
    entity: str | None = ...,
    project: str | None = ...,
    count: int | None = ...,
    forward_signals: bool = ...,
    term_timeout: float | None = ...,
    max_consecutive_failed_runs: int | None = ...,
    *,
    agents: int = ...,
    backend: Any = ...,
    block: Literal[True] = ...,
) -> None: ...
@overload
def agent(
    sweep_id: str,
    function: Callable[[], Any] | None = ...,
    entity: str | None = ...,
    project: str | None = ...,
    count: int | None = ...,
    forward_signals: bool = ...,
    term_timeout: float | None = ...,
    max_consecutive_failed_runs: int | None = ...,
    *,
    agents: int = ...,
    backend: Any = ...,
    block: Literal[False],
) -> Agents: ...
def agent(
    sweep_id: str,
    function: Callable[[], Any] | None = None,
    entity: str | None = None,
    project: str | None = None,
    count: int | None = None,
    forward_signals: bool = False,
    term_timeout: float | None = None,
    max_consecutive_failed_runs: int | None = None,
    *,
    agents: int = 1,
    backend: Any = "thread",
    block: bool = True,
) -> Agents | None:
    """Run trials of a sweep: `wandb.agent(sweep_id, function=train, count=5)`.

    `function` is called without arguments, once per run; without it, the sweep's `program` is started for each run.
    `count` limits the runs that this call begins (None and 0: no limit). `agents=n` runs n at a time.
    Blocks until the sweep is spent, the count is used up or the failure rules say so, and returns None as W&B's does; with
    `block=False` returns the agents at work (`.wait()`, `await`, `.stop()`, `.scale(n)`).
    Interrupting the cell stops the runs, marks them killed, and raises KeyboardInterrupt. Programs have `term_timeout`
    seconds (30) between SIGTERM and SIGKILL; a second interrupt kills them. With `forward_signals` SIGINT and SIGTERM go to
    the programs as they are, no run is begun any more, and this process acts on them when those have ended.
    """
    if forward_signals and not (block and threading.current_thread() is threading.main_thread()):
        raise UsageError(
            "forward_signals=True needs block=True and the main thread, which is the one that gets signals"
        )
    at_work = _hire(sweep_id, function, count, agents, backend, term_timeout, max_consecutive_failed_runs)
    if not block:
        at_work.scale(agents)
        return at_work
    _work(at_work, agents, forward_signals)
    return None


def _hire(
    sweep_id: str,
    function: Callable[[], Any] | None,
    count: int | None,
    agents: int,
    backend: Any,
    term_timeout: float | None,
    max_consecutive_failed_runs: int | None,
) -> Agents:
    """Agents as `agent()` asks for them, not at work yet."""
    store = current_store()
    row = find_sweep(store, sweep_id)
    config = SweepConfig.parse(row.config)
    if function is not None:
        trials.check_function(function)
    _check_counts(count, agents)
    if row.state in SWEEP_ENDED:
        why = f": {row.reason}" if row.reason else ""
        termlog(f"Sweep {row.id} is not running (it is {row.state.value}{why}). Nothing to do.")
        _close_the_dead(store, row)
        return _nothing_to_do(store, row)
    return _agents(store, row, config, function, count, agents, backend, term_timeout, max_consecutive_failed_runs)


def _agents(
    store: Store,
    row: Sweep,
    config: SweepConfig,
    function: Callable[[], Any] | None,
    count: int | None,
    agents: int,
    backend: Any,
    term_timeout: float | None,
    max_consecutive_failed_runs: int | None,
) -> Agents:
    rules = failure_rules(time.monotonic(), max_consecutive_failed_runs, inclusive=function is None)
    if function is None and backend == "inline":
        backend = "thread"  # a program runs on no thread of ours; one that waits could not stop it when interrupted
    runs_on = backend_for(backend, agents)
    name = backend if isinstance(backend, str) else type(backend).__name__
    trial: trials.Trial
    if function is None:
        trial = trials.ProgramTrial(store, config, _kill_delay(term_timeout), Path.cwd(), row.id)
        trial.check()
    else:
        locked = frozenset(path[0] for path in config.space.parameters)
        trial = trials.FunctionTrial(store, function, locked, on_main_thread=name == "inline")
    key, text = provenance(function, config.program)
    store.remember(key, text)
    return Agents(
        store,
        row,
        trial,
        runs_on,
        backend_name=name,
        count=count,
        rules=rules,
        provenance=key,
        listener=progress_for(row, config, count or None),
        metric=config.metric.name if config.metric else None,
        steer=_steers(store, row, config),
    )


def _steers(store: Store, row: Sweep, config: SweepConfig) -> bool:
    """Whether this process may decide what runs: not for a local controller's sweep, nor for somebody else's search."""
    if config.controller == "local":
        return False
    if config.method == "custom" and not has_own_search(store, row.id):
        termlog(
            f"Sweep {row.id} is searched by a function of another process; this agent waits for its suggestions. "
            "To search here, use controller().configure_search(function)."
        )
        return False
    return True


def _work(at_work: Agents, agents: int, forward_signals: bool = False) -> None:
    """Have agents work and block until they are done."""
    with forwarded(at_work) if forward_signals else contextlib.nullcontext():
        _wait(at_work, agents)
    at_work.raise_error()
    if at_work.failure:
        termerror(at_work.failure)


def _wait(at_work: Agents, agents: int) -> None:
    """Block, widgets alive, until agents that are set to work now are done; an interrupt stops their runs first."""
    over = threading.Event()
    at_work.when_done(over.set)
    try:
        at_work.scale(agents)
        pump_while(lambda: not over.is_set(), wake=over)
    except KeyboardInterrupt:
        termlog("Ctrl + C detected. Stopping sweep.")
        stuck = at_work.abandon()
        for run in stuck:
            termwarn(
                f"run {run.name} has not come back from its code; it is marked killed, and nothing it logs from now on "
                "counts. Its thread ends at its next log()."
            )
    else:
        return
    finally:
        at_work.close()
    raise KeyboardInterrupt  # anew: where the waiting was interrupted says nothing to the user


def _check_counts(count: Any, agents: Any) -> None:
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 0):
        raise UsageError(f"count must be a number of runs (0 or None: no limit), not {count!r}")
    if isinstance(agents, bool) or not isinstance(agents, int) or agents < 1:
        raise UsageError(f"agents must be a number of agents, 1 or more, not {agents!r}")


def _close_the_dead(store: Store, row: Sweep) -> None:
    """Runs that were at work when the sweep ended, and whose process has died since, are closed by whoever looks next."""
    if any(run.state is RunState.running for run in store.runs(row.id)):
        steering = Steering(store, row.id, f"tidy-{_new_id()}")
        steering.step()
        steering.release()


def _nothing_to_do(store: Store, row: Sweep) -> Agents:
    return Agents(
        store,
        row,
        trials.FunctionTrial(store, _never, frozenset(), on_main_thread=False),
        backend_for("thread", 1),
        backend_name="thread",
        count=None,
        rules=failure_rules(time.monotonic(), None, inclusive=False),
        steer=False,
    )


def _never() -> None:
    raise AssertionError("an ended sweep gave a run")


def _kill_delay(term_timeout: float | None) -> float:
    if term_timeout is not None:
        return float(term_timeout)
    try:
        return float(os.environ.get("WANDB_AGENT_KILL_DELAY", KILL_DELAY_S))
    except ValueError:
        return KILL_DELAY_S


# -- controllers and orders -----------------------------------------------------------------------------------------


def controller(
    sweep_id_or_config: str | Mapping[str, Any] | None = None, entity: str | None = None, project: str | None = None
) -> LocalController:
    """Steer a sweep yourself: `wandb.controller(sweep_id).run()`. A dict creates the sweep at once; nothing lets you
    configure one step by step.
    """
    store = current_store()
    target = sweep_id_or_config
    if isinstance(target, str):
        target = find_sweep(store, target).id
    return LocalController(
        store,
        target,
        create_sweep=lambda config: sweep(config, entity=entity, project=project),
        start_agents=lambda sweep_id, function, agents: _start_for_controller(store, sweep_id, function, agents),
    )


def _start_for_controller(store: Store, sweep_id: str, function: Callable[[], Any] | None, agents: int) -> Agents:
    row = store.sweep(SweepId(sweep_id))
    at_work = _agents(store, row, SweepConfig.parse(row.config), function, None, agents, "thread", None, None)
    at_work.scale(agents)
    return at_work


def pause(sweep_id: str) -> None:
    """No new runs until `resume`; those running go on."""
    _order(sweep_id, SweepState.PAUSED, "paused by the user")


def resume(sweep_id: str) -> None:
    """Go on with a paused sweep."""
    _order(sweep_id, SweepState.RUNNING, "")


def stop(sweep_id: str) -> None:
    """No new runs; those running end by themselves, and the sweep is finished."""
    _order(sweep_id, SweepState.FINISHED, "stopped by the user")


def cancel(sweep_id: str) -> None:
    """The sweep is over; running runs are killed at their next `log()`."""
    _order(sweep_id, SweepState.CANCELED, "canceled by the user")


def _order(sweep_id: str, state: SweepState, reason: str) -> None:
    store = current_store()
    row = find_sweep(store, sweep_id)
    if row.state in SWEEP_ENDED:
        raise UsageError(f"Sweep already finished. ({row.id} is {row.state.value})")
    if state is SweepState.PAUSED and row.state is SweepState.PENDING:
        raise UsageError("Cannot pause pending sweep.")
    store.set_state(row.id, state, reason)


def stop_run(run_id: str, reason: str = "stopped by the user") -> None:
    """Stop one run: at its next `log()` it is marked killed, and its agent goes on with the next."""
    current_store().stop([RunId(run_id)], reason, RunState.killed)


def find_sweep(store: Store, sweep_id: Any) -> Sweep:
    """The sweep of W&B's `id`, `project/id` or `entity/project/id`. Raises UsageError for other forms, SweepNotFound."""
    if not isinstance(sweep_id, str):
        raise UsageError(f"Expected string sweep_id, got {type(sweep_id).__name__}")
    parts = sweep_id.strip().split("/")
    if len(parts) > 3 or not all(parts):
        raise UsageError(
            f"Expected sweep_id in form of sweep, project/sweep, or entity/project/sweep, got {sweep_id!r}"
        )
    return store.sweep(SweepId(parts[-1]))


# -- the current run, at module level ---------------------------------------------------------------------------------


def log(data: Mapping[str, Any], step: int | None = None, commit: bool | None = None, sync: bool | None = None) -> None:
    """Keep a row of metrics of the current run: `wandb.log({"loss": 0.5})`. See `Run.log`."""
    session.require_run("wandb.log()").log(data, step, commit, sync)


def define_metric(name: str, *args: Any, **options: Any) -> None:
    """Say how a metric of the current run is summarised. See `Run.define_metric`."""
    session.require_run("wandb.define_metric()").define_metric(name, *args, **options)


def save(glob_str: Any, base_path: Any = None, policy: str = "live") -> list[str]:
    """Copy files into the current run's folder. See `Run.save`."""
    return session.require_run("wandb.save()").save(glob_str, base_path, policy)


def watch(*args: Any, **options: Any) -> None:
    """Accepted and ignored: gradients are not recorded."""


def unwatch(*args: Any, **options: Any) -> None:
    """Accepted and ignored."""


def alert(title: str, text: str = "", *args: Any, **options: Any) -> None:
    """Say something in the current run's output."""
    session.require_run("wandb.alert()").alert(title, text)


def log_artifact(*args: Any, **options: Any) -> Any:
    """Keep an artifact of the current run. See `Run.log_artifact`."""
    return session.require_run("wandb.log_artifact()").log_artifact(*args, **options)


def use_artifact(*args: Any, **options: Any) -> Any:
    """Use an artifact in the current run. See `Run.use_artifact`."""
    return session.require_run("wandb.use_artifact()").use_artifact(*args, **options)


def mark_preempting() -> None:
    """This machine is about to be taken away. See `Run.mark_preempting`."""
    session.require_run("wandb.mark_preempting()").mark_preempting()


def log_code(*args: Any, **options: Any) -> None:
    """Accepted: the training function's source is stored with every run already."""


def restore(name: str, *args: Any, **options: Any) -> Any:
    """Open a file saved with the current run."""
    return session.require_run("wandb.restore()").restore(name)


def login(*args: Any, **options: Any) -> bool:
    """Nothing to log in to: always True."""
    return True


def setup(*args: Any, **options: Any) -> None:
    """Nothing to set up."""


def teardown(exit_code: int | None = None) -> None:
    """End the current run, if there is one."""
    session.finish(exit_code)
