"""What travels to another process, and what is said of what cannot."""

import functools
import json
import linecache
import sqlite3
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from sweepwidget.backends import shipping
from sweepwidget.backends.shipping import pack, unpack
from sweepwidget.errors import UsageError

connection = sqlite3.connect(":memory:")
connection.close()

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


def by_value(function):
    function.__module__ = "__main__"
    return function


def define(code, **names):
    """The names that notebook cells would define, and the text of the cells."""
    scope = {"__name__": "__main__", **names}
    exec(compile(code, "<cell>", "exec"), scope)
    return scope


def refusal(thing):
    with pytest.raises(UsageError) as caught:
        pack(thing)
    return str(caught.value)


# -- what travels -----------------------------------------------------------------------------------------------------


@given(values)
def test_values_arrive(value):
    """Whatever is packed comes out equal."""
    assert value == unpack(pack(value))


@given(values)
def test_closures_arrive(value):
    """A function brings along what it closes over, its defaults, and the functions and globals it uses."""
    scope = define(
        "def helper(): return GLOBAL\ndef make(local):\n def f(default=local, *, k=local): return helper(), local, default, k\n return f",
        GLOBAL=value,
    )
    assert (value,) * 4 == unpack(pack(scope["make"](value)))()


def test_arrives_in_another_process(tmp_path):
    """It arrives where nothing of this process is."""
    scope = define("class A:\n x = 3\ndef train(): return A().x * factor", factor=14)
    (tmp_path / "packed").write_bytes(pack(scope["train"]))
    code = f"from sweepwidget.backends.shipping import unpack; print(unpack(open({str(tmp_path / 'packed')!r}, 'rb').read())())"
    root = Path(shipping.__file__).parents[2]
    assert b"42\n" == subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root, check=True).stdout


def test_importable_functions_go_by_name():
    """What the other side can import is not copied."""
    assert json.dumps is unpack(pack(json.dumps))
    assert len(pack(json.dumps)) < 300


def test_cells_bring_their_text():
    """Tracebacks of a notebook's functions show its lines on the other side, too."""
    code = "def helper():\n    raise ValueError('here')\ndef train():\n    helper()\n"
    linecache.cache["<cell>"] = (len(code), None, code.splitlines(True), "<cell>")
    try:
        packed = pack(define(code)["train"])
    finally:
        del linecache.cache["<cell>"]
    try:
        train = unpack(packed)
        with pytest.raises(ValueError) as caught:
            train()
        assert "raise ValueError('here')" in "".join(traceback.format_exception(caught.value))
    finally:
        del linecache.cache["<cell>"]


# -- what does not ----------------------------------------------------------------------------------------------------


def test_the_object_is_named():
    """The refusal says which object, where it is used, why, and what to do."""
    scope = define("def load():\n  return con\ndef train():\n  return load()", con=sqlite3.connect(":memory:"))
    assert (
        "train() cannot be sent to another process:\n"
        "  con (sqlite3.Connection), used in train() → load: cannot pickle 'sqlite3.Connection' object\n"
        "Make such objects inside the function, so that every run has its own, or use backend='thread', whose runs share "
        "this process"
    ) == refusal(scope["train"])
    scope["con"].close()


def test_all_of_them_are_named():
    """Every object to blame has a line, once."""
    scope = define(
        "def train():\n  return lock, items, model, lambda: lock\n",
        lock=threading.Lock(),
        items={"a": [1, (i for i in ())]},
        model=type("Model", (), {})(),
    )
    scope["model"].guard = threading.RLock()
    lines = refusal(scope["train"]).splitlines()
    assert [
        "  [1] (generator), used in train() → items → ['a']: cannot pickle 'generator' object",
        "  lock (_thread.lock), used in train(): cannot pickle '_thread.lock' object",
        "  guard (_thread.RLock), used in train() → model: cannot pickle '_thread.RLock' object",
    ] == lines[1:-1]


@pytest.mark.parametrize(
    ("wrap", "where"),
    [
        (lambda lock: by_value(lambda default=lock: default), "a default value (_thread.lock), used in <lambda>()"),
        (lambda lock: functools.partial(print, file=lock), "file (_thread.lock), used in partial"),
        (lambda lock: [lock], "[0] (_thread.lock), used in list"),
        (
            lambda lock: type("Task", (), {"lock": lock, "__module__": "__main__", "run": lambda self: 1})().run,
            "lock (_thread.lock)",
        ),
        (lambda lock: lock, "lock (_thread.lock): cannot pickle"),
    ],
    ids=["default", "partial", "list", "method", "itself"],
)
def test_wherever_it_is(wrap, where):
    """Defaults, arguments of partial, elements, the class of a method: it is found."""
    assert where in refusal(wrap(threading.Lock()))


def test_recursive_structures():
    """Objects that hold each other end the search all the same."""
    first, second = [threading.Lock()], {}
    first.append(second)
    second["back"] = first
    assert "[0] (_thread.lock)" in refusal(by_value(lambda: (first, second)))


class Stubborn:
    def __reduce__(self):
        raise RuntimeError("not me")


def test_objects_that_refuse():
    """An object that raises when it is pickled is named with what it said."""
    assert "[0] (test_shipping.Stubborn), used in list: not me" in refusal([Stubborn()]).replace("backends.", "")


# -- what does not fit ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Python", "sweepwidget"])
def test_another_version(monkeypatch, name):
    """A function of another Python or sweepwidget is refused before it is unpickled."""
    here = shipping._here()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(shipping, "_here", lambda: {**here, name: "1.0"})
        packed = pack(int)
    with pytest.raises(
        UsageError, match=rf"packed by .*{name} 1.0.*, but here is .*{name} {here[name]}.*: use the same environment"
    ):
        unpack(packed)


@pytest.mark.parametrize("data", [b"", b"\x80\x04N.", b"sweepwidget\n"])
def test_other_bytes(data):
    """What is no packed function is never unpickled."""
    with pytest.raises(UsageError, match="these bytes hold no function"):
        unpack(data)


def test_missing_module(tmp_path, monkeypatch):
    """A module that the other side lacks is named."""
    (tmp_path / "elsewhere.py").write_text("def train(): pass")
    monkeypatch.syspath_prepend(tmp_path)
    import elsewhere

    packed = pack(elsewhere.train)
    monkeypatch.undo()
    del sys.modules["elsewhere"]
    with pytest.raises(
        UsageError, match="needs a module that is not here: No module named 'elsewhere'. Install it where"
    ):
        unpack(packed)
