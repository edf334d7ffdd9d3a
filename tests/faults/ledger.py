"""What training functions were told, in files that the store never sees: one per run and attempt, a line per row that `log()`
has returned from. `SOURCE` is the same for notebooks, scripts and programs, which have nothing of this folder.

A fault that is to hit a run in its middle must not depend on who is faster: the run of the cell HOLD says when it is half done
and goes on when it is told to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

Told = Mapping[tuple[str, int], list[tuple[int, int]]]
"""(run, attempt) → (pid, row) of all that was logged, in order."""

SOURCE = """
def train():
    import os, time
    import sweepwidget
    run = sweepwidget.init()
    told = os.open(f"{LEDGER}/{run.id}.{run.attempt}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    for i in range(ROWS):
        run.log({"i": i, "loss": 1.0 / (i + 1)})
        os.write(told, f"{os.getpid()} {i}\\n".encode())
        time.sleep(PAUSE)
        if HOLD is not None and run.config["cell"] == HOLD and i == ROWS // 2:
            open(f"{LEDGER}.held", "w").close()
            while not os.path.exists(f"{LEDGER}.go"):
                time.sleep(0.005)
    os.close(told)
"""


@frozen
class Ledger:
    """The folder of a sweep's ledger, how long its runs are, and which one is held."""

    folder: Path
    rows: int = 12
    pause_s: float = 0.002
    hold: int | None = None

    def source(self, **more: Any) -> str:
        """Python text that defines `train` (and these names)."""
        names = {"LEDGER": str(self.folder), "ROWS": self.rows, "PAUSE": self.pause_s, "HOLD": self.hold, **more}
        return "".join(f"{name} = {value!r}\n" for name, value in names.items()) + SOURCE

    def training(self) -> Callable[[], None]:
        """`train` itself, here."""
        names: dict[str, Any] = {}
        exec(self.source(), names)
        return names["train"]

    @property
    def held(self) -> bool:
        """Whether the run has come to its middle and waits there."""
        return self.folder.with_suffix(".held").exists()

    def go(self) -> None:
        """Let it go on, and every later attempt at it."""
        self.folder.with_suffix(".go").touch()

    def told(self) -> Told:
        """All that was logged until now."""
        return {
            (path.stem, int(path.suffix[1:])): [_line(line) for line in path.read_text().splitlines()]
            for path in self.folder.iterdir()
        }


def _line(text: str) -> tuple[int, int]:
    pid, row = text.split()
    return int(pid), int(row)
