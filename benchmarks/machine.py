"""What a benchmark ran on: the machine and the versions of everything that is measured."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from attrs import frozen

PACKAGES = (
    *("numpy", "scipy", "scikit-learn", "ipywidgets", "anywidget", "ipykernel", "jupyter_client", "tornado", "httpx"),
    *("jupyterlab", "playwright", "plotly", "psycopg"),
    *("optuna", "SQLAlchemy", "trackio", "wandb", "sweeps", "hyperopt"),
)
"""Ours stand on the first; the last are peers."""


@frozen
class Machine:
    cpu: str
    cores: int
    memory: str
    kernel: str
    python: str
    sqlite: str
    versions: dict[str, str]
    """Package or program → version, of those that are installed."""


def this_machine() -> Machine:
    return Machine(
        _cpu(),
        os.cpu_count() or 1,
        f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        f"{platform.system()} {platform.release()}",
        f"{platform.python_implementation()} {platform.python_version()}",
        sqlite3.sqlite_version,
        _packages() | _programs(),
    )


def revision() -> str:
    """Which state of the source is measured; a plus says that it was edited since."""
    here = Path(__file__).resolve().parent
    told = _output("git", "-C", str(here), "describe", "--always", "--dirty=+", "--exclude=*")
    return told or version("sweepwidget")


def _cpu() -> str:
    with_names = Path("/proc/cpuinfo")
    lines = with_names.read_text("utf-8").splitlines() if with_names.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _programs() -> dict[str, str]:
    from tests.postgres import binaries

    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    server = binaries()
    told = {
        "Chromium": _output(browser, "--version") if browser else "",
        "PostgreSQL": _output(str(server / "postgres"), "--version") if server else "",
    }
    return {name: _number(text) for name, text in told.items() if text}


def _number(text: str) -> str:
    """The version in what `--version` says."""
    return next((word for word in text.split() if word[0].isdigit()), text.strip())


def _output(*argv: str) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
