"""When an agent gives up: W&B's rules about failing runs, with W&B's words."""

from __future__ import annotations

import os
from collections.abc import Mapping

from attrs import define, field

from .model import RunState

FLAPPING_S = 60.0
FLAPPING_RUNS = 3
DEFAULT_MAX_INITIAL = 5


@define
class FailureRules:
    """Counts how the runs of one `agent()` call end, and says when it should stop.

    `inclusive`: the command-line agent stops at the n-th initial failure, the in-process one after it (W&B).
    """

    started_at: float
    """Seconds of any monotonic clock, as `now` in `after`."""
    max_initial: int = DEFAULT_MAX_INITIAL
    max_consecutive: int | None = None
    flapping: bool = True
    inclusive: bool = False
    failed: int = field(default=0, init=False)
    finished: int = field(default=0, init=False)
    in_a_row: int = field(default=0, init=False)

    def after(self, state: RunState, now: float) -> str:
        """Count a run that ended; the reason to stop now, or ''."""
        # A preempted run comes back at once, and for ever if it always fails: its bad ends count, too.
        if state not in (RunState.failed, RunState.crashed, RunState.preempted):
            if state is RunState.finished:
                self.finished += 1
                self.in_a_row = 0
            return ""
        self.failed += 1
        self.in_a_row += 1
        if self.max_consecutive is not None and self.in_a_row >= self.max_consecutive:
            return f"Detected {self.in_a_row} consecutive failed runs, killing sweep."
        if self._initial():
            return (
                f"Detected {self.max_initial} failed runs in a row at start, killing sweep.\n"
                "To change this value set WANDB_AGENT_MAX_INITIAL_FAILURES=val"
            )
        if self.flapping and self.failed >= FLAPPING_RUNS and now - self.started_at < FLAPPING_S:
            return (
                f"Detected {FLAPPING_RUNS} failed runs in the first {FLAPPING_S:.0f} seconds, killing sweep.\n"
                "To disable this check set WANDB_AGENT_DISABLE_FLAPPING=true"
            )
        return ""

    def _initial(self) -> bool:
        if self.inclusive:
            return self.failed >= self.max_initial and self.failed >= self.finished
        return self.failed > self.max_initial and self.finished == 0


def failure_rules(
    now: float, max_consecutive: int | None, *, inclusive: bool, env: Mapping[str, str] = os.environ
) -> FailureRules:
    """The rules as the arguments and W&B's environment variables set them."""
    if max_consecutive is not None:
        if isinstance(max_consecutive, bool) or not isinstance(max_consecutive, int):
            raise TypeError(f"max_consecutive_failed_runs must be an integer, not {max_consecutive!r}")
        if max_consecutive < 1:
            raise ValueError(f"max_consecutive_failed_runs must be at least 1, not {max_consecutive}")
    try:
        max_initial = int(env.get("WANDB_AGENT_MAX_INITIAL_FAILURES", DEFAULT_MAX_INITIAL))
    except ValueError:
        max_initial = DEFAULT_MAX_INITIAL
    flapping = env.get("WANDB_AGENT_DISABLE_FLAPPING", "").lower() not in ("true", "1", "yes")
    return FailureRules(now, max_initial, max_consecutive, flapping, inclusive)
