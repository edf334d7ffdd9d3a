"""`dashboard()`: the widget where there is a notebook, a tidy summary where there is only text."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from .model import SweepId
from .store import Store
from .stores import current_store, locate

if TYPE_CHECKING:
    from .widget.dashboard import Dashboard


def dashboard(sweep_id: Any = None, *, config: Any = None) -> Dashboard | None:
    """Show a sweep, and control it: `sw.dashboard(sweep_id)`, also with a link that `share()` gave.

    In a notebook this returns the widget (see `Dashboard`); without a sweep it offers to make one, beginning with
    `config`. In a terminal or a script it prints where the sweep stands, and returns None.
    """
    if _in_notebook():
        from .widget.dashboard import Dashboard

        return Dashboard(sweep_id, config=config)
    store, row = (current_store(), None) if sweep_id is None else locate(getattr(sweep_id, "id", sweep_id))
    print("\n".join(_lines(store, row.id if row is not None else None)), flush=True)
    return None


def _lines(store: Store, sweep_id: SweepId | None) -> list[str]:
    """Where a sweep stands, or all of them."""
    import time

    from .listing import lines
    from .model import Cursor
    from .widget.mirror import Mirror
    from .widget.snapshot import text

    if sweep_id is None:
        return lines(store)
    mirror = Mirror()
    mirror.apply(store.changes(sweep_id, Cursor(), ()), time.time())
    return text(mirror, time.time()).splitlines()


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
