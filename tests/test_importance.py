"""Importance: what is known of a function is found again from its runs, and what cannot be known is said to be unsure."""

import math
import time

import numpy as np
import pytest
from attrs import evolve

from sweepwidget.importance import Importances, importance, interactions
from sweepwidget.model import Run, RunId, RunState
from sweepwidget.runs import Goal, Runs
from sweepwidget.sweepconfig import SweepConfig

S = RunState
UNIT = {"min": 0.0, "max": 1.0}
LOG = {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0}
ABCD = dict.fromkeys("abcd", UNIT)


def space(parameters):
    return SweepConfig.parse({"method": "random", "parameters": parameters}).space


def sampled(parameters, cost, n, seed=0, noise=0.0):
    """n finished runs drawn from the space."""
    own, rng = space(parameters), np.random.default_rng(seed)
    configs = [own.nest(own.sample(rng)) for _ in range(n)]
    return [a_run(i, given, cost(given) + noise * rng.normal()) for i, given in enumerate(configs, 1)]


def a_run(number, given, value=None, state=S.finished):
    summary = {} if value is None else {"loss": value}
    return Run(RunId(f"r{number}"), None, number, given, state, summary=summary, started_at=0.0)


def shares(parameters, rows):
    return {name: of.share for name, of in importance(rows, space(parameters), "loss").items()}


# -- known answers ------------------------------------------------------------------------------------------------


def linear(given):
    """Variances 16 : 4 : 1 : 0."""
    return 4 * given["a"] + 2 * given["b"] + given["c"]


OFFSETS = {"p": 0.0, None: 1.0, "q": 0.0, 0: 1.5, "r": 0.2, "s": 0.9}
CATEGORIES = {"k": {"values": list(OFFSETS)}, "x": UNIT, "z": {"values": ["u", "v", "w"]}}


def categorical(given):
    """V_k = Var of the offsets, V_x = 1/12."""
    return OFFSETS[given["k"]] + given["x"]


def ishigami(given):
    """Ishigami and Homma 1990, with 7 and 0.1: the shares are known in closed form."""
    return math.sin(given["a"]) + 7 * math.sin(given["b"]) ** 2 + 0.1 * given["c"] ** 4 * math.sin(given["a"])


STEPS = {"lr": LOG, "wd": {**LOG, "max": 1e-1}, "q": {"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0.25}}


def logarithmic(given):
    """Linear in the logarithms: variances 25/12 and 0.25 · 16/12, and 5 steps with that of 0.125."""
    return math.log10(given["lr"]) + 0.5 * math.log10(given["wd"]) + given["q"]


def of_variances(**variances):
    total = sum(variances.values())
    return {name: variance / total for name, variance in variances.items() if not name.startswith("_")}


PI4 = math.pi**4
KNOWN = {
    "linear": (ABCD, linear, of_variances(a=16, b=4, c=1, d=0)),
    "categorical": (CATEGORIES, categorical, of_variances(k=float(np.var([*OFFSETS.values()])), x=1 / 12, z=0)),
    "logarithmic": (STEPS, logarithmic, of_variances(lr=25 / 12, wd=4 / 12, q=0.125)),
    "ishigami": (
        {name: {"min": -math.pi, "max": math.pi} for name in "abc"},
        ishigami,
        of_variances(a=0.5 * (1 + 0.1 * PI4 / 5) ** 2, b=49 / 8, c=0, _ac=0.01 * PI4**2 * 8 / 225),
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_shares_are_found(name):
    """From 600 runs, to a tenth; what has no effect has none."""
    parameters, cost, known = KNOWN[name]
    found = importance(sampled(parameters, cost, 600), space(parameters), "loss")
    for parameter, share in known.items():
        assert abs(found[parameter].share - share) < (0.1 if share else 0.02)
    assert found.explained > 0.85
    assert list(found) == sorted(found, key=lambda parameter: -found[parameter].share)


@pytest.mark.parametrize("name", KNOWN)
def test_permutation_agrees(name):
    """The check finds the same parameters without an effect."""
    parameters, cost, known = KNOWN[name]
    found = importance(sampled(parameters, cost, 300), space(parameters), "loss")
    interacting = {"c"} if name == "ishigami" else set()
    for parameter, share in known.items():
        assert (share > 0 or parameter in interacting) == (found[parameter].permutation > 0.03)


def optunas(parameters, rows, seed):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def distribution(spec):
        if "values" in spec:
            return optuna.distributions.CategoricalDistribution(spec["values"])
        log = spec.get("distribution", "").startswith("log")
        return optuna.distributions.FloatDistribution(spec["min"], spec["max"], log=log, step=spec.get("q"))

    study = optuna.create_study()
    known = {name: distribution(spec) for name, spec in parameters.items()}
    study.add_trials(
        [optuna.trial.create_trial(params=r.config, distributions=known, value=r.summary["loss"]) for r in rows]
    )
    return optuna.importance.FanovaImportanceEvaluator(seed=seed).evaluate(study)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_it_is_at_least_as_right_as_optunas(noise):
    """On average over the functions with a known answer, from 150 runs, with noise and without."""
    ours, theirs = [], []
    for parameters, cost, known in KNOWN.values():
        spread = float(np.std([run.summary["loss"] for run in sampled(parameters, cost, 200)]))
        rows = sampled(parameters, cost, 150, seed=5, noise=noise * spread)
        for found, errors in ((shares(parameters, rows), ours), (optunas(parameters, rows, 5), theirs)):
            errors.append(np.mean([abs(found[name] - share) for name, share in known.items()]))
    assert np.mean(ours) < np.mean(theirs)


# -- conditional parameters ---------------------------------------------------------------------------------------

CONDITIONAL = {
    "opt": {"values": ["sgd", "adam", "rms"]},
    "momentum": {**UNIT, "condition": {"opt": "sgd"}},
    "beta": {**UNIT, "condition": {"opt": ["adam", "rms"]}},
    "lr": UNIT,
    "nesterov": {"values": [True, False], "condition": {"opt": "sgd"}},
}


def conditional(given):
    sgd = given["opt"] == "sgd"
    return (1 + 2 * given["momentum"] if sgd else given["beta"]) + given["lr"]


def test_a_parameter_counts_where_it_is_active():
    """The means of the branches are 2, ½ and ½; a third of the runs have a momentum, two thirds a beta."""
    known = of_variances(
        opt=float(np.var([2, 0.5, 0.5])), momentum=4 / 12 / 3, beta=1 / 12 * 2 / 3, lr=1 / 12, nesterov=0.0
    )
    found = shares(CONDITIONAL, sampled(CONDITIONAL, conditional, 600))
    assert all(abs(found[name] - share) < 0.05 for name, share in known.items())


def test_what_a_function_fills_in_where_a_parameter_is_not_active_does_not_count():
    """Its defaults are no choices."""
    rows = sampled(CONDITIONAL, conditional, 60)
    filled = [evolve(run, config={"momentum": 0.9, "beta": 0.1, "nesterov": False, **run.config}) for run in rows]
    assert shares(CONDITIONAL, rows) == shares(CONDITIONAL, filled)


def test_pairs_that_are_never_active_together_do_not_interact():
    """And there is no number for them."""
    found = interactions(sampled(CONDITIONAL, conditional, 100), space(CONDITIONAL), "loss")
    assert {"momentum", "beta"} not in [set(pair) for pair in found]
    assert {"momentum", "lr"} in [set(pair) for pair in found]


def test_an_interaction_is_found():
    """a · b: 3/7 of the variance for either by itself, and 1/7 for both together; no other pair has any."""
    parameters = dict.fromkeys("abc", UNIT)
    rows = sampled(parameters, lambda given: given["a"] * given["b"], 500)
    found = {frozenset(pair): share for pair, share in interactions(rows, space(parameters), "loss").items()}
    assert abs(found.pop(frozenset("ab")) - 1 / 7) < 0.04
    assert max(found.values()) < 0.02


# -- what counts --------------------------------------------------------------------------------------------------


def test_only_runs_that_can_say_something_count():
    """Not those that failed, are still at work, have no finite value, or lie outside the space."""
    rows = sampled(ABCD, linear, 40)
    mute = [
        *(
            a_run(100 + i, rows[i].config, 99.0, state)
            for i, state in enumerate((S.failed, S.crashed, S.killed, S.running))
        ),
        *(a_run(110 + i, rows[i].config, value) for i, value in enumerate((None, math.nan, math.inf, "9", True))),
        *(
            a_run(120 + i, {**rows[0].config, **odd}, 99.0)
            for i, odd in enumerate(({"a": 7.0}, {"a": "0.5"}, {"a": None}))
        ),
        a_run(130, {"a": 0.5}, 99.0),
    ]
    assert importance(rows, space(ABCD), "loss") == importance([*mute, *rows], space(ABCD), "loss")
    stopped = [*rows, a_run(41, rows[0].config, 99.0, S.stopped)]
    assert 41 == importance(stopped, space(ABCD), "loss").runs


def test_the_best_value_of_a_run_counts_where_it_is_known():
    """As in the search: `Runs` know the curve of their goal; another metric is read from the summary."""
    rows = [evolve(run, summary={"loss": 0.0, "time": -run.summary["loss"]}) for run in sampled(ABCD, linear, 60)]
    curves = {run.id: [9.0, -run.summary["time"], 8.0] for run in rows}
    runs = Runs.of([evolve(run, summary={"time": run.summary["time"]}) for run in rows], Goal("loss"), curves)
    assert importance(runs, space(ABCD), "loss") == importance(runs, space(ABCD), "time")
    assert 0 == importance(rows, space(ABCD), "loss")["a"].share


def test_the_order_of_runs_and_the_direction_of_the_goal_do_not_matter():
    """Nor does the metric's unit."""
    rows = sampled(ABCD, linear, 50)
    expected = shares(ABCD, rows)
    assert expected == shares(ABCD, rows[::-1])
    for factor in (-1, 1000):
        other = shares(ABCD, [evolve(run, summary={"loss": factor * run.summary["loss"]}) for run in rows])
        assert all(abs(other[name] - share) < 0.02 for name, share in expected.items())


@pytest.mark.parametrize("worst", [50.0, 1e30, 1.7e308])
def test_a_diverged_run_is_not_everything(worst):
    """One loss far out moves no share by more than a tenth."""
    rows = sampled(ABCD, linear, 200)
    diverged = [evolve(rows[0], summary={"loss": worst}), *rows[1:]]
    plain = shares(ABCD, rows)
    assert all(abs(share - plain[name]) < 0.1 for name, share in shares(ABCD, diverged).items())


@pytest.mark.parametrize(
    "value",
    [lambda i: 1.0, lambda i: 0.0, lambda i: 1.7e308 * (-1) ** i, lambda i: 5e-324 * (i % 2), lambda i: float(i > 8)],
    ids=["constant", "zero", "huge", "tiny", "nearly constant"],
)
@pytest.mark.parametrize("n", [4, 10])
def test_any_metric_gives_an_answer(value, n):
    """Finite, between 0 and 1."""
    rows = [evolve(run, summary={"loss": value(i)}) for i, run in enumerate(sampled(ABCD, linear, n))]
    found = importance(rows, space(ABCD), "loss")
    assert set(ABCD) == set(found)
    for of in found.values():
        assert 0 <= of.share <= 1
        assert all(math.isfinite(number) for number in (of.std, of.permutation, found.explained))


def test_few_runs_say_how_unsure_they_are():
    """Below four there is no answer; from a handful the doubt is as large as the error, and shrinks with more."""
    assert Importances(runs=3) == importance(sampled(ABCD, linear, 3), space(ABCD), "loss")
    assert Importances() == importance([], space(ABCD), "loss")
    assert {} == interactions([], space(ABCD), "loss")
    known = KNOWN["linear"][2]
    doubts = []
    for n in (8, 40, 400):
        found = [importance(sampled(ABCD, linear, n, seed=seed), space(ABCD), "loss")["a"] for seed in range(3)]
        doubts.append(float(np.mean([of.std for of in found])))
        assert np.mean([abs(of.share - known["a"]) for of in found]) < 3 * doubts[-1]
    assert doubts == sorted(doubts, reverse=True)


def test_noise_is_not_explained():
    """Where nothing is to be learnt, it says that nothing was."""
    rows = sampled(ABCD, lambda given: 0.0, 80, noise=1.0)
    found = importance(rows, space(ABCD), "loss")
    assert found.explained < 0.1
    assert max(of.permutation for of in found.values()) < 0.3


def test_nothing_to_choose_has_no_importance():
    """Constants are left out, and a space of constants has no parameters."""
    rows = [a_run(i, {"a": 1}, float(i)) for i in range(1, 9)]
    assert Importances(runs=8) == importance(rows, space({"a": {"value": 1}}), "loss")
    assert {} == interactions(rows, space({"a": {"value": 1}}), "loss")


def test_values_of_no_probability_are_no_error():
    """Multiples of q far out in a tail have none that a float could tell from 0."""
    parameters = {
        "b": {"distribution": "q_beta", "a": 900, "b": 900, "q": 0.05},
        "x": {**UNIT, "condition": {"b": 0.05}},
    }
    rows = [a_run(i, {"b": (0.45, 0.5, 0.55)[i % 3]}, float(i % 3)) for i in range(1, 20)]
    assert 0.5 < shares(parameters, rows)["b"] <= 1
    assert 0 == shares(parameters, rows)["x"]


def test_names_are_those_of_the_config():
    """Nested ones with dots; where that would be the same name twice, with a slash."""
    nested = {"opt": {"parameters": {"lr": UNIT, "m": UNIT}}, "opt.lr": UNIT, "n": {"min": 1, "max": 10**6}}
    rows = sampled(nested, lambda given: given["opt"]["lr"] + given["n"] * 1e-6, 60)
    found = importance(rows, space(nested), "loss")
    assert {"opt/lr", "opt.m", "opt.lr", "n"} == set(found)
    assert found["opt/lr"].share > 0.2 > found["opt.lr"].share


def test_a_thousand_runs_of_ten_parameters_take_less_than_two_seconds():
    """Of one core's time, scikit-learn's import aside."""
    parameters = {f"x{i}": UNIT for i in range(10)}
    rows = sampled(parameters, lambda given: 3 * given["x0"] + given["x1"] ** 2 + given["x2"] * given["x3"], 1000)
    importance(rows[:10], space(parameters), "loss")
    start = time.thread_time()
    importance(rows, space(parameters), "loss")
    assert time.thread_time() - start < 2
