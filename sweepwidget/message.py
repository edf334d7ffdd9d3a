"""Facts on their way: a head of plain JSON, and numbers as typed little-endian buffers beside it.

The same two halves are the body of a hub's request (`pack`) and a dashboard's comm message (JSON and binary buffers).
How a fact is written follows from its annotations in model.py, so a new field travels at once: one that an older peer
leaves out has its default, one that it does not know is ignored. Written by hand rather than with cattrs, because reading
is strict here (a string is no number, `true` is no 1): what comes from a network is wrong until it is shown to be right.
"""

from __future__ import annotations

import functools
import json
import math
import operator
import re
import struct
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import attrs
import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from .columns import STEP, VALUE
from .errors import StoreError
from .model import AgentId, Column, Points, RunId, SweepId

MAX_HEAD = 2 << 20
"""Bytes of JSON that are read: parsing makes objects some thirty times as large."""
MAX_DEPTH = 100
"""Containers within containers. The store keeps 64 of a user's value."""
_ID_LENGTH = 200
_INT64 = 1 << 63
_EXACT = 1 << 53
_DTYPES: Mapping[str, np.dtype[Any]] = {"i8": STEP, "f8": VALUE, "u1": np.dtype("u1")}
_LENGTH = struct.Struct("<I")


class WireError(StoreError):
    """What came over the wire is malformed. Says where."""


class Message(NamedTuple):
    """A head and its buffers: one-dimensional arrays of int64, float64 or bytes."""

    head: dict[str, Any]
    buffers: Sequence[NDArray[Any]] = ()


# -- head and buffers as bytes ---------------------------------------------------------------------------------------


def pack(message: Message) -> bytes:
    """Length of the head (u32), head, buffers; each begins at a multiple of eight bytes. The head says which they are.

    >>> unpack(pack(Message({"a": 1}))).head
    {'a': 1}
    """
    names = [(f"{buffer.dtype.kind}{buffer.itemsize}", len(buffer)) for buffer in message.buffers]
    head = _dumps({**message.head, "buffers": names}).encode()
    head += b" " * (-(_LENGTH.size + len(head)) % 8)
    parts = [_LENGTH.pack(len(head)), head]
    for buffer in message.buffers:
        data = np.ascontiguousarray(buffer, buffer.dtype.newbyteorder("<")).tobytes()
        parts += data, b"\0" * (-len(data) % 8)
    return b"".join(parts)


def unpack(body: bytes, max_head: int = 1 << 32) -> Message:
    """The message of `pack`; its buffers are read-only views of `body`. WireError for anything else.

    `max_head`: bytes of JSON that are read, for bodies from strangers (see MAX_HEAD).
    """
    if len(body) < _LENGTH.size:
        raise WireError(f"the body is cut short: it has {len(body)} bytes")
    (length,) = _LENGTH.unpack_from(body)
    end = _LENGTH.size + length
    if length > max_head:
        raise WireError(f"the head has {length} bytes, and {max_head} are allowed")
    if end > len(body):
        raise WireError(f"the body is cut short: its head should have {length} bytes")
    head = _loads(body[_LENGTH.size : end])
    buffers = []
    for i, named in enumerate(_list(head.pop("buffers", []), "buffers")):
        dtype, n = _buffer(named, f"buffers[{i}]")
        if n * dtype.itemsize > len(body) - end:
            raise WireError(f"the body is cut short in buffers[{i}]")
        buffers.append(np.frombuffer(body, dtype, n, end))
        end += -(-n * dtype.itemsize // 8) * 8
    if end < len(body):
        raise WireError(f"the body has {len(body) - end} bytes more than its head says")
    return Message(head, buffers)


def _buffer(named: object, at: str) -> tuple[np.dtype[Any], int]:
    kind, n = named if isinstance(named, list) and len(named) == 2 else (None, None)
    if isinstance(kind, str) and kind in _DTYPES and type(n) is int and 0 <= n < _INT64:
        return _DTYPES[kind], n
    raise WireError(f"{at}: expected one of {', '.join(_DTYPES)} and a length")


# -- JSON that every peer reads --------------------------------------------------------------------------------------

FLOAT_MARK = "$float"
looks_marked = re.compile(r"\$+float").fullmatch
"""Users' keys that look like it are written with one `$` more."""
_NAMED = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


_STRICT = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def _dumps(head: Mapping[str, Any]) -> str:
    """Strict JSON. Users' NaN and infinities become `{"$float": "nan"}`; TypeError or ValueError for what is not JSON."""
    try:
        text = _STRICT.encode(head)
        if FLOAT_MARK not in text:
            return text
    except ValueError:  # a NaN, or a cycle, which raises again
        pass
    return _STRICT.encode(_marked(json.loads(json.dumps(head))))


def _marked(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {FLOAT_MARK: repr(value)}
    if isinstance(value, dict):
        return {f"${key}" if looks_marked(key) else key: _marked(item) for key, item in value.items()}
    return [_marked(item) for item in value] if isinstance(value, list) else value


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {FLOAT_MARK}:
            name = value[FLOAT_MARK]
            if not isinstance(name, str) or name not in _NAMED:
                raise WireError(f"{FLOAT_MARK}: expected one of {', '.join(_NAMED)}")
            return _NAMED[name]
        return {key[1:] if looks_marked(key) else key: _unmarked(item) for key, item in value.items()}
    return [_unmarked(item) for item in value] if isinstance(value, list) else value


def _loads(text: bytes) -> dict[str, Any]:
    try:
        head = _PARSER.decode(str(text, "utf-8", "surrogatepass"))
        head = _unmarked(head) if FLOAT_MARK.encode() in text else head
    except WireError:
        raise
    except ValueError as error:
        raise WireError(f"the head is no JSON: {error}") from None
    except RecursionError:
        raise WireError("the head is nested too deep") from None
    if not isinstance(head, dict):
        raise WireError(f"the head is {_name(head)}: expected an object")
    return head


def _no_constant(name: str) -> None:
    raise WireError(f"the head has {name}, which is no JSON")


_PARSER = json.JSONDecoder(parse_constant=_no_constant)


def check_depth(value: object, body: bytes) -> None:
    """Refuse what is nested more than MAX_DEPTH deep: stores and readers go through it recursively. `body`: where it came."""
    end = _LENGTH.size + MAX_HEAD
    if body.count(b"{", 0, end) + body.count(b"[", 0, end) <= MAX_DEPTH:
        return
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for container in level
            if isinstance(container, (dict, list))
            for item in (container.values() if isinstance(container, dict) else container)
        ]
        if not level:
            return
    raise WireError(f"the head is nested more than {MAX_DEPTH} deep")


# -- columns in buffers ----------------------------------------------------------------------------------------------


class Writer:
    """Collects what goes into the buffers while facts are written.

    A column is [points, steps]; steps are a number (they count up from it), [i] (those of the i-th column), or null (the
    next ones of the first buffer). All values follow each other in the second. Records' texts are the third.
    """

    def __init__(self, plain: Callable[[Mapping[str, Any]], dict[str, Any]] = dict) -> None:
        self.plain = plain
        """Makes a user's mapping one that JSON knows."""
        self._columns: list[tuple[int, int | list[int] | None]] = []
        self._steps: list[NDArray[np.int64]] = []
        self._values: list[NDArray[np.float64]] = []
        self._texts: list[bytes] = []
        self._known: dict[bytes, int] = {}

    def column(self, column: Column) -> int:
        """Takes a column; its number."""
        self._columns.append((len(column), self._steps_of(column.steps)))
        self._values.append(column.values)
        return len(self._columns) - 1

    def text(self, text: str) -> int:
        """Takes a text; its length in bytes."""
        self._texts.append(text.encode("utf-8", "surrogatepass"))
        return len(self._texts[-1])

    def _steps_of(self, steps: NDArray[np.int64]) -> int | list[int] | None:
        n = len(steps)
        first = int(steps[0]) if n else -_EXACT
        if -_EXACT < first < _EXACT and int(steps[-1]) - first == n - 1 and bool((steps[1:] - steps[:-1] == 1).all()):
            return first
        same = self._known.setdefault(steps.tobytes(), len(self._columns))
        if same < len(self._columns):
            return [same]
        self._steps.append(steps)
        return None

    def message(self, head: dict[str, Any]) -> Message:
        """What was written, with its buffers."""
        if not self._columns and not self._texts:
            return Message(head)
        buffers = [_joined(self._steps, STEP), _joined(self._values, VALUE)]
        if self._texts:
            buffers.append(np.frombuffer(b"".join(self._texts), "u1"))
        return Message({**head, "columns": self._columns}, buffers)


def _joined(pieces: Sequence[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.concatenate(pieces).astype(dtype, copy=False) if pieces else np.empty(0, dtype)


class Reader:
    """Gives back what a Writer put into the buffers; the columns are read-only views."""

    def __init__(self, message: Message) -> None:
        kinds = [buffer.dtype for buffer in message.buffers]
        if kinds not in ([], [STEP, VALUE], [STEP, VALUE, _DTYPES["u1"]]):
            raise WireError("buffers: expected steps (i8), values (f8) and perhaps texts (u1)")
        self._columns: list[Column] = []
        self._texts = bytes(message.buffers[2]) if len(kinds) == 3 else b""
        self._text = 0
        self._steps: NDArray[np.int64] = message.buffers[0] if kinds else np.empty(0, STEP)
        self._values: NDArray[np.float64] = message.buffers[1] if kinds else np.empty(0, VALUE)
        step = value = 0
        for i, entry in enumerate(_list(message.head.get("columns", []), "columns")):
            match entry:
                case [int(n), steps] if 0 <= n <= len(self._values) - value and not isinstance(n, bool):
                    pass
                case _:
                    raise WireError(f"columns[{i}]: expected a length within the buffers and where its steps are")
            at = self._steps_at(steps, n, step, f"columns[{i}]")
            step += n if steps is None else 0
            self._columns.append(Column(at, self._values[value : value + n]))
            value += n
        if step < len(self._steps) or value < len(self._values):
            raise WireError("the buffers are longer than the columns in them")

    def _steps_at(self, steps: object, n: int, next_step: int, at: str) -> NDArray[np.int64]:
        if steps is None and n <= len(self._steps) - next_step:
            return self._steps[next_step : next_step + n]
        if type(steps) is int and -_EXACT <= steps <= _EXACT:
            return np.arange(steps, steps + n, dtype=STEP)
        match steps:
            case [int(same)] if 0 <= same < len(self._columns) and len(self._columns[same]) == n:
                return self._columns[same].steps
        raise WireError(f"{at}: expected a first step, the column with the same steps, or null")

    def column(self, number: object, at: str) -> Column:
        if type(number) is int and 0 <= number < len(self._columns):
            return self._columns[number]
        raise WireError(f"{at}: there is no column {_name(number)}")

    def text(self, length: object, at: str) -> str:
        if type(length) is not int or not 0 <= length <= len(self._texts) - self._text:
            raise WireError(f"{at}: expected a length within the buffer of texts")
        start, self._text = self._text, self._text + length
        try:
            return self._texts[start : self._text].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise WireError(f"{at}: expected UTF-8") from None


# -- facts -----------------------------------------------------------------------------------------------------------


@frozen
class Kind:
    """How values of one type are written into a head, and read from there (with the place, for the error)."""

    write: Callable[[Any, Writer], Any]
    read: Callable[[Any, Reader, str], Any]


@functools.cache
def kind_of(annotation: Any) -> Kind:
    """The kind of a type: facts of model.py, their fields' types, and sequences, mappings and unions with None of those."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        return _optional(kind_of(inner))
    if annotation == Sequence[tuple[int, str]]:
        return _RECORDS
    if origin is tuple and arguments[-1] is not Ellipsis:
        return _tuple(tuple(kind_of(argument) for argument in arguments))
    if origin in (tuple, Sequence, Collection):
        return _sequence(kind_of(arguments[0]))
    if origin is Mapping:
        return _mapping(kind_of(arguments[0]), kind_of(arguments[1]))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _enum(annotation)
    assert attrs.has(annotation), f"{annotation} does not travel"
    return _fact(annotation)


def _same(value: Any, writer: Writer) -> Any:
    return value


def _checked(expected: str, right: Callable[[Any], bool]) -> Kind:
    def read(value: Any, reader: Reader, at: str) -> Any:
        if right(value):
            return value
        raise WireError(f"{at}: expected {expected}, got {_name(value)}")

    return Kind(_same, read)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _ID_LENGTH and value.isprintable()


def _is_int(value: Any) -> bool:
    return type(value) is int and -_INT64 <= value < _INT64


def _is_finite(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)


def _read_float(value: Any, reader: Reader, at: str) -> float:
    if _is_finite(value) or (_is_int(value) and abs(value) <= _EXACT):
        return float(value)
    raise WireError(f"{at}: expected a number, got {_name(value)}")


_ID = _checked(f"an id of at most {_ID_LENGTH} printable characters", _is_id)
_VALUES = Kind(
    lambda value, writer: writer.plain(value), _checked("an object", lambda value: isinstance(value, dict)).read
)
_PLAIN: Mapping[Any, Kind] = {
    str: _checked("a text", lambda value: isinstance(value, str)),
    int: _checked("a 64-bit integer", _is_int),
    float: Kind(_same, _read_float),
    bool: _checked("true or false", lambda value: isinstance(value, bool)),
    None: _checked("null", lambda value: value is None),
    SweepId: _ID,
    RunId: _ID,
    AgentId: _ID,
    Mapping[str, Any]: _VALUES,
    Column: Kind(lambda column, writer: writer.column(column), lambda number, reader, at: reader.column(number, at)),
}
"""`Mapping[str, Any]` is what a user gave: any JSON, NaN and infinities included."""


def _optional(inner: Kind) -> Kind:
    return Kind(
        lambda value, writer: None if value is None else inner.write(value, writer),
        lambda value, reader, at: None if value is None else inner.read(value, reader, at),
    )


def _sequence(inner: Kind) -> Kind:
    return Kind(
        lambda values, writer: [inner.write(value, writer) for value in values],
        lambda values, reader, at: tuple(
            [inner.read(value, reader, f"{at}[{i}]") for i, value in enumerate(_list(values, at))]
        ),
    )


def _tuple(inner: tuple[Kind, ...]) -> Kind:
    def read(values: Any, reader: Reader, at: str) -> tuple[Any, ...]:
        if len(_list(values, at)) != len(inner):
            raise WireError(f"{at}: expected {len(inner)} values, got {len(values)}")
        return tuple(
            kind.read(value, reader, f"{at}[{i}]") for i, (kind, value) in enumerate(zip(inner, values, strict=True))
        )

    return Kind(
        lambda values, writer: [kind.write(value, writer) for kind, value in zip(inner, values, strict=True)], read
    )


def _mapping(key: Kind, inner: Kind) -> Kind:
    def read(values: Any, reader: Reader, at: str) -> dict[str, Any]:
        if not isinstance(values, dict):
            raise WireError(f"{at}: expected an object, got {_name(values)}")
        return {
            key.read(name, reader, f"{at}, a key"): inner.read(value, reader, f"{at}.{name[:40]}")
            for name, value in values.items()
        }

    return Kind(lambda values, writer: {name: inner.write(value, writer) for name, value in values.items()}, read)


def _enum(enum: type[Enum]) -> Kind:
    known = {member.value: member for member in enum}

    def read(value: Any, reader: Reader, at: str) -> Enum:
        if not isinstance(value, str) or value not in known:
            raise WireError(f"{at}: expected one of {', '.join(known)}, got {_name(value)}")
        return known[value]

    return Kind(lambda member, _: member.value, read)


def _fact(fact: type[Any]) -> Kind:
    hints = get_type_hints(fact)
    fields = [(field.name, kind_of(hints[field.name]), field.default is attrs.NOTHING) for field in attrs.fields(fact)]
    check = _CHECKS.get(fact)
    names = [name for name, _, _ in fields]
    assert len(names) > 1  # of one alone the getter gives no tuple
    values_of = operator.attrgetter(*names)
    written = [(name, kind.write) for name, kind, _ in fields if kind.write is not _same]

    def write(value: Any, writer: Writer) -> dict[str, Any]:
        found = dict(zip(names, values_of(value), strict=True))
        for name, write_one in written:
            found[name] = write_one(found[name], writer)
        return found

    def read(values: Any, reader: Reader, at: str) -> Any:
        if not isinstance(values, dict):
            raise WireError(f"{at}: expected an object, got {_name(values)}")
        found = {}
        for name, kind, needed in fields:
            if name in values:
                found[name] = kind.read(values[name], reader, f"{at}.{name}")
            elif needed:
                raise WireError(f"{at}.{name} is missing")
        made = fact(**found)
        if check is not None:
            check(made, at)
        return made

    return Kind(write, read)


def _write_records(records: Sequence[tuple[int, str]], writer: Writer) -> list[tuple[int, int]]:
    return [(step, writer.text(text)) for step, text in records]


def _read_records(values: Any, reader: Reader, at: str) -> list[tuple[int, str]]:
    found = []
    for i, entry in enumerate(_list(values, at)):
        match entry:
            case [int(step), length] if _is_int(step):
                text = reader.text(length, f"{at}[{i}]")
            case _:
                raise WireError(f"{at}[{i}]: expected a step and a length")
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):  # one that is not would fail every reader later
            raise WireError(f"{at}[{i}]: expected the JSON of an object")
        found.append((step, text))
    return found


_RECORDS = Kind(_write_records, _read_records)


def _check_points(points: Points, at: str) -> None:
    if not 0 <= points.start <= points.end:
        raise WireError(f"{at}: expected offsets 0 <= start <= end, got {points.start} and {points.end}")
    if len(points.source) > _ID_LENGTH:
        raise WireError(f"{at}.source: expected at most {_ID_LENGTH} characters")


_CHECKS: Mapping[type[Any], Callable[[Any, str], None]] = {Points: _check_points}
"""What the types of the fields do not say."""


def _list(value: Any, at: str) -> list[Any]:
    if not isinstance(value, list):
        raise WireError(f"{at}: expected a list, got {_name(value)}")
    return value


def _name(value: object) -> str:
    """A value, short enough for an error."""
    text = json.dumps(value) if isinstance(value, (str, int, float, bool)) or value is None else type(value).__name__
    return text if len(text) <= 40 else f"{text[:40]}…"
