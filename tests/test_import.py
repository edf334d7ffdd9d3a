"""Importing sweepwidget: what it loads, and what it leaves alone."""

import json
import os
import subprocess
import sys

import sweepwidget

HEAVY = ["sklearn", "scipy", "plotly", "pandas", "httpx", "IPython", "ipywidgets", "torch", "yaml", "tornado"]


def in_a_fresh_python(code):
    # What this process has imported may have edited its environment: the fresh one must not inherit that, and hide it.
    env = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH", "SYSTEMROOT") if name in os.environ}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert "" == done.stderr
    return done.stdout


def test_import_loads_nothing_heavy():
    """`import sweepwidget` costs next to nothing."""
    code = f"import json, sys, sweepwidget; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    assert [] == json.loads(in_a_fresh_python(code))


def test_the_first_sweep_loads_nothing_heavy():
    """A grid sweep needs no scientific library beyond numpy."""
    heavy = [name for name in HEAVY if name != "yaml"]
    code = (
        "import json, sys, sweepwidget as w, sweepwidget.api, sweepwidget.session, sweepwidget.sweeps;"
        f"print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    )
    assert [] == json.loads(in_a_fresh_python(code))


def test_import_touches_nothing():
    """No thread, no environment variable, no signal handler, no hook."""
    code = """
import os, sys, threading, signal, warnings
before = (dict(os.environ), threading.active_count(), sys.excepthook, sys.stdout, signal.getsignal(signal.SIGINT), list(warnings.filters))
import sweepwidget
after = (dict(os.environ), threading.active_count(), sys.excepthook, sys.stdout, signal.getsignal(signal.SIGINT), list(warnings.filters))
print(before == after)
"""
    assert "True\n" == in_a_fresh_python(code)


def test_every_promised_name_is_there():
    """`__all__` is sorted, and each of its names can be had."""
    assert sorted(sweepwidget.__all__) == sweepwidget.__all__
    for name in sweepwidget.__all__:
        getattr(sweepwidget, name)
    assert set(sweepwidget.__all__) <= set(dir(sweepwidget))


def test_submodules_do_not_hide_public_names():
    """A module named like a public name would replace it as soon as it is imported; `plot` is its module."""
    from pathlib import Path

    modules = {path.stem for path in Path(sweepwidget.__file__).parent.iterdir()}
    assert {"plot"} == modules & set(sweepwidget.__all__)
    assert "sweepwidget.plot" == sweepwidget.plot.__name__
