"""Fixtures for the whole suite."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from kernel import Kernel
from profiles import LONG

# The same examples in every run, and no judgement of how long they take: that is the machine's business. New examples are
# what the long profile is for.
settings.register_profile("suite", deadline=None, derandomize=not LONG, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# A shell that runs the suite in the background, or behind nohup, has it and all its children ignore these.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


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
