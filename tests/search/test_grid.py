"""Grid search: W&B's order and equality, on grids of any size."""

import tracemalloc

import pytest
from attrs import evolve
from stories import Story

from sweepwidget.errors import ConfigError
from sweepwidget.model import Run, RunId, RunState
from sweepwidget.runs import Runs
from sweepwidget.search.grid import GridSearch
from sweepwidget.sweepconfig import SweepConfig


def grid(parameters, **options):
    return GridSearch(SweepConfig.parse({"method": "grid", "parameters": parameters}), **options)


def configs(searcher, runs=None, n=100):
    return [suggestion.config for suggestion in searcher.suggest(runs or Runs(), n)]


def runs_of(*configs, state=RunState.finished):
    return Runs.of([Run(RunId(f"r{i}"), None, i, config, state) for i, config in enumerate(configs, 1)])


# What wandb/sweeps 0.3.0 suggests, in its order.
WANDB = [
    (
        {"b": {"values": [1, 2]}, "a": {"values": ["x", "y"]}},
        [{"a": "x", "b": 1}, {"a": "x", "b": 2}, {"a": "y", "b": 1}, {"a": "y", "b": 2}],
    ),
    (  # code points: B < _c < a
        {"a": {"values": [1, 2]}, "_c": {"values": [1, 2]}, "B": {"values": [1, 2]}},
        [{"B": b, "_c": c, "a": a} for b in (1, 2) for c in (1, 2) for a in (1, 2)],
    ),
    (  # nested parameters are sorted level by level, so that "a-b" comes after all of "a"
        {
            "a-b": {"values": [1, 2]},
            "a": {"parameters": {"c": {"values": [1, 2]}}},
            "a.c": {"values": [7]},
            "B": {"values": ["x"]},
        },
        [{"B": "x", "a": {"c": c}, "a-b": b, "a.c": 7} for c in (1, 2) for b in (1, 2)],
    ),
    (
        {"b": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.3}, "a": {"min": 1, "max": 2}},
        [{"a": a, "b": b} for a in (1, 2) for b in (0.0, 0.3, 0.6, 0.8999999999999999)],
    ),
    ({"a": {"values": [1, 1.0, True, "1", 1]}}, [{"a": 1}, {"a": True}, {"a": "1"}]),
    ({"a": {"values": [None, 0, False, ""]}}, [{"a": None}, {"a": 0}, {"a": False}, {"a": ""}]),
    ({"a": {"values": [{"n": 1}, {"n": 2, "m": 0}]}}, [{"a": {"n": 1}}, {"a": {"n": 2, "m": 0}}]),
    ({"a": {"values": [[1, 2], [1]]}}, [{"a": [1, 2]}, {"a": [1]}]),
    ({"b": {"value": 1}, "a": {"values": [3]}}, [{"a": 3, "b": 1}]),
    ({"a": {"value": 1}}, [{"a": 1}]),
]


@pytest.mark.parametrize(("parameters", "expected"), WANDB)
def test_cells_and_their_order_are_those_of_wandb(parameters, expected):
    """Sorted by name, the last varying fastest, values as listed, equal ones once."""
    found = configs(grid(parameters))
    assert repr(expected) == repr(found)  # True == 1 in Python; keys are sorted too


def test_asked_for_less_it_goes_on_where_it_was():
    """Each suggestion is the first cell that no run covers."""
    searcher, story = grid({"a": {"values": [1, 2, 3]}}), Story()
    seen = []
    while found := searcher.suggest(story.runs, 1):
        seen.append((found[0].config["a"], found[0].info))
        story.add(found[0].config)
    assert [(a, {"why": f"grid cell {a} of 3"}) for a in (1, 2, 3)] == seen


@pytest.mark.parametrize("state", list(RunState))
def test_a_run_covers_its_cell_in_whatever_state(state):
    """Failed and killed runs too: their cells are not tried again."""
    assert [{"a": 2}] == configs(grid({"a": {"values": [1, 2]}}), runs_of({"a": 1}, state=state))


def test_a_deleted_run_frees_its_cell():
    """The way to have a failed cell tried again."""
    searcher, story = grid({"a": {"values": [1, 2, 3]}}), Story()
    for a in (1, 2, 3):
        story.add({"a": a})
    assert [] == configs(searcher, story.runs)
    story.delete(1)
    assert [{"a": 2}] == configs(searcher, story.runs)


def test_two_runs_of_one_cell_cover_it_until_both_are_gone():
    """A repeated cell is not freed by half."""
    searcher, story = grid({"a": {"values": [1, 2]}}), Story()
    story.add({"a": 1})
    story.add({"a": 1})
    story.delete(0)
    assert [{"a": 2}] == configs(searcher, story.runs)
    story.delete(0)
    assert [{"a": 1}, {"a": 2}] == configs(searcher, story.runs)


def test_a_run_that_is_edited_moves():
    """Its old cell is free, its new one covered."""
    searcher, story = grid({"a": {"values": [1, 2]}}), Story()
    story.add({"a": 1})
    assert [{"a": 2}] == configs(searcher, story.runs)
    story.edit(0, {"a": 2, "extra": 1})
    assert [{"a": 1}] == configs(searcher, story.runs)


@pytest.mark.parametrize(
    ("run", "left"),
    [
        ({"a": 1}, 4),  # lacks a parameter
        ({"a": 1, "opt": {}}, 4),
        ({"a": 1, "opt": 3}, 4),
        ({"a": 3, "opt": {"lr": 0.1}}, 4),  # outside
        ({"a": True, "opt": {"lr": 0.1}}, 4),  # True is not 1
        ({"a": "1", "opt": {"lr": 0.1}}, 4),
        ({"a": 1, "opt.lr": 0.1}, 4),
        ({"a": 1.0, "opt": {"lr": 0.1, "momentum": 0.9}, "note": "x"}, 3),  # 1.0 is 1, other keys do not matter
        ({"a": 1, "opt": {"lr": 0.1}, "fixed": "edited"}, 3),  # constants do not matter
    ],
)
def test_which_runs_cover_a_cell(run, left):
    """Only a run that has every parameter, with values that are in the grid."""
    parameters = {"a": {"values": [1, 2]}, "opt": {"parameters": {"lr": {"values": [0.1, 0.2]}}}, "fixed": {"value": 1}}
    assert left == len(configs(grid(parameters), runs_of(run)))


def test_what_a_training_run_adds_to_a_dict_value_does_not_matter():
    """Keys that no listed value has are ignored, the order of keys too."""
    values = [{"n": 1, "m": 2}, {"n": 2}]
    assert [{"a": {"n": 2}}] == configs(grid({"a": {"values": values}}), runs_of({"a": {"m": 2, "seen": 9, "n": 1}}))


def test_nan_is_a_value_like_any_other():
    """NaN equals itself, so its cell is covered."""
    nan = float("nan")
    assert [{"a": 1}] == configs(grid({"a": {"values": [nan, 1]}}), runs_of({"a": nan}))


@pytest.mark.parametrize(
    ("value", "covers"),
    [(7, True), (7.0, True), (7.5, False), (10**9, True), (10**9 + 1, False), (0, False), ("7", False), (True, False)],
)
def test_values_of_long_ranges_are_found_without_a_table(value, covers):
    """A whole-number parameter of 10^9 values knows its own."""
    searcher = grid({"a": {"min": 1, "max": 10**9}})
    searcher.suggest(Runs(), 1)
    free = searcher.suggest(runs_of(*({"a": a} for a in range(1, 7)), {"a": value}), 1)[0].config["a"]
    assert (8 if covers and value == 7 else 7) == free
    cells = searcher._cells
    assert covers == (cells.find({"a": value}) is not None)


def test_every_value_of_a_stepped_parameter_is_found_again():
    """Floats of a q_uniform grid are found exactly where they stand."""
    cells = grid({"a": {"distribution": "q_uniform", "min": 0.1, "max": 50, "q": 0.1}})._cells
    assert list(range(cells.size)) == [cells.find(cells.config(i)) for i in range(cells.size)]


@pytest.mark.parametrize(
    "parameters",
    [
        {"a": {"min": 1, "max": 10**9}},
        {name: {"min": 1, "max": 10**3} for name in "abcdef"},
        {"a": {"distribution": "q_uniform", "min": 0, "max": 1, "q": 1e-9}, "b": {"min": 1, "max": 10**9}},
    ],
    ids=["10^9", "10^18", "10^18 of floats"],
)
def test_a_huge_grid_costs_nothing_to_begin(parameters):
    """No cell is made before it is asked for."""
    tracemalloc.start()
    try:
        searcher = grid(parameters)
        found = searcher.suggest(Runs(), 3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 3 == len(found)
    assert searcher._cells.size >= 10**9
    assert peak < 2**20


@pytest.mark.parametrize(
    "parameter",
    [
        {"min": 0.0, "max": 1.0},
        {"distribution": "normal"},
        {"distribution": "q_log_uniform_values", "min": 1, "max": 9},
        {"values": [1, 2], "probabilities": [0.5, 0.5]},
    ],
)
def test_a_parameter_without_a_grid_is_refused(parameter):
    """In W&B's words, with the parameter's path."""
    config = SweepConfig.parse({"method": "random", "parameters": {"opt": {"parameters": {"lr": parameter}}}})
    with pytest.raises(
        ConfigError, match=r"Parameter opt\.lr is a disallowed type with grid search\. Grid search requires"
    ):
        GridSearch(evolve(config, method="grid"))


def test_shuffled_visits_every_cell_once_in_an_order_fixed_by_the_seed():
    """W&B's `randomize_order`, but repeatable."""
    parameters = {"a": {"min": 1, "max": 10}, "b": {"values": ["x", "y"]}}
    in_order = configs(grid(parameters))
    shuffled = [configs(grid(parameters, seed=seed, shuffled=True)) for seed in (1, 1, 2)]
    assert shuffled[0] == shuffled[1] != shuffled[2]
    assert all(in_order == sorted(each, key=lambda c: (c["a"], c["b"])) != each for each in shuffled)


def test_what_is_not_active_makes_no_cells():
    """Cells that would differ only in it are one; what others depend on varies slower, constants come and go as well."""
    parameters = {
        "kind": {"values": ["sgd", "adam"]},
        "decay": {"values": [0, 1]},
        "a_momentum": {"values": [0.5, 0.9], "condition": {"kind": "sgd"}},
        "fixed": {"value": 7, "condition": {"a_momentum": 0.9}},
    }
    found = grid(parameters).suggest(Runs(), 99)
    assert [
        {"kind": "sgd", "decay": 0, "a_momentum": 0.5},
        {"kind": "sgd", "decay": 1, "a_momentum": 0.5},
        {"kind": "sgd", "decay": 0, "a_momentum": 0.9, "fixed": 7},
        {"kind": "sgd", "decay": 1, "a_momentum": 0.9, "fixed": 7},
        {"kind": "adam", "decay": 0},
        {"kind": "adam", "decay": 1},
    ] == [suggestion.config for suggestion in found]
    assert "grid cell 6 of 6" == found[-1].info["why"]


@pytest.mark.parametrize(
    ("run", "left"),
    [
        ({"kind": "adam"}, 2),
        ({"kind": "adam", "momentum": 0.9}, 2),  # a default that the function filled in
        ({"kind": "adam", "momentum": "strange"}, 2),
        ({"kind": "sgd"}, 3),  # a run from before there was a momentum
        ({"kind": "sgd", "momentum": 0.5}, 2),
        ({"momentum": 0.5}, 3),
    ],
)
def test_which_runs_cover_a_conditional_cell(run, left):
    """Those that have what is active; what is not active does not matter."""
    parameters = {
        "kind": {"values": ["sgd", "adam"]},
        "momentum": {"values": [0.5, 0.9], "condition": {"kind": "sgd"}},
    }
    assert left == len(configs(grid(parameters), runs_of(run)))
