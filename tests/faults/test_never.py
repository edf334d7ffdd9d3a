"""What is never done, whatever comes from outside: traps are laid, and nobody steps into them."""

import ast
import os
import pickle
from pathlib import Path

import httpx
import psutil
import pytest

import sweepwidget
from sweepwidget.links import parse_link
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


def test_nobody_listens_unasked(scene):
    """A sweep with agents opens no socket that others could reach."""
    before = {one.laddr for one in psutil.Process().net_connections() if one.status == psutil.CONN_LISTEN}
    scene.finish(agents=2)
    after = {one.laddr for one in psutil.Process().net_connections() if one.status == psutil.CONN_LISTEN}
    assert before == after
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
