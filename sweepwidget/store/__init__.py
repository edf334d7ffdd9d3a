"""The store: the one truth of every sweep.

`Store` is the whole interface, in three roles. Implementations are thread-safe and blocking; every verb is one
transaction, and every verb that is repeated gives its first answer (callers retry freely). Times of leases come from the
store's own clock. `open_store(url)` picks the implementation.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs

from ..errors import StoreError, StoreUnavailable, UsageError
from ..links import is_link
from ..model import (
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
    Token,
)


class Store(Protocol):
    """Where sweeps, runs, agents and points are kept."""

    url: str
    """Names the store to people: it holds no password and no token."""
    link: str
    """What another process opens the same store with. It may hold a secret: never shown, logged or put in a message."""
    folder: Path
    """For files beside the store: spools, outputs, media. Made when first needed, mode 0700."""
    refusal: str
    """Why it can be looked at and not changed, and what to do; "" where that is not known."""

    # -- anyone -------------------------------------------------------------------------------------------------

    def create_sweep(self, sweep: Sweep) -> Sweep:
        """Keep a new sweep (the id must be new: UsageError). Returns it with `created_at` filled in."""

    def sweep(self, sweep_id: SweepId) -> Sweep:
        """Raises SweepNotFound, naming the store and, where one is close, the nearest known id."""

    def sweeps(self) -> Sequence[Sweep]:
        """All sweeps, newest first."""

    def changes(self, sweep_id: SweepId, cursor: Cursor, keys: Collection[str] | None = None) -> Changes:
        """What happened after `cursor`; `Cursor()` means from the beginning. `keys` limits chunks to these metrics.

        Neither skips nor repeats. Costs what changed. Chunks come in the order they were written.
        """

    def stop(self, run_ids: Collection[RunId], reason: str, state: RunState = RunState.stopped) -> None:
        """Tell runs to stop: waiting ones are closed as killed at once, running ones at their next `log()`
        (they then become `state`: stopped or killed). Runs that have ended are left alone; the first order stands.
        """

    def set_state(self, sweep_id: SweepId, state: SweepState, reason: str = "", lease: Lease | None = None) -> Sweep:
        """Move the sweep along its transition table (TransitionError if it cannot). The same state again is no
        change. FINISHED and CANCELED close its waiting runs as killed; CANCELED also tells running ones to stop
        (killed). With a lease, Fenced if it has been taken over.
        """

    def update_config(self, sweep_id: SweepId, config: Mapping[str, Any]) -> Sweep:
        """Replace the configuration and count up `config_version`. Waiting runs that nobody has claimed stay."""

    def configs(self, sweep_id: SweepId) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """(version, configuration) of every version that was ever in force, oldest first; the last one is."""

    def enqueue(self, sweep_id: SweepId, suggestion: Suggestion, seed: int) -> Run:
        """Append a waiting run by hand, which is claimed before those that the search chose. A FINISHED sweep goes on;
        TransitionError for a CANCELED one.
        """

    # -- the controller -----------------------------------------------------------------------------------------

    def acquire(
        self, sweep_id: SweepId, owner: str, process: Process, ttl_s: float, force: bool = False
    ) -> Lease | None:
        """Take or renew the right to steer. None while somebody else, who still lives, holds it (a holder on this
        machine whose process has died does not count). `force` takes it from a living holder too.
        A new holder gets a larger epoch; renewing keeps it.
        """

    def release(self, lease: Lease) -> None:
        """Give the right back, so that others need not wait for it to lapse. Harmless when it is already lost."""

    def add_runs(self, lease: Lease, suggestions: Sequence[Suggestion], seeds: Sequence[int]) -> Sequence[Run]:
        """Append waiting runs, numbered on. None once the sweep has ended. Fenced if the lease has been taken over. Ids are 8 characters, base-36;
        names are `<adjective>-sweep-<number>`.
        """

    def withdraw(self, lease: Lease, run_ids: Collection[RunId]) -> None:
        """Take waiting suggestions of the sweep back that nobody has begun; their numbers are free again. Other runs are
        left alone: those added by hand, and other sweeps'.
        """

    def expire(self, lease: Lease | None, max_attempts: int = 3) -> Sequence[Run]:
        """Close what the dead left: runs of agents that are gone (process dead on this machine, or lease lapsed)
        wait again with attempt + 1, or become crashed when `max_attempts` are used up (or when they had been told to
        stop: then that state). Their agents are marked gone. Returns the runs that changed, as they are now.
        Points they left in a spool are taken in first, and counted with the attempt that logged them.
        `lease=None`: the runs without a sweep, which become crashed. A lease counts as lapsed only for a caller that
        looks regularly: who did not for half a lease was frozen itself, and extends it once.
        """

    # -- agents -------------------------------------------------------------------------------------------------

    def join(self, agent: Agent, ttl_s: float) -> None:
        """Make an agent known; its lease begins."""

    def leave(self, agent_id: AgentId) -> None:
        """The agent is gone for good; a run it still holds waits again, however many attempts there were."""

    def allow(self, crew: str, sweep_id: SweepId, runs: int | None) -> None:
        """How many more runs the agents of a crew may begin (None: no limit); 0 sends them home. A run that an agent
        begins counts, unless the agent is lost and the run waits again.
        """

    def dismiss(self, agent_ids: Collection[AgentId]) -> None:
        """Tell agents to leave after their current run. Those that are gone are left alone."""

    def claim(self, agent_id: AgentId, request_id: str, wanted: int | None = None) -> Run | None:
        """The first waiting run becomes this agent's (those added by hand first, then preempted ones, then by number); its lease begins in the
        same transaction. None, and the agent is marked waiting, when there is none or the sweep is not RUNNING.
        `wanted` is how many runs the agent would still take, this one included. The same request again gets the same
        run. Dismissed if the agent was told to leave, or its crew may begin no more.
        """

    def start_run(self, run: Run, agent: Agent, ttl_s: float) -> Run:
        """A run without a sweep, begun at once by its own process (`init()` as a plain tracker).

        Again by the same agent: the same run. UsageError if the id is somebody else's.
        """

    def heartbeat(self, agent_ids: Collection[AgentId], ttl_s: float) -> Mapping[RunId, Run]:
        """These agents live: their leases begin anew. Returns their runs that were told to stop, and runs they hold no
        longer, as they now are (state or attempt differ: somebody else has them). An agent that was given up by mistake
        is back; one that has left is not.
        """

    def log(self, points: Points) -> None:
        """Keep points. A piece that is known already is dropped (a repeat), so each point is kept once.

        Fenced if the run has another attempt, has ended or was deleted; and for a piece that neither is known nor begins
        where the known ones end (see `known_offsets`; a Spool never offers one).
        """

    def finish(self, run_id: RunId, attempt: int, outcome: Outcome, points: Points | None = None) -> Run:
        """Close a run, with its last points. Repeating it gives the first answer; Fenced for an older attempt.
        A run told to stop that ends by RunStopped is closed with the state it was told (the caller says which).
        """

    # -- one run ------------------------------------------------------------------------------------------------

    def run(self, run_id: RunId) -> Run:
        """Raises SweepNotFound."""

    def runs(self, sweep_id: SweepId | None = None, project: str | None = None) -> Sequence[Run]:
        """Of a sweep in order of number; with None the runs that belong to no sweep, newest first."""

    def agents(self, sweep_id: SweepId) -> Sequence[Agent]:
        """Every agent that ever joined, oldest first."""

    def columns(self, run_id: RunId, attempt: int | None = None) -> Mapping[str, Column]:
        """All metric columns of the run's attempt (None: the current one), in the order logged."""

    def records(self, run_id: RunId, attempt: int | None = None) -> Sequence[tuple[int, Mapping[str, Any]]]:
        """(step, object) for the logged values that are not numbers."""

    def known_offsets(self, run_id: RunId, attempt: int) -> Mapping[str, int]:
        """Up to where the store knows what each writer (`Points.source`) of a run has logged. Fenced for another attempt."""

    def update_run(self, run_id: RunId, **fields: Any) -> Run:
        """Change what a user may change while it runs or later: name, notes, tags, group, job_type, config, summary."""

    def delete_run(self, run_id: RunId) -> None:
        """Forget a run: searchers no longer see it, its grid cell is free again."""

    def remember(self, key: str, text: str) -> None:
        """Keep a text under a key of its content (provenance); again is harmless."""

    def recall(self, key: str) -> str:
        """The text of `remember`, or '' if unknown."""

    # -- waking -------------------------------------------------------------------------------------------------

    def subscribe(self, bell: Callable[[], None]) -> Callable[[], None]:
        """Call `bell()` (from any thread; it must be quick) after every change that this process has made.

        Renewed leases are no change. Returns the call that ends it.
        """

    def changed_elsewhere(self) -> bool:
        """Whether another process wrote since the last look. A few microseconds; for polling."""

    def close(self) -> None:
        """Let go of connections. The store object may not be used again."""


class TokenStore(Protocol):
    """A store that can be shared: it knows who may use it from elsewhere (see hub/)."""

    def keep_token(self, token: Token) -> None:
        """Keep a new token's digest, scope and term."""

    def token(self, digest: str) -> Token | None:
        """The token of a digest; None if there is none, or it was revoked. Expired ones are found."""

    def tokens(self) -> Sequence[Token]:
        """All tokens, newest first."""

    def revoke(self, digest: str) -> bool:
        """Forget a token: whoever holds it is nobody from now on. False if there is none."""

    def sweep_of_run(self, run_id: RunId) -> SweepId | None:
        """Which sweep a run belongs to, for ever, deleted or not (None: to none). Raises SweepNotFound."""

    def sweep_of_agent(self, agent_id: AgentId) -> SweepId | None:
        """Which sweep an agent joined, for ever; None if it joined none."""


def open_store(url: str | Path | None = None) -> Store:
    """The store of a URL or path; without one, of SWEEPWIDGET_STORE, else the user's own file.

    `open_store("sweeps.db")`, `open_store("sqlite:///sweeps.db?synchronous=FULL")` (three slashes: relative to here;
    four: from the root), `open_store("postgresql://user:password@host/database")` (libpq's options, and `schema=` for
    another schema than `sweepwidget`), `open_store("https://host/sweep_id#token")` (a link that `share()` made). Errors:
    UsageError for a URL nobody knows, StoreError and its kinds when it cannot be opened.
    """
    from .sqlite import SqliteStore

    if isinstance(url, Path):
        return SqliteStore(url)
    url = url or os.environ.get("SWEEPWIDGET_STORE") or None
    if url is None:
        return SqliteStore(default_path())
    if "://" not in url:
        return SqliteStore(Path(url))
    if is_link(url):
        from .remote import RemoteStore

        return RemoteStore(url, default_path().parent / "hubs")
    scheme, _, rest = url.partition("://")
    if scheme in ("postgresql", "postgres"):
        return _postgres_store(url)
    if scheme != "sqlite" or not rest.startswith("/"):
        shown = repr(url) if "@" not in url and "#" not in url else f"a URL that begins with {scheme!r}"
        raise UsageError(
            f"no store for {shown}: give a path, sqlite:///path, postgresql://user@host/database, or a link that share() made"
        )
    path, _, query = rest[1:].rpartition("?") if "?" in rest else (rest[1:], "", "")
    options = parse_qs(query, keep_blank_values=True)
    synchronous = options.pop("synchronous", ["NORMAL"])[-1].upper()
    if options or synchronous not in ("NORMAL", "FULL") or path in ("", ":memory:"):
        raise UsageError(f"cannot open {url!r}: a store is a file, and its one option is ?synchronous=NORMAL or FULL")
    return SqliteStore(Path(path), "FULL" if synchronous == "FULL" else "NORMAL")


def _postgres_store(url: str) -> Store:
    try:
        from .postgres import PostgresStore
    except ImportError as error:
        if not (error.name or "").startswith("psycopg") and "libpq" not in str(error):
            raise
        raise StoreError(f'PostgreSQL needs psycopg: `pip install "sweepwidget[postgres]"` ({error})') from error
    return PostgresStore(url)


def default_path() -> Path:
    """Where a user's sweeps are kept: one file for all notebooks, in the place that the platform has for this."""
    try:
        if sys.platform == "win32":
            folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            folder = Path.home() / "Library" / "Application Support"
        else:
            folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    except RuntimeError:
        raise StoreUnavailable("this user has no home folder: set SWEEPWIDGET_STORE to a path for the store") from None
    return folder / "sweepwidget" / "sweeps.db"
