"""The asyncio controller: steers a sweep from the loop thread for as long as somebody here works on it.

Every process that works on a sweep runs one; whoever holds the lease decides, the others wait for it to fall free.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import Future

from .errors import Error, StoreUnavailable, UsageError
from .loop import after_fork, event_loop, spawn
from .model import Sweep, SweepId, SweepState
from .participant import participant
from .search import OwnSearcher
from .steering import EXPIRE_EVERY_S, Steering
from .stopping import OwnStopper
from .store import Store

REST_S = 0.004
"""At least this between two steps: what happens meanwhile is decided together."""
LONG_REST_S = 0.016
"""The same while every agent has runs ahead (see `hurry`): a step costs more than a short run."""

STEP_S = 0.05
"""Suggestions that would take longer than this together are made in several steps."""

_FAILED = "the controller failed: "
"""How the reason of a sweep begins that is paused because nobody can decide."""

_own: dict[tuple[str, SweepId], tuple[OwnSearcher | None, OwnStopper | None]] = {}
"""Search and stopping functions that this process's user gave for a sweep: nobody else can steer it."""
_running: dict[tuple[str, SweepId], AutoController] = {}
_lock = threading.Lock()


class AutoController:
    """Steers one sweep while it has users (see `steering` and `let_go`)."""

    def __init__(self, store: Store, sweep_id: SweepId) -> None:
        searcher, stopper = own(store, sweep_id)
        self.store, self.sweep_id = store, sweep_id
        self.error: BaseException | None = None
        self.users = 1
        self.leaving = False
        self._door = threading.Lock()
        self._joined = self._ending = False
        """Whether somebody has come since the last step, and whether it is too late to come."""
        self._steering = Steering(store, sweep_id, f"auto-{secrets.token_hex(8)}", searcher, stopper, step_s=STEP_S)
        self._bell = participant(store).bell
        self._wake, self._woken = asyncio.Event(), False
        self._wanted = asyncio.Event()
        self.task: Future[None] = spawn(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            with self._bell.waking(self.wake):
                participant(self.store).watch()
                while not self._ends():
                    self._wake.clear()
                    self._wanted.clear()
                    self._woken = False
                    await asyncio.to_thread(self._step)
                    stepped_at = loop.time()
                    alarm = loop.call_later(EXPIRE_EVERY_S, self._wake.set)
                    await self._wake.wait()
                    alarm.cancel()
                    await asyncio.sleep(stepped_at + REST_S - loop.time())
                    if not self._steering.urgent:
                        alarm = loop.call_at(stepped_at + LONG_REST_S, self._wanted.set)
                        await self._wanted.wait()
                        alarm.cancel()
        except Exception as error:  # noqa: BLE001  the user's search function: said where it can be seen
            self.error = error
            await asyncio.to_thread(self._pause, error)
        finally:
            with self._door:
                self._ending = True
            await asyncio.to_thread(self._leave)
            self._bell.ring()

    def join(self) -> bool:
        """One user more. False: it is on its way out, and works for nobody any more."""
        with self._door:
            if self._ending or self.task.done():
                return False
            self.users += 1
            self._joined = True
            return True

    def _ends(self) -> bool:
        """Whether nothing is left to do. Who has just come may know of something: then it looks once more."""
        with self._door:
            joined, self._joined = self._joined, False
            self._ending = self.leaving or (self._steering.over and not joined)
            return self._ending

    def _step(self) -> None:
        with contextlib.suppress(StoreUnavailable), _only_exceptions():  # agents say so; the next step looks again
            self._steering.step()

    def _leave(self) -> None:
        with contextlib.suppress(Error), _only_exceptions():
            if self.error is None:
                self._steering.leave()
            self._steering.release()

    def _pause(self, error: Exception) -> None:
        """Nobody can decide: waiting agents must be told, and the sweep can be resumed when it is mended."""
        reason = _FAILED + (str(error) if isinstance(error, Error) else f"{type(error).__name__}: {error}")
        with contextlib.suppress(Error):
            self.store.remember(_traceback_key(self.sweep_id, reason), "".join(traceback.format_exception(error)))
            self._tell(reason)

    def _tell(self, reason: str) -> None:
        if self.store.sweep(self.sweep_id).state is SweepState.RUNNING:
            self.store.set_state(self.sweep_id, SweepState.PAUSED, reason)

    def hurry(self) -> None:
        """Somebody in this process waits for the next step: no long rest before it."""
        if not self._wanted.is_set():
            event_loop().call_soon_threadsafe(self._wanted.set)

    def wake(self) -> None:
        """Have a step made soon; many calls, one step."""
        if not self._woken:
            self._woken = True
            event_loop().call_soon_threadsafe(self._wake.set)


@contextlib.contextmanager
def _only_exceptions() -> Iterator[None]:
    """The user's own code may raise anything. What `sys.exit()` raises would end the loop's thread for everybody."""
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        raise UsageError(f"the search or stopping code raised {type(error).__name__}: {error}") from error


def steer(store: Store, sweep_id: SweepId) -> AutoController:
    """Have this process steer the sweep (or stand by) until `let_go` was called as often."""
    with _lock:
        running = _running.get((store.link, sweep_id))
        if running is None or not running.join():
            running = _running[store.link, sweep_id] = AutoController(store, sweep_id)
        return running


def let_go(controller: AutoController) -> None:
    """One user fewer; the last one ends it and frees the lease (waits for the step in progress)."""
    with _lock:
        controller.users -= 1
        if controller.users > 0:
            return
        key = (controller.store.link, controller.sweep_id)
        if _running.get(key) is controller:
            del _running[key]
        controller.leaving = True
    if not controller.task.done():
        controller.wake()
        controller.hurry()
    with contextlib.suppress(RuntimeError):  # the interpreter is on its way out
        controller.task.result()


def use_own(store: Store, sweep_id: SweepId, searcher: OwnSearcher | None, stopper: OwnStopper | None) -> None:
    """The user's own search and stopping functions decide this sweep, in this process."""
    _own[store.link, sweep_id] = (searcher, stopper)


def own(store: Store, sweep_id: SweepId) -> tuple[OwnSearcher | None, OwnStopper | None]:
    """What this process's user gave for the sweep."""
    return _own.get((store.link, sweep_id), (None, None))


def has_own_search(store: Store, sweep_id: SweepId) -> bool:
    """Whether this process knows the sweep's custom search function."""
    return own(store, sweep_id)[0] is not None


def failure_of(sweep: Sweep) -> str:
    """What stopped the sweep's controller: "ValueError: …"; "" if nothing has."""
    failed = sweep.state is SweepState.PAUSED and sweep.reason.startswith(_FAILED)
    return sweep.reason.removeprefix(_FAILED) if failed else ""


def traceback_of(store: Store, sweep: Sweep) -> str:
    """Where in the code that was; "" if nobody knows."""
    return store.recall(_traceback_key(sweep.id, sweep.reason)) if failure_of(sweep) else ""


def _traceback_key(sweep_id: SweepId, reason: str) -> str:
    return f"{sweep_id}-{hashlib.sha256(reason.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _in_child() -> None:
    """After a fork: the loop that drives these is the parent's."""
    global _lock
    _lock = threading.Lock()
    _running.clear()


after_fork(_in_child)
