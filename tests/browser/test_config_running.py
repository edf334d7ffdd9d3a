"""The configuration of a sweep that runs is edited: shown as a difference, in force from the next run on, never by accident."""

from __future__ import annotations

import ast

import pytest
from playwright.sync_api import expect

from browser.conftest import STORE
from browser.form import Form
from browser.workbench import workbench

SWEEP = """
import threading
gate = threading.Semaphore(0)   # a run ends when it is let
def train():
    with sw.init() as run:
        run.log({"loss": run.config.lr})
        gate.acquire()
"""
CONFIG = """
gate = threading.Semaphore(0)
sweep_id = sw.sweep({"method": "random", "metric": {"name": "loss", "goal": "minimize"}, "run_cap": 40,
    "parameters": {"lr": {"min": 0.0, "max": 1.0}, "kind": {"values": [1.0, "1", True]}}})
"""
AGENT = "handle = sw.agent(sweep_id, function=train, block=False)"
RUNS = "[(r.config['lr'] > 1, r._row.config_version) for r in sw.Api().sweep(sweep_id).runs]"
STORED = "sw.Api().sweep(sweep_id).config"


@pytest.fixture(scope="module")
def bench(browser, server):
    with workbench(browser, server, "config-running", [STORE, SWEEP]) as bench:
        yield bench


@pytest.fixture
def edited(bench):
    """A notebook with a dashboard of a sweep, and its form."""
    with bench.showing("sw.dashboard(sweep_id)", CONFIG) as lab:
        form = Form(lab.page)
        form.open()
        form.fine()
        yield lab, form
        lab.ask("sw.cancel(sweep_id); gate.release(100)")


def run_of(lab, state):
    return lab.page.locator(f"[data-testid=sw-run-row][data-state={state}]")


def test_an_edit_is_shown_applied_and_undone(edited):
    """The difference stands below the form; Apply makes it the next version, and one click goes back, as a version more."""
    lab, form = edited
    form.says("As in force · version 1")
    form.put("max of lr", "0.5")
    form.put("Name of kind", "sort")
    form.says("3 changes to what is in force")
    assert [
        "lr.max 1.0 0.5",
        "sort added {'values': [1.0, '1', True]}",
        "kind {'values': [1.0, '1', True]} removed",
    ] == form.changes()
    form.apply()
    form.says("As in force · version 2")
    assert [] == form.changes()
    parameters = {"lr": {"min": 0.0, "max": 0.5}, "sort": {"values": [1.0, "1", True]}}
    assert repr(parameters) == ast.literal_eval(lab.ask(f"repr({STORED}['parameters'])"))
    form.root.get_by_role("button", name="Back to version 1").click()
    form.says("As in force · version 3")
    assert ["lr", "kind"] == form.names()
    before = {"lr": {"min": 0.0, "max": 1.0}, "kind": {"values": [1.0, "1", True]}}
    assert repr(before) == ast.literal_eval(lab.ask(f"repr({STORED}['parameters'])"))


def test_runs_keep_the_version_they_were_drawn_from(edited):
    """A run that works goes on with its values; the next one is drawn from what was applied meanwhile."""
    lab, form = edited
    lab.ask(AGENT)
    expect(run_of(lab, "running")).to_have_count(1)
    form.put("max of lr", "3.0")
    form.put("min of lr", "2.0")
    form.apply()
    form.says("As in force · version 2")
    lab.ask("gate.release()")
    expect(run_of(lab, "finished")).to_have_count(1)
    expect(run_of(lab, "running")).to_have_count(1)
    # The next run may have been drawn before the edit; the one after it was not.
    lab.ask("gate.release()")
    expect(run_of(lab, "finished")).to_have_count(2)
    expect(run_of(lab, "running")).to_have_count(1)
    runs = ast.literal_eval(lab.ask(RUNS))
    assert (False, 1) == runs[0]
    assert (True, 2) == runs[2]
    assert [version == 2 for _, version in runs] == [high for high, _ in runs]
    lab.page.get_by_role("button", name="Columns", exact=True).click()
    lab.page.get_by_label("space", exact=True).check()
    lab.page.keyboard.press("Escape")
    header = [text.strip() for text in lab.page.locator("[data-testid=sw-runs] thead th").all_inner_texts()]
    cells = run_of(lab, "running").locator("td, th").all_inner_texts()
    assert "2" == cells[header.index("space")].strip()


def test_a_draft_that_cannot_run_replaces_nothing(edited):
    """It says why, Apply is off, and the next runs are drawn from what is in force; Discard goes back to that."""
    lab, form = edited
    form.put("max of lr", "-1")
    expect(form.errors).to_have_count(1)
    apply = lab.page.get_by_test_id("sw-apply")
    assert ("true", "1 problem") == (apply.get_attribute("aria-disabled"), apply.get_attribute("title"))
    apply.click(force=True)
    form.write("YAML", "method: [random\n")
    expect(form.root.get_by_text("The text is not a configuration yet", exact=False)).to_be_visible()
    lab.ask(AGENT)
    expect(run_of(lab, "running")).to_have_count(1)
    assert {(False, 1)} == set(ast.literal_eval(lab.ask(RUNS)))
    form.view("Form")
    form.discard()
    assert "1.0" == form.value("max of lr")
    form.says("As in force · version 1")


def test_what_is_half_typed_stays(edited):
    """Runs come and go, the configuration is changed elsewhere: the field keeps what was typed, and says so."""
    lab, form = edited
    lab.ask(AGENT)
    field = form.root.get_by_label("max of lr", exact=True)
    field.press("End")
    field.press_sequentially("e-")
    assert "1.0e-" == field.input_value()
    for n in range(1, 4):
        lab.ask("gate.release()")
        field.focus()
        expect(run_of(lab, "finished")).to_have_count(n)
    assert "1.0e-" == field.input_value()
    lab.ask("dash.config = {**dash.config, 'run_cap': 30}")
    expect(form.root.get_by_text("was changed elsewhere", exact=False)).to_be_visible()
    assert "1.0e-" == field.input_value()
    field.press("End")
    field.press_sequentially("2")
    field.press("Enter")
    form.fine()
    assert ["lr.max 1.0 1.0e-2", "run_cap 30 40"] == sorted(form.changes())
    form.discard()
    form.says("As in force · version 2")
    assert ["1.0", "30"] == [form.value("max of lr"), form.value("runs")]


def test_an_edit_of_one_value_leaves_the_types_of_the_others(edited):
    """1.0 stays a float, "1" a text, True a truth, though the page is written in JavaScript; 1 for 1.0 is a change."""
    lab, form = edited
    form.put("runs", "41")
    form.apply()
    form.says("As in force · version 2")
    lab.ask("import time\nwhile dash.config['run_cap'] != 41: time.sleep(0.02)")
    asked = f"repr([{STORED}['parameters']['kind']['values'], {STORED}['run_cap'], dash.config['parameters']['kind']['values']])"
    assert "[[1.0, '1', True], 41, [1.0, '1', True]]" == ast.literal_eval(lab.ask(asked))
    form.put("Value 1 of kind", "1")
    assert ["kind.values [1.0, '1', True] [1, '1', True]"] == form.changes()
    form.apply()
    form.says("As in force · version 3")
    assert "[1, '1', True]" == ast.literal_eval(lab.ask(f"repr({STORED}['parameters']['kind']['values'])"))
