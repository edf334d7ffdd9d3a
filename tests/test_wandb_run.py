"""A run as W&B's users know it: init, config, log, summary, define_metric, finish (reference §1.3–1.7)."""

import argparse
import math
import os
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from sweepwidget import session
from sweepwidget.errors import StoreUnavailable
from sweepwidget.stores import current_store


def rows(wandb, run, *keys):
    """The stored history: rows without the times, in order of step."""
    stored = wandb.Api().run(run.id).scan_history()
    return [{k: v for k, v in row.items() if k not in ("_timestamp", "_runtime")} for row in stored]


# -- before init, after finish ------------------------------------------------------------------------------------------


def test_before_init_everything_says_so(wandb):
    """No run yet: `run` is None, finish does nothing, the rest raises W&B's words."""
    assert wandb.run is None
    wandb.finish()
    with pytest.raises(wandb.Error, match=r"You must call wandb\.init\(\) before wandb\.log\(\)"):
        wandb.log({})
    with pytest.raises(wandb.Error, match=r"You must call wandb\.init\(\) before wandb\.config\['a'\]"):
        wandb.config["a"]
    with pytest.raises(wandb.Error, match=r"You must call wandb\.init\(\) before wandb\.config\.a"):
        wandb.config.a
    with pytest.raises(wandb.Error, match=r"You must call wandb\.init\(\) before wandb\.config\.get"):
        wandb.config.get("a")
    with pytest.raises(wandb.Error, match=r"You must call wandb\.init\(\) before wandb\.summary\['x'\]"):
        wandb.summary["x"]


def test_after_finish(wandb):
    """The module forgets the run; the handle can be read but not logged to; finish is idempotent."""
    run = wandb.init(config={"a": 1})
    run.log({"x": 1})
    run.finish()
    run.finish()
    assert wandb.run is None
    assert 1 == run.config.a
    with pytest.raises(wandb.UsageError, match="is finished. The call to `log` will be ignored"):
        run.log({"x": 2})
    with pytest.raises(wandb.UsageError):
        run.config.update({"b": 2})
    with pytest.raises(wandb.Error, match="before wandb.log"):
        wandb.log({"x": 1})


def test_a_plain_run_is_kept(wandb):
    """Without a sweep, `init` is a local tracker: config, rows, summary, labels and state are stored."""
    with wandb.init(
        project="p", name="n", notes="why", tags=["a", "b"], group="g", job_type="j", config={"lr": 0.1}
    ) as run:
        run.log({"loss": 0.5})
    stored = wandb.Api().run(run.id)
    assert ("n", "finished", {"lr": 0.1}, ["a", "b"], "why", "g", "p") == (
        stored.name,
        stored.state,
        stored.config,
        stored.tags,
        stored.notes,
        stored.group,
        stored.project,
    )
    assert 0.5 == stored.summary["loss"]
    assert run.id in [known.id for known in wandb.Api().runs("p")]
    assert run.sweep_id is None


def test_an_exception_in_the_context_fails_the_run_and_passes_on(wandb):
    """`with init()` does not swallow; a non-zero exit code is failed too."""
    with pytest.raises(ZeroDivisionError), wandb.init() as run:
        1 / 0  # noqa: B018
    assert "failed" == wandb.Api().run(run.id).state
    other = wandb.init()
    other.finish(exit_code=3)
    assert ("failed", 3) == (wandb.Api().run(other.id).state, wandb.Api().run(other.id).exit_code)


@pytest.mark.parametrize("trouble", [StoreUnavailable("full"), KeyboardInterrupt()], ids=["refused", "interrupted"])
@pytest.mark.parametrize("again", ["by hand", "at exit"])
def test_a_run_that_could_not_be_closed_goes_on_until_it_can(wandb, monkeypatch, trouble, again):
    """`finish` raises what kept it, the run logs on, and the next `finish` or the end of the script closes it."""
    store = current_store()
    run = wandb.init(config={"a": 1})
    with monkeypatch.context() as patch:
        patch.setattr(store, "finish", Mock(side_effect=trouble))
        run.log({"x": 1})
        with pytest.raises(type(trouble)):
            run.finish(exit_code=3)
    assert wandb.run is run
    run.config.update({"b": 2})
    run.log({"x": 2})
    session._close_at_exit() if again == "at exit" else run.finish()
    assert wandb.run is None
    closed = wandb.Api().run(run.id)
    assert ("finished", {"a": 1, "b": 2}) == (closed.state, closed.config)
    assert [1, 2] == [row["x"] for row in rows(wandb, run)]


def test_a_second_init_returns_the_active_run(wandb):
    """In a script; `reinit` decides otherwise."""
    first = wandb.init()
    assert first is wandb.init(config={"a": 1})
    second = wandb.init(reinit=True)
    assert second is not first
    assert "finished" == wandb.Api().run(first.id).state
    third = wandb.init(reinit="create_new")
    assert wandb.run is second
    third.log({"x": 1})
    third.finish()
    assert wandb.run is second


def test_disabled_mode_keeps_nothing(wandb):
    """mode="disabled": everything is a no-op except the summary."""
    run = wandb.init(mode="disabled", config={"a": 1})
    run.log({"x": 1})
    assert (1, 1) == (run.summary["x"], run.config.a)
    assert run.name.startswith("dummy-")
    run.finish()
    assert [] == wandb.Api().runs()


def test_wandb_environment_variables_are_honoured(wandb, monkeypatch):
    """WANDB_PROJECT, WANDB_NAME, WANDB_NOTES, WANDB_TAGS, WANDB_RUN_GROUP, WANDB_MODE."""
    for name, value in {"PROJECT": "p", "NAME": "n", "NOTES": "o", "TAGS": "a,b", "RUN_GROUP": "g"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    run = wandb.init()
    assert ("p", "n", "o", ("a", "b"), "g") == (run.project, run.name, run.notes, run.tags, run.group)
    run.finish()
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb.init().disabled


def test_unknown_arguments_of_init_are_named(wandb):
    """A typo is not silently ignored."""
    with pytest.raises(wandb.UsageError, match="confg"):
        wandb.init(confg={})


# -- config -------------------------------------------------------------------------------------------------------------


def test_reading_config(wandb):
    """Attributes, items, get, in, keys, items, dict(), as_dict, user_items; keys beginning with _ are hidden."""
    config = wandb.init(config={"a": 1, "_wandb": {}, "n": {"b": 2}}).config
    assert (1, 1, 1, 7, True, False) == (
        config.a,
        config["a"],
        config.get("a"),
        config.get("z", 7),
        "a" in config,
        "z" in config,
    )
    assert ["a", "n"] == config.keys()
    assert {"a": 1, "n": {"b": 2}} == dict(config) == config.as_dict() == {**config} == dict(config.user_items())
    assert {"a", "_wandb", "n"} == set(config)
    assert {"b": 2} == config.n
    with pytest.raises(AttributeError, match="z"):
        config.z
    with pytest.raises(KeyError):
        config["z"]
    assert not hasattr(config, "values") and not hasattr(config, "pop")
    with pytest.raises(TypeError):
        len(config)


def test_config_values_become_plain(wandb):
    """Tuples and sets are lists, numpy scalars are Python's, dashes around keys are stripped."""
    config = wandb.init(config={"t": (1, 2)}).config
    config.update({"n": np.float64(0.5), "--flag-": True, "s": {1}})
    assert {"t": [1, 2], "n": 0.5, "flag": True, "s": [1]} == config.as_dict()
    assert float is type(config.n)


def test_changing_a_value_needs_permission(wandb):
    """W&B's ConfigError in scripts; the same value again is fine; allow_val_change allows it."""
    run = wandb.init(config={"a": 1})
    run.config.a = 1
    with pytest.raises(wandb.ConfigError, match='Attempted to change value of key "a" from 1 to 2'):
        run.config.a = 2
    run.config.update({"a": 2}, allow_val_change=True)
    run.config.setdefaults({"a": 9, "b": 3})
    run.config.update(argparse.Namespace(c=4))
    assert {"a": 2, "b": 3, "c": 4} == run.config.as_dict() == wandb.Api().run(run.id).config


def test_config_from_yaml(wandb, tmp_path):
    """A path of a YAML file, in W&B's own form or plain."""
    (tmp_path / "c.yaml").write_text("wandb_version: 1\nlr: {value: 0.1, desc: null}\nepochs: 3\n")
    assert {"lr": 0.1, "epochs": 3} == wandb.init(config="c.yaml").config.as_dict()
    with pytest.raises(wandb.UsageError, match="missing.yaml"):
        wandb.init(config="missing.yaml", reinit=True)


def test_config_include_and_exclude_keys(wandb):
    """Only the wanted part of a config is taken."""
    run = wandb.init(config={"a": 1, "b": 2}, config_exclude_keys=["b"])
    assert ["a"] == run.config.keys()


# -- log ----------------------------------------------------------------------------------------------------------------


def test_the_verified_sequence_of_steps(wandb):
    """Reference §1.6: rows at steps 0,1,2,10,11,12,13,14,15,30 and run.step == 30."""
    run = wandb.init()
    run.log({"a": 0})
    run.log({"a": 1})
    run.log({"a": 2}, commit=False)
    run.log({"b": 2})
    run.log({"a": 10}, step=10)
    run.log({"b": 10}, step=10)
    run.log({"a": 5}, step=5)
    run.log({"a": 11}, step=11, commit=True)
    run.log({"a": 12})
    run.log({})
    run.log({"a": 14})
    run.log({"a": 15})
    run.log({"a": 30}, step=30)
    assert 30 == run.step
    run.finish()
    stored = rows(wandb, run)
    assert [0, 1, 2, 10, 11, 12, 13, 14, 15, 30] == [row["_step"] for row in stored]
    assert {"_step": 2, "a": 2, "b": 2} == stored[2]
    assert {"_step": 10, "a": 10, "b": 10} == stored[3]
    assert {"_step": 13} == stored[6]


def test_going_back_is_ignored_with_a_warning(wandb, capsys):
    """W&B's warning about steps that must increase, also for negative ones."""
    run = wandb.init()
    run.log({"a": 1}, step=11)
    run.log({"a": 2}, step=5)
    run.log({"a": 2}, step=-1)
    err = capsys.readouterr().err
    assert "Tried to log to step 5 that is less than the current step 11" in err
    assert "Tried to log to step -1" in err
    run.finish()
    assert [{"_step": 11, "a": 1}] == rows(wandb, run)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda run: run.log([1]), "wandb.log must be passed a dictionary"),
        (lambda run: run.log(None), "wandb.log must be passed a dictionary"),
        (lambda run: run.log({1: 2}), "Key values passed to `wandb.log` must be strings"),
        (lambda run: run.log({"a": 1}, step=1.5), "step must be an integer"),
        (lambda run: run.log({"bad": object()}), "bad"),
        (lambda run: run.log({"deep": {"worse": {1: object()}}}), "worse"),
    ],
)
def test_bad_rows_raise_type_error_and_keep_nothing(wandb, call, text):
    """The error names what is wrong; the run goes on as if the call had not been made."""
    run = wandb.init()
    with pytest.raises(TypeError, match=text):
        call(run)
    run.log({"a": 1})
    run.finish()
    assert [{"_step": 0, "a": 1}] == rows(wandb, run)


def test_odd_values_are_kept(wandb):
    """NaN and infinities, huge numbers, None, bools, strings, lists, nested dicts, numpy scalars and arrays."""
    run = wandb.init()
    row = {
        "nan": math.nan,
        "inf": -math.inf,
        "huge": 1e300,
        "big": 2**80,
        "none": None,
        "bool": True,
        "text": "x" * 10_000,
        "list": [1, [2, None]],
        "nested": {"a": {"b": 1.5}},
        "np": np.float32(0.5),
        "npint": np.int64(3),
        "array": np.arange(3),
        "zero-d": np.array(2.5),
    }
    before = dict(row)
    run.log(row)
    assert before.keys() == row.keys() and all(before[k] is row[k] for k in row)
    run.finish()
    (stored,) = rows(wandb, run)
    assert math.isnan(stored.pop("nan"))
    assert {
        "_step": 0,
        "inf": -math.inf,
        "huge": 1e300,
        "big": 2**80,
        "none": None,
        "bool": True,
        "text": "x" * 10_000,
        "list": [1, [2, None]],
        "nested": {"a": {"b": 1.5}},
        "np": 0.5,
        "npint": 3,
        "array": [0, 1, 2],
        "zero-d": 2.5,
    } == stored
    summary = wandb.Api().run(run.id).summary
    assert "none" not in summary
    assert {"a": {"b": 1.5}} == summary["nested"]


@pytest.mark.parametrize(
    "name", ["ünïcode ☃", "a'b\"c`", "a.b.c", "x/y%z", "k" * 10_000, "", "_timestamp_", "SELECT 1; --"]
)
def test_odd_names_are_kept(wandb, name):
    """Metric names are data."""
    run = wandb.init()
    run.log({name: 1.5})
    run.log({name: "text"})
    run.finish()
    assert [1.5, "text"] == [row[name] for row in rows(wandb, run)]


def test_a_million_rows_cost_bounded_memory_and_are_all_there(wandb):
    """Nothing is thinned out, nothing piles up."""
    run = wandb.init()
    n = 100_000
    for i in range(n):
        run.log({"loss": 1.0 / (i + 1), "acc": i})
    run.finish()
    history = wandb.Api().run(run.id).scan_history(["acc"])
    assert n == len(history)
    assert n - 1 == history[-1]["acc"] == wandb.Api().run(run.id).summary["acc"]


def test_logging_from_several_threads_loses_nothing(wandb):
    """A run's handle may be used from any thread."""
    from concurrent.futures import ThreadPoolExecutor

    run = wandb.init()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: run.log({"i": i}), range(2000)))
    run.finish()
    assert set(range(2000)) == {row["i"] for row in rows(wandb, run)}


# -- summary and define_metric ------------------------------------------------------------------------------------------


def test_summary_is_the_last_value(wandb):
    """And can be read and written as items and attributes; KeyError for what is missing, attributes too."""
    run = wandb.init()
    run.log({"a": 1})
    run.log({"a": 3, "b": 2})
    assert (3, 2) == (run.summary["a"], run.summary.b)
    run.summary["best"] = 9
    run.summary.update({"c": np.float64(1.0)})
    del run.summary["b"]
    with pytest.raises(KeyError):
        run.summary["b"]
    with pytest.raises(KeyError):
        run.summary.b
    run.finish()
    stored = wandb.Api().run(run.id).summary
    assert {"a": 3, "best": 9, "c": 1.0, "_step": 1} == {
        k: v for k, v in stored.items() if k not in ("_runtime", "_timestamp")
    }


def test_define_metric_summarises(wandb):
    """min, max, mean make the entry a dict, none drops it, a trailing * is a glob, a value set by hand stays."""
    run = wandb.init()
    run.define_metric("loss", summary="min,max,mean")
    run.define_metric("acc*", summary="max")
    run.define_metric("hidden", summary="none")
    for loss, acc in ((3.0, 0.1), (1.0, 0.9), (2.0, 0.5)):
        run.log({"loss": loss, "acc/val": acc, "hidden": 1, "own": loss})
        run.summary["own"] = "mine"
    assert {"min": 1.0, "max": 3.0, "mean": 2.0} == run.summary["loss"]
    assert {"max": 0.9} == run.summary["acc/val"]
    assert "hidden" not in run.summary
    assert "mine" == run.summary["own"]


@pytest.mark.parametrize(("name", "summary"), [("", None), ("*x", None), ("a", "median")])
def test_define_metric_refuses_nonsense(wandb, name, summary):
    """W&B's Error for empty names, stars elsewhere than at the end, and unknown summaries."""
    wandb.init()
    with pytest.raises(wandb.Error):
        wandb.define_metric(name, summary=summary)


def test_step_metrics_are_inserted(wandb):
    """`step_metric` with `step_sync` adds the step metric's latest value to rows that lack it."""
    run = wandb.init()
    run.define_metric("val", step_metric="epoch")
    run.log({"epoch": 1})
    run.log({"val": 0.5})
    run.finish()
    assert [{"_step": 0, "epoch": 1}, {"_step": 1, "val": 0.5, "epoch": 1}] == rows(wandb, run)


# -- files, media, harmless calls ---------------------------------------------------------------------------------------


def test_media_and_files_are_kept_beside_the_store(wandb, tmp_path):
    """Images, tables and saved files land in the run's folder; the row holds W&B's form of them."""
    run = wandb.init()
    run.log({"image": wandb.Image(np.zeros((4, 4))), "table": wandb.Table(columns=["a"], data=[[1]])})
    (tmp_path / "model.txt").write_text("weights")
    saved = wandb.save("model.txt")
    run.finish()
    (row,) = rows(wandb, run)
    assert ("image-file", "table-file") == (row["image"]["_type"], row["table"]["_type"])
    assert ["weights"] == [Path(path).read_text() for path in saved]
    assert str(tmp_path / "sweeps-files") in saved[0]


def test_artifacts_get_versions(wandb, tmp_path):
    """`log_artifact` keeps a copy under the artifact's name; other content is another version, the same is the same."""
    run = wandb.init()
    for content in ("1,2", "3,4", "3,4"):
        (tmp_path / "data.csv").write_text(content)
        artifact = wandb.Artifact("data", type="dataset")
        artifact.add_file("data.csv")
        run.log_artifact(artifact)
    assert {"v0", "v1"} == {path.name for path in (tmp_path / "sweeps-files").rglob("v?")}


def test_calls_without_local_meaning_are_harmless(wandb):
    """The first cell of nearly every colab, and the rest."""
    assert wandb.login() is True
    assert wandb.login(key="x", relogin=True) is True
    assert "thread" == wandb.Settings(start_method="thread").start_method
    run = wandb.init(settings=wandb.Settings(silent=True), save_code=True, sync_tensorboard=False, anonymous="allow")
    wandb.watch(object(), log="all")
    wandb.unwatch()
    wandb.alert("title", "text")
    run.log_code(".")
    wandb.setup()
    run.status()
    wandb.mark_preempting()
    assert not hasattr(run, "state") and not hasattr(run, "history")
    wandb.finish()


def test_an_unfinished_run_of_a_script_is_closed_at_exit(tmp_path):
    """As finished when the script ended well, as failed when an exception ended it; nothing logged is lost."""
    import subprocess
    import sys

    import sweepwidget

    code = "import sweepwidget as w; w.use_store('s.db'); r = w.init(); r.log(dict(x=1)); print(r.id); {}"
    ids = []
    for ending in ("pass", "1/0"):
        done = subprocess.run([sys.executable, "-c", code.format(ending)], capture_output=True, text=True, cwd=tmp_path)
        ids.append(done.stdout.split()[-1])
    store = sweepwidget.use_store(tmp_path / "s.db")
    assert [("finished", 1), ("failed", 1)] == [
        (run.state, run.summary["x"]) for run in (sweepwidget.Api().run(id) for id in ids)
    ]
    store.close()


def test_every_unfinished_run_of_a_script_is_closed_at_exit(tmp_path):
    """Finishing one of two runs does not keep the other from being closed when the script ends."""
    import subprocess
    import sys

    import sweepwidget

    code = (
        "import sweepwidget as w; w.use_store('s.db'); a = w.init(); b = w.init(reinit='create_new'); "
        "b.log(dict(x=1)); a.finish(); print(a.id, b.id)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    store = sweepwidget.use_store(tmp_path / "s.db")
    assert ["finished"] * 2 == [sweepwidget.Api().run(run_id).state for run_id in done.stdout.split()[-2:]]
    store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_a_forked_child_logs_is_kept(wandb):
    """The child's rows are on disk when its log returns, and are taken in when the run is closed; no spool is left."""
    run = wandb.init()
    run.log({"parent": 1})
    pid = os.fork()
    if pid == 0:
        try:
            wandb.log({"child": 2})
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    run.finish()
    stored = wandb.Api().run(run.id)
    assert {"parent": 1, "child": 2} == {
        k: v for row in stored.scan_history() for k, v in row.items() if k in ("parent", "child")
    }
    assert [] == list((stored._store.folder / "spool").iterdir())


@pytest.mark.parametrize("bad", ["../evil", "a/b", "", ".hidden", "x" * 65, "a b", "ä"])
def test_run_ids_cannot_leave_the_store(wandb, bad):
    """An id is a name, not a path."""
    with pytest.raises(wandb.UsageError, match="a run id has"):
        wandb.init(id=bad)
    with wandb.init(id="fine-1_x.y") as run:
        assert "fine-1_x.y" == wandb.Api().run("fine-1_x.y").id == run.id


def test_an_impossible_step_changes_nothing(wandb):
    """The run goes on as if the call had not been made."""
    run = wandb.init()
    with pytest.raises(wandb.UsageError, match="beyond what can be stored"):
        run.log({"a": 1}, step=2**70)
    run.log({"a": 2})
    run.finish()
    assert [{"_step": 0, "a": 2}] == rows(wandb, run)


def test_integers_stay_integers(wandb):
    """As far as the last value says so; floats stay floats."""
    with wandb.init() as run:
        run.log({"epoch": 1, "loss": 1.0})
        run.log({"epoch": 2, "loss": 2.0})
    history = wandb.Api().run(run.id).scan_history()
    assert [(int, float)] * 2 == [(type(row["epoch"]), type(row["loss"])) for row in history]
