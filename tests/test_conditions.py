"""Conditional parameters: read strictly, there only where their conditions hold, and counted without being listed."""

import itertools
import json

import jsonschema
import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from stories import conditional_sections

from sweepwidget.configschema import json_schema
from sweepwidget.errors import ConfigError
from sweepwidget.parameters import Combinations, IntUniform, Quantized, Space, Uniform, key, same
from sweepwidget.sweepconfig import SweepConfig

OPTIMIZER = {"optimizer": {"values": ["sgd", "adam", "rmsprop"]}}
NESTED = {"opt": {"parameters": {"name": {"values": ["sgd", "adam"]}, "lr": {"min": 0.0, "max": 1.0}}}}


def sweep(parameters, method="random", **keys):
    return SweepConfig.parse({"method": method, "parameters": parameters, "metric": {"name": "loss"}, **keys})


def space(parameters):
    return sweep(parameters).space


def problems(parameters, **keys):
    with pytest.raises(ConfigError) as refused:
        sweep(parameters, **keys)
    return refused.value.problems


def sound(section):
    """The space, if all of its conditions can hold."""
    try:
        return space(section)
    except ConfigError as error:
        assert all("can never hold" in problem for problem in error.problems)
        assume(False)


def every_configuration(space, values):
    """All configurations with these values, found the long way: the whole product, and what is the same thrown away."""
    found = {}
    for some in itertools.product(*values.values()):
        config = space.nest(dict(zip(values, some, strict=True)))
        found.setdefault(key(config), config)
    return list(found.values())


# -- what a condition means ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "there", "not_there"),
    [
        ({**OPTIMIZER, "m": {"value": 1, "condition": {"optimizer": "sgd"}}}, {"optimizer": "sgd"}, {"optimizer": "adam"}),
        (
            {**OPTIMIZER, "m": {"value": 1, "condition": {"optimizer": ["sgd", "adam"]}}},
            {"optimizer": "adam"},
            {"optimizer": "rmsprop"},
        ),
        (
            {"a": {"values": [1, 2]}, "b": {"values": [1, 2]}, "m": {"value": 1, "condition": {"a": 1, "b": [2]}}},
            {"a": 1, "b": 2},
            {"a": 1, "b": 1},
        ),
        ({**NESTED, "m": {"value": 1, "condition": {"opt.name": "sgd"}}}, {"opt": {"name": "sgd"}}, {"opt": {"name": "adam"}}),
        ({**NESTED, "m": {"value": 1, "condition": {"opt": {"name": "sgd"}}}}, {"opt": {"name": "sgd"}}, {"opt": {}}),
        ({"a.b": {"values": [1, 2]}, "m": {"value": 1, "condition": {"a.b": 1}}}, {"a.b": 1}, {"a": {"b": 1}}),
        ({"a": {"values": [1, True]}, "m": {"value": 1, "condition": {"a": True}}}, {"a": True}, {"a": 1}),
        ({"a": {"values": [None, 0]}, "m": {"value": 1, "condition": {"a": None}}}, {"a": None}, {}),
        ({"a": {"values": [[1], 1]}, "m": {"value": 1, "condition": {"a": [[1]]}}}, {"a": [1]}, {"a": 1}),
        ({"a": {"values": [{"k": 1}, {"k": 2}]}, "m": {"value": 1, "condition": {"a": {"k": 1}}}}, {"a": {"k": 1, "new": 0}}, {"a": {"k": 2}}),
        ({"n": {"min": 1, "max": 10**9}, "m": {"value": 1, "condition": {"n": [5, 7]}}}, {"n": 7.0}, {"n": 6}),
        (
            {"q": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.1}, "m": {"value": 1, "condition": {"q": 0.3}}},
            {"q": 0.1 * 3},
            {"q": 0.4},
        ),
    ],
    ids=lambda given: json.dumps(given)[:60],
)  # fmt: skip
def test_a_parameter_is_there_where_its_conditions_hold(parameters, there, not_there):
    """A value, one of a list, of all parameters asked for; written with dots or nested; compared as values are."""
    own = space(parameters)
    assert own.is_active(("m",), own.flatten(there))
    assert not own.is_active(("m",), own.flatten(not_there))


def test_a_condition_of_a_group_is_that_of_each_parameter_in_it():
    """And theirs come on top."""
    inside = {"m": {"values": [1, 2]}, "n": {"value": 3, "condition": {"sgd": {"m": 2}}}}
    own = space({**OPTIMIZER, "sgd": {"parameters": inside, "condition": {"optimizer": "sgd"}}})
    configs = every_configuration(own, {path: own.parameters[path].choices() for path in own.parameters})
    assert [
        {"optimizer": "sgd", "sgd": {"m": 1}},
        {"optimizer": "sgd", "sgd": {"m": 2, "n": 3}},
        {"optimizer": "adam"},
        {"optimizer": "rmsprop"},
    ] == configs
    assert 4 == own.size()


def test_what_asks_for_a_parameter_that_is_not_there_is_not_there():
    """Whatever a run that was edited, or whose function fills in defaults, says of it."""
    chain = {
        **OPTIMIZER,
        "nesterov": {"values": [True, False], "condition": {"optimizer": "sgd"}},
        "momentum": {"min": 0.0, "max": 1.0, "condition": {"nesterov": True}},
    }
    own = space(chain)
    assert {("optimizer",): "adam"} == own.flatten({"optimizer": "adam", "nesterov": True, "momentum": 0.5})
    assert {"optimizer": "adam"} == own.nest({("optimizer",): "adam", ("nesterov",): True, ("momentum",): 0.5})
    assert {"optimizer": "sgd", "nesterov": False} == own.nest({("optimizer",): "sgd", ("nesterov",): False})


def test_conditions_on_constants_hold_or_are_refused():
    """A parent may be fixed for a while without an edit of its children."""
    own = space({"a": {"value": 1}, "b": {"min": 1, "max": 3, "condition": {"a": 1}}})
    assert {"a": 1, "b": 2} == own.nest({("b",): 2})
    assert 3 == own.size()
    assert own == space({"a": {"value": 1}, "b": {"min": 1, "max": 3}})


@given(conditional_sections(continuous=True), st.integers(0, 2**32))
def test_draws_hold_what_is_active_and_nothing_else(section, seed):
    """Every parameter of a draw has its conditions met, every other one does not, and the run's config says as much."""
    own = sound(section)
    flat = own.sample(np.random.default_rng(seed))
    assert own.active(flat) == set(flat)
    assert flat == own.flatten(own.nest(flat))
    for path, parents in own.conditions.items():
        met = all(
            parent in flat and any(same(own.parameters[parent], flat[parent]) == same(own.parameters[parent], value) for value in values)
            for parent, values in parents.items()
        )  # fmt: skip
        assert met == (path in flat)


def test_parents_are_drawn_as_if_nobody_asked_for_them():
    """A condition changes where a parameter is, not how often its parent has which value."""
    plain = {**OPTIMIZER, "m": {"min": 0.0, "max": 1.0}}
    conditional = {**OPTIMIZER, "m": {"min": 0.0, "max": 1.0, "condition": {"optimizer": "sgd"}}}
    draws = [space(given).sample(np.random.default_rng(1)) for given in (plain, conditional)]
    assert draws[0][("optimizer",)] == draws[1][("optimizer",)]


# -- counting -----------------------------------------------------------------------------------------------------


@given(conditional_sections())
def test_numbers_and_configurations_go_together(section):
    """There are as many as the long way finds, each has its number, and the number leads back."""
    own = sound(section)
    values = {path: parameter.choices() for path, parameter in own.parameters.items()}
    combinations = own.combinations(values)
    assert len(every_configuration(own, values)) == combinations.size == own.size()
    seen = set()
    for number in range(min(combinations.size, 300)):
        positions = combinations.positions(number)
        assert number == combinations.number(positions)
        seen.add(key(own.nest({path: values[path][i] for path, i in positions.items()})))
    assert min(combinations.size, 300) == len(seen)


def test_huge_conditional_spaces_are_counted_at_once():
    """10^9 values of which one has a parameter of 10^9 values below it; a hundred branches; a chain of forty."""
    big = {"a": {"min": 1, "max": 10**9}, "b": {"min": 1, "max": 10**9, "condition": {"a": 5}}}
    assert 10**9 - 1 + 10**9 == space(big).size()
    branches = {"kind": {"min": 1, "max": 100}} | {
        f"x{i}": {"min": 1, "max": 10, "condition": {"kind": i}} for i in range(1, 101)
    }
    assert 1000 == space(branches).size()
    chain = {"x0": {"values": [0, 1]}} | {
        f"x{i}": {"values": [0, 1], "condition": {f"x{i - 1}": 1}} for i in range(1, 40)
    }
    assert 41 == space(chain).size()
    independent = {f"{name}{i}": spec for i in range(60) for name, spec in (
        ("k", {"values": [0, 1]}), ("v", {"values": [0, 1], "condition": {f"k{i}": 1}}))}  # fmt: skip
    assert 3**60 == space(independent).size()


def test_spaces_that_cannot_be_counted_can_still_be_searched():
    """A hundred parameters that wait for three of sixty others each: no grid, but random draws."""
    rng = np.random.default_rng(0)
    gates = {f"g{i}": {"values": [0, 1]} for i in range(60)}
    waiting = {
        f"w{i}": {"values": [0, 1], "condition": {f"g{k}": 1 for k in rng.choice(60, 3, replace=False)}}
        for i in range(100)
    }
    assert space(gates | waiting).size() is None
    assert space(gates | waiting).sample(rng)
    assert "too many parameters depend on too many others" in problems(gates | waiting, method="grid")[0]
    assert "too many parameters depend on too many others" in problems(gates | waiting, without_replacement=True)[0]


def test_a_parameter_that_can_never_be_there_counts_for_nothing():
    """Parsing refuses it; a space made by hand goes without it."""
    own = Space({("a",): IntUniform(1, 3), ("b",): IntUniform(1, 9)}, {("b",): {("a",): (7,)}})
    assert 3 == own.size()
    assert 1 == Combinations({("b",): 9}, {("b",): {("a",): frozenset()}}).size


def test_a_space_made_by_hand_has_no_circles():
    """They are refused at once, not found by an endless search."""
    with pytest.raises(ConfigError, match="depends on itself"):
        Space({("a",): IntUniform(1, 3)}, {("a",): {("a",): (1,)}})


def test_multiples_of_q_are_the_same_whatever_the_last_bit():
    """Also those of a grid that begins beside them."""
    tenths = Quantized(Uniform(0.05, 1), q=0.1)
    assert all(same(tenths, i * 0.1 + 0.05) == same(tenths, value) for i, value in enumerate(tenths.grid()))
    assert same(tenths, 0.3) != same(tenths, 0.35)


# -- what is refused ----------------------------------------------------------------------------------------------

LR = {"min": 0.0, "max": 1.0}


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({**OPTIMIZER, "m": {**LR, "condition": {"optimiser": "sgd"}}}, "parameters.m.condition.optimiser: no parameter has this name; did you mean 'optimizer'?"),
        ({**NESTED, "m": {**LR, "condition": {"name": "sgd"}}}, "parameters.m.condition.name: no parameter has this name; did you mean 'opt.name'?"),
        ({**NESTED, "m": {**LR, "condition": {"opt": "sgd"}}}, "parameters.m.condition.opt: is a group; ask for a parameter in it, such as 'opt.name'"),
        ({**NESTED, "m": {**LR, "condition": {"opt": {"nam": "sgd"}}}}, "parameters.m.condition.opt.nam: no parameter has this name; did you mean 'opt.name'?"),
        ({"zz": {"values": [1]}, "m": {**LR, "condition": {"a": 1}}}, "parameters.m.condition.a: no parameter has this name; it is one of ['zz', 'm']"),
        ({**OPTIMIZER, "m": {**LR, "condition": {"optimizer": "Adam"}}}, "parameters.m.condition.optimizer: optimizer is never 'Adam'; did you mean 'adam'?"),
        ({**OPTIMIZER, "m": {**LR, "condition": {"optimizer": ["sgd", 3]}}}, "parameters.m.condition.optimizer: optimizer is never 3; it takes ['sgd', 'adam', 'rmsprop']"),
        ({"a": {"values": ["1", "2"]}, "m": {**LR, "condition": {"a": 1}}}, "parameters.m.condition.a: a is never 1; write '1' in quotes"),
        ({"a": {"min": 1, "max": 1000}, "m": {**LR, "condition": {"a": 0}}}, "parameters.m.condition.a: a is never 0; it is {'distribution': 'int_uniform', 'min': 1, 'max': 1000}"),
        ({"a": {"values": ["x", "y"], "probabilities": [1, 0]}, "m": {**LR, "condition": {"a": "y"}}}, "parameters.m.condition.a: a is never 'y'; it takes ['x']"),
        ({"a": {"values": [[1, 2], [3]]}, "m": {**LR, "condition": {"a": [1, 2]}}}, "parameters.m.condition.a: a list stands for several values; for the value [1, 2] itself write [[1, 2]]"),
        ({"a": LR, "m": {**LR, "condition": {"a": 0.5}}}, "parameters.m.condition.a: a is continuous (uniform), so it equals no value; ask for values of a categorical parameter, of int_uniform, or of a q_ distribution"),
        ({**OPTIMIZER, "m": {**LR, "condition": {"optimizer": []}}}, "parameters.m.condition.optimizer: [] should be non-empty; name a value, or a list of values"),
        ({**OPTIMIZER, "m": {**LR, "condition": {}}}, "parameters.m.condition: {} should be non-empty; write {'optimizer': 'sgd'}, or a list of values"),
        ({**OPTIMIZER, "m": {**LR, "condition": "optimizer == sgd"}}, "parameters.m.condition: 'optimizer == sgd' is not of type 'object'; write {'optimizer': 'sgd'}, or a list of values"),
        ({"m": {"values": [1, 2], "condition": {"m": 1}}}, "parameters.m.condition: depends on itself: m → m; one of them must be chosen first"),
        ({"a": {"values": [1, 2], "condition": {"b": 1}}, "b": {"values": [1, 2], "condition": {"a": 1}}, "c": {"value": 1, "condition": {"a": 1}}}, "parameters.a.condition: depends on itself: a → b → a; one of them must be chosen first"),
        ({"opt": {**NESTED["opt"], "condition": {"opt.name": "sgd"}}}, "parameters.opt.condition: depends on itself: opt.name → opt.name; one of them must be chosen first"),
        ({**OPTIMIZER, "a": {"values": [1, 2], "condition": {"optimizer": "sgd"}}, "m": {**LR, "condition": {"optimizer": "adam", "a": 1}}, "n": {**LR, "condition": {"a": 1}}}, "parameters.m.condition: can never hold: optimizer would need two values at once; ask for one of them"),
        ({"x0": {"values": [1]}, **{f"x{i}": {"values": [1], "condition": {f"x{i - 1}": 1}} for i in range(1, 60)}}, "parameters.x51.condition: more than 50 conditions follow from one another"),
        ({**OPTIMIZER, "m": {**LR, "conditions": {"optimizer": "sgd"}}}, "parameters.m.conditions: Additional properties are not allowed ('conditions' was unexpected); did you mean 'condition'?"),
    ],
    ids=lambda given: given[:70] if isinstance(given, str) else "",
)  # fmt: skip
def test_what_cannot_hold_is_refused(parameters, problem):
    """With its path and the next step, and nothing else is complained of."""
    (found,) = problems(parameters)
    assert found.startswith(problem)


def test_all_problems_are_named_at_once_but_not_those_that_follow():
    """A parent that is broken itself is not unknown as well."""
    found = problems(
        {
            "broken": {"min": 1},
            "a": {**LR, "condition": {"broken": 1, "nobody": 2}},
            "b": {"values": [1, 2], "condition": {"a": 0.5}},
            "c": {"min": 3.0, "max": 1.0, "condition": {"b": 3}},
        }
    )
    places = [problem.split(": ")[0] for problem in found]
    assert [
        "parameters.broken",
        "parameters.c.max",
        "parameters.a.condition.nobody",
        "parameters.b.condition.a",
        "parameters.c.condition.b",
    ] == places


json_values = st.recursive(st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["a", "b", "a.x"]),
                           lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "a.x"]), inner, max_size=2))  # fmt: skip


@given(json_values, json_values)
def test_any_nonsense_is_refused_politely(one, other):
    """Whatever stands under `condition`, of a parameter or of a group, the only error is ConfigError."""
    group = {"x": {"values": [1, "b"], "condition": one}}
    try:
        sweep({"a": {"parameters": group}, "b": {"values": [0, True], "condition": other}})
    except ConfigError as error:
        assert all(": " in text for text in error.problems)


# -- as a configuration -------------------------------------------------------------------------------------------

ACCEPTS = jsonschema.Draft202012Validator(json_schema()).is_valid


@given(conditional_sections(continuous=True))
def test_a_conditional_space_survives_a_round_trip(section):
    """to_dict gives back what was given, parse makes the same of it, and the JSON Schema takes it."""
    sound(section)
    config = sweep(section)
    assert () == config.violations
    assert section == config.to_dict()["parameters"]
    assert config == SweepConfig.parse(json.dumps(config.to_dict()))
    assert ACCEPTS(config.to_dict())


def test_the_schema_marks_what_is_no_condition():
    """In an editor, at parameters and at groups."""
    for condition in ("sgd", {}, ["sgd"]):
        for spec in (LR, NESTED["opt"]):
            assert not ACCEPTS({"method": "random", "parameters": {**OPTIMIZER, "m": {**spec, "condition": condition}}})
            assert ACCEPTS(
                {"method": "random", "parameters": {**OPTIMIZER, "m": {**spec, "condition": {"optimizer": 1}}}}
            )


def test_another_condition_is_another_sweep():
    """However it is written, the same condition is the same sweep."""
    one, same_one, other = (
        space({**NESTED, "m": {**LR, "condition": condition}})
        for condition in ({"opt.name": "sgd"}, {"opt": {"name": ["sgd"]}}, {"opt.name": "adam"})
    )
    assert one == same_one != other
