"""What the benchmarks share: sizes by argument, a fresh folder, quiet output, repeated timing, a peer that may be missing, a table, a row."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import converters, field, frozen


@contextlib.contextmanager
def fresh_folder() -> Iterator[Path]:
    """A folder of its own as the working directory, removed afterwards."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rate(work: Callable[[], int], repeats: int = 3) -> float:
    """Median things per second; `work` returns how many it did."""
    rates = []
    for _ in range(repeats):
        with fresh_folder(), quiet():
            start = time.perf_counter()
            n = work()
            rates.append(n / (time.perf_counter() - start))
    return statistics.median(rates)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def sizes(**usual: int) -> argparse.Namespace:
    """How much to do, from the command line: `--runs 100` where `runs` has a usual value."""
    parser = argparse.ArgumentParser()
    for name, value in usual.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"usually {value}")
    return parser.parse_args()


def of_peer(package: str, measure: Callable[[], float]) -> tuple[float | None, str]:
    """What the peer reaches; or None, and why it did not run."""
    if importlib.util.find_spec(package) is None:
        return None, missing(package)
    try:
        return measure(), ""
    except Exception as error:  # a broken peer loses no other row
        return None, f"the peer failed: {type(error).__name__}: {error}"[:200]


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(_cell(cell) for cell in row) + " |", flush=True)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def missing(name: str) -> str:
    return f"not run: {name} is not installed"


@frozen
class Row:
    """What a benchmark found, beside its peer and its aim."""

    what: str  # "trials per second, trivial function, durable"
    value: float = field(converter=float)  # ours (median)
    unit: str = ""  # "/s", "ms", "runs", …
    peer: str = ""  # "Optuna SQLite"; '' = no peer
    peer_value: float | None = field(
        default=None, converter=converters.optional(float)
    )  # measured in the same run; None: no peer, or not run
    aim: str = ""  # "≥ 20×", "≤ 5 ms"; '' = no aim
    reached: bool | None = field(default=None, converter=converters.optional(bool))  # None: no aim, or not judged here
    note: str = ""  # "busy: load 7", "peer's figure documented, not measured"
