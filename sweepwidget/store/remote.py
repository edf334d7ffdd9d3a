"""The store behind a hub: every verb is a call over HTTP, and every call may be repeated.

While the hub is away nothing is lost: what is logged waits in the spool, agents try again, and a call whose answer got lost
is sent once more. What the hub does with a repeated call is said in wire.py; what it cannot know after a restart, the
methods here find out by looking (`create_sweep`, `add_runs`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
import warnings
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import evolve

from ..errors import Error, StoreError, StoreUnavailable, SweepNotFound, UsageError
from ..links import is_exposed, make_link, parse_link
from ..model import (
    WAITING,
    Agent,
    AgentId,
    Changes,
    Column,
    Cursor,
    Lease,
    Outcome,
    Points,
    Process,
    Run,
    RunId,
    RunState,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)
from ..process import is_alive
from ..term import termlog
from ..wire import MAX_BODY, VERBS, Denied, encode_call
from . import outcomes
from .hubclient import HubClient, TooLarge
from .news import News
from .outcomes import Kept
from .pieces import halves
from .rows import dumps, new_run_id
from .spool import discard, leftovers, owners

log = logging.getLogger(__name__)

_QUIET = frozenset({"acquire", "release", "claim", "heartbeat", "log", "remember", "expire"})
"""Calls that ring no bell here: renewed leases, and what comes back as news when it matters. A claim rings if it got a run."""


class RemoteStore:
    """The sweeps of a hub, or the one sweep that the link is for.

    >>> store = RemoteStore("https://hub.example.org/3k9x0q2a#…", folder)      # doctest: +SKIP

    `home` is where this user's files of hubs are kept: spools and outputs wait there until they are delivered.
    """

    refusal = ""  # the hub says it of the token, when it is asked for more

    def __init__(self, link: str, home: Path) -> None:
        place = parse_link(link)
        if is_exposed(place.base):
            warnings.warn(
                f"{place.base} is reached without encryption: whoever is on the way can read the token and use the sweep. "
                "Share it by https://",
                stacklevel=3,
            )
        self.link: str = make_link(place.base, place.sweep_id, place.token)
        self.url = f"{place.base}/{place.sweep_id}" if place.sweep_id else place.base
        self.folder = home / _folder_name(place.base)
        self.sweep_id = place.sweep_id
        """The sweep that the link is for; None: all of the store."""
        self._client = HubClient(place, self.url, self.folder)
        self._news = News(self._wait)
        self._bells = _bells.setdefault(self.url, [])
        self._subscribed: list[Callable[[], None]] = []
        self._largest = MAX_BODY
        """Bytes of a body that are worth trying."""
        self._joined: dict[AgentId, SweepId] = {}
        _stores.add(self)

    def __repr__(self) -> str:
        return f"<RemoteStore {self.url}>"

    def _call(self, verb: str, **args: Any) -> Any:
        self._use(verb, args)
        result = self._client.call(verb, _body(verb, args))
        if (VERBS[verb].mutates and verb not in _QUIET) or (verb == "claim" and result is not None):
            self._ring()
        return result

    def _use(self, verb: str, args: Mapping[str, Any]) -> None:
        """The sweeps of a call are of interest, and so are those of agents that live."""
        sweep_ids = {args.get("sweep_id"), getattr(args.get("lease") or args.get("agent"), "sweep_id", None)}
        sweep_ids |= {self._joined.get(agent_id) for agent_id in args.get("agent_ids", ())}
        # Whoever reads points or steers wants to know how runs get on, not only of orders.
        follows = verb == "acquire" or (verb == "changes" and args["keys"] != ())
        for sweep_id in filter(None, sweep_ids):
            self._news.use(sweep_id, follows)

    # -- anyone -------------------------------------------------------------------------------------------------

    def create_sweep(self, sweep: Sweep) -> Sweep:
        sweep = evolve(sweep, created_at=sweep.created_at or time.time())
        try:
            made: Sweep = self._call("create_sweep", sweep=sweep)
        except Denied:
            raise
        except UsageError:
            known = self.sweep(sweep.id)
            if (known.created_at, known.seed, known.config) != (
                sweep.created_at,
                sweep.seed,
                json.loads(dumps(sweep.config)),
            ):
                raise
            return known  # the first try made it, and its answer got lost
        return made

    def sweep(self, sweep_id: SweepId) -> Sweep:
        found: Sweep = self._call("sweep", sweep_id=sweep_id)
        return found

    def sweeps(self) -> Sequence[Sweep]:
        if self.sweep_id is not None:
            return [self.sweep(SweepId(self.sweep_id))]
        return list(self._call("sweeps"))

    def changes(self, sweep_id: SweepId, cursor: Cursor, keys: Collection[str] | None = None) -> Changes:
        pages: list[Changes] = []
        while not pages or pages[-1].more:
            pages.append(self._call("changes", sweep_id=sweep_id, cursor=cursor, keys=keys))
            cursor = pages[-1].cursor
        return pages[0] if len(pages) == 1 else _joined(pages)

    def stop(self, run_ids: Collection[RunId], reason: str, state: RunState = RunState.stopped) -> None:
        self._call("stop", run_ids=run_ids, reason=reason, state=state)

    def set_state(self, sweep_id: SweepId, state: SweepState, reason: str = "", lease: Lease | None = None) -> Sweep:
        sweep: Sweep = self._call("set_state", sweep_id=sweep_id, state=state, reason=reason, lease=lease)
        return sweep

    def update_config(self, sweep_id: SweepId, config: Mapping[str, Any]) -> Sweep:
        sweep: Sweep = self._call("update_config", sweep_id=sweep_id, config=config)
        return sweep

    def configs(self, sweep_id: SweepId) -> Sequence[tuple[int, Mapping[str, Any]]]:
        return list(self._call("configs", sweep_id=sweep_id))

    def enqueue(self, sweep_id: SweepId, suggestion: Suggestion, seed: int) -> Run:
        run: Run = self._call("enqueue", sweep_id=sweep_id, suggestion=suggestion, seed=seed)
        return run

    # -- the controller -----------------------------------------------------------------------------------------

    def acquire(
        self, sweep_id: SweepId, owner: str, process: Process, ttl_s: float, force: bool = False
    ) -> Lease | None:
        lease: Lease | None = self._call(
            "acquire", sweep_id=sweep_id, owner=owner, process=process, ttl_s=ttl_s, force=force
        )
        return lease

    def release(self, lease: Lease) -> None:
        self._call("release", lease=lease)

    def add_runs(self, lease: Lease, suggestions: Sequence[Suggestion], seeds: Sequence[int]) -> Sequence[Run]:
        if not suggestions:
            return []
        body = _body("add_runs", {"lease": lease, "suggestions": suggestions, "seeds": seeds})
        added = self._client.call("add_runs", body, lambda: self._added(lease, suggestions, seeds))
        self._ring()
        return list(added)

    def _added(self, lease: Lease, suggestions: Sequence[Suggestion], seeds: Sequence[int]) -> Sequence[Run] | None:
        """These runs, if they were added; a seed is a run's own (see steering.py)."""
        runs = [run for run in self.runs(lease.sweep_id) if run.seed in seeds][-len(seeds) :]
        wanted = [(json.loads(dumps(one.config)), seed) for one, seed in zip(suggestions, seeds, strict=True)]
        return runs if [(run.config, run.seed) for run in runs] == wanted else None

    def withdraw(self, lease: Lease, run_ids: Collection[RunId]) -> None:
        self._call("withdraw", lease=lease, run_ids=run_ids)

    def expire(self, lease: Lease | None, max_attempts: int = 3) -> Sequence[Run]:
        return list(self._call("expire", lease=lease, max_attempts=max_attempts))

    # -- agents -------------------------------------------------------------------------------------------------

    def join(self, agent: Agent, ttl_s: float) -> None:
        self._settle(agent.sweep_id)  # first: the hub looks who has died when somebody joins
        self._call("join", agent=agent, ttl_s=ttl_s)
        self._joined[agent.id] = agent.sweep_id

    def leave(self, agent_id: AgentId) -> None:
        self._call("leave", agent_id=agent_id)
        sweep_id = self._joined.pop(agent_id, None)
        if sweep_id is not None and not self._joined:
            self._settle(sweep_id)

    def allow(self, crew: str, sweep_id: SweepId, runs: int | None) -> None:
        self._call("allow", crew=crew, sweep_id=sweep_id, runs=runs)

    def dismiss(self, agent_ids: Collection[AgentId]) -> None:
        self._call("dismiss", agent_ids=agent_ids)

    def claim(self, agent_id: AgentId, request_id: str, wanted: int | None = None) -> Run | None:
        while True:
            run: Run | None = self._call("claim", agent_id=agent_id, request_id=request_id, wanted=wanted)
            if run is None or run.attempt == 1 or not (run.ended or self._has_been_tried(run)):
                return run
            request_id += "+"

    def start_run(self, run: Run, agent: Agent, ttl_s: float) -> Run:
        begun: Run = self._call("start_run", run=evolve(run, id=run.id or new_run_id()), agent=agent, ttl_s=ttl_s)
        return begun

    def heartbeat(self, agent_ids: Collection[AgentId], ttl_s: float) -> Mapping[RunId, Run]:
        told: Mapping[RunId, Run] = self._call("heartbeat", agent_ids=agent_ids, ttl_s=ttl_s)
        return told

    def log(self, points: Points) -> None:
        body = _body("log", {"points": points})
        if len(body) <= self._largest:
            try:
                self._client.call("log", body)
                return
            except TooLarge:
                self._largest = min(self._largest, len(body) - 1)
        pieces = halves(points)
        if pieces is None:
            self._log_row(points, len(body))
            return
        for piece in pieces:
            self.log(piece)

    def _log_row(self, points: Points, size: int) -> None:
        """A single row that is too large: its numbers are kept, because what is logged must not end the training."""
        if not points.records:
            raise StoreError(f"run {points.run_id} logged a row of {size} bytes, more than the hub takes at once")
        log.warning(
            "run %s logged values that are no numbers at step %s, %d bytes of them: the hub takes no such row, and they are "
            "left out. Save them as a file.",
            points.run_id,
            points.records[0][0],
            size,
        )
        self.log(evolve(points, records=()))

    def finish(self, run_id: RunId, attempt: int, outcome: Outcome, points: Points | None = None) -> Run:
        args = {"run_id": run_id, "attempt": attempt, "outcome": outcome}
        body = _body("finish", {**args, "points": points})
        try:
            if points is not None and len(body) > self._largest:
                raise TooLarge
            closed: Run = self._client.call("finish", body)
        except TooLarge:
            if points is None:
                raise
            self.log(points)
            return self.finish(run_id, attempt, outcome)
        self._ring()
        return closed

    # -- one run ------------------------------------------------------------------------------------------------

    def run(self, run_id: RunId) -> Run:
        run: Run = self._call("run", run_id=run_id)
        return run

    def runs(self, sweep_id: SweepId | None = None, project: str | None = None) -> Sequence[Run]:
        return list(self._call("runs", sweep_id=sweep_id, project=project))

    def agents(self, sweep_id: SweepId) -> Sequence[Agent]:
        return list(self._call("agents", sweep_id=sweep_id))

    def columns(self, run_id: RunId, attempt: int | None = None) -> Mapping[str, Column]:
        columns: Mapping[str, Column] = self._call("columns", run_id=run_id, attempt=attempt)
        return columns

    def records(self, run_id: RunId, attempt: int | None = None) -> Sequence[tuple[int, Mapping[str, Any]]]:
        return list(self._call("records", run_id=run_id, attempt=attempt))

    def known_offsets(self, run_id: RunId, attempt: int) -> Mapping[str, int]:
        offsets: Mapping[str, int] = self._call("known_offsets", run_id=run_id, attempt=attempt)
        return offsets

    def update_run(self, run_id: RunId, **fields: Any) -> Run:
        if unknown := fields.keys() - VERBS["update_run"].options.keys():
            raise UsageError(
                f"update_run() cannot change {', '.join(sorted(unknown))} of a run; it can change "
                f"{', '.join(VERBS['update_run'].options)}"
            )
        run: Run = self._call("update_run", run_id=run_id, **fields)
        return run

    def delete_run(self, run_id: RunId) -> None:
        self._call("delete_run", run_id=run_id)

    def remember(self, key: str, text: str) -> None:
        self._call("remember", key=key, text=text)

    def recall(self, key: str) -> str:
        return str(self._call("recall", key=key))

    # -- waking -------------------------------------------------------------------------------------------------

    def subscribe(self, bell: Callable[[], None]) -> Callable[[], None]:
        self._bells.append(bell)

        def end() -> None:
            if bell in self._bells:
                self._bells.remove(bell)

        self._subscribed.append(end)
        return end

    def changed_elsewhere(self) -> bool:
        """Whether there is news of a sweep that was used here within the last minute; also while the hub is away, once in
        a while, because nobody knows.
        """
        return self._news.changed()

    def close(self) -> None:
        for end in self._subscribed:
            end()
        self._news.close()
        self._client.close()

    def _wait(self, sweep_id: SweepId, version: int, timeout_s: float, progress: bool) -> int:
        args = {"sweep_id": sweep_id, "version": version, "timeout_s": timeout_s, "progress": progress}
        body = _body("wait", args)
        return int(self._client.call("wait", body))

    # -- what processes that died here have left ------------------------------------------------------------------

    def _settle(self, sweep_id: SweepId) -> None:
        """Deliver how runs of a sweep ended, and what was logged of those that are still their dead process's; remove what is
        left of those that were closed without it.
        """
        kept = {(one.run_id, one.attempt): one for one in outcomes.all_kept(self.folder)}
        left = owners(self.folder) | kept.keys()
        if not left:
            return
        self.sweep(sweep_id)  # says at once that the hub is away; the calls below would wait for it
        for run_id, attempt in left:
            one = kept.get((RunId(run_id), attempt))
            if one is not None and (one.is_anothers or one.sweep_id != sweep_id):
                continue
            try:
                self._settle_run(self.run(RunId(run_id)), attempt, one)
            except (StoreUnavailable, Denied):
                raise
            except SweepNotFound:
                if one is not None:  # it was deleted
                    outcomes.clear(self.folder, run_id, attempt)
            except Error as error:  # no reason not to join
                log.warning("what run %s left here is kept: %s", run_id, error)

    def _settle_run(self, run: Run, attempt: int, one: Kept | None) -> None:
        if run.state is RunState.running and run.attempt == attempt:
            if one is not None:
                self._deliver(one, run)
            elif self._is_killed(run):
                for points in leftovers(self.folder, run.id, attempt, self.known_offsets(run.id, attempt)):
                    self.log(points)
        elif run.ended:
            outcomes.clear(self.folder, run.id, attempt)
        elif run.attempt != attempt and not (one is not None and run.state in WAITING):
            discard(self.folder, run.id, attempt)

    def _is_killed(self, run: Run) -> bool:
        """Whether the process that has the run was one of this machine, and is dead."""
        agents = self.agents(SweepId(run.sweep_id)) if run.sweep_id else ()
        return any(agent.id == run.agent_id and is_alive(agent.process) is False for agent in agents)

    def _has_been_tried(self, run: Run) -> bool:
        """Whether this run, which was given back and claimed anew, was tried to its end here before; if so, it is closed."""
        found = [one for one in outcomes.all_kept(self.folder) if one.run_id == run.id and not one.is_anothers]
        one = max(found, key=lambda one: one.attempt, default=None)
        if one is None or one.outcome.state is RunState.preempted or not outcomes.is_whole(self.folder, one):
            return False
        self._deliver(one, run)
        return True

    def _deliver(self, one: Kept, run: Run) -> None:
        closed = outcomes.deliver(self, one, run)
        termlog(f"Run {closed.name} had ended while the hub was away ({closed.state.value}): it is delivered now.")

    def _ring(self) -> None:
        for bell in tuple(self._bells):
            try:
                bell()
            except Exception:
                log.exception("a bell of %s failed", self.url)


_bells: dict[str, list[Callable[[], None]]] = {}
"""By hub and sweep: several store objects of one process ring the same bells."""


def _joined(pages: Sequence[Changes]) -> Changes:
    """As if it had come at once: of what changed between two pages, the later."""
    return Changes(
        pages[-1].cursor,
        next((page.sweep for page in reversed(pages) if page.sweep is not None), None),
        tuple({run.id: run for page in pages for run in page.runs}.values()),
        tuple({agent.id: agent for page in pages for agent in page.agents}.values()),
        tuple(chunk for page in pages for chunk in page.chunks),
    )


def _body(verb: str, args: Mapping[str, Any]) -> bytes:
    try:
        return encode_call(verb, args)
    except (TypeError, ValueError, RecursionError):  # a user's value that is no JSON: written as every store writes it
        return encode_call(verb, args, plain=lambda value: json.loads(dumps(value)))


def _folder_name(base: str) -> str:
    """`hub.example.org-1f3a9c2e`: for people, and different for every hub."""
    host = re.sub(r"[^a-z0-9.-]+", "-", urlsplit(base).netloc)[:40]
    return f"{host}-{hashlib.sha256(base.encode()).hexdigest()[:8]}"


_stores: weakref.WeakSet[RemoteStore] = weakref.WeakSet()


def _in_child() -> None:
    """After a fork: connections, threads and listeners are the parent's."""
    for store in tuple(_stores):
        store._client.leave_to_parent()
        store._news = News(store._wait)
        store._bells.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
