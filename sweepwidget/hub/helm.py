"""Steering for others: agents that join with a link need somebody who suggests runs, and that is the hub's process."""

from __future__ import annotations

import logging
import threading
import time

from attrs import define

from .. import autocontroller
from ..autocontroller import AutoController, has_own_search
from ..errors import Error
from ..model import SWEEP_ENDED, SweepId
from ..store import Store
from ..sweepconfig import SweepConfig

_log = logging.getLogger(__name__)

RETRY_S = 5.0
"""A sweep that cannot be steered (it has ended, its controller is local or has failed) is looked at again after this."""


@define
class _Steered:
    controller: AutoController | None
    looked_at: float

    @property
    def at_work(self) -> bool:
        return self.controller is not None and not self.controller.task.done()


class Helm:
    """Steers each sweep that agents ask runs of, for as long as it has agents. Blocking and thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._steered: dict[SweepId, _Steered] = {}
        self._lock = threading.Lock()
        self._closed = False

    def steer(self, sweep_id: SweepId) -> None:
        """Agents of this sweep want runs."""
        known = self._steered.get(sweep_id)
        if known is not None and (known.at_work or time.monotonic() - known.looked_at < RETRY_S):
            return
        with self._lock:
            if self._closed or self._steered.get(sweep_id) is not known:
                return
            self._steered[sweep_id] = _Steered(self._controller(sweep_id), time.monotonic())
        if known is not None and known.controller is not None:
            autocontroller.let_go(known.controller)

    def rest(self) -> None:
        """Let go of the sweeps whose agents have all left."""
        for sweep_id, known in list(self._steered.items()):
            if known.at_work and self._has_agents(sweep_id):
                continue
            with self._lock:
                if self._steered.get(sweep_id) is not known:
                    continue
                del self._steered[sweep_id]
            if known.controller is not None:
                autocontroller.let_go(known.controller)

    def close(self) -> None:
        """Let go of all."""
        with self._lock:
            self._closed = True
            steered, self._steered = self._steered, {}
        for known in steered.values():
            if known.controller is not None:
                autocontroller.let_go(known.controller)

    def _controller(self, sweep_id: SweepId) -> AutoController | None:
        """None if the sweep is not ours to steer."""
        try:
            sweep = self._store.sweep(sweep_id)
            config = SweepConfig.parse(sweep.config)
            if sweep.state in SWEEP_ENDED or config.controller == "local":
                return None
            if config.method == "custom" and not has_own_search(self._store, sweep_id):
                return None
            return autocontroller.steer(self._store, sweep_id)
        except Error as error:
            _log.warning("the hub cannot steer sweep %s: %s", sweep_id, error)
            return None

    def _has_agents(self, sweep_id: SweepId) -> bool:
        return any(not agent.gone for agent in self._store.agents(sweep_id))
