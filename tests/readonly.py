"""A folder as those see it who may not write there, the machine's administrator included."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def seen_read_only(folder: Path) -> Iterator[Path]:
    """Another place of the same folder, where nothing can be written; a skip where we may not make one."""
    place = folder.with_name(f"{folder.name}-to-look-at")
    place.mkdir()
    if (
        not sys.platform.startswith("linux")
        or subprocess.run(["mount", "--bind", folder, place], check=False).returncode
    ):
        pytest.skip("cannot bind a folder")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)
