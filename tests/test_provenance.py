"""Where a run comes from: stable, complete, without secrets, and never in the way."""

import functools
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import time
import types
from unittest.mock import MagicMock

import numpy as np
import pytest

from sweepwidget import provenance as module
from sweepwidget.provenance import provenance


def facts(function=None, program=None):
    return json.loads(provenance(function, program)[1])


def train(lr=0.1):
    """A comment for the source."""
    return lr in {"a", "b", "c"} or [x for x in (1, 2) if x]


class Trainer:
    def __init__(self):
        self.secret = "sk-live-1234"

    def fit(self):
        return "fitted"

    def __call__(self):
        return "called"


@functools.wraps(train)
def decorated(*args):
    return train(*args)


# -- the code ---------------------------------------------------------------------------------------------------------


def test_function():
    """A function is told by name, file, line, source and the hash of its code."""
    told = facts(train)["function"]
    assert told["name"] == f"{__name__}.train"
    assert told["where"] == __file__
    assert told["line"] == train.__code__.co_firstlineno
    assert told["source"].startswith("def train(lr=0.1):\n")
    assert len(told["code"]) == 64


def test_key_is_the_hash_of_the_text():
    """The key names the text by its content, so the same text is kept once."""
    key, text = provenance(train)
    assert key == hashlib.sha256(text.encode()).hexdigest()
    assert provenance(train) == (key, text)
    assert provenance(Trainer.fit)[0] != key


@pytest.mark.parametrize(
    ("function", "name", "source"),
    [
        (decorated, "train", "def train(lr=0.1)"),
        (functools.partial(functools.partial(train, 0.1), lr=2), "train", "def train(lr=0.1)"),
        (Trainer().fit, "Trainer.fit", "    def fit(self)"),
        (Trainer(), "Trainer.__call__", "    def __call__(self)"),
        (functools.partial(Trainer().fit), "Trainer.fit", "    def fit(self)"),
        (Trainer, "Trainer", "class Trainer:"),
        (functools.lru_cache(train), "train", "def train(lr=0.1)"),
        (lambda: "here", "<lambda>", '        (lambda: "here"'),
    ],
)
def test_what_somebody_wrote(function, name, source):
    """Below partials, decorators, methods and callable objects stands the code that somebody wrote."""
    told = facts(function)["function"]
    assert told["name"] == f"{__name__}.{name}"
    assert told["source"].startswith(source)


class Liar:
    """Answers everything with itself."""

    def __getattr__(self, name):
        return self

    def __call__(self):
        return self


class Raiser:
    """Cannot be asked anything."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __call__(self):
        return None


def executed(source="def made(): return {1, 2}"):
    space = {}
    exec(source, space)
    return space["made"]


def recursive():
    def inner():
        return None

    inner.__wrapped__ = inner
    return inner


ODD = {
    "builtin": lambda: print,
    "class": lambda: dict,
    "method of a list": lambda: [].append,
    "method descriptor": lambda: str.join,
    "slot wrapper": lambda: abs.__call__,
    "array function": lambda: np.mean,
    "ufunc": lambda: np.add,
    "vectorized": lambda: np.vectorize(abs),
    "partial": lambda: functools.partial(print, 1),
    "partial method": lambda: functools.partialmethod(print),
    "static method": lambda: staticmethod(train),
    "executed": executed,
    "recursive": recursive,
    "mock": MagicMock,
    "liar": Liar,
    "raiser": Raiser,
    "number": lambda: 7,
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_callables(odd):
    """Whatever it is given, it says at least a name."""
    assert facts(ODD[odd]())["function"]["name"]


def test_code_without_source():
    """A function made by `exec` has no source, but a name, a place and a hash that tells it from others."""
    told = facts(executed())["function"]
    assert told.keys() == {"name", "where", "line", "code"}
    assert facts(executed())["function"] == told
    assert facts(executed("def made(): return {1, 3}"))["function"]["code"] != told["code"]
    assert facts(executed("def made():\n  def f(): return 1"))["function"]["code"] != told["code"]


def test_code_hash_ignores_where_it_stands():
    """Moving a function within its file does not make it another."""
    assert module._digest(executed("\n\n\ndef made(): return {1, 2}").__code__) == module._digest(executed().__code__)


def test_code_hash_of_what_cannot_be_printed():
    """Lone surrogates and very long numbers in a function do no harm."""
    assert facts(executed(r"def made(): return '\ud800'"))["function"]["code"]
    assert facts(executed(f"def made(): return 0x{'f' * 9999}"))["function"]["name"]


def test_same_key_in_every_process():
    """Sets of strings, whose order differs from process to process, do not change the key."""
    script = (
        "from sweepwidget.provenance import provenance\n"
        'space = {}; exec(\'def made(x): return x in {"a", "b", "c", "d"} or x in (1, {"e", "f", "g"})\', space)\n'
        "print(provenance(space['made'])[0])"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    ]
    assert len(set(runs)) == 1


def test_program(tmp_path):
    """A program is told by its path, source and hash; one that is not there by its path alone."""
    path = tmp_path / "train.py"
    path.write_text("print('é')", encoding="utf-8")
    told = facts(program=str(path))["program"]
    assert told == {
        "path": str(path),
        "source": "print('é')",
        "code": hashlib.sha256("print('é')".encode()).hexdigest(),
    }
    path.write_bytes(b"\x7fELF\xff")
    assert facts(program=str(path))["program"].keys() == {"path", "code"}
    path.write_bytes(b"#" * (module.PROGRAM_LIMIT + 1))
    assert facts(program=str(path))["program"].keys() == {"path", "code"}
    for missing in (str(tmp_path / "gone.py"), str(tmp_path), "nul\0", "x" * 5000):
        assert facts(program=missing)["program"] == {"path": missing}


def test_in_a_notebook(kernel):
    """A function of a notebook is told by its cell and with its source."""
    kernel.run("def train():\n    return 'from a cell'")
    cell = kernel.run(
        "import json; from sweepwidget.provenance import provenance\n"
        "told = json.loads(provenance(train)[1])['function']; print(told['where'], told['line']); print(told['source'])"
    )
    where, *source = cell.stdout.splitlines()
    assert where.startswith(("In[", "cell "))
    assert where.endswith(" 1")
    assert source[:2] == ["def train():", "    return 'from a cell'"]


def test_cells_of_older_kernels():
    """The folder of a kernel's process is no part of where a cell's code stands."""
    assert module.where_written("/tmp/ipykernel_4711/123456.py") == "cell 123456.py"
    assert module.where_written("/home/me/train.py") == "/home/me/train.py"


# -- surroundings -----------------------------------------------------------------------------------------------------


def test_surroundings():
    """Python, platform, host and the imported packages' versions are there."""
    told = facts()
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert told["packages"]["numpy"] == np.__version__
    assert told["packages"]["pytest"] == pytest.__version__
    assert told["platform"]
    assert told["host"]
    assert "function" not in told
    assert not any("/" in version for version in told["packages"].values())


def test_odd_modules(monkeypatch, tmp_path):
    """Modules that are none, and versions that are none, are left out; a lazy module is not woken."""
    (tmp_path / "odd_lazy.py").write_text("raise RuntimeError('woken')")
    spec = importlib.util.spec_from_file_location("odd_lazy", tmp_path / "odd_lazy.py")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    lazy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lazy)
    numbered = types.ModuleType("odd_number")
    numbered.__version__ = (1, 2)
    odd = {"none": None, "raiser": Raiser(), "liar": Liar(), "mock": MagicMock(), "lazy": lazy, "number": numbered}
    for name, thing in odd.items():
        monkeypatch.setitem(sys.modules, f"odd_{name}", thing)
    assert not [name for name in module._packages() if name.startswith("odd_")]
    with pytest.raises(RuntimeError, match="woken"):
        vars(lazy)


def test_no_secrets(monkeypatch):
    """Neither environment variables, nor arguments, nor what a callable holds get in."""
    monkeypatch.setenv("WANDB_API_KEY", "sk-live-1234")
    monkeypatch.setattr(sys, "argv", ["train.py", "--token=sk-live-1234"])
    for function in (Trainer(), functools.partial(train, "sk-live-1234"), Trainer().fit):
        told = facts(function)
        told["function"].pop("source")
        assert "sk-live-1234" not in json.dumps(told)


def test_it_is_quick():
    """It costs an agent next to nothing."""

    def took():
        began = time.perf_counter()
        provenance(train)
        return time.perf_counter() - began

    assert min(took() for _ in range(5)) < 0.1


# -- git --------------------------------------------------------------------------------------------------------------


def git(*command):
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *command], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(module, "GIT_TIMEOUT_S", 60.0)  # however slow the machine is
    git("init", "-b", "main")
    (tmp_path / "train.py").write_text("pass\n")
    git("add", ".")
    return tmp_path


def test_git(repository, monkeypatch):
    """Inside a repository, also deep inside, commit and branch are told, and whether tracked files were changed."""
    git("commit", "-m", "first")
    commit = (repository / ".git/refs/heads/main").read_text().strip()
    assert facts()["git"] == {"commit": commit, "branch": "main", "dirty": False, "remote": ""}
    (repository / "sub").mkdir()
    (repository / "sub" / "untracked").write_text("x")
    monkeypatch.chdir(repository / "sub")
    assert facts()["git"]["dirty"] is False
    (repository / "train.py").write_text("changed\n")
    assert facts()["git"] == {"commit": commit, "branch": "main", "dirty": True, "remote": ""}


def test_git_before_the_first_commit(repository):
    """A repository without a commit is no error."""
    assert facts()["git"]["commit"] == "(initial)"


def test_git_leaves_the_repository_alone(repository):
    """Asking git writes nothing and starts nothing that the repository's configuration names."""
    git("commit", "-m", "first")
    git("config", "core.fsmonitor", f"touch {repository}/started; false")
    (repository / "train.py").write_text("pass\n")
    os.utime(repository / "train.py", (1, 1))  # `git status` would like to refresh its index
    before = (repository / ".git/index").read_bytes()
    assert facts()["git"]["dirty"] is False
    assert (repository / ".git/index").read_bytes() == before
    assert not (repository / "started").exists()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/me/project.git", "https://example.org/me/project.git"),
        ("https://me:tok-123@example.org/me/project", "https://example.org/me/project"),
        ("https://tok-123@example.org/p", "https://example.org/p"),
        ("https://me:p@ss/tok-123@example.org/p", "https://example.org/p"),
        ("https://example.org/p?private_token=tok-123#tok-123", "https://example.org/p"),
        ("git+ssh://me:tok-123@example.org:22/p", "git+ssh://example.org:22/p"),
        ("git@example.org:me/project.git", "example.org:me/project.git"),
        ("/srv/git/project", "/srv/git/project"),
    ],
)
def test_git_remote_without_secrets(repository, url, shown):
    """Users and tokens in a remote's address are left out."""
    git("remote", "add", "origin", url)
    assert facts()["git"]["remote"] == shown


def test_without_git(repository, monkeypatch):
    """No git, no repository, a broken one, a folder that was deleted: there is just no commit."""
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        assert "git" not in facts(train)
    (repository / ".git/HEAD").write_text("nonsense")
    assert "git" not in facts(train)
    gone = repository / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "git" not in facts(train)


def test_git_that_hangs(repository, monkeypatch, tmp_path):
    """A git that does not answer (a slow disk) is waited for no longer than the limit."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(module, "GIT_TIMEOUT_S", 0.1)
    began = time.monotonic()
    assert "git" not in facts(train)
    assert time.monotonic() - began < 30
