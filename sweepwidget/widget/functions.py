"""What the notebook has that an agent could call: its own functions that need no arguments."""

from __future__ import annotations

import contextlib
import functools as ft
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from types import FunctionType, MethodType
from typing import Any

from ..errors import UsageError
from ..provenance import where_written, written_function
from ..trials import check_function
from .messages import clean

MOST = 50


def functions(preferred: str = "") -> list[dict[str, str]]:
    """`FunctionInfo`s of protocol.ts: functions of `__main__` that an agent can call, the best guess first: `preferred`, then
    the one that was defined last.
    """
    found = [(name, function) for name, function in namespace().items() if _fits(name, function)]
    found.sort(key=lambda entry: (entry[0] != preferred, -_cell(entry[1])))
    return [{"name": name, "where": clean(_place(function)), "doc": _doc(function)} for name, function in found[:MOST]]


def function_named(name: str) -> Callable[[], Any]:
    """What that name means in the notebook now. UsageError if it is nothing that an agent can call."""
    function = namespace().get(name)
    if not callable(function):
        raise UsageError(f"the notebook has no function {name!r}: run the cell that defines it, then start the agents")
    check_function(function)
    called: Callable[[], Any] = function
    return called


def namespace() -> Mapping[str, Any]:
    """What the notebook has defined."""
    main = getattr(sys.modules.get("__main__"), "__dict__", {})
    names = list(main)  # cells may add to it meanwhile
    return {name: main[name] for name in names if name in main}


def _fits(name: str, value: Any) -> bool:
    # Only what is known to be a plain function is asked anything: other objects may do whatever they like when looked at.
    if name.startswith("_") or type(value) not in (FunctionType, MethodType, ft.partial):
        return False
    with contextlib.suppress(Exception):
        if getattr(written_function(value), "__module__", "") != "__main__" and type(value) is not ft.partial:
            return False
        check_function(value)
        return True
    return False


def _cell(function: Any) -> int:
    """The number of the cell that defined it; scripts have none, and count by line."""
    numbers = re.findall(r"\d+", _place(function))
    code = getattr(written_function(function), "__code__", None)
    return int(numbers[-1]) if numbers else getattr(code, "co_firstlineno", 0)


def _place(function: Any) -> str:
    code = getattr(written_function(function), "__code__", None)
    return "" if code is None else where_written(code.co_filename)


def _doc(function: Any) -> str:
    with contextlib.suppress(Exception):
        return clean((inspect.getdoc(function) or "").partition("\n")[0][:200])
    return ""
