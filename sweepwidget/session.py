"""Which run does this line of code belong to? `init()`, and what `sweepwidget.run`, `.config` and `.log` mean here.

A trial is a ContextVar, so any number of thread agents keep their runs apart; a plain `init()` makes a run of the process's
own; a program started by an agent finds its run in its environment. Threads that user code starts itself belong to the
only active run, if there is just one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import secrets
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from attrs import define, evolve

from . import outages
from .active_run import Run
from .errors import Error, Fenced, RunStopped, StoreUnavailable, UsageError
from .farewell import Farewell, leave
from .loop import after_fork
from .model import Agent, AgentId, Outcome, Run as RunRow, RunId, RunState, SweepId
from .participant import LEASE_S, participant
from .patience import TRIAL_S, Patience
from .process import this_process
from .run_config import config_from, merged
from .store import Store
from .stores import current_store, store_at
from .term import termlog, termwarn


@define(eq=False)
class Trial:
    """What the code of one trial sees: the row it works on, and its handle once `init()` was called."""

    store: Store
    row: RunRow
    locked: frozenset[str] = frozenset()
    """Config keys that the sweep chose."""
    source: str = ""
    run: Run | None = None
    cancel: Callable[[], None] | None = None
    """Ends the trial's coroutine at its `await`, if it is one."""

    def may_cancel(self, cancel: Callable[[], None]) -> None:
        """An order to stop cancels the coroutine from now on: it need not reach its next `log()`."""
        self.cancel = cancel
        if self.run is not None and self.run.stop_ordered:
            cancel()

    def stop_ordered(self) -> None:
        if self.cancel is not None:
            self.cancel()


_trial: ContextVar[Trial | None] = ContextVar("sweepwidget_trial", default=None)
_lock = threading.Lock()
_open: list[Trial] = []
"""Trials of this process, in the order they began."""
_plain: Run | None = None
_unclosed: dict[str, Run] = {}
"""Runs that this process began with a plain `init()` and has not finished, by id."""
_attached: Trial | None = None


# -- the current run ------------------------------------------------------------------------------------------------


def current_run() -> Run | None:
    """The run of this context: its trial's, else the process's own, else the only active one."""
    trial = _trial.get()
    if trial is not None:
        return _live(trial.run)
    if _live(_plain):
        return _plain
    active = _anybodys()
    return active[0] if len(active) == 1 else None


def require_run(what: str) -> Run:
    """The current run, or W&B's error that there is none."""
    run = current_run()
    if run is not None:
        return run
    if _trial.get() is None and len(_anybodys()) > 1:
        raise Error(
            f"{len(_anybodys())} runs are active in this process and this thread belongs to none of them: "
            f"keep the run that init() returned and use run.log(...) instead of {what}"
        )
    raise Error(f"You must call wandb.init() before {what}")


def _anybodys() -> list[Run]:
    """The active runs to which a thread that nobody can place may belong; the main thread belongs to no trial of others."""
    if threading.current_thread() is threading.main_thread() and _attached is None:
        return []
    with _lock:
        return [run for trial in _open if (run := _live(trial.run))]


def _live(run: Run | None) -> Run | None:
    return run if run is not None and not run.finished else None


@contextlib.contextmanager
def trial(store: Store, row: RunRow, locked: frozenset[str], source: str = "") -> Iterator[Trial]:
    """The code inside works on `row`: `init()` returns its handle, which logs under the name `source`."""
    here = Trial(store, row, locked, source)
    token = _trial.set(here)
    with _lock:
        _open.append(here)
    try:
        yield here
    finally:
        with _lock:
            _open.remove(here)
        _trial.reset(token)


# -- init -----------------------------------------------------------------------------------------------------------


def init(
    entity: str | None = None,
    project: str | None = None,
    dir: str | None = None,  # noqa: A002
    id: str | None = None,  # noqa: A002
    name: str | None = None,
    notes: str | None = None,
    tags: Any = None,
    config: Any = None,
    config_exclude_keys: Any = None,
    config_include_keys: Any = None,
    allow_val_change: bool | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: str | None = None,
    reinit: Any = None,
    settings: Any = None,
    **others: Any,
) -> Run:
    """Begin (or find) the run of this code: `run = wandb.init(config={"lr": 0.1})`.

    Inside a trial of an agent it returns that trial's run, with the sweep's values over `config` (nested dicts are
    merged; `project`, `entity` and `id` are ignored with W&B's warning). Elsewhere it begins a run of its own, kept in the
    local store. `mode="disabled"` makes everything a no-op. Raises UsageError for keywords W&B does not know.
    """
    if unknown := others.keys() - _ACCEPTED:
        raise UsageError(f"init() got unknown arguments: {', '.join(sorted(unknown))}")
    given = _filtered(config_from(config), config_include_keys, config_exclude_keys)
    labels = {"name": name, "notes": notes, "group": group, "job_type": job_type, "tags": _tags(tags)}
    here = _trial.get() or _attach()
    run = (
        _init_trial(here, given, labels, {"project": project, "entity": entity, "id": id}, mode)
        if here is not None
        else _init_plain(given, labels, project, entity, id, mode, reinit)
    )
    if allow_val_change:
        run.config.__dict__["_allow"] = True
    run.settings = settings
    return run


_ACCEPTED = frozenset(
    [
        "force",
        "resume",
        "resume_from",
        "fork_from",
        "save_code",
        "tensorboard",
        "sync_tensorboard",
        "monitor_gym",
        "anonymous",
        "magic",
    ]
)


def _init_trial(
    here: Trial, given: Mapping[str, Any], labels: Mapping[str, Any], ignored: Mapping[str, Any], mode: str | None
) -> Run:
    for key, label in (("project", "project"), ("entity", "entity"), ("id", "run_id")):
        if ignored[key] is not None and ignored[key] != getattr(here.row, key):
            termwarn(f"Ignoring {label} {ignored[key]!r} when running a sweep.")
    row = here.row
    disabled = _mode(mode) == "disabled"
    config = {**given, **row.config} if disabled else merged(given, row.config)
    if here.run is not None:
        if not here.run.finished and not _in_notebook():
            termlog("init() again: the active run goes on (its config argument is not used)")
            return here.run
        here.run.reopen(merged(here.run.config.as_dict(), config))
        return here.run
    fields = {key: value for key, value in labels.items() if value}
    if config != row.config:
        fields["config"] = config
    if fields and not disabled:
        row = Patience(TRIAL_S).insist(lambda: here.store.update_run(here.row.id, **fields))
    say = _say_farewell if here.source else None
    here.run = Run(
        here.store,
        row,
        config=config,
        locked=() if disabled else here.locked,
        on_finish=say,
        on_preempting=say,
        on_stop=here.stop_ordered,
        source=here.source,
        jupyter=_in_notebook(),
        disabled=disabled,
    )
    participant(here.store).add(here.run)
    if here.source and not disabled:
        with contextlib.suppress(StoreUnavailable):  # training does not wait; what is logged is fenced later, if at all
            here.run.announce()
    return here.run


def _init_plain(
    given: Mapping[str, Any],
    labels: Mapping[str, Any],
    project: str | None,
    entity: str | None,
    run_id: str | None,
    mode: str | None,
    reinit: Any,
) -> Run:
    global _plain
    active = _live(_plain)
    if active is not None and reinit != "create_new":
        if reinit in (False, "return_previous") or (reinit in (None, "default") and not _in_notebook()):
            return active
        active.finish()
    if (run_id is not None and not re.fullmatch(r"[\w.-]{1,64}", str(run_id), re.ASCII)) or str(run_id).startswith("."):
        raise UsageError(
            f"init(id={run_id!r}): a run id has 1 to 64 letters, digits, '-', '_' and '.', and begins with none"
        )
    store = current_store()
    row = _plain_row(given, labels, project, entity, run_id)
    if _mode(mode) == "disabled":
        row = _disabled(row)
        run = Run(store, row, jupyter=True, disabled=True)
    else:
        row, owner = _begin(store, row)
        run = Run(store, row, jupyter=_in_notebook(), on_finish=lambda run: _close_plain(run, owner))
        participant(store).add(run)
        _unclosed[run.id] = run
        atexit.register(_close_at_exit)
    if reinit != "create_new":
        _plain = run
    return run


def _plain_row(
    given: Mapping[str, Any],
    labels: Mapping[str, Any],
    project: str | None = None,
    entity: str | None = None,
    run_id: str | None = None,
) -> RunRow:
    env = os.environ
    return RunRow(
        id=RunId(run_id or secrets.token_hex(4)),
        sweep_id=None,
        number=0,
        config=given,
        name=labels.get("name") or env.get("WANDB_NAME", ""),
        notes=labels.get("notes") or env.get("WANDB_NOTES", ""),
        tags=labels.get("tags") or _tags(env.get("WANDB_TAGS", "").split(",")),
        group=labels.get("group") or env.get("WANDB_RUN_GROUP", ""),
        job_type=labels.get("job_type") or "",
        project=project or env.get("WANDB_PROJECT") or "uncategorized",
        entity=entity or env.get("WANDB_ENTITY", ""),
        seed=secrets.randbits(31),
    )


def _begin(store: Store, row: RunRow) -> tuple[RunRow, AgentId]:
    """The run of no sweep, begun, and who keeps it."""
    owner = Agent(AgentId(secrets.token_hex(8)), SweepId(""), this_process(), backend="init")
    row = store.start_run(row, owner, LEASE_S)
    participant(store).keep(owner.id, None)
    return row, owner.id


@contextlib.contextmanager
def own_trial(config: Mapping[str, Any], seed: int | None = None) -> Iterator[Trial]:
    """A trial of no sweep: the code inside works on a run of its own with this config, which ends with it, however it ends."""
    store = current_store()
    row = _plain_row(config, {})
    row, owner = _begin(store, row if seed is None else evolve(row, seed=seed))
    outcome = Outcome(RunState.killed)
    try:
        with trial(store, row, frozenset(config)) as here:
            try:
                yield here
                code = here.run.exit_code if here.run is not None else None
                outcome = Outcome(RunState.failed if code else RunState.finished, code or 0)
            except RunStopped:
                ordered = here.run.stop_ordered if here.run is not None else None
                outcome = Outcome(ordered[1] if ordered else RunState.killed)
                raise
            except Exception:
                outcome = Outcome(RunState.failed, 1, traceback.format_exc())
                raise
    finally:
        _close_trial(here, owner, outcome)


def _close_trial(here: Trial, owner: AgentId, outcome: Outcome) -> None:
    store, run = here.store, here.run
    keeper = participant(store)
    try:
        if run is None:
            store.finish(here.row.id, here.row.attempt, outcome)
            return
        run.finished = True
        run.config._close()
        keeper.remove(run)
        run.close(evolve(outcome, summary=run.final_summary()))
    except Fenced as error:
        termwarn(f"run {here.row.id} was closed by somebody else: {error}")
    finally:
        keeper.forget(owner)
        store.leave(owner)


def _disabled(row: RunRow) -> RunRow:
    return evolve(row, name=f"dummy-{row.id}", project="dummy")


def _close_plain(run: Run, owner: AgentId) -> None:
    here = participant(run._store)
    state = RunState.failed if run.exit_code else RunState.finished
    try:
        run.close(Outcome(state, run.exit_code or 0, summary=run.final_summary()))
    except Fenced as error:
        termwarn(f"run {run.id} was closed by somebody else: {error}")
    except (StoreUnavailable, KeyboardInterrupt, SystemExit):
        run.finished = False  # it is kept as before, and closed when its user, or the end of the script, tries again
        raise
    finally:
        if run.finished:
            _unclosed.pop(run.id, None)
            if not _unclosed:
                atexit.unregister(_close_at_exit)
            here.remove(run)
            here.forget(owner)
            run._store.leave(owner)


def _close_at_exit() -> None:
    """A script that ends closes its runs: as failed when an exception ended it (Python leaves it in `sys.last_value`)."""
    crashed = not _in_notebook() and getattr(sys, "last_value", None) is not None
    runs = list(_unclosed.values())
    _unclosed.clear()  # this is the last time that anybody tries
    for run in runs:
        if run.pid == os.getpid():  # a forked child that leaves by sys.exit must leave its parent's runs alone
            try:
                run.finish(exit_code=1 if crashed else 0)
            except StoreUnavailable as error:  # the others may be in another store
                termwarn(f"run {run.id} could not be closed: {error}")


def _attach() -> Trial | None:
    """The run that the agent which started this program (or its parent) claimed for it."""
    global _attached
    mark = os.environ.get("SWEEPWIDGET_RUN", "")
    if not mark:
        return None
    known = _attached
    if known is not None and (mark, _own_source()) == (f"{known.row.id}:{known.row.attempt}", known.source):
        return known
    outages.hush()
    run_id, _, attempt = mark.partition(":")
    url, insist = os.environ.get("SWEEPWIDGET_STORE"), Patience(TRIAL_S).insist
    store = insist(lambda: store_at(url) if url else current_store())
    row = insist(lambda: store.run(RunId(run_id)))
    if row.ended or str(row.attempt) != attempt:
        raise Error(
            f"this program was started for run {run_id} (attempt {attempt}), which is {row.state.value} "
            f"(attempt {row.attempt}) by now; unset SWEEPWIDGET_RUN to start a run of its own"
        )
    _attached = Trial(store, row, insist(lambda: _locked_by(store, row)), source=_own_source())
    with _lock:
        if known in _open:  # that of the process that forked this one
            _open.remove(known)
        _open.append(_attached)
    atexit.register(_leave_attached, _attached)
    return _attached


def _locked_by(store: Store, row: RunRow) -> frozenset[str]:
    parameters = store.sweep(row.sweep_id).config.get("parameters", {}) if row.sweep_id else {}
    return frozenset(parameters) & row.config.keys()


def _own_source() -> str:
    return f"p{os.getpid()}"


def _leave_attached(here: Trial) -> None:
    if here.run is not None and here.source == _own_source():
        _say_farewell(here.run)


def _say_farewell(run: Run) -> None:
    """The agent that started this program closes its run: it must have all points, and know what they do not say."""
    with contextlib.suppress(Error, OSError):
        run.flush()
        farewell = Farewell(run.final_summary(), run.exit_code or 0, run.preempting)
        leave(run._folder, run.attempt, _own_source(), farewell)


def finish(exit_code: int | None = None, quiet: bool | None = None) -> None:
    """End the current run, if there is one."""
    run = current_run()
    if run is not None:
        run.finish(exit_code, quiet)


# -- small things ---------------------------------------------------------------------------------------------------


_MODES = ("online", "offline", "disabled", "shared", "dryrun", "run")


def _mode(given: str | None) -> str:
    mode = given or os.environ.get("WANDB_MODE", "") or "online"
    if mode not in _MODES:
        raise UsageError(f"mode must be one of {', '.join(_MODES)}, not {mode!r}")
    return mode


def _tags(tags: Any) -> tuple[str, ...]:
    return (tags,) if isinstance(tags, str) else tuple(str(tag) for tag in tags or () if str(tag))


def _filtered(config: dict[str, Any], include: Any, exclude: Any) -> dict[str, Any]:
    if include:
        return {key: value for key, value in config.items() if key in set(include)}
    return {key: value for key, value in config.items() if key not in set(exclude or ())}


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def _in_child() -> None:
    global _lock
    _lock = threading.Lock()


after_fork(_in_child)
