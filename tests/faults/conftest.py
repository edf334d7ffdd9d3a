"""A scene on each store that several processes share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .scene import Scene

_numbers = itertools.count(1)


@pytest.fixture
def scene(wandb, tmp_path, monkeypatch) -> Iterator[Scene]:
    """One file, a sweep of four runs."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    yield from _scene(wandb, str(tmp_path / "sweeps.db"), tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def any_scene(request, wandb, tmp_path, monkeypatch) -> Iterator[Scene]:
    """The same in a file, and in a database."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if request.param == "sqlite":
        yield from _scene(wandb, str(tmp_path / "sweeps.db"), tmp_path)
        return
    from postgres import shared_server

    server, schema = shared_server(), f"faults_{next(_numbers)}"
    yield from _scene(wandb, server.local_url(schema=schema), tmp_path)
    server.sql(f'DROP SCHEMA "{schema}" CASCADE', database="sweeps")


def _scene(wandb: Any, link: str, folder: Path) -> Iterator[Scene]:
    made = Scene(wandb, link, folder)
    made.create()
    yield made
    made.close()
