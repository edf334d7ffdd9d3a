"""Looking at what a sweep found: figures, brushing, a selection that Python has too, and files to take along."""

from __future__ import annotations

import ast
import csv
import re
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import expect

from browser.conftest import STORE
from browser.workbench import workbench

SWEPT = """
import math
def train():
    with sw.init() as run:
        for step in range(6):
            run.log({"loss": (math.log10(run.config.lr) + 2) ** 2 + run.config.depth / 10 + math.exp(-step)})
sweep_id = sw.sweep({"name": "figures", "method": "random", "seed": 5, "metric": {"name": "loss", "goal": "minimize"},
    "run_cap": 12, "parameters": {"lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1.0},
    "depth": {"values": [1, 2, 3]}, "dropout": {"min": 0.0, "max": 0.5}}})
sw.agent(sweep_id, function=train)
"""
GL = """
const real = HTMLCanvasElement.prototype.getContext;
window.contexts = [];
HTMLCanvasElement.prototype.getContext = function (kind, ...more) { window.contexts.push(kind); return real.call(this, kind, ...more); };
0
"""
KNOWN = "sorted(r.id for r in sw.Api().sweep(sweep_id).runs if {})"


@pytest.fixture(scope="module")
def bench(browser, server):
    with workbench(browser, server, "figures", [STORE, SWEPT]) as bench:
        bench.notebook.page.evaluate(GL)
        yield bench


@pytest.fixture
def lab(bench):
    with bench.showing("sw.dashboard(sweep_id)") as lab:
        expect(lab.page.get_by_test_id("sw-run-row")).to_have_count(12)
        yield lab


def figure(lab, name):
    lab.page.get_by_test_id("sw-tab-figures").click()
    lab.page.get_by_test_id("sw-figures").get_by_test_id(f"sw-tab-{name}").click()
    drawn = lab.page.get_by_role("figure", name=re.compile("figure. The runs table"))
    drawn.locator("svg.main-svg").first.wait_for()
    return drawn


def marked(lab):
    return sorted(
        row.get_attribute("data-run-id")
        for row in lab.page.locator("[data-testid=sw-run-row][aria-selected=true]").all()
    )


def until_python_has(lab, expected):
    """What the page sets takes a moment to be heard."""
    for _ in range(50):
        if (selected := ast.literal_eval(lab.ask("sorted(dash.selected)"))) == expected:
            break
    assert expected == selected


MARKS = {"importance": ".bars path", "slice": ".scatterlayer path.point", "contour": ".contourlayer path", "history": ".scatterlayer path.point",
         "timeline": ".bars path", "edf": ".scatterlayer path.js-line"}  # fmt: skip


def test_every_figure_is_drawn(lab):
    """With plotly from the kernel, marks for the runs, no error, and never a WebGL context."""
    for name, mark in MARKS.items():
        drawn = figure(lab, name)
        expect(drawn.locator(mark).first).to_be_attached()
        assert 0 == lab.page.get_by_test_id("sw-figures").get_by_test_id("sw-error").count()
    assert [] == [kind for kind in lab.page.evaluate("window.contexts") if kind != "2d"]


def test_a_run_is_added_where_one_points(lab):
    """A click into a contour's plane offers a run there; the form starts from those values."""
    drawn = figure(lab, "contour")
    drawn.locator(".contourlayer path").first.wait_for(state="attached")
    drawn.scroll_into_view_if_needed()
    box = drawn.locator(".nsewdrag").first.bounding_box()
    lab.page.mouse.click(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.6)
    here = lab.page.locator(".sw-here")
    expect(here).to_contain_text("Here: ")
    places = dict(
        part.split(" = ") for part in here.locator("span").first.inner_text().removeprefix("Here: ").split(", ")
    )
    assert 2 == len(places)
    here.get_by_role("button", name="Add run here").click()
    form = lab.page.get_by_test_id("sw-enqueue")
    for name, value in places.items():
        assert float(value) == pytest.approx(float(form.get_by_label(name, exact=True).input_value()), rel=1e-3)
    form.get_by_role("button", name="Close").first.click()


def test_a_brush_selects_in_the_table_and_in_python(lab):
    """A stretch of an axis limits the runs; they are marked in the table, and are `dash.selected`."""
    lab.page.get_by_test_id("sw-tab-parallel").click()
    strip = lab.page.get_by_test_id("sw-parallel").locator(".sw-axis-strip").last
    lab.page.get_by_test_id("sw-parallel").scroll_into_view_if_needed()
    box = strip.bounding_box()
    lab.page.mouse.move(box["x"] + 12, box["y"] + box["height"] * 0.5)
    lab.page.mouse.down()
    lab.page.mouse.move(box["x"] + 12, box["y"] + box["height"] - 4, steps=4)
    lab.page.mouse.up()
    shown = lab.page.get_by_text(re.compile(r"^\d+ of 12 runs within the limits$"))
    kept = int(shown.inner_text().split()[0])
    assert 0 < kept < 12
    brushed = marked(lab)
    assert kept == len(brushed)
    until_python_has(lab, brushed)
    losses = ast.literal_eval(lab.ask("{r.id: r.summary['loss'] for r in sw.Api().sweep(sweep_id).runs}"))
    assert sorted(sorted(losses, key=losses.get)[:kept]) == brushed
    lab.page.get_by_role("button", name="Clear all limits").click()
    until_python_has(lab, [])


def test_a_selection_goes_both_ways(lab):
    """Ticked rows are `dash.selected` and `dash.selected_df`; what Python selects is ticked."""
    boxes = lab.page.get_by_test_id("sw-run-row").get_by_role("checkbox")
    boxes.nth(1).click()
    boxes.nth(3).click()
    until_python_has(lab, marked(lab))
    assert 2 == len(marked(lab))
    frame = "[(i, lr > 0, s) for i, lr, s in zip(dash.selected_df['id'], dash.selected_df['config.lr'], dash.selected_df['state'])]"
    assert [(run, True, "finished") for run in marked(lab)] == sorted(ast.literal_eval(lab.ask(frame)))
    deep = ast.literal_eval(lab.ask(KNOWN.format("r.config['depth'] == 3")))
    lab.ask("dash.selected = " + KNOWN.format("r.config['depth'] == 3"))
    expect(lab.page.locator("[data-testid=sw-run-row][aria-selected=true]")).to_have_count(len(deep))
    assert deep == marked(lab)
    lab.ask("dash.selected = []")
    expect(lab.page.locator("[data-testid=sw-run-row][aria-selected=true]")).to_have_count(0)


def test_files_are_taken_along(lab):
    """CSV, YAML, Python and a report arrive as files and read back; the report needs nothing but itself."""
    files = {}
    for kind in ("csv", "yaml", "python", "report"):
        expect(lab.page.get_by_role("menu")).to_have_count(0)
        lab.page.get_by_test_id("sw-export").click()
        with lab.page.expect_download() as download:
            lab.page.get_by_test_id(f"sw-export-{kind}").click()
        files[kind] = Path(download.value.path()).read_text("utf-8")
        assert download.value.suggested_filename.endswith({"python": ".py", "report": ".html"}.get(kind, f".{kind}"))
    config = ast.literal_eval(lab.ask("sw.Api().sweep(sweep_id).config"))
    assert [config, config] == [yaml.safe_load(files["yaml"]), ast.literal_eval(files["python"])]
    losses = ast.literal_eval(lab.ask("[repr(r.summary['loss']) for r in sw.Api().sweep(sweep_id).runs]"))
    assert losses == [row["summary.loss"] for row in csv.DictReader(files["csv"].splitlines())]
    assert [] == re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", files["report"])
    page = lab.page.context.browser.new_page()
    fetched = []
    page.on("request", lambda request: fetched.append(request.url))
    page.set_content(files["report"])
    page.locator("svg.main-svg").first.wait_for()
    assert [] == [url for url in fetched if not url.startswith(("data:", "blob:", "about:"))]
    page.close()


def test_a_figure_is_saved_as_a_picture(lab):
    """The camera above a figure gives a PNG."""
    drawn = figure(lab, "importance")
    drawn.hover()
    with lab.page.expect_download() as download:
        drawn.locator("[data-title*='PNG' i], [aria-label*='PNG' i]").first.click()
    assert b"\x89PNG" == Path(download.value.path()).read_bytes()[:4]


def test_a_config_is_copied_as_python(lab):
    """From the best run's card: a dict that Python reads."""
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy = lab.page.get_by_test_id("sw-best").get_by_role("button", name="Copy config").element_handle()
    lab.page.evaluate(
        """button => { globalThis.said = new Promise(done => new MutationObserver(
            () => button.ariaLabel === "Copied" && done(button.ariaLabel)).observe(button, {attributes: true})); }""",
        copy,
    )
    copy.click()
    assert "Copied" == lab.page.evaluate("said")
    copied = ast.literal_eval(lab.page.evaluate("navigator.clipboard.readText()"))
    assert copied == ast.literal_eval(lab.ask("dict(dash.best['config'])"))
