"""The user's own search or stopping code: called, and when it fails or answers nonsense, named."""

from __future__ import annotations

from reprlib import Repr
from typing import Any

from .errors import UsageError

_repr = Repr()
_repr.maxstring = _repr.maxother = 200


class Plugin:
    """A function, or a class (or object) with the method of W&B's old plug-in protocol.

    `has_method` says which: then the call goes to that method.
    """

    def __init__(self, kind: str, code: Any, method: str) -> None:
        self.name = f"{kind} {getattr(code, '__qualname__', type(code).__qualname__)}"
        target = self._guarded(code) if isinstance(code, type) else code
        bound = getattr(target, method, None)
        self.has_method = callable(bound)
        self._call = bound if self.has_method else target
        if not callable(self._call):
            raise UsageError(
                f"{self.name}: expected a function, or a class with a method {method}; got {_repr.repr(code)}"
            )

    def __call__(self, *args: Any) -> Any:
        return self._guarded(self._call, *args)

    def nonsense(self, answer: object, expected: str) -> UsageError:
        """The error to raise for an answer that cannot be understood."""
        return UsageError(f"{self.name} returned {_repr.repr(answer)}; return {expected}")

    def _guarded(self, code: Any, *args: Any) -> Any:
        try:
            return code(*args)
        except Exception as error:
            raise UsageError(f"{self.name} raised {type(error).__name__}: {error}") from error
