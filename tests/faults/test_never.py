"""What is never done, whatever comes from outside: traps are laid, and nobody steps into them."""

import ast
import contextlib
import os
import pickle
import random
import signal
import threading
from pathlib import Path

import httpx
import psutil
import pytest
from waiting import until

import sweepwidget
from sweepwidget.links import parse_link
from sweepwidget.model import SweepState
from sweepwidget.store import open_store
from sweepwidget.wire import CONTENT_TYPE, TOKEN_HEADER, VERBS

PACKAGE = Path(sweepwidget.__file__).parent


class Trap:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return os.mkdir, (self.trace,)


@pytest.mark.slow
def test_nothing_from_outside_is_unpickled(scene, tmp_path):
    """Neither what comes to a hub nor what lies where spools and outcomes are kept, here and behind a hub."""
    trace = tmp_path / "stepped in"
    trap = pickle.dumps(Trap(trace))
    whole = scene.hub()
    link, far = parse_link(whole), open_store(whole)
    with httpx.Client(trust_env=False, headers={TOKEN_HEADER: link.token}) as client:
        for verb in sorted(VERBS):
            for kind in (CONTENT_TYPE, "application/octet-stream"):
                answer = client.post(f"{link.base}/v1/{verb}", content=trap, headers={"Content-Type": kind})
                assert 400 <= answer.status_code < 500
    laid = []
    for folder in (scene.store.folder, far.folder):
        (folder / "spool").mkdir(parents=True, exist_ok=True)
        names = ("abcdefgh.1.spool", "abcdefgh.1.outcome", "abcdefgh.1.1.spool")
        laid += [folder / "spool" / name for name in names]
    for file in laid:
        file.write_bytes(trap)
    scene.wandb.agent(whole, function=scene.ledger.training(), count=2)
    far.close()
    scene.finish()
    for file in laid:
        file.unlink(missing_ok=True)
    scene.check()
    assert not trace.exists()
    pickle.loads(trap)
    assert trace.exists(), "the trap does not work: this test has shown nothing"


def test_functions_travel_to_workers_of_the_user_only():
    """Nothing but what packs and unpacks them for the own kernels and clusters can unpickle; nothing evaluates text or asks a shell."""
    unpickling, evaluating = set(), set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(
                name.partition(".")[0] in {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
                for name in names
            ):
                unpickling.add(path.relative_to(PACKAGE).as_posix())
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}:
                evaluating.add(path.relative_to(PACKAGE).as_posix())
            if isinstance(node, ast.keyword) and node.arg == "shell":
                evaluating.add(path.relative_to(PACKAGE).as_posix())
    assert {"backends/shipping.py", "trials/kernelchild.py"} == unpickling
    assert set() == evaluating


def listening(processes):
    """Where they listen to more than what has a file's permissions."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= {one.laddr for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN}
    return found


def test_nobody_listens_unasked(scene):
    """A sweep with agents opens no socket that others could reach, neither while it runs nor afterwards."""
    here = [psutil.Process()]
    before = listening(here)
    scene.last(rows=12, hold=1)
    agents = scene.wandb.agent(scene.sweep, function=scene.ledger.training(), agents=2, block=False)
    until(scene.at_work)
    assert before == listening(here)
    scene.ledger.go()
    assert agents.wait(60)
    assert before == listening(here)
    scene.check()


@pytest.mark.slow
def test_kernel_agents_listen_to_their_user_only(scene):
    """On sockets in a folder of the user's own. (ipykernel has a port besides, on this machine, for what its forks print, and
    takes nothing there without its key.)
    """
    scene.last(rows=12, hold=1)
    notebook = scene.notebook(f"sweepwidget.agent({scene.sweep!r}, function=train, backend='kernel')")
    until(scene.at_work)
    started = psutil.Process(notebook.manager.provisioner.process.pid).children(recursive=True)
    kernels = [process for process in started if "ipykernel_launcher" in process.cmdline()]
    assert kernels
    addresses = listening(started)
    assert len(addresses) <= len(kernels)
    assert {address.ip for address in addresses} <= {"127.0.0.1"}
    scene.ledger.go()
    until(lambda: scene.store.sweep(scene.sweep).state is SweepState.FINISHED, 60)
    scene.check()


def test_the_environment_is_the_users(scene):
    """A sweep leaves every variable as it was, while it runs and afterwards."""
    before, seen = dict(os.environ), []
    train = scene.ledger.training()

    def look():
        seen.append(dict(os.environ))
        train()

    scene.wandb.agent(scene.sweep, function=look)
    assert [before] * scene.cells == seen
    assert before == dict(os.environ)
    scene.check()


def test_the_random_numbers_are_the_users(scene):
    """Whoever has seeded them gets the same ones, also while calls to a hub that is away are tried again after random pauses."""
    scene.last(rows=40, pause_s=0.02)
    link, train, restarts = scene.hub(), scene.ledger.training(), []

    def train_through_an_outage():
        if not restarts:
            scene.hub_dies(signal.SIGKILL)
            restarts.append(threading.Timer(0.5, scene.hub))
            restarts[0].start()
        train()

    random.seed(1)
    before = random.getstate()
    scene.wandb.agent(link, function=train_through_an_outage)
    restarts[0].join()
    assert before == random.getstate()
    scene.check()
