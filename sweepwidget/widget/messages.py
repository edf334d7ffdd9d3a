"""A message to the page: a head of JSON that every browser reads, and numbers in one buffer beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from ..message import FLOAT_MARK, looks_marked


class Buffer:
    """Collects the arrays of one message; each begins at a multiple of eight bytes.

    >>> buffer = Buffer()
    >>> buffer.add(np.zeros(3, "<i4")), buffer.add(np.zeros(1)), len(buffer.joined())
    (0, 16, 24)
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, array: NDArray[Any]) -> int:
        """Takes an array (little-endian in the message); where it begins, in bytes."""
        at = self._size
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        padding = -len(data) % 8
        self._pieces += data, b"\0" * padding
        self._size += len(data) + padding
        return at

    def joined(self) -> bytes:
        return b"".join(self._pieces)


@frozen(eq=False)
class Message:
    """What the page is told; `head` has a `type`, and gets its number when it is sent."""

    head: Mapping[str, Any]
    buffer: bytes = field(default=b"", repr=False)


def plain(value: Any) -> Any:
    """A user's JSON value as the page can read it: NaN and infinities marked (see message.py), lone surrogates escaped.

    >>> plain({"lr": float("inf")})
    {'lr': {'$float': 'inf'}}
    """
    if value is None or type(value) in (int, bool):
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else {FLOAT_MARK: repr(float(value))}
    if isinstance(value, Mapping):
        return {clean(f"${key}" if looks_marked(key) else key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return clean(str(value))


def unmarked(value: Any) -> Any:
    """What `plain` made of a value, read back (lone surrogates stay escaped)."""
    if isinstance(value, dict):
        if value.keys() == {FLOAT_MARK}:
            return float(value[FLOAT_MARK]) if value[FLOAT_MARK] in ("nan", "inf", "-inf") else value
        return {key[1:] if looks_marked(key) else key: unmarked(item) for key, item in value.items()}
    return [unmarked(item) for item in value] if isinstance(value, list) else value


def clean(text: str) -> str:
    """The text as UTF-8 can carry it."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def exact(config: Mapping[str, Any]) -> str:
    """A configuration as JSON text, for a page that reads numbers as they are written: 1.0 is not 1, and 2**60 is exact.

    >>> exact({"min": 0.0, "max": 1, "values": [float("inf")]})
    '{"min": 0.0, "max": 1, "values": [Infinity]}'
    """
    return json.dumps(dict(config))
