"""Which store this process uses: `use_store(url)`, else SWEEPWIDGET_STORE, else the user's own file."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from .errors import UsageError
from .links import is_link, parse_link
from .loop import after_fork
from .model import Sweep, SweepId
from .store import Store, open_store

_lock = threading.Lock()
_open: dict[tuple[int, str], Store] = {}
_current: Store | None = None


def use_store(url: str | Path) -> Store:
    """Keep sweeps and runs there from now on: `use_store("sweeps.db")`. Returns the store."""
    global _current
    if "://" not in str(url):
        url = Path(url).expanduser().absolute()  # the same words in another folder name another file
    _current = store_at(url)
    return _current


def current_store() -> Store:
    """The store in use; opened when first needed."""
    if _current is not None:
        return _current
    return store_at(os.environ.get("SWEEPWIDGET_STORE") or None)


def store_at(url: str | Path | None) -> Store:
    """The one store object of this process for a URL."""
    with _lock:
        key = (os.getpid(), str(url or ""))
        if key not in _open:
            store = open_store(url)
            _open[key] = _open.setdefault((os.getpid(), store.link), store)
        return _open[key]


def locate(sweep_id: Any, store: Store | None = None) -> tuple[Store, Sweep]:
    """The store and the sweep of W&B's `id`, `project/id` or `entity/project/id` (in `store`, else the one in use), or
    of a link that `share()` gave.

    Raises UsageError for other forms, SweepNotFound.
    """
    if not isinstance(sweep_id, str):
        raise UsageError(f"Expected string sweep_id, got {type(sweep_id).__name__}")
    if is_link(sweep_id):
        wanted = parse_link(sweep_id).sweep_id
        if wanted is None:
            raise UsageError(
                "this link is to a whole store, not to a sweep: call use_store(link), then agent() with the id of a sweep"
            )
        store = store_at(str(sweep_id))
        return store, store.sweep(SweepId(wanted))
    if "#" in sweep_id or "://" in sweep_id:
        raise UsageError(
            "Expected the id of a sweep, or the link that share() printed (https://…#token). What was given looks like a link "
            "or the URL of a store, and is not shown, as it may hold a secret; a store is named by use_store(url)"
        )
    parts = sweep_id.strip().split("/")
    if len(parts) > 3 or not all(parts):
        raise UsageError(
            f"Expected sweep_id in form of sweep, project/sweep, or entity/project/sweep, got {sweep_id!r}"
        )
    store = store or current_store()
    return store, store.sweep(SweepId(parts[-1]))


def _in_child() -> None:
    global _lock
    _lock = threading.Lock()


after_fork(_in_child)
