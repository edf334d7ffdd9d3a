"""The user's own search, in every form that W&B ever took."""

import numpy as np
import pytest

from sweepwidget.columns import column
from sweepwidget.errors import UsageError
from sweepwidget.model import Changes, Chunk, Cursor, Run, RunId, RunState, Suggestion
from sweepwidget.runs import Goal, Runs
from sweepwidget.search.custom import CustomSearch
from sweepwidget.sweepconfig import SweepConfig
from sweepwidget.sweeprun import SweepRun

CONFIG = SweepConfig.parse({
    "method": "custom",
    "metric": {"name": "acc", "goal": "maximize"},
    "parameters": {
        "lr": {"min": 0.0, "max": 1.0},
        "opt": {"parameters": {"value": {"values": [1, 2]}}},
        "dict": {"values": [{"value": 1}, {"value": 2}]},
    },
})  # fmt: skip


def ask(search, runs=None, n=1):
    return list(CustomSearch(search, CONFIG).suggest(runs or Runs(Goal("acc", maximize=True)), n))


class Package:
    """A run as the package `sweeps` has it: any object with a config."""

    config = {"lr": {"value": 0.1}}
    search_info = {"why": "so"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"lr": 0.1}, Suggestion({"lr": 0.1})),
        ({"lr": {"value": 0.1}}, Suggestion({"lr": 0.1})),
        ({"lr": {"value": 0.1, "desc": None}}, Suggestion({"lr": 0.1})),
        (SweepRun(config={"lr": {"value": 0.1}}, search_info={"why": "so"}), Suggestion({"lr": 0.1}, {"why": "so"})),
        (Package(), Suggestion({"lr": 0.1}, {"why": "so"})),
        (({"lr": {"value": 0.1}}, None), Suggestion({"lr": 0.1})),
        (({"lr": 0.1}, {"why": "so"}), Suggestion({"lr": 0.1}, {"why": "so"})),
        ((SweepRun(config={"lr": {"value": 0.1}}), {"why": "so"}), Suggestion({"lr": 0.1}, {"why": "so"})),
        ({"opt": {"value": 1}}, Suggestion({"opt": {"value": 1}})),  # a nested parameter called "value"
        ({"opt": {"value": {"value": 1}}}, Suggestion({"opt": {"value": 1}})),
        ({"dict": {"value": 2}}, Suggestion({"dict": {"value": 2}})),  # one of the parameter's values
        ({"dict": {"value": {"value": 2}}}, Suggestion({"dict": {"value": 2}})),
        ({"new": 3}, Suggestion({"new": 3})),  # W&B lets a search invent parameters
    ],
)
def test_the_answers_that_are_understood(answer, expected):
    """A config in either form, a SweepRun, or one of them with a word about why (else it says whose code it was)."""

    def mine(config, runs):
        return answer

    (found,) = ask(mine)
    assert (expected.config, expected.info or {"why": f"custom search {mine.__qualname__}"}) == (
        found.config,
        found.info,
    )


def test_numpy_values_become_plain_ones():
    """A config is kept as JSON."""
    config = ask(lambda config, runs: {"lr": np.float32(0.5), "n": np.int64(3), "shape": (np.int8(1), 2)})[0].config
    assert {"lr": 0.5, "n": 3, "shape": [1, 2]} == config
    assert (float, int) == (type(config["lr"]), type(config["n"]))


def test_a_function_sees_the_config_and_the_runs():
    """The sweep's dict, and SweepRuns both in the spelling of `sweeps` 0.3 and of wandb 0.11."""
    seen = []
    rows = [
        Run(RunId("a"), None, 1, {"lr": 0.1}, RunState.finished, name="nice-sweep-1", summary={"acc": 0.4}),
        Run(RunId("b"), None, 2, {"lr": 0.2}, RunState.stopped, stop_reason="too slow"),
    ]
    runs = Runs.of(rows, Goal("acc", maximize=True), {"a": [-0.1, -0.4]})
    ask(lambda config, runs: seen.extend([config, *runs]), runs)
    config, a, b = seen
    assert CONFIG.to_dict() == config
    assert ("a", "a", "finished", {"lr": {"value": 0.1}}) == (a.name, a.id, a.state, a.config)
    assert ({"acc": 0.4}, {"acc": 0.4}) == (a.summary_metrics, a.summaryMetrics)
    assert ([{"acc": 0.1}, {"acc": 0.4}], [0.1, 0.4], 0.4) == (
        a.history,
        a.metric_history("acc"),
        a.metric_extremum("acc", "maximum"),
    )
    assert ("killed", True, True, []) == (b.state, b.stopped, b.shouldStop, b.history)


def test_with_several_metrics_it_sees_the_history_of_each():
    """What was logged together is one row, as long as each metric was logged as often."""
    seen, goals = [], [Goal("acc", maximize=True), Goal("loss")]
    runs = Runs.of([Run(RunId("a"), None, 1, {"lr": 0.1}, RunState.running)], goals=goals)
    chunks = [
        Chunk(RunId("a"), 1, key, column(range(len(values)), values))
        for key, values in {"acc": [0.1, 0.4], "loss": [3.0, 2.0, 1.0], "other": [7.0]}.items()
    ]
    runs.apply(Changes(Cursor(), chunks=tuple(chunks)))
    ask(lambda config, runs: seen.extend(runs), runs)
    assert [{"acc": 0.1, "loss": 3.0}, {"acc": 0.4, "loss": 2.0}, {"loss": 1.0}] == seen[0].history


def test_an_edited_sweep_is_told_to_the_same_code():
    """Its object keeps what it knows; the function sees the new configuration."""

    class Counter:
        seen: list = []

        def next_run(self, sweep):
            self.seen.append(sweep["config"]["parameters"]["lr"]["max"])
            return {"lr": 0.1}

    search = CustomSearch(Counter(), CONFIG)
    edited = search.edited(SweepConfig.parse({**CONFIG.to_dict(), "parameters": {"lr": {"min": 0.0, "max": 9.0}}}))
    for each in (search, edited):
        each.suggest(Runs(Goal("acc", maximize=True)), 1)
    assert [1.0, 9.0] == Counter.seen


def test_asked_for_several_it_sees_its_earlier_answers_as_pending_runs():
    """n suggestions at once are those it would have made one after another."""
    found = ask(lambda config, runs: {"lr": 1 / (1 + len(runs)), "state": runs[-1].state if runs else ""}, n=3)
    assert [{"lr": 1.0, "state": ""}, {"lr": 0.5, "state": "pending"}, {"lr": 1 / 3, "state": "pending"}] == [
        suggestion.config for suggestion in found
    ]


def test_none_means_that_nothing_is_left():
    """Fewer suggestions than asked for: the search is spent."""
    assert 2 == len(ask(lambda config, runs: {"lr": 0.1} if len(runs) < 2 else None, n=5))


class OldSearch:
    def next_run(self, sweep):
        return {"lr": {"value": 1 / (1 + len(sweep["runs"]))}}, {"method": sweep["config"]["method"]}


@pytest.mark.parametrize("search", [OldSearch, OldSearch()])
def test_plugins_of_old(search):
    """A class or object with `next_run(sweep) -> (config, info) | None`."""
    info = {"why": "custom search OldSearch", "method": "custom"}
    assert [Suggestion({"lr": 1.0}, info), Suggestion({"lr": 0.5}, info)] == ask(search, n=2)


def test_a_class_of_callables():
    """A class without `next_run` is created once and then called."""

    class Counter:
        count = 0

        def __call__(self, config, runs):
            self.count += 1
            return {"lr": self.count}

    assert [1, 2] == [suggestion.config["lr"] for suggestion in ask(Counter, n=2)]


@pytest.mark.parametrize(
    "answer", [7, "lr", [{"lr": 0.1}], ({"lr": 0.1}, "why"), (1, 2, 3), SweepRun, {"lr": object()}, True]
)
def test_nonsense_is_shown(answer):
    """The error names the code, what it returned, and what it could have."""
    with pytest.raises(UsageError, match=r"^custom search .*<lambda> returned .*; return "):
        ask(lambda config, runs: answer)


def test_long_answers_are_shortened():
    """Nobody wants a page of it."""
    with pytest.raises(UsageError) as caught:
        ask(lambda config, runs: list(range(10**6)))
    assert len(str(caught.value)) < 600


def test_an_exception_names_the_code_and_keeps_the_cause():
    """The user's own traceback is the cause."""

    def broken(config, runs):
        return {}["lr"]

    with pytest.raises(UsageError, match=r"custom search .*broken raised KeyError: 'lr'") as caught:
        ask(broken)
    assert isinstance(caught.value.__cause__, KeyError)


def test_what_is_not_code_is_refused():
    """Neither callable nor a plug-in."""
    with pytest.raises(
        UsageError, match="custom search int: expected a function, or a class with a method next_run; got 7"
    ):
        CustomSearch(7, CONFIG)


def test_an_interrupt_is_not_swallowed():
    """Ctrl-C in the user's code is Ctrl-C."""

    def interrupted(config, runs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(interrupted)


def test_what_the_code_does_to_its_arguments_reaches_nobody():
    """It gets copies."""
    runs = Runs.of([Run(RunId("a"), None, 1, {"opt": {"value": 1}}, summary={"x": [1]})])

    def vandal(config, runs):
        config["parameters"].clear()
        runs[0].config["opt"]["value"]["value"] = 9
        runs[0].summary_metrics["x"].append(2)

    search = CustomSearch(vandal, CONFIG)
    search.suggest(runs, 1)
    assert ({"opt": {"value": 1}}, {"x": [1]}) == (runs[RunId("a")].config, runs[RunId("a")].summary)
    assert 3 == len(CONFIG.to_dict()["parameters"])
