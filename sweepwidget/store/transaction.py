"""What a verb of the store does its work in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Transaction(Protocol):
    """Entered with `with`: commits at the end of the block, rolls back on any exception."""

    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> Any: ...

    def undo(self) -> None:
        """Nothing has changed after all: roll back at the end and wake nobody."""
