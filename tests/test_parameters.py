"""Every distribution keeps the laws that searchers rely on, and agrees with W&B's engine and with scipy."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from scipy import stats

from sweepwidget.parameters import DISTRIBUTIONS, Constant, IntUniform, Space, Uniform, key, parameter

quantiles = st.floats(0, 1)
finite = st.floats(-1e6, 1e6)
scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text(max_size=3)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
)


@st.composite
def spans(draw, low=-1e6, high=1e6, narrow=1e-3, wide=1e6):
    least = draw(st.floats(low, high))
    return {"min": least, "max": least + draw(st.floats(narrow, wide))}


@st.composite
def positive_spans(draw):
    least = draw(st.floats(1e-9, 1e6))
    return {"min": least, "max": least * draw(st.floats(1.001, 1e6))}


def powers():
    return spans(-20, 20, 1e-3, 20)


@st.composite
def whole_spans(draw):
    least = draw(st.integers(-(10**12), 10**12))
    return {"min": least, "max": least + draw(st.integers(1, 10**12))}


@st.composite
def stepped(draw, spec):
    """A q between a thousandth and twice the width of what the plain distribution gives."""
    given = draw(spec)
    name = given["distribution"]
    plain = parameter(given)
    q = (plain.ppf(0.9) - plain.ppf(0.1)) * draw(st.floats(1e-3, 2))
    assume(q > 1e-12)
    return {**given, "distribution": f"q_{name}", "q": draw(st.sampled_from([q, max(1, round(q))]))}


@st.composite
def weighted(draw):
    listed = draw(st.lists(values, min_size=1, max_size=8))
    weights = draw(st.lists(st.integers(0, 100), min_size=len(listed), max_size=len(listed)))
    assume(sum(weights))
    return {"values": listed, "probabilities": [weight / sum(weights) for weight in weights]}


def named(name, strategy):
    return strategy.map(lambda fields: {"distribution": name, **fields})


shapes = st.fixed_dictionaries({"mu": st.floats(-20, 20), "sigma": st.floats(1e-2, 5)})
CONTINUOUS = {
    "uniform": named("uniform", spans()),
    "log_uniform": named("log_uniform", powers()),
    "log_uniform_values": named("log_uniform_values", positive_spans()),
    "inv_log_uniform": named("inv_log_uniform", powers()),
    "inv_log_uniform_values": named("inv_log_uniform_values", positive_spans()),
    "normal": named("normal", shapes),
    "log_normal": named("log_normal", shapes),
    "beta": named("beta", st.fixed_dictionaries({"a": st.floats(0.3, 20), "b": st.floats(0.3, 20)})),
}
DISCRETE = {
    "constant": named("constant", st.fixed_dictionaries({"value": values})),
    "categorical": named(
        "categorical", st.fixed_dictionaries({"values": st.lists(values | finite, min_size=1, max_size=8)})
    ),
    "categorical_w_probabilities": named("categorical_w_probabilities", weighted()),
    "int_uniform": named("int_uniform", whole_spans()),
    **{f"q_{name}": stepped(spec) for name, spec in CONTINUOUS.items() if not name.startswith("inv_")},
}
EVERY = {**CONTINUOUS, **DISCRETE}
every_distribution = pytest.mark.parametrize("name", sorted(EVERY))


def test_the_laws_below_cover_every_distribution():
    """No distribution of the table is left out of the tests."""
    assert set(DISTRIBUTIONS) == set(EVERY)


# -- laws ---------------------------------------------------------------------------------------------------------


@every_distribution
@given(data=st.data())
def test_a_quantile_is_a_value_of_the_parameter(name, data):
    """ppf(u) is contained, finite if a number, and one of the choices where these can be listed."""
    chosen = parameter(data.draw(EVERY[name]))
    value = chosen.ppf(data.draw(quantiles))
    assert chosen.contains(value)
    if chosen.ordinal:
        assert type(value) in (int, float)
        assert math.isfinite(value)
    if chosen.choices() is not None and len(chosen.choices()) < 1000:
        assert key(value) in {key(choice) for choice in chosen.choices()}


@every_distribution
@given(data=st.data())
def test_unit_undoes_ppf(name, data):
    """ppf(unit(v)) is v again, exactly for discrete and to rounding for continuous parameters.

    Far out in a tail a multiple of q may have less probability than floats near 1 can tell apart.
    """
    chosen = parameter(data.draw(EVERY[name]))
    value = chosen.ppf(data.draw(quantiles))
    if name.startswith("q_"):
        assume(chosen.cdf(value) - chosen.cdf(value - chosen.q) > 1e-12)
    unit = chosen.unit(value)
    assert type(unit) is float
    assert 0 <= unit <= 1
    if name in CONTINUOUS:
        scale = abs(chosen.ppf(0.9) - chosen.ppf(0.1)) + abs(value)
        assert math.isclose(value, chosen.ppf(unit), abs_tol=1e-6 * scale)
    else:
        assert key(value) == key(chosen.ppf(unit))


@every_distribution
@given(data=st.data())
def test_cdf_grows_and_inverts_ppf(name, data):
    """The cdf does not fall, at least u of the probability lies at or below ppf(u), and numbers are in order."""
    chosen = parameter(data.draw(EVERY[name]))
    low, high = sorted([data.draw(quantiles), data.draw(quantiles)])
    below, above = chosen.ppf(low), chosen.ppf(high)
    assert chosen.cdf(below) <= chosen.cdf(above) + 1e-12
    assert chosen.cdf(above) >= min(high, 1 - 1e-9) - 1e-6
    assert 0 <= chosen.cdf(below) <= 1
    if chosen.ordinal:
        assert below <= above


@every_distribution
@given(data=st.data())
def test_the_dict_of_a_parameter_makes_it_again(name, data):
    """to_dict is W&B's form: the same parameter comes out of it."""
    chosen = parameter(data.draw(EVERY[name]))
    assert chosen == parameter(chosen.to_dict())
    assert name == chosen.to_dict()["distribution"] == chosen.distribution


@pytest.mark.parametrize("name", sorted(DISCRETE))
@given(data=st.data())
def test_choices_are_distinct_and_in_order_of_their_coordinate(name, data):
    """What can be listed is listed once, in the order of unit(), and nothing else is contained in between."""
    chosen = parameter(data.draw(EVERY[name]))
    choices = chosen.choices()
    if choices is None:
        assert name in ("q_normal", "q_log_normal")
        return
    some = [choices[i] for i in sorted({*range(min(len(choices), 50)), len(choices) - 1})]
    assert len(some) == len({key(choice) for choice in some})
    assert all(chosen.contains(choice) for choice in some)
    units = [chosen.unit(choice) for choice in some]
    assert sorted(units) == units


@given(st.data())
def test_a_whole_number_is_the_same_as_int_and_float(data):
    """1 and 1.0 have the same coordinate, cdf and membership under every distribution of numbers."""
    name = data.draw(st.sampled_from(sorted(set(EVERY) - {"constant", "categorical", "categorical_w_probabilities"})))
    chosen = parameter(data.draw(EVERY[name]))
    n = data.draw(st.integers(-100, 100))
    assert chosen.contains(n) == chosen.contains(float(n))
    assert chosen.unit(n) == chosen.unit(float(n))
    assert chosen.cdf(n) == chosen.cdf(float(n))


@given(values, values)
def test_equal_keys_are_equal_values(a, b):
    """key() is what JSON equality would be: by value, with bools apart from numbers."""

    def tagged(value):
        if isinstance(value, dict):
            return {name: tagged(item) for name, item in value.items()}
        if isinstance(value, list):
            return [tagged(item) for item in value]
        return (isinstance(value, bool), value)

    assert (tagged(a) == tagged(b)) == (key(a) == key(b))


# -- against W&B's engine and scipy -------------------------------------------------------------------------------

# Written down from wandb's engine (`sweeps` 0.3.0): HyperParameter("a", spec).ppf at these quantiles.
QUANTILES = (0.01, 0.3, 0.5, 0.77, 0.99)
ENGINE = [
    ({"distribution": "int_uniform", "min": -2, "max": 5}, [-2, 0, 1, 4, 5]),
    ({"distribution": "uniform", "min": -1, "max": 3}, [-0.96, 0.2, 1.0, 2.08, 2.96]),
    ({"distribution": "q_uniform", "min": 0, "max": 10, "q": 3}, [0, 3, 6, 9, 9]),
    ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.1}, [0.0, 0.30000000000000004, 0.5, 0.8, 1.0]),
    ({"distribution": "q_uniform", "min": 0, "max": 10}, [0.0, 3.0, 5.0, 8.0, 10.0]),
    (
        {"distribution": "log_uniform", "min": -3, "max": 1},
        [0.05181891717272583, 0.16529888822158653, 0.3678794411714424, 1.0832870676749586, 2.6116964734231174],
    ),
    (
        {"distribution": "log_uniform_values", "min": 0.001, "max": 10.0},
        [0.001096478196143185, 0.015848931924611127, 0.1, 1.202264434617413, 9.120108393559095],
    ),
    (
        {"distribution": "inv_log_uniform", "min": -3, "max": 1},
        [0.38289288597511206, 1.22140275816017, 2.718281828459045, 8.004468914296353, 19.297971755502758],
    ),
    (
        {"distribution": "inv_log_uniform_values", "min": 0.001, "max": 10.0},
        [0.001096478196143185, 0.015848931924611155, 0.1, 1.202264434617413, 9.120108393559095],
    ),
    ({"distribution": "q_log_uniform", "min": 0, "max": 4, "q": 2}, [2, 4, 8, 22, 52]),
    ({"distribution": "q_log_uniform_values", "min": 2, "max": 100, "q": 2}, [2, 6, 14, 40, 96]),
    (
        {"distribution": "normal", "mu": 1, "sigma": 2},
        [-3.6526957480816815, -0.04880102541608178, 1.0, 2.4776936983704276, 5.6526957480816815],
    ),
    (
        {"distribution": "normal"},
        [-2.3263478740408408, -0.5244005127080409, 0.0, 0.7388468491852137, 2.3263478740408408],
    ),
    ({"distribution": "q_normal", "mu": 1, "sigma": 2, "q": 0.5}, [-3.5, 0.0, 1.0, 2.5, 5.5]),
    (
        {"distribution": "log_normal", "mu": 1, "sigma": 0.5},
        [0.8494434259057597, 2.091328988688217, 2.718281828459045, 3.933082323046716, 8.698703025515458],
    ),
    ({"distribution": "q_log_normal", "mu": 3, "sigma": 0.5, "q": 4}, [8, 16, 20, 28, 64]),
    (
        {"distribution": "beta", "a": 2, "b": 5},
        [0.026763191142755053, 0.18180347131894917, 0.26444998329566005, 0.402118402610099, 0.7056863283197075],
    ),
    ({"distribution": "q_beta", "a": 2, "b": 5, "q": 0.25}, [0.0, 0.25, 0.25, 0.5, 0.75]),
    ({"distribution": "categorical", "values": ["a", "b", "c"]}, ["a", "a", "b", "c", "c"]),
]


@pytest.mark.parametrize(("spec", "expected"), ENGINE, ids=lambda case: str(case)[:60])
def test_quantiles_are_those_of_the_engine(spec, expected):
    """The same quantile gives W&B's value, of the same type."""
    actual = [parameter(spec).ppf(u) for u in QUANTILES]
    assert [type(value) for value in expected] == [type(value) for value in actual]
    if isinstance(expected[0], float):
        expected = pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert expected == actual


SCIPY = [
    ({"distribution": "uniform", "min": -1, "max": 3}, stats.uniform(-1, 4)),
    ({"distribution": "log_uniform_values", "min": 0.01, "max": 10}, stats.loguniform(0.01, 10)),
    ({"distribution": "normal", "mu": 1, "sigma": 2}, stats.norm(1, 2)),
    ({"distribution": "log_normal", "mu": 1, "sigma": 0.5}, stats.lognorm(0.5, scale=math.e)),
    ({"distribution": "beta", "a": 2, "b": 5}, stats.beta(2, 5)),
    ({"distribution": "int_uniform", "min": -3, "max": 4}, stats.randint(-3, 5)),
]


@pytest.mark.parametrize(("spec", "reference"), SCIPY, ids=lambda case: str(case)[:40])
def test_samples_and_cdf_follow_the_distribution(spec, reference):
    """Mean, spread and cdf are scipy's; 4 standard errors leave the fixed seed room."""
    space = Space({("a",): parameter(spec)})
    rng = np.random.default_rng(0)
    drawn = np.array([space.sample(rng)["a",] for _ in range(4000)])
    standard_error = reference.std() / math.sqrt(len(drawn))
    assert abs(drawn.mean() - reference.mean()) < 4 * standard_error
    assert drawn.std() == pytest.approx(reference.std(), rel=0.1)
    for value in (-10, -2, 0, 0.3, 0.5, 1, 2, 2.5, 4, 100):
        assert reference.cdf(value) == pytest.approx(space.parameters["a",].cdf(value), abs=1e-12)


def test_probabilities_weigh_the_choices():
    """Shares of a weighted choice are its probabilities, and a choice of probability 0 is never given."""
    weighted = parameter(
        {"distribution": "categorical_w_probabilities", "values": ["x", "y", "z"], "probabilities": [0.7, 0.3, 0.0]}
    )
    drawn = [weighted.ppf(u) for u in np.linspace(0, 1, 1001)]
    assert (701, 300, 0) == pytest.approx((drawn.count("x"), drawn.count("y"), drawn.count("z")), abs=1)
    assert not weighted.contains("z")
    assert ("x", "y") == weighted.choices()


# -- categorical --------------------------------------------------------------------------------------------------


def categorical(*listed):
    return parameter({"distribution": "categorical", "values": list(listed)})


def test_equal_values_are_one_choice():
    """Duplicates collapse to the last of them, but True is not 1 and "1" is not 1; their shares add up."""
    doubled = categorical(1, 1.0, True, "1")
    assert [1.0, True, "1"] == list(doubled.grid())
    assert [float, bool, str] == [type(value) for value in doubled.grid()]
    assert doubled.cdf(1) == 0.5


def test_falsy_values_are_choices_like_any_other():
    """0, False, "" and None each have their own coordinate."""
    falsy = categorical(0, False, "", None, [], {})
    assert 6 == len({falsy.unit(value) for value in falsy.choices()})
    assert [0, False, "", None, [], {}] == [falsy.ppf(falsy.unit(value)) for value in falsy.choices()]
    assert not falsy.contains(0.5)


def test_numbers_are_ordered_whatever_the_order_they_are_listed_in():
    """Coordinates grow with the number; the grid keeps the order of the list."""
    numbers = categorical(100, 1, 10)
    assert numbers.ordinal
    assert (1, 10, 100) == numbers.choices()
    assert (100, 1, 10) == numbers.grid()
    assert numbers.unit(1) < numbers.unit(10) < numbers.unit(100)
    assert not categorical(1, True).ordinal
    assert not categorical(1, "2").ordinal
    assert not categorical(1, math.nan).ordinal


def test_nan_is_equal_to_nan():
    """A NaN in the list is found again."""
    nan = categorical("x", math.nan)
    assert nan.contains(float("nan"))
    assert nan.unit(float("nan")) == 0.75
    assert 2 == len(categorical(math.nan, 1, float("nan")).choices())


def test_values_may_be_lists_and_dicts():
    """The order of a dict does not matter, that of a list does."""
    mixed = categorical([1, 2], {"a": 1, "b": [2]}, "x")
    assert mixed.contains({"b": [2.0], "a": 1})
    assert not mixed.contains([2, 1])
    assert not mixed.contains("[1, 2]")


def test_keys_that_training_adds_to_a_dict_value_are_ignored():
    """A run whose dict value has grown is still the run of that choice, as in W&B's grid."""
    opts = categorical({"name": "sgd"}, {"name": "adam", "eps": 1})
    assert opts.contains({"name": "sgd", "runtime": 3})
    assert not opts.contains({"name": "sgd", "eps": 2})
    assert {("opt",): {"name": "sgd"}} == Space({("opt",): opts}).flatten({"opt": {"name": "sgd", "runtime": 3}})


def test_an_unknown_choice_is_named():
    """unit() of a value that is no choice raises W&B's message."""
    with pytest.raises(ValueError, match="zz is not a permitted value of the categorical hyperparameter"):
        categorical("a", "b").unit("zz")


# -- whole numbers, multiples -------------------------------------------------------------------------------------


def test_each_whole_number_is_equally_likely():
    """Both ends are included, ppf(0) is min and ppf(1) is max, and u out of range is clipped."""
    die = IntUniform(1, 6)
    drawn = [die.ppf(u) for u in (np.arange(6000) + 0.5) / 6000]
    assert [1000] * 6 == [drawn.count(face) for face in range(1, 7)]
    assert (1, 1, 6, 6) == (die.ppf(-1), die.ppf(0), die.ppf(1), die.ppf(2))
    assert not die.contains(True)
    assert not die.contains(2.5)
    assert not die.contains("2")
    assert not die.contains(math.inf)


def test_huge_ranges_cost_nothing():
    """A range of 10**12 or 10**18 is never written out."""
    huge = IntUniform(0, 10**12)
    assert 10**12 + 1 == len(huge.grid())
    assert 10**12 == huge.grid()[-1]
    assert 123456789012 == huge.ppf(huge.unit(123456789012))
    assert 10**18 == IntUniform(-(10**18), 10**18).ppf(1.0)
    steps = parameter({"distribution": "q_uniform", "min": 0, "max": 1, "q": 1e-12})
    assert 10**12 == len(steps.grid())
    assert 0.5 == steps.choices()[5 * 10**11]
    assert (10**12 + 1) ** 2 == Space({("a",): huge, ("b",): steps}).size()


def test_multiples_stay_inside_the_limits():
    """Where W&B rounds out of [min, max] we keep to the multiples inside; without any, to the nearest."""
    inside = parameter({"distribution": "q_log_uniform_values", "min": 1, "max": 100, "q": 5})
    assert [5, 100] == [inside.ppf(0.0), inside.ppf(1.0)]
    assert 20 == len(inside.choices())
    none_inside = parameter({"distribution": "q_uniform", "min": 1, "max": 4, "q": 5})
    assert [0, 5] == none_inside.choices()[:]
    assert [0, 5] == [none_inside.ppf(0.0), none_inside.ppf(1.0)]


def test_a_limit_that_floating_point_misses_is_still_reached():
    """0.3 is a multiple of 0.1 although 3 * 0.1 is a little more, and the value given is 0.3."""
    steps = parameter({"distribution": "q_uniform", "min": 0.1, "max": 0.3, "q": 0.1})
    assert [0.1, 0.2, 0.3] == steps.choices()[:]
    assert steps.contains(0.1 + 0.2)


def test_q_decides_between_int_and_float():
    """A whole q gives whole numbers; without q it is 1.0, hence floats, as in W&B."""
    limits = {"distribution": "q_uniform", "min": 0.0, "max": 10.0}
    assert "4" == repr(parameter({**limits, "q": 2}).ppf(0.42))
    assert "4.0" == repr(parameter({**limits, "q": 2.0}).ppf(0.42))
    assert "4.0" == repr(parameter(limits).ppf(0.42))


@given(spans(-100, 100, 0.1, 100), st.floats(0.01, 30))
def test_a_stepped_grid_is_numpys_arange(limits, q):
    """The grid of q_uniform is np.arange(min, max, q) to the last bit, max excluded."""
    stepped = parameter({"distribution": "q_uniform", **limits, "q": q})
    assert np.arange(limits["min"], limits["max"], q).tolist() == list(stepped.grid())
    assert all(stepped.contains(value) for value in stepped.grid())


def test_a_stepped_grid_of_ints_holds_ints():
    """With int limits and q the grid holds ints."""
    assert [1, 4, 7] == list(parameter({"distribution": "q_uniform", "min": 1, "max": 10, "q": 3}).grid())


def test_only_wandbs_grid_distributions_have_a_grid():
    """Categorical, constant, int_uniform and q_uniform have grid values; nothing else does."""
    specs = {
        "constant": {"value": None},
        "categorical": {"values": [1]},
        "categorical_w_probabilities": {"values": [1], "probabilities": [1.0]},
        "int_uniform": {"min": 1, "max": 2},
        **{name: {"min": 1.0, "max": 2.0} for name in DISTRIBUTIONS if "uniform" in name and name != "int_uniform"},
    }
    with_grid = {
        name for name in DISTRIBUTIONS if parameter({"distribution": name, **specs.get(name, {})}).grid() is not None
    }
    assert {"constant", "categorical", "int_uniform", "q_uniform"} == with_grid


def test_sigma_of_zero_is_a_constant():
    """A normal distribution without spread always gives its mean, and is not searched."""
    still = parameter({"distribution": "normal", "mu": 3, "sigma": 0})
    assert still.constant
    assert (3.0,) == still.choices()
    assert () == Space({("a",): still}).searchable
    assert {"a": 3.0} == Space({("a",): still}).nest({})


# -- the space ----------------------------------------------------------------------------------------------------

SPACE = Space(
    {
        ("opt", "lr"): Uniform(0, 1),
        ("opt", "name"): categorical("sgd", "adam"),
        ("opt.lr",): IntUniform(1, 3),
        ("n",): Constant([1]),
    }
)


@given(st.integers(0, 2**32))
def test_flatten_undoes_nest(seed):
    """A sampled configuration comes back from the nested dict that a run is given."""
    flat = SPACE.sample(np.random.default_rng(seed))
    nested = SPACE.nest(flat)
    assert flat == SPACE.flatten(nested)
    assert ["opt", "opt.lr", "n"] == list(nested)


def test_sampling_is_reproducible():
    """The same generator state gives the same configuration."""
    assert SPACE.sample(np.random.default_rng(7)) == SPACE.sample(np.random.default_rng(7))


def test_a_dot_in_a_name_is_not_nesting():
    """`opt.lr` and `opt: lr` are two parameters."""
    nested = SPACE.nest({("opt", "lr"): 0.5, ("opt.lr",): 2})
    assert {"opt": {"lr": 0.5}, "opt.lr": 2, "n": [1]} == nested


def test_flatten_leaves_out_what_the_run_lacks():
    """Missing parameters, extra keys and a value where a group should be are no error."""
    assert {} == SPACE.flatten({})
    assert {} == SPACE.flatten({"opt": 3, "more": 1})
    assert {("opt", "name"): None} == SPACE.flatten({"opt": {"name": None}})


def test_a_run_cannot_change_the_space():
    """What nest gives away is a copy."""
    given_away = SPACE.nest({})
    given_away["n"].append(2)
    assert {"n": [1]} == SPACE.nest({})


def test_the_size_counts_configurations():
    """Constants count once; a continuous parameter has no count."""
    assert Space({("a",): IntUniform(1, 3), ("b",): categorical("x", "y"), ("c",): Constant(1)}).size() == 6
    assert SPACE.size() is None
    assert SPACE.searchable == (("opt", "lr"), ("opt", "name"), ("opt.lr",))


def test_importing_parameters_does_not_load_scipy():
    """The Gaussian process and the beta distribution load scipy; reading a configuration does not."""
    code = "import sys, sweepwidget.parameters, sweepwidget.sweepconfig; sys.exit('scipy' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
