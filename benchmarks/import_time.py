"""`import sweepwidget` beside `import ipywidgets`: wall time of a fresh Python, less that of an empty one."""

from __future__ import annotations

import statistics
import subprocess
import sys

from .measure import table, timed


def fresh(code: str, repeats: int = 9) -> float:
    """Median seconds of a fresh interpreter that runs `code`."""
    return statistics.median(
        timed(lambda: subprocess.run([sys.executable, "-c", code], check=True)) for _ in range(repeats)
    )


def main() -> None:
    empty = fresh("pass")
    base = fresh("import ipywidgets") - empty
    rows = [["import ipywidgets", 1000 * base, 1.0]]
    for code in ("import sweepwidget", "import sweepwidget; sweepwidget.agent, sweepwidget.init, sweepwidget.Api"):
        seconds = fresh(code) - empty
        rows.append([code, 1000 * seconds, seconds / base])
    table(["", "ms", "× ipywidgets"], rows)


if __name__ == "__main__":
    main()
