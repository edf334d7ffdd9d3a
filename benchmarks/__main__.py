"""Measures, keeps and reports: `python -m benchmarks` (also `make bench`) all that takes minutes, each in a process of its own.

python -m benchmarks trials log           some of them, and the slow ones by name
python -m benchmarks trials --trials 500  one of them, with arguments of its own (see its --help)
python -m benchmarks --report             only write RESULTS.md and the pictures again from results.json
"""

from __future__ import annotations

import importlib
import math
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from . import results
from .aims import judged
from .catalogue import BENCHMARKS
from .machine import revision, this_machine
from .measure import Row, table
from .report import HEADER, cells, written

HERE = Path(__file__).parent


def main(argv: Sequence[str]) -> int:
    """The exit status: 1 when a benchmark failed."""
    names = list(takewhile(BENCHMARKS.__contains__, argv))
    arguments = argv[len(names) :]
    if arguments == ["--report"] and not names:
        report()
        return 0
    if arguments and len(names) != 1:
        is_asked = arguments[0] in ("-h", "--help")
        wrong = "" if is_asked else f"{arguments[0]} is no benchmark, and arguments are for one alone.\n\n"
        print(f"{wrong}{__doc__}\nThere are: {', '.join(BENCHMARKS)}", file=sys.stdout if is_asked else sys.stderr)
        return 0 if is_asked else 2
    if len(names) == 1:
        return alone(names[0], arguments)
    names = names or [name for name, benchmark in BENCHMARKS.items() if not benchmark.is_slow]
    return max(map(in_a_process, names))


def in_a_process(name: str) -> int:
    """What one benchmark imports, patches or breaks is not the next one's."""
    began = time.time(), os.getloadavg()[0]
    status = subprocess.run([sys.executable, "-m", "benchmarks", name], check=False).returncode
    if status < 0:
        keep(name, [failed(name, f"ended by signal {-status}")], began)
    return int(status != 0)


def alone(name: str, arguments: Sequence[str]) -> int:
    print(f"\n## {name}\n", flush=True)
    sys.argv = [f"benchmarks {name}", *arguments]
    began = time.time(), os.getloadavg()[0]
    try:
        rows = importlib.import_module(f".{BENCHMARKS[name].module}", __package__).main()
    except Exception as error:
        traceback.print_exc()
        keep(name, [failed(name, f"{type(error).__name__}: {error}")], began, arguments)
        return 1
    keep(name, rows, began, arguments)
    return 0


def keep(name: str, rows: Sequence[Row], began: tuple[float, float], arguments: Sequence[str] = ()) -> None:
    if not rows:  # it only told what it was asked for
        return
    at, load = began
    rows = tuple(map(judged, rows))
    table(HEADER, [list(cells(row)) for row in rows])
    block = results.Block(
        name,
        time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at)),
        this_machine(),
        revision(),
        round(time.time() - at, 1),
        (round(load, 1), round(os.getloadavg()[0], 1)),
        rows,
        " ".join(map(os.path.basename, arguments)),
    )
    results.save(results.added(results.load(), block))
    report()


def failed(name: str, why: str) -> Row:
    """A benchmark that fails loses no other."""
    return Row(f"the benchmark `{name}`", math.nan, note=f"failed: {' '.join(why.split())[:200]}")


def report() -> None:
    """RESULTS.md and its pictures, from what is kept."""
    for name, text in written(results.load()).items():
        (HERE / name).write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
