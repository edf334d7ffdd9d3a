"""`import sweepwidget` beside `import ipywidgets`: wall time of a fresh Python, less that of an empty one."""

from __future__ import annotations

import statistics
import subprocess
import sys

from .measure import Row, sizes, timed


def fresh(code: str, repeats: int) -> float:
    """Median seconds of a fresh interpreter that runs `code`."""
    return statistics.median(
        timed(lambda: subprocess.run([sys.executable, "-c", code], check=True)) for _ in range(repeats)
    )


def main() -> list[Row]:
    given = sizes(repeats=9)
    empty = fresh("pass", given.repeats)
    base = 1000 * (fresh("import ipywidgets", given.repeats) - empty)

    def row(what: str, code: str, aim: str = "") -> Row:
        return Row(what, 1000 * (fresh(code, given.repeats) - empty), "ms", "import ipywidgets", base, aim)

    used = "import sweepwidget; sweepwidget.agent, sweepwidget.init, sweepwidget.Api"
    return [
        row("import sweepwidget", "import sweepwidget", "≤ 1.5×"),
        row("import sweepwidget, and touch agent, init and Api", used),
    ]
