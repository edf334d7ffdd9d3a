"""Writes files whole or not at all, under names that cannot leave their folder."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from attrs import frozen

from ..errors import StoreUnavailable, UsageError


@frozen
class Kept:
    """A file that was written, and what it holds."""

    path: Path
    sha256: str
    size: int


def keep(chunks: Iterable[bytes], folder: Path, name: str | Callable[[str], str]) -> Kept:
    """Write `chunks` to a file in `folder` (made if missing, mode 0700), readable by its owner only.

    The file appears under its name when it is complete; `name` may be made from the contents' SHA-256 (in hex).
    Raises StoreUnavailable when it cannot be written, and leaves nothing behind.
    """
    digest, size = hashlib.sha256(), 0
    temporary = None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
        with os.fdopen(descriptor, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        sha256 = digest.hexdigest()
        path = folder / (name if isinstance(name, str) else name(sha256))
        Path(temporary).replace(path)
    except BaseException as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        if isinstance(error, OSError):
            raise StoreUnavailable(f"cannot write into {folder}: {error.strerror or error}") from error
        raise
    return Kept(path, sha256, size)


def contents(path: Path) -> Iterator[bytes]:
    """A file's bytes in pieces of 1 MB. UsageError if it cannot be read."""
    try:
        with path.open("rb") as file:
            while chunk := file.read(2**20):
                yield chunk
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error


def safe_name(key: str) -> str:
    """A metric's key as the beginning of a file name: "val/img 1" is "val_img_1". At most 100 characters."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", key).lstrip(".")[:100] or "_"


def inside(name: str) -> PurePosixPath | None:
    """The relative path that `name` means below some folder, `/` and Windows' separator alike; None if it would leave it."""
    path = PurePosixPath(*PureWindowsPath(name).parts) if "\\" in name else PurePosixPath(name)
    if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts or not path.parts or "\0" in name:
        return None
    return path
