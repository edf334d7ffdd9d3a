"""A configuration is written in the page: by hand, as YAML, as Python, and in a cell, and all of them are one."""

from __future__ import annotations

import ast
import json
import re

import pytest
from playwright.sync_api import expect

from browser.conftest import STORE
from browser.form import Form
from browser.workbench import workbench

TRAIN = """
def train():
    with sw.init() as run:
        run.log({"loss": run.config.lr + run.config.dropout})
"""
RAISES = """
def problems(config):
    try:
        sw.sweep(config)
    except sw.ConfigError as error:
        return list(error.problems)
"""

ATTACHED = "import time\nwhile not dash.sweep_id: time.sleep(0.02)"
"""The page is told of a sweep before the traits are."""


@pytest.fixture(scope="module")
def bench(browser, server):
    with workbench(browser, server, "config-editor", [STORE, TRAIN, RAISES]) as bench:
        yield bench


@pytest.fixture
def draft(bench):
    """A notebook with a dashboard of no sweep yet, and its form."""
    with bench.showing("sw.dashboard()") as lab:
        form = Form(lab.page)
        form.fine()
        yield lab, form


def test_a_sweep_begins_from_nothing(draft):
    """The example is a sweep that runs: created and started by two clicks, with a function of the notebook."""
    lab, form = draft
    assert ["lr", "batch_size", "dropout"] == form.names()
    assert "Draft" == lab.page.get_by_test_id("sw-status").inner_text()
    assert "true" == lab.page.get_by_test_id("sw-start").get_attribute("aria-disabled")
    form.put("runs", "4")
    form.apply()
    expect(lab.page.get_by_test_id("sw-status")).to_have_text("Not started")
    lab.page.get_by_test_id("sw-start").click()
    expect(lab.page.get_by_test_id("sw-status")).to_have_text("Finished")
    expect(lab.page.locator("[data-testid=sw-run-row][data-state=finished]")).to_have_count(4)
    asked = "[{(k, type(v).__name__) for k, v in r.config.items()} for r in sw.Api().sweep(dash.sweep_id).runs]"
    assert [{("lr", "float"), ("batch_size", "int"), ("dropout", "float")}] * 4 == ast.literal_eval(lab.ask(asked))


def test_every_distribution_is_offered_and_drawn(draft):
    """Each can be chosen, runs as it is first given, and shows 200 draws on the axis that fits it."""
    lab, form = draft
    known = json.loads(
        lab.ask(
            "import json; from sweepwidget.widget.forms import forms; print(json.dumps(list(forms()['distributions'])))"
        )
    )
    kinds = form.root.get_by_label("Distribution of lr", exact=True).locator("option")
    assert [*known, "group"] == [kind.get_attribute("value") for kind in kinds.all()]
    spread = {}
    form.become("batch_size", "uniform")  # from 16 to 64
    for kind in known:
        form.become("batch_size", kind)
        form.fine()
        expect(form.row("batch_size")).to_have_attribute("data-kind", kind)
        if kind != "constant":
            spread[kind] = sum(bar > 0 for bar in form.preview("batch_size")["bars"])
        if kind != "uniform":
            form.page.get_by_role("button", name="Undo", exact=True).click()
    flat = [kind for kind in spread if "uniform" in kind and not kind.startswith(("int_", "q_"))]
    assert dict.fromkeys(flat, True) == {kind: spread[kind] > 24 for kind in flat}
    form.become("lr", "log_uniform_values")
    form.put("min of lr", "1e-5")
    form.put("max of lr", "1.0")
    form.fine()
    assert "200 draws between 1e-5 and 1" == form.preview("lr")["label"]


def test_parameters_are_added_renamed_nested_and_removed(draft):
    """Conditions follow the name of the parameter they ask for; a name that is taken waits in its field."""
    _, form = draft
    form.act("dropout", "Remove dropout")
    assert ["lr", "batch_size"] == form.names()
    form.page.get_by_test_id("sw-param-add").click()
    form.put("Name of parameter", "optimizer")
    form.become("optimizer", "categorical")
    for i, text in enumerate(["'sgd'", "adam"]):
        form.put(f"Value {i + 1} of optimizer", text)
    form.page.get_by_test_id("sw-param-add").click()
    form.put("Name of parameter", "inner")
    form.become("inner", "group")
    form.root.get_by_role("button", name="+ parameter in inner").click()
    form.put("Name of parameter", "momentum")
    assert ["lr", "batch_size", "optimizer", "inner", "inner.momentum"] == form.names()
    form.act("momentum", "Only when …")
    form.root.get_by_label("only when (momentum)", exact=True).select_option("optimizer")
    form.root.get_by_role("group", name="optimizer (momentum)").get_by_label("sgd").check()
    form.fine()
    form.put("Name of optimizer", "opt")
    form.fine()
    form.put("Name of opt", "lr")
    expect(form.row("opt")).to_contain_text("There is a lr already")
    parameters = ast.literal_eval(form.text("Python"))["parameters"]
    assert ["lr", "batch_size", "opt", "inner"] == list(parameters)
    assert {"values": ["sgd", "adam"]} == parameters["opt"]
    momentum = {"min": 0.0, "max": 1.0, "condition": {"opt": ["sgd"]}}
    assert {"parameters": {"momentum": momentum}} == parameters["inner"]


def test_method_metric_stopping_and_cap_are_set(draft):
    """What a sweep says beside its parameters is set by name, and Python reads the same."""
    lab, form = draft
    for method in ("bayes", "grid", "random"):
        form.choose("method", method)
    form.put("metric", "accuracy")
    form.choose("goal", "maximize")
    form.put("runs", "7")
    for kind in ("median", "asha", "hyperband"):
        form.root.get_by_label("early stopping", exact=True).select_option(kind)
        form.fine()
    form.put("eta", "2")
    form.apply()
    form.open()
    form.says("As in force · version 1")
    lab.ask(ATTACHED)
    config = ast.literal_eval(lab.ask("dash.config"))
    del config["parameters"]
    assert {
        "method": "random",
        "metric": {"name": "accuracy", "goal": "maximize"},
        "run_cap": 7,
        "early_terminate": {"type": "hyperband", "min_iter": 3, "eta": 2},
    } == config


def test_the_size_of_a_grid_and_its_duration_are_told(draft):
    """The grid counts its cells as it is edited; once runs have ended, it also says how long it will take."""
    lab, form = draft
    form.choose("method", "grid")
    expect(form.errors).to_have_count(2)
    form.become("lr", "categorical")
    form.become("dropout", "categorical")
    form.put("+ value: dropout", "0.25")
    form.fine()
    expect(form.standing).to_contain_text("grid: 18 cells · 18 runs")
    form.put("runs", "5")
    expect(form.standing).to_contain_text("grid: 18 cells · 5 runs")
    form.apply()
    lab.page.get_by_test_id("sw-start").click()
    expect(lab.page.get_by_test_id("sw-status")).to_have_text("Finished")
    form.open()
    form.put("runs", "12")
    expect(form.standing).to_contain_text(re.compile(r"grid: 18 cells · 12 runs · ≈ \d"))


WRONG = [
    {"method": "grid", "parameters": {"lr": {"min": 0.0, "max": 1.0}}},
    {"method": "random", "parameters": {"lr": {"min": 2.0, "max": 1.0}}},
    {"method": "random", "parameters": {"lr": {"values": [1, 2], "probabilities": [0.5, 0.6]}}},
    {"method": "random", "parameters": {"lr": {"values": []}}},
    {"method": "random", "parameters": {"lr": {"distribution": "log_uniform_values", "min": 0.0, "max": 1.0}}},
    {"method": "random", "parameters": {"lr": {"distribution": "normal", "mu": 0.0, "sigma": -1.0}}},
    {"method": "random", "parameters": {"lr": {"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0}}},
    {"method": "random", "parameters": {"lr": {"min": "1", "max": 2.0}}},
    {"method": "bayes", "parameters": {"lr": {"min": 0.0, "max": 1.0}}},
    {"method": "random", "run_cap": 0, "parameters": {"lr": {"value": 1}}},
    {"method": "random", "early_terminate": {"type": "hyperband"}, "parameters": {"lr": {"value": 1}}},
    {"method": "random", "parameters": {"lr": {"value": 1, "condition": {"nobody": 1}}}},
    {"method": "random", "parameters": {"opt": {"parameters": {"lr": {"min": 3.0, "max": 1.0}}}}},
]


def test_what_is_wrong_is_said_in_pythons_words(draft):
    """Whatever `sw.sweep` would raise stands beside the field, word by word, and nothing can be created from it."""
    lab, form = draft
    raised = ast.literal_eval(
        lab.ask(f"%%capture\nraised = [problems(config) for config in {WRONG!r}]") or lab.ask("raised")
    )
    for config, problems in zip(WRONG, raised, strict=True):
        form.write("Python", repr(config))
        form.view("Form")
        words = [problem.partition(": ")[2] for problem in problems]
        expect(form.errors).to_contain_text(words)
        assert "true" == lab.page.get_by_test_id("sw-apply").get_attribute("aria-disabled")


def test_form_yaml_python_and_cells_are_one(draft):
    """An edit in any of them is there in all the others; what is applied is what Python has."""
    lab, form = draft
    form.put("max of lr", "0.25")
    assert "max: 0.25" in form.text("YAML")
    assert 0.25 == ast.literal_eval(form.text("Python"))["parameters"]["lr"]["max"]
    form.write("YAML", "method: grid\nparameters:\n  depth:\n    values: [1, 2, 3]\n  name:\n    value: 'on'\n")
    form.view("Form")
    expect(form.row("depth")).to_be_visible()
    assert ["depth", "name"] == form.names()
    assert "'on'" == form.value("value of name") or "on" == form.value("value of name")
    assert "grid: 3 cells" in form.fine()
    form.write("Python", "config = {'method': 'random', 'parameters': {'depth': {'min': 1, 'max': 9}}}")
    form.view("Form")
    expect(form.row("depth")).to_have_attribute("data-kind", "int_uniform")
    form.fine()
    form.apply()
    form.open()
    form.says("As in force · version 1")
    config = {"method": "random", "parameters": {"depth": {"min": 1, "max": 9}}}
    lab.ask(ATTACHED)
    assert [config, config] == ast.literal_eval(lab.ask("[dash.config, sw.Api().sweep(dash.sweep_id).config]"))
    lab.ask("dash.config = {**dash.config, 'parameters': {'depth': {'min': 1, 'max': 5}}}")
    form.says("As in force · version 2")
    assert "5" == form.value("max of depth")


def test_a_draft_is_set_from_a_cell(draft):
    """Without a sweep, too, what a cell sets is what the form shows."""
    lab, form = draft
    lab.ask("dash.config = {'method': 'random', 'parameters': {'from_cell': {'values': [1.0, 1, '1', True, None]}}}")
    expect(form.row("from_cell")).to_be_visible()
    values = form.row("from_cell").get_by_label(re.compile("^Value . of from_cell$"))
    assert ["1.0", "1", '"1"', "true", "null"] == [value.input_value() for value in values.all()]


def test_a_cell_reads_the_draft_as_it_is_edited(draft):
    """`dash.config` follows the form; what a cell makes of it is the draft then, and can be undone in the page."""
    lab, form = draft
    form.put("runs", "4")
    form.put("max of lr", "0.5")
    form.preview("lr")
    assert "('', 4, 0.5)" == lab.ask("(dash.sweep_id, dash.config['run_cap'], dash.config['parameters']['lr']['max'])")
    lab.ask("dash.config = {**dash.config, 'run_cap': 7}")
    expect(form.root.get_by_label("runs", exact=True)).to_have_value("7")
    assert "0.5" == form.value("max of lr")
    expect(form.standing).to_contain_text("7 runs")
    form.root.get_by_role("button", name="Undo", exact=True).click()
    assert "4" == form.value("runs")
    expect(form.standing).to_contain_text("4 runs")
    assert "4" == lab.ask("dash.config['run_cap']")


def test_values_keep_their_type(draft):
    """1.0, 1, "1", True, true-ish words and None are different values, on every way through the form and back."""
    lab, form = draft
    values = [1.0, 1, "1", True, "True", "yes", None, "null", 1e-05, 2**60, "", " a", [1, 1.0], {"a": 1.0}]
    form.write("Python", repr({"method": "random", "parameters": {"v": {"values": values}, "w": {"value": 3.0}}}))
    form.view("Form")
    expect(form.row("v")).to_be_visible()
    form.fine()
    shown = [f.input_value() for f in form.row("v").get_by_label(re.compile(r"^Value \d+ of v$")).all()]
    assert len(values) == len(set(shown))
    for i, text in enumerate(shown):  # what is shown can be typed
        form.put(f"Value {i + 1} of v", "9")
        form.put(f"Value {i + 1} of v", text)
    form.write("YAML", form.text("YAML") + "\n")
    form.view("Form")
    form.fine()
    form.apply()
    form.open()
    form.says("As in force · version 1")
    asked = "repr(sw.Api().sweep(dash.sweep_id).config['parameters'])"
    assert repr({"v": {"values": values}, "w": {"value": 3.0}}) == ast.literal_eval(lab.ask(asked))
