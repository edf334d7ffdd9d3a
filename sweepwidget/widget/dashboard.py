"""The dashboard as a widget of its ecosystem: `Dashboard`, and its panels to put beside other widgets.

The widget is thin: traits that are small and safe in a saved notebook, and a comm. What it shows and does is its desk's
(desk.py). Importing this imports anywidget.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets as tr

from ..errors import UsageError
from ..export import as_frame
from ..model import RunId, SweepId
from ..pump import let_comms_through
from ..store import Store
from ..stores import current_store, locate
from ..sweepconfig import SweepConfig
from . import assets, drafts, snapshot
from .desk import Desk
from .messages import exact, plain, unmarked
from .mirror import Mirror

FIRST_LOOK_S = 2.0
"""How long a snapshot that is to be shown waits for the first look at the store, and for a look that is under way."""
SNAPSHOT_S = 10.0
"""Between two refreshments of the snapshot in the notebook, at least."""
_LARGEST_VIEW = 16 * 1024
_OF_THE_PAGE = frozenset({"selected", "view", "theme", "layout", "tabbable", "tooltip", "_view_count"})
"""Traits that the page may set."""


def _to_page(value: Any, _: object) -> Any:
    return plain(value)


def _from_page(value: Any, _: object) -> Any:
    return unmarked(value)


class Dashboard(anywidget.AnyWidget):
    """A sweep in the notebook: edit its configuration, start and stop agents, watch its curves.

    >>> dash = sw.Dashboard(sweep_id)      # doctest: +SKIP
    >>> dash.observe(lambda change: print(change.new), "best")      # doctest: +SKIP
    >>> dash.selected_df      # doctest: +SKIP

    `sweep_id` is an id, or a link that `share()` gave; without one there is a draft, `config`, from which the page makes a
    sweep. Observers are called on a worker thread, also while a cell runs. Errors: SweepNotFound, UsageError, ConfigError.
    """

    _esm = tr.Unicode().tag(sync=True)
    _css = tr.Unicode().tag(sync=True)
    sweep_id = tr.Unicode(read_only=True, help="The sweep; '' as long as there is only a draft.").tag(sync=True)
    panel = tr.Unicode(read_only=True, help="What it shows.").tag(sync=True)
    status = tr.Unicode(read_only=True, help="PENDING, RUNNING, PAUSED, FINISHED, CANCELED.").tag(sync=True)
    best = tr.Dict(
        default_value=None,
        allow_none=True,
        read_only=True,
        help="run, number, name, metric, value and config of the best run.",
    ).tag(sync=True, to_json=_to_page)
    config = tr.Dict(
        help="The sweep's configuration, or the draft of one. Setting it edits the sweep, from its next run on."
    ).tag(sync=True, to_json=_to_page, from_json=_from_page)
    glance = tr.Dict(read_only=True, help="Where things stand: text, and at which time.").tag(sync=True)
    selected = tr.List(tr.Unicode(), help="Ids of the runs that are selected.").tag(sync=True)
    view = tr.Dict(help="What the page wants to find again: tab, sort, filter, axes.").tag(sync=True)
    theme = tr.Enum(["auto", "light", "dark"], "auto", help="auto: as the notebook.").tag(sync=True)

    _panel = "dashboard"

    def __init__(self, sweep_id: Any = None, *, config: Any = None, store: Store | None = None, **traits: Any) -> None:
        if sweep_id is not None and config is not None:
            raise UsageError("Dashboard takes a sweep, or a config to begin with, not both")
        store, row = (store or current_store(), None) if sweep_id is None else locate(_id_of(sweep_id), store)
        self._telling = threading.local()
        """`name`: the trait that this thread is about to set to what the store says."""
        self._desk = Desk(store, row.id if row is not None else None, _Face(self))
        self._snapshot = _Snapshot(self)
        super().__init__(_esm=assets.module(), _css=assets.style(), **traits)
        if row is not None:
            self._tell(sweep_id=row.id, status=row.state.value, config=dict(row.config))
        elif config is not None:
            self.config = SweepConfig.parse(config).to_dict()
        self.on_msg(self._on_page)
        let_comms_through(self.comm)
        with contextlib.suppress(AttributeError):  # not every comm tells
            self.comm.on_close(lambda _: self._desk.close())
        self._desk.open()

    # The page reads them once, when the comm opens: by then they must be right.

    @tr.default("panel")
    def _its_panel(self) -> str:
        return self._panel

    # -- for the user -------------------------------------------------------------------------------------------

    @property
    def selected_df(self) -> Any:
        """The selected runs as a pandas DataFrame: id, number, name, state, times, `config.*`, `summary.*`."""
        runs = self._desk.store.runs(SweepId(self.sweep_id)) if self.sweep_id else []
        chosen = {run.id: run for run in runs}
        return as_frame(chosen[run_id] for run_id in map(RunId, self.selected) if run_id in chosen)

    def close(self) -> None:
        """Remove it from the page, and follow the sweep no longer."""
        desk = getattr(self, "_desk", None)  # also called for one that was never finished
        if desk is not None:
            desk.close()
        super().close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.sweep_id!r})"

    # -- showing ------------------------------------------------------------------------------------------------

    def _ipython_display_(self, **_: Any) -> None:
        """The widget, and below it the snapshot: an output of its own, because what updates an output in place would
        build the widget anew. The page hides it while the widget lives.
        """
        from IPython.display import display

        if self.comm is None:
            display(self._snapshot.bundle(), raw=True)
            return
        data, metadata = self._bundle()
        display({**data, "text/plain": repr(self)}, metadata=metadata, raw=True)
        self._snapshot.display()

    def _repr_mimebundle_(self, **_: Any) -> Any:
        data, metadata = self._bundle()
        return {**data, **self._snapshot.bundle()}, metadata

    def _bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        made: Any = super()._repr_mimebundle_()
        return made if isinstance(made, tuple) else (made or {}, {})

    # -- the comm -----------------------------------------------------------------------------------------------

    def _on_page(self, _: object, content: Any, buffers: object) -> None:
        self._desk.hear(content)

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        """What the page sets; the rest of the state is the store's."""
        super().set_state({name: value for name, value in sync_data.items() if name in _OF_THE_PAGE})

    def _tell(self, **values: Any) -> None:
        """Set traits to what the store says."""
        try:
            for name, value in values.items():
                self._telling.name = name
                self.set_trait(name, value)
        finally:
            self._telling.name = ""

    @tr.validate("config")
    def _put_into_force(self, proposal: Any) -> dict[str, Any]:
        given: dict[str, Any] = proposal["value"]
        if getattr(self._telling, "name", "") == "config":
            self._telling.name = ""  # next come its observers, on this thread: what they set is an edit
            return given
        config = SweepConfig.parse(given)
        if self._desk.sweep_id is not None:
            drafts.applied(self._desk.store, self._desk.sweep_id, config)
        else:
            self._desk.redraft(exact(config.to_dict()))
        return config.to_dict()

    @tr.validate("view")
    def _keep_small(self, proposal: Any) -> dict[str, Any]:
        view: dict[str, Any] = proposal["value"]
        if len(json.dumps(view, default=str)) > _LARGEST_VIEW:
            raise tr.TraitError(f"view has more than {_LARGEST_VIEW} bytes: it is kept in the notebook")
        return view


class ConfigEditor(Dashboard):
    """The sweep's configuration as a form: `sw.ConfigEditor(sweep_id)`, or without a sweep a draft of one."""

    _panel = "config"


class AgentsPanel(Dashboard):
    """Who works on the sweep, and buttons to start and stop agents: `sw.AgentsPanel(sweep_id)`."""

    _panel = "agents"


class Curves(Dashboard):
    """The runs' metrics as they are logged: `sw.Curves(sweep_id)`."""

    _panel = "curves"


class RunsTable(Dashboard):
    """The runs as a table to sort, filter and select from: `sw.RunsTable(sweep_id)`."""

    _panel = "runs"


class _Face:
    """The widget, as its desk sees it."""

    def __init__(self, widget: Dashboard) -> None:
        self._widget = widget

    def send(self, head: Mapping[str, Any], buffers: list[bytes] | None) -> None:
        self._widget.send(dict(head), buffers)

    def show(self, mirror: Mirror, sweep_id: str) -> None:
        widget = self._widget
        if mirror.sweep is not None:
            now = time.time()
            # The configuration before what is observed: it would undo the edit of an observer.
            told: dict[str, Any] = {"sweep_id": sweep_id, "config": dict(mirror.sweep.config)}
            told |= {"status": mirror.sweep.state.value, "best": mirror.best_fact()}
            said = snapshot.glance(mirror, now)
            if said != widget.glance.get("text"):
                told["glance"] = {"text": said, "at": now}
            widget._tell(**told)
        widget._snapshot.refresh(mirror)

    def edited(self, config: Mapping[str, Any]) -> None:
        self._widget._tell(config=dict(config))


class _Snapshot:
    """The output below the widget that holds its last state."""

    def __init__(self, widget: Dashboard) -> None:
        self._widget = widget
        self._display_id = f"sweepwidget-{uuid.uuid4().hex}"
        self._context: contextvars.Context | None = None
        self._at = float("-inf")
        self._status = ""
        self._shown: dict[str, str] = {}

    def bundle(self) -> dict[str, str]:
        """As things stand; as last shown, if the feed is kept by a store that is away, or by an observer at work."""
        feed = self._widget._desk.feed
        feed.looked.wait(FIRST_LOOK_S)
        if not feed.looking.acquire(timeout=FIRST_LOOK_S):
            return self._shown or self._drawn(Mirror())
        try:
            return self._drawn(feed.mirror)
        finally:
            feed.looking.release()

    def display(self) -> None:
        """Show it below the widget; from here on it is refreshed."""
        from IPython.display import display

        self._shown = self.bundle()
        display(self._shown, raw=True, display_id=self._display_id)
        self._context = contextvars.copy_context()

    def refresh(self, mirror: Mirror) -> None:
        """Bring it up to date if it is time; at once when the sweep has another state."""
        context, status = self._context, self._widget.status
        if context is None or (status == self._status and time.monotonic() - self._at < SNAPSHOT_S):
            return
        self._at, self._status = time.monotonic(), status
        drawn = self._drawn(mirror)
        if drawn != self._shown:
            self._shown = drawn
            with contextlib.suppress(Exception):  # the kernel is shutting down, or cannot display from a thread (7.0)
                context.run(self._update)

    def _update(self) -> None:
        from IPython.display import display

        display(self._shown, raw=True, display_id=self._display_id, update=True)

    def _drawn(self, mirror: Mirror) -> dict[str, str]:
        now, comm = time.time(), self._widget.comm
        model_id = comm.comm_id if comm is not None else ""
        return {"text/plain": snapshot.text(mirror, now), "text/html": snapshot.html(mirror, now, model_id)}


def _id_of(sweep: Any) -> Any:
    """The id, of whatever stands for a sweep: an id, a link, `Api().sweep(…)`, the agents at work."""
    if isinstance(sweep, str):
        return sweep
    return getattr(sweep, "sweep_id", None) or getattr(sweep, "id", sweep)
