"""The agents that a dashboard has started, and those it will."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..hiring import Terms, hire
from ..model import SWEEP_ENDED, Sweep
from .functions import function_named
from .messages import Message, clean

if TYPE_CHECKING:
    from .desk import Desk

BACKENDS = ("thread", "kernel")
MOST = 256


class Staff:
    """Crews of agents at work; used by one thread at a time."""

    def __init__(self) -> None:
        self._crews: list[tuple[Any, int]] = []
        """(agents at work, how many), in the order they were started."""
        self._last: tuple[str, str | None] | None = None

    def start(
        self, desk: Desk, sweep: Sweep, n: object, backend: object, function: object, count: object = None
    ) -> str:
        """Have n more agents work; the name of their crew."""
        if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= MOST:
            raise UsageError(f"start_agents: n is a number of agents from 1 to {MOST}, not {n!r:.40}")
        if backend not in BACKENDS:
            raise UsageError(f"start_agents: backend is one of {', '.join(BACKENDS)}, not {backend!r:.40}")
        if not isinstance(function, (str, type(None))) or not isinstance(count, (int, type(None))):
            raise UsageError("start_agents: function is a name of the notebook, or null; count is a number, or null")
        if sweep.state in SWEEP_ENDED:
            why = f" ({sweep.reason})" if sweep.reason else ""
            raise UsageError(
                f"sweep {sweep.id} is {sweep.state.value}{why}: resume it, or let it have more runs, first"
            )
        called: Callable[[], Any] | None = None if function is None else function_named(function)
        agents = hire(desk.store, sweep, Terms(called, count, n, backend, quiet=True))
        agents.when_done(lambda: _tell_end(desk, agents))
        agents.scale(n)
        self._crews.append((agents, n))
        self._last = str(backend), function
        return str(agents.id)

    def again(self, desk: Desk, sweep: Sweep) -> None:
        """Those that an error has ended work again, as before."""
        failed = sum(size for agents, size in self._crews if agents.done and _error(agents))
        self._crews = [(agents, size) for agents, size in self._crews if not agents.done]
        if failed and self._last is not None:
            self.start(desk, sweep, failed, *self._last)

    def scale(self, desk: Desk, sweep: Sweep, n: object) -> int:
        """Have n agents of this dashboard work: more are started like the last ones, the latest end after their runs."""
        if not isinstance(n, int) or isinstance(n, bool) or not 0 <= n <= MOST:
            raise UsageError(f"scale: n is a number of agents from 0 to {MOST}, not {n!r:.40}")
        self._crews = [(agents, size) for agents, size in self._crews if not agents.done]
        surplus = sum(size for _, size in self._crews) - n
        if surplus < 0:
            if self._last is None:
                raise UsageError(
                    "scale: this dashboard has started no agents yet; start_agents says which function to call"
                )
            self.start(desk, sweep, -surplus, *self._last)
        for i, (agents, size) in reversed(list(enumerate(self._crews))):
            if surplus <= 0:
                break
            leave = min(size, surplus)
            agents.scale(size - leave)
            self._crews[i] = agents, size - leave
            surplus -= leave
        return n


def _tell_end(desk: Desk, agents: Any) -> None:
    """Agents have gone home: say why, if they did not simply have nothing left to do."""
    # Of W&B's words the first line, without what it says to a terminal: the sweep itself goes on.
    gave_up = agents.failure.partition("\n")[0].removesuffix(", killing sweep.")
    text = _error(agents) or gave_up
    if text:
        desk.say(Message({"type": "notice", "text": clean(text)}))


def _error(agents: Any) -> str:
    try:
        agents.raise_error()
    except BaseException as error:  # noqa: BLE001  (the user's own search may raise anything)
        return f"{type(error).__name__}: {error}"
    return ""
