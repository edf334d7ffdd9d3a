"""Bayesian search: pure, inside the space, never twice, and better than chance."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from itertools import combinations, product

import numpy as np
import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings, strategies as st

from sweepwidget.columns import column
from sweepwidget.errors import ConfigError
from sweepwidget.model import Changes, Chunk, Cursor, Run, RunId, RunState
from sweepwidget.parameters import key
from sweepwidget.runs import Runs
from sweepwidget.search import bayes
from sweepwidget.search.bayes import BayesianSearch
from sweepwidget.search.cube import Cube
from sweepwidget.search.evidence import Evidence, costs_of
from sweepwidget.sweepconfig import SweepConfig

S = RunState
few = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ALL = {
    "uniform": {"min": 0.5, "max": 2.0},
    "int": {"min": -3, "max": 40},
    "q_uniform": {"distribution": "q_uniform", "min": 0, "max": 10, "q": 0.5},
    "log": {"distribution": "log_uniform", "min": -5, "max": 0},
    "log_values": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0},
    "inv": {"distribution": "inv_log_uniform", "min": 0, "max": 5},
    "inv_values": {"distribution": "inv_log_uniform_values", "min": 1e-5, "max": 1.0},
    "q_log": {"distribution": "q_log_uniform", "min": 0, "max": 5, "q": 1},
    "q_log_values": {"distribution": "q_log_uniform_values", "min": 1, "max": 300, "q": 1},
    "normal": {"distribution": "normal", "mu": 3.0, "sigma": 2.0},
    "q_normal": {"distribution": "q_normal", "mu": 3.0, "sigma": 2.0, "q": 1},
    "log_normal": {"distribution": "log_normal", "mu": 0.0, "sigma": 1.0},
    "q_log_normal": {"distribution": "q_log_normal", "mu": 0.0, "sigma": 1.0, "q": 1},
    "beta": {"distribution": "beta", "a": 2.0, "b": 5.0},
    "q_beta": {"distribution": "q_beta", "a": 2.0, "b": 5.0, "q": 0.25},
    "fixed": {"value": [1, 2]},
    "numbers": {"values": [3, 2, 1, 0]},
    "falsy": {"values": [0, False, None, "", "0", [], {}]},
    "weighted": {"values": ["often", "rarely", "never"], "probabilities": [0.9, 0.1, 0.0]},
    "nested": {"parameters": {"opt": {"values": [{"name": "sgd"}, {"name": "adam"}]}, "lr": {"min": 0.0, "max": 0.1}}},
}
MIXED = {name: ALL[name] for name in ("uniform", "int", "log_values", "falsy", "nested")}
FINITE = {"a": {"values": [0, False, None, ""]}, "b": {"min": 1, "max": 3}, "c": {"values": [2.5, 1.5]}}


def config(parameters, **metric):
    return SweepConfig.parse(
        {"method": "bayes", "metric": {"name": "loss", "goal": "minimize", **metric}, "parameters": parameters}
    )


def line(**metric):
    return config({"x": {"min": 0.0, "max": 1.0}}, **metric)


def a_run(number, given, cost=None, state=S.finished, **more):
    summary = {} if cost is None else {"loss": cost}
    return Run(RunId(f"r{number}"), None, number, given, state, summary=summary, started_at=0.0, **more)


def mirror(cfg, rows, curves=None):
    return Runs.of(rows, cfg.goal, curves)


def sampled(cfg, n, cost=None, seed=0):
    """n finished runs drawn from the space."""
    rng = np.random.default_rng(seed)
    cost = cost or (lambda i: float(rng.normal()))
    return [a_run(i + 1, cfg.space.nest(cfg.space.sample(rng)), cost(i)) for i in range(n)]


def optimise(cfg, cost, n, *, seed=0, agents=1, rows=()):
    """The finished runs after n suggestions, with `agents` runs at work at any time."""
    searcher, runs, rows = BayesianSearch(cfg, seed), Runs(cfg.goal), list(rows)
    runs.apply_rows(rows)
    waiting = []
    for _ in range(n):
        (suggestion,) = searcher.suggest(runs, 1)
        waiting.append(a_run(len(rows) + len(waiting) + 1, suggestion.config, state=S.running, info=suggestion.info))
        runs.apply_rows(waiting[-1:])
        if len(waiting) == agents:
            done = waiting.pop(0)
            rows.append(evolve(done, state=S.finished, summary={"loss": cost(done.config)}))
            runs.apply_rows(rows[-1:])
    return rows


def best(rows):
    return min(run.summary["loss"] for run in rows)


# -- laws -----------------------------------------------------------------------------------------------------------


@st.composite
def histories(draw, parameters=MIXED, max_size=18):
    """Runs in every state, with every kind of result, some from a space that has been edited since."""
    cfg = config(
        parameters,
        goal=draw(st.sampled_from(["minimize", "maximize"])),
        impute=draw(st.sampled_from(["worst", "best", "latest"])),
        impute_while_running=draw(st.sampled_from(["false", "best", "latest", "worst"])),
    )
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    value = st.floats(-5, 5) | st.sampled_from([math.nan, math.inf, 1e300, -1e300, 0.0])
    rows, curves = [], {}
    for number in range(1, 1 + draw(st.integers(0, max_size))):
        given = cfg.space.nest(cfg.space.sample(rng))
        kind = draw(st.sampled_from(["fine"] * 6 + ["failed", "running", "pending", "outside", "twin"]))
        state = {"failed": S.failed, "running": S.running, "pending": S.pending}.get(kind, S.finished)
        if kind == "outside":
            given = draw(
                st.sampled_from([{}, {**given, "uniform": 99.0}, {**given, "falsy": "unknown"}, {"nested": 3}])
            )
        if kind == "twin" and rows:
            given = rows[-1].config
        rows.append(a_run(number, given, draw(value) if state is S.finished else None, state))
        if state in (S.failed, S.running):
            curves[f"r{number}"] = draw(st.lists(st.floats(-5, 5), max_size=3))
    return cfg, rows, curves


@few
@given(histories(), st.integers(1, 3), st.integers(-(2**63), 2**64))
def test_suggestions_lie_in_the_space_and_are_plain(history, n, seed):
    """Whatever has happened: native values in the space, constants filled in, and a JSON-able reason."""
    cfg, rows, curves = history
    found = BayesianSearch(cfg, seed).suggest(mirror(cfg, rows, curves), n)
    assert n == len(found)
    for suggestion in found:
        flat = cfg.space.flatten(suggestion.config)
        assert set(cfg.space.parameters) == set(flat)
        assert all(cfg.space.parameters[path].contains(value) for path, value in flat.items())
        assert suggestion.config == json.loads(json.dumps(suggestion.config))
        assert suggestion.info == json.loads(json.dumps(suggestion.info, allow_nan=False))
        assert suggestion.info["why"]


@few
@given(histories(), st.randoms(use_true_random=False))
def test_only_the_rows_count(history, random):
    """A fresh searcher, one that has seen every step, and one that saw the runs arrive in another order, all agree."""
    cfg, rows, curves = history
    fresh = BayesianSearch(cfg, 5).suggest(mirror(cfg, rows, curves), 2)

    old, growing = BayesianSearch(cfg, 5), Runs(cfg.goal)
    for run in rows:
        growing.apply_rows([evolve(run, state=S.running, summary={})])
        old.suggest(growing, 1)
    for run in random.sample(rows, len(rows)):
        values = np.array(curves.get(run.id, [])) * 1.0
        growing.apply(
            Changes(Cursor(), runs=(run,), chunks=(Chunk(run.id, 1, "loss", column(range(len(values)), values)),))
        )
        if random.random() < 0.3:
            old.suggest(growing, 1)
    assert old.suggest(growing, 2) == old.suggest(growing, 2)

    def sign(values):  # `Runs.of` takes costs, chunks hold the metric
        return [cfg.goal.cost(value) for value in values]

    same = mirror(cfg, rows, {run_id: sign(values) for run_id, values in curves.items()})
    assert BayesianSearch(cfg, 5).suggest(same, 2) == old.suggest(growing, 2)
    shuffled = mirror(cfg, random.sample(rows, len(rows)), curves)
    assert fresh == BayesianSearch(cfg, 5).suggest(shuffled, 2)


@pytest.mark.parametrize("n", [61, 203, 470])
def test_what_is_cached_changes_nothing_when_fits_are_rare(n):
    """Between two fits, and where only a part of the runs is modelled, fresh and old searchers agree to the last bit."""
    cfg = config(MIXED)
    rows = sampled(cfg, n)
    old, growing = BayesianSearch(cfg, 1), Runs(cfg.goal)
    growing.apply_rows(rows[: n - 4])
    for run in rows[n - 4 :]:
        old.suggest(growing, 1)
        growing.apply_rows([run])
    assert BayesianSearch(cfg, 1).suggest(mirror(cfg, rows), 2) == old.suggest(growing, 2)


@few
@given(histories(), st.integers(1, 4))
def test_several_at_once_are_one_after_another(history, n):
    """`suggest(n)` is n times `suggest(1)`, each pick being a pending run for the next."""
    cfg, rows, curves = history
    together = BayesianSearch(cfg, 2).suggest(mirror(cfg, rows, curves), n)
    single, rows = [], list(rows)
    for _ in range(n):
        single += BayesianSearch(cfg, 2).suggest(mirror(cfg, rows, curves), 1)
        rows.append(a_run(len(rows) + 1, single[-1].config, state=S.pending, info=single[-1].info))
    assert list(together) == single


@few
@given(st.integers(0, 2**32), st.integers(1, 5), st.sampled_from([0.0, 0.2]))
def test_a_finite_space_is_spent_without_a_repeat(seed, agents, failing):
    """Every configuration comes exactly once, 0, False, None and '' being four; then there is nothing left."""
    cfg = config(FINITE)
    rng = np.random.default_rng(seed)
    searcher, runs, rows = BayesianSearch(cfg, seed), Runs(cfg.goal), []
    while found := searcher.suggest(runs, agents):
        for suggestion in found:
            failed = rng.random() < failing
            cost = None if failed else (suggestion.config["b"] - 2) ** 2 + bool(suggestion.config["a"] == "")
            rows.append(a_run(len(rows) + 1, suggestion.config, cost, S.failed if failed else S.finished))
        runs.apply_rows(rows)
    assert 24 == len(rows) == len({key(run.config) for run in rows})


def test_large_finite_spaces_are_spent_without_a_repeat(monkeypatch):
    """When candidates are sampled rather than enumerated, the last untried configurations are still found."""
    monkeypatch.setattr(bayes, "ENUMERATED", 0)
    cfg = config({"a": {"min": 0, "max": 30}, "b": {"values": ["x", "y", "z"]}})
    rows = sampled(cfg, 400)
    tried = {key(run.config) for run in rows}
    assert len(tried) > 80
    searcher, runs = BayesianSearch(cfg, 0), mirror(cfg, rows)
    found = searcher.suggest(runs, 100)
    assert 93 - len(tried) == len(found)
    assert 93 == len(tried | {key(suggestion.config) for suggestion in found})


def test_the_seed_decides():
    """The same seed starts alike, another one otherwise."""
    cfg = config(MIXED)
    starts = [[s.config for s in BayesianSearch(cfg, seed).suggest(Runs(cfg.goal), 3)] for seed in (1, 1, 2)]
    assert starts[0] == starts[1]
    assert starts[0] != starts[2]


# -- the space ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in ALL if name != "fixed"])
def test_every_distribution_is_searched(name):
    """From the first points through the model, each distribution gives new values that it contains."""
    cfg = config({name: ALL[name], "other": {"min": 0.0, "max": 1.0}})
    rows = optimise(cfg, lambda given: (given["other"] - 0.5) ** 2, 9)
    assert 9 == len({key(run.config) for run in rows})


def test_the_cube_goes_there_and_back():
    """Encoding a configuration and decoding the point gives the configuration, for every distribution at once."""
    space = config(ALL).space
    cube, rng = Cube(space), np.random.default_rng(0)
    for _ in range(50):
        given = space.nest(space.sample(rng))
        back = cube.encode(cube.decode(cube.encode(given)))
        assert np.allclose(cube.encode(given), back, atol=1e-9)
        flat, again = space.flatten(given), space.flatten(cube.decode(cube.encode(given)))
        assert all(
            key(flat[path]) == key(again[path]) or math.isclose(flat[path], again[path], rel_tol=1e-6) for path in flat
        )


def test_values_are_told_apart_by_equality():
    """0, False, None, '', [], {} and '0' are seven coordinates (W&B's engine takes them for the first choice)."""
    cube = Cube(config({"x": ALL["falsy"]}).space)
    assert list(range(7)) == sorted(cube.encode({"x": value})[0] for value in ALL["falsy"]["values"])


def test_numbers_are_ordered_however_they_are_listed():
    """With values [3, 2, 1, 0] the run x=0 lies next to x=1, not on x=3."""
    cube = Cube(config({"x": ALL["numbers"]}).space)
    assert [0.125, 0.375, 0.625, 0.875] == [cube.encode({"x": x})[0] for x in range(4)]


def test_falsy_values_win_when_they_are_best():
    """A search whose best choice is 0, False or None finds it."""
    for winner in (0, False, None):
        cfg = config({"x": {"values": ["a", 0, False, None, "b"]}, "y": {"min": 0.0, "max": 1.0}})
        rows = optimise(cfg, lambda given, winner=winner: float(key(given["x"]) != key(winner)) + given["y"], 14)
        assert key(winner) == key(min(rows, key=lambda run: run.summary["loss"]).config["x"])


def test_weighted_choices_keep_their_weights_at_first_and_zero_never_comes():
    """A choice of probability 0 is never suggested; the first points follow the weights."""
    cfg = config({"w": ALL["weighted"], **{f"x{i}": {"min": 0.0, "max": 1.0} for i in range(8)}})
    chosen = [run.config["w"] for run in optimise(cfg, lambda given: given["x0"], 20)]
    assert "never" not in chosen
    assert chosen[:10].count("often") >= 7


def test_two_hundred_parameters():
    """Many parameters are no obstacle: suggestions come, and quickly."""
    cfg = config({f"x{i}": {"min": 0.0, "max": 1.0} for i in range(200)})
    rows = sampled(cfg, 30)
    start = time.thread_time()
    (suggestion,) = BayesianSearch(cfg, 0).suggest(mirror(cfg, rows), 1)
    assert "expected improvement" == suggestion.info["why"]
    assert time.thread_time() - start < 5


def test_five_thousand_runs():
    """A long sweep costs no more than its subset."""
    cfg = config(MIXED)
    rows = sampled(cfg, 5000)
    searcher, runs = BayesianSearch(cfg, 0), mirror(cfg, rows)
    searcher.suggest(runs, 1)
    start = time.thread_time()
    assert searcher.suggest(runs, 1)
    assert time.thread_time() - start < 1


@pytest.mark.parametrize(
    "coarse",
    [
        {"distribution": "q_log_normal", "mu": 0.0, "sigma": 4.0, "q": 1},
        {"distribution": "beta", "a": 0.01, "b": 0.01},
        {"min": 1, "max": 100_000},
    ],
)
def test_values_that_share_much_of_the_axis_are_not_tried_twice(coarse):
    """Too many values to list, but half of the distribution is one of them: still every run is another."""
    cfg = config({"x": coarse, "y": {"values": [1, 2, 3]}})
    rows = optimise(cfg, lambda given: given["y"], 30)
    assert 30 == len({key(run.config) for run in rows})


def test_an_interval_of_a_few_floats():
    """When all floats of an interval have been tried, suggestions repeat instead of failing."""
    cfg = config({"x": {"min": 1.0, "max": math.nextafter(math.nextafter(1.0, 2), 2)}})
    rows = optimise(cfg, lambda given: given["x"], 8)
    assert {1.0} < {run.config["x"] for run in rows} <= {1.0, math.nextafter(1.0, 2), cfg.space.parameters[("x",)].max}


def test_nothing_to_choose_or_nothing_to_improve_is_an_error():
    """Without a searchable parameter or a metric the error says what is missing."""
    fixed = SweepConfig.parse({"method": "random", "metric": {"name": "loss"}, "parameters": {"x": {"value": 1}}})
    with pytest.raises(ConfigError, match="at least one searchable parameter"):
        BayesianSearch(fixed, 0)
    blind = SweepConfig.parse({"method": "random", "parameters": {"x": {"min": 0.0, "max": 1.0}}})
    with pytest.raises(ConfigError, match="metric"):
        BayesianSearch(blind, 0)


# -- conditional parameters -----------------------------------------------------------------------------------------

CONDITIONAL = {
    "kind": {"values": ["sgd", "adam", "rms"]},
    "decay": {"min": 0.0, "max": 1.0},
    "sgd_lr": {"min": -4.0, "max": 0.0, "condition": {"kind": "sgd"}},
    "momentum": {"min": 0.0, "max": 1.0, "condition": {"kind": "sgd"}},
    "adam_lr": {"min": -6.0, "max": -1.0, "condition": {"kind": "adam"}},
    "beta": {"min": 0.0, "max": 1.0, "condition": {"kind": "adam"}},
    "amsgrad": {"values": [True, False, None], "condition": {"kind": "adam"}},
    "gamma": {"min": 0.0, "max": 1.0, "condition": {"amsgrad": True}},
    "rho": {"min": 1, "max": 40, "condition": {"kind": "rms"}},
}


def conditional_cost(given):
    """At best 0: with adam, amsgrad and gamma = 0.2."""
    common = (given["decay"] - 0.3) ** 2
    if given["kind"] == "sgd":
        return common + 0.15 + (given["sgd_lr"] + 1.2) ** 2 / 4 + 3 * (given["momentum"] - 0.85) ** 2
    if given["kind"] == "rms":
        return common + 0.3 + (given["rho"] - 20) ** 2 / 400
    adam = (given["adam_lr"] + 3.1) ** 2 / 3 + 2 * (given["beta"] - 0.7) ** 2
    return common + adam + ((given["gamma"] - 0.2) ** 2 if given["amsgrad"] else 0.05)


def without_conditions(parameters):
    return {name: {key: said for key, said in spec.items() if key != "condition"} for name, spec in parameters.items()}


def test_a_conditional_space_is_searched_better_than_by_luck_or_with_the_conditions_ignored():
    """After 30 runs, geometric mean of three seeds: less than a tenth of either regret."""

    def regret(parameters, seed):
        return max(best(optimise(config(parameters), conditional_cost, 30, seed=seed)), 1e-4)

    def mean(values):
        return float(np.exp(np.mean(np.log(values))))

    known = mean([regret(CONDITIONAL, seed) for seed in range(3)])
    ignored = mean([regret(without_conditions(CONDITIONAL), seed) for seed in range(3)])
    space, rng = config(CONDITIONAL).space, np.random.default_rng(0)
    lucky = [min(conditional_cost(space.nest(space.sample(rng))) for _ in range(30)) for _ in range(30)]
    assert known < 0.1 * ignored
    assert known < 0.1 * mean(lucky)


@given(st.integers(0, 2**32))
def test_points_are_equal_where_configurations_are(seed):
    """What is not active has one coordinate, whatever the run says of it, and the way there and back is the same."""
    cube, rng = Cube(config(CONDITIONAL).space), np.random.default_rng(seed)
    points = cube.spread(rng.random((20, len(cube))))
    assert np.array_equal(points, cube.settle(points))
    for point in points:
        given = cube.decode(point)
        assert np.allclose(point, cube.encode(given), atol=1e-9)
        filled = {name: given.get(name, "a default of the function") for name in CONDITIONAL}
        assert np.array_equal(cube.encode(given), cube.encode(filled))
        assert cube.active(point[None])[0].sum() == len(given)


def test_a_run_that_lacks_what_is_active_lies_outside():
    """It comes from a space that has been edited since; one that lacks what is not active does not."""
    cube = Cube(config(CONDITIONAL).space)
    assert cube.encode({"kind": "rms", "decay": 0.5, "rho": 3}) is not None
    assert cube.encode({"kind": "rms", "decay": 0.5}) is None
    assert cube.encode({"kind": "adam", "decay": 0.5, "adam_lr": -2.0, "beta": 0.5, "amsgrad": True}) is None


@pytest.mark.parametrize("enumerated", [bayes.ENUMERATED, 0])
def test_a_finite_conditional_space_is_spent_without_a_repeat(monkeypatch, enumerated):
    """Whether all configurations are looked at or candidates drawn, each comes once."""
    monkeypatch.setattr(bayes, "ENUMERATED", enumerated)
    parameters = {
        "n": {"min": 1, "max": 30},
        "kind": {"values": ["x", None], "condition": {"n": [3, 30]}},
        "m": {"values": [4, 1, 2, 3], "condition": {"kind": "x"}},
        "k": {"values": [True, "k"], "condition": {"m": [1, 4]}},
    }
    cfg = config(parameters)
    assert 28 + 2 * (1 + 2 + 2 * 2) == cfg.space.size()
    rows = optimise(cfg, lambda given: given["n"] + given.get("m", 0), 42, agents=3)
    waiting = BayesianSearch(cfg, 0).suggest(mirror(cfg, rows), 9)
    assert (40, 2) == (len(rows), len(waiting))
    assert 42 == len({key(run.config) for run in rows} | {key(suggestion.config) for suggestion in waiting})


# -- results --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "costs",
    [[1.0] * 8, [0.0] * 8, [1e300, -1e300] * 4, [5e-324] * 4 + [0.0] * 4, [math.nan] * 7 + [1.0], [None] * 8],
    ids=["constant", "zero", "huge", "tiny", "one finite", "none"],
)
def test_any_results_give_a_sensible_suggestion(costs):
    """A new point in the space, with a finite reason."""
    cfg = line()
    rows = [a_run(i + 1, {"x": i / 8}, cost) for i, cost in enumerate(costs)]
    (suggestion,) = BayesianSearch(cfg, 0).suggest(mirror(cfg, rows), 1)
    assert 0 <= suggestion.config["x"] <= 1
    assert suggestion.config["x"] not in {run.config["x"] for run in rows}
    json.dumps(suggestion.info, allow_nan=False)


def counted(cfg, run, curve=()):
    """What the last run of a sweep counts for; None: for nothing."""
    trials = Evidence(Cube(cfg.space), cfg.objectives).trials(mirror(cfg, [*ROWS, run], {run.id: curve}))
    return None if trials[-1].cost is None else costs_of(trials)[-1]


ROWS = [a_run(i + 1, {"x": x}, 10 * x) for i, x in enumerate((0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0))]
CURVE = [9.0, 1.0, 3.0]


@pytest.mark.parametrize(
    ("state", "impute", "cost"),
    [
        (S.finished, "worst", 1.0),
        (S.stopped, "worst", 1.0),
        (S.failed, "worst", 10.0),
        (S.crashed, "worst", 10.0),
        (S.killed, "worst", 10.0),
        (S.failed, "best", 1.0),
        (S.failed, "latest", 3.0),
    ],
)
def test_what_a_run_counts_for(state, impute, cost):
    """Finished and early-stopped runs count with their best value, the others as `metric.impute` says."""
    run = a_run(8, {"x": 0.3}, state=state)
    assert cost == counted(line(impute=impute), run, CURVE)


@pytest.mark.parametrize("impute", ["best", "latest", "worst"])
def test_a_run_without_a_finite_value_counts_as_the_worst(impute):
    """There is nothing else it could count for, whether it failed, logged NaN or nothing at all."""
    for run in (a_run(8, {"x": 0.3}, state=S.failed), a_run(8, {"x": 0.3}, math.nan), a_run(8, {"x": 0.3})):
        assert 10.0 == counted(line(impute=impute), run)


@pytest.mark.parametrize(("rule", "cost"), [("false", None), ("best", 1.0), ("latest", 3.0), ("worst", 10.0)])
def test_running_runs_count_only_when_asked_to(rule, cost):
    """`impute_while_running` decides; without a value yet there is nothing to count, whatever it says."""
    run = a_run(8, {"x": 0.3}, state=S.running)
    assert cost == counted(line(impute_while_running=rule), run, CURVE)
    assert counted(line(impute_while_running=rule), run) is None


def test_a_run_stopped_before_it_began_says_nothing():
    """Its result is unknown rather than bad, but its configuration is not suggested again."""
    assert counted(line(), evolve(a_run(8, {"x": 0.3}, state=S.killed), started_at=None)) is None
    cfg = config({"x": {"min": 1, "max": 8}})
    rows = [a_run(x, {"x": x}, float(x)) for x in range(2, 8)]
    rows.append(evolve(a_run(8, {"x": 1}, state=S.killed), started_at=None))
    assert [8] == [s.config["x"] for s in BayesianSearch(cfg, 0).suggest(mirror(cfg, rows), 2)]


def test_what_is_pending_is_expected_to_turn_out_as_predicted():
    """A run at work leaves the model's expectations where they were, and takes the doubt away around it."""
    cfg = line()
    rows = [a_run(i + 1, {"x": x}, math.sin(9 * x)) for i, x in enumerate((0.0, 0.1, 0.3, 0.4, 0.9, 1.0))]
    at_work = a_run(7, {"x": 0.65}, state=S.running)
    means, stds = [], []
    for known in (rows, [*rows, at_work]):
        searcher = BayesianSearch(cfg, 0)
        belief = searcher._belief(searcher._evidence.trials(mirror(cfg, known)))
        mean, std = belief.posterior.predict(np.array([[0.65], [0.6]]) / belief.posterior.scale)
        means.append(mean)
        stds.append(std)
    assert np.allclose(means[0], means[1], atol=1e-3)
    assert (stds[1] < [0.1 * stds[0][0], 0.9 * stds[0][1]]).all()


def test_maximising_is_minimising_the_negative():
    """The same suggestions, with expectations of the other sign."""
    down, up = line(), line(goal="maximize")
    rows = [a_run(i + 1, {"x": x}, math.sin(9 * x)) for i, x in enumerate(np.linspace(0, 1, 9))]
    flipped = [evolve(run, summary={"loss": -run.summary["loss"]}) for run in rows]
    (one,), (two,) = (BayesianSearch(c, 0).suggest(mirror(c, r), 1) for c, r in ((down, rows), (up, flipped)))
    assert one.config == two.config
    assert one.info["mean"] == pytest.approx(-two.info["mean"])
    assert one.info["std"] == pytest.approx(two.info["std"])


def test_runs_at_work_are_not_doubled():
    """Eight suggestions for eight agents keep apart where little is known."""
    cfg = config({"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}})
    rows = sampled(cfg, 6)
    found = np.array([list(s.config.values()) for s in BayesianSearch(cfg, 0).suggest(mirror(cfg, rows), 8)])
    gaps = [np.linalg.norm(one - other) for one, other in combinations(found, 2)]
    assert min(gaps) > 0.02


def test_the_first_points_are_a_design():
    """They fill the space evenly and say their place; D + 2 of them, at least 4 and at most 10."""
    for D, size in ((1, 4), (4, 6), (20, 10)):
        cfg = config({f"x{i}": {"min": 0.0, "max": 1.0} for i in range(D)})
        found = BayesianSearch(cfg, 3).suggest(Runs(cfg.goal), size)
        assert [f"initial design {i + 1} of {size}" for i in range(size)] == [s.info["why"] for s in found]
    quarters = [int(4 * s.config["x"]) for s in BayesianSearch(line(), 3).suggest(Runs(line().goal), 4)]
    assert [0, 1, 2, 3] == sorted(quarters)


def test_a_suggestion_explains_itself():
    """The expectation is near the truth where the function is easy, and the nearest run is named."""
    cfg = line()
    rows = [a_run(i + 1, {"x": x}, 100 + 10 * x) for i, x in enumerate((0.4, 0.2, 0.6, 0.8, 1.0))]
    (suggestion,) = BayesianSearch(cfg, 0).suggest(mirror(cfg, rows), 1)
    assert {"why", "mean", "std", "acquisition", "nearest_run"} == set(suggestion.info)
    assert suggestion.config["x"] < 0.2
    assert suggestion.info["mean"] == pytest.approx(100 + 10 * suggestion.config["x"], abs=1.0)
    assert 0 < suggestion.info["std"] < 5
    assert 2 == suggestion.info["nearest_run"]


def test_a_stalled_search_begins_anew_beside_itself():
    """After 2D + 6 results without an improvement every second suggestion is a restart's, until the best moves."""
    cfg = line()
    rows = [a_run(1, {"x": 0.5}, 0.0), *(a_run(i, {"x": i / 40}, 1.0 + i % 3) for i in range(2, 10))]
    searcher, whys = BayesianSearch(cfg, 0), []
    for _ in range(6):
        (suggestion,) = searcher.suggest(mirror(cfg, rows), 1)
        whys.append(suggestion.info["why"].replace("initial design", "design"))
        rows.append(a_run(len(rows) + 1, suggestion.config, 2.0, info=suggestion.info))
    expected = ["restart 1: design 1 of 4", "expected improvement", "restart 1: design 2 of 4", "expected improvement"]
    assert expected == whys[:4]
    rows.append(a_run(len(rows) + 1, {"x": 0.9}, -1.0))
    (suggestion,) = searcher.suggest(mirror(cfg, rows), 1)
    assert "restart" not in suggestion.info


# -- quality --------------------------------------------------------------------------------------------------------


def test_a_parabola_is_found_at_once():
    """W&B's engine: after runs at 0 and 1, six suggestions bring (x - 0.3)² below 0.001."""
    for seed in range(5):
        rows = [a_run(1, {"x": 0.0}, 0.09), a_run(2, {"x": 1.0}, 0.49)]
        assert best(optimise(line(), lambda given: (given["x"] - 0.3) ** 2, 6, seed=seed, rows=rows)) < 1e-3


def branin(given):
    x, y = given["x"], given["y"]
    a = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return a * a + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


@pytest.mark.parametrize("agents", [1, 4])
def test_branin_is_found_and_random_search_beaten(agents):
    """After 30 runs the minimum of 0.398 is found to a hundredth, with four agents to a tenth; luck is far behind."""
    cfg = config({"x": {"min": -5.0, "max": 10.0}, "y": {"min": 0.0, "max": 15.0}})
    found = [best(optimise(cfg, branin, 30 + agents - 1, seed=seed, agents=agents)) for seed in range(3)]
    rng = np.random.default_rng(0)
    lucky = np.median([min(branin(cfg.space.nest(cfg.space.sample(rng))) for _ in range(30)) for _ in range(50)])
    assert max(found) < 0.398 + (0.01 if agents == 1 else 0.1)
    assert max(found) < lucky


def test_mixed_spaces_are_searched_in_all_their_parts():
    """Numbers, ordered choices and unordered ones come together: the best of 4 · 9 · [0, 1] within 25 runs."""
    cfg = config({"kind": {"values": list("abcd")}, "n": {"min": 1, "max": 9}, "x": {"min": 0.0, "max": 1.0}})
    offsets = dict(zip("abcd", (0.5, 0.3, 0.0, 1.0), strict=True))

    def cost(given):
        return offsets[given["kind"]] + (given["n"] - 7) ** 2 / 10 + (given["x"] - 0.6) ** 2

    top = min(optimise(cfg, cost, 25), key=lambda run: run.summary["loss"])
    assert ("c", 7) == (top.config["kind"], top.config["n"])


def test_a_diverged_run_does_not_spoil_the_search():
    """One loss of 1e30 and one of NaN, and the parabola is still found."""
    cfg = line()
    rows = [a_run(1, {"x": 0.0}, 1e30), a_run(2, {"x": 1.0}, math.nan)]
    assert best(optimise(cfg, lambda given: (given["x"] - 0.3) ** 2, 10, rows=rows)) < 1e-3


def test_an_exhaustive_grid_is_not_needed():
    """Of 432 configurations the best is among the first 45."""
    choices = {"a": list(range(9)), "b": ["x", "y", "z"], "c": [1, 2, 3, 5], "d": [0, None, "", True]}
    cfg = config({name: {"values": values} for name, values in choices.items()})

    def cost(given):
        parts = ((given["a"] - 4) ** 2 / 10, 0.5 * (given["b"] != "y"), abs(given["c"] - 3) / 5, given["d"] is not None)
        return float(sum(parts))

    assert 0.0 == min(cost(dict(zip(choices, values, strict=True))) for values in product(*choices.values()))
    assert 0.0 == best(optimise(cfg, cost, 45))


def test_scipy_is_loaded_only_when_it_is_needed():
    """`import sweepwidget.search` costs nobody scipy."""
    code = "import sys, sweepwidget.search; sys.exit('scipy' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
