"""A token is known to those who hold the link, and is nowhere else: a full run in a real notebook, and a look everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path

import pytest
from kernel import Kernel

from sweepwidget.errors import Error
from sweepwidget.links import parse_link
from sweepwidget.store.remote import RemoteStore

pytestmark = pytest.mark.slow

SHARE = """
import logging
logging.basicConfig(level=logging.DEBUG, filename="here.log")
import sweepwidget as wandb
wandb.use_store("sweeps.db")
sweep_id = wandb.sweep({
    "method": "grid", "metric": {"name": "loss"}, "controller": {"type": "cloud"},
    "parameters": {"x": {"values": [1, 2, 3]}},
})
link = wandb.share(sweep_id)
open("link.secret", "w").write(str(link))
link
"""
LOOK = """
board = wandb.dashboard(sweep_id)
display(board)
print(repr(link), [link], {"link": link}, f"{link!r}")
print(wandb.Api().sweep(sweep_id).report("report.html"))
display(link)
"""
FAIL = """
from sweepwidget.stores import store_at
store = store_at(link)
%xmode Verbose
store.run("nowhere")
"""
JOIN = """
import contextlib, logging, os, sys
logging.basicConfig(level=logging.DEBUG, filename="there.log")
import sweepwidget as wandb

link = open(sys.argv[1]).read()

def train():
    run = wandb.init()
    lines = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            lines.append(open(f"/proc/{pid}/cmdline").read())
    open(f"cmdlines.{run.id}", "w").write(repr(lines))
    run.log({"loss": run.config.x})
    if run.config.x == 2:
        raise ValueError("as it may happen")

wandb.agent(link, function=train, count=3, backend=sys.argv[2])
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at the list of processes in /proc")
@pytest.mark.parametrize("backend", ["thread", "kernel"])
def test_a_token_is_nowhere_but_in_the_link(tmp_path, backend):
    """Not in what the notebook saves, the logs at their loudest, a verbose traceback, the command lines, a report, the store's
    files of either side; and those are their owner's only.
    """
    there = tmp_path / "there"
    there.mkdir()
    mask = os.umask(0)
    try:
        with Kernel(XDG_DATA_HOME=str(tmp_path / "home")) as kernel:
            here = Path(kernel.folder.name)
            cells = [kernel.run(SHARE)]
            assert cells[0].status == "ok", cells[0].error
            env = {**os.environ, "XDG_DATA_HOME": str(there / "home"), "PYTHONPATH": str(Path(__file__).parents[2])}
            command = [sys.executable, "-c", textwrap.dedent(JOIN), str(here / "link.secret"), backend]
            done = subprocess.run(command, cwd=there, env=env, capture_output=True, text=True, timeout=100, check=False)
            cells += [kernel.run(LOOK), kernel.run(FAIL)]
            link = (here / "link.secret").read_text()
            (here / "link.secret").unlink()
            token = parse_link(link).token
            said = json.dumps([cell.messages for cell in cells], default=repr) + done.stdout + done.stderr
            assert ["ok", "error"] == [cells[1].status, cells[2].status], cells[1].error
            assert "ValueError: as it may happen" in said, said
            assert token not in said
            kept = [path for folder in (here, tmp_path) for path in folder.rglob("*") if path.is_file()]
            assert {"sweeps.db", "report.html", "here.log", "there.log"} <= {path.name for path in kept}
            assert 3 == sum(path.name.startswith("cmdlines.") for path in kept)
            assert [] == [path for path in kept if token.encode() in path.read_bytes()]
            others = {".log", ".html", ".json"} | {path.suffix for path in kept if path.name.startswith("cmdlines.")}
            assert [] == [
                (path, oct(path.stat().st_mode))
                for path in kept
                if path.suffix not in others and path.stat().st_mode & 0o077
            ]
    finally:
        os.umask(mask)


@pytest.mark.parametrize("broken", ["token", "verb", "port"])
def test_no_traceback_of_a_client_shows_a_token(open_hub, tmp_path, broken):
    """Also one that shows what every name stood for, as IPython's verbose ones do."""
    from sweepwidget.links import make_link

    hub = open_hub()
    token = hub.token() if broken != "token" else "x" * 43
    base = hub.base if broken != "port" else "http://127.0.0.1:9"
    store = RemoteStore(make_link(base, None, token), tmp_path / "hubs")
    try:
        store.sweep("nowhere")
    except Error as error:
        shown = "".join(
            traceback.TracebackException.from_exception(
                error.with_traceback(error.__traceback__.tb_next), capture_locals=True
            ).format()
        )
    store.close()
    assert "sweep" in shown
    assert token not in shown
