"""One run in the foreground, to find out why it failed: here, now, and in no sweep."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from . import session
from .coroutines import AgentEventLoop
from .run_config import config_from
from .trials import check_function


def run_one(function: Callable[[], Any], config: Any = None, seed: int | None = None) -> Any:
    """Call a training function once with this config, on this thread: `sw.run_one(train, {"lr": 0.1})`.

    It sees what an agent's run sees: `init()` gives a run with this config, and with this seed. The run belongs to no sweep
    and is kept in the local store. Returns what the function returns and raises what it raises, so that `%debug` in the next
    cell, or a breakpoint, stands where it went wrong. UsageError for a function that an agent could not call.
    """
    check_function(function)
    with session.own_trial(config_from(config), seed) as here:
        result = function()
        if not inspect.iscoroutine(result):
            return result
        loop = AgentEventLoop()
        try:
            return loop.run(result, here.may_cancel)
        finally:
            loop.close()
