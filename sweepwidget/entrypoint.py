"""`FILE:NAME` or `MODULE:NAME` on the command line: the training function that it names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import UsageError


def function_at(place: str) -> Callable[[], Any]:
    """`train.py:train` or `package.module:train`; its folder (for a module the current one) can be imported from, as Python
    does for a script. UsageError for what is not there; what the file itself raises passes on.

    >>> function_at("platform:node").__name__
    'node'
    """
    where, _, name = place.rpartition(":")
    if not where or not name.isidentifier():
        raise UsageError(f"--function {place!r}: expected FILE:NAME or MODULE:NAME, like train.py:train")
    module = _of_file(Path(where)) if where.endswith(".py") else _of_name(where)
    function = getattr(module, name, None)
    if function is None:
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UsageError(f"{where} has no {name!r}; it has {', '.join(known[:10]) or 'nothing that can be called'}")
    return function  # type: ignore[no-any-return]  # hiring looks whether it can be called


def _of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"--function: there is no file {str(path)!r} in {Path.cwd()}")
    _import_from(path.parent)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _of_name(name: str) -> ModuleType:
    _import_from(Path.cwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # something that it imports itself
        raise UsageError(
            f"--function: no module {name!r} can be imported here; for a file write {name}.py:…"
        ) from error


def _import_from(folder: Path) -> None:
    if str(folder.absolute()) not in sys.path:
        sys.path.insert(0, str(folder.absolute()))
