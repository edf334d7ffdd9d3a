"""Random search: a draw belongs to the sweep's seed and the run's number."""

from collections import Counter

import pytest
from attrs import evolve
from hypothesis import given, strategies as st
from stories import Story

from sweepwidget.errors import ConfigError
from sweepwidget.model import Run, RunId
from sweepwidget.runs import Runs
from sweepwidget.search.permutation import Permutation
from sweepwidget.search.random import RandomSearch
from sweepwidget.sweepconfig import SweepConfig

MIXED = {
    "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-1},
    "opt": {"parameters": {"name": {"values": ["sgd", "adam"]}, "eps": {"value": 1e-8}}},
    "n": {"min": 1, "max": 9},
}
FINITE = {
    "a": {"min": 1, "max": 4},
    "b": {"values": ["x", "y", "z", "never"], "probabilities": [0.98, 0.01, 0.01, 0.0]},
    "c": {"value": 0},
}


def search(parameters, seed=0, **settings):
    return RandomSearch(SweepConfig.parse({"method": "random", "parameters": parameters, **settings}), seed)


def runs_of(*numbers, config=None):
    return Runs.of([Run(RunId(f"r{k}"), None, k, config or {}) for k in numbers])


def configs(searcher, runs, n):
    return [suggestion.config for suggestion in searcher.suggest(runs, n)]


def test_draws_are_independent_of_what_the_runs_are():
    """Only their numbers count: other configs, states or results change nothing."""
    assert configs(search(MIXED), runs_of(1, 2), 3) == configs(search(MIXED), runs_of(2, config={"n": 3}), 3)


def test_run_number_k_gets_draw_k():
    """Draws depend on seed and number alone, so a sweep can be repeated draw by draw."""
    draws = configs(search(MIXED, seed=5), Runs(), 6)
    assert draws == [configs(search(MIXED, seed=5), runs_of(*range(1, k)), 1)[0] for k in range(1, 7)]
    assert 6 == len({repr(draw) for draw in draws})


def test_the_reason_says_how_to_repeat_it():
    """Seed and number."""
    assert {"why": "random draw 3 of seed 5"} == search(MIXED, seed=5).suggest(runs_of(1, 2), 1)[0].info


def test_another_seed_draws_otherwise():
    """Seeds are far apart, also when they differ by one."""
    assert 20 == len({repr(configs(search(MIXED, seed=seed), Runs(), 1)) for seed in range(20)})


def test_after_a_deletion_no_remaining_run_is_drawn_again():
    """The largest number counts, not how many there are."""
    story, searcher = Story(), search(MIXED)
    for _ in range(4):
        story.add(configs(searcher, story.runs, 1)[0])
    story.delete(0)
    assert configs(searcher, story.runs, 1)[0] not in [run.config for run in story.runs]


def test_nested_parameters_and_constants_are_filled_in():
    """A run gets every parameter in its place."""
    config = configs(search(MIXED), Runs(), 1)[0]
    assert {"lr", "opt", "n"} == set(config)
    assert 1e-8 == config["opt"]["eps"]


def test_draws_follow_the_distributions():
    """Weights are weights: 0.98 of the draws, within five standard deviations."""
    count = Counter(config["b"] for config in configs(search(FINITE), Runs(), 2000))
    assert abs(count["x"] - 1960) < 5 * (2000 * 0.98 * 0.02) ** 0.5
    assert 0 == count["never"]


def test_without_replacement_every_configuration_comes_once():
    """In an order fixed by the seed; then the space is spent. Weights only rule out what cannot occur."""
    orders = [configs(search(FINITE, seed=seed, without_replacement=True), Runs(), 99) for seed in (1, 1, 2)]
    assert {(a, b) for a in range(1, 5) for b in "xyz"} == {(config["a"], config["b"]) for config in orders[2]}
    assert 12 == len(orders[0])
    assert orders[0] == orders[1] != orders[2]


def test_without_replacement_skips_what_runs_already_are():
    """Also runs that another search or an earlier configuration made."""
    searcher = search(FINITE, without_replacement=True)
    first, second = configs(searcher, Runs(), 2)
    assert [second] == configs(searcher, runs_of(1, config={**first, "extra": 1}), 1)


def test_without_replacement_a_huge_space_is_not_listed():
    """10^18 configurations: every draw is another one, at once."""
    parameters = {"a": {"min": 1, "max": 10**9}, "b": {"min": 1, "max": 10**9}}
    drawn = configs(search(parameters, without_replacement=True), Runs(), 200)
    assert 200 == len({(config["a"], config["b"]) for config in drawn})
    assert max(config["a"] for config in drawn) > 0.9 * 10**9


def test_without_replacement_needs_values_that_can_be_listed():
    """Otherwise every parameter in the way is named."""
    config = evolve(SweepConfig.parse({"method": "random", "parameters": MIXED}), without_replacement=True)
    with pytest.raises(ConfigError, match=r"without_replacement: parameters\.lr has values that cannot be listed"):
        RandomSearch(config)


def test_without_replacement_branches_count_as_often_as_they_differ():
    """Every configuration is as likely as any other to come first: a branch of nine nine times as often as one of one."""
    parameters = {"kind": {"values": ["many", "one"]}, "n": {"min": 1, "max": 9, "condition": {"kind": "many"}}}
    first = [configs(search(parameters, seed=s, without_replacement=True), Runs(), 1)[0] for s in range(1000)]
    count = Counter(config["kind"] for config in first)
    assert abs(count["one"] - 100) < 5 * (1000 * 0.1 * 0.9) ** 0.5
    assert 10 == len(configs(search(parameters, without_replacement=True), Runs(), 99))


@given(st.integers(1, 300), st.integers(0, 2**70))
def test_a_permutation_is_one(size, seed):
    """Every number comes exactly once, and the inverse leads back."""
    permutation = Permutation(size, seed)
    images = [permutation(number) for number in range(size)]
    assert list(range(size)) == sorted(images)
    assert list(range(size)) == [permutation.inverse(image) for image in images]


@given(st.integers(1, 10**40), st.integers(0, 2**70), st.data())
def test_a_permutation_of_any_size_leads_back(size, seed, data):
    """Ranges beyond 64 bits too."""
    number = data.draw(st.integers(0, size - 1))
    image = Permutation(size, seed)(number)
    assert 0 <= image < size
    assert number == Permutation(size, seed).inverse(image)


@pytest.mark.parametrize("size", [2, 3, 5, 6, 12])
def test_a_permutation_favours_no_cell(size):
    """Over seeds, what comes first (and last) is uniform: chi-square below its 99.99 % quantile."""
    quantile = {2: 15.2, 3: 18.5, 5: 23.6, 6: 25.8, 12: 37.4}[size]
    for place in (0, size - 1):
        count = Counter(Permutation(size, seed)(place) for seed in range(3000))
        expected = 3000 / size
        assert sum((count[cell] - expected) ** 2 / expected for cell in range(size)) < quantile
