"""`sw.plot`: what is in the figures of a sweep, and what they say when there is nothing to see."""

from __future__ import annotations

import json
import math
import re
import sys
import time
from html import unescape

import ledger
import numpy as np
import pytest
from hypothesis import given, strategies as st

from sweepwidget import UsageError, plot
from sweepwidget.model import Run, RunId, RunState, Sweep, SweepId
from sweepwidget.pareto import best_runs
from sweepwidget.plot.axes import ticks_of
from sweepwidget.plot.fronts import _panel
from sweepwidget.plot.learning import _Curve
from sweepwidget.plot.look import PALETTE, SCALE, STATES, dashes, plain, ranked_shades, run_color, spread_of
from sweepwidget.plot.progression import _best_so_far
from sweepwidget.plot.subject import Subject
from sweepwidget.runs import Goal
from sweepwidget.stores import current_store
from sweepwidget.sweepconfig import SweepConfig

R = RunState
FIGURES = [name for name in plot.__all__ if name != "save"]
CONFIG = {
    "method": "random",
    "name": "two",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {
        "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1.0},
        "optimizer": {"values": ["sgd", "adam"]},
        "momentum": {"min": 0.0, "max": 1.0, "condition": {"optimizer": "sgd"}},
        "model": {"parameters": {"layers": {"distribution": "int_uniform", "min": 1, "max": 8}}},
        "epochs": {"value": 3},
    },
}


def bowl(n=40, **more):
    """Runs whose loss is least at lr = 0.01; every second one has a momentum."""
    rng = np.random.default_rng(1)
    runs = []
    for i in range(n):
        lr = 10 ** rng.uniform(-5, 0)
        optimizer = {"optimizer": "sgd", "momentum": rng.random()} if i % 2 else {"optimizer": "adam"}
        config = {"lr": lr, **optimizer, "model": {"layers": int(rng.integers(1, 9))}, "epochs": 3}
        runs.append({"config": config, "summary": {"loss": (math.log10(lr) + 2) ** 2 + 0.1}, **more})
    return runs


@pytest.fixture
def store(wandb):
    return current_store()


def make(store, runs, config=CONFIG, **more):
    return ledger.sweep(store, config, runs, **more)


def config(lr=0.1, **more):
    return {"lr": lr, "optimizer": "adam", "model": {"layers": 2}, "epochs": 3, **more}


def named(figure, name):
    """The one trace whose name begins so."""
    (found,) = [trace for trace in figure.data if (trace.name or "").startswith(name)]
    return found


def notes(figure):
    return " ".join(annotation.text for annotation in figure.layout.annotations)


BOTH = {key: value for key, value in CONFIG.items() if key != "metric"} | {
    "metrics": [{"name": "loss", "goal": "minimize"}, {"name": "acc", "goal": "maximize"}]
}


def scored(*summaries):
    return [
        {"config": config(), "summary": dict(zip(("loss", "acc", "size"), each, strict=False))} for each in summaries
    ]


# -- all of them --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_of_nothing_says_why(store, name):
    """Before a run has begun there is a sentence, not an error and not an empty frame."""
    figure = getattr(plot, name)(make(store, []))
    assert 0 == len(figure.data)
    assert "no run has begun yet" == notes(figure)


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "timeline"])
def test_a_figure_without_values_says_so(store, name):
    """Runs that failed before they logged anything leave nothing to draw."""
    figure = getattr(plot, name)(make(store, [{"config": config(), "state": R.failed, "error": "boom"}]))
    assert 0 == len(figure.data)
    assert "loss" in notes(figure)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_however_the_sweep_is_named(wandb, store, name):
    """An id and the object of `Api()` give the same figure, which is plain JSON and light."""
    sweep_id = make(store, bowl(12, columns={"loss": [1.0, 0.5]}))
    by_id, by_object = (getattr(plot, name)(sweep).to_json() for sweep in (sweep_id, wandb.Api().sweep(sweep_id)))
    assert by_id == by_object
    assert 100_000 > len(by_id)
    assert {"data", "layout"} <= json.loads(by_id).keys()


@pytest.mark.parametrize("name", [name for name in FIGURES if name != "timeline"])
def test_an_unknown_metric_is_an_error_that_names_the_known_ones(store, name):
    """… and the one that was meant."""
    sweep_id = make(store, bowl(8))
    with pytest.raises(UsageError, match="has logged 'los'; did you mean 'loss'.; there are loss"):
        getattr(plot, name)(sweep_id, "los")


def test_without_a_metric_one_has_to_be_named(store):
    """A sweep that optimises nothing can be drawn all the same."""
    without = {key: value for key, value in CONFIG.items() if key != "metric"}
    sweep_id = make(store, bowl(8), without)
    with pytest.raises(UsageError, match="has no metric: name the one to draw, .*there are loss"):
        plot.history(sweep_id)
    assert ["finished"] == [trace.name for trace in plot.history(sweep_id, "loss").data]
    with pytest.raises(UsageError, match="top: sweep s1 has no metric to rank"):
        plot.curves(sweep_id, "loss", top=3)


def test_of_several_metrics_the_first_is_the_sweeps(store):
    """Each of them has its own direction."""
    metrics = [{"name": "loss", "goal": "minimize"}, {"name": "acc", "goal": "maximize"}]
    both = {key: value for key, value in CONFIG.items() if key != "metric"} | {"metrics": metrics}
    runs = [{"config": config(), "summary": {"loss": loss, "acc": acc}} for loss, acc in ((2, 0.5), (1, 0.2), (3, 0.9))]
    sweep_id = make(store, runs, both)
    assert [2, 1, 1] == list(named(plot.history(sweep_id), "best").y)
    assert [0.5, 0.9, 0.9] == list(named(plot.history(sweep_id, "acc"), "best").y)


def test_texts_of_users_are_texts(store):
    """Markup, templates and TeX in names and values reach plotly as the letters they are, in every figure."""
    evil = "<a href='javascript:x'>%{x}$x^2$\n<b>"
    space = {"<i>p</i>": {"values": [evil, "b"]}, "q": {"min": 0.0, "max": 1.0}}
    dangerous = {"method": "random", "name": evil, "metric": {"name": "<u>loss</u>"}, "parameters": space}
    runs = [
        {
            "config": {"<i>p</i>": evil if i % 2 else "b", "q": i / 8},
            "columns": {"<u>loss</u>": [2.0, float(i)]},
            "name": f"{evil} {i}",
            "state": R.failed if i == 3 else R.finished,
            "error": evil if i == 3 else "",
        }
        for i in range(8)
    ]
    sweep_id = make(store, runs, dangerous)
    for name in FIGURES:
        told = getattr(plot, name)(sweep_id).to_json()
        told = told.replace("<br>", "").replace("<b>", "").replace("</b>", "").replace("<extra></extra>", "")
        for tag in ("<i>", "<u>", "<a ", "%{x}$", "$x^2"):
            assert tag not in told, name


@given(st.text())
def test_a_safe_text_reads_as_it_was(text):
    """Escaping loses nothing but what does not print, and leaves nothing that plotly would interpret."""
    safe = plain(text, 10_000)
    assert not set("<>$") & set(safe)
    assert "%{" not in safe
    assert " ".join("".join(c if c.isprintable() else " " for c in text).split()) == unescape(safe)


def contrast(color, ground):
    def luminance(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    light, dark = sorted([luminance(color), luminance(ground)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ground", ["#ffffff", "#111111"])
def test_colors_read_on_light_and_on_dark(ground):
    """At least 3:1 (WCAG 2.1, 1.4.11), of lines as of letters; the worst end of the scale may fade."""
    colors = {*PALETTE, *(color for _, color, _ in STATES.values()), *(color for _, color in SCALE[1:])}
    assert [] == [color for color in sorted(colors) if contrast(color, ground) < 3]


def test_a_run_has_the_dashboards_color():
    """By its number, as js/src/palette.ts says: those that follow each other differ."""
    assert [*range(10), 0] == [PALETTE.index(run_color(number)) for number in range(1, 12)]


# -- curves -------------------------------------------------------------------------------------------------------------


def test_curves_are_grey_but_for_the_best(store):
    """All others are one trace with gaps, in which every logged point is."""
    curves = [[3.0, 2.0, 1.5], [4.0, 1.0], [5.0, 4.5, 4.0, 3.5]]
    figure = plot.curves(make(store, [{"config": config(), "columns": {"loss": curve}} for curve in curves]))
    grey, best = named(figure, "2 other runs"), named(figure, "★")
    assert curves[1] == list(best.y)
    assert [3.0, 2.0, 1.5, None, 5.0, 4.5, 4.0, 3.5, None] == [None if y != y else y for y in grey.y]
    assert [0, 1, 2, None, 0, 1, 2, 3, None] == [None if x != x else x for x in grey.x]
    assert [1, 1, 1, 1, 3, 3, 3, 3, 3] == list(grey.customdata)


def test_runs_can_be_chosen(store):
    """By name, number or rank; and the rest may be left out."""
    sweep_id = make(store, [{"config": config(), "columns": {"loss": [i + 1.0]}, "name": f"run-{i}"} for i in range(5)])

    def drawn(**options):
        return [trace.name for trace in plot.curves(sweep_id, **options).data if trace.showlegend is not False]

    assert ["3 other runs", "★ run-0", "run-1"] == drawn(top=2)
    assert {"3 other runs", "run-4", "run-2"} == set(drawn(runs=["run-4", 3]))
    assert ["run-3"] == drawn(runs="run-3", others=False)
    with pytest.raises(UsageError, match="has begun no run 'run-9'"):
        plot.curves(sweep_id, runs=["run-9"])


@given(st.lists(st.sampled_from(PALETTE), max_size=12))
def test_lines_of_one_color_have_different_dashes(colors):
    """Up to five of them, and the first is solid."""
    styles = list(zip(colors, dashes(colors), strict=True))
    for color in set(colors):
        mine = [dash for other, dash in styles if other == color]
        assert "solid" == mine[0]
        assert min(len(mine), 5) == len(set(mine))


def test_where_runs_ended_is_marked(store):
    """Stopped runs end in ✕ with the reason, runs that met NaN where they were still finite."""
    runs = [
        {"config": config(), "columns": {"loss": [3.0, 2.0, 1.0]}},
        {"config": config(), "columns": {"loss": [3.0, 2.9]}, "state": R.stopped, "stop_reason": "hyperband: worse"},
        {"config": config(), "columns": {"loss": [3.0, 2.8, math.nan, math.inf]}, "summary": {"loss": math.nan}},
    ]
    stopping = CONFIG | {"early_terminate": {"type": "hyperband", "min_iter": 2}}
    figure = plot.curves(make(store, runs, stopping))
    stopped, odd = named(figure, "stopped early (1)"), named(figure, "NaN or infinite (1)")
    assert ("x", [1.0], [2.9]) == (stopped.marker.symbol, list(stopped.x), list(stopped.y))
    assert "hyperband: worse" in stopped.text[0]
    assert "lr=0.1" in stopped.text[0]
    assert "epochs" not in stopped.text[0]
    assert ([1.0], [2.8]) == (list(odd.x), list(odd.y))
    assert "then nan" in odd.text[0]
    assert [1.0] == [shape.x0 for shape in figure.layout.shapes]  # two values are logged at step 1
    assert "rung 2" in notes(figure)


def test_what_a_logarithm_has_no_place_for_is_counted(store):
    """Values that are not positive are left out of a logarithmic axis, and said to be."""
    sweep_id = make(store, [{"config": config(), "columns": {"loss": [1.0, 0.0, -1.0, 0.5]}}])
    figure = plot.curves(sweep_id, log_y=True)
    assert [1.0, 0.5] == list(named(figure, "★").y)
    assert "2 points ≤ 0 hidden" in notes(figure)
    figure = plot.curves(sweep_id, log_x=True)
    assert [1, 2, 3] == list(named(figure, "★").x)
    assert "1 point ≤ 0 hidden" in notes(figure)


def test_nothing_positive_on_a_logarithm_is_said(store):
    """Not drawn as an empty frame, and no error."""
    run = {"config": config(), "columns": {"loss": [-1.0, -2.0]}}
    sweep_id = make(store, [run, run, {"config": config(), "columns": {"loss": [math.nan]}}])
    for figure in (
        plot.curves(sweep_id, log_y=True),
        plot.history(sweep_id, log_y=True),
        plot.edf(sweep_id, log_x=True),
        plot.slice(sweep_id, log_y=True),
        plot.contour(sweep_id, log_metric=True),
        plot.parallel_coordinates(sweep_id, log_metric=True),
    ):
        assert (0, "no value is positive") == (len(figure.data), notes(figure)[:20])
    assert "1 run logged nothing finite" in notes(plot.curves(sweep_id))


def test_curves_against_time_and_another_metric(store):
    """Both are joined by step; time begins with the run and has the unit that fits."""
    now = time.time()
    columns = {
        "loss": ([0, 1, 5], [3.0, 2.0, 1.0]),
        "_timestamp": ([0, 1, 5], [now, now + 600, now + 1800]),
        "samples": ([0, 5, 9], [10.0, 60.0, 90.0]),
    }
    sweep_id = make(store, [{"config": config(), "columns": columns, "state": R.running}])
    figure = plot.curves(sweep_id, x="time")
    assert [0, 10, 30] == pytest.approx(list(figure.data[0].x), abs=0.5)
    assert "time since the run began (min)" == figure.layout.xaxis.title.text
    figure = plot.curves(sweep_id, x="samples")
    assert ([10, 60], [3.0, 1.0]) == (list(figure.data[0].x), list(figure.data[0].y))
    assert "samples" == figure.layout.xaxis.title.text
    with pytest.raises(UsageError, match="there are loss, samples"):
        plot.curves(sweep_id, x="sample_count")


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=20), st.floats(0.0, 0.99))
def test_smoothing_is_an_average_without_bias(logged, weight):
    """s_i is the mean of y_1 … y_i with weights w^(i-j): that of a constant is the constant."""
    y = np.array(logged)
    curve = _Curve(Run(RunId("r"), None, 1, {}), np.arange(len(y), dtype=float), y)
    smooth = curve.smoothed(weight).y
    for i in range(len(y)):
        weights = weight ** np.arange(i, -1, -1.0)
        assert np.isclose(smooth[i], weights @ y[: i + 1] / weights.sum(), atol=1e-9)


def test_smoothing_keeps_the_raw_values_as_a_shadow(store):
    """… of the coloured runs."""
    sweep_id = make(store, [{"config": config(), "columns": {"loss": [4.0, 2.0, 0.0]}}])
    shadow, line = plot.curves(sweep_id, smoothing=0.5).data[:2]
    assert [4.0, 2.0, 0.0] == list(shadow.y)
    assert [4.0, 8 / 3, 8 / 7] == pytest.approx(list(line.y))
    with pytest.raises(UsageError, match="smoothing: expected a number from 0 to less than 1, got 1"):
        plot.curves(sweep_id, smoothing=1)


def test_two_million_points_make_a_light_figure(store):
    """200 runs of 10 000 points are decimated to less than a megabyte, with peaks and last points kept."""
    rng = np.random.default_rng(0)
    runs = []
    for i in range(200):
        loss = rng.normal(size=10_000) + 5
        loss[rng.integers(9000)] = 100.0 + i
        runs.append({"config": config(), "columns": {"loss": loss, "_timestamp": np.arange(10_000.0)}})
    sweep_id = make(store, runs)
    figure = plot.curves(sweep_id, top=5)
    assert 1_000_000 > len(figure.to_json().encode())
    y = np.concatenate([trace.y for trace in figure.data if trace.mode == "lines"])
    assert {100.0 + i for i in range(200)} <= set(y.tolist())
    assert {run["columns"]["loss"][-1] for run in runs} <= set(y.tolist())


# -- history and edf ----------------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.floats(-100, 100), st.just(math.nan)), min_size=1, max_size=30), st.booleans())
def test_the_best_so_far_never_gets_worse(losses, maximize):
    """It is the running minimum (maximum) of the finite values, at the runs where it changed."""
    y = np.array(losses)
    finite = np.flatnonzero(np.isfinite(y))
    if not len(finite):
        return
    subject = Subject(None, Sweep(SweepId("s1"), CONFIG), SweepConfig.parse(CONFIG), [])
    runs = [Run(RunId(f"r{i}"), None, i + 1, {}) for i in range(len(y))]
    trace = _best_so_far(subject, "loss", runs, np.arange(1.0, len(y) + 1), y, maximize)
    expected = (np.maximum if maximize else np.minimum).accumulate(y[finite])
    at = np.searchsorted(trace.x[:-1], finite + 1.0, side="right") - 1
    assert expected.tolist() == trace.y[at].tolist()
    assert finite[-1] + 1 == trace.x[-1]


def test_history_shows_how_every_run_ended(store):
    """Runs without a value stand at the lower edge with their error."""
    runs = [
        {"config": config(), "summary": {"loss": 3.0}},
        {"config": config(), "state": R.failed, "error": "Traceback:\nRuntimeError: no memory"},
        {"config": config(), "summary": {"loss": 1.0}, "state": R.stopped, "stop_reason": "late"},
        {"config": config(), "summary": {"loss": math.nan}},
    ]
    figure = plot.history(make(store, runs, CONFIG | {"metric": {"name": "loss", "target": 0.5}}))
    assert ("finished", [1], [3.0]) == (figure.data[0].name, list(figure.data[0].x), list(figure.data[0].y))
    failed = named(figure, "failed, no value")
    assert ([2], "y2") == (list(failed.x), failed.yaxis)
    assert "RuntimeError: no memory" in failed.text[0]
    assert [4] == list(named(figure, "finished, no value").x)
    assert [3] == list(named(figure, "stopped early").x)
    assert ([1, 3, 3], [3.0, 1.0, 1.0]) == tuple(map(list, (named(figure, "best").x, named(figure, "best").y)))
    assert "target 0.5" in notes(figure)


def test_one_diverged_run_does_not_flatten_the_others(store):
    """The axis shows the others, and says what it does not show."""
    runs = [{"config": config(), "summary": {"loss": loss}} for loss in (*np.linspace(0.1, 0.9, 20), 1e30)]
    figure = plot.history(make(store, runs))
    low, high = figure.layout.yaxis.range
    assert (low < 0.1, 0.9 < high < 1.5) == (True, True)
    assert "1 value far outside" in notes(figure)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=30), st.booleans())
def test_an_axis_range_holds_all_values_that_are_not_far_out(given_values, log):
    """Whatever the values are: a range has finite ends and at least half of the values in it."""
    values = np.array(given_values, dtype=float)
    limits, told = spread_of(values, log)
    if limits is None:
        assert "" == told
        return
    seen = np.log10(values[np.isfinite(values) & (values > 0)]) if log else values[np.isfinite(values)]
    assert np.isfinite(limits).all()
    assert 2 * ((seen >= limits[0]) & (seen <= limits[1])).sum() >= len(seen)


def test_ten_thousand_runs_are_thinned():
    """Figures stay light; the best run stays in them."""
    losses = np.random.default_rng(0).random(10_000)
    runs = [
        Run(
            RunId(f"r{i}"),
            SweepId("s1"),
            i,
            config(10 ** (loss - 3)),
            R.finished,
            started_at=i,
            ended_at=i + 1,
            summary={"loss": float(loss)},
        )
        for i, loss in enumerate(losses, 1)
    ]
    subject = Subject(None, Sweep(SweepId("s1"), CONFIG), SweepConfig.parse(CONFIG), runs)
    figure = plot.history(subject)
    assert 2000 == len(named(figure, "finished").x)
    assert "2000 of 10000 runs drawn" in notes(figure)
    assert losses.min() == min(named(figure, "finished").y) == min(named(figure, "best").y)
    assert 600 == len(plot.parallel_coordinates(subject).data[-1].y)
    for name in ("history", "edf", "parallel_coordinates", "slice", "timeline"):
        assert 1_000_000 > len(getattr(plot, name)(subject).to_json()), name


def test_edf_is_a_distribution_and_compares_sweeps(store):
    """It rises from 0 to 1; at x it is the share of values that are at most x."""
    one = make(
        store, [{"config": config(), "summary": {"loss": loss}} for loss in (3.0, 1.0, 2.0, math.nan)], sweep_id="one"
    )
    other = make(store, bowl(9), CONFIG | {"name": "other"}, sweep_id="other")
    figure = plot.edf([one, other])
    assert ([1, 1, 2, 3], [0, 1 / 3, 2 / 3, 1]) == (list(figure.data[0].x), list(figure.data[0].y))
    assert ["two (3 runs)", "other (9 runs)"] == [trace.name for trace in figure.data]
    assert "1 run without a value" in notes(figure)
    with pytest.raises(UsageError, match="a list of sweeps, got none"):
        plot.edf([])


# -- parameters ---------------------------------------------------------------------------------------------------------


def test_slice_has_a_panel_for_each_parameter(store):
    """On the parameter's own axis; a run that lacks a parameter is not in its panel."""
    figure = plot.slice(make(store, bowl()))
    axes = [figure.layout[f"xaxis{i or ''}"] for i in ("", 2, 3, 4)]
    assert ["lr", "optimizer", "momentum", "model.layers"] == [axis.title.text for axis in axes]
    assert "log" == axes[0].type
    assert ["sgd", "adam"] == list(axes[1].ticktext)
    points = {trace.xaxis: trace for trace in figure.data if trace.marker.coloraxis}
    assert [40, 40, 20, 40] == [len(points[axis].x) for axis in ("x", "x2", "x3", "x4")]
    star = next(trace for trace in figure.data if trace.marker.symbol == "star")
    assert star.x[0] == pytest.approx(0.01, rel=0.5)


def test_slice_draws_the_mean_through_the_runs(store):
    """It follows the parabola that the runs lie on."""
    figure = plot.slice(make(store, bowl()), params="lr")
    (line,) = [trace for trace in figure.data if trace.mode == "lines"]
    assert np.allclose(line.y, (np.log10(line.x) + 2) ** 2 + 0.1, atol=0.3)


def test_an_unknown_parameter_is_an_error_that_names_the_known_ones(store):
    """… constants, too."""
    sweep_id = make(store, bowl(8))
    with pytest.raises(
        UsageError, match="no parameter 'layers'.*there are lr, optimizer, momentum, model.layers, epochs"
    ):
        plot.slice(sweep_id, params=["layers"])


def test_contour_is_drawn_over_the_two_that_matter(store):
    """Its best place is where the metric is best; choices without an order are cells."""
    config = CONFIG | {
        "parameters": {"c": {"values": ["a", "b"]}, "x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}}
    }
    rng = np.random.default_rng(3)
    runs = []
    for _ in range(60):
        x, y = rng.random(2)
        loss = (x - 0.3) ** 2 + 2 * (y - 0.7) ** 2
        runs.append({"config": {"c": str(rng.choice(["a", "b"])), "x": x, "y": y}, "summary": {"loss": loss}})
    sweep_id = make(store, runs, config)
    figure = plot.contour(sweep_id)
    surface, dots, star = figure.data
    assert "contour" == surface.type
    best = np.unravel_index(np.argmin(surface.customdata), surface.customdata.shape)
    x, y = (figure.layout[axis].title.text for axis in ("xaxis", "yaxis"))
    at = {x: surface.x[best[1]], y: surface.y[best[0]]}
    assert {"x": 0.3, "y": 0.7} == pytest.approx(at, abs=0.08)
    assert 1.0 == surface.z[best]
    assert (59, 1) == (len(dots.x), len(star.x))
    assert ("heatmap", (48, 2)) == ((cells := plot.contour(sweep_id, params=["c", "x"]).data[0]).type, cells.z.shape)


def test_contour_needs_two_parameters(store):
    """Not one, not three, and not two that never meet."""
    sweep_id = make(store, bowl(8))
    for params in (["lr"], ["lr", "lr"], ["lr", "optimizer", "momentum"]):
        with pytest.raises(UsageError, match="contour is drawn over two different parameters"):
            plot.contour(sweep_id, params=params)
    alone = make(store, [{"config": config(), "summary": {"loss": 1.0}}], sweep_id="alone")
    assert "lr and momentum were never used together" == notes(plot.contour(alone, params=["lr", "momentum"]))
    assert "too few runs for a surface" in notes(plot.contour(alone, params=["lr", "model.layers"]))


def test_parallel_coordinates_pass_below_what_is_not_active(store):
    """Lines are runs, with gaps between them; heights are places between the ends of each axis."""
    sweep_id = make(store, bowl())
    figure = plot.parallel_coordinates(sweep_id)
    lines = [trace for trace in figure.data if trace.mode == "lines"]
    rows = np.concatenate([np.reshape(trace.y, (-1, 6)) for trace in lines])
    assert 40 == len(rows)
    assert np.isnan(rows[:, 5]).all()
    below = rows[:, :5] < 0
    assert [0, 0, 20, 0, 0] == below.sum(axis=0).tolist()
    assert 0 <= rows[:, :5][~below].min()
    assert 1 >= rows[:, :5][~below].max()
    assert "not active" in notes(figure)
    assert "log" not in notes(figure)
    told = lines[-1].text[0]
    assert "lr" in told


def test_parallel_coordinates_of_the_best(store):
    """`top` limits the lines."""
    figure = plot.parallel_coordinates(make(store, bowl()), top=7)
    assert 7 == len(figure.data[-1].x)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20), st.booleans())
def test_shades_go_by_rank(values, maximize):
    """Better values have larger shades, equal ones the same, all between 0 and 1."""
    shades, _ = ranked_shades(np.array(values), maximize)
    assert (0 <= shades).all() and (shades <= 1).all()
    order = np.argsort(values if maximize else -np.array(values), kind="stable")
    assert (np.diff(shades[order]) >= 0).all()
    for i, a in enumerate(values):
        assert {shades[j] for j, b in enumerate(values) if a == b} == {shades[i]}


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300), st.booleans())
def test_ticks_lie_within_the_axis(one, other, log):
    """A few round numbers, in order, whatever the ends are."""
    ends = np.array([abs(one) + 1e-290, abs(other) + 1e-290] if log else [one, other])
    ticks = ticks_of(ends, log)
    slack = 1e-9 * np.ptp(ends / 2)
    assert 1 <= len(ticks) <= 12
    assert ticks == sorted(set(ticks))
    assert ends.min() * (1 - 1e-9 * np.sign(ends.min())) - slack <= ticks[0]
    assert ticks[-1] <= ends.max() * (1 + 1e-9 * np.sign(ends.max())) + slack


def test_importance_says_what_matters_and_whether_to_trust_it(store):
    """Bars by share, the largest on top; a check beside each; how good the forest is."""
    figure = plot.importance(make(store, bowl(60)))
    bars, check = figure.data
    assert "lr" == bars.y[-1] == check.y[-1]
    assert 0.5 < bars.x[-1] <= 1
    assert bars.x[:-1].max() < 0.2 if isinstance(bars.x, np.ndarray) else max(bars.x[:-1]) < 0.2
    assert all(minus <= share for minus, share in zip(bars.error_x.arrayminus, bars.x, strict=True))
    assert "60 runs" in notes(figure)
    assert "the forest predicts 9" in notes(figure)
    assert "2 runs with a value; importance needs 4" == notes(plot.importance(make(store, bowl(2), sweep_id="two")))


def test_pareto_tells_the_front_from_what_it_dominates(store):
    """Two goals: the front in order of the first, bounded by steps; runs without both values are in neither."""
    runs = scored((1.0, 0.5), (2.0, 0.9), (2.5, 0.6), (0.5, 0.1), (0.4, math.nan))
    figure = plot.pareto(make(store, runs, BOTH))
    best, worse = named(figure, "front"), named(figure, "dominated")
    assert [(0.5, 0.1), (1.0, 0.5), (2.0, 0.9)] == list(zip(best.x, best.y, strict=True))
    assert [(2.5, 0.6)] == list(zip(worse.x, worse.y, strict=True))
    (line,) = [trace for trace in figure.data if trace.mode == "lines"]
    assert ("hv", [0.5, 1.0, 2.0]) == (line.line.shape, list(line.x))
    assert "3 runs on the front of 4" in notes(figure)
    assert "acc (larger is better)" == figure.layout.yaxis.title.text


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12), st.booleans(), st.booleans())
def test_the_line_of_a_front_bounds_what_was_reached(points, up_x, up_y):
    """No run is beyond it, whatever is minimised: at every run's x it is at least as good as the run."""
    goals = [Goal("x", up_x), Goal("y", up_y)]
    runs = [Run(RunId(f"r{i}"), None, i, {}, R.finished, summary={"x": x, "y": y}) for i, (x, y) in enumerate(points)]
    subject = Subject(None, None, SweepConfig.parse(CONFIG), runs)
    traces = list(_panel(subject, *goals, [], best_runs(runs, goals), "", alone=True))
    line = next(trace for trace in traces if trace.mode == "lines")
    for x, y in points:
        reached = [
            goals[1].cost(by) for bx, by in zip(line.x, line.y, strict=True) if goals[0].cost(bx) <= goals[0].cost(x)
        ]
        assert min(reached) <= goals[1].cost(y)
    assert ("vh" if up_x else "hv") == line.line.shape


def test_pareto_of_three_goals_is_drawn_in_pairs(store):
    """The front is that of all three, in each panel; a choice of two is their own front."""
    three = BOTH | {"metrics": [*BOTH["metrics"], {"name": "size"}]}
    sweep_id = make(store, scored((1.0, 0.5, 9.0), (2.0, 0.4, 1.0), (3.0, 0.3, 2.0)), three)
    figure = plot.pareto(sweep_id)
    assert [("front", 2)] * 3 == [(trace.name, len(trace.x)) for trace in figure.data if trace.name == "front"]
    assert ["x", "x2", "x3"] == [trace.xaxis for trace in figure.data if trace.name == "front"]
    assert [1.0] == list(named(plot.pareto(sweep_id, ["loss", "acc"]), "front").x)
    with pytest.raises(UsageError, match="'_step' is no goal of sweep s1.*; it has loss, acc, size"):
        plot.pareto(sweep_id, ["loss", "_step"])


@pytest.mark.parametrize("name", [name for name in FIGURES if name not in ("importance", "edf")])
def test_marks_of_runs_carry_their_ids(store, name):
    """So that a click in the dashboard selects them: one id for each mark."""
    columns = {"loss": [2.0, 1.0], "acc": [0.1, 0.2]}
    runs = [{**run, "columns": columns} for run in scored(*((x, 0.1 * x) for x in (1.0, 2.0, 3.0)))]
    sweep_id = make(store, runs, BOTH)
    marks = [
        trace
        for trace in getattr(plot, name)(sweep_id).data
        if trace.type == "bar"
        or (trace.mode == "markers" and trace.hovertemplate and "mean" not in trace.hovertemplate)
    ]
    known = {run.id for run in store.runs(SweepId(sweep_id))}
    assert known == {each for trace in marks for each in trace.ids or ()}
    assert all(len(trace.ids) == len(trace.x) for trace in marks)


def test_timeline_has_a_bar_for_each_run(store):
    """On the line of its agent, from claim to end; a running one ends now."""
    sweep_id = make(store, [{"config": config(), "summary": {"loss": 1.0}}, {"config": config(), "state": R.running}])
    figure = plot.timeline(sweep_id)
    runs = store.runs(sweep_id)
    done, running = named(figure, "finished"), named(figure, "running")
    assert [runs[0].ended_at - runs[0].started_at] == pytest.approx(list(done.x))
    assert [runs[1].started_at - runs[0].started_at] == pytest.approx(list(running.base))
    assert 0 < running.x[0] < 60
    assert ("1 · thread",) == figure.layout.yaxis.ticktext


# -- files --------------------------------------------------------------------------------------------------------------


def test_a_figure_is_saved_by_its_suffix(store, tmp_path):
    """HTML holds all it needs; a picture needs kaleido, and the error says so; other suffixes are refused."""
    figure = plot.history(make(store, bowl(8)))
    page = plot.save(figure, tmp_path / "history.html").read_text()
    assert "cdn" not in page.partition("<script")[0]
    assert not re.search(r'<(script|link|img)[^>]* (src|href)="http', page)  # plotly's map code may name addresses
    assert 2_000_000 < len(page)  # plotly.js is within
    assert json.loads(plot.save(figure, tmp_path / "history.json").read_text()).keys() >= {"data", "layout"}
    with pytest.raises(UsageError, match=r"suffix is \.html, \.json or one of \.png"):
        plot.save(figure, tmp_path / "history.gif")
    if "kaleido" not in sys.modules and not _has("kaleido"):
        with pytest.raises(UsageError, match="history.png needs kaleido"):
            plot.save(figure, tmp_path / "history.png")


def _has(module):
    import importlib.util

    return importlib.util.find_spec(module) is not None
