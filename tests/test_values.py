"""What becomes of user values in a config, a log row and a summary."""

from __future__ import annotations

import argparse
import datetime as dt
import enum
import json
import math
import uuid
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import NamedTuple

import attrs
import numpy as np
import pytest
from hypothesis import given, strategies as st

from sweepwidget.values import MAX_ELEMENTS, config_value, native


class Colour(enum.Enum):
    RED = "red"
    BLUE = ("b", 2)


class Level(enum.IntEnum):
    LOW = 1


class Name(str):
    __slots__ = ()


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Optimiser:
    lr: float
    betas: tuple[float, float] = (0.9, 0.999)


@attrs.frozen
class Layer:
    width: np.int64
    kind: Colour = Colour.RED


class Frozen(Mapping):
    def __getitem__(self, key):
        return {"a": (1,)}[key]

    def __iter__(self):
        return iter(["a"])

    def __len__(self):
        return 1


CASES = [
    (1.5, 1.5),
    (True, True),
    (None, None),
    ("text", "text"),
    (10**40, 10**40),
    (math.inf, math.inf),
    (np.float32(0.5), 0.5),
    (np.float64(0.1), 0.1),
    (np.longdouble(0.5), 0.5),
    (np.int8(-3), -3),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (np.bool_(True), True),
    (np.str_("n"), "n"),
    (np.datetime64("2024-05-06T07:08:09"), "2024-05-06T07:08:09"),
    (np.datetime64("NaT", "s"), None),
    (np.timedelta64(1500, "ms"), 1.5),
    (np.array(3), 3),
    (np.array([0.25]), 0.25),
    (np.array([[7]]), 7),
    (np.array([1, 2]), [1, 2]),
    (np.array([[1.0], [2.0]]), [[1.0], [2.0]]),
    (np.array([]), []),
    (np.array(["2024-01-01"] * 2, "datetime64[D]"), ["2024-01-01", "2024-01-01"]),
    (np.array([Colour.RED, None], object), ["red", None]),
    (np.arange(3)[::-1], [2, 1, 0]),
    ((1, (2, 3)), [1, [2, 3]]),
    (Point(1, 2), [1, 2]),
    ({3, 1, 2}, [1, 2, 3]),
    (frozenset({"b", "a"}), ["a", "b"]),
    (range(3), [0, 1, 2]),
    (deque([1, 2]), [1, 2]),
    ({"b": 1}.keys(), ["b"]),
    (Frozen(), {"a": [1]}),
    (OrderedDict(b=1, a=np.float32(2)), {"b": 1, "a": 2.0}),
    ({1: "a", Level.LOW: "a"}, {"1": "a"}),
    ({Colour.RED: 1, 2.5: 2, None: 3}, {"red": 1, "2.5": 2, "None": 3}),
    (Colour.BLUE, ["b", 2]),
    (Level.LOW, 1),
    (Name("s"), "s"),
    (Decimal("0.1"), 0.1),
    (Fraction(1, 4), 0.25),
    (Path("a") / "b", str(Path("a/b"))),
    (PurePosixPath("/x"), "/x"),
    (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (b"bytes", "bytes"),
    (dt.datetime(2024, 5, 6, 7, 8, tzinfo=dt.timezone.utc), "2024-05-06T07:08:00+00:00"),
    (dt.date(2024, 5, 6), "2024-05-06"),
    (dt.time(7, 8), "07:08:00"),
    (dt.timedelta(minutes=1), 60.0),
    (Optimiser(0.1), {"lr": 0.1, "betas": [0.9, 0.999]}),
    (Layer(np.int64(64)), {"width": 64, "kind": "red"}),
    (argparse.Namespace(lr=0.1), {"lr": 0.1}),
]


@pytest.mark.parametrize(
    ("value", "expected"), CASES, ids=[f"{type(v).__name__}-{i}" for i, (v, _) in enumerate(CASES)]
)
def test_native(value, expected):
    """Every common value has its JSON value, of exactly that type, and so it has inside lists and dicts."""
    got = native(value)
    assert (got, _types(got)) == (expected, _types(expected))
    assert native({"a": [value]}) == {"a": [expected]}
    assert config_value(value) == expected
    json.dumps(got)


def test_nan_is_kept():
    """NaN stays NaN, from whatever library."""
    assert all(math.isnan(native(value)) for value in (math.nan, np.float32("nan"), Decimal("nan"), np.array([np.nan])))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text(), inner)
        | st.sets(st.integers())
        | st.lists(st.floats(allow_nan=False, width=32)).map(np.array)
    ),
    max_leaves=20,
)


@given(anything)
def test_laws(value):
    """The result is JSON, converting it again changes nothing, and the input is as it was."""
    before = repr(value)
    got = native(value)
    assert json.loads(json.dumps(got)) == got
    assert native(got) == got
    assert repr(value) == before


def test_the_result_shares_nothing_with_the_input():
    """Changing the log row or the config later does not reach the user's objects."""
    inner = [1]
    got = native({"a": inner})
    got["a"].append(2)
    assert inner == [1]


class _Tensor:
    """As torch: not an ndarray, `.tolist()` and `.item()` work wherever it lives."""

    def __init__(self, values):
        self._values = np.array(values)
        self.shape, self.dtype = self._values.shape, "torch.bfloat16"
        self.tolist, self.item = self._values.tolist, self._values.item


def test_tensors():
    """Tensors of one element are numbers, larger ones lists."""
    assert native(_Tensor(2.5)) == 2.5
    assert native(_Tensor([2.5])) == 2.5
    assert native(_Tensor([[1.0, 2.0]])) == [[1.0, 2.0]]
    eager = SimpleNamespace(shape=(2,), dtype="float32", numpy=lambda: np.array([1.0, 2.0]))
    assert native(eager) == [1.0, 2.0]


def test_torch():
    """Real tensors: with gradients, half precision, zero-dimensional."""
    torch = pytest.importorskip("torch")
    assert native({"loss": torch.tensor(0.5, requires_grad=True)}) == {"loss": 0.5}
    assert native(torch.tensor([1.0, 2.0], dtype=torch.bfloat16)) == [1.0, 2.0]
    assert native(torch.tensor([[3]])) == 3
    assert config_value({"device": torch.device("cpu"), "type": torch.float32}) == {
        "device": "cpu",
        "type": "torch.float32",
    }


def test_pandas():
    """Series are lists, missing values None, time stamps ISO 8601."""
    pd = pytest.importorskip("pandas")
    assert native(pd.Series([1, 2])) == [1, 2]
    assert native([pd.NA, pd.NaT, pd.Timestamp("2024-01-02"), pd.Timedelta("1s")]) == [
        None,
        None,
        "2024-01-02T00:00:00",
        1.0,
    ]


LOOP: list = []
LOOP.append({"again": LOOP})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"opt": {"fn": print}}, r"metrics\.opt\.fn is a builtin_function_or_method, which has no JSON form"),
        ([1, object()], r"metrics\[1\] is a object, which has no JSON form"),
        ({"z": 1j}, r"metrics\.z is a complex"),
        (np.complex64(1), r"metrics is a numpy\.complex64"),
        ({"g": (i for i in "ab")}, r"metrics\.g is a generator"),
        (b"\xff", "metrics is a bytes"),
        (Optimiser, "metrics is a type"),
        (
            np.zeros((200, 100)),
            r"metrics is an array of shape \(200, 100\); more than 10000 elements .* wandb.Histogram",
        ),
        ({1: "a", "1": "b"}, r"metrics has keys that are the same as text: 1, '1'"),
        (LOOP, r"metrics\[0\]\.again.* nested more than 64 levels deep, or contains itself"),
        (Fraction(10**400), "metrics is too large for a float: Fraction"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_path(value, message):
    """TypeError names the place, the type, and the mend."""
    with pytest.raises(TypeError, match=message):
        native(value, "metrics")


def test_without_a_key_the_message_still_reads():
    """A value that has no name is "this value"."""
    with pytest.raises(TypeError, match="^this value is a object"):
        native(object())
    with pytest.raises(TypeError, match=r"^a\.b is a object"):
        native({"a": {"b": object()}})


def test_the_largest_array():
    """10 000 elements are a list, one more is not."""
    assert len(native(np.zeros(MAX_ELEMENTS))) == MAX_ELEMENTS
    with pytest.raises(TypeError):
        native(np.zeros(MAX_ELEMENTS + 1))


def test_a_config_keeps_foreign_objects_by_name():
    """As W&B: functions and classes by their qualified name, other objects as text; nothing of ours."""
    assert config_value({"loss": json.dumps, "model": Optimiser, "z": 1j}) == {
        "loss": "json.dumps",
        "model": f"{__name__}.Optimiser",
        "z": "1j",
    }
    ours = type("Image", (), {"__module__": "sweepwidget.media.image"})()
    with pytest.raises(TypeError, match=r"config\.img is a sweepwidget\.media\.image\.Image"):
        config_value({"img": ours}, "config")


def _types(value):
    """The types of a JSON value, all the way down."""
    if isinstance(value, dict):
        return {name: _types(item) for name, item in value.items()}
    return [_types(item) for item in value] if isinstance(value, list) else type(value)
