"""W&B's two documents on sweeps in Jupyter, word for word except for the import line, in a fresh kernel, cell by cell."""

import os
import time

import pytest
from kernel import Kernel

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def fresh(tmp_path):
    """A new kernel in a folder of its own, like a user's first notebook."""
    with Kernel(SWEEPWIDGET_STORE=str(tmp_path / "sweeps.db")) as kernel:
        ok(kernel, f"import os; os.chdir({str(tmp_path)!r})")
        yield kernel


def ok(kernel, source, timeout_s=120):
    cell = kernel.run(source, timeout_s)
    assert "ok" == cell.status, cell.error
    return cell


def test_running_sweeps_in_jupyter(fresh):
    """Today's document: sweep, train with a context manager, agent with a count."""
    ok(fresh, "import sweepwidget as wandb")
    sweep = ok(
        fresh,
        """
sweep_config = {
  "name" : "my-sweep",
  "method" : "random",
  "parameters" : {
    "epochs" : {
      "values" : [10, 20, 50]
    },
    "learning_rate" :{
      "min": 0.0001,
      "max": 0.1
    }
  }
}

sweep_id = wandb.sweep(sweep_config)
""",
    )
    assert "Create sweep with ID: " in sweep.stdout
    ok(
        fresh,
        """
class Model:
    def fit(self):
        return 1.0

def make_model(config):
    return Model()

def train():
    with wandb.init() as run:
        config = wandb.config
        model = make_model(config)
        for epoch in range(config["epochs"]):
            loss = model.fit()  # your model training code here
            wandb.log({"loss": loss, "epoch": epoch})

count = 5 # number of runs to execute
wandb.agent(sweep_id, function=train, count=count)
""",
    )
    result = ok(
        fresh,
        "print([(r.state, r.summary['loss'], r.config['epochs'] - r.summary['epoch']) for r in wandb.Api().sweep(sweep_id).runs])",
    )
    assert str([("finished", 1.0, 1)] * 5) == result.stdout.strip()


def test_sweeps_jupyter_python_api(fresh, tmp_path):
    """The document of 2020, read from top to bottom: everything ends by itself."""
    ok(fresh, "import sweepwidget as wandb")
    ok(
        fresh,
        """
sweep_config = {
  "name": "My Sweep",
  "method": "grid",
  "parameters": {
        "parameter1": {
            "values": [1, 2, 3]
        }
    }
}

sweep_id = wandb.sweep(sweep_config)
""",
    )
    ok(
        fresh,
        """
import time

def train():
    wandb.init()
    print ("config:", dict(wandb.config.user_items()))
    parameter1 = wandb.config.get("parameter1", 0)
    for x in range(35):
        print("running", x)
        wandb.log({"dog": parameter1, "cat": x})
        time.sleep(0.02)

wandb.agent(sweep_id, function=train)
""",
    )
    assert (
        "[(1, 34), (2, 34), (3, 34)]"
        in ok(fresh, "print([(r.summary['dog'], r.summary['cat']) for r in wandb.Api().sweep(sweep_id).runs])").stdout
    )
    ok(fresh, "sweep = wandb.controller(sweep_id)\nsweep.run()")
    ok(
        fresh,
        """
sweep = wandb.controller(sweep_id)
while not sweep.done():
    sweep.print_status()
    sweep.step()
    time.sleep(5)
""",
    )
    ok(
        fresh,
        """
sweep = wandb.controller(sweep_id)
while not sweep.done():
    params = sweep.search()
    sweep.schedule(params)
    sweep.print_status()
""",
    )
    (tmp_path / "train-dummy.py").write_text(
        "import sweepwidget as wandb\nwandb.init()\nwandb.log({'x': wandb.config.param1})\n"
    )
    ok(
        fresh,
        """
from sweepwidget.sweeps import GridSearch,RandomSearch,BayesianSearch
from sweepwidget.sweeps import HyperbandEarlyTerminate
from sweepwidget.sweeps import EnvelopeEarlyTerminate

sweep = wandb.controller()
sweep.configure_search(GridSearch)
sweep.configure_program('train-dummy.py')
sweep.configure_stopping(EnvelopeEarlyTerminate)
sweep.configure_controller(type="local")
sweep.configure_parameter('param1', value=3)
sweep.create()
sweep.run()
""",
    )
    assert (
        "[('finished', 3)]"
        in ok(fresh, "print([(r.state, r.summary['x']) for r in wandb.Api().sweep(sweep.sweep_id).runs])").stdout
    )


def test_the_interrupt_button_stops_run_all(fresh, tmp_path):
    """The runs are stopped and marked killed, KeyboardInterrupt ends the cell (and so "Run all"), the kernel lives on."""
    ok(
        fresh,
        "import sweepwidget as wandb, time\nsid = wandb.sweep({'method': 'random', 'parameters': {'x': {'min': 0., 'max': 1.}}})",
    )
    ok(
        fresh,
        "def train():\n    run = wandb.init()\n    open('going', 'w').close()\n    while True:\n        run.log({'x': 1.0})\n",
    )
    cell = fresh.start("wandb.agent(sid, function=train)")
    deadline = time.monotonic() + 30
    while not (tmp_path / "going").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    fresh.interrupt()
    done = fresh.finish(cell)
    assert "error" == done.status and done.error.startswith("KeyboardInterrupt")
    assert "Ctrl + C detected. Stopping sweep." in done.stderr
    assert "['killed']" == ok(fresh, "print([r.state for r in wandb.Api().sweep(sid).runs])").stdout.strip()
    assert "42" == ok(fresh, "print(6 * 7)").stdout.strip()


def test_nothing_of_ours_is_left_when_the_kernel_ends(fresh):
    """No orphan: the kernel's process group is empty soon after its end, even with agents at work."""
    ok(
        fresh,
        "import sweepwidget as wandb, time, os\nsid = wandb.sweep({'method': 'random', 'program': 't.py', 'parameters': {'x': {'value': 1}}})",
    )
    ok(
        fresh,
        "open('t.py', 'w').write('import time\\nopen(\"pid\", \"w\").write(str(__import__(\"os\").getpid()))\\ntime.sleep(600)\\n')",
    )
    ok(
        fresh,
        "h = wandb.agent(sid, block=False)\nwhile not os.path.exists('pid') or not open('pid').read(): time.sleep(0.01)",
    )
    pid = int(ok(fresh, "print(open('pid').read())").stdout)
    fresh.kill()
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not os.path.exists(f"/proc/{pid}")
