"""Functions on their way to another process: pickled by value with what they close over, and the reason if they cannot be.

Only from the user's own kernel to the user's own workers: never unpack what came from anybody else.
"""

from __future__ import annotations

import dis
import functools
import io
import json
import linecache
import pickle
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any

from attrs import frozen

from ..errors import UsageError

_MAGIC = b"sweepwidget object\n"


def pack(obj: Any) -> bytes:
    """Pickle a function (or anything) by value from `__main__`, for `unpack` in the same Python and sweepwidget.

    Modules travel by name. The source text of notebook cells goes along, so that tracebacks show it there.
    UsageError, naming the objects to blame and what to do, if it cannot be pickled.

    >>> unpack(pack(lambda: 42))()
    42
    """
    try:
        payload, sources = _pickled(obj)
    except Exception as error:
        culprits = list(_culprits(_name_of(obj), obj, (), {})) or [Culprit(_name_of(obj), obj, (), _said(error))]
        raise UsageError(_refusal(_name_of(obj), culprits)) from error
    header = json.dumps({"made_by": _here(), "sources": sources})
    return b"".join((_MAGIC, header.encode(), b"\n", payload))


def unpack(data: bytes) -> Any:
    """What was packed. UsageError if another Python or sweepwidget did, or if something it needs is not here."""
    if not data.startswith(_MAGIC):
        raise UsageError("these bytes hold no function: they were not made by shipping.pack()")
    end = data.index(b"\n", len(_MAGIC))
    header = json.loads(data[len(_MAGIC) : end])
    _check(header["made_by"])
    try:
        obj = pickle.loads(memoryview(data)[end + 1 :])  # noqa: S301  (the user's own, see above)
    except ImportError as error:
        raise UsageError(
            f"the function needs a module that is not here: {error}. Install it where the agents run, or start them "
            "where it can be imported"
        ) from error
    for name, text in header["sources"].items():
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    return obj


def _here() -> Mapping[str, str]:
    try:
        ours = version("sweepwidget")
    except PackageNotFoundError:  # a checkout on PYTHONPATH
        ours = "uninstalled"
    return {"Python": "{}.{}".format(*sys.version_info), "sweepwidget": ours}


def _check(made_by: Mapping[str, str]) -> None:
    here = _here()
    if made_by != here:
        theirs, ours = (" and ".join(f"{name} {number}" for name, number in side.items()) for side in (made_by, here))
        raise UsageError(
            f"this function was packed by {theirs}, but here is {ours}: use the same environment where the agents run"
        )


# -- pickling -------------------------------------------------------------------------------------------------------


def _pickled(obj: Any) -> tuple[bytes, Mapping[str, str]]:
    """The pickle, and the source text of the notebook cells whose functions are in it."""
    import cloudpickle

    shell = _shell_class()
    files: set[str] = set()

    class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]
        """The notebook's shell, which `get_ipython` drags in, becomes that of wherever it is unpickled."""

        def reducer_override(self, obj: Any) -> Any:
            if shell is not None and isinstance(obj, shell):
                return _shell, ()
            if isinstance(obj, FunctionType):
                files.add(obj.__code__.co_filename)
            return super().reducer_override(obj)

    body = io.BytesIO()
    Pickler(body).dump(obj)
    return body.getvalue(), _sources(files)


def _sources(files: Iterable[str]) -> Mapping[str, str]:
    """The text of those files that are none: notebook cells live in linecache alone."""
    known = ((name, linecache.cache.get(name)) for name in files if not Path(name).exists())
    return {name: "".join(entry[2]) for name, entry in known if entry is not None and len(entry) == 4}


def _shell_class() -> type | None:
    ipython = sys.modules.get("IPython")
    return ipython.InteractiveShell if ipython is not None else None


def _shell() -> Any:
    from IPython import get_ipython

    return get_ipython()


# -- blaming --------------------------------------------------------------------------------------------------------


@frozen(eq=False)
class Culprit:
    """An object that cannot be pickled."""

    name: str
    obj: Any
    path: tuple[str, ...]
    """Through which names it was reached."""
    error: str

    def __str__(self) -> str:
        kind = type(self.obj)
        kind_name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        used = f", used in {' → '.join(self.path)}" if self.path else ""
        return f"{self.name} ({kind_name}){used}: {self.error}"


def _refusal(name: str, culprits: Iterable[Culprit]) -> str:
    lines = "\n".join(f"  {culprit}" for culprit in culprits)
    return (
        f"{name} cannot be sent to another process:\n{lines}\n"
        "Make such objects inside the function, so that every run has its own, or use backend='thread', whose runs share "
        "this process"
    )


def _culprits(name: str, obj: Any, path: tuple[str, ...], seen: dict[int, Any]) -> Iterator[Culprit]:
    """The innermost objects that cannot be pickled."""
    if id(obj) in seen or (error := _error_of(obj)) is None:
        return
    seen[id(obj)] = obj  # kept alive, so that no other object gets its id
    found = [culprit for part, value in _parts(obj) for culprit in _culprits(part, value, (*path, name), seen)]
    yield from found or [Culprit(name, obj, path, error)]


def _error_of(obj: Any) -> str | None:
    try:
        _pickled(obj)
    except Exception as error:  # noqa: BLE001  (objects may refuse with anything)
        return _said(error)
    return None


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _parts(obj: Any) -> Iterator[tuple[str, Any]]:
    """What is pickled with an object, each with the name a reader knows it by."""
    if isinstance(obj, FunctionType):
        yield from _parts_of_function(obj)
    elif isinstance(obj, MethodType):
        yield from (("self", obj.__self__), (obj.__func__.__name__, obj.__func__))
    elif isinstance(obj, functools.partial):
        yield from ((_name_of(obj.func), obj.func), ("arguments", obj.args), *obj.keywords.items())
    elif isinstance(obj, Mapping):
        yield from ((f"[{key!r}]", value) for key, value in obj.items())
    elif isinstance(obj, (list, tuple, set, frozenset)):
        yield from ((f"[{i}]", value) for i, value in enumerate(obj))
    else:
        if not isinstance(obj, type):
            yield type(obj).__name__, type(obj)
        yield from ((str(name), value) for name, value in getattr(obj, "__dict__", {}).items())


def _parts_of_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    scope = function.__globals__
    yield from ((name, scope[name]) for name in sorted(_global_names(function.__code__)) if name in scope)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield from (("a default value", value) for value in function.__defaults__ or ())
    yield from (function.__kwdefaults__ or {}).items()
    yield from function.__dict__.items()


def _global_names(code: CodeType) -> set[str]:
    names = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "STORE_GLOBAL")}
    return names.union(*(_global_names(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def _name_of(obj: Any) -> str:
    name = getattr(obj, "__name__", None)
    return f"{name}()" if name and isinstance(obj, (FunctionType, MethodType)) else name or type(obj).__name__
