"""`sweepwidget demo`: a real sweep, as a user sees it on a terminal, in a pipe, and where it fails."""

import os
import re
import subprocess
import sys

import pytest

from sweepwidget import cli, demo


@pytest.mark.slow
def test_the_demo_ends_with_its_best_configuration(wandb, capsys):
    """Every run is told, and the best one is that of the sweep itself."""
    assert 0 == cli.main(["demo", "--runs", "6", "--agents", "2"])
    said = capsys.readouterr()
    (sweep,) = wandb.Api().sweeps()
    runs = sweep.runs
    best = sweep.best_run()
    assert 6 == len(runs)
    assert {"finished", "stopped"} >= {run.state for run in runs}
    assert [] == [run.name for run in runs if run.name not in said.err]
    assert f"Best: {best.name} reads {best.summary['val_accuracy']:.1%} of the digits" in said.out
    assert re.search(r"^  learning_rate=\S+ hidden=\d+ batch_size=\d+ alpha=\S+$", said.out, re.MULTILINE)
    assert 0.3 < best.summary["val_accuracy"] <= 1
    assert all(15 == len(run.scan_history()) for run in runs if run.state == "finished")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals of POSIX")
def test_the_demo_on_a_terminal(tmp_path):
    """Live progress in place, nothing but what belongs there, exit status 0."""
    ours, theirs = os.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "sweepwidget", "--store", str(tmp_path / "demo.db"), "demo", "--runs", "3"],
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 1 << 16):
            seen += piece
    except OSError:  # Linux: the other end is closed
        pass
    os.close(ours)
    text = seen.decode()
    assert 0 == running.wait(30), text
    assert "3 runs by Bayesian search, 2 at a time" in text
    assert "\r" in text.replace("\r\n", "\n")
    assert f"look at it again with: sweepwidget --store {tmp_path / 'demo.db'} ls" in text
    assert "Warning" not in text and "Traceback" not in text


def test_a_demo_without_a_result(wandb, monkeypatch, capsys):
    """When every run fails, that is said, and the exit status is 1."""
    monkeypatch.setattr(demo, "train", lambda: 1 / 0)
    assert 1 == cli.main(["demo"])
    said = capsys.readouterr().err
    assert "Detected 3 failed runs in the first 60 seconds, killing sweep." in said
    assert "sweepwidget: ERROR no run of the demo came to a result; look at: sweepwidget ls" in said
