"""What `agent()` asks for becomes agents: which trial, on which backend, steered by whom. And the wait until they are done."""

from __future__ import annotations

import contextlib
import difflib
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from . import trials
from .agents import Agents
from .autocontroller import has_own_search
from .backends import backend_for
from .backends.engines import Engine, engine_for
from .cluster.agents import ClusterAgents
from .errors import UsageError
from .failures import failure_rules
from .handle import Handle
from .links import is_link
from .model import SWEEP_ENDED, Sweep
from .progress import progress_for
from .provenance import provenance
from .pump import pump_while
from .signals import forwarded
from .store import Store
from .sweepconfig import SweepConfig
from .tending import tend
from .term import termerror, termlog, termwarn
from .trials.program import ProgramTrial

BACKEND_NAMES = ("thread", "kernel", "inline", "ray")
KILL_DELAY_S = 30.0
"""Between SIGTERM and SIGKILL for a program that is told to stop (WANDB_AGENT_KILL_DELAY changes it)."""


@frozen
class Terms:
    """The arguments of `agent()`, besides the sweep. UsageError for what cannot be."""

    function: Callable[[], Any] | None = None
    count: int | None = None
    agents: int = 1
    backend: Any = "thread"
    term_timeout: float | None = None
    max_consecutive_failed_runs: int | None = None
    fresh: bool = False
    gpus: str | Sequence[int | str] | None = None
    memory: int | str | None = None
    retries: int = 0
    quiet: bool = False
    """Show no progress: somebody else does."""

    def __attrs_post_init__(self) -> None:
        count, agents = self.count, self.agents
        if self.function is not None:
            trials.check_function(self.function)
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 0):
            raise UsageError(f"count must be a number of runs (0 or None: no limit), not {count!r}")
        if isinstance(agents, bool) or not isinstance(agents, int) or agents < 1:
            raise UsageError(f"agents must be a number of agents, 1 or more, not {agents!r}")
        if isinstance(self.backend, str):
            _check_name(self.backend)
        for name in ("fresh", "gpus", "memory", "retries"):
            if getattr(self, name) and self.backend != "kernel":
                raise UsageError(f"{name}= is for kernel agents: add backend='kernel', or leave it out")


def hire(store: Store, row: Sweep, terms: Terms) -> Handle:
    """Agents as `agent()` asks for them, not at work yet."""
    config = SweepConfig.parse(row.config)
    if row.state in SWEEP_ENDED:
        why = f": {row.reason}" if row.reason else ""
        termlog(f"Sweep {row.id} is not running (it is {row.state.value}{why}). Nothing to do.")
        tend(store, row.id)
        return _nothing_to_do(store, row)
    key, text = provenance(terms.function, config.program)
    store.remember(key, text)  # may fail: before agents are made, whose controller steers from then on
    engine = engine_for(terms.backend)
    if engine is None:
        return _local_agents(store, row, config, terms, key)
    return _cluster_agents(store, row, config, terms, key, engine)


def _local_agents(store: Store, row: Sweep, config: SweepConfig, terms: Terms, provenance_key: str) -> Agents:
    backend = terms.backend
    if terms.function is None and backend in ("inline", "kernel"):
        backend = "thread"  # a program runs on no thread of ours; one that waits could not stop it when interrupted
    name = backend if isinstance(backend, str) else type(backend).__name__
    runs_on = backend_for("thread" if backend == "kernel" else backend, terms.agents)
    return Agents(
        store,
        row,
        _trial(store, row, config, terms, name),
        runs_on,
        backend_name=name,
        count=terms.count,
        rules=failure_rules(time.monotonic(), terms.max_consecutive_failed_runs, inclusive=terms.function is None),
        provenance=provenance_key,
        listener=None if terms.quiet else progress_for(row, config, terms.count or None),
        metric=config.metric.name if config.metric else None,
        steer=_steers(store, row, config),
    )


def _cluster_agents(
    store: Store, row: Sweep, config: SweepConfig, terms: Terms, provenance_key: str, engine: Engine
) -> ClusterAgents:
    if terms.function is None:
        _program(store, row, config, terms)  # refuses what cannot be
    return ClusterAgents(
        store,
        row,
        terms.function,
        engine,
        count=terms.count,
        rules=failure_rules(time.monotonic(), terms.max_consecutive_failed_runs, inclusive=terms.function is None),
        provenance=provenance_key,
        listener=None if terms.quiet else progress_for(row, config, terms.count or None),
        metric=config.metric.name if config.metric else None,
        steer=_steers(store, row, config),
        kill_delay_s=_kill_delay(terms.term_timeout),
    )


def _trial(store: Store, row: Sweep, config: SweepConfig, terms: Terms, backend: str) -> trials.Trial:
    if terms.function is None:
        return _program(store, row, config, terms)
    locked = _locked(config)
    if backend != "kernel":
        return trials.FunctionTrial(store, terms.function, locked, on_main_thread=backend == "inline")
    from .trials.kernel import KernelTrial

    kernel = KernelTrial(
        store,
        row.id,
        terms.function,
        locked,
        fresh=terms.fresh,
        gpus=terms.gpus,
        memory=terms.memory,
        retries=terms.retries,
        cwd=Path.cwd(),
    )
    kernel.check()
    return kernel


def _program(store: Store, row: Sweep, config: SweepConfig, terms: Terms) -> ProgramTrial:
    program = ProgramTrial(store, config, _kill_delay(terms.term_timeout), Path.cwd(), row.id)
    program.check()
    return program


def _check_name(backend: str) -> None:
    """UsageError for a name that is no backend's."""
    if backend in BACKEND_NAMES or engine_for(backend) is not None:
        return
    near = difflib.get_close_matches(backend, BACKEND_NAMES, 1)
    raise UsageError(
        f"unknown backend {backend!r}"
        + (f"; did you mean {near[0]!r}?" if near else ":")
        + f" expected one of {', '.join(map(repr, BACKEND_NAMES))}, or a cluster itself: a Dask or ipyparallel client, a "
        "submitit executor, any concurrent.futures.Executor"
    )


def _locked(config: SweepConfig) -> frozenset[str]:
    """The keys of a run's config that the sweep chooses."""
    return frozenset(path[0] for path in config.space.parameters)


def _steers(store: Store, row: Sweep, config: SweepConfig) -> bool:
    """Whether this process may decide what runs: not for a local controller's sweep, nor for somebody else's search, nor
    behind a hub, whose own process does.
    """
    if config.controller == "local" or (is_link(store.link) and not has_own_search(store, row.id)):
        return False
    if config.method == "custom" and not has_own_search(store, row.id):
        termlog(
            f"Sweep {row.id} is searched by a function of another process; this agent waits for its suggestions. "
            "To search here, use controller().configure_search(function)."
        )
        return False
    return True


def work(at_work: Handle, agents: int, forward_signals: bool = False) -> None:
    """Have agents work and block until they are done."""
    with forwarded(at_work) if forward_signals else contextlib.nullcontext():
        _wait(at_work, agents)
    at_work.raise_error()
    if at_work.failure:
        termerror(at_work.failure)


def _wait(at_work: Handle, agents: int) -> None:
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
