"""Signals that agents pass on to their programs (`forward_signals=True`): the programs first, this process afterwards."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Protocol

from .backends.child import KILL
from .backends.program import forwarding
from .term import termlog

_FORWARDED = (signal.SIGINT, signal.SIGTERM)


class AtWork(Protocol):
    """Agents whose programs may be sent signals."""

    def stop(self, now: bool = False) -> None: ...
    def send(self, signum: int) -> bool: ...


@contextlib.contextmanager
def forwarded(at_work: AtWork) -> Iterator[None]:
    """While the block runs, SIGINT and SIGTERM go to the programs of these agents; its end acts on the first of them.

    The first signal goes to the programs as it is, and no run is begun any more (W&B #11950: a run that its end sends back
    to the queue must not come back here). The second has them stopped (SIGTERM, after the kill delay SIGKILL), the third
    kills. Signals that were ignored before stay ignored (`nohup`). Main thread only.
    """
    came: SimpleQueue[int] = SimpleQueue()  # its put() may be called from a handler, whatever that has interrupted
    passed: list[int] = []

    def pass_on() -> None:
        while signum := came.get():
            passed.append(signum)
            _pass_on(at_work, signum, len(passed))

    relay = threading.Thread(target=pass_on, name="sweepwidget-signals", daemon=True)
    relay.start()
    heeded = [signum for signum in _FORWARDED if signal.getsignal(signum) is not signal.SIG_IGN]
    try:
        with forwarding(came.put, heeded):
            yield
    finally:
        came.put(0)
        relay.join()
    if passed:
        signal.raise_signal(signal.Signals(passed[0]))


def _pass_on(at_work: AtWork, signum: int, nth: int) -> None:
    if nth == 1:
        at_work.stop()
        if at_work.send(signum):
            name = signal.Signals(signum).name
            termlog(f"{name} was passed on to the programs at work. No run is begun any more; a second one stops them.")
    elif nth == 2:
        at_work.stop(now=True)
    else:
        at_work.send(KILL)
