"""The notebooks are the documentation: each runs in a real kernel, on real data, and says what it promises."""

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pytest
from nbclient import NotebookClient
from postgres import shared_server
from traitlets.config import Config

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


def _sockets(place):
    """No ports: those that are free when a kernel is started may be somebody else's by the time it listens."""
    if os.name != "posix":
        return {}
    return {"transport": "ipc", "ip": f"{place}/ipc", "connection_file": f"{place}/kernel.json"}


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Run a notebook as a new user would: every cell, in a folder and a store of its own."""

    def run(name, **environment):
        folder = tmp_path_factory.mktemp(Path(name).stem)
        notebook = nbformat.read(FOLDER / name, as_version=4)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB_", "SWEEPWIDGET_"))}
        with TemporaryDirectory(prefix="kernel-") as place:
            client = NotebookClient(
                notebook,
                timeout=200,
                kernel_name="python3",
                resources={"metadata": {"path": str(folder)}},
                config=Config({"KernelManager": _sockets(place)}),
            )
            client.execute(env=env | {"SWEEPWIDGET_STORE": str(folder / "sweeps.db")} | environment)
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


def test_more_agents(executed):
    """Kernel agents, one that dies, coroutines, a second notebook, and one behind a link whose token is not in the file."""
    done = executed("04-more-agents.ipynb")
    assert re.search(r"two threads [\d.]+ s, two kernels [\d.]+ s", done.output("threads_s ="))
    fragile = done.output("def fragile")
    assert (
        "0 finished" in fragile and "1 crashed its kernel was killed by SIGSEGV" in fragile and "2 finished" in fragile
    )
    assert re.search(r"FINISHED 12 runs by \d agents", done.output("by = {"))
    assert re.search(r"Link\('http://127.0.0.1:\d+/[0-9a-z]{8}#\*\*\*\*'\)", done.output("wandb.share(remote_id)"))
    assert str(["finished"] * 6) in done.output("elsewhere.db")
    assert done.size < 30_000


def test_clusters(executed):
    """Dask workers on a PostgreSQL server: every run is done, also when a worker is killed, and this kernel helps out."""
    done = executed("05-clusters.ipynb", POSTGRES_URL=shared_server().url())
    assert "PostgreSQL" in done.output("use_store(url)")
    assert "12 runs; best loss" in done.output("best.config")
    assert "{'finished': 20}" in done.output("SIGKILL")
    assert "FINISHED" in done.output("on_cluster.wait()")


def test_own_search(executed):
    """Conditions, importance, a search and a stopping rule of one's own, Optuna, and a Pareto front: on real digits."""
    done = executed("06-own-search.ipynb")
    assert float(done.output("sweep.best_run()").split("%")[0]) < 3
    assert re.search(r"expected -?[\d.]+ ± [\d.]+, got [\d.]+", done.output("last.search_info)"))
    assert re.search(r"C +[\d.]+% +█", done.output(".importance()"))
    climbed = done.output("run.stop_reason")
    assert 15 == len(climbed.splitlines()) == climbed.count("the best run with another") + 1
    assert re.search(r"^stopped .*error [\d.]+ after \d+ folds", climbed, re.MULTILINE)
    assert "TPESampler, told of" in done.output("import optuna")
    front = [line.split() for line in done.output("best_runs()").splitlines()]
    errors, sizes = [float(line[0].rstrip("%")) for line in front], [float(line[1]) for line in front]
    assert len(front) > 3
    assert (sorted(errors), sorted(sizes, reverse=True)) == (errors, sizes)
    assert done.size < 30_000


def test_dashboard(executed):
    """The widget, its snapshot for those who see the notebook without a kernel, its traits, panels, figures and the report."""
    static = Path(__file__).parent.parent / "sweepwidget/static/dashboard.js"
    if not static.exists():
        pytest.skip("the front end is not built: make js")
    done = executed("03-dashboard.ipynb")
    assert "24 runs" in done.output("agents=2")
    assert "learning_rate" in done.output('dash.best["config"]')
    assert "summary.loss" in done.output("selected_df")
    assert "digits.html" in done.output("sweep.report")
    shown = [out for cell in done.cells if "dash = " in cell.source for out in cell.outputs]
    assert any("application/vnd.jupyter.widget-view+json" in out.data for out in shown)
    assert any("sw-snapshot" in out.data.get("text/html", "") for out in shown)
