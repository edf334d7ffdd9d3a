"""The notebooks are the documentation: each runs in a real kernel, on real data, and says what it promises."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Executed:
    """A notebook after it ran: what each cell printed and returned."""

    def __init__(self, notebook):
        self.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]

    def output(self, containing):
        """All text that came out of the only cell whose source contains this."""
        (cell,) = [cell for cell in self.cells if containing in cell.source]
        parts = []
        for out in cell.outputs:
            parts.append(out.get("text", "") or out.get("data", {}).get("text/plain", ""))
        return "".join(parts)

    @property
    def size(self):
        return sum(len(str(out)) for cell in self.cells for out in cell.outputs)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Run a notebook as a new user would: every cell, in a folder and a store of its own."""

    def run(name):
        folder = tmp_path_factory.mktemp(Path(name).stem)
        notebook = nbformat.read(FOLDER / name, as_version=4)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "SWEEPWIDGET_"))}
        client = NotebookClient(
            notebook, timeout=200, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        client.execute(env=env | {"SWEEPWIDGET_STORE": str(folder / "sweeps.db")})
        return Executed(notebook)

    return run


def test_quickstart(executed):
    """A real network on real digits: eleven runs, a good best one, small outputs, everything kept."""
    done = executed("01-quickstart.ipynb")
    summary = done.output("best_run()")
    assert "digits RUNNING 11 runs" in summary
    accuracy = float(summary.split("accuracy ")[1].split("%")[0])
    assert accuracy > 90
    states = [line.split()[1] for line in done.output("run.stop_reason").splitlines()]
    assert 11 == len(states) and set(states) <= {"finished", "stopped"}
    assert "_timestamp" in done.output("history(pandas=False)")
    assert "FINISHED" in done.output("wandb.stop")
    assert done.size < 30_000


def test_local_controller(executed):
    """The documentation of 2020: agent, every loop, a sweep written in code, a search of one's own."""
    done = executed("02-local-controller.ipynb")
    assert "[(1, 'finished', 34), (2, 'finished', 34), (3, 'finished', 34)]" in done.output("runs[0].output")
    for loop in ("sweep.run()", "sweep.step()", "sweep.schedule(params)"):
        cells = [cell for cell in done.cells if loop in cell.source and "block=False" in cell.source]
        text = "".join(out.get("text", "") for out in cells[0].outputs)
        assert "(grid) | Runs: 3 (Finished: 3)" in text
    assert "starting one agent for train-dummy.py" in done.output("configure_program('train-dummy.py')")
    assert "finished 12 done with {'param1': 3}" in done.output('run.summary["metric"]')
    assert "Runs: 8 (Finished: 8)" in done.output("halve_the_best")
