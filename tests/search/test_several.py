"""Several goals at once: which front is found, and what counts for a run."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sweepwidget.columns import column
from sweepwidget.errors import UsageError
from sweepwidget.model import Changes, Chunk, Cursor, Run, RunId, RunState
from sweepwidget.pareto import front
from sweepwidget.runs import Runs
from sweepwidget.search import searcher_for
from sweepwidget.search.bayes import BayesianSearch
from sweepwidget.search.chebyshev import weighed, weights
from sweepwidget.search.cube import Cube
from sweepwidget.search.evidence import Evidence, Trial
from sweepwidget.search.replay import ReplaySearch
from sweepwidget.sweepconfig import SweepConfig

from .optimisers import Spiral

S = RunState
UNIT = {"min": 0.0, "max": 1.0}
METRICS = [{"name": "a"}, {"name": "b"}]


def sweep(method="bayes", D=2, metrics=METRICS, **parameters):
    parameters = parameters or {f"x{d}": UNIT for d in range(D)}
    return SweepConfig.parse({"method": method, "metrics": metrics, "parameters": parameters})


def a_run(number, config, state=S.finished, info=None, **summary):
    return Run(RunId(f"r{number}"), None, number, config, state, summary=summary, info=info or {}, started_at=0.0)


def mirror(config, rows=()):
    return Runs.of(rows, config.watched, goals=config.goals)


# -- the weights --------------------------------------------------------------------------------------------------


@given(st.integers(2, 6), st.integers(0, 2**64 - 1), st.integers(1, 10**6))
def test_weights_are_shares(goals, seed, number):
    """None is negative, together they are 1; the same for the same run of the same sweep."""
    by = weights(goals, seed, number)
    assert (goals,) == by.shape
    assert (by >= 0).all()
    assert math.isclose(1.0, by.sum())
    assert by.tolist() == weights(goals, seed, number).tolist()


@pytest.mark.parametrize("goals", [2, 3])
def test_a_few_runs_cover_all_weights(goals):
    """Of forty in a row each goal has its share: it is ignored by some, and by some nearly all that counts."""
    by = np.array([weights(goals, 7, number) for number in range(1, 41)])
    assert by.mean(axis=0) == pytest.approx(np.full(goals, 1 / goals), abs=0.1)
    assert (by.min(axis=0) < 0.05).all()
    assert (by.max(axis=0) > 0.8).all()
    assert by.tolist() != [weights(goals, 8, number).tolist() for number in range(1, 41)]


costs = st.lists(
    st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6) | st.just(math.nan)), min_size=1, max_size=12, unique=True
)


def trials(costs):
    return [Trial(i, np.zeros(1), b"%d" % i, costs=each) for i, each in enumerate(costs, 1)]


@given(costs, st.floats(0.01, 0.99))
def test_whoever_is_dominated_costs_more(costs, weight):
    """Whatever the weights are, and up to rounding."""
    by_cost = [trial.cost for trial in weighed(trials(costs), np.array([weight, 1 - weight]))]
    for i, (a, b) in enumerate(costs):
        for j, (c, d) in enumerate(costs):
            if a <= c and b <= d:
                assert by_cost[i] <= by_cost[j] + 1e-9 * abs(by_cost[j])


def test_the_middle_of_a_concave_front_is_found():
    """A weighted sum would find its two ends only. (What lies close to an end is hidden by the augmentation.)"""
    angles = np.linspace(0, np.pi / 2, 9)
    circle = trials(list(zip(np.cos(angles).tolist(), np.sin(angles).tolist(), strict=True)))
    every = [weighed(circle, np.array([w, 1 - w])) for w in np.linspace(0.001, 0.999, 199)]
    assert {1, 3, 4, 5, 6, 7, 9} == {min(some, key=lambda trial: trial.cost).number for some in every}


@given(costs, st.floats(0.1, 0.9), st.integers(-3, 3), st.floats(-5, 5))
def test_the_units_do_not_matter(costs, weight, power, shift):
    """Seconds or milliseconds, loss or ten times the loss: the order of the runs is the same."""
    by = np.array([weight, 1 - weight])
    scaled = [(a * 2.0**power, b) for a, b in costs]
    one, other = ([trial.cost for trial in weighed(trials(some), by)] for some in (costs, scaled))
    assert one == pytest.approx(other, rel=1e-6, abs=1e-6)


# -- what counts for a run ----------------------------------------------------------------------------------------


def counted(run, curves=(), metrics=METRICS):
    config = sweep(metrics=metrics)
    runs = mirror(config, [run])
    for key, values in dict(curves).items():
        runs.apply(Changes(Cursor(), chunks=(Chunk(run.id, 1, key, column(range(len(values)), values)),)))
    (trial,) = Evidence(Cube(config.space), config.objectives).trials(runs)
    return trial.costs


POINT = {"x0": 0.5, "x1": 0.5}
CURVES = {"a": [1.0, 3.0], "b": [9.0, 7.0, 8.0]}


def test_a_run_counts_with_its_summary():
    """The best loss of one epoch and the best time of another were never reached together."""
    assert (3.0, 8.0) == counted(a_run(1, POINT, a=3.0, b=8.0), CURVES)
    maximized = [{"name": "a"}, {"name": "b", "goal": "maximize"}]
    assert (3.0, -8.0) == counted(a_run(1, POINT, S.stopped, a=3.0, b=8.0), CURVES, maximized)


@pytest.mark.parametrize("missing", [{}, {"b": math.nan}, {"b": math.inf}, {"b": "8"}])
def test_a_value_that_is_missing_is_the_worst(missing):
    """The other goal's is kept."""
    a, b = counted(a_run(1, POINT, a=3.0, **missing))
    assert (3.0, True) == (a, math.isnan(b))


def test_failed_runs_are_imputed_metric_by_metric():
    """As each of them says."""
    rules = [{"name": "a", "impute": "best"}, {"name": "b", "impute": "latest"}]
    assert (1.0, 8.0) == counted(a_run(1, POINT, S.failed), CURVES, rules)
    a, b = counted(a_run(1, POINT, S.crashed), CURVES)
    assert math.isnan(a)
    assert math.isnan(b)


def test_a_run_at_work_counts_once_all_its_metrics_may():
    """Otherwise it is pending."""
    rule = {"impute_while_running": "latest"}
    both, one = [{**metric, **rule} for metric in METRICS], [{**METRICS[0], **rule}, METRICS[1]]
    assert (3.0, 8.0) == counted(a_run(1, POINT, S.running), CURVES, both)
    assert counted(a_run(1, POINT, S.running), CURVES, one) is None
    assert counted(a_run(1, POINT, S.running), {"a": [1.0]}, both) is None


# -- the search ---------------------------------------------------------------------------------------------------


def zdt1(x):
    """Zitzler, Deb & Thiele 2000, problem 1: the front is b = 1 - √a, where all but the first coordinate are 0."""
    g = 1 + 9 * np.mean(x[1:])
    return float(x[0]), float(g * (1 - math.sqrt(x[0] / g)))


def dtlz2(x):
    """Deb, Thiele, Laumanns & Zitzler 2002, problem 2: a quarter of a circle, where all others are ½; a concave front."""
    g = sum((v - 0.5) ** 2 for v in x[1:])
    return float((1 + g) * math.cos(x[0] * math.pi / 2)), float((1 + g) * math.sin(x[0] * math.pi / 2))


def found(problem, method, seed, n=40, at_once=1, D=4):
    """What a sweep of n runs reached, shape (n, 2), and its runs."""
    config = sweep(method, D)
    searcher, runs, reached = searcher_for(config, seed), mirror(config), []
    while len(reached) < n:
        for suggestion in searcher.suggest(runs, at_once):
            a, b = problem([suggestion.config[f"x{d}"] for d in range(D)])
            reached.append((a, b))
            runs.apply_rows([a_run(len(reached), suggestion.config, info=suggestion.info, a=a, b=b)])
    return np.array(reached), runs


def hypervolume(points, corner=(1.1, 1.1)):
    """How much of the box below the corner the points dominate (Zitzler & Thiele 1998)."""
    points = points[(points < corner).all(axis=1)]
    points = points[front(points)]
    points = points[np.argsort(points[:, 0])]
    below = np.append(corner[1], points[:-1, 1])
    return float(((corner[0] - points[:, 0]) * (below - points[:, 1])).sum())


@pytest.mark.parametrize(
    ("problem", "best", "at_once"),
    [(zdt1, 0.8767, 1), (dtlz2, 0.4246, 1), (zdt1, 0.8767, 8)],
    ids=["zdt1", "dtlz2", "zdt1, eight at work"],
)
def test_the_front_is_found(problem, best, at_once):
    """In forty runs most of what can be dominated is, and far more than by drawing at random; also with eight at work."""
    ours = [hypervolume(found(problem, "bayes", seed, at_once=at_once)[0]) for seed in (1, 2)]
    random = [hypervolume(found(problem, "random", seed)[0]) for seed in (1, 2)]
    assert min(ours) > 0.78 * best
    assert min(ours) > 1.3 * max(random)


def test_every_reason_is_by_metric():
    """What is expected of each, in its own unit, and how much each counted."""
    config = sweep(D=4)
    _, runs = found(lambda x: (zdt1(x)[0], 100 + 1000 * zdt1(x)[1]), "bayes", 1, n=30)
    (suggestion,) = BayesianSearch(config, 1).suggest(runs, 1)
    info = suggestion.info
    assert {"why", "mean", "std", "acquisition", "nearest_run", "weights"} == info.keys()
    assert {"a", "b"} == info["mean"].keys() == info["std"].keys() == info["weights"].keys()
    a, b = zdt1([suggestion.config[f"x{d}"] for d in range(4)])
    assert info["mean"] == pytest.approx({"a": a, "b": 100 + 1000 * b}, rel=0.5)
    assert 1 == pytest.approx(sum(info["weights"].values()))


@pytest.mark.parametrize(
    "values",
    [
        lambda i: {},
        lambda i: {"a": 0.1 * i},
        lambda i: {"a": 0.1 * i, "b": math.nan},
        lambda i: {"a": 0.1 * i, "b": math.nan if i % 2 else 3.0 / (1 + i)},
        lambda i: {"a": 1.0, "b": 1.0},
        lambda i: {"a": 1e300 * (-1) ** i, "b": -1e300 * (-1) ** i},
        lambda i: {"a": "fast", "b": True},
    ],
    ids=["nothing", "one of two", "nan in one", "nan in some", "constant", "huge", "no numbers"],
)
@pytest.mark.parametrize("n", [2, 30])
def test_whatever_the_metrics_are(values, n):
    """The search goes on with something new, and a reason that can be kept."""
    config, rng = sweep(), np.random.default_rng(0)
    rows = [a_run(i, {"x0": rng.random(), "x1": rng.random()}, **values(i)) for i in range(1, n + 1)]
    suggestions = BayesianSearch(config, 0).suggest(mirror(config, rows), 3)
    assert 3 == len({json.dumps(s.config) for s in suggestions} - {json.dumps(row.config) for row in rows})
    json.dumps([s.info for s in suggestions], allow_nan=False)


@settings(max_examples=10)
@given(st.permutations(range(1, 13)), st.integers(1, 3))
def test_stateless_whatever_the_order(order, n):
    """A fresh search gives the same answer from the same rows, however they arrived."""
    config, rng = sweep(), np.random.default_rng(1)
    points = [{"x0": rng.random(), "x1": rng.random()} for _ in order]
    rows = [a_run(i, points[i - 1], a=points[i - 1]["x0"], b=1 - points[i - 1]["x1"]) for i in order]
    answers = [list(BayesianSearch(config, 0).suggest(mirror(config, some), n)) for some in (rows, rows[::-1])]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("method", ["grid", "random"])
def test_grid_and_random_are_as_with_one(method):
    """They look at no results."""
    config = sweep(method, x={"values": [1, 2, 3]})
    single = SweepConfig.parse({"method": method, "metric": METRICS[0], "parameters": {"x": {"values": [1, 2, 3]}}})
    answers = [list(searcher_for(it, 3).suggest(mirror(it), 2)) for it in (config, single)]
    assert answers[0] == answers[1]


def test_an_optimiser_of_one_cost_is_refused():
    """And it is said which ones are not."""
    with pytest.raises(
        UsageError, match=r"Spiral is told one cost, and this sweep has 2 metrics; name one under `metric`"
    ):
        ReplaySearch(Spiral, sweep("custom"))


def test_samplers_of_optuna_are_told_all_costs():
    """NSGA-II, which knows several goals, sees them in the order of `metrics`."""
    optuna = pytest.importorskip("optuna")
    told = []

    class Watched(optuna.samplers.NSGAIISampler):
        def after_trial(self, study, trial, state, values):
            told.append(list(values))

    config = sweep("custom", metrics=[METRICS[0], {"name": "b", "goal": "maximize"}])
    rows = [a_run(1, {"x0": 0.5, "x1": 0.25}, a=1.0, b=2.0), a_run(2, {"x0": 0.25, "x1": 0.5}, S.failed)]
    search = ReplaySearch(Watched(population_size=2), config)
    assert 2 == len(search.suggest(mirror(config, rows), 2))
    assert [[1.0, -2.0], [1.0, -2.0]] == told
