"""From whatever a user calls a sweep configuration to plain JSON values of our own; what was given is never changed.

Dicts and everything that behaves like one, functions that return one, YAML or JSON text, and files of it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .fields import Problems, short

_NOT_AN_OBJECT = "Sweep config must be parsable as a JSON object."
_FOR_EXAMPLE = "for example {'method': 'random', 'parameters': {'lr': {'min': 0.0, 'max': 0.1}}}"
_TOO_DEEP = "This one contains itself, or is nested too deeply."
_SUFFIXES = (".yaml", ".yml", ".json")
_MOST = 1_000_000
"""Values of one configuration. With aliases a few lines of YAML can mean more than any memory holds."""


def read(source: Any) -> dict[str, Any]:
    """The configuration as a dict of JSON values, independent of the source.

    `source` is a dict, anything with `keys()` and `[…]`, a function without arguments that returns one, YAML or JSON
    text, or the path of such a file. numpy values become Python's; tuples, sets and arrays become lists; an Enum
    becomes its value. ConfigError names every value that JSON cannot hold. YAML is read as W&B does, with two
    differences: `1e-3` is a number (YAML 1.2), and a key given twice is an error.
    """
    if callable(source) and not _is_mapping(source):
        source = source()
    where, loaded = _load(source) if isinstance(source, (str, os.PathLike)) else ("", source)
    if not _is_mapping(loaded):
        raise ConfigError(f"{where}{_NOT_AN_OBJECT} Got {short(loaded)}; give a dict, {_FOR_EXAMPLE}.")
    problems = Problems()
    try:
        given: dict[str, Any] = _Copy(problems).of(loaded, "")
    except RecursionError:
        raise ConfigError(f"{where}{_NOT_AN_OBJECT} {_TOO_DEEP}") from None
    problems.settle()
    return given


# -- plain values -------------------------------------------------------------------------------------------------


def _is_mapping(value: Any) -> bool:
    # Asked of the type: attr-dicts answer to any name, or raise what hasattr does not expect.
    return isinstance(value, Mapping) or (hasattr(type(value), "keys") and hasattr(type(value), "__getitem__"))


class _Copy:
    """Plain values in place of what was given."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._left = _MOST

    def of(self, value: Any, path: str) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ConfigError(f"{path}: here the configuration passes {_MOST} values, and no sweep needs so many")
        if value is None or type(value) in (str, int, float, bool):
            return value
        if isinstance(value, Enum):
            return self.of(value.value, path)
        for kind in (str, bool, int, float):
            if isinstance(value, kind):  # np.float64 and other subclasses
                return kind(value)
        if hasattr(type(value), "tolist"):  # numpy, pandas and torch values, of any shape
            return self.of(value.tolist(), path)
        if _is_mapping(value):
            return self._of_mapping(value, path)
        if isinstance(value, (set, frozenset)):
            value = _sorted(value)
        if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, type, Iterator)):
            return [self.of(item, f"{path}[{i}]") for i, item in enumerate(value)]
        self._problems.fail(path, f"{short(value)} cannot be written as JSON; {_mend(value)}")
        return None

    def _of_mapping(self, mapping: Any, path: str) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for given in mapping.keys():  # noqa: SIM118  (dict-likes without __iter__)
            name = self.of(given, path)
            name = name if isinstance(name, str) else json.dumps(name)
            here = f"{path}.{name}" if path else name
            if name in plain:
                self._problems.fail(here, f"given twice: as {short(given)} too")
            plain[name] = self.of(mapping[given], here)
        return plain


def _sorted(values: Iterable[Any]) -> list[Any]:
    """A set in an order that is the same in every process."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=repr)


def _mend(value: Any) -> str:
    if isinstance(value, Iterator):
        return "it can be read only once: make it a list"
    if callable(value):
        return f"give its name, '{getattr(value, '__name__', value)}', and look it up in the training function"
    if hasattr(type(value), "isoformat"):
        return f"write '{value.isoformat()}' in quotes"
    return "use a number, a string, a list or a dict"


# -- text and files -----------------------------------------------------------------------------------------------


def _load(source: str | os.PathLike[str]) -> tuple[str, Any]:
    """Where it comes from (for messages) and what it says."""
    path = _file(source)
    if path is None:
        return "", _parse(str(source), "")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Couldn't open sweep file: {path} ({error})") from error
    return f"{path}: ", _parse(text, f"{path}: ")


def _file(source: str | os.PathLike[str]) -> Path | None:
    """The path, unless the string is text."""
    if not isinstance(source, str):
        return Path(source).expanduser()
    if "\n" in source or "{" in source:
        return None
    path = Path(source).expanduser()
    if path.suffix.lower() in _SUFFIXES and ": " not in source:
        return path
    try:
        return path if path.is_file() else None
    except (OSError, ValueError):  # too long, or with a NUL, for a name
        return None


def _parse(text: str, where: str) -> Any:
    if not text.strip():
        raise ConfigError(f"{where}Configuration file is empty; {_FOR_EXAMPLE} is one.")
    import yaml

    try:
        if text.lstrip().startswith("{"):
            with suppress(json.JSONDecodeError):  # YAML's own `{a: 1}`
                return json.loads(text, object_pairs_hook=_once)
        return yaml.load(text, _loader())  # noqa: S506  (a SafeLoader)
    except ConfigError:
        raise
    except RecursionError:
        raise ConfigError(f"{where}{_NOT_AN_OBJECT} {_TOO_DEEP}") from None
    except Exception as error:  # YAMLError, and whatever PyYAML's makers of dates and numbers stumble over
        raise ConfigError(f"{where}not YAML: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError([f"{name}: given twice in the JSON; keep one of them" for name in twice])
    return dict(pairs)


@cache
def _loader() -> Any:
    """PyYAML's safe loader, plus `1e-3` as a number and an error for a key that is given twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            names: set[str] = set()
            for name, _ in node.value:
                if not isinstance(name.value, str):
                    continue
                if name.value in names:
                    line = name.start_mark.line + 1
                    raise ConfigError(f"{name.value}: given twice in the YAML, again in line {line}; keep one of them")
                names.add(name.value)
            return node

        def flatten_mapping(self, node: Any) -> None:
            super().flatten_mapping(node)
            if len(node.value) > _MOST:  # merges of merges
                raise ConfigError(f"the YAML merges more than {_MOST} values, and no sweep needs so many")

    number = re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    return Loader
