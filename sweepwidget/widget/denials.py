"""What a store or a link does not allow, found out before the page offers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import Error
from ..links import is_link
from ..model import Lease, Scope, SweepId
from ..store import Store
from .commands import COMMANDS
from .messages import clean


def denials(store: Store, sweep_id: SweepId | None) -> Mapping[str, str]:
    """Command → why the store would refuse it; empty for stores that anybody who reaches them may change.

    Asks for something that changes nothing in each scope: a hub answers what it thinks of the token.
    """
    if store.refusal:
        why = {Scope.run: store.refusal, Scope.control: store.refusal}
    elif sweep_id is None or not is_link(store.link):
        return {}
    else:
        why = {
            Scope.run: _refusal(lambda: store.dismiss(())),
            Scope.control: _refusal(lambda: store.release(Lease(sweep_id, "nobody", -1))),
        }
    reasons = ((name, why.get(command.scope, "")) for name, command in COMMANDS.items())
    return {name: clean(reason) for name, reason in reasons if reason}


def _refusal(ask: Callable[[], object]) -> str:
    from ..wire import Denied

    try:
        ask()
    except Denied as denied:
        return str(denied)
    except Error:  # the hub is away: it will say so when it is asked for more
        return ""
    return ""
