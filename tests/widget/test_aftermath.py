"""What a dashboard knows when something has ended, well or badly: agents that died, a controller that failed, a sweep that is done."""

from __future__ import annotations

import subprocess
import sys

import pytest
from attrs import evolve

from sweepwidget.model import Agent, AgentId, RunState, SweepState
from sweepwidget.process import this_process
from sweepwidget.sweepconfig import SweepConfig
from sweepwidget.widget.narrowing import narrowed

from .conftest import RANDOM
from .test_desk import Hands

R, S = RunState, SweepState


@pytest.fixture
def sweep_id(wandb, capsys) -> str:
    return wandb.sweep(RANDOM)


# -- agents that died -----------------------------------------------------------------------------------------------


def test_an_agent_whose_process_died_says_how_and_what_it_was_at(page, sweep_id):
    """The dashboard notices by itself, with nobody steering, and the run waits again."""
    hands = Hands(sweep_id)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    doomed = Agent(AgentId("doomed"), hands.sweep_id, _process(process.pid))
    hands.store.join(doomed, 30)
    hands.agent = doomed.id
    run = hands.begin(lr=0.5)
    process.kill()
    process.wait()
    process.stdin.close()
    state = page(sweep_id).until(lambda state: (state.agents.get("doomed") or {}).get("lost") is not None)
    assert {"how": "dead", "runs": [run.id]} == state.agents["doomed"]["lost"]
    assert ("gone", None) == (state.agents["doomed"]["state"], state.agents["hand"]["lost"])
    assert "pending" == state.rows[run.id]["state"]


def test_an_agent_that_left_is_not_lost(page, sweep_id):
    hands = Hands(sweep_id)
    hands.store.leave(hands.agent)
    state = page(sweep_id).until(lambda state: "hand" in state.agents)
    assert ("gone", None) == (state.agents["hand"]["state"], state.agents["hand"]["lost"])


def _process(pid: int):
    from sweepwidget.process import _stat

    return evolve(this_process(), pid=pid, started=_stat(pid)[19])


# -- a controller that failed ---------------------------------------------------------------------------------------


def test_a_controller_that_failed_says_where_and_works_again(wandb, page, sweep_id, monkeypatch, capsys):
    """The sweep is paused with its error and traceback; to resume it has this dashboard's agents work again."""
    broken = [True]

    def search(sweep, runs):
        if broken[0]:
            raise ValueError("no such <corner>")
        return {"lr": 0.5}

    def train():
        with wandb.init() as run:
            run.log({"loss": 1.0})

    custom = wandb.sweep({**RANDOM, "method": "custom", "parameters": {"lr": {"min": 0.0, "max": 1.0}}})
    wandb.controller(custom).configure_search(search)
    train.__module__, train.__qualname__ = "__main__", "train"
    monkeypatch.setattr(sys.modules["__main__"], "train", train, raising=False)
    front = page(custom)
    front.answer("start_agents", n=2, backend="thread", function="train")
    state = front.until(lambda state: (state.head.get("sweep") or {}).get("failure"))
    assert "PAUSED" == state.head["sweep"]["state"]
    assert state.head["sweep"]["failure"].endswith("search raised ValueError: no such <corner>")
    traceback = front.answer("failure").head["result"]["traceback"]
    assert "in search" in traceback
    front.wait(lambda said: said.head["type"] == "notice")
    broken[0] = False
    assert front.answer("resume").head["type"] == "done"
    state = front.until(lambda state: state.head["sweep"]["state"] == "FINISHED")
    assert ("", 4) == (state.head["sweep"]["failure"], len(state.rows))
    assert "" == front.answer("failure").head["result"]["traceback"]


# -- a sweep that is done ----------------------------------------------------------------------------------------------


def _finished(sweep_id: str) -> Hands:
    hands = Hands(sweep_id)
    for i in range(4):
        hands.end(hands.begin(lr=i / 10, opt={"name": "sgd"}), summary={"loss": float(i)})
    hands.store.set_state(hands.sweep_id, S.FINISHED, "run_cap of 4 reached")
    return hands


def test_a_finished_sweep_is_extended(page, sweep_id):
    """By so many runs more, and it goes on."""
    hands = _finished(sweep_id)
    front = page(sweep_id)
    assert {"run_cap": 14, "config_version": 2} == front.answer("extend", runs=10).head["result"]
    assert S.RUNNING is hands.store.sweep(hands.sweep_id).state
    for n in (0, True, "3", 10**7):
        assert "refused" == front.answer("extend", runs=n).head["type"]


def test_a_next_sweep_is_a_cell(wandb, page, sweep_id, capsys):
    """It runs as it is, begins with the best runs, and searches around them."""
    _finished(sweep_id)
    front = page(sweep_id)
    front.until(lambda state: len(state.rows) == 4)
    result = front.answer("narrow", k=2).head["result"]
    code = result["python"].replace("sw.dashboard(sweep_id)", "")
    namespace = {"sw": wandb}
    exec(code, namespace)
    made = wandb.Api().sweep(namespace["sweep_id"])
    assert [{"lr": 0.0, "opt": {"name": "sgd"}}, {"lr": 0.1, "opt": {"name": "sgd"}}] == [
        run.config for run in sorted(made.runs, key=lambda run: run.config["lr"])
    ]
    assert (0.0, 0.12) == (made.config["parameters"]["lr"]["min"], made.config["parameters"]["lr"]["max"])
    assert ["sgd"] == made.config["parameters"]["opt"]["parameters"]["name"]["values"]
    assert "refused" == front.answer("narrow", k=0).head["type"]


@pytest.mark.parametrize(
    ("spec", "values", "expected"),
    [
        ({"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0}, [1e-3, 1e-2], (7.94e-4, 0.0126)),
        ({"distribution": "log_uniform", "min": -10, "max": 0}, [0.1, 0.1], (-2.51, -2.1)),
        ({"min": 1, "max": 100}, [40, 60], (39, 62)),
        ({"min": 0.0, "max": 1.0}, [0.0, 1.0], (0.0, 1.0)),
    ],
)
def test_a_range_is_narrowed_on_its_own_axis(spec, values, expected):
    """Around the best values, with a margin; whole numbers stay whole, and the old limits hold."""
    config = SweepConfig.parse({"method": "random", "parameters": {"x": spec}})
    assert expected == pytest.approx(_limits(config, values), rel=1e-9)


def _limits(config: SweepConfig, values) -> tuple:
    from sweepwidget.model import Run, RunId

    runs = [Run(RunId(f"r{i}"), None, i, {"x": value}) for i, value in enumerate(values)]
    made = narrowed(config, runs)
    assert SweepConfig.parse(made).to_dict() == made
    return made["parameters"]["x"]["min"], made["parameters"]["x"]["max"]


def test_a_report_is_a_file(page, sweep_id):
    _finished(sweep_id)
    said = page(sweep_id).answer("export", timeout=60, kind="report")
    assert (f"sweep-{sweep_id}.html", "text/html") == (
        said.head["result"]["filename"],
        said.head["result"]["mime"],
    )
    assert b"<!doctype html>" in said.buffer[:100].lower()


# -- runs by hand ---------------------------------------------------------------------------------------------------


def test_runs_by_hand_that_wait_are_told_apart_from_suggestions(page, sweep_id):
    """How many, and since when the oldest waits, until somebody takes them."""
    hands = Hands(sweep_id)
    front = page(sweep_id)
    run_id = front.answer("enqueue", config={"lr": 0.5, "opt": {"name": "sgd"}}).head["result"]["run"]
    state = front.until(lambda state: state.head.get("progress", {}).get("by_hand") == 1)
    assert state.rows[run_id]["created_at"] == state.head["progress"]["by_hand_since"]
    hands.store.claim(hands.agent, "c1")
    front.until(lambda state: (state.head["progress"]["by_hand"], state.head["progress"]["by_hand_since"]) == (0, None))
