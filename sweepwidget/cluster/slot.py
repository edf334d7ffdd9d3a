"""One wanted loop on a cluster: handed to the engine or not, asleep or lost, and when it is begun again. Decides, does nothing.

Times (`now`, `*_at`, `*_since`) are seconds of any one monotonic clock.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from attrs import define, field

from ..model import SweepState
from .crew import Crew

BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""How long to wait after each worker that was lost within `LOSSES_WITHIN_S`; one more is too many."""
LOSSES_WITHIN_S = 600.0
SILENCE_S = 2.0
"""When nothing is left to do, nobody waits longer than this for an engine to notice that a loop has ended."""


@define
class Slot:
    """>>> slot = Slot(0)
    >>> [slot.lost(now=0.0) for _ in range(7)]
    [1.0, 2.0, 4.0, 8.0, 16.0, None, None]
    """

    number: int
    due_at: float = 0.0
    """When it may be handed to the engine (again)."""
    future: Future[Any] | None = None
    joined: bool = False
    """Its agent was seen in the store: from then on it can be told to leave, and not be taken back."""
    withdrawn: bool = False
    dismissed: bool = False
    """Its agent was told to leave while it was surplus."""
    asleep: str = ""
    """Its loop has ended by itself, `home` or `idle`."""
    losses: list[float] = field(factory=list)
    _slept_lost: int = 0
    _slept_state: str = ""
    _silent_since: float | None = None

    def begin(self, future: Future[Any]) -> None:
        """It is in the hands of the engine."""
        self.future = future
        self.joined = self.withdrawn = self.dismissed = False
        self._silent_since = None

    def sleep(self, how: str, crew: Crew, sweep_state: str = "") -> None:
        """Its loop has ended and is not missed; an idle one had seen the sweep in this state."""
        self.future = None
        self.asleep, self._slept_lost, self._slept_state = how, crew.lost, sweep_state

    def wakes(self, crew: Crew) -> bool:
        """Whether there is something to do that there was not when it fell asleep: one that was sent home because the count
        is used up only comes back for a run that another agent of the crew has lost.
        """
        if not self.asleep or not crew.sweep_runs:
            return False
        if self.asleep == "home":
            return bool(crew.waiting) and crew.lost > self._slept_lost
        return bool(crew.waiting) or self._slept_state != SweepState.RUNNING

    def lost(self, now: float) -> float | None:
        """Count a lost worker. Returns the seconds until the next try, None if these were too many."""
        self.future = None
        self.losses = [then for then in self.losses if now - then < LOSSES_WITHIN_S] + [now]
        if len(self.losses) > len(BACK_OFF_S):
            return None
        return BACK_OFF_S[len(self.losses) - 1]

    def is_silent(self, crew: Crew, now: float) -> bool:
        """Whether its agent has long left the store, and the engine has not noticed."""
        if not self.joined or crew.at(self.number):
            self._silent_since = None
            return False
        self._silent_since = now if self._silent_since is None else self._silent_since
        return now - self._silent_since > SILENCE_S
