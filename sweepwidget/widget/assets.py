"""The files that `js/` is built into: the page's module and style, and what it is sent once per kernel (plotly)."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

from ..errors import UsageError

_FOLDER = Path(__file__).parent.parent / "static"


@functools.cache
def module() -> str:
    """The page's module. UsageError if it has not been built."""
    try:
        return (_FOLDER / "dashboard.js").read_text("utf-8")
    except FileNotFoundError:
        raise UsageError(
            "the dashboard's front end is not built: in a source checkout run `make js` (it needs Node), or install the "
            "wheel: `pip install sweepwidget`"
        ) from None


@functools.cache
def style() -> str:
    """The page's style sheet, if there is one beside the module."""
    path = _FOLDER / "dashboard.css"
    return path.read_text("utf-8") if path.exists() else ""


@functools.cache
def hashes() -> Mapping[str, str]:
    """What can be sent: every `<name>.js.gz` beside the module, and the beginning of its SHA-256."""
    return {name: hashlib.sha256(asset(name)).hexdigest()[:16] for name in _names()}


def asset(name: str) -> bytes:
    """The gzip'd file. UsageError if there is none of that name."""
    if name not in _names():
        raise UsageError(f"there is no asset {name!r}; a source checkout builds it with `make js`")
    return (_FOLDER / f"{name}.js.gz").read_bytes()


@functools.cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.name.removesuffix(".js.gz") for path in _FOLDER.glob("*.js.gz")))
