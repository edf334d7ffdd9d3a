"""What every searcher promises, whatever happens to the runs."""

import json
from collections.abc import Callable
from importlib.util import find_spec

import pytest
from attrs import frozen
from hypothesis import given, settings, strategies as st
from stories import Story, copy, ends, picks

from sweepwidget.errors import UsageError
from sweepwidget.model import Run, RunId, RunState
from sweepwidget.parameters import key
from sweepwidget.runs import Runs
from sweepwidget.search import searcher_for
from sweepwidget.search.reasons import REASONS
from sweepwidget.sweepconfig import SweepConfig

from .optimisers import replayed

FINITE = {
    "b": {"values": [0, False, None, "0"]},
    "a": {"min": 1, "max": 2},
    "opt": {"parameters": {"n": {"values": [[1], [2, 3]]}, "fixed": {"value": 7}}},
}
SIZE = 16
MIXED = {
    "lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0},
    "n": {"distribution": "q_uniform", "min": 1, "max": 20, "q": 2},
    "opt": {"parameters": {"name": {"values": ["sgd", "adam"]}, "fixed": {"value": 7}}},
}
CONDITIONAL = {
    "a": {"values": [1, "0"]},
    "b": {"values": [0, False, None, "0"], "condition": {"a": 1}},
    "opt": {"parameters": {"n": {"values": [[1], [2, 3]], "condition": {"b": [0, None]}}, "fixed": {"value": 7}}},
    "lr": {"min": 1, "max": 2},
    "none": {"value": 3, "condition": {"a": "0"}},
}
"""2 · (2 + 1 + 2 + 1) where a is 1, and 2 · 1 elsewhere."""
CONDITIONAL_MIXED = {
    "a": {"min": 1, "max": 3},
    "lr": {**MIXED["lr"], "condition": {"a": [1, 2]}},
    "opt": {"parameters": {"name": {"values": ["sgd", "adam"]}, "fixed": {"value": 7, "condition": {"a": 1}}}},
    "sgd": {
        "condition": {"opt.name": "sgd"},
        "parameters": {"n": MIXED["n"], "m": {"values": [0, None, "x"], "condition": {"a": 2}}},
    },
    "k": {"min": 1, "max": 10**6, "condition": {"sgd": {"m": [0, "x"]}}},
}


@frozen
class Case:
    """A searcher and what it promises."""

    sweep: dict
    once: bool = False
    """Each configuration comes once, then the space is spent."""
    open_loop: bool = True
    seeded: bool = True
    size: int = SIZE
    """Of its space, if each configuration comes once."""
    examples: int = 60
    make: Callable = searcher_for

    @property
    def config(self):
        single = {"metric": {"name": "loss", "goal": "minimize"}}
        return SweepConfig.parse(self.sweep | ({} if "metrics" in self.sweep else single))

    def runs(self, mirror=Runs):
        return mirror(self.config.goal, self.config.goals)

    def story(self):
        return Story(self.config.goal, goals=self.config.goals)

    def searcher(self, seed=0):
        return self.make(self.config, seed)

    def law(self, *strategies):
        """Decorates a check so that calling it tries it on many examples."""
        return lambda check: settings(max_examples=self.examples, deadline=None)(given(*strategies)(check))


CASES = {
    "grid": Case({"method": "grid", "parameters": FINITE}, once=True, seeded=False),
    "random": Case({"method": "random", "parameters": MIXED}),
    "random-finite": Case({"method": "random", "parameters": FINITE}),
    "random-once": Case({"method": "random", "parameters": FINITE, "without_replacement": True}, once=True),
    "grid-conditional": Case({"method": "grid", "parameters": CONDITIONAL}, once=True, seeded=False, size=14),
    "random-conditional": Case({"method": "random", "parameters": CONDITIONAL_MIXED}),
    "random-once-conditional": Case(
        {"method": "random", "parameters": CONDITIONAL, "without_replacement": True}, once=True, size=14
    ),
}
METRICS = [{"name": "loss", "impute": "best"}, {"name": "acc", "goal": "maximize", "impute_while_running": "latest"}]
if find_spec("sweepwidget.search.bayes"):
    CASES["bayes"] = Case({"method": "bayes", "parameters": MIXED}, open_loop=False, examples=8)
    CASES["bayes-conditional"] = Case({"method": "bayes", "parameters": CONDITIONAL_MIXED}, open_loop=False, examples=8)
    CASES["bayes-conditional-once"] = Case(
        {"method": "bayes", "parameters": CONDITIONAL}, once=True, open_loop=False, size=14, examples=4
    )
    CASES["bayes-several"] = Case(
        {"method": "bayes", "parameters": CONDITIONAL_MIXED, "metrics": METRICS}, open_loop=False, examples=8
    )
    CASES["bayes-several-once"] = Case(
        {"method": "bayes", "parameters": CONDITIONAL, "metrics": METRICS},
        once=True,
        open_loop=False,
        size=14,
        examples=4,
    )
CASES |= {
    name: Case({"method": "custom", "parameters": parameters}, open_loop=False, examples=15, make=make)
    for name, (make, parameters) in replayed(MIXED, CONDITIONAL_MIXED).items()
}
if "optuna-tpe" in CASES:
    several = {"method": "custom", "parameters": MIXED, "metrics": METRICS}
    CASES["optuna-tpe-several"] = Case(several, open_loop=False, examples=10, make=CASES["optuna-tpe"].make)

every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
open_loop = pytest.mark.parametrize("case", [pytest.param(c, id=n) for n, c in CASES.items() if c.open_loop])
once = pytest.mark.parametrize("case", [pytest.param(c, id=n) for n, c in CASES.items() if c.once])
seeded = pytest.mark.parametrize("case", [pytest.param(c, id=n) for n, c in CASES.items() if c.seeded])

strange = st.sampled_from([
    {},
    {"a": 1},
    {"a": 1, "b": 0, "lr": 0.5, "n": 4, "opt": {"n": [1], "name": "sgd"}, "extra": 1},
    {"a": 99, "b": "zz", "lr": 99.0, "n": 3, "opt": {"n": [9], "name": "lion"}},
    {"a": True, "b": [0], "lr": None, "n": "4", "opt": 3},
    {"a": "0", "b": 0, "lr": 2, "opt": {"n": [1], "name": "adam"}, "sgd": {"n": 4}},
    {"a": 2, "b": None, "lr": 1, "opt": {"n": [1], "name": "sgd"}, "sgd": {"n": 4, "m": None}, "k": 5},
])  # fmt: skip
events = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 3)),
        st.tuples(st.just("take"), st.integers(0, 3)),
        st.tuples(st.just("start"), picks),
        st.tuples(st.just("log"), picks, st.lists(st.integers(0, 9).map(float), min_size=1, max_size=3)),
        st.tuples(st.just("end"), picks, ends),
        st.tuples(st.just("add"), strange),
        st.tuples(st.just("edit"), picks, strange),
        st.tuples(st.just("requeue"), picks),
        st.tuples(st.just("delete"), picks),
    ),
    max_size=30,
)


def happen(case, searcher, events):
    """The mirror after each event; `take` adds what the searcher suggests."""
    story = case.story()
    for verb, *details in events:
        if verb == "take":
            for suggestion in searcher.suggest(story.runs, *details):
                story.add(suggestion.config, RunState.running)
        else:
            getattr(story, verb)(*details)
        yield story.runs


@every
def test_a_cache_changes_nothing(case):
    """Kept over any sequence of events, a searcher answers like a fresh one, and asking twice changes nothing."""

    @case.law(events, st.integers(0, 3))
    def check(events, n):
        kept = case.searcher()
        for runs in happen(case, kept, events):
            answer = list(kept.suggest(runs, n))
            assert answer == list(kept.suggest(runs, n))
            assert answer == list(case.searcher().suggest(runs, n))

    check()


@every
def test_the_order_in_which_runs_arrive_and_end_does_not_matter(case):
    """The same rows in another order give the same answer."""

    @case.law(events, st.randoms(use_true_random=False))
    def check(events, random):
        runs = [case.runs(), *happen(case, case.searcher(), events)][-1]
        shuffled = copy(runs, lambda rows: random.sample(rows, len(rows)))
        assert list(case.searcher().suggest(runs, 2)) == list(case.searcher().suggest(shuffled, 2))

    check()


@every
def test_one_searcher_serves_many_mirrors(case):
    """What a searcher knows of one mirror does not leak into another."""
    searcher = case.searcher()
    story = case.story()
    first = list(searcher.suggest(case.runs(), 2))
    for suggestion in first:
        story.add(suggestion.config)
    second = list(searcher.suggest(story.runs, 2))
    assert first == list(searcher.suggest(case.runs(), 2))
    assert second == list(searcher.suggest(story.runs, 2))


@every
def test_suggestions_lie_in_the_space_and_say_why(case):
    """Every active parameter has a permitted value, constants are filled in, nothing else is there."""

    @case.law(events)
    def check(events):
        searcher, space = case.searcher(), case.config.space
        for runs in happen(case, searcher, events):
            for suggestion in searcher.suggest(runs, 2):
                flat = space.flatten(suggestion.config)
                assert space.active(flat) == set(flat)
                assert all(space.parameters[path].contains(value) for path, value in flat.items())
                assert space.nest(flat) == suggestion.config
                assert suggestion.info["why"]
                assert suggestion.info.keys() <= REASONS.keys()
                json.dumps(suggestion.info, allow_nan=False)

    check()


@once
def test_each_configuration_comes_once_and_then_the_space_is_spent(case):
    """However many are asked for at a time, and whatever becomes of the runs."""

    @case.law(st.lists(st.tuples(st.integers(1, 5), ends), min_size=case.size, max_size=case.size))
    def check(steps):
        searcher, story, seen = case.searcher(), case.story(), []
        for n, end in steps:
            found = searcher.suggest(story.runs, n)
            assert min(n, case.size - len(seen)) == len(found)
            for suggestion in found:
                seen.append(key(suggestion.config))
                story.add(suggestion.config)
            story.end(0, end)
        assert case.size == len(seen) == len(set(seen))

    check()


@open_loop
def test_several_at_once_are_those_one_after_another(case):
    """`suggest(n)` gives what n times `suggest(1)` would, so looking ahead changes nothing."""

    @case.law(events, st.integers(0, 6))
    def check(events, n):
        searcher, story = case.searcher(), case.story()
        for run in [Runs(), *happen(case, searcher, events)][-1]:
            story.numbers = run.number - 1
            story.add(run.config)
        together = list(searcher.suggest(story.runs, n))
        single = []
        for _ in range(n):
            for suggestion in searcher.suggest(story.runs, 1):
                single.append(suggestion)
                story.add(suggestion.config)
        assert together == single

    check()


@seeded
def test_the_seed_decides(case):
    """The same seed, the same sweep; another seed, another sweep."""
    sweeps = [repr(list(case.searcher(seed).suggest(case.runs(), 5))) for seed in (3, 3, 4, 2**63)]
    assert sweeps[0] == sweeps[1]
    assert 3 == len(set(sweeps))


@every
def test_asked_for_nothing_it_suggests_nothing(case):
    """n = 0 is a question too."""
    assert [] == list(case.searcher().suggest(case.runs(), 0))


class Counted(Runs):
    """A mirror that counts how many runs were looked at."""

    looks = 0

    def __iter__(self):
        self.looks += len(self)
        return super().__iter__()

    def __getitem__(self, run_id):
        self.looks += 1
        return super().__getitem__(run_id)


@open_loop
def test_a_suggestion_costs_what_changed(case):
    """Among ten thousand runs, only those that are new, active or just ended are looked at."""
    runs = case.runs(Counted)
    config = {"a": 1, "b": 0, "opt": {"n": [1]}}
    rows = [Run(RunId(f"r{k}"), None, k, config, RunState.finished) for k in range(1, 10_001)]
    runs.apply_rows(rows[:-2])
    searcher = case.searcher()
    assert searcher.suggest(runs, 1)
    runs.apply_rows(rows[-2:])
    runs.looks = 0
    assert searcher.suggest(runs, 3)
    assert runs.looks <= 10


def test_the_users_own_search_is_not_made_here():
    """`method: custom` is code that only the user's own process has; the error says where to give it."""
    config = SweepConfig.parse({"method": "custom", "parameters": {"a": {"values": [1]}}})
    with pytest.raises(UsageError, match="configure_search"):
        searcher_for(config, 0)
