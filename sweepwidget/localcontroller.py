"""`wandb.controller()`: the user's own hand on a sweep, with W&B's forms, output lines and errors.

It steers through the same `Steering` as the asyncio controller; taking a step takes the lease, so nobody else decides
meanwhile. Unlike W&B's it sees every change at once, paces itself, and can run a Python function.
"""

from __future__ import annotations

import inspect
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from . import autocontroller
from .errors import ControllerError
from .model import BY_HAND, ENDED, WAITING, Cursor, Run, RunId, RunState, Suggestion, SweepId, SweepState
from .pareto import best_runs
from .participant import participant
from .pump import pump_while
from .runs import Goal, summary_costs
from .search import OwnSearcher
from .search.custom import CustomSearch
from .search.optimiser import is_optimiser
from .steering import Steering
from .stopping.custom import CustomStopping
from .store import Store
from .sweepconfig import SweepConfig
from .sweeprun import SweepRun, sweep_runs, unwrap, wrap
from .sweeps import builtin_search, builtin_stopping
from .term import termlog

PACE_S = 0.5
"""The longest that a loop over `done()`, `search()` and `schedule()` waits for something to change."""

_STATE_ORDER = [
    RunState.pending,
    RunState.running,
    RunState.finished,
    RunState.stopped,
    RunState.killed,
    RunState.crashed,
    RunState.failed,
    RunState.preempted,
]


class StartAgents(Protocol):
    """Starts agents for a sweep and returns something that can be stopped and waited for."""

    def __call__(self, sweep_id: str, function: Callable[[], Any] | None, agents: int) -> Any: ...


class LocalController:
    """Steer a sweep from Python: `controller(sweep_id).run()`, or step by step.

    >>> sweep = wandb.controller()      # doctest: +SKIP
    >>> sweep.configure_search("grid")      # doctest: +SKIP
    >>> sweep.configure_parameter("lr", values=[0.1, 0.01])      # doctest: +SKIP
    >>> sweep.configure_program(train); sweep.create(); sweep.run()      # doctest: +SKIP
    """

    def __init__(
        self,
        store: Store,
        sweep_id_or_config: str | Mapping[str, Any] | None,
        create_sweep: Callable[[Mapping[str, Any]], str],
        start_agents: StartAgents,
    ) -> None:
        self._store, self._create_sweep, self._start_agents = store, create_sweep, start_agents
        self._configured: dict[str, Any] = {}
        self._function: Callable[[], Any] | None = None
        self._sweep_id: SweepId | None = None
        self._steering: Steering | None = None
        """Made when it is first needed: until then the user may say with which code of his own it steers."""
        self._started = False
        self._printed = ""
        self._scheduled: list[Run] = []
        self._stopped: list[str] = []
        self._debug: dict[str, Any] = {}
        if isinstance(sweep_id_or_config, str):
            self._sweep_id = store.sweep(SweepId(sweep_id_or_config)).id
        elif sweep_id_or_config is not None:
            self.configure(sweep_id_or_config)
            self.create()

    # -- configuring --------------------------------------------------------------------------------------------

    def configure_search(self, search: Any, **options: Any) -> None:
        """A name (`"grid"`), one of the classes of `sweepwidget.sweeps`, or your own: a callable
        `(config, runs) -> SweepRun | dict | None`, or a class or object with `next_run(sweep)`; a sampler of Optuna, or
        anything with `ask` and `tell` (see `search.replay`).

        Your own code is not part of the sweep: after a restart give it again, `controller(sweep_id).configure_search(…)`.

        >>> controller.configure_search(optuna.samplers.TPESampler())      # doctest: +SKIP
        """
        name = search if isinstance(search, str) else builtin_search(search)
        if name is not None:
            self._not_started()
            self._configured["method"] = name
        elif callable(search) or hasattr(search, "next_run") or is_optimiser(search):
            self._not_steering()
            if self._sweep_id is None:
                self._configured["method"] = "custom"
            else:
                self._have_custom_method(self._sweep_id)
            self._own_search = search
            self._teach()
        else:
            raise ControllerError("Unhandled search type.")

    def configure_stopping(self, stopping: Any, **options: Any) -> None:
        """A name and its settings (`"hyperband", min_iter=3`), one of the classes of `sweepwidget.sweeps`, or your own:
        a callable that is called once with the settings and returns `(config, runs) -> runs to stop`, or a class with
        `stop_runs(config, runs)`.
        """
        name = stopping if isinstance(stopping, str) else builtin_stopping(stopping)
        if name is not None:
            self._not_started()
            self._configured["early_terminate"] = {"type": name, **options}
        elif hasattr(stopping, "stop_runs") or callable(stopping):
            self._not_steering()
            self._own_stopping = (stopping, options)
            self._teach()
        else:
            raise ControllerError("Unhandled stopping type.")

    _own_search: Any = None
    _own_stopping: tuple[Any, dict[str, Any]] | None = None

    def configure_metric(self, metric: str, goal: str | None = None) -> None:
        """What is optimised. (Several things at once: `configure({"metrics": […], …})`.)"""
        self._not_started()
        self._configured["metric"] = {"name": metric, **({"goal": goal} if goal else {})}

    def configure_name(self, name: str) -> None:
        self._not_started()
        self._configured["name"] = name

    def configure_description(self, description: str) -> None:
        self._not_started()
        self._configured["description"] = description

    def configure_program(self, program: str | Callable[[], Any]) -> None:
        """The script to run, or (not in W&B) the training function itself."""
        self._not_started()
        if isinstance(program, str):
            self._configured["program"] = program
        elif callable(program):
            self._function = program
        else:
            raise ControllerError("Unhandled sweep program type")

    def configure_parameter(self, name: str, **settings: Any) -> None:
        """`configure_parameter("lr", min=0.001, max=0.1)`, `("layers", values=[1, 2])`, `("epochs", value=5)`."""
        self._not_started()
        given = {key: value for key, value in settings.items() if value is not None}
        self._configured.setdefault("parameters", {})[name] = given or {"value": None}

    def configure_controller(self, type: str) -> None:  # noqa: A002  (W&B's name)
        """With "local" only a controller like this one steers, with "cloud" any participant does. The first call wins."""
        self._not_started()
        if type not in ("local", "cloud"):
            raise ControllerError("Unhandled sweep controller type")
        self._configured.setdefault("controller", {"type": type})

    def configure(self, sweep_dict_or_config: Any) -> None:
        """The whole configuration at once: a dict, or YAML text or path."""
        self._not_started()
        if self._configured:
            raise ControllerError("Already configured.")
        self._configured = dict(SweepConfig.parse(sweep_dict_or_config).to_dict())

    def create(self) -> str:
        """Keep the sweep; prints and returns its id."""
        if self._started:
            raise ControllerError("Can not create after sweep has been started.")
        if self._sweep_id is not None:
            raise ControllerError("Can not use create on already created sweep.")
        if not self._configured:
            raise ControllerError("Must configure sweep before create.")
        self._sweep_id = SweepId(self._create_sweep(self._configured))
        self._teach()
        return self._sweep_id

    def _teach(self) -> None:
        """Have this process decide the sweep, once it exists, with the code that was given."""
        if self._sweep_id is None or (self._own_search is None and self._own_stopping is None):
            return
        sweep = self._store.sweep(self._sweep_id)
        config = SweepConfig.parse(sweep.config)
        searcher, stopper = autocontroller.own(self._store, sweep.id)
        if self._own_search is not None:
            searcher = _searching(self._own_search, config, sweep.seed)
        if self._own_stopping is not None:
            stopper = CustomStopping(_made(*self._own_stopping), config)
        autocontroller.use_own(self._store, sweep.id, searcher, stopper)

    def _have_custom_method(self, sweep_id: SweepId) -> None:
        """Other processes must know that the search is not theirs. What has begun another way goes on that way."""
        sweep = self._store.sweep(sweep_id)
        method = SweepConfig.parse(sweep.config).method
        if method == "custom":
            return
        if self._store.changes(sweep_id, Cursor(), ()).runs:
            raise ControllerError(
                f"sweep {sweep_id} is searched by {method} and has begun; for a search of your own make another sweep, with "
                "method: custom"
            )
        self._store.update_config(sweep_id, {**sweep.config, "method": "custom"})

    def _not_started(self) -> None:
        if self._started or self._sweep_id is not None:
            raise ControllerError("Can not configure after sweep has been started.")

    def _not_steering(self) -> None:
        if self._started or self._steering is not None:
            raise ControllerError("Can not configure after sweep has been started.")

    # -- looking ------------------------------------------------------------------------------------------------

    @property
    def sweep_id(self) -> str | None:
        return self._sweep_id

    @property
    def sweep_config(self) -> dict[str, Any] | None:
        return dict(self._store.sweep(self._sweep_id).config) if self._sweep_id else None

    def __repr__(self) -> str:
        return f"<controller of sweep {self.sweep_id}>"

    @property
    def _it(self) -> Steering:
        if self._sweep_id is None:
            raise ControllerError("Must specify or create a sweep before running controller.")
        if self._steering is None:
            name = f"local-{secrets.token_hex(8)}"
            own = autocontroller.own(self._store, self._sweep_id)
            self._steering = Steering(self._store, self._sweep_id, name, *own, curves=True)
        return self._steering

    def done(self) -> bool:
        """Whether the sweep has ended (a paused one has not). Looks anew each time. Whoever prints the status hears the last."""
        self._it.refresh()
        if self._it.ended and self._printed:  # its last run may have ended after the loop has printed
            self.print_status()
        return self._it.ended

    # -- steering -----------------------------------------------------------------------------------------------

    def run(
        self,
        verbose: bool | None = None,
        print_status: bool = True,
        print_actions: bool = False,
        print_debug: bool = False,
        agents: int | None = None,
    ) -> None:
        """Steer until the sweep has ended.

        `agents=n` starts n agents for the sweep's program (or function), 0 none. By default one is started when the sweep
        names a program and nobody works on it.
        """
        it, bell = self._it, participant(self._store).bell
        actions, debug = print_actions or bool(verbose), print_debug or bool(verbose)
        workers = self._workers(agents)
        try:
            with bell.waking(_nothing):
                participant(self._store).watch()
                while True:
                    seen = bell.count
                    self.step()
                    if print_status:
                        self.print_status()
                    if actions:
                        self.print_actions()
                    if debug:
                        self.print_debug()
                    if it.ended or (workers is not None and workers.done and workers.failure):
                        break
                    self._pause(seen)
        except KeyboardInterrupt:
            if workers is not None:
                workers.abandon()
            raise
        finally:
            it.release()
        if workers is not None:
            workers.wait()

    def _workers(self, agents: int | None) -> Any:
        it = self._it
        it.refresh()
        program = it.config.program or it.config.command or self._function
        if it.ended or agents == 0:
            return None
        if agents is None:
            if it.agents:
                return None
            if not program:
                termlog(
                    f"Sweep {it.sweep.id} names no program and nobody works on it. Start an agent, here or in another "
                    f"notebook: sweepwidget.agent({it.sweep.id!r}, function=train, block=False)"
                )
                return None
            termlog(f"Nobody works on sweep {it.sweep.id}: starting one agent for {_named(program)}.")
        elif not program:
            raise ControllerError(
                f"sweep {it.sweep.id} names no program to start agents for; use configure_program('train.py') or "
                "configure_program(train), or start agents yourself and use run(agents=0)"
            )
        return self._start_agents(it.sweep.id, self._function, agents or 1)

    def _pause(self, seen: int) -> None:
        """Wait until something happened (short waits: an interrupt is noticed, widgets live on)."""
        bell = participant(self._store).bell
        over = threading.Event()
        timer = threading.Timer(PACE_S, over.set)
        timer.daemon = True
        with bell.waking(over.set):
            timer.start()
            pump_while(lambda: bell.count == seen and not over.is_set(), wake=over)
        timer.cancel()

    def step(self) -> None:
        """One round: look, search, schedule, stop."""
        it = self._it
        self._started = True
        decided = it.step(force=True)
        if decided is None:
            return
        self._scheduled += [Run(RunId(""), None, 0, s.config) for s in decided.add]
        self._stopped += list(decided.stop)
        self._debug |= {
            "agents": len(self._it.agents),
            "runs": len(self._it.runs),
            "epoch": self._it.lease and self._it.lease.epoch,
        }

    def search(self) -> SweepRun | None:
        """The next suggestion, or None when there is none: the space is spent, the sweep has ended, or a run still
        waits for an agent (then it waits a moment itself, so that a loop around it does not spin).
        """
        it = self._take()
        if it.ended or self._outstanding():
            self._rest()
            return None
        found = it.searcher.suggest(it.runs, 1) if self._room() else ()
        if not found:
            self._end_if_spent()
            return None
        return SweepRun(config=wrap(found[0].config), search_info=dict(found[0].info))

    def schedule(self, run: SweepRun | Mapping[str, Any] | None) -> None:
        """Have a suggestion run; at most one waits at a time (a second one is dropped). None: there are no more."""
        it = self._take()
        if run is None or it.ended or self._outstanding():
            return
        given = run if isinstance(run, Mapping) else run.config
        info = {} if isinstance(run, Mapping) else run.search_info or {}
        it.begin()
        config = unwrap(given, it.config.space)
        self._scheduled += list(it.add([Suggestion(config, {"why": "scheduled by hand", **info, BY_HAND: True})]))

    def stopping(self) -> list[SweepRun]:
        """The running runs that the stopping rule would end now."""
        it = self._take()
        if it.stopper is None:
            return []
        named = it.stopper.stop(it.runs)
        return [run for run in sweep_runs(it.runs) if run.id in named] if named else []

    def stop_runs(self, runs: Iterable[SweepRun | str]) -> None:
        """Tell runs (or their ids or names) to stop."""
        it = self._take()
        named = {run if isinstance(run, str) else run.name for run in runs}
        ids = [run.id for run in it.runs if {run.id, run.name} & named]
        self._store.stop(ids, "stopped by the controller")
        self._stopped += ids

    def _take(self) -> Steering:
        """The steering, with the lease in hand and the latest news."""
        it = self._it
        self._started = True
        it.hold(force=True)
        it.refresh()
        return it

    def _outstanding(self) -> bool:
        return any(run.state in WAITING for run in self._it.runs.active.values())

    def _room(self) -> bool:
        cap = self._it.config.run_cap
        return cap is None or len(self._it.runs) < cap

    def _end_if_spent(self) -> None:
        """Nothing more to suggest: when nothing runs either, the sweep is over; else wait for it."""
        it = self._it
        if not it.runs.active:
            it.begin()
            it.step(force=True)
            if not it.ended:
                it.sweep = self._store.set_state(it.sweep.id, SweepState.FINISHED, "nothing left to suggest", it.lease)
            return
        self._rest()

    def _rest(self) -> None:
        """The user's loop has nothing to do until something changes: wait a moment for that."""
        bell = participant(self._store).bell
        participant(self._store).watch()
        self._pause(bell.count)

    # -- printing -----------------------------------------------------------------------------------------------

    def print_status(self) -> None:
        """`Sweep: id (grid,hyperband) | Runs: 2 (Running: 1, Finished: 1) | Stopped: 1 (Stopping: 1)`, when it changed."""
        it = self._it
        it.refresh()
        line = status_line(it)
        if line != self._printed:
            self._printed = line
            print(line, flush=True)

    def print_actions(self) -> None:
        """What was scheduled and stopped since the last call."""
        for run in self._scheduled:
            self._say("INFO: Schedule ({})".format(",".join(f"{k}={v}" for k, v in run.config.items())))
        if self._stopped:
            self._say(f"INFO: Stop ({','.join(self._stopped)})")
        self._scheduled, self._stopped = [], []

    def print_debug(self) -> None:
        for key, value in self._debug.items():
            self._say(f"DEBUG: {key}={value}")
        self._debug = {}

    def print_space(self) -> None:
        """Each parameter with what it may be, and how many configurations there are."""
        it = self._it
        for path, parameter in it.config.space.parameters.items():
            print(f"{'.'.join(path)}: {', '.join(f'{k}={v}' for k, v in parameter.to_dict().items())}")
        size = it.config.space.size()
        print(f"{size} configurations" if size is not None else "infinitely many configurations")

    def print_summary(self) -> None:
        """How the sweep stands: the status line, and the best run (with several metrics those on the Pareto front)."""
        it = self._it
        it.refresh()
        print(status_line(it))
        if it.sweep.reason:
            print(f"{it.sweep.state.value}: {it.sweep.reason}")
        ended = [run for run in it.runs if run.state in ENDED]
        goal, goals = it.config.goal, it.config.goals
        for run in best_runs(ended, goals) if len(goals) > 1 else ():
            print(f"On the Pareto front: {run.name} {_values(run, goals)} {dict(run.config)}")
        scored = [(cost, run) for run in ended if goal and (cost := it.runs.best_cost(run.id)) is not None]
        if scored and goal:
            cost, best = min(scored, key=lambda pair: pair[0])
            print(f"Best: {best.name} {goal.metric}={goal.cost(cost):.6g} {dict(best.config)}")

    def _say(self, line: str) -> None:
        self._printed = ""
        print(line, flush=True)

    # -- the sweep's state --------------------------------------------------------------------------------------

    def pause(self) -> None:
        """No new runs; those running go on."""
        self._store.set_state(self._it.sweep.id, SweepState.PAUSED, "paused by the user")

    def resume(self) -> None:
        self._store.set_state(self._it.sweep.id, SweepState.RUNNING)

    def stop(self) -> None:
        """No new runs; the sweep is finished, those running end by themselves."""
        self._store.set_state(self._it.sweep.id, SweepState.FINISHED, "stopped by the user")

    def cancel(self) -> None:
        """The sweep is over and its runs are killed."""
        self._store.set_state(self._it.sweep.id, SweepState.CANCELED, "canceled by the user")


def status_line(it: Steering) -> str:
    """W&B's line about a sweep."""
    kinds = [it.config.method] + ([str(it.config.early_terminate["type"])] if it.config.early_terminate else [])
    runs = list(it.runs)
    counts = [(state, sum(run.state is state for run in runs)) for state in _STATE_ORDER]
    states = ", ".join(f"{state.value.capitalize()}: {n}" for state, n in counts if n)
    stopped = sum(run.state is RunState.stopped for run in runs)
    stopping = sum(bool(run.stop_reason) and run.state is RunState.running for run in runs)
    parts = [f"Sweep: {it.sweep.id} ({','.join(kinds)})", f"Runs: {len(runs)}" + (f" ({states})" if states else "")]
    if stopped or stopping:
        parts.append(f"Stopped: {stopped + stopping}" + (f" (Stopping: {stopping})" if stopping else ""))
    return " | ".join(parts)


def _made(stopping: Any, options: Mapping[str, Any]) -> Any:
    """W&B's custom stopping is a function of its settings that returns the rule; a class takes them as arguments; and a
    function `(config, runs)` is the rule itself.
    """
    if hasattr(stopping, "stop_runs"):
        return stopping(**options) if isinstance(stopping, type) else stopping
    try:
        inspect.signature(stopping).bind({}, [])
    except TypeError:
        return stopping(dict(options))
    return stopping


def _searching(search: Any, config: SweepConfig, seed: int) -> OwnSearcher:
    if not is_optimiser(search):
        return CustomSearch(search, config)
    from .search.replay import ReplaySearch  # scipy: only who asks for it waits for it

    return ReplaySearch(search, config, seed)


def _values(run: Run, goals: Sequence[Goal]) -> str:
    pairs = zip(goals, summary_costs(run, goals), strict=True)
    return " ".join(f"{goal.metric}={goal.cost(cost):.6g}" for goal, cost in pairs)


def _named(program: Any) -> str:
    if isinstance(program, str):
        return program
    return getattr(program, "__name__", None) or " ".join(map(str, program))


def _nothing() -> None:
    """Somebody listens: that keeps the participant looking out for other processes' writes."""
