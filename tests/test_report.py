"""A sweep as files: the report, CSV, YAML, a data frame."""

from __future__ import annotations

import ast
import html
import math
import re
import shutil
import sys

import ledger
import pytest
import yaml
from test_plot import CONFIG, bowl, config

from sweepwidget import UsageError
from sweepwidget.model import RunState
from sweepwidget.stores import current_store

R = RunState
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def store(wandb):
    return current_store()


@pytest.fixture
def sweep(wandb, store):
    """Forty runs with curves, one that failed, one that was stopped, and names that mean harm."""
    evil = "</script><img src=x onerror=alert(1)>"
    runs = bowl(40, columns={"acc": [0.1, 0.2]})
    runs[7] |= {"state": R.failed, "error": f"Traceback\nRuntimeError: {evil}", "name": evil}
    runs[8] |= {"state": R.stopped, "stop_reason": "hyperband: late"}
    for run in runs:
        run["columns"] = {"acc": [0.1, 0.2], "loss": [9.0, run["summary"]["loss"]]}
    return wandb.Api().sweep(ledger.sweep(store, CONFIG | {"name": evil, "description": evil}, runs))


def test_a_report_holds_the_sweep(sweep, tmp_path):
    """What was searched, the best configuration as code, the best runs, the errors, and every figure."""
    path = sweep.report(tmp_path / "report.html")
    page = path.read_text()
    best = sweep.best_run()
    code = html.unescape(re.search(r"<pre>config = (.*?)</pre>", page, re.DOTALL).group(1))
    assert best.config == ast.literal_eval(code)
    assert best.name in page
    assert "RUNNING" in page
    assert "38 finished, 1 stopped early, 1 failed" in page
    assert "1 × <code>RuntimeError: &lt;/script&gt;" in page
    assert 7 == page.count('<div class="figure"')
    assert 20 == page.count('<th scope="row">')
    assert 3_000_000 > len(page)


def test_a_report_runs_nothing_of_its_data(sweep, tmp_path):
    """Names, errors and descriptions are text; the only scripts are ours."""
    page = sweep.report(tmp_path / "report.html").read_text()
    assert "<img" not in page
    assert 1 == len(re.findall(r"<script>", page))
    assert page.count("<script") == page.count("</script>") == 7 + 1 + 1


def test_a_report_of_little(wandb, store, tmp_path):
    """Nothing has run yet; runs failed before they logged; there is no metric: a page all the same."""
    empty = wandb.Api().sweep(ledger.sweep(store, CONFIG, [], "empty"))
    page = empty.report(tmp_path / "empty.html").read_text()
    assert "No run has come to a result yet" in page
    assert ("figure-0" in page, len(page) < 20_000) == (False, True)
    failed = [{"config": config(), "state": R.failed, "error": "ValueError: no"}]
    page = wandb.Api().sweep(ledger.sweep(store, CONFIG, failed, "failed")).report(tmp_path / "failed.html").read_text()
    assert ("ValueError: no" in page, page.count('<div class="figure"')) == (True, 1)
    without = {key: value for key, value in CONFIG.items() if key != "metric"}
    page = wandb.Api().sweep(ledger.sweep(store, without, bowl(8), "without")).report(tmp_path / "w.html").read_text()
    assert ("The latest runs" in page, page.count('<div class="figure"')) == (True, 7)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_draws_a_report_without_a_network(sweep, tmp_path):
    """Every figure is drawn, nothing is fetched, nobody's script runs, no error is logged; the page follows the theme."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = sweep.report(tmp_path / "report.html")
    said, asked = [], []
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(color_scheme="dark")
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("#figure-6 .subplot", state="attached")  # drawn last
        empty = page.evaluate(
            "[...document.querySelectorAll('.figure')].filter((each) => !each.querySelector('.subplot')).length"
        )
        page.click(".code button")
        copied = page.evaluate("getSelection().toString()")
        grounds = []
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            grounds.append(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
        browser.close()
    assert [] == said
    assert [path.as_uri()] == asked
    assert 0 == empty
    assert copied.startswith("config = {'lr':")
    assert ["rgb(17, 17, 17)", "rgba(0, 0, 0, 0)"] == grounds


# -- tables -------------------------------------------------------------------------------------------------------------


def test_a_data_frame_has_a_row_for_each_run(sweep):
    """Parameters and metrics are columns; what a run lacks is missing."""
    frame = sweep.to_dataframe()
    assert 40 == len(frame)
    runs = sweep.runs
    assert [run.config["lr"] for run in runs] == frame["config.lr"].tolist()
    assert [run.config["model"]["layers"] for run in runs] == frame["config.model.layers"].tolist()
    assert 20 == frame["config.momentum"].isna().sum()
    assert "hyperband: late" in set(frame["stop_reason"])
    assert 0 < (frame["ended_at"] - frame["started_at"]).max() < 60


def test_a_data_frame_needs_pandas(sweep, monkeypatch):
    """The error says what to install, and what works without."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="pip install pandas.*to_csv"):
        sweep.to_dataframe()


def test_csv_is_read_back_by_pandas(wandb, store, tmp_path):
    """Commas, quotes, newlines, lists, NaN, and names with dots in them survive."""
    import json

    import pandas as pd

    space = {"parameters": {"a.b": {"values": ['x,"y"\nz', [1, {"k": 2}]]}}}
    runs = [
        {"config": {"a.b": 'x,"y"\nz'}, "summary": {"loss": math.nan}},
        {"config": {"a.b": [1, {"k": 2}]}, "summary": {"loss": 1.5}},
    ]
    found = wandb.Api().sweep(ledger.sweep(store, CONFIG | space, runs))
    frame = pd.read_csv(found.to_csv(tmp_path / "runs.csv"))
    text, listed = frame[r"config.a\.b"]
    assert ('x,"y"\nz', [1, {"k": 2}]) == (text, json.loads(listed))
    assert math.isnan(frame["summary.loss"][0])
    assert 1.5 == frame["summary.loss"][1]


def test_yaml_makes_the_same_sweep_again(wandb, sweep, tmp_path):
    """The sweep's file is one that `sweep()` reads; the best run's is its config."""
    path = sweep.to_yaml(tmp_path / "sweep.yaml")
    again = wandb.Api().sweep(wandb.sweep(str(path)))
    assert sweep.config == again.config
    best = sweep.best_run()
    assert best.config == yaml.safe_load(best.to_yaml(tmp_path / "best.yaml").read_text())
