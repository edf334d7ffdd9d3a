"""The verbs of W&B's Python API, on the local store: sweep, agent, controller, and the module-level calls of a run."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, overload

from . import session
from .errors import UsageError
from .handle import Handle
from .hiring import Terms, hire, work
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
from .store import Store
from .stores import current_store, locate
from .sweepconfig import SweepConfig
from .term import termlog, termwarn


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
        id=SweepId(new_sweep_id()),
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


def new_sweep_id() -> str:
    """As W&B's are: eight letters and digits."""
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
    fresh: bool = ...,
    gpus: str | Sequence[int | str] | None = ...,
    memory: int | str | None = ...,
    retries: int = ...,
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
    fresh: bool = ...,
    gpus: str | Sequence[int | str] | None = ...,
    memory: int | str | None = ...,
    retries: int = ...,
) -> Handle: ...
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
    fresh: bool = False,
    gpus: str | Sequence[int | str] | None = None,
    memory: int | str | None = None,
    retries: int = 0,
) -> Handle | None:
    """Run trials of a sweep: `wandb.agent(sweep_id, function=train, count=5)`.

    `function` is called without arguments, once per run; without it, the sweep's `program` is started for each run.
    `count` limits the runs that this call begins (None and 0: no limit). `agents=n` runs n at a time.
    `sweep_id` may also be a link that `share()` gave elsewhere.

    `backend` says where they run: "thread" (of this process), "inline" (the calling thread), "kernel" (a kernel process for
    each agent), or a cluster: a Dask client, an ipyparallel client, "ray", a submitit executor, any
    `concurrent.futures.Executor`. For kernel agents: `fresh=True` starts a new process for every run, `gpus="auto"` (or a
    list) gives each a GPU of its own, `memory="4GB"` ends a run that takes more, `retries` is how often a run is tried again
    whose process died.

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
    store, row = locate(sweep_id)
    if row.state not in SWEEP_ENDED and SweepConfig.parse(row.config).controller == "local":
        termlog(f"Sweep {row.id} has a local controller. Where none runs yet: wandb.controller({row.id!r}).run()")
    at_work = hire(
        store,
        row,
        Terms(
            function,
            count,
            agents,
            backend,
            term_timeout,
            max_consecutive_failed_runs,
            fresh=fresh,
            gpus=gpus,
            memory=memory,
            retries=retries,
        ),
    )
    if not block:
        at_work.scale(agents)
        return at_work
    work(at_work, agents, forward_signals)
    return None


# -- controllers and orders -----------------------------------------------------------------------------------------


def controller(
    sweep_id_or_config: str | Mapping[str, Any] | None = None, entity: str | None = None, project: str | None = None
) -> LocalController:
    """Steer a sweep yourself: `wandb.controller(sweep_id).run()`. A dict creates the sweep at once; nothing lets you
    configure one step by step.
    """
    store, target = current_store(), sweep_id_or_config
    if isinstance(target, str):
        store, row = locate(target)
        target = row.id
    return LocalController(
        store,
        target,
        create_sweep=lambda config: sweep(config, entity=entity, project=project),
        start_agents=lambda sweep_id, function, agents: _start_for_controller(store, sweep_id, function, agents),
    )


def _start_for_controller(store: Store, sweep_id: str, function: Callable[[], Any] | None, agents: int) -> Handle:
    at_work = hire(store, store.sweep(SweepId(sweep_id)), Terms(function, agents=agents))
    at_work.scale(agents)
    return at_work


def pause(sweep_id: str, store: Store | None = None) -> None:
    """No new runs until `resume`; those running go on."""
    _order(sweep_id, store, SweepState.PAUSED, "paused by the user")


def resume(sweep_id: str, store: Store | None = None) -> None:
    """Go on with a paused sweep."""
    _order(sweep_id, store, SweepState.RUNNING, "")


def stop(sweep_id: str, store: Store | None = None) -> None:
    """No new runs; those running end by themselves, and the sweep is finished."""
    _order(sweep_id, store, SweepState.FINISHED, "stopped by the user")


def cancel(sweep_id: str, store: Store | None = None) -> None:
    """The sweep is over; running runs are killed at their next `log()`."""
    _order(sweep_id, store, SweepState.CANCELED, "canceled by the user")


def _order(sweep_id: str, store: Store | None, state: SweepState, reason: str) -> None:
    store, row = locate(sweep_id, store)
    if row.state in SWEEP_ENDED:
        raise UsageError(f"Sweep already finished. ({row.id} is {row.state.value})")
    if state is SweepState.PAUSED and row.state is SweepState.PENDING:
        raise UsageError("Cannot pause pending sweep.")
    store.set_state(row.id, state, reason)


def stop_run(run_id: str, reason: str = "stopped by the user") -> None:
    """Stop one run: at its next `log()` it is marked killed, and its agent goes on with the next."""
    current_store().stop([RunId(run_id)], reason, RunState.killed)


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
