"""What the page may ask for: one function per command, called on a worker thread with the desk and the page's message.

Each checks what it was given, does one thing with the store, and raises an Error, in words for people, where it cannot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from .. import api
from ..autocontroller import failure_of, traceback_of
from ..errors import ConfigError, UsageError
from ..model import BY_HAND, AgentId, Run, RunId, RunState, Scope, Suggestion, Sweep, SweepId, SweepState
from ..sweepconfig import SweepConfig
from . import drafts, looks, narrowing
from .messages import clean, unmarked
from .plots import MOST_PLOTS, Plot, Watch

if TYPE_CHECKING:
    from .desk import Desk


MOST_RUNS = 1_000_000
"""That a sweep can be extended by at once."""


@frozen(eq=False)
class Answer:
    """`result` of `done`, and its buffer."""

    result: Any = None
    buffer: bytes = field(default=b"", repr=False)


@frozen
class Command:
    """How a command is done."""

    do: Callable[[Desk, Mapping[str, Any]], Answer]
    lane: str
    """Commands of one lane are done one after another."""
    scope: Scope = Scope.observe
    """What a link must allow."""


def problems_of(error: ConfigError) -> list[dict[str, str]]:
    """`Problem`s of protocol.ts."""
    return [drafts.problem(text) for text in error.problems]


# -- pages and plots --------------------------------------------------------------------------------------------------


def _hello(desk: Desk, given: Mapping[str, Any]) -> Answer:
    desk.pages.add(_text(given, "page"))
    desk.plots = {name: Plot(name, plot.watch) for name, plot in desk.plots.items()}
    desk.resting, desk.behind = False, True
    return Answer()


def _bye(desk: Desk, given: Mapping[str, Any]) -> Answer:
    desk.pages.discard(_text(given, "page"))
    desk.resting = not desk.pages
    return Answer()


def _need(desk: Desk, given: Mapping[str, Any]) -> Answer:
    desk.say_asset(_text(given, "asset"))
    return Answer()


def _watch(desk: Desk, given: Mapping[str, Any]) -> Answer:
    name = _text(given, "plot")
    if name not in desk.plots and len(desk.plots) >= MOST_PLOTS:
        raise UsageError(f"watch: {MOST_PLOTS} plots are watched already; unwatch one of them first")
    plot = Plot(name, Watch.parse(given))
    desk.plots = {**desk.plots, name: plot}
    return Answer()


def _unwatch(desk: Desk, given: Mapping[str, Any]) -> Answer:
    name = _text(given, "plot")
    desk.plots = {known: plot for known, plot in desk.plots.items() if known != name}
    return Answer()


# -- orders -----------------------------------------------------------------------------------------------------------


def _pause(desk: Desk, given: Mapping[str, Any]) -> Answer:
    api.pause(_sweep_id(desk), desk.store)
    return Answer()


def _resume(desk: Desk, given: Mapping[str, Any]) -> Answer:
    sweep = _sweep(desk)
    if sweep.state is SweepState.FINISHED:
        desk.store.set_state(sweep.id, SweepState.RUNNING, "")
    else:
        api.resume(sweep.id, desk.store)
    if failure_of(sweep):
        desk.staff.again(desk, _sweep(desk))
    return Answer()


def _stop(desk: Desk, given: Mapping[str, Any]) -> Answer:
    api.stop(_sweep_id(desk), desk.store)
    if given.get("now"):
        running = [run.id for run in desk.store.runs(_sweep_id(desk)) if run.state is RunState.running]
        desk.store.stop(running, "stopped by the user", RunState.killed)
    return Answer()


def _cancel(desk: Desk, given: Mapping[str, Any]) -> Answer:
    api.cancel(_sweep_id(desk), desk.store)
    return Answer()


def _stop_run(desk: Desk, given: Mapping[str, Any]) -> Answer:
    desk.store.stop([_run(desk, given).id], "stopped by the user", RunState.killed)
    return Answer()


def _stop_agent(desk: Desk, given: Mapping[str, Any]) -> Answer:
    agent = AgentId(_text(given, "agent"))
    if all(agent != known.id for known in desk.store.agents(_sweep_id(desk))):
        raise UsageError(f"sweep {desk.sweep_id} has no agent {agent!r:.80}")
    desk.store.dismiss([agent])
    if given.get("now"):
        runs = desk.store.runs(_sweep_id(desk))
        its = [run.id for run in runs if run.agent_id == agent and run.state is RunState.running]
        desk.store.stop(its, "its agent was stopped", RunState.killed)
    return Answer()


def _start_agents(desk: Desk, given: Mapping[str, Any]) -> Answer:
    backend, function = given.get("backend", "thread"), given.get("function")
    crew = desk.staff.start(desk, _sweep(desk), given.get("n", 1), backend, function, given.get("count"))
    return Answer({"crew": crew})


def _scale(desk: Desk, given: Mapping[str, Any]) -> Answer:
    return Answer({"n": desk.staff.scale(desk, _sweep(desk), given.get("n"))})


# -- runs -------------------------------------------------------------------------------------------------------------


def _enqueue(desk: Desk, given: Mapping[str, Any]) -> Answer:
    config = drafts.run_config(SweepConfig.parse(_sweep(desk).config).space, unmarked(given.get("config")))
    return _enqueued(desk, Suggestion(config, {"why": "added by hand", BY_HAND: True}))


def _retry_run(desk: Desk, given: Mapping[str, Any]) -> Answer:
    run = _run(desk, given)
    return _enqueued(
        desk, Suggestion(run.config, {"why": f"run {run.number} again", "again": run.id, BY_HAND: True}), run.seed
    )


def _enqueued(desk: Desk, suggestion: Suggestion, seed: int | None = None) -> Answer:
    from ..steering import run_seed

    sweep = _sweep(desk)
    number = max((run.number for run in desk.store.runs(sweep.id)), default=0) + 1
    run = desk.store.enqueue(sweep.id, suggestion, run_seed(sweep.seed, number) if seed is None else seed)
    return Answer({"run": run.id})


def _update_run(desk: Desk, given: Mapping[str, Any]) -> Answer:
    run = _run(desk, given)
    fields: dict[str, Any] = {}
    for name in ("name", "notes"):
        if name in given:
            fields[name] = _text(given, name)
    tags = given.get("tags")
    if tags is not None:
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise UsageError("update_run: tags is a list of texts")
        fields["tags"] = tags
    desk.store.update_run(run.id, **fields)
    return Answer()


# -- configurations ---------------------------------------------------------------------------------------------------


def _validate(desk: Desk, given: Mapping[str, Any]) -> Answer:
    return Answer(drafts.validated(_draft(given)))


def _preview(desk: Desk, given: Mapping[str, Any]) -> Answer:
    config = SweepConfig.parse(_draft(given))
    desk.edited(config, told=given.get("told", ""))
    with desk.feed.looking:
        return Answer(*drafts.preview(config, desk.feed.mirror))


def _apply(desk: Desk, given: Mapping[str, Any]) -> Answer:
    sweep = drafts.applied(desk.store, desk.sweep_id, SweepConfig.parse(_draft(given)))
    if desk.sweep_id is None:
        desk.attach(sweep.id)
    return Answer({"sweep_id": sweep.id, "config_version": sweep.config_version})


def _extend(desk: Desk, given: Mapping[str, Any]) -> Answer:
    more, sweep = given.get("runs"), _sweep(desk)
    if not isinstance(more, int) or isinstance(more, bool) or not 1 <= more <= MOST_RUNS:
        raise UsageError(f"extend: runs is a number of runs from 1 to {MOST_RUNS}, not {more!r:.40}")
    config = dict(sweep.config)
    config["run_cap"] = max(SweepConfig.parse(config).run_cap or 0, len(desk.store.runs(sweep.id))) + more
    extended = drafts.applied(desk.store, sweep.id, SweepConfig.parse(config))
    return Answer({"run_cap": config["run_cap"], "config_version": extended.config_version})


def _narrow(desk: Desk, given: Mapping[str, Any]) -> Answer:
    k = given.get("k")
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise UsageError(f"narrow: k is a number of runs, 1 or more, not {k!r:.40}")
    with desk.feed.looking:
        config, best = desk.feed.mirror.config, desk.feed.mirror.ranked(k)
    if config is None or not best:
        raise UsageError(f"sweep {desk.sweep_id} has no best runs yet: they need a value of its metric")
    code = drafts.as_call(narrowing.narrowed(config, best), [run.id for run in best])
    return Answer({"python": clean(code), "runs": len(best)})


def _failure(desk: Desk, given: Mapping[str, Any]) -> Answer:
    return Answer({"traceback": clean(traceback_of(desk.store, _sweep(desk)))})


def _undo_config(desk: Desk, given: Mapping[str, Any]) -> Answer:
    configs = dict(desk.store.configs(_sweep_id(desk)))
    wanted = given.get("version")
    version = wanted if wanted is not None else max(configs) - 1
    if version not in configs:
        raise UsageError(f"sweep {desk.sweep_id} has no version {version} of its configuration to go back to")
    sweep = drafts.applied(desk.store, desk.sweep_id, SweepConfig.parse(configs[version]))
    return Answer({"config_version": sweep.config_version})


def _draft(given: Mapping[str, Any]) -> Any:
    draft = given.get("draft")
    # A line that is no JSON could be taken for a path: a draft is never one.
    return f"{draft}\n" if isinstance(draft, str) else unmarked(draft)


# -- what they are given ----------------------------------------------------------------------------------------------


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise UsageError(f"{given.get('type')}: {name} is a text, not {value!r:.80}")
    return value


def _sweep_id(desk: Desk) -> SweepId:
    if desk.sweep_id is None:
        raise UsageError("there is no sweep yet: apply the draft first")
    return desk.sweep_id


def _sweep(desk: Desk) -> Sweep:
    return desk.store.sweep(_sweep_id(desk))


def _run(desk: Desk, given: Mapping[str, Any]) -> Run:
    run_id = _text(given, "run")
    run = desk.store.run(RunId(run_id)) if re.fullmatch(r"[\w.-]{1,200}", run_id) else None
    if run is None or run.sweep_id != desk.sweep_id:
        raise UsageError(f"sweep {desk.sweep_id} has no run {run_id!r:.80}")
    return run


def _look(look: Callable[..., tuple[Any, bytes]], *names: str) -> Callable[[Desk, Mapping[str, Any]], Answer]:
    def do(desk: Desk, given: Mapping[str, Any]) -> Answer:
        return Answer(*look(desk.store, _sweep(desk), *(given.get(name) for name in names)))

    return do


def _detail(desk: Desk, given: Mapping[str, Any]) -> Answer:
    return Answer(looks.detail(desk.store, _run(desk, given)))


_RUN, _CONTROL = Scope.run, Scope.control
COMMANDS: Mapping[str, Command] = {
    "hello": Command(_hello, "pages"),
    "bye": Command(_bye, "pages"),
    "need": Command(_need, "pages"),
    "watch": Command(_watch, "pages"),
    "unwatch": Command(_unwatch, "pages"),
    "pause": Command(_pause, "orders", _CONTROL),
    "resume": Command(_resume, "orders", _CONTROL),
    "stop": Command(_stop, "orders", _CONTROL),
    "cancel": Command(_cancel, "orders", _CONTROL),
    "stop_run": Command(_stop_run, "orders", _RUN),
    "stop_agent": Command(_stop_agent, "orders", _RUN),
    "retry_run": Command(_retry_run, "orders", _CONTROL),
    "enqueue": Command(_enqueue, "orders", _CONTROL),
    "update_run": Command(_update_run, "orders", _RUN),
    "apply": Command(_apply, "orders", _CONTROL),
    "undo_config": Command(_undo_config, "orders", _CONTROL),
    "extend": Command(_extend, "orders", _CONTROL),
    "start_agents": Command(_start_agents, "staff", _RUN),
    "scale": Command(_scale, "staff", _RUN),
    "validate": Command(_validate, "drafts"),
    "preview": Command(_preview, "drafts"),
    "versions": Command(_look(looks.versions), "looks"),
    "detail": Command(_detail, "looks"),
    "narrow": Command(_narrow, "looks"),
    "failure": Command(_failure, "looks"),
    "figure": Command(_look(looks.figure, "name", "options"), "figures"),
    "export": Command(_look(looks.export, "kind"), "files"),
}
