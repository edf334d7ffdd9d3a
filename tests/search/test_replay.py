"""Optimisers from elsewhere: what they are told, what they may answer, and whole sweeps that they drive."""

import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given, settings, strategies as st

from sweepwidget.errors import ConfigError, ControllerError, UsageError
from sweepwidget.model import Run, RunId, RunState
from sweepwidget.parameters import DISTRIBUTIONS, parameter
from sweepwidget.runs import Goal, Runs
from sweepwidget.search.optimiser import is_optimiser
from sweepwidget.search.replay import ReplaySearch
from sweepwidget.sweepconfig import SweepConfig

from .optimisers import Spiral

CONFIG = SweepConfig.parse({
    "method": "custom",
    "metric": {"name": "acc", "goal": "maximize"},
    "parameters": {
        "x": {"min": 0.0, "max": 10.0},
        "kind": {"values": ["a", "b"]},
        "y": {"min": 1, "max": 4, "condition": {"kind": "b"}},
        "c": {"value": 7},
    },
})  # fmt: skip
GOAL = Goal("acc", maximize=True)


class Recorder:
    """Asks for the middle, and notes everything."""

    log: list = []

    def ask(self):
        self.log.append("ask")
        return [0.5, 0.9, 0.5]

    def tell(self, answer, cost):
        self.log.append((tuple(answer), cost))


def row(number, config, state=RunState.finished, acc=None, **changes):
    return Run(RunId(f"r{number}"), None, number, config, state, summary={} if acc is None else {"acc": acc}, **changes)


def told(*rows):
    """What a Recorder hears of these runs before it is asked for the next one."""
    Recorder.log = []
    ReplaySearch(Recorder, CONFIG).suggest(Runs.of(rows, GOAL), 1)
    return Recorder.log[:-1]


# -- what an optimiser is told ------------------------------------------------------------------------------------------


def test_runs_are_told_in_the_order_in_which_they_ended():
    """Each is asked for before, costs are minimised, what is not there stands in the middle."""
    a = row(1, {"x": 2.0, "kind": "a", "c": 7}, acc=0.3, ended_at=9.0)
    b = row(2, {"x": 4.0, "kind": "b", "y": 4, "c": 7}, acc=0.5, ended_at=8.0)
    assert ["ask", ((0.4, 0.75, 0.875), -0.5), "ask", ((0.2, 0.25, 0.5), -0.3)] == told(a, b)


def test_a_run_that_got_what_was_asked_is_told_with_that_very_answer():
    """Not with the middle of the value's share."""
    assert ["ask", ((0.5, 0.9, 0.5), -0.3)] == told(row(1, {"x": 5.0, "kind": "b", "y": 2, "c": 7}, acc=0.3))


def test_what_training_added_to_a_config_is_not_told():
    """A run is known by its parameters."""
    config = {"x": 5.0, "kind": "b", "y": 2, "c": 7, "epochs": 3}
    assert ["ask", ((0.5, 0.9, 0.5), -0.3)] == told(row(1, config, acc=0.3))
    search = ReplaySearch(Named, CONFIG)
    search.suggest(Runs.of([row(1, config, acc=0.3)], GOAL), 1)
    assert [({"x": 5.0, "kind": "b", "y": 2, "c": 7}, -0.3)] == Named.log


class Named:
    """Asks by name."""

    log: list = []

    def ask(self):
        return {"x": 1.0, "kind": "a"}

    def tell(self, config, cost):
        self.log.append((config, cost))


def test_runs_at_work_are_asked_for_and_left_open():
    """So that the next answer is another one."""
    config = {"x": 2.0, "kind": "a", "c": 7}
    for state in (RunState.pending, RunState.running, RunState.preempted):
        assert ["ask", ((0.2, 0.25, 0.5), -0.3), "ask"] == told(row(1, config, state), row(2, config, acc=0.3))


def test_a_failed_run_costs_as_much_as_the_worst():
    """As `metric.impute` says; without any result all cost the same; one that never ran is no news."""
    config = {"x": 2.0, "kind": "a", "c": 7}
    failed, diverged = row(2, config, RunState.failed), row(3, config)
    killed = row(4, config, RunState.killed)
    costs = [entry[1] for entry in told(row(1, config, acc=0.3), failed, diverged, killed) if entry != "ask"]
    assert [-0.3, -0.3, -0.3] == costs
    assert [0.0] == [entry[1] for entry in told(failed, killed) if entry != "ask"]


def test_runs_outside_the_space_are_no_news():
    """It has been edited since."""
    assert [] == told(row(1, {"x": 99.0, "kind": "a"}, acc=0.3), row(2, {}, acc=0.3), row(3, {"x": 1.0, "kind": "z"}))


class Generations:
    """Wants to be told of three runs at once, as the classes of cmaes do."""

    population_size = 3
    log: list = []

    def ask(self):
        return [0.5, 0.5, 0.5]

    def tell(self, solutions):
        self.log.append([cost for _, cost in solutions])


def test_a_generation_is_told_when_it_is_complete():
    """What is over waits for the next ones."""
    Generations.log = []
    rows = [row(k, {"x": 2.0, "kind": "a", "c": 7}, acc=k / 10) for k in range(1, 9)]
    ReplaySearch(Generations, CONFIG).suggest(Runs.of(rows, GOAL), 2)
    assert [[-0.1, -0.2, -0.3], [-0.4, -0.5, -0.6]] == Generations.log


def test_only_what_is_new_is_told_again():
    """An optimiser that was told is kept; deleted and edited runs make it start anew."""
    Recorder.log = []
    search, runs = ReplaySearch(Recorder, CONFIG), Runs(GOAL)
    config = {"x": 2.0, "kind": "a", "c": 7}
    for number in range(1, 4):
        runs.apply_rows([row(number, config, acc=number / 10, ended_at=float(number))])
        search.suggest(runs, 1)
    assert 3 == sum(entry != "ask" for entry in Recorder.log)
    runs.apply_rows([evolve(runs[RunId("r1")], deleted=True)])
    search.suggest(runs, 1)
    assert 5 == sum(entry != "ask" for entry in Recorder.log)


# -- what it may answer ---------------------------------------------------------------------------------------------------


def ask(optimiser, n=1, config=CONFIG, runs=None, seed=0):
    return list(ReplaySearch(optimiser, config, seed).suggest(runs or Runs(GOAL), n))


@pytest.mark.parametrize(
    ("answer", "config"),
    [
        ([0.2, 0.1, 0.9], {"x": 2.0, "kind": "a", "c": 7}),
        (np.array([0.2, 0.9, 0.0]), {"x": 2.0, "kind": "b", "y": 1, "c": 7}),
        ((-5.0, 7.0, 2.0), {"x": 0.0, "kind": "b", "y": 4, "c": 7}),
        ({"x": 2.5, "kind": "a"}, {"x": 2.5, "kind": "a", "c": 7}),
        ({"x": {"value": np.float64(2.5)}, "kind": {"value": "b"}, "y": 3, "more": 1}, {"x": 2.5, "kind": "b", "y": 3, "c": 7}),
    ],
)  # fmt: skip
def test_answers_become_configs(answer, config):
    """Points are clipped into the unit cube, constants filled in, what is not active left out."""
    (suggestion,) = ask(type("Answer", (Recorder,), {"ask": lambda self: answer}))
    assert config == suggestion.config
    assert "Answer, told of 0 runs, 0 at work" == suggestion.info["why"]


@pytest.mark.parametrize(
    "answer", [7, "x", [0.5], [[0.5, 0.5, 0.5]], [0.5, None, 0.5], [0.5, float("nan"), 0.5], {"x": 1.0}, {"x": 99.0, "kind": "a"}, object()]
)  # fmt: skip
def test_nonsense_is_shown(answer):
    """The error names the optimiser, what it said, and what it could have."""
    with pytest.raises(UsageError, match=r"^Answer\.ask\(\) returned .*; return a config"):
        ask(type("Answer", (Recorder,), {"ask": lambda self: answer}))


def test_none_means_that_nothing_is_left():
    """The sweep ends."""
    assert [] == ask(type("Spent", (Recorder,), {"ask": lambda self: None}), 3)


def test_an_exception_names_the_optimiser_and_keeps_the_cause():
    """The user's own traceback is the cause; the next suggestion starts afresh."""

    class Broken(Recorder):
        def tell(self, answer, cost):
            raise KeyError("lr")

    search = ReplaySearch(Broken, CONFIG)
    runs = Runs.of([row(1, {"x": 2.0, "kind": "a", "c": 7}, acc=0.1)], GOAL)
    for _ in range(2):
        with pytest.raises(UsageError, match="Broken raised KeyError: 'lr'") as caught:
            search.suggest(runs, 1)
        assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(("missing", "mend"), [("cmaes", "'sweepwidget\\[optuna\\]'"), ("torch", "'torch'")])
def test_a_missing_package_is_named(missing, mend):
    """With what to install."""

    class Needy(Recorder):
        def ask(self):
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    with pytest.raises(UsageError, match=f"Needy needs the package {missing}: pip install {mend}"):
        ask(Needy)


# -- how it may be given --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [Spiral, Spiral(3), lambda: Spiral(3), lambda n: Spiral(n), partial(Spiral, dimension=3)],
    ids=["class", "object", "factory", "factory of the dimension", "partial"],
)
def test_every_form_gives_the_same_sweep(given):
    """An object, its class, or a function that makes one."""
    assert is_optimiser(given)
    assert ask(Spiral, 3, seed=5) == ask(given, 3, seed=5)


def test_an_object_is_left_as_it_was():
    """Copies of it are asked and told."""
    mine = Spiral(3)
    state = mine.rng.getstate()
    ask(mine, 3)
    assert (0, state) == (mine.asked, mine.rng.getstate())


@pytest.mark.parametrize(
    "search", [lambda config, runs: None, lambda *args: None, dict, 7, type("P", (), {"next_run": 1})()]
)
def test_a_search_function_is_no_optimiser(search):
    """It is called with the config and the runs."""
    assert not is_optimiser(search)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (lambda: 7, r"<lambda> made int, which has no ask and tell\. Give configure_search a function \(config, runs\)"),
        (lambda runs: 1 / 0, "<lambda> raised ZeroDivisionError"),
        (type("Locked", (Recorder,), {"__init__": lambda self: setattr(self, "lock", threading.Lock())}), "Locked cannot be copied"),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_refused_at_once(given, text):
    """Not at the first suggestion."""
    with pytest.raises(UsageError, match=text):
        ReplaySearch(given, CONFIG)


def test_without_a_metric_there_is_nothing_to_tell():
    """The error says what to add."""
    config = SweepConfig.parse({"method": "custom", "parameters": {"x": {"min": 0.0, "max": 1.0}}})
    with pytest.raises(ConfigError, match="metric: an optimiser needs to know what to improve"):
        ReplaySearch(Spiral, config)


# -- cmaes --------------------------------------------------------------------------------------------------------------


def test_a_class_of_cmaes_finds_the_optimum():
    """Runs on a bowl, eight at work at a time, become much better."""
    cmaes = pytest.importorskip("cmaes")
    space = {"x": {"min": -5.0, "max": 5.0}, "y": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0}}
    config = SweepConfig.parse({"method": "custom", "metric": {"name": "loss"}, "parameters": space})
    search, runs, found = ReplaySearch(cmaes.CMA, config, 3), Runs(Goal("loss")), []
    for number in range(1, 91):
        (suggestion,) = search.suggest(runs, 1)
        runs.apply_rows([Run(RunId(f"r{number}"), None, number, suggestion.config, RunState.running)])
        if len(runs.active) == 8:
            run = list(runs.active.values())[number % 8]
            found.append((run.config["x"] - 1) ** 2 + (np.log10(run.config["y"]) + 2) ** 2)
            ended = {"summary": {"loss": found[-1]}, "ended_at": float(number)}
            runs.apply_rows([evolve(run, state=RunState.finished, **ended)])
    assert 5 * np.median(found[-20:]) < np.median(found[:20])


# -- Optuna -------------------------------------------------------------------------------------------------------------

SETTINGS = {
    "constant": {"value": 3},
    "categorical": {"values": [0, False, None, "0", [1], {"a": 2}]},
    "categorical_w_probabilities": {"values": [32, 8, 16], "probabilities": [0.2, 0.0, 0.8]},
    "int_uniform": {"min": -3, "max": 10**17},
    "uniform": {"min": -1, "max": 2},
    "log_uniform": {"min": -7.0, "max": 0.5},
    "log_uniform_values": {"min": 1e-7, "max": 3},
    "inv_log_uniform": {"min": -2, "max": 3},
    "inv_log_uniform_values": {"min": 1e-7, "max": 3},
    "q_uniform": {"min": 0.1, "max": 0.75, "q": 0.1},
    "q_log_uniform_values": {"min": 1, "max": 1000, "q": 3},
    "q_log_uniform": {"min": 0, "max": 5, "q": 2},
    "q_normal": {"mu": 3, "sigma": 20, "q": 4},
    "q_log_normal": {"sigma": 2, "q": 0.5},
    "q_beta": {"a": 2, "b": 5, "q": 0.05},
}
"""For those whose own limits have no defaults."""


def test_every_distribution_is_tried_below():
    """None was forgotten."""
    assert set(SETTINGS) <= set(DISTRIBUTIONS)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@settings(max_examples=30)
@given(st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_every_distribution_has_one_of_optunas(name, u, seed):
    """Values go there and back, and what Optuna draws is a value of the parameter."""
    optuna = pytest.importorskip("optuna")
    from sweepwidget.search.study import axis

    it = parameter({"distribution": name, **SETTINGS.get(name, {})})
    there = axis(it)
    value = it.ppf(u)
    inside = there.encode(value)
    assert there.distribution._contains(there.distribution.to_internal_repr(inside))
    back = there.decode(inside)
    assert it.contains(back)
    assert back == pytest.approx(value, rel=1e-6, abs=1e-9) if it.ordinal else back == value
    drawn = optuna.samplers.RandomSampler(seed).sample_independent(None, None, name, there.distribution)
    assert it.contains(there.decode(drawn))


def test_two_parameters_of_one_name_stay_apart():
    """`a.b` may be a name, or b in the group a."""
    optuna = pytest.importorskip("optuna")
    space = {"a.b": {"min": 1, "max": 3}, "a": {"parameters": {"b": {"min": 7, "max": 9}}}}
    config = SweepConfig.parse({"method": "custom", "metric": {"name": "acc"}, "parameters": space})
    (suggestion,) = ask(optuna.samplers.RandomSampler(), config=config)
    assert config.space.nest(config.space.flatten(suggestion.config)) == suggestion.config
    assert suggestion.config["a.b"] <= 3 < 7 <= suggestion.config["a"]["b"]


def test_a_study_is_made_in_silence(capfd):
    """Neither Optuna's line about it, nor a change of how much it says otherwise."""
    optuna = pytest.importorskip("optuna")
    before = optuna.logging.get_verbosity()
    ask(optuna.samplers.TPESampler(), 2)
    assert (("", ""), before) == (tuple(capfd.readouterr()), optuna.logging.get_verbosity())


def test_the_users_sampler_is_left_alone():
    """It may serve another study."""
    optuna = pytest.importorskip("optuna")
    mine, twin = optuna.samplers.RandomSampler(seed=5), optuna.samplers.RandomSampler(seed=5)
    ask(mine, 4)
    assert twin._rng.rng.random() == mine._rng.rng.random()


def test_a_grid_is_searched_by_the_sweep_itself():
    """GridSampler's own bookkeeping knows nothing of our runs."""
    optuna = pytest.importorskip("optuna")
    with pytest.raises(UsageError, match="GridSampler: a sweep does that by itself, with method: grid"):
        ask(optuna.samplers.GridSampler({"x": [1, 2]}))


@pytest.mark.parametrize("acc", [1e300, -1e300, 0.5])
def test_costs_of_any_size_are_taken(acc):
    """The same one again and again, and among failures."""
    optuna = pytest.importorskip("optuna")
    config = {"x": 2.0, "kind": "b", "y": 2, "c": 7}
    rows = [row(k, config, acc=acc) if k % 3 else row(k, config, RunState.crashed) for k in range(1, 25)]
    for optimiser in (optuna.samplers.TPESampler(), Spiral, Recorder):
        assert 2 == len(ask(optimiser, 2, runs=Runs.of(rows, GOAL)))


# -- whole sweeps -------------------------------------------------------------------------------------------------------

SWEEP = {
    "metric": {"name": "loss"},
    "seed": 4,
    "parameters": {"x": {"min": -1.0, "max": 1.0}, "k": {"values": ["a", "b"]}},
}
AGAIN = """
import sys, optuna, sweepwidget as wandb
wandb.use_store(sys.argv[1])
wandb.controller(sys.argv[2]).configure_search(optuna.samplers.TPESampler(n_startup_trials=3))
def train():
    run = wandb.init()
    run.log({"loss": run.config.x ** 2 + (run.config.k == "a")})
wandb.agent(sys.argv[2], function=train, count=5)
"""


def made(wandb, search):
    sweep = wandb.controller()
    sweep.configure({**SWEEP, "method": "custom"})
    sweep.configure_search(search)
    return sweep.create()


def work(wandb, sweep_id, count):
    def train():
        run = wandb.init()
        run.log({"loss": run.config.x**2 + (run.config.k == "a")})

    wandb.agent(sweep_id, function=train, count=count)
    return [dict(run.config) for run in wandb.Api().sweep(sweep_id).runs]


def test_a_sampler_drives_a_sweep_across_a_restart(wandb, tmp_path):
    """Another process that is given the same sampler goes on as this one would have."""
    optuna = pytest.importorskip("optuna")
    sampler = partial(optuna.samplers.TPESampler, n_startup_trials=3)
    whole = work(wandb, made(wandb, sampler()), 10)
    halved = made(wandb, sampler())
    work(wandb, halved, 5)
    subprocess.run(
        [sys.executable, "-c", AGAIN, str(tmp_path / "sweeps.db"), halved], check=True, timeout=60, capture_output=True
    )
    runs = wandb.Api().sweep(halved).runs
    assert whole == [dict(run.config) for run in runs]
    assert ["finished"] * 10 == [run.state for run in runs]


def test_a_sweep_that_has_not_begun_may_still_be_given_another_search(wandb):
    """Its method becomes custom, so that no other process decides."""
    sweep_id = wandb.sweep({**SWEEP, "method": "bayes"})
    wandb.controller(sweep_id).configure_search(lambda: Spiral(2))
    assert 3 == len(work(wandb, sweep_id, 3))
    assert "custom" == wandb.controller(sweep_id).sweep_config["method"]
    assert "Spiral" in wandb.controller(sweep_id).search().search_info["why"]


def test_a_sweep_that_has_begun_keeps_its_method(wandb):
    """Half of its runs would be explained by nothing."""
    sweep_id = wandb.sweep({**SWEEP, "method": "random"})
    work(wandb, sweep_id, 1)
    with pytest.raises(ControllerError, match=f"sweep {sweep_id} is searched by random and has begun"):
        wandb.controller(sweep_id).configure_search(lambda: Spiral(2))


def test_once_it_steers_the_search_stays(wandb):
    """As with everything else that is configured."""
    sweep = wandb.controller(made(wandb, lambda: Spiral(2)))
    sweep.search()
    with pytest.raises(ControllerError, match="Can not configure after sweep has been started."):
        sweep.configure_search(Spiral)


def test_a_search_that_nobody_knows_here_is_asked_for(wandb):
    """After a restart the controller can be made, and says what it lacks when it is to decide."""
    sweep_id = wandb.sweep({**SWEEP, "method": "custom"})
    sweep = wandb.controller(sweep_id)
    with pytest.raises(UsageError, match="configure_search"):
        sweep.step()
    sweep.configure_search(lambda: Spiral(2))
    assert "Spiral" in sweep.search().search_info["why"]
