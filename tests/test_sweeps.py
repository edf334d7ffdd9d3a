"""W&B's names: the functions of `sweeps` 0.3, the classes of `wandb.sweeps` 0.11."""

import subprocess
import sys

import pytest

from sweepwidget import model
from sweepwidget.errors import ConfigError
from sweepwidget.model import Run, RunId
from sweepwidget.runs import Goal, Runs
from sweepwidget.search.custom import CustomSearch
from sweepwidget.stopping.custom import CustomStopping
from sweepwidget.sweepconfig import SweepConfig
from sweepwidget.sweeprun import mirror, sweep_runs
from sweepwidget.sweeps import (
    BayesianSearch,
    EarlyTerminate,
    EnvelopeEarlyTerminate,
    GridSearch,
    HyperbandEarlyTerminate,
    RandomSearch,
    RunState,
    Search,
    SweepRun,
    builtin_search,
    builtin_stopping,
    next_run,
    next_runs,
    stop_runs,
)

GRID = {"method": "grid", "parameters": {"a": {"values": [1, 2, 3]}, "opt": {"parameters": {"lr": {"values": [0.1]}}}}}
RANDOM = {"method": "random", "parameters": {"lr": {"min": 0.0, "max": 1.0}}}
LOSS = {"metric": {"name": "loss", "goal": "minimize"}}
EARLY = {**GRID, **LOSS, "early_terminate": {"type": "hyperband", "max_iter": 5, "eta": 2, "s": 2}}
RUNS = [
    SweepRun(name="a", state=RunState.finished, history=[{"loss": 10}, {"loss": 9}]),
    SweepRun(name="b", state=RunState.running, history=[{"loss": 10}, {"loss": 10}]),
    SweepRun(name="c", state=RunState.running, history=[{"loss": 10}, {"loss": 8}, {"loss": 8}]),
    SweepRun(name="d", state=RunState.running, history=[{"loss": 10}, {"loss": 7}, {"loss": 7}]),
    SweepRun(name="e", state=RunState.finished, history=[{"loss": 10}, {"loss": 6}, {"loss": 6}]),
]


# -- next_run, next_runs, stop_runs ---------------------------------------------------------------------------------


def test_next_run_suggests_in_wandbs_form():
    """Values under "value", nested parameters below it, and why."""
    run = next_run(GRID, [])
    assert {"a": {"value": 1}, "opt": {"value": {"lr": 0.1}}} == run.config
    assert ("pending", {"why": "grid cell 1 of 3"}) == (run.state, run.search_info)


def test_next_runs_past_the_end_close_with_one_none():
    """The runs that are left, then None."""
    first = next_runs(GRID, [], n=1)
    rest = next_runs(GRID, first, n=5)
    assert [2, 3, None] == [run and run.config["a"]["value"] for run in rest]
    assert [None] == next_runs(GRID, [*first, *rest[:-1]], n=2)
    assert next_run(GRID, [*first, *rest[:-1]]) is None


def test_randomize_order_takes_the_grid_in_any_order():
    """Every cell, not always the first one."""
    assert {1, 2, 3} == {next_run(GRID, [], randomize_order=True).config["a"]["value"] for _ in range(60)}


def test_without_a_seed_each_call_draws_anew_and_with_one_never():
    """As in W&B; a seed makes it repeatable."""
    assert next_run(RANDOM, []).config != next_run(RANDOM, []).config
    seeded = {**RANDOM, "seed": 3}
    first = next_run(seeded, [])
    assert first == next_run(seeded, [])
    assert first.config != next_run(seeded, [first]).config


def test_a_configuration_that_cannot_run_is_refused():
    """With or without `validate`; a ConfigError is a ValueError."""
    for validate in (True, False):
        with pytest.raises(ValueError, match="method"):
            next_run({"parameters": {}}, [], validate)


def test_stop_runs_gives_back_the_runs_themselves():
    """The example of wandb/sweeps: b goes, c has the threshold's own value."""
    stopped = stop_runs(EARLY, RUNS)
    assert [RUNS[1]] == stopped
    assert stopped[0] is RUNS[1]


@pytest.mark.parametrize("missing", ["metric", "early_terminate"])
def test_stop_runs_needs_a_metric_and_a_rule(missing):
    """A ConfigError names what is missing."""
    with pytest.raises(ConfigError, match=missing):
        stop_runs({key: value for key, value in EARLY.items() if key != missing}, RUNS)


# -- SweepRun -------------------------------------------------------------------------------------------------------


def test_both_spellings_make_the_same_run():
    """The package's names and those of the GraphQL answers."""
    new = SweepRun(name="a", summary_metrics={"loss": 1}, history=[{"loss": 2}], should_stop=True)
    old = SweepRun(name="a", summaryMetrics={"loss": 1}, sampledHistory=[{"loss": 2}], shouldStop=True)
    assert new == old
    assert ("a", {"loss": 1}, True) == (old.id, old.summaryMetrics, old.shouldStop)
    assert new != SweepRun(name="a", summary_metrics={"loss": 1}, history=[{"loss": 3}], should_stop=True)


def test_a_misspelt_field_is_noticed():
    """Not swallowed."""
    with pytest.raises(TypeError, match="sumary"):
        SweepRun(sumary={})


def test_metric_helpers_are_those_of_wandb():
    """Histories with gaps, invalid values, extrema over history and summary."""
    run = SweepRun(history=[{"a": 1}, {"b": 3}, {"a": "NaN", "b": 4}, {"a": float("nan")}], summary_metrics={"a": 50})
    assert 3 == len(run.metric_history("a"))
    assert [1] == run.metric_history("a", filter_invalid=True)
    assert (50, 1, 4) == (
        run.metric_extremum("a", "maximum"),
        run.metric_extremum("a", "minimum"),
        run.metric_extremum("b", "max"),
    )
    assert 50 == run.summary_metric("a")
    with pytest.raises(KeyError, match="b is not a summary metric"):
        run.summary_metric("b")
    with pytest.raises(ValueError, match="Cannot extract metric c"):
        run.metric_extremum("c", "max")
    with pytest.raises(ValueError, match="Invalid extremum type best"):
        run.metric_extremum("a", "best")


@pytest.mark.parametrize("state", list(model.RunState))
def test_a_mirror_of_sweep_runs_of_a_mirror_is_the_same(state):
    """Rows → SweepRuns → rows keeps what searchers and stoppers look at."""
    goal = Goal("acc", maximize=True)
    config = {"lr": 0.1, "opt": {"value": 1}, "x": None}
    runs = Runs.of([Run(RunId("1"), None, 1, config, state, summary={"acc": 0.5})], goal, {"1": [-0.25, -0.5]})
    again = mirror(sweep_runs(runs), goal)
    row, other = runs[RunId("1")], again[RunId("1")]
    assert (row.config, row.state, row.summary) == (other.config, other.state, other.summary)
    assert runs.costs(RunId("1")).tolist() == again.costs(RunId("1")).tolist()


def test_values_that_are_no_finite_numbers_are_no_values():
    """What W&B may have in a history: None, texts, bools, NaN."""
    bad = [{"loss": value} for value in (None, "NaN", True, float("inf"), float("nan"))]
    runs = mirror([SweepRun(history=[*bad, {"loss": 1}, {"other": 2}])], Goal("loss"))
    assert [1.0] == runs.costs(RunId("1")).tolist()


# -- the classes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("search", [GridSearch(), RandomSearch(), GridSearch(randomize_order=True)])
def test_search_classes_work_on_their_own(search):
    """The old protocol: `(config, info)`, whatever method the config names or does not name."""
    sweep = {"config": {"parameters": {"a": {"values": [1, 2]}}}, "runs": []}
    config, info = search.next_run(sweep)
    assert config["a"]["value"] in (1, 2)
    assert info["why"]


def test_bayesian_search_works_on_its_own():
    """It learns from the runs it is handed."""
    sweep = {"config": {**RANDOM, **LOSS}, "runs": []}
    config, _ = BayesianSearch(minimum_improvement=0.2).next_run(sweep)
    assert 0 <= config["lr"]["value"] <= 1


def test_a_spent_grid_is_none():
    """The end, in the old protocol."""
    sweep = {"config": {"parameters": {"a": {"values": [1]}}}, "runs": [SweepRun(config={"a": {"value": 1}})]}
    assert GridSearch().next_run(sweep) is None


def test_search_classes_can_be_subclassed():
    """A plug-in that changes what the grid says is a custom search."""

    class Halved(GridSearch):
        def next_run(self, sweep):
            found = super().next_run(sweep)
            return found and ({**found[0], "half": {"value": found[0]["a"]["value"] / 2}}, found[1])

    config = SweepConfig.parse({**GRID, "method": "custom"})
    suggestions = CustomSearch(Halved, config).suggest(Runs(), 9)
    assert [(1, 0.5), (2, 1.0), (3, 1.5)] == [(each.config["a"], each.config["half"]) for each in suggestions]
    assert {"why": "grid cell 3 of 3"} == suggestions[-1].info


def test_the_bases_say_what_a_plugin_must_do():
    """A search must be written; a stopper that is not stops nothing."""
    with pytest.raises(NotImplementedError):
        Search().next_run({})
    assert ([], {}) == EarlyTerminate().stop_runs({}, [])


def test_hyperband_is_made_in_each_of_wandbs_ways():
    """From min_iter, max_iter, or an `early_terminate` section."""
    assert [3, 9, 27, 81] == HyperbandEarlyTerminate.init_from_min_iter(3, 3).bands[:4]
    assert HyperbandEarlyTerminate([3, 9, 27], 1 / 3) == HyperbandEarlyTerminate.init_from_max_iter(81, 3, 3)
    assert HyperbandEarlyTerminate([2, 6], 1 / 3, strict=False) == HyperbandEarlyTerminate.init_from_config(
        {"type": "hyperband", "max_iter": 18, "s": 2, "strict": False}
    )
    with pytest.raises(ValueError, match="Bands must be an array of length at least 1"):
        HyperbandEarlyTerminate([], 0.5).stop_runs(LOSS, RUNS)


def test_hyperband_works_on_its_own():
    """Names and debug lines."""
    names, info = HyperbandEarlyTerminate([1, 2], 0.5).stop_runs(LOSS, RUNS)
    assert ["b"] == names
    assert "Bands: 1 = 10, 2 = 8" == info["lines"][0]
    assert "Run: b Step: 2  (Band: 2 Metric: 10 Threshold: 8)  STOP" in info["lines"]
    assert ["b", "c", "d"] == HyperbandEarlyTerminate([2], 0).stop_runs(LOSS, RUNS)[0]


def test_envelope_works_on_its_own():
    """With wandb's defaults, from its arguments or a section."""
    assert (0.3, 3, 3) == (EnvelopeEarlyTerminate().fraction, EnvelopeEarlyTerminate().min_runs, 3)
    names, info = EnvelopeEarlyTerminate(min_runs=2, start_iter=1).stop_runs(LOSS, RUNS)
    assert (["b"], 1) == (names, len(info["lines"]))
    assert EnvelopeEarlyTerminate(0.5) == EnvelopeEarlyTerminate.init_from_config({"type": "envelope", "fraction": 0.5})


@pytest.mark.parametrize(
    "stopping", [HyperbandEarlyTerminate([1, 2], 0.5), EnvelopeEarlyTerminate(min_runs=2, start_iter=1)]
)
def test_stopping_objects_are_custom_rules(stopping):
    """An object with its own settings goes where every plug-in goes."""
    runs = mirror(RUNS, Goal("loss"))
    assert ["2"] == list(CustomStopping(stopping, SweepConfig.parse({**GRID, **LOSS})).stop(runs))


def test_without_a_metric_the_classes_say_so():
    """W&B's words."""
    with pytest.raises(ConfigError, match="Key 'metric' required for early termination"):
        EnvelopeEarlyTerminate().stop_runs({}, RUNS)


def test_classes_stand_for_methods():
    """Only the classes themselves: objects and subclasses have a will of their own."""

    class Mine(GridSearch):
        pass

    assert ["grid", "random", "bayes", None, None, None] == [
        builtin_search(search) for search in (GridSearch, RandomSearch, BayesianSearch, Mine, GridSearch(), print)
    ]
    assert ["hyperband", "envelope", None, None] == [
        builtin_stopping(stopping)
        for stopping in (HyperbandEarlyTerminate, EnvelopeEarlyTerminate, EnvelopeEarlyTerminate(), "hyperband")
    ]


def test_importing_it_is_light():
    """Neither scipy nor scikit-learn is loaded before somebody searches with them."""
    code = "import sys, sweepwidget.sweeps; print([name for name in ('scipy', 'sklearn') if name in sys.modules])"
    assert (
        "[]" == subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    )
