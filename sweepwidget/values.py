"""User values as JSON values: what numpy, torch, enums, paths and dataclasses become in a config, a log row or a summary.

`native` refuses what has no honest JSON form and says where it stands; `config_value` keeps its name instead, as W&B's
config does. Neither changes what it is given. NaN and infinities are kept; whoever writes strict JSON decides about them.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import math
import numbers
import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence, Set as AbstractSet
from decimal import Decimal
from enum import Enum
from typing import Any, TypeAlias

import attrs
import numpy as np

MAX_ELEMENTS = 10_000
"""The largest array that is kept as a list."""
_MAX_DEPTH = 64
_PLAIN = frozenset({float, int, str, bool, type(None)})
Fallback: TypeAlias = Callable[[Any, str], Any]


def native(value: Any, key: str = "") -> Any:
    """The value as JSON types: `native({"lr": np.float32(0.5), "opt": Path("a")})` is `{"lr": 0.5, "opt": "a"}`.

    Arrays and tensors of one element become numbers (as in W&B), larger ones nested lists; tuples and sets become lists,
    mappings and dataclasses dicts with str keys, enums their values, dates ISO 8601, durations seconds.
    TypeError for what cannot be kept, with its path below `key`: `log: opt.fn is a function …`.
    """
    if type(value) in _PLAIN:
        return value
    return _convert(value, key, 0, refuse)


def config_value(value: Any, key: str = "") -> Any:
    """Like `native`, but what has no JSON form is kept by name: `torch.device("cpu")` as "cpu", a class as "module.Class"."""
    if type(value) in _PLAIN:
        return value
    return _convert(value, key, 0, _name)


def convert(value: Any, key: str, fallback: Fallback) -> Any:
    """Like `native`; `fallback(value, path)` gives the JSON value of what has none of its own, or raises."""
    return _convert(value, key, 0, fallback)


def refuse(value: Any, path: str) -> Any:
    """The fallback of `native`."""
    raise TypeError(
        f"{_at(path)} is a {_type_name(value)}, which has no JSON form. "
        "Log a number, text, list or dict made from it, or wandb media (Image, Table, Histogram …)."
    )


def _convert(value: Any, path: str, depth: int, fallback: Fallback) -> Any:
    if type(value) in _PLAIN:
        return value
    if depth > _MAX_DEPTH:
        raise TypeError(f"{_at(path[:80])} is nested more than {_MAX_DEPTH} levels deep, or contains itself")
    if isinstance(value, np.generic):
        return _numpy_scalar(value, path, depth, fallback)
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return _array(value, path, depth, fallback)
    if isinstance(value, Enum):
        return _convert(value.value, path, depth + 1, fallback)
    if isinstance(value, (str, int)):  # np.str_, subclasses
        return str(value) if isinstance(value, str) else int(value)
    if isinstance(value, Mapping):
        return _mapping(value, path, depth, fallback)
    if isinstance(value, (list, tuple)):
        return _items(value, path, depth, fallback)
    if isinstance(value, (AbstractSet, Sequence)) and not isinstance(value, (bytes, bytearray, memoryview)):
        return _items(_in_order(value) if isinstance(value, AbstractSet) else value, path, depth, fallback)
    if (fields := _fields(value)) is not None:
        return _mapping(fields, path, depth, fallback)
    return _scalar(value, path, fallback)


def _scalar(value: Any, path: str, fallback: Fallback) -> Any:
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return None if value != value else value.isoformat()  # noqa: PLR0124  (pandas' NaT)
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, (numbers.Real, Decimal)):  # Fraction, mpmath, Decimal
        try:
            return float(value)
        except OverflowError:
            raise TypeError(f"{_at(path)} is too large for a float: {type(value).__name__}") from None
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return fallback(value, path)
    if type(value).__name__ == "NAType":  # pandas.NA
        return None
    return fallback(value, path)


def _mapping(value: Mapping[Any, Any], path: str, depth: int, fallback: Fallback) -> dict[str, Any]:
    result = {}
    for name, item in value.items():
        text = name if type(name) is str else _key(name)
        result[text] = item if type(item) in _PLAIN else _convert(item, _join(path, text), depth + 1, fallback)
    if len(result) != len(value):
        raise TypeError(f"{_at(path)} has keys that are the same as text: {', '.join(map(repr, value))}"[:300])
    return result


def _key(name: Any) -> str:
    return str(name.value if isinstance(name, Enum) else name)


def _items(value: Iterable[Any], path: str, depth: int, fallback: Fallback) -> list[Any]:
    return [
        item if type(item) in _PLAIN else _convert(item, f"{path}[{i}]", depth + 1, fallback)
        for i, item in enumerate(value)
    ]


def _in_order(value: AbstractSet[Any]) -> list[Any]:
    """A set's elements in an order that does not change from process to process."""
    try:
        return sorted(value)
    except TypeError:
        return sorted(value, key=repr)


def _fields(value: Any) -> Mapping[str, Any] | None:
    """The fields of a dataclass, an attrs class or an argparse.Namespace."""
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if attrs.has(type(value)):
        return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
    return vars(value) if isinstance(value, argparse.Namespace) else None


def _numpy_scalar(value: np.generic, path: str, depth: int, fallback: Fallback) -> Any:
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    if isinstance(value, np.timedelta64):
        return None if np.isnat(value) else float(value / np.timedelta64(1, "s"))
    if isinstance(value, np.floating):
        return float(value)  # .item() of a longdouble is a longdouble
    item = value.item()
    return (
        fallback(value, path) if isinstance(item, (np.generic, complex)) else _convert(item, path, depth + 1, fallback)
    )


def _array(value: Any, path: str, depth: int, fallback: Fallback) -> Any:
    """numpy, torch, jax, tensorflow, pandas: anything with a shape that can become a list."""
    if not hasattr(value, "tolist") and hasattr(value, "numpy"):  # tensorflow
        value = value.numpy()
    if not hasattr(value, "tolist"):
        return fallback(value, path)
    shape = tuple(value.shape)
    size = math.prod(shape)
    if size == 1:
        if isinstance(value, np.ndarray):  # keeps dates and durations what they are
            return _convert(value.reshape(-1)[0], path, depth + 1, fallback)
        return _convert(value.item() if hasattr(value, "item") else value.tolist(), path, depth + 1, fallback)
    if size > MAX_ELEMENTS:
        raise TypeError(
            f"{_at(path)} is an array of shape {shape}; more than {MAX_ELEMENTS} elements are not kept as a list. "
            "Log wandb.Histogram(array), wandb.Image(array) or a summary of it, or save it to a file."
        )
    if isinstance(value, np.ndarray) and value.dtype.kind in "mMO":
        return _items(list(value), path, depth, fallback)
    return _convert(value.tolist(), path, depth + 1, fallback)


def _name(value: Any, path: str) -> str:
    """W&B's config: functions and classes by their qualified name, other objects by `str`."""
    if type(value).__module__.partition(".")[0] == __package__:  # media and artifacts, as in W&B
        refuse(value, path)
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return str(value)


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _at(path: str) -> str:
    return path or "this value"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
