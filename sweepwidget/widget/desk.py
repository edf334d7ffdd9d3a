"""One dashboard without its widget: takes the page's commands, says what the feed knows, and numbers all that it says.

Commands come in on whatever thread the kernel likes (its main thread, a subshell's, a worker's): here they are only
acknowledged, and put into a lane. Orders never wait behind what merely looks.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..errors import ConfigError, Error
from ..model import SweepId
from ..store import Store
from ..sweepconfig import SweepConfig
from . import assets
from .commands import COMMANDS, Answer, problems_of
from .denials import denials
from .feed import Feed, feed_of
from .forms import forms
from .lane import Lane
from .messages import Message, clean
from .mirror import Mirror
from .plots import Plot
from .staff import BACKENDS, Staff

_log = logging.getLogger(__name__)

PROTOCOL = 1
_REMEMBERED = 64
"""Answers that are kept, for commands that come again."""
_LONGEST_ID = 100


class Face(Protocol):
    """The widget, as its desk sees it. Called on worker threads, by one at a time."""

    def send(self, head: Mapping[str, Any], buffers: list[bytes] | None) -> None:
        """To the page."""

    def show(self, mirror: Mirror, sweep_id: str) -> None:
        """The state has changed: traits and snapshot follow."""

    def edited(self, config: Mapping[str, Any]) -> None:
        """Somebody has edited the draft in the page."""


class Desk:
    """What one dashboard shows and does; a `Viewer` of its feed."""

    def __init__(self, store: Store, sweep_id: SweepId | None, face: Face) -> None:
        self.store, self.sweep_id = store, sweep_id
        self.plots: dict[str, Plot] = {}
        self.behind, self.resting = True, False
        self.pages: set[str] = set()
        self.staff = Staff()
        self._draft = ""
        """The draft's configuration as JSON text, where there is no sweep yet."""
        self.feed: Feed = feed_of(store, sweep_id)
        self._face = face
        self._seq = 0
        self._saying = threading.Lock()
        self._lanes: dict[str, Lane] = {}
        self._answers: OrderedDict[str, Message | None] = OrderedDict()
        self._denied: Mapping[str, str] | None = None
        self._closed = False

    def open(self) -> None:
        """Begin to follow. The page hears of it at once: a busy kernel may not hear its `hello`."""
        self.feed.add(self)

    def close(self) -> None:
        """Nobody can see it any more."""
        self._closed = self.resting = True
        self.feed.remove(self)

    def attach(self, sweep_id: SweepId) -> None:
        """Show this sweep from now on: one that was made of a draft."""
        draft = self.feed
        with draft.looking:  # a look that is under way could tell the draft as if it were all of the sweep
            draft.remove(self)
            self.sweep_id = sweep_id
            self.plots.clear()
            self.behind = True
            self.feed = feed_of(self.store, sweep_id)
        self.feed.add(self)
        if self._closed:  # meanwhile, and it may have left the draft's feed
            self.feed.remove(self)

    def redraft(self, config: str) -> None:
        """The draft is another one: Python says so."""
        self._draft = config
        if not self.behind:
            self.say(Message({"type": "delta", "now": time.time(), "config": config}))

    def edited(self, config: SweepConfig, told: str) -> None:
        """The page has settled on this configuration; of a sweep, it is in force only when it is applied. What Python has set
        since the page was `told` is not taken back: the page is about to follow it.
        """
        if self.sweep_id is None and told == self._draft:
            self._tell(self._face.edited, config.to_dict())

    # -- saying -------------------------------------------------------------------------------------------------

    def say(self, message: Message) -> None:
        """Tell the page; from any thread."""
        if self._closed:
            return
        with self._saying:
            self._seq += 1
            head = {**message.head, "seq": self._seq}
            try:
                self._face.send(head, [message.buffer] if message.buffer else None)
            except Exception:  # noqa: BLE001  (a comm that is closing; the page asks again if it is there)
                _log.debug("a dashboard's message was lost", exc_info=True)

    def say_all(self, message: Message) -> None:
        if self._denied is None:
            self._denied = denials(self.store, self.sweep_id)
        besides = {
            "protocol": PROTOCOL,
            "version": _version(),
            "functions": self.feed.functions,
            "backends": list(BACKENDS),
            "denied": self._denied,
            "assets": dict(assets.hashes()),
            "forms": forms(),
        }
        if self.sweep_id is None and self._draft:
            besides["config"] = self._draft
        self.say(Message({**message.head, **besides}, message.buffer))
        _push_assets(self)

    def follow(self, mirror: Mirror) -> None:
        self._tell(self._face.show, mirror, self.sweep_id or "")

    def _tell(self, tell: Callable[..., None], *what: Any) -> None:
        try:
            tell(*what)
        except Exception:  # noqa: BLE001  (whoever observes a trait may raise)
            _log.exception("an observer of a dashboard failed")

    def say_asset(self, name: str) -> None:
        """Send it to the page; UsageError if there is none."""
        data = assets.asset(name)
        self.say(Message({"type": "asset", "name": name, "hash": assets.hashes()[name]}, data))

    # -- hearing: any thread ------------------------------------------------------------------------------------

    def hear(self, content: Any) -> None:
        """A message of the page: acknowledged at once, done soon. What is no command is ignored."""
        if not isinstance(content, dict) or self._closed:
            return
        kind, asked = content.get("type"), content.get("id")
        if not isinstance(kind, str) or not isinstance(asked, str) or len(asked) > _LONGEST_ID:
            return
        self.say(Message({"type": "ack", "id": clean(asked)}))
        with self._saying:
            again = asked in self._answers
            answer = self._answers.get(asked)
            if not again:
                self._remember(asked, None)
        if again:
            if answer is not None:
                self.say(answer)
            return
        command = COMMANDS.get(kind)
        if command is None:
            self._answer(asked, _refused(asked, kind, f"this version of sweepwidget does not know {kind[:40]!r}"))
            return
        lane = self._lanes.setdefault(command.lane, Lane())
        lane.put(lambda: self._obey(kind, asked, content))

    def _obey(self, kind: str, asked: str, content: Mapping[str, Any]) -> None:
        try:
            answer: Answer = COMMANDS[kind].do(self, content)
        except Error as error:
            problems = problems_of(error) if isinstance(error, ConfigError) else None
            message = _refused(asked, kind, str(error), problems)
        except Exception as error:  # noqa: BLE001  (a fault of ours is told, too)
            _log.exception("the dashboard's %s failed", kind)
            message = _refused(asked, kind, f"{type(error).__name__}: {error}")
        else:
            head = {"type": "done", "id": clean(asked), "command": kind, "result": answer.result}
            message = Message(head, answer.buffer)
        self._answer(asked, message)
        self.feed.wake()

    def _answer(self, asked: str, message: Message) -> None:
        with self._saying:
            self._remember(asked, message if len(message.buffer) < 1 << 20 else None)
        self.say(message)

    def _remember(self, asked: str, message: Message | None) -> None:
        self._answers[asked] = message
        while len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)


def _refused(asked: str, kind: str, message: str, problems: list[dict[str, str]] | None = None) -> Message:
    head = {"type": "refused", "id": clean(asked), "command": clean(kind), "message": clean(message)}
    return Message(head | ({"problems": problems} if problems is not None else {}))


_pushed = False
_push_lock = threading.Lock()


def _push_assets(desk: Desk) -> None:
    """Once for this kernel: a page that asked for them would wait until the cell that runs is done."""
    global _pushed
    with _push_lock:
        first, _pushed = not _pushed, True
    for name in assets.hashes() if first else ():
        desk.say_asset(name)


def _version() -> str:
    from importlib.metadata import version

    return version("sweepwidget")
