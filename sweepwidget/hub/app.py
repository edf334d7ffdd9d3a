"""What a token may do, and doing it: a hub without its HTTP.

A token of one sweep must not read, change or even learn of anything else in the store: what belongs to another sweep is
answered as if it did not exist.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ..errors import SweepNotFound, UsageError
from ..model import AgentId, Changes, Cursor, Points, Run, RunId, Sweep, SweepId, Token
from ..store import Store, TokenStore
from ..wire import VERBS, Denied, WireError
from .limits import AGENTS, IDS, NAME, TTL_S, Refused, too_many
from .tokens import check_scope

_NEW_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}").fullmatch
"""An id becomes part of links and, with whoever looks at a run, of file names."""
_REMEMBERED = 100_000


class SharedStore(Store, TokenStore, Protocol):
    """A store that a hub can serve."""

    def changes(
        self, sweep_id: SweepId, cursor: Cursor, keys: Collection[str] | None = None, in_pages: bool = False
    ) -> Changes:
        """`in_pages`: no more at once than is good for a message; `Changes.more` says whether there is more."""

    def together(self) -> AbstractContextManager[object]:
        """What `claim`, `log` and `finish` write in the block may be one transaction; if its end raises, nothing is written."""


class App:
    """One store, as the holders of its tokens see it. Blocking and thread-safe, as the store is."""

    def __init__(self, store: SharedStore) -> None:
        self.store = store
        self._of_run: dict[RunId, SweepId] = {}
        self._of_agent: dict[AgentId, SweepId] = {}

    def dispatch(self, token: Token, verb: str, args: Mapping[str, Any]) -> Any:
        """Do what a call asks, if its token allows it. Raises Denied, Refused, WireError and what the store raises."""
        return self.perform(verb, self.admit(token, verb, args))

    def admit(self, token: Token, verb: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments with which a token may make a call."""
        check_scope(token, VERBS[verb].scope)
        _check_amounts(verb, args)
        if token.sweep_id is not None:
            args = self._confined(token.sweep_id, verb, args)
        if verb == "finish":
            _check_own(args.get("points"), args["run_id"], args["attempt"])
        if verb == "join":
            self._check_room(args["agent"].sweep_id, args["agent"].id)
        return args

    def perform(self, verb: str, args: Mapping[str, Any]) -> Any:
        """Make a call that was admitted."""
        try:
            if verb == "changes":  # all of a large sweep at once would fill the memory here
                return self.store.changes(**args, in_pages=True)
            result = getattr(self.store, verb)(**args)
        except (UnicodeEncodeError, OverflowError) as error:  # no text or number that any store could hold
            raise WireError(f"{verb}: {error}") from error
        if isinstance(result, Run):  # the next calls will be about it
            _keep(self._of_run, result.id, result.sweep_id)
        return result

    def sweeps_at_work(self, verb: str, args: Mapping[str, Any]) -> set[SweepId]:
        """The sweeps that agents work on and need steered, if this is a call of theirs."""
        if verb == "join":
            return {args["agent"].sweep_id}
        if verb not in ("claim", "heartbeat"):
            return set()
        agent_ids = args["agent_ids"] if verb == "heartbeat" else [args["agent_id"]]
        return {sweep_id for one in agent_ids if (sweep_id := self._sweep_of_agent(one)) is not None}

    # -- one sweep only -----------------------------------------------------------------------------------------

    def _confined(self, sweep_id: SweepId, verb: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments, once it is clear that nothing in them belongs to another sweep."""
        if "agent_ids" in args:  # a store leaves agents alone that it does not know
            mine = tuple(one for one in args["agent_ids"] if self._sweep_of_agent(one) == sweep_id)
            return {**args, "agent_ids": mine}
        concern = VERBS[verb].concern(args)
        if concern.everything:
            what = "may not create new ones" if verb == "create_sweep" else "says nothing of the rest of the store"
            raise Denied(f"this link is for one sweep ({sweep_id}), and {what}: ask for a link to the whole store", 403)
        for other in concern.sweeps:
            if other != sweep_id:
                raise SweepNotFound(f"this link is for sweep {sweep_id}: with it, there is no sweep {other!r}")
        for run_id in (*concern.runs, *args.get("run_ids", ())):
            if self._sweep_of_run(run_id) != sweep_id:
                raise SweepNotFound(f"there is no run {run_id!r} in sweep {sweep_id}")
        for agent_id in concern.agents:
            if self._sweep_of_agent(agent_id) != sweep_id:
                raise UsageError(f"agent {agent_id} has not joined sweep {sweep_id}, or has left it: join() first")
        return args

    def _sweep_of_run(self, run_id: RunId) -> SweepId | None:
        """None for a run without a sweep, and for one that does not exist."""
        known = self._of_run.get(run_id)
        if known is None:
            with contextlib.suppress(SweepNotFound):
                known = self.store.sweep_of_run(run_id)
            _keep(self._of_run, run_id, known)
        return known

    def _sweep_of_agent(self, agent_id: AgentId) -> SweepId | None:
        known = self._of_agent.get(agent_id)
        if known is None:
            known = self.store.sweep_of_agent(agent_id)
            _keep(self._of_agent, agent_id, known)
        return known

    def _check_room(self, sweep_id: SweepId, agent_id: AgentId) -> None:
        living = [agent.id for agent in self.store.agents(sweep_id) if not agent.gone]
        if len(living) >= AGENTS and agent_id not in living:
            raise too_many(f"sweep {sweep_id} has {len(living)} agents, and {AGENTS} is the most", 10.0)


def _keep(known: dict[Any, SweepId], key: str, sweep_id: SweepId | None) -> None:
    """Whose something is never changes, so it is looked up once, or again when there was too much to remember."""
    if len(known) >= _REMEMBERED:
        known.clear()
    if sweep_id is not None:
        known[key] = sweep_id


def _check_own(points: Points | None, run_id: RunId, attempt: int) -> None:
    """The last points come with the end of their run: whether another run still takes any is not looked at then."""
    if points is not None and (points.run_id, points.attempt) != (run_id, attempt):
        raise WireError(f"finish: these are the points of run {points.run_id}, attempt {points.attempt}")


def _check_amounts(verb: str, args: Mapping[str, Any]) -> None:
    """What the wire does not know of: how much is sensible, and what new names may be."""
    for name, value in args.items():
        if name in ("run_ids", "agent_ids", "suggestions") and len(value) > IDS:
            raise Refused(413, f"{verb}: {len(value)} {name} in one call, and {IDS} is the most: call several times")
        if name == "ttl_s" and not 0 < value <= TTL_S:
            raise WireError(f"{verb}: ttl_s is up to {TTL_S:.0f} seconds, not {value!r}")
        if isinstance(value, Points) and (longest := max(map(len, value.columns), default=0)) > NAME:
            raise WireError(f"{verb}: a metric has a name of {longest} characters, and {NAME} is the most")
        if isinstance(value, (Run, Sweep)) and value.id and not _NEW_ID(value.id):
            raise WireError(f"{verb}: an id has 1 to 64 letters, digits, '-', '_' and '.', not {value.id[:40]!r}")
    if verb == "add_runs" and len(args["suggestions"]) != len(args["seeds"]):
        raise WireError("add_runs: there is one seed for each suggestion")
    if verb == "remember" and hashlib.sha256(args["text"].encode(errors="surrogatepass")).hexdigest() != args["key"]:
        raise WireError("remember: the key of a text is its SHA-256")
