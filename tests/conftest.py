"""Fixtures for the whole suite."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from kernel import Kernel

settings.register_profile("suite", deadline=None)  # how long an example takes is the machine's business
settings.load_profile("suite")


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """A real kernel, shared by the tests of a module (`Kernel()` starts one of your own)."""
    with Kernel() as running:
        yield running


@pytest.fixture
def wandb(tmp_path, monkeypatch) -> Iterator[Any]:
    """`import sweepwidget as wandb` on a store of the test's own, in a folder of its own, silent."""
    import sweepwidget
    from sweepwidget import stores

    for name in [name for name in os.environ if name.startswith(("WANDB_", "SWEEPWIDGET_")) and "TEST" not in name]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stores, "_current", None)
    sweepwidget.use_store(tmp_path / "sweeps.db")
    yield sweepwidget
    sweepwidget.teardown()
