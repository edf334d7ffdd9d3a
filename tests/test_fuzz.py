"""Whatever is given as a sweep's configuration: it is understood, or a ConfigError says what is wrong, and soon.

Dicts of any values under the words that mean something, text of any kind, and text that is larger than it looks. What is
understood can be searched. (Wire and hub are fuzzed in test_wire.py and hub/test_http.py, the filter in js/test.)
"""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st
from profiles import examples

from sweepwidget import errors
from sweepwidget.errors import ConfigError
from sweepwidget.model import Run, RunId, RunState
from sweepwidget.parameters import DISTRIBUTIONS
from sweepwidget.runs import Runs
from sweepwidget.search import searcher_for
from sweepwidget.stopping import stopper_for
from sweepwidget.sweepconfig import FIELDS, LAUNCH, METHODS, SweepConfig

few = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])

# -- any values under the words that mean something -------------------------------------------------------------------

WORDS = sorted({
    *FIELDS, *LAUNCH, *DISTRIBUTIONS, *METHODS,
    *(key for known in DISTRIBUTIONS.values() for key in known.fields),
    "parameters", "distribution", "condition", "name", "goal", "target", "type", "impute", "min_iter", "max_iter", "s", "eta",
    "strict", "hyperband", "envelope", "asha", "median", "minimize", "maximize", "local", "lr", "opt", "x",
})  # fmt: skip
words = st.sampled_from(WORDS)
numbers = (
    st.integers(-5, 5)
    | st.sampled_from([0.0, 1e-300, 5e-324, 1e300, math.nan, math.inf, -math.inf, 2**63, 2**64, 10**400, -0.0, 0.1])
    | st.floats()
)
leaves = st.none() | st.booleans() | numbers | words | st.text(max_size=4)
keys = words | st.text(max_size=4) | leaves
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4) | st.sets(leaves, max_size=3),
    max_leaves=12,
)


def parameter(inner):
    """Something like a parameter: the right keys, with values that are right more often than not."""
    fields = {"min": numbers, "max": numbers, "mu": numbers, "sigma": numbers, "q": numbers, "value": leaves}
    return st.fixed_dictionaries(
        {},
        optional={
            **fields,
            "values": st.lists(leaves, max_size=4),
            "probabilities": st.lists(st.floats(0, 1), max_size=4),
            "distribution": st.sampled_from(sorted(DISTRIBUTIONS)),
            "condition": anything,
            "parameters": inner,
        },
    )


parameters = st.recursive(
    st.dictionaries(st.sampled_from(["x", "lr", "opt", ""]), parameter(anything) | anything, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from(["x", "lr", "opt"]), parameter(inner), min_size=1, max_size=2),
    max_leaves=3,
)
metric = st.fixed_dictionaries(
    {"name": leaves}, optional={"goal": leaves, "target": leaves, "impute": leaves, "x": leaves}
)
stopping = st.fixed_dictionaries(
    {"type": st.sampled_from(["hyperband", "envelope", "asha", "median", "x"])},
    optional=dict.fromkeys(("min_iter", "max_iter", "s", "eta", "strict", "metric"), leaves),
)
configurations = st.fixed_dictionaries(
    {"method": st.sampled_from(METHODS) | leaves, "parameters": parameters | anything},
    optional={
        "metric": metric | anything,
        "metrics": st.lists(metric, max_size=3) | anything,
        "early_terminate": stopping | anything,
        **{key: leaves | anything for key in FIELDS if key not in ("method", "parameters", "metric", "metrics")},
    },
)


@given(given=configurations | anything)
@settings(few, max_examples=examples(500))
def test_any_dict_is_understood_or_refused(given):
    """A ConfigError with its problems, or a configuration that comes back from what it gives."""
    try:
        config = SweepConfig.parse(given)
    except ConfigError as error:
        assert error.problems
        assert all(isinstance(problem, str) and problem for problem in error.problems)
        return
    assert SweepConfig.parse(config.to_dict()) == config or math.nan in _floats(given)
    json.dumps(config.to_dict())


def _floats(value):
    """NaN, which is equal to nothing, makes configurations unequal."""
    if isinstance(value, dict):
        return [found for item in value.values() for found in _floats(item)]
    if isinstance(value, (list, tuple, set)):
        return [found for item in value for found in _floats(item)]
    return [math.nan] if isinstance(value, float) and math.isnan(value) else []


limit = st.floats(-100, 100) | st.integers(-100, 100)
sound = st.one_of(
    st.builds(
        lambda values: {"values": values},
        st.lists(st.integers(-3, 3) | st.text(max_size=2) | st.none(), min_size=1, max_size=3),
    ),
    st.builds(lambda a, b: {"min": min(a, b), "max": max(a, b)}, limit, limit),
    st.builds(
        lambda name, a, b, q: {
            "distribution": name,
            "min": min(a, b),
            "max": max(a, b),
            "mu": a,
            "sigma": abs(b),
            "q": q,
        },
        st.sampled_from(sorted(DISTRIBUTIONS)),
        limit,
        limit,
        st.sampled_from([0.1, 1, 7]),
    ).map(
        lambda spec: {
            key: spec[key] for key in spec if key == "distribution" or key in DISTRIBUTIONS[spec["distribution"]].fields
        }
    ),
    st.builds(lambda value: {"value": value}, leaves),
)
nearly_sound = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["random", "grid", "bayes"]),
        "parameters": st.dictionaries(st.sampled_from(["x", "lr", "opt"]), sound, min_size=1, max_size=3),
        "metric": st.fixed_dictionaries(
            {"name": st.just("loss")}, optional={"goal": st.sampled_from(["minimize", "maximize"])}
        ),
    },
    optional={"without_replacement": st.booleans(), "early_terminate": stopping, "run_cap": numbers},
)


@given(given=nearly_sound, seed=st.integers(0, 2**63 - 1), states=st.lists(st.sampled_from(RunState), max_size=3))
@settings(few, max_examples=examples(300))
def test_what_was_understood_can_be_searched(given, seed, states):
    """No configuration passes the reading and fails the search: it gives suggestions that its own space holds."""
    try:
        config = SweepConfig.parse(given)
    except ConfigError:
        assume(False)
    if config.method == "custom":
        return
    searcher, stopper, runs = searcher_for(config, seed), stopper_for(config), Runs(config.watched, config.goals)
    for number, state in enumerate(states, 1):
        for suggestion in searcher.suggest(runs, 1):
            json.dumps(suggestion.config)
            runs.apply_rows([Run(RunId(str(number)), None, number, suggestion.config, state, summary={"loss": 0.5})])
    if stopper is not None:
        stopper.stop(runs)


# -- any text ---------------------------------------------------------------------------------------------------------

TEXT = """method: bayes
metric: {name: loss, goal: minimize}
parameters:
  lr: {min: 1e-5, max: 0.1, distribution: log_uniform_values}
  opt: &opt
    values: [adam, sgd]
  again: *opt
run_cap: 10
"""
MARKS = [
    "!!python/object:os.system", "!!python/object/apply:os.system ['true']", "!!int x", "!!float y", "!!binary é", "!!set {a}",
    "!!timestamp z", "2001-13-45", "2001-01-01", "? [a]\n: b", "? {a: b}\n: c", "&a [*a]", "*nothing", "<<: 1", "<<: *opt",
    "{", "[", "}", "]", "- ", ": ", "|\n", ">\n", "'", '"', "\0", "\t", "---\n", "...\n", "%YAML 9.9\n", "#", "~", "=", "1" * 5000,
    "0x", "0b2", "1:99", ".inf", ".nan", "\ud800", "é", "\x85", "[" * 1500, "{a: " * 1500, "@", "`", "!", "&", "*", "1e999",
]  # fmt: skip
texts = st.text() | st.builds(
    lambda edits: edited(TEXT, edits),
    st.lists(
        st.tuples(st.integers(0, len(TEXT)), st.integers(0, 6), st.sampled_from(MARKS) | st.text(max_size=3)),
        max_size=4,
    ),
)


def edited(text, edits):
    for at, cut, put in edits:
        text = text[:at] + put + text[at + cut :]
    return text


@given(text=texts)
@settings(few, max_examples=examples(400))
def test_any_text_is_understood_or_refused(text):
    """YAML, JSON and neither: no error but ours, and nothing that a text names is made or run."""
    try:
        SweepConfig.parse("{" + text if text.startswith(" ") else f"{text}\n")  # a line's end: never the name of a file
    except ConfigError as error:
        assert error.problems


@pytest.mark.parametrize("mark", MARKS, ids=range(len(MARKS)))
def test_every_odd_mark_is_refused(mark):
    """What YAML and JSON stumble over, alone and where a value stands."""
    for text in (mark, f"a: {mark}\n", f"{{{mark}", f'{{"a": {mark}}}', f"method: random\n{mark}\n"):
        with pytest.raises(ConfigError):
            SweepConfig.parse(text + "\n")


def bomb(levels, wide):
    """A text of some hundred bytes that means wide ** levels values."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * wide)}]" for i in range(1, levels + 1)]
    return "\n".join([*lines, "method: grid", f"parameters: {{x: {{values: *a{levels}}}}}", ""])


def merged(levels, wide):
    """The same, of merges."""
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * wide)}]}}" for i in range(1, levels + 1)]
    return "\n".join([*lines, ""])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bomb(12, 12), "1000000"),
        (bomb(60, 2), "1000000"),
        (merged(9, 9), "merges"),
        ("[" * 100_000, "nested"),
        ('{"a": ' * 100_000, "nested"),
        ("{a: " * 100_000, "nested"),
        ("&a [*a]\n", "JSON object"),
        ("{x: &a {y: *a}}\n", "itself"),
    ],
    ids=["wide", "tall", "merges", "brackets", "objects", "flow", "circle", "ring"],
)
def test_a_small_text_that_means_too_much_is_refused_at_once(text, said):
    """Neither memory nor time goes where a few aliases or brackets would lead."""
    before = time.process_time()
    with pytest.raises(ConfigError, match=said):
        SweepConfig.parse(text)
    assert time.process_time() - before < 20


def test_a_large_configuration_is_no_bomb():
    """A list of a hundred thousand values is a list."""
    config = SweepConfig.parse({"method": "random", "parameters": {"x": {"values": list(range(100_000))}}})
    assert 100_000 == config.space.size()


def test_a_text_makes_no_objects(tmp_path):
    """A tag that names a function calls none."""
    proof = tmp_path / "proof"
    with pytest.raises(errors.ConfigError, match="not YAML"):
        SweepConfig.parse(
            f"method: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{proof}']]\n"
        )
    assert not proof.exists()
