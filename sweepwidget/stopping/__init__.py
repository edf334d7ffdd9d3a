"""Stoppers end runs that are not worth continuing. New stopper: a new file, and one line in `_STOPPERS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..errors import UsageError
from ..model import RunId
from ..runs import Runs
from ..sweepconfig import SweepConfig
from .asha import Asha
from .envelope import Envelope
from .hyperband import Hyperband
from .median import Median
from .target import Target


class Stopper(Protocol):
    """Names the running runs that are not worth continuing, and why. Changes nothing; a cache may make it faster."""

    def stop(self, runs: Runs) -> Mapping[RunId, str]:
        """Run id → reason, for runs that are running now."""


class OwnStopper(Stopper, Protocol):
    """One that the user gave, and no configuration names."""

    def edited(self, config: SweepConfig) -> OwnStopper:
        """The same one for the sweep as it is now configured."""


_STOPPERS: Mapping[str, Callable[[Mapping[str, Any]], Stopper]] = {
    "hyperband": Hyperband.parse,
    "envelope": Envelope.parse,
    "median": Median.parse,
    "asha": Asha.parse,
    "target": Target.parse,
}


def stopper_for(config: SweepConfig) -> Stopper | None:
    """The stopper that the sweep's `early_terminate` names; None if it has no such section."""
    if config.early_terminate is None:
        return None
    kind = config.early_terminate["type"]
    make = _STOPPERS.get(kind)
    if make is None:
        raise UsageError(
            f"early_terminate.type: {kind!r} is the user's own rule, and this process does not know its code; steer the sweep "
            "with controller(sweep_id) and configure_stopping(your_function)"
        )
    return make({key: value for key, value in config.early_terminate.items() if key != "metric"})
