"""What every stopper promises, whatever happens to the runs."""

import math

import pytest
from hypothesis import given, settings, strategies as st
from stories import Story, copy, ends, picks

from sweepwidget.model import RunState
from sweepwidget.runs import Goal, Runs
from sweepwidget.stopping.asha import Asha
from sweepwidget.stopping.envelope import Envelope
from sweepwidget.stopping.hyperband import Hyperband
from sweepwidget.stopping.median import Median
from sweepwidget.stopping.target import Target


def wandb_hyperband(runs, stopper):
    """wandb/sweeps 0.3 `hyperband_stopping.py`, word for word but for its names."""
    histories = [runs.costs(run.id).tolist() for run in runs if len(runs.costs(run.id))]
    thresholds = []
    for band in stopper.bands:
        values = [history[band - 1] for history in histories if len(history) >= band]
        thresholds.append(sorted(values)[int(len(values) / stopper.eta)] if values else math.inf)
    stopped = set()
    for run in runs.running:
        history, closest, limit = runs.costs(run.id).tolist(), -1, 0.0
        for band, threshold in zip(stopper.bands, thresholds):
            if band > len(history):
                break
            closest, limit = band, threshold
        if closest != -1 and (history[closest - 1] if stopper.strict else min(history)) > limit:
            stopped.add(run.id)
    return stopped


def wandb_envelope(runs, stopper):
    """wandb 0.11 `envelope_stopping.py` (runs of equal best value by number: W&B leaves that open)."""
    complete = [runs.costs(run.id).tolist() for run in runs if run.state is RunState.finished]
    complete = sorted((history for history in complete if history), key=min)
    if len(complete) < stopper.min_runs:
        return set()
    best = complete[: max(math.ceil(len(complete) * stopper.fraction), stopper.min_runs)]
    longest = max(len(history) for history in best)
    envelope = [max(min(history[: j + 1]) for history in best) for j in range(longest)]
    return {
        run.id
        for run in runs.running
        if len(history := runs.costs(run.id).tolist()) > stopper.start_iter
        and not min(history) < envelope[min(len(history), longest) - 1]
    }


def vizier_median(runs, stopper):
    """Vizier (Golovin et al. 2017), section 3.2.2, step by step; of an even number the lower one is the median."""
    complete = [runs.costs(run.id).tolist() for run in runs if run.state is RunState.finished]
    complete = [history for history in complete if history]
    stopped = set()
    for run in runs.running:
        history = runs.costs(run.id).tolist()
        checks = range(stopper.min_iter, len(history) + 1, stopper.interval)
        if not checks or len(complete) < stopper.min_runs:
            continue
        averages = sorted(sum(other[: checks[-1]]) / len(other[: checks[-1]]) for other in complete)
        percentile = averages[min(int(len(averages) * stopper.percentile / 100), len(averages) - 1)]
        if min(history[: checks[-1]]) > percentile:
            stopped.add(run.id)
    return stopped


def asha_algorithm_2(runs, stopper):
    """Li et al. 2020, Algorithm 2, at the highest rung of each run: not in `top_k(rung k, |rung k|/η)`."""
    stopped = set()
    for run in runs.running:
        history = runs.costs(run.id).tolist()
        reached = [rung for rung in stopper.rungs if rung <= len(history)]
        if not reached:
            continue
        rivals = [runs.costs(other.id).tolist() for other in runs if other.number <= run.number]
        rung = sorted(rival[reached[-1] - 1] for rival in rivals if len(rival) >= reached[-1])
        top = rung[: int(len(rung) / stopper.eta)]
        if top and history[reached[-1] - 1] > top[-1]:
            stopped.add(run.id)
    return stopped


def target_reached(runs, stopper):
    """Who reached it, or everybody as soon as somebody has."""
    limit = runs.goal.cost(stopper.value)
    reached = {run.id for run in runs if any(cost <= limit for cost in runs.costs(run.id))}
    if stopper.scope == "sweep" and reached:
        return {run.id for run in runs.running}
    return {run.id for run in runs.running if run.id in reached}


STOPPERS = [
    pytest.param(lambda: Hyperband([1, 2, 5]), wandb_hyperband, id="hyperband"),
    pytest.param(lambda: Hyperband.from_min_iter(1, eta=2, strict=False), wandb_hyperband, id="hyperband-not-strict"),
    pytest.param(lambda: Hyperband.from_max_iter(9, s=2, eta=1.5), wandb_hyperband, id="hyperband-max-iter"),
    pytest.param(lambda: Envelope(0.5, 2, 1), wandb_envelope, id="envelope"),
    pytest.param(lambda: Median(2, 2), vizier_median, id="median"),
    pytest.param(lambda: Median(1, 1, percentile=20, interval=3), vizier_median, id="median-percentile"),
    pytest.param(lambda: Asha(1, eta=2), asha_algorithm_2, id="asha"),
    pytest.param(lambda: Asha(2, eta=1.5, max_iter=6), asha_algorithm_2, id="asha-max-iter"),
    pytest.param(lambda: Target(2), target_reached, id="target"),
    pytest.param(lambda: Target(1, "sweep"), target_reached, id="target-sweep"),
]
"""How to make one, and what it names by the words of its source."""
values = st.lists(
    st.one_of(st.integers(0, 9).map(float), st.sampled_from([math.nan, math.inf])), min_size=1, max_size=4
)
events = st.lists(
    st.one_of(
        st.just(("add", {}, RunState.running)),
        st.tuples(st.just("log"), picks, values),
        st.tuples(st.just("log"), picks, values),
        st.tuples(st.just("end"), picks, ends | st.just(RunState.finished)),
        st.tuples(st.just("requeue"), picks),
        st.tuples(st.just("start"), picks),
        st.tuples(st.just("delete"), picks),
    ),
    max_size=40,
)
goals = st.sampled_from([Goal("loss"), Goal("loss", maximize=True)])


def happen(goal, events):
    """The mirror after each event."""
    story = Story(goal)
    for _ in range(3):
        story.add({}, RunState.running)
    for verb, *details in events:
        getattr(story, verb)(*details)
        yield story.runs


@pytest.mark.parametrize(("make", "source"), STOPPERS)
@settings(deadline=None)
@given(events, goals)
def test_a_cache_changes_nothing_and_the_source_agrees(make, source, events, goal):
    """Kept over any sequence of events, a stopper answers like a fresh one, and both like the code or paper it is from."""
    kept = make()
    for runs in happen(goal, events):
        answer = kept.stop(runs)
        assert make().stop(runs) == answer
        assert source(runs, make()) == set(answer)


@pytest.mark.parametrize(("make", "source"), STOPPERS)
@settings(deadline=None)
@given(events, goals, st.randoms(use_true_random=False))
def test_the_order_in_which_runs_arrive_and_end_does_not_matter(make, source, events, goal, random):
    """The same rows in another order give the same answer."""
    runs = [Runs(goal), *happen(goal, events)][-1]
    shuffled = copy(runs, lambda rows: random.sample(rows, len(rows)))
    assert make().stop(runs) == make().stop(shuffled)


@pytest.mark.parametrize(("make", "source"), STOPPERS)
@settings(deadline=None)
@given(events)
def test_only_running_runs_are_named_and_asking_twice_changes_nothing(make, source, events):
    """Every named run is running, has a reason, and is named again."""
    stopper = make()
    for runs in happen(Goal("loss"), events):
        answer = stopper.stop(runs)
        assert all(runs[run_id].state is RunState.running and reason for run_id, reason in answer.items())
        assert answer == stopper.stop(runs)


class Counted(Runs):
    """A mirror that counts how many runs were looked at."""

    looks = 0

    def __iter__(self):
        self.looks += len(self)
        return super().__iter__()

    def __getitem__(self, run_id):
        self.looks += 1
        return super().__getitem__(run_id)

    def costs(self, *args):
        self.looks += 1
        return super().costs(*args)


@pytest.mark.parametrize(("make", "source"), STOPPERS)
def test_a_step_costs_what_changed(make, source):
    """Among thousands of ended runs, a look touches the active and the newly ended ones only."""
    story, stopper = Story(Goal("loss"), Counted), make()
    for number in range(3000):
        story.add({}, RunState.running)
        story.log(0, [number % 17, number % 13, number % 11])
        story.end(0, RunState.finished)
    for _ in range(4):
        story.add({}, RunState.running)
    stopper.stop(story.runs)
    story.log(0, [5.0])
    story.end(1, RunState.finished)
    story.runs.looks = 0
    stopper.stop(story.runs)
    assert story.runs.looks <= 20
