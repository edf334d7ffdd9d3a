"""The controller's mind: what is added, what is stopped, and when a sweep is over."""

import pytest
from attrs import evolve
from hypothesis import given, strategies as st
from stories import Story, ends, picks

from sweepwidget.metricspec import Metric
from sweepwidget.model import Run, RunId, RunState, Suggestion, Sweep, SweepId, SweepState
from sweepwidget.plan import Plan, plan
from sweepwidget.runs import Goal, Runs
from sweepwidget.search import searcher_for
from sweepwidget.sweepconfig import SweepConfig
from sweepwidget.targets import Targets

S = RunState
SWEEP = Sweep(SweepId("s"), {}, SweepState.RUNNING)


def config_of(**settings):
    return SweepConfig.parse({"method": "grid", "parameters": {"a": {"values": [1, 2, 3, 4]}}, **settings})


def runs_of(*states, goal=None, curves=None, **fields):
    """Run number k covers cell k of the grid."""
    rows = [Run(RunId(f"r{k}"), None, k, {"a": k}, state, **fields) for k, state in enumerate(states, 1)]
    return Runs.of(rows, goal, curves)


def decide(config, runs, demand=0, sweep=SWEEP, stopper=None, searcher=None):
    return plan(sweep, config, runs, demand, searcher or searcher_for(config, 0), stopper)


def cells(decided):
    return [suggestion.config["a"] for suggestion in decided.add]


class Unwanted:
    """A searcher that must not be asked."""

    open_loop = False

    def suggest(self, runs, n):
        raise AssertionError("asked without need")


class Stops:
    """A stopper that names these runs."""

    def __init__(self, *ids):
        self.ids = ids

    def stop(self, runs):
        return {RunId(run_id): "too slow" for run_id in self.ids}


def test_what_agents_want_is_added():
    """As many suggestions as are in demand."""
    assert [2, 3] == cells(decide(config_of(), runs_of(S.running), demand=2))


@pytest.mark.parametrize("state", [state for state in SweepState if state is not SweepState.RUNNING])
def test_nothing_is_added_unless_the_sweep_is_running(state):
    """A pending, paused or ended sweep gets no runs and is not finished, but its runs can still be stopped."""
    config, sweep = config_of(run_cap=1), evolve(SWEEP, state=state)
    assert Plan(stop={"r1": "too slow"}) == decide(
        config, runs_of(S.running), 3, sweep, Stops("r1"), searcher=Unwanted()
    )
    assert Plan() == decide(config, runs_of(S.finished), 3, sweep, searcher=Unwanted())


@pytest.mark.parametrize("demand", [0, -2])
def test_without_demand_the_searcher_is_not_asked(demand):
    """A sweep whose runs have all ended, and of which nobody wants more, simply waits."""
    assert Plan() == decide(config_of(), runs_of(*[S.finished] * 4), demand, searcher=Unwanted())


def test_a_spent_space_finishes_the_sweep_once_nothing_is_active():
    """What is left is added first; the reason counts the runs."""
    config = config_of()
    last = decide(config, runs_of(*[S.finished] * 3), demand=2)
    assert ([4], "") == (cells(last), last.finish)
    assert Plan() == decide(config, runs_of(*[S.finished] * 3, S.running), demand=2)
    assert Plan(finish="grid spent (4 runs)") == decide(config, runs_of(*[S.finished] * 3, S.failed), demand=2)


def test_one_run_is_counted_in_the_singular():
    """Reasons are read by people."""
    config = config_of(parameters={"a": {"values": [1]}})
    assert "grid spent (1 run)" == decide(config, runs_of(S.finished), 1).finish


def test_run_cap_limits_what_is_added():
    """All runs that were ever suggested count, in whatever state; deleted ones do not."""
    config = config_of(run_cap=3)
    assert [2, 3] == cells(decide(config, runs_of(S.failed), demand=9))
    story = Story()
    for a in (1, 2, 3):
        story.add({"a": a}, S.finished)
    story.delete(0)
    assert [1] == cells(decide(config, story.runs, demand=9))


def test_run_cap_finishes_the_sweep_without_asking_anybody():
    """Not even demand is needed, as nothing can follow."""
    config = config_of(run_cap=2)
    assert Plan() == decide(config, runs_of(S.finished, S.running), 1, searcher=Unwanted())
    assert Plan(finish="run_cap of 2 reached") == decide(config, runs_of(S.finished, S.failed), searcher=Unwanted())
    lowered = config_of(run_cap=1)
    assert Plan(finish="run_cap of 1 reached") == decide(lowered, runs_of(S.finished, S.failed), searcher=Unwanted())


def test_a_searcher_that_gives_too_many_is_cut():
    """The cap holds whatever a searcher says."""

    class Eager:
        open_loop = True

        def suggest(self, runs, n):
            return [Suggestion({"a": a}) for a in range(n + 5)]

    assert [0, 1] == cells(decide(config_of(run_cap=2), runs_of(), demand=4, searcher=Eager()))


LOSS = {"name": "loss", "target": 0.1}


def test_a_reached_target_ends_the_sweep():
    """No new runs, waiting ones are closed, running ones finish; then it is over."""
    config = config_of(metric=LOSS)
    reason = "target 0.1 reached by run 2 (0.093)"
    curves = {"r1": [0.5], "r2": [0.3, 0.093, 0.2]}
    runs = runs_of(S.running, S.finished, S.pending, S.preempted, goal=config.goal, curves=curves)
    assert Plan(stop={"r3": reason, "r4": reason}) == decide(config, runs, 3, searcher=Unwanted())
    runs = runs_of(S.failed, S.finished, S.killed, goal=config.goal, curves=curves)
    assert Plan(finish=reason) == decide(config, runs, searcher=Unwanted())


def test_a_running_run_reaches_the_target_too():
    """Its curve counts as soon as it is logged."""
    config = config_of(metric=LOSS)
    decided = decide(config, runs_of(S.running, goal=config.goal, curves={"r1": [0.1]}), 1, searcher=Unwanted())
    assert Plan() == decided
    decided = decide(config, runs_of(S.running, goal=config.goal, curves={"r1": [0.11]}), 1)
    assert [2] == cells(decided)


def test_the_summary_reaches_the_target_too():
    """Also when maximizing, with values as logged in the reason; the best run is named, of equal ones the first."""
    config = config_of(metric={"name": "acc", "goal": "maximize", "target": 0.9})
    runs = runs_of(S.finished, S.finished, goal=config.goal, summary={"acc": 0.95})
    assert "target 0.9 reached by run 1 (0.95)" == decide(config, runs).finish
    runs = runs_of(S.finished, goal=config.goal, summary={"acc": 0.85})
    assert "" == decide(config, runs).finish


def test_runs_that_were_told_to_stop_are_not_told_again():
    """One order is enough."""
    runs = runs_of(S.running, S.running)
    told = evolve(runs[RunId("r1")], stop_reason="too slow")
    runs.apply_rows([told])
    assert {"r2": "too slow"} == decide(config_of(), runs, stopper=Stops("r1", "r2")).stop


def test_what_a_searcher_raises_passes_through():
    """The controller shows it and pauses the sweep."""
    with pytest.raises(AssertionError, match="asked without need"):
        decide(config_of(), runs_of(), demand=1, searcher=Unwanted())


events = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.just({}), st.just(S.running)),
        st.tuples(st.just("log"), picks, st.lists(st.floats(0, 9), min_size=1, max_size=3)),
        st.tuples(st.just("end"), picks, ends),
        st.tuples(st.just("requeue"), picks),
        st.tuples(st.just("start"), picks),
        st.tuples(st.just("delete"), picks),
    ),
    max_size=25,
)


def one(goal="minimize", target=0.0):
    return [Metric("loss", goal, target)]


@given(events, st.booleans(), st.floats(-9, 9))
def test_the_nearest_run_is_the_best_whatever_happened(events, maximize, target):
    """Followed step by step, the run nearest to the target is the best one that a look at all of them finds."""
    story, targets = Story(Goal("loss", maximize)), Targets(one("maximize" if maximize else "minimize", target))
    for verb, *details in events:
        getattr(story, verb)(*details)
        aim = Goal("loss", maximize).cost(target)
        costs = [story.runs.best_cost(run.id) for run in story.runs]
        excess = [(cost - aim, run.number) for cost, run in zip(costs, story.runs, strict=True) if cost is not None]
        found = targets.nearest(story.runs)
        assert min(excess, default=None) == (found and (found[0], found[1].number))
        assert bool(targets.reached(story.runs)) == any(cost <= aim for cost in costs if cost is not None)


def test_the_nearest_run_is_found_without_looking_at_all():
    """A look costs the active and the newly ended runs."""

    class Counted(Runs):
        looks = 0

        def best_cost(self, *args):
            self.looks += 1
            return super().best_cost(*args)

    story, targets = Story(Goal("loss"), Counted), Targets(one())
    for k in range(500):
        story.add({}, S.running)
        story.log(0, [float(k % 7)])
        story.end(0, S.finished)
    targets.nearest(story.runs)
    story.add({}, S.running)
    story.runs.looks = 0
    targets.nearest(story.runs)
    assert 1 == story.runs.looks


# -- several metrics ----------------------------------------------------------------------------------------------

BOTH = {"metrics": [{"name": "loss", "target": 0.2}, {"name": "acc", "goal": "maximize", "target": 0.9}]}


@pytest.mark.parametrize(
    ("summaries", "reached"),
    [
        ([{"loss": 0.1, "acc": 0.8}, {"loss": 0.3, "acc": 0.95}], ""),
        ([{"loss": 0.1}, {"loss": 0.1, "acc": float("nan")}, {}], ""),
        (
            [{"loss": 0.1, "acc": 0.8}, {"loss": 0.2, "acc": 0.9}],
            "target loss 0.2, acc 0.9 reached by run 2 (0.2, 0.9)",
        ),
    ],
)
def test_one_run_must_reach_the_targets_of_all_metrics(summaries, reached):
    """Together, in its summary."""
    config = config_of(**BOTH)
    rows = [Run(RunId(f"r{k}"), None, k, {"a": k}, S.finished, summary=it) for k, it in enumerate(summaries, 1)]
    assert reached == decide(config, Runs.of(rows, goals=config.goals)).finish


def test_metrics_without_a_target_do_not_matter():
    """The sweep ends with the first run that has what was asked for."""
    config = config_of(metrics=[{"name": "loss", "target": 0.2}, {"name": "acc"}])
    runs = Runs.of([Run(RunId("r1"), None, 1, {"a": 1}, S.finished, summary={"loss": 0.1})], goals=config.goals)
    assert "target loss 0.2 reached by run 1 (0.1)" == decide(config, runs).finish
