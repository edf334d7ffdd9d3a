"""One key of a configuration: what may stand there, and what to say when something else does.

The wording of a complaint is jsonschema's, because that is what W&B prints and what people search for. The same tables
of fields check a configuration and publish its JSON Schema, so the two cannot drift apart.
"""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

REQUIRED: Final = object()
"""The `default` of a field that must be given."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "any": (object,),
}


@frozen
class Field:
    """What may stand under one key. `kind` is a JSON type (or "any")."""

    kind: str
    doc: str
    default: Any = REQUIRED
    above: float | None = None
    """Numbers must be greater than this."""
    least: float | None = None
    """Numbers must not be smaller than this."""
    most: float | None = None
    """Numbers must not be larger than this."""
    one_of: tuple[str, ...] = ()
    filled: bool = False
    """Arrays and objects need at least one entry, strings one character."""
    items: Field | None = None
    """What the entries of an array are."""

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def complaint(self, value: Any) -> str | None:
        """Why the value cannot stand here, or None. The values are JSON's: list, dict, str, int, float, bool, None."""
        if not is_kind(value, self.kind):
            return f"{short(value)} is not of type '{self.kind}'{_mend_type(value, self.kind)}"
        if self.one_of and value not in self.one_of:
            return f"{short(value)} is not one of {list(self.one_of)}{did_you_mean(value, self.one_of)}"
        if self.filled and not value:
            return f"{short(value)} should be non-empty"
        if self.kind in ("number", "integer"):
            return self._complaint_of_number(value)
        if self.items is not None:
            return _first(self.items.complaint(item) for item in value)
        return None

    def _complaint_of_number(self, value: float) -> str | None:
        if not is_finite(value):
            return f"{short(value)} is not a finite number"
        if self.above is not None and value <= self.above:
            return f"{short(value)} is less than or equal to the minimum of {self.above:g}"
        if self.least is not None and value < self.least:
            return f"{short(value)} is less than the minimum of {self.least:g}"
        if self.most is not None and value > self.most:
            return f"{short(value)} is greater than the maximum of {self.most:g}"
        return None

    def schema(self) -> dict[str, Any]:
        """The field as JSON Schema."""
        optional = {
            "exclusiveMinimum": self.above,
            "minimum": self.least,
            "maximum": self.most,
            "enum": list(self.one_of) or None,
            "items": None if self.items is None else self.items.schema(),
            _SMALLEST.get(self.kind, ""): 1 if self.filled else None,
            "default": None if self.required else self.default,
        }
        kind = {} if self.kind == "any" else {"type": self.kind}
        doc = {"description": self.doc} if self.doc else {}
        return {**kind, **doc, **{name: value for name, value in optional.items() if value is not None}}


class Problems:
    """What is wrong with a configuration: failures make it unusable, with violations it still runs."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self.violations: list[str] = []

    def fail(self, path: str, complaint: str) -> None:
        self.failures.append(f"{path}: {complaint}")

    def warn(self, path: str, complaint: str) -> None:
        self.violations.append(f"{path}: {complaint}")

    def settle(self) -> None:
        """Raise ConfigError if anything failed. It lists the violations too: one of them may be the cause."""
        if self.failures:
            raise ConfigError([*self.failures, *self.violations])


def unexpected(name: str, known: Iterable[str]) -> str:
    """W&B's complaint about a key that it does not know."""
    return f"Additional properties are not allowed ('{name}' was unexpected){did_you_mean(name, known)}"


def missing(name: str) -> str:
    """W&B's complaint about a key that must be there."""
    return f"'{name}' is a required property"


def read_settings(
    section: Mapping[str, Any],
    fields: Mapping[str, Field],
    where: str,
    problems: Problems,
    report: Callable[[str, str], None],
) -> dict[str, Any]:
    """What a section says, with defaults for what it leaves out or gets wrong; what has no default is left out.

    Wrong and missing entries go to `report`; unknown ones are violations.
    """
    for key in section:
        if key not in fields:
            problems.warn(f"{where}.{key}", unexpected(key, fields))
    settings = {}
    for key, known in fields.items():
        complaint = known.complaint(section[key]) if key in section else None
        if complaint:
            report(f"{where}.{key}", complaint + (f"; the default is {known.default!r}" if known.default else ""))
        elif key in section:
            settings[key] = int(section[key]) if known.kind == "integer" else section[key]
            continue
        elif known.required:
            report(where, missing(key))
        if not known.required:
            settings[key] = known.default
    return settings


_SMALLEST = {"array": "minItems", "object": "minProperties", "string": "minLength"}


def is_kind(value: Any, kind: str) -> bool:
    """Whether a JSON value has the JSON type. True and False are no numbers; 5.0 is an integer."""
    if isinstance(value, bool) and kind in ("number", "integer"):
        return False
    return isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, float) and value.is_integer())


def is_finite(value: float) -> bool:
    """Whether it is a number that a float can hold."""
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond 1e308
        return False


def did_you_mean(word: Any, known: Iterable[str]) -> str:
    """`; did you mean 'random'?` for a word close to a known one (whatever its case), else an empty string."""
    near = closest(word, known)
    return f"; did you mean '{near}'?" if near else ""


def closest(word: Any, known: Iterable[str]) -> str | None:
    """The known word that this one is a slip of, or None."""
    if not isinstance(word, str):
        return None
    slip = word.strip().lower().replace("-", "_")
    folded = {name.lower(): name for name in known}
    begun = [name for name in folded if len(slip) > 2 and name.startswith(slip)]
    near = difflib.get_close_matches(slip, folded, n=1, cutoff=0.7) or (begun if len(begun) == 1 else [])
    return folded[near[0]] if near else None


def short(value: Any, limit: int = 160) -> str:
    """The value as Python writes it, cut when it would fill the screen."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _first(complaints: Iterable[str | None]) -> str | None:
    return next((complaint for complaint in complaints if complaint), None)


def _mend_type(value: Any, kind: str) -> str:
    if kind in ("number", "integer") and isinstance(value, str) and _is_number(value):
        return f"; write {value.strip()} without quotes"
    if kind == "array" and isinstance(value, (str, int, float)):
        return f"; write [{value!r}]"
    if value is None:
        return "; give a value or leave the key out"
    return ""


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
