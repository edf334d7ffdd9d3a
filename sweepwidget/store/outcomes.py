"""How runs ended that a store far away has not heard of yet: it is kept on this machine's disk until it has.

The process that tried the run may be killed before the store is back. Whoever joins the same store from this machine next
delivers what such a process left, or finds that the run was given to somebody else and drops it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, evolve, frozen

from ..errors import Fenced
from ..model import Outcome, Points, Process, Run, RunId, RunState
from ..process import is_alive, this_process
from .rows import dumps
from .spool import TIMESTAMP, discard, leftovers, outcome_path

if TYPE_CHECKING:
    from . import Store


@frozen
class Kept:
    """The outcome of an attempt at a run, as `process` left it."""

    run_id: RunId
    attempt: int
    sweep_id: str | None
    outcome: Outcome
    process: Process

    @property
    def is_anothers(self) -> bool:
        """Whether a process that lives will deliver it itself."""
        return self.process != this_process() and is_alive(self.process) is True


def keep(folder: Path, run: Run, outcome: Outcome) -> Outcome:
    """Have the outcome of a run's attempt on disk. Returns the one that stands: the first."""
    path = outcome_path(folder, run.id, run.attempt)
    with contextlib.suppress(OSError):  # a full disk must not keep the store from hearing it
        if (known := _read(path)) is not None:
            return known.outcome
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")  # a process that is killed while it writes has kept nothing
        draft.write_text(dumps(asdict(Kept(run.id, run.attempt, run.sweep_id, outcome, this_process()))), "utf-8")
        draft.replace(path)
    return outcome


def all_kept(folder: Path) -> list[Kept]:
    """Every outcome that the store has not confirmed."""
    return [one for path in (folder / "spool").glob("*.outcome") if (one := _read(path)) is not None]


def deliver(store: Store, one: Kept, run: Run) -> Run:
    """Close the run as it ended. It is the same attempt's, or a later one's that nobody has begun: then all that was logged
    is delivered again. Raises Fenced if somebody else has it.
    """
    closed = store.finish(run.id, run.attempt, with_all_points(store, run, one.outcome, one.attempt))
    clear(store.folder, run.id, run.attempt)
    return closed


def is_whole(folder: Path, one: Kept) -> bool:
    """Whether all that the attempt logged is here still."""
    return all(points.start == 0 for points in leftovers(folder, one.run_id, one.attempt, {}))


def clear(folder: Path, run_id: str, attempt: int) -> None:
    """Remove what was needed here while this attempt at the run, or an earlier one, was not closed."""
    for past in range(1, attempt + 1):
        discard(folder, run_id, past)
    for path in (folder / "runs" / run_id).glob("config-*.yaml"):
        with contextlib.suppress(OSError):
            path.unlink()


def with_all_points(store: Store, run: Run, outcome: Outcome, spooled: int | None = None) -> Outcome:
    """Ship what the processes of a run (of its attempt `spooled`, if that is another) have logged and did not ship before
    they died. The outcome with the summary of it all.
    """
    said = outcome.summary or {}
    for _ in range(3):
        # Fenced: a process that the run left behind ships at the same moment, or somebody else has the run.
        with contextlib.suppress(Fenced):
            known = store.known_offsets(run.id, run.attempt)
            pieces = leftovers(store.folder, run.id, spooled or run.attempt, known)
            for points in pieces:
                store.log(evolve(points, attempt=run.attempt))
            # Whoever closes a run logs without a name, and has said all that it knows.
            unsaid = [points for points in pieces if points.source or not said]
            summary = {**_summary(store, run, unsaid), **said}
            if "_step" not in summary:
                summary |= _last_stamp(store, run)
            return evolve(outcome, summary=summary or None)
    return outcome


def _summary(store: Store, run: Run, pieces: Sequence[Points]) -> dict[str, Any]:
    """What was shipped of the summary, and the last values of what was not."""
    summary = dict(store.run(run.id).summary)
    for points in pieces:
        for name, column in points.columns.items():
            if not isinstance(summary.get(name), dict):  # one that define_metric made
                summary[name] = column.values[-1].item()
    return summary


def _last_stamp(store: Store, run: Run) -> dict[str, Any]:
    """W&B's own entries of a summary, as the last row that was logged has them."""
    stamps = store.columns(run.id, run.attempt).get(TIMESTAMP)
    if stamps is None:
        return {}
    step, at = int(stamps.steps[-1]), float(stamps.values[-1])
    return {"_step": step, "_timestamp": at, "_runtime": at - (run.started_at or run.created_at)}


def _read(path: Path) -> Kept | None:
    """None for what is not there, or not ours."""
    try:
        text: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
        outcome = Outcome(**{**text["outcome"], "state": RunState(text["outcome"]["state"])})
        return Kept(**{**text, "outcome": outcome, "process": Process(**text["process"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None
