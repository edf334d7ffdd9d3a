"""A configuration is taken, warned about or refused as W&B does it, with every problem named at once."""

import collections
import copy
import datetime as dt
import enum
import json
import math
import re
import types

import jsonschema
import numpy as np
import pytest
from hypothesis import given, strategies as st

from sweepwidget.configschema import json_schema
from sweepwidget.errors import ConfigError
from sweepwidget.metricspec import Metric
from sweepwidget.parameters import DISTRIBUTIONS, Categorical, Constant, IntUniform, LogUniform, Quantized, Uniform
from sweepwidget.runs import Goal
from sweepwidget.sweepconfig import SweepConfig

LR = {"lr": {"min": 0.001, "max": 0.1}}
LOSS = {"name": "loss", "goal": "minimize"}
HYPERBAND = {"type": "hyperband", "min_iter": 3}


def sweep(**keys):
    """A random search over lr, changed in these keys; None takes a key out."""
    config = {"method": "random", "parameters": LR, **keys}
    return {key: value for key, value in config.items() if value is not None}


def one(spec, **keys):
    """The only parameter of a sweep, parsed."""
    (parameter,) = SweepConfig.parse(sweep(parameters={"a": spec}, **keys)).space.parameters.values()
    return parameter


def problems(source):
    with pytest.raises(ConfigError) as refused:
        SweepConfig.parse(source)
    return refused.value.problems


# -- what is taken ------------------------------------------------------------------------------------------------

FULL = {
    "method": "bayes",
    "name": "my sweep",
    "description": "all keys",
    "project": "p",
    "entity": "e",
    "program": "train.py",
    "command": ["${env}", "python", "${program}", "${args}", "--n", 5],
    "metric": {"name": "acc", "goal": "maximize", "target": 0.99, "impute": "best", "impute_while_running": "latest"},
    "early_terminate": {"type": "hyperband", "max_iter": 27, "s": 2, "eta": 3, "strict": False},
    "run_cap": 50,
    "seed": 7,
    "without_replacement": False,
    "controller": {"type": "local"},
    "job": "j",
    "image_uri": "i",
    "scheduler": {"engine": "optuna"},
    "apiVersion": "1",
    "kind": "sweep",
    "parameters": {
        "constant": {"value": None},
        "named": {"value": 3, "distribution": "constant"},
        "choice": {"values": [0, False, "", None, [1], {"a": 1}]},
        "weighted": {"values": ["a", "b"], "probabilities": [0.25, 0.75]},
        "n": {"min": 1, "max": 9},
        "lr": {"min": 0.0, "max": 1.0},
        "steps": {"distribution": "q_log_uniform_values", "min": 1, "max": 100, "q": 2},
        "noise": {"distribution": "q_normal", "mu": 1},
        "opt": {"parameters": {"name": {"values": ["sgd"]}, "inner": {"parameters": {"eps": {"value": 1}}}}},
        "opt.name": {"value": "a dot is not nesting"},
    },
}


def test_every_key_is_understood():
    """A configuration with every key of W&B's schema parses without a violation."""
    config = SweepConfig.parse(FULL)
    assert () == config.violations
    assert "bayes" == config.method
    assert Metric("acc", "maximize", 0.99, "best", "latest") == config.metric
    assert Goal("acc", maximize=True) == config.goal
    assert {"type": "hyperband", "max_iter": 27, "s": 2, "eta": 3, "strict": False} == config.early_terminate
    assert (50, 7, False) == (config.run_cap, config.seed, config.without_replacement)
    assert ("${env}", "python", "${program}", "${args}", "--n", "5") == config.command
    assert ("my sweep", "all keys", "p", "e") == (config.name, config.description, config.project, config.entity)
    assert ("train.py", "local") == (config.program, config.controller)
    assert {
        ("constant",): Constant(None),
        ("named",): Constant(3),
        ("choice",): Categorical([0, False, "", None, [1], {"a": 1}]),
        ("weighted",): Categorical(["a", "b"], [0.25, 0.75]),
        ("n",): IntUniform(1, 9),
        ("lr",): Uniform(0.0, 1.0),
        ("steps",): Quantized(LogUniform(1, 100), 2),
        ("noise",): one({"distribution": "q_normal", "mu": 1}),
        ("opt", "name"): Categorical(["sgd"]),
        ("opt", "inner", "eps"): Constant(1),
        ("opt.name",): Constant("a dot is not nesting"),
    } == config.space.parameters


def test_a_configuration_comes_back_as_it_was_given():
    """to_dict adds nothing, and a change of what it returns does not reach the configuration."""
    config = SweepConfig.parse(FULL)
    assert FULL == config.to_dict()
    assert config == SweepConfig.parse(config.to_dict())
    config.to_dict()["parameters"].clear()
    assert FULL == config.to_dict()


def test_spelling_out_a_default_makes_no_other_sweep():
    """Two configurations are equal if they mean the same."""
    short = sweep(metric={"name": "loss"}, early_terminate=HYPERBAND)
    long = sweep(metric=LOSS, early_terminate={**HYPERBAND, "eta": 3, "strict": True}, controller={"type": "cloud"})
    assert SweepConfig.parse(short) == SweepConfig.parse(long)
    assert SweepConfig.parse(short) != SweepConfig.parse(sweep(metric=LOSS))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"value": 1}, Constant(1)),
        ({"value": [1, 2]}, Constant([1, 2])),
        ({"values": ["008", "1e3"]}, Categorical(["008", "1e3"])),
        ({"values": [1], "probabilities": [1]}, Categorical([1], [1])),
        ({"min": 1, "max": 5}, IntUniform(1, 5)),
        ({"min": 1.0, "max": 5.0}, Uniform(1.0, 5.0)),
        ({"min": 1, "max": 5, "distribution": "uniform"}, Uniform(1, 5)),
    ],
)
def test_the_distribution_is_inferred(spec, expected):
    """Without `distribution` the keys and the types of the limits say which it is."""
    assert expected == one(spec)
    assert type(expected) is type(one(spec))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
leaves = (
    st.fixed_dictionaries({"value": json_values})
    | st.fixed_dictionaries({"values": st.lists(json_values, min_size=1, max_size=4)})
    | st.builds(lambda low, width: {"min": low, "max": low + width}, st.integers(-99, 99), st.integers(1, 99))
    | st.builds(lambda low, width: {"min": low, "max": low + width}, st.floats(-99, 99), st.floats(0.1, 99))
)
names = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_.-]{0,3}\Z")
sections = st.recursive(
    st.dictionaries(names, leaves, min_size=1, max_size=3),
    lambda inner: st.dictionaries(names, inner.map(lambda section: {"parameters": section}), min_size=1, max_size=2),
    max_leaves=4,
)


@given(sections)
def test_any_sound_space_survives_a_round_trip(section):
    """Whatever is searched, to_dict gives it back, parse makes the same of it, also by way of JSON."""
    given_config = sweep(parameters=section)
    config = SweepConfig.parse(given_config)
    assert () == config.violations
    assert given_config == config.to_dict()
    assert config == SweepConfig.parse(config.to_dict()) == SweepConfig.parse(json.dumps(config.to_dict()))
    rng = np.random.default_rng(0)
    run = config.space.nest(config.space.sample(rng))
    assert section.keys() == run.keys()
    assert run == json.loads(json.dumps(run))


# -- where it may come from ---------------------------------------------------------------------------------------


class Dictish:
    """Behaves like a dict as far as argparse-like objects do."""

    def __init__(self, data):
        self._data = data

    def keys(self):
        return self._data.keys()

    def __getitem__(self, key):
        return self._data[key]


class AttrDict(dict):
    """Raises KeyError where hasattr expects AttributeError."""

    __getattr__ = dict.__getitem__


class Growing(dict):
    """Has every attribute."""

    def __getattr__(self, name):
        return Growing()


YAML = """
method: random
parameters:
  lr:
    min: 1e-3      # PyYAML alone reads this as a string
    max: 0.1
"""


@pytest.mark.parametrize(
    "source",
    [
        sweep(),
        collections.OrderedDict(sweep()),
        collections.UserDict(sweep()),
        types.MappingProxyType(sweep()),
        AttrDict({"method": "random", "parameters": AttrDict(LR)}),
        Growing({"method": "random", "parameters": Growing(LR)}),
        Dictish({"method": "random", "parameters": Dictish({"lr": Dictish(LR["lr"])})}),
        sweep,
        lambda: Dictish(sweep()),
        YAML,
        json.dumps(sweep()),
        json.dumps(sweep(), indent="\t"),
        "{method: random, parameters: {lr: {min: 0.001, max: 0.1}}}",
    ],
    ids=lambda source: type(source).__name__,
)
def test_anything_dict_like_is_a_configuration(source):
    """Dicts, dict-likes, functions that return one, YAML and JSON text all mean the same."""
    assert SweepConfig.parse(sweep()) == SweepConfig.parse(source)
    assert sweep() == SweepConfig.parse(source).to_dict()


def test_a_parsed_configuration_is_taken_as_it_is():
    """parse(SweepConfig) is that configuration."""
    config = SweepConfig.parse(sweep())
    assert config is SweepConfig.parse(config)


@pytest.mark.parametrize("name", ["sweep.yaml", "sweep.json", "sweepfile", "a b.yml"])
def test_a_path_names_a_file(tmp_path, name):
    """A path, as str or Path, is read; a byte order mark does no harm."""
    path = tmp_path / name
    path.write_text(json.dumps(sweep()) if name.endswith("json") else YAML, encoding="utf-8-sig")
    assert SweepConfig.parse(sweep()) == SweepConfig.parse(path) == SweepConfig.parse(str(path))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """A missing, empty or broken file is said to be so, by name."""
    assert "Couldn't open sweep file: no/such.yaml" in problems("no/such.yaml")[0]
    (tmp_path / "empty.yaml").write_text("\n")
    assert re.search(r"empty\.yaml: Configuration file is empty", problems(tmp_path / "empty.yaml")[0])
    (tmp_path / "broken.yaml").write_text("method: [random\n")
    assert re.search(r"broken\.yaml: not YAML: .*line", problems(tmp_path / "broken.yaml")[0], re.DOTALL)
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    assert "Couldn't open sweep file" in problems(tmp_path / "latin.yaml")[0]
    (tmp_path / "list.yaml").write_text("- 1\n")
    assert "Sweep config must be parsable as a JSON object." in problems(tmp_path / "list.yaml")[0]


@pytest.mark.parametrize("source", [None, 3, "", "random", [1], lambda: None, b"method: grid", sweep().items()])
def test_what_is_no_mapping_is_refused(source):
    """W&B's words for a configuration that is no dict."""
    (problem,) = problems(source)
    assert "Sweep config must be parsable as a JSON object." in problem or "Configuration file is empty" in problem


def test_an_error_of_the_function_is_the_callers():
    """What a function raises is not dressed up."""

    def broken():
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        SweepConfig.parse(broken)


def test_keys_given_twice_are_refused():
    """A repeated key in YAML or JSON, or two that are the same as JSON, would silently lose one of them."""
    assert (
        "lr: given twice in the YAML, again in line 4"
        in problems("method: random\nparameters:\n  lr: {value: 1}\n  lr: {value: 2}\n")[0]
    )
    assert "lr: given twice in the JSON" in problems('{"method": "grid", "parameters": {"lr": {}, "lr": {}}}')[0]
    assert "parameters.1: given twice" in problems(sweep(parameters={1: {"value": 1}, "1": {"value": 2}}))[0]


def test_yaml_merge_keys_are_no_repetition():
    """`<<: *base` may be overridden, also when the base is nested deeper than its first use."""
    config = SweepConfig.parse(
        """
        method: grid
        parameters:
          group: {parameters: {inner: &inner {<<: &base {values: [1, 2]}, values: [3]}}}
          a: {<<: *base}
          b: {<<: *inner, values: [4]}
        """
    )
    assert [(3,), (1, 2), (4,)] == [parameter.grid() for parameter in config.space.parameters.values()]


# -- plain values -------------------------------------------------------------------------------------------------


class Colour(str, enum.Enum):
    red = "red"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.arange(3), [0, 1, 2]),
        (np.array(2.0), 2.0),
        ((1, (2,)), [1, [2]]),
        ({3, 1, 2}, [1, 2, 3]),
        pytest.param(frozenset({"b", "a"}), ["a", "b"], id="frozenset"),
        (range(2), [0, 1]),
        (Colour.red, "red"),
        ({1: "a", None: 2.5}, {"1": "a", "null": 2.5}),
        ({"a": (1,)}, {"a": [1]}),
        (math.inf, math.inf),
        ("008", "008"),
    ],
    ids=repr,
)
def test_values_become_jsons(value, expected):
    """numpy values, tuples, sets, ranges and Enums become native; numeric-looking strings stay strings."""
    parameter = one({"value": value})
    assert expected == parameter.value
    assert type(expected) is type(parameter.value)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (math.sin, r"parameters\.a\.value: <built-in function sin> cannot be written as JSON; give its name, 'sin'"),
        (dict, r"parameters\.a\.value: <class 'dict'> cannot be written as JSON"),
        ([1, {"x": object()}], r"parameters\.a\.value\[1\]\.x: <object .* cannot be written as JSON"),
        (dt.date(2020, 1, 2), r"parameters\.a\.value: .* write '2020-01-02' in quotes"),
        (b"raw", r"parameters\.a\.value: b'raw' cannot be written as JSON"),
        (iter([1]), r"parameters\.a\.value: .* make it a list"),
        (1j, r"parameters\.a\.value: 1j cannot"),
    ],
    ids=lambda case: str(case)[:20],
)
def test_what_json_cannot_hold_is_named(value, says):
    """The path leads to the value, however deep."""
    (problem,) = problems(sweep(parameters={"a": {"value": value}}))
    assert re.search(says, problem)


def test_a_configuration_that_contains_itself_is_refused():
    """A cycle is an error, not an endless loop."""
    loop = sweep()
    loop["parameters"] = {"a": {"value": loop}}
    assert "contains itself" in problems(loop)[0]


def test_the_input_is_never_changed():
    """Parsing leaves the dict as it was, and keeps nothing of it."""
    mine = copy.deepcopy(FULL)
    config = SweepConfig.parse(mine)
    assert FULL == mine
    mine["parameters"]["choice"]["values"][4].append("later")
    mine["parameters"].clear()
    assert FULL == config.to_dict()
    assert config == SweepConfig.parse(FULL)


# -- W&B's words: what is warned about ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "violation"),
    [
        (sweep(foo=1), "foo: Additional properties are not allowed ('foo' was unexpected)"),
        (sweep(run_caps=1), "('run_caps' was unexpected); did you mean 'run_cap'?"),
        (sweep(parameters={"1a": {"value": 1}}), "parameters.1a: '1a' does not match '^^[A-Za-z_][A-Za-z0-9_.-]*$'"),
        (sweep(parameters={"a": {"value": 1, "note": 2}}), "parameters.a.note: Additional properties are not allowed"),
        (
            sweep(parameters={"a": {"parameters": LR, "note": 2}}),
            "parameters.a.note: Additional properties are not allowed ('note' was unexpected)",
        ),
        (
            sweep(parameters={"a": {"distribution": "int_uniform", "min": 1.0, "max": 2}}),
            "parameters.a.min: 1.0 is not of type 'integer'; read as 1",
        ),
        (sweep(metric="loss"), "metric: 'loss' is not of type 'object'; write {'name': 'loss', 'goal': 'minimize'}"),
        (sweep(metric={}), "metric: 'name' is a required property"),
        (sweep(metric={"name": 5}), "metric.name: 5 is not of type 'string'"),
        (sweep(metric={**LOSS, "foo": 1}), "metric.foo: Additional properties are not allowed ('foo' was unexpected)"),
        (
            sweep(metric={**LOSS, "goal": "minimise"}),
            "metric.goal: 'minimise' is not one of ['minimize', 'maximize']; did you mean 'minimize'?",
        ),
        (sweep(metric={**LOSS, "goal": "max"}), "did you mean 'maximize'?; the default is 'minimize'"),
        (sweep(metric={**LOSS, "target": "x"}), "metric.target: 'x' is not of type 'number'"),
        (sweep(metric={**LOSS, "target": math.nan}), "metric.target: nan is not a finite number"),
        (sweep(metric={**LOSS, "impute": "mean"}), "metric.impute: 'mean' is not one of ['latest', 'best', 'worst']"),
        (sweep(metric={**LOSS, "impute_while_running": False}), "False is not of type 'string'"),
        (sweep(command="python x"), "command: 'python x' is not of type 'array'; write ['python', 'x']"),
        (sweep(command=["python", {}]), "command: ['python', {}] holds more than strings"),
        (sweep(command=[]), "command: [] should be non-empty"),
        (sweep(controller={"type": "x"}), "controller.type: 'x' is not one of ['local', 'cloud']"),
        (sweep(controller={}), "controller: 'type' is a required property"),
        (sweep(controller="local"), "controller: 'local' is not of type 'object'; write {'type': 'local'}"),
        (sweep(program=5), "program: 5 is not of type 'string'"),
        (sweep(kind="run"), "kind: 'run' is not one of ['sweep']"),
        ({**sweep(), "run_cap": None}, "run_cap: None is not of type 'integer'; give a value or leave the key out"),
        ({**sweep(), "metric": None}, "metric: None is not of type 'object'"),
        ({**sweep(), "early_terminate": None}, "early_terminate: None is not valid under any of the given schemas"),
        (
            sweep(early_terminate={**HYPERBAND, "foo": 1}, metric=LOSS),
            "early_terminate.foo: Additional properties are not allowed ('foo' was unexpected)",
        ),
        (sweep(early_terminate={"type": "envelope"}), 'early_terminate: early terminate requires "metric" section'),
        (sweep(method="grid", parameters={"a": {"value": 1}}, without_replacement=True), "with method random only"),
    ],
    ids=str,
)
def test_what_can_still_run_is_a_violation(config, violation):
    """The sweep runs, and exactly one violation says what is wrong, where, in W&B's words."""
    (actual,) = [text for text in SweepConfig.parse(config).violations if violation in text]
    assert violation in actual


@pytest.mark.parametrize("name", ["log_uniform", "inv_log_uniform", "q_log_uniform"])
def test_exponents_are_deprecated(name):
    """W&B's text names the distribution that takes the limits themselves; the old one runs."""
    config = SweepConfig.parse(sweep(parameters={"a": {"distribution": name, "min": -3, "max": 1}}))
    expected = f"a uses {name}, where min/max specify base-e exponents. Use {name}_values to specify limit values."
    assert (f"parameters.a: {expected}",) == config.violations


def test_a_broken_part_falls_back_to_its_default():
    """What a violation is about is as if it had not been given."""
    config = SweepConfig.parse(
        sweep(
            metric={"name": "loss", "goal": "minimise", "target": "x", "impute": "mean"},
            controller={"type": "x"},
            command="python x",
            program=5,
        )
    )
    assert Metric("loss") == config.metric
    assert ("cloud", None, None) == (config.controller, config.command, config.program)
    assert 4 + 2 == len(config.violations)
    assert SweepConfig.parse(sweep(metric={"goal": "maximize"})).metric is None
    assert SweepConfig.parse(sweep(metric={"goal": "maximize"})).goal is None


# -- W&B's words: what is refused ---------------------------------------------------------------------------------


def bad(spec, **keys):
    return sweep(parameters={"a": spec}, **keys)


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (sweep(method=None), "method: 'method' is a required property"),
        (sweep(method="foo"), "method: 'foo' is not one of ['bayes', 'random', 'grid', 'custom']"),
        (sweep(method="Grid"), "did you mean 'grid'?"),
        (sweep(method=["grid"]), "method: ['grid'] is not one of"),
        (sweep(parameters=None), "parameters: `parameters` is required unless `scheduler.search_space` is set."),
        (sweep(parameters={}), "parameters: {} should be non-empty"),
        (sweep(parameters=[LR]), "is not of type 'object'"),
        (bad([1, 2]), "parameters.a: Invalid configuration for hyperparameter 'a'; write {'a': {'values': [1, 2]}}"),
        (bad(3), "parameters.a: Invalid configuration for hyperparameter 'a'; write {'a': {'value': 3}}"),
        (bad({}), "parameters.a: needs value, values, min and max, or parameters"),
        (bad({}), "{} is not valid under any of the given schemas; invalid hyperparameter configuration: a"),
        (bad({"lr": {"value": 1}}), "to nest parameters, write {'parameters': {'lr': {'value': 1}}}"),
        (bad({"mu": 0}), "add one that takes mu: normal, log_normal, q_normal, q_log_normal"),
        (
            bad({"distribution": "unform", "min": 1, "max": 2}),
            "parameters.a.distribution: 'unform' is not a distribution; did you mean 'uniform'?",
        ),
        (bad({"distribution": ["uniform"], "min": 1, "max": 2}), "['uniform'] is not a distribution"),
        (
            bad({"min": 1, "max": 2.5}),
            "Parameter a is ambiguous, please specify bounds as both floats (for a float_uniform distribution) or ints (for an int_uniform distribution).",
        ),
        (bad({"min": 1}), "parameters.a: 'max' is a required property"),
        (bad({"min": 5, "max": 3}), "parameters.a.max: must be greater than min (5); a: min 5 is not less than max 3"),
        (bad({"min": 0.1, "max": 0.1}), "parameters.a.max: must be greater than min (0.1)"),
        (bad({"min": True, "max": 3}), "parameters.a.min: True is not of type 'number'"),
        (bad({"min": 0.0, "max": "1"}), "parameters.a.max: '1' is not of type 'number'; write 1 without quotes"),
        (bad({"min": 0.0, "max": None}), "parameters.a.max: None is not of type 'number'"),
        (bad({"min": 0.0, "max": math.inf}), "parameters.a.max: inf is not a finite number"),
        (bad({"min": math.nan, "max": 1.0}), "parameters.a.min: nan is not a finite number"),
        (bad({"min": -1e308, "max": 1e308}), "parameters.a: its values are beyond what a float can hold"),
        (bad({"min": 0, "max": 2**64}), "parameters.a.max: too far from min"),
        (bad({"distribution": "int_uniform", "min": 0, "max": 1.5}), "parameters.a.max: 1.5 is not of type 'integer'"),
        (
            bad({"distribution": "log_uniform_values", "min": 0, "max": 1}),
            "parameters.a.min: 0 is less than or equal to the minimum of 0",
        ),
        (
            bad({"distribution": "log_uniform", "min": 1, "max": 1000}),
            "log_uniform takes base-e exponents, log_uniform_values the limits themselves",
        ),
        (bad({"distribution": "log_uniform", "min": -1000, "max": 0}), "beyond what a float can hold"),
        (bad({"distribution": "log_normal", "sigma": 200}), "beyond what a float can hold"),
        (bad({"distribution": "normal", "sigma": -1}), "parameters.a.sigma: -1 is less than the minimum of 0"),
        (bad({"distribution": "beta", "a": 0}), "parameters.a.a: 0 is less than or equal to the minimum of 0"),
        (bad({"distribution": "q_beta", "q": 0}), "parameters.a.q: 0 is less than or equal to the minimum of 0"),
        (bad({"distribution": "q_uniform", "min": 0, "max": 1, "q": 1e-20}), "parameters.a.q: 1e-20 is finer than"),
        (bad({"distribution": "q_uniform", "min": 0, "max": 1, "q": 5e-324}), "beyond what a float can hold"),
        (
            bad({"distribution": "uniform", "min": 0, "max": 1, "q": 1}),
            "parameters.a.q: uniform does not take it; distribution 'q_uniform' does",
        ),
        (bad({"value": 1, "values": [1]}), "parameters.a.value: categorical does not take it"),
        (bad({"values": 3}), "parameters.a.values: 3 is not of type 'array'"),
        (bad({"values": "abc"}), "parameters.a.values: 'abc' is not of type 'array'; write ['abc']"),
        (bad({"values": []}), "parameters.a.values: [] should be non-empty"),
        (
            bad({"values": [1, 2, 3], "probabilities": [0.5, 0.5]}),
            "Parameter a: values [1, 2, 3] and probabilities [0.5, 0.5] are not the same length",
        ),
        (
            bad({"values": [1, 2, 3], "probabilities": [0.1, 0.2, 0.3]}),
            "Parameter a: Probabilities [0.1, 0.2, 0.3] do not sum to 1",
        ),
        (
            bad({"values": [1, 2], "probabilities": [-1, 2]}),
            "parameters.a.probabilities: -1 is less than the minimum of 0",
        ),
        (
            bad({"values": [1, 2], "probabilites": [0.1, 0.9]}),
            "('probabilites' was unexpected); did you mean 'probabilities'?",
        ),
        (bad({"min": 0.1, "max": 1.0, "distibution": "log_uniform_values"}), "did you mean 'distribution'?"),
        (bad({"distribution": "constant"}), "parameters.a: 'value' is a required property"),
        (bad({"parameters": {}}), "parameters.a.parameters: {} should be non-empty"),
        (bad({"parameters": LR, "value": 1}), "parameters.a.value: cannot stand beside parameters"),
        (
            bad({"parameters": {"b": {"min": 3, "max": 1}}}),
            "parameters.a.parameters.b.max: must be greater than min (3); b: min 3 is not less than max 1",
        ),
        (sweep(run_cap=0), "run_cap: 0 is less than or equal to the minimum of 0"),
        (sweep(run_cap=-1), "run_cap: -1 is less than or equal to the minimum of 0"),
        (sweep(run_cap=5.1), "run_cap: 5.1 is not of type 'integer'"),
        (sweep(run_cap="1"), "run_cap: '1' is not of type 'integer'; write 1 without quotes"),
        (sweep(run_cap=True), "run_cap: True is not of type 'integer'"),
        (sweep(seed="x"), "seed: 'x' is not of type 'integer'"),
        (sweep(seed=-1), "seed: -1 is less than the minimum of 0"),
        (sweep(without_replacement="yes"), "without_replacement: 'yes' is not of type 'boolean'"),
        (
            sweep(without_replacement=True),
            "without_replacement: needs values that can be listed, and parameters.lr has too many",
        ),
        (
            sweep(method="grid"),
            "parameters.lr: Parameter lr is a disallowed type with grid search. Grid search requires all parameters to be categorical, constant, int_uniform, or q_uniform. Specification of probabilities for categorical parameters is disallowed in grid search",
        ),
        (
            bad({"values": [1], "probabilities": [1]}, method="grid"),
            "Parameter a is a disallowed type with grid search",
        ),
        (bad({"parameters": LR}, method="grid"), "parameters.a.parameters.lr: Parameter a.lr is a disallowed type"),
        (sweep(method="bayes"), 'metric: Bayesian search requires "metric" section'),
        (
            bad({"value": 1}, method="bayes", metric=LOSS),
            "parameters: Need at least one searchable parameter for bayes search.",
        ),
        (
            bad({"values": [1]}, method="bayes", metric=LOSS),
            "parameters: Need at least one searchable parameter for bayes search.",
        ),
        (sweep(early_terminate=HYPERBAND), 'early_terminate: early terminate requires "metric" section'),
        (
            sweep(early_terminate="hyperband"),
            "early_terminate: 'hyperband' is not valid under any of the given schemas",
        ),
        (
            sweep(early_terminate={"type": "hyperband"}, metric=LOSS),
            "early_terminate: needs min_iter, or max_iter and s; {'type': 'hyperband'} is not valid under any of the given schemas",
        ),
        (sweep(early_terminate={"type": "hyperband", "max_iter": 9}, metric=LOSS), "needs min_iter, or max_iter and s"),
        (
            sweep(early_terminate={"type": "hyperband", "max_iter": 2, "s": 2}, metric=LOSS),
            "Bands must be an array of length at least 1. Try increasing s, decreasing eta, or increasing min_iter.",
        ),
        (sweep(early_terminate={"type": "hyperband", "max_iter": 27, "s": 0}, metric=LOSS), "Bands must be an array"),
        (
            sweep(early_terminate={"type": "hyperband", "max_iter": 27, "s": 1.5}, metric=LOSS),
            "early_terminate.s: 1.5 is not of type 'integer'",
        ),
        (
            sweep(early_terminate={**HYPERBAND, "min_iter": 0}, metric=LOSS),
            "early_terminate.min_iter: 0 is less than the minimum of 1",
        ),
        (
            sweep(early_terminate={**HYPERBAND, "eta": 1}, metric=LOSS),
            "early_terminate.eta: 1 is less than or equal to the minimum of 1",
        ),
        (
            sweep(early_terminate={**HYPERBAND, "strict": 1}, metric=LOSS),
            "early_terminate.strict: 1 is not of type 'boolean'",
        ),
        (
            sweep(early_terminate={"type": "hyperbnd"}, metric=LOSS),
            'early_terminate.type: Invalid early stopping type hyperbnd, must be one of ["hyperband"',
        ),
        (sweep(early_terminate={"type": ["x"]}, metric=LOSS), "Invalid early stopping type ['x']"),
        (
            sweep(early_terminate={"type": "envelope", "fraction": 1.5}, metric=LOSS),
            "early_terminate.fraction: 1.5 is greater than the maximum of 1",
        ),
    ],
    ids=str,
)
def test_what_cannot_run_is_refused(config, problem):
    """ConfigError says it, in W&B's words, with the path in front."""
    found = problems(config)
    assert [text for text in found if problem in text], found


def test_every_problem_is_reported_at_once():
    """One error lists all failures with their paths, then the violations that may be their cause."""
    found = problems(
        {
            "method": "bayes",
            "metrc": LOSS,
            "run_cap": 0,
            "parameters": {"a": {"min": 2, "max": 1, "q": 3}, "b": {"min": 2, "max": 1}, "c": {"parameters": {}}},
        }
    )
    assert [
        "run_cap",
        "parameters.a.q",
        "parameters.b.max",
        "parameters.c.parameters",
        "metric",
        "metrc",
    ] == [text.split(":")[0] for text in found]
    assert "did you mean 'metric'?" in found[-1]


def test_a_broken_parameter_hides_no_need_of_the_method():
    """bayes does not complain of having nothing to search while the only searchable parameter is misspelt."""
    found = problems(sweep(method="bayes", metric=LOSS, parameters={"a": {"value": 1}, "b": {"min": 2, "max": 1}}))
    assert ["parameters.b.max"] == [text.split(":")[0] for text in found]


def test_the_error_is_a_value_error_with_all_of_it():
    """`except ValueError` works as with W&B, and str() shows every problem."""
    with pytest.raises(ValueError, match=r"2 problems in this sweep:\n  method: .*\n  parameters: "):
        SweepConfig.parse({})


numbers = st.integers() | st.floats() | st.sampled_from([0, 1, 2, 0.5, 1e308, -1e308, 5e-324, 10**400])
anything = json_values | numbers | st.lists(numbers, max_size=3)
parameter_keys = ["value", "values", "probabilities", "min", "max", "mu", "sigma", "a", "b", "q"]


@st.composite
def half_sensible(draw):
    """A parameter with a known distribution and, mostly, its keys, but with any number or value under them."""
    name = draw(st.sampled_from([None, *DISTRIBUTIONS]))
    keys = list(DISTRIBUTIONS[name].fields) if name and draw(st.booleans()) else parameter_keys
    spec = draw(st.dictionaries(st.sampled_from(keys), draw(st.sampled_from([numbers, anything]))))
    return {**spec, "distribution": name} if name else spec


@given(half_sensible())
def test_what_is_taken_can_be_drawn(spec):
    """Any parameter is either refused with ConfigError, or every quantile of it is a value it contains."""
    try:
        parameter = one(spec)
    except ConfigError:
        return
    for u in (0.0, 1e-9, 0.3, 0.5, 0.999, 1.0):
        value = parameter.ppf(u)
        assert parameter.contains(value)
        assert 0 <= parameter.unit(value) <= 1


@given(st.dictionaries(st.sampled_from([*FULL, "metrics", "foo"]), anything | st.sampled_from([LOSS, HYPERBAND, LR])))
def test_any_nonsense_is_refused_politely(config):
    """Whatever stands under whatever key, the only error is ConfigError."""
    try:
        parsed = SweepConfig.parse(config)
    except ConfigError as error:
        assert all(": " in text for text in error.problems)
    else:
        assert parsed == SweepConfig.parse(parsed.to_dict())


# -- several metrics ----------------------------------------------------------------------------------------------

TIME = {"name": "time"}


def test_several_metrics():
    """Each with its own goal, target and rules; then there is no single goal."""
    acc = {"name": "acc", "goal": "maximize", "target": 0.9, "impute": "best", "impute_while_running": "latest"}
    config = SweepConfig.parse(sweep(metrics=[LOSS, acc]))
    assert (Metric("loss"), Metric("acc", "maximize", 0.9, "best", "latest")) == config.metrics == config.objectives
    assert (Goal("loss"), Goal("acc", maximize=True)) == config.goals
    assert (None, None, None) == (config.metric, config.goal, config.watched)


def test_early_stopping_goes_by_the_metric_it_names():
    """Of several; the only one needs no name. A target stopper of the sweep sets the target of its metric."""
    config = SweepConfig.parse(sweep(metrics=[LOSS, TIME], early_terminate={**HYPERBAND, "metric": "time"}))
    assert (Goal("time"), "time") == (config.watched, config.early_terminate["metric"])
    single = SweepConfig.parse(sweep(metric=LOSS, early_terminate={**HYPERBAND, "metric": "loss"}))
    assert single == SweepConfig.parse(sweep(metric=LOSS, early_terminate=HYPERBAND))
    assert Goal("loss") == single.watched
    target = {"type": "target", "value": 5.0, "scope": "sweep", "metric": "time"}
    ending = SweepConfig.parse(sweep(metrics=[LOSS, TIME], early_terminate=target))
    assert [None, 5.0] == [metric.target for metric in ending.metrics]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"metrics": [LOSS, TIME], "metric": LOSS}, "metrics: `metric` and `metrics` cannot both be set"),
        ({"metrics": [LOSS]}, "is too short: name at least two, or one under `metric`"),
        ({"metrics": []}, "metrics: [] is too short"),
        ({"metrics": "loss"}, "metrics: 'loss' is not of type 'array'; write [{'name': 'loss'"),
        ({"metrics": None}, "metrics: None is not of type 'array'"),
        ({"metrics": {"loss": "minimize"}}, "is not of type 'array'"),
        ({"metrics": [LOSS, "time"]}, "metrics[1]: 'time' is not of type 'object'; write {'name': 'time'"),
        ({"metrics": [LOSS, {"goal": "minimize"}]}, "metrics[1]: 'name' is a required property"),
        ({"metrics": [LOSS, {**TIME, "goal": "min"}]}, "metrics[1].goal: 'min' is not one of"),
        ({"metrics": [LOSS, TIME, LOSS]}, "metrics: 'loss' is named 2 times; name each metric once"),
        (
            {"metrics": [LOSS, TIME], "early_terminate": HYPERBAND},
            "early_terminate: the sweep has 2 metrics, and a run is stopped by one; name it: add 'metric': 'loss'",
        ),
        (
            {"metrics": [LOSS, TIME], "early_terminate": {**HYPERBAND, "metric": "los"}},
            "early_terminate.metric: 'los' is not one of ['loss', 'time']; did you mean 'loss'?",
        ),
        (
            {"metric": LOSS, "early_terminate": {**HYPERBAND, "metric": "time"}},
            "early_terminate.metric: 'time' is not one of ['loss']",
        ),
    ],
    ids=str,
)
def test_several_metrics_that_cannot_be(changes, problem):
    """Which entry, what is wrong, what to write."""
    with pytest.raises(ConfigError) as caught:
        SweepConfig.parse({**sweep(), **changes})
    assert any(problem in text for text in caught.value.problems)


def test_an_unknown_key_of_a_metric_is_a_violation():
    """As in `metric`: a slip is named with what was meant."""
    (violation,) = SweepConfig.parse(sweep(metrics=[LOSS, {**TIME, "gaol": "maximize"}])).violations
    assert "metrics[1].gaol" in violation
    assert "did you mean 'goal'?" in violation


# -- methods and early termination --------------------------------------------------------------------------------


def test_a_constant_grid_is_a_sweep():
    """A grid of constants has one point; W&B runs it once."""
    assert SweepConfig.parse(sweep(method="grid", parameters={"a": {"value": 1}})).space.size() == 1


def test_without_replacement_takes_a_finite_space():
    """Random search without repetition is for values that can be counted."""
    config = SweepConfig.parse(sweep(parameters={"a": {"min": 1, "max": 9}}, without_replacement=True))
    assert config.without_replacement
    assert 9 == config.space.size()


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (HYPERBAND, {"type": "hyperband", "min_iter": 3, "eta": 3, "strict": True}),
        (
            {"type": "hyperband", "max_iter": 27, "s": 2.0, "min_iter": 3, "eta": 1.5},
            {"type": "hyperband", "max_iter": 27, "s": 2, "eta": 1.5, "strict": True},
        ),
        (
            {"type": "hyperband", "max_iter": 27, "min_iter": 3},
            {"type": "hyperband", "min_iter": 3, "eta": 3, "strict": True},
        ),
        ({"type": "envelope"}, {"type": "envelope", "fraction": 0.3, "min_runs": 3, "start_iter": 3}),
        ({"type": "envelope", "min_runs": 5}, {"type": "envelope", "fraction": 0.3, "min_runs": 5, "start_iter": 3}),
    ],
    ids=str,
)
def test_early_termination_is_filled_with_defaults(section, expected):
    """max_iter with s wins over min_iter; strict is on unless turned off, as in today's W&B."""
    config = SweepConfig.parse(sweep(early_terminate=section, metric=LOSS))
    assert expected == config.early_terminate
    assert section == config.to_dict()["early_terminate"]


def test_whole_floats_are_integers():
    """JSON knows no difference between 50 and 50.0."""
    config = SweepConfig.parse(sweep(run_cap=50.0, seed=3.0))
    assert ("50", "3") == (repr(config.run_cap), repr(config.seed))


# -- the JSON Schema ----------------------------------------------------------------------------------------------

ACCEPTS = jsonschema.Draft202012Validator(json_schema()).is_valid

TAKEN = [
    FULL,
    sweep(),
    sweep(method="grid", parameters={"a": {"values": [1]}, "b": {"parameters": {"c": {"min": 1, "max": 2}}}}),
    sweep(method="grid", parameters={"a": {"distribution": "q_uniform", "min": 1, "max": 2.5}}),
    sweep(method="custom", metrics=[LOSS, {"name": "time"}]),
    sweep(method="bayes", metrics=[LOSS, {"name": "acc", "goal": "maximize", "target": 0.9, "impute": "latest"}]),
    sweep(metrics=[LOSS, {"name": "time"}], early_terminate={**HYPERBAND, "metric": "loss"}),
    sweep(metric=LOSS, early_terminate={**HYPERBAND, "metric": "loss"}),
    sweep(early_terminate={"type": "envelope", "fraction": 0.5}, metric=LOSS),
    sweep(early_terminate=HYPERBAND, metric=LOSS),
    sweep(parameters={"a": {"distribution": "q_beta", "a": 2, "b": 5, "q": 0.1}}),
    sweep(parameters={"a": {"distribution": "log_normal"}}),
    sweep(command=["a", 1, True]),
]
NOT_TAKEN = [
    {},
    sweep(method="foo"),
    sweep(method=None),
    sweep(method="grid"),
    sweep(method="grid", parameters={"b": {"parameters": LR}}),
    sweep(method="grid", parameters={"b": {"values": [1], "probabilities": [1]}}),
    sweep(method="bayes"),
    sweep(early_terminate=HYPERBAND),
    sweep(early_terminate={"type": "hyperband"}, metric=LOSS),
    sweep(early_terminate={"type": "x"}, metric=LOSS),
    sweep(early_terminate={**HYPERBAND, "eta": 1}, metric=LOSS),
    sweep(parameters={}),
    sweep(parameters={"1a": {"value": 1}}),
    sweep(metrics=[LOSS]),
    sweep(metrics=[LOSS, "time"]),
    sweep(metrics=[LOSS, {"goal": "minimize"}]),
    sweep(metrics=[LOSS, {"name": "time"}], metric=LOSS),
    sweep(metrics=[LOSS, {"name": "time"}], early_terminate=HYPERBAND),
    sweep(metric="loss"),
    sweep(metric={"goal": "minimize"}),
    sweep(metric={**LOSS, "goal": "minimise"}),
    sweep(run_cap=0),
    sweep(seed=-1),
    sweep(foo=1),
    sweep(controller={}),
    sweep(command="python"),
    *(
        bad(spec)
        for spec in (
            {},
            3,
            {"min": 1},
            {"min": "1", "max": 2},
            {"values": []},
            {"values": 3},
            {"value": 1, "values": [1]},
            {"value": 1, "note": 2},
            {"distribution": "unform", "min": 1, "max": 2},
            {"distribution": "uniform", "min": 1, "max": 2, "q": 1},
            {"distribution": "log_uniform_values", "min": 0, "max": 2},
            {"distribution": "normal", "sigma": -1},
            {"distribution": "q_normal", "q": 0},
            {"mu": 0},
            {"parameters": {}},
            {"parameters": LR, "value": 1},
        )
    ),
]


def test_the_schema_is_a_schema():
    """It is valid draft 2020-12, and describes every key that parse knows."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert FULL.keys() | {"metrics"} == schema["properties"].keys()
    assert all("description" in schema["properties"][key] or "$ref" in schema["properties"][key] for key in FULL)


@pytest.mark.parametrize("config", TAKEN, ids=str)
def test_the_schema_accepts_what_parse_takes(config):
    """An editor marks nothing in a configuration without violations."""
    assert () == SweepConfig.parse(config).violations
    assert ACCEPTS(config)


@pytest.mark.parametrize("config", NOT_TAKEN, ids=str)
def test_the_schema_marks_what_parse_complains_of(config):
    """An editor marks what would be refused or warned about."""
    try:
        complaints = SweepConfig.parse(config).violations
    except ConfigError as error:
        complaints = error.problems
    assert complaints
    assert not ACCEPTS(config)


@given(sections)
def test_the_schema_accepts_every_sound_space(section):
    """Whatever parse takes without a word, the schema takes."""
    assert () == SweepConfig.parse(sweep(parameters=section)).violations
    assert ACCEPTS(sweep(parameters=section))
