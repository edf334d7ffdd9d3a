"""The training function that the command line names."""

import sys

import pytest

from sweepwidget.cli import main
from sweepwidget.entrypoint import function_at
from sweepwidget.errors import UsageError


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """What is imported here is gone afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name in ("tuning", "helper_of_tuning"):
            del sys.modules[name]


TUNING = """
import helper_of_tuning
import sweepwidget as wandb

def train():
    run = wandb.init()
    run.log({"loss": helper_of_tuning.double(run.config.x)})
"""


@pytest.fixture
def tuning(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/helper_of_tuning.py").write_text("def double(x):\n    return 2 * x\n")
    path = tmp_path / "src/tuning.py"
    path.write_text(TUNING)
    return path


@pytest.mark.parametrize("backend", ["thread", "kernel"])
def test_an_agent_calls_a_function_of_a_file(wandb, tuning, backend, capsys):
    """With what stands beside the file, in this process and in kernels, until the sweep is spent."""
    sweep_id = wandb.sweep({"method": "grid", "parameters": {"x": {"values": [1, 2]}}})
    assert 0 == main(["agent", sweep_id, "--function", f"{tuning}:train", "--backend", backend])
    assert [2, 4] == [run.summary["loss"] for run in wandb.Api().sweep(sweep_id).runs]


def test_a_module_is_imported_from_the_current_folder(tuning, monkeypatch):
    """As `python -m` does."""
    monkeypatch.chdir(tuning.parent)
    assert "train" == function_at("tuning:train").__name__


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("train.py", "expected FILE:NAME or MODULE:NAME"),
        ("nowhere.py:train", "there is no file 'nowhere.py'"),
        ("no_such_module:train", "no module 'no_such_module' can be imported here; for a file write no_such_module.py"),
        ("json:trian", "json has no 'trian'; it has JSONDecoder, .*dumps"),
    ],
)
def test_what_is_not_there_is_named(place, says, tmp_path, monkeypatch):
    """The error says what is missing, where, and what was meant perhaps."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=says):
        function_at(place)


def test_what_a_file_raises_is_its_own(tuning):
    """A module that it cannot import is not mistaken for the file itself."""
    (tuning.parent / "helper_of_tuning.py").unlink()
    with pytest.raises(ModuleNotFoundError, match="helper_of_tuning"):
        function_at(f"{tuning}:train")
