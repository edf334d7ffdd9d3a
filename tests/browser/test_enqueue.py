"""Runs by hand: a configuration is typed, or taken from a row and changed, and then it really runs."""

from __future__ import annotations

import ast

import pytest
from playwright.sync_api import expect

from browser.conftest import STORE
from browser.workbench import workbench

TRAIN = """
def train():
    with sw.init() as run:
        run.log({"loss": run.config.lr})
"""
SWEEP = """
sweep_id = sw.sweep({"method": "random", "seed": 3, "metric": {"name": "loss", "goal": "minimize"}, "run_cap": 3, "parameters": {
    "lr": {"distribution": "log_uniform_values", "min": 0.01, "max": 10.0}, "kind": {"values": [1.0, "1", True, "sgd"]},
    "inner": {"parameters": {"depth": {"min": 1, "max": 9}}}, "epochs": {"value": 2}}})
"""
WORK = "sw.agent(sweep_id, function=train)"
CONFIGS = "repr([dict(run.config) for run in sw.Api().sweep(sweep_id).runs])"


@pytest.fixture(scope="module")
def bench(browser, server):
    with workbench(browser, server, "enqueue", [STORE, TRAIN]) as bench:
        yield bench


def configs(lab):
    return ast.literal_eval(ast.literal_eval(lab.ask(CONFIGS)))


def test_a_run_is_added_by_hand_and_runs(bench):
    """What cannot be is said while typing; what was added stands in the queue, and is what the next agent runs."""
    with bench.showing("sw.dashboard(sweep_id)", SWEEP) as lab:
        lab.page.get_by_test_id("sw-add-run").click()
        form = lab.page.get_by_test_id("sw-enqueue")
        lr = form.get_by_label("lr", exact=True)
        lr.fill("much")
        expect(form.get_by_text("needs a number")).to_be_visible()
        expect(form.get_by_test_id("sw-enqueue-add")).to_have_attribute("aria-disabled", "true")
        lr.fill("20")
        expect(form.get_by_text("outside 0.01 … 10; it will run all the same")).to_be_visible()
        lr.fill("1")
        form.get_by_label("kind", exact=True).select_option("true")
        form.get_by_label("inner.depth", exact=True).fill("7")
        expect(form.get_by_text("epochs = 2")).to_be_visible()
        form.get_by_test_id("sw-enqueue-add").click()
        expect(form.get_by_text("it is next in the queue")).to_be_visible()
        form.get_by_role("button", name="Close").first.click()
        lab.page.get_by_test_id("sw-tab-queue").click()
        lab.page.mouse.move(5, 5)  # rows stand still under the pointer
        expect(lab.page.get_by_role("list", name="Runs that wait, in their order").locator("li")).to_have_count(1)
        lab.ask("_ = " + WORK)
        made = configs(lab)
        assert repr({"lr": 1.0, "kind": True, "inner": {"depth": 7}, "epochs": 2}) == repr(made[0])
        assert 3 == len(made)
        expect(lab.page.locator("[data-testid=sw-run-row][data-state=finished]")).to_have_count(3)


def test_a_row_is_run_again_with_a_change(bench):
    """The form starts from the row, and Enter sends it; what was not touched keeps its value and its type; a finished sweep
    goes on.
    """
    with bench.showing("sw.dashboard(sweep_id)", SWEEP + WORK) as lab:
        row = lab.page.locator("[data-testid=sw-run-row][data-state=finished]").first
        run = row.get_attribute("data-run-id")
        row.get_by_role("button", name="What to do with run").click()
        lab.page.get_by_role("menuitem", name="Run this variant…").click()
        form = lab.page.get_by_test_id("sw-enqueue")
        depth = 9 - int(form.get_by_label("inner.depth", exact=True).input_value()) // 2
        form.get_by_label("inner.depth", exact=True).fill(str(depth))
        expect(form.get_by_text("changed", exact=True)).to_have_count(1)
        form.get_by_label("inner.depth", exact=True).press("Enter")
        expect(form.get_by_text("it is next in the queue")).to_be_visible()
        form.get_by_role("button", name="Close").first.click()
        lab.page.mouse.move(5, 5)  # rows stand still under the pointer
        lab.ask("_ = " + WORK)
        expect(lab.page.locator("[data-testid=sw-run-row][data-state=finished]")).to_have_count(4)
        before = ast.literal_eval(ast.literal_eval(lab.ask(f"repr(dict(sw.Api().run({run!r}).config))")))
        assert repr({**before, "inner": {"depth": depth}}) == repr(configs(lab)[3])
