"""Sweeps and agents as W&B's users know them (reference §1.1, §1.2): what is printed, called, counted, raised."""

import contextlib
import gc
import re
import threading
import weakref

import pytest
from waiting import until

from sweepwidget import active_run, autocontroller
from sweepwidget.model import SweepState

GRID = {"method": "grid", "parameters": {"a": {"values": [1, 2, 3]}}}
RANDOM = {
    "method": "random",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {"x": {"min": 0.0, "max": 1.0}},
}


def states(wandb, sweep_id):
    return [run.state for run in wandb.Api().sweep(sweep_id).runs]


# -- sweep --------------------------------------------------------------------------------------------------------------


def test_sweep_prints_and_returns_the_bare_id(wandb, capsys):
    """Eight characters, base-36; `Create sweep with ID: …` on stdout; PENDING until somebody works on it."""
    sweep_id = wandb.sweep(GRID)
    assert re.fullmatch("[0-9a-z]{8}", sweep_id)
    assert f"Create sweep with ID: {sweep_id}\n" == capsys.readouterr().out
    assert "PENDING" == wandb.Api().sweep(sweep_id).state


def test_sweep_takes_what_w_and_b_takes(wandb, tmp_path):
    """A dict, a callable without arguments, YAML text, a YAML path; the input is never changed."""
    given = {"method": "grid", "parameters": {"a": {"values": (1, 2)}}}
    wandb.sweep(given)
    assert {"method": "grid", "parameters": {"a": {"values": (1, 2)}}} == given
    wandb.sweep(lambda: GRID)
    text = "method: grid\nparameters:\n  a:\n    values: [1, 2]\n"
    (tmp_path / "s.yaml").write_text(text)
    for source in (text, tmp_path / "s.yaml", str(tmp_path / "s.yaml")):
        assert [1, 2] == wandb.Api().sweep(wandb.sweep(source)).config["parameters"]["a"]["values"]


def test_violations_warn_and_the_sweep_is_kept(wandb, capsys):
    """W&B's words, one line per violation, and the sweep runs."""
    sweep_id = wandb.sweep({**GRID, "foo": 1})
    err = capsys.readouterr().err
    assert "Malformed sweep config detected! This may cause your sweep to behave in unexpected ways." in err
    assert "Violation 1." in err and "('foo' was unexpected)" in err
    wandb.agent(sweep_id, function=wandb.init)
    assert ["finished"] * 3 == states(wandb, sweep_id)


@pytest.mark.parametrize(
    "config",
    [
        {"method": "grid", "parameters": {"a": {"min": 0.0, "max": 1.0}}},
        {"method": "bayes", "parameters": {"a": {"values": [1, 2]}}},
        {"method": "random", "parameters": {"a": {"min": 5, "max": 3}}},
        {"method": "random", "parameters": {}},
        {"method": "gird", "parameters": {"a": {"values": [1]}}},
        "not a mapping",
        None,
        3,
    ],
)
def test_what_cannot_run_is_refused_and_nothing_is_kept(wandb, config):
    """ConfigError (a ValueError) before anything is stored."""
    with pytest.raises(wandb.ConfigError):
        wandb.sweep(config)
    assert [] == wandb.Api().sweeps()


def test_project_and_entity(wandb, monkeypatch):
    """Argument before configuration before environment."""
    monkeypatch.setenv("WANDB_PROJECT", "from-env")
    api = wandb.Api()
    assert "from-env" == api.sweep(wandb.sweep(GRID)).project
    assert "from-config" == api.sweep(wandb.sweep({**GRID, "project": "from-config"})).project
    assert "argument" == api.sweep(wandb.sweep({**GRID, "project": "from-config"}, project="argument")).project


# -- agent --------------------------------------------------------------------------------------------------------------


def test_a_grid_runs_to_its_end_in_order(wandb):
    """Each cell once, in W&B's order, the function called without arguments; then the sweep is finished; None is returned."""
    seen = []

    def train(config=None):
        assert config is None
        run = wandb.init()
        seen.append(run.config.a)
        assert wandb.run is run and run.sweep_id == sweep_id

    sweep_id = wandb.sweep(GRID)
    assert wandb.agent(sweep_id, function=train) is None
    assert [1, 2, 3] == seen
    assert ("FINISHED", "grid spent (3 runs)") == (
        wandb.Api().sweep(sweep_id).state,
        wandb.Api().sweep(sweep_id).reason,
    )
    assert wandb.run is None


def test_an_agent_on_a_spent_sweep_returns_at_once(wandb, capsys):
    """It says so and calls nothing."""
    sweep_id = wandb.sweep(GRID)
    wandb.agent(sweep_id, function=wandb.init)
    wandb.agent(sweep_id, function=lambda: 1 / 0)
    assert "is not running (it is FINISHED: grid spent (3 runs))" in capsys.readouterr().err


def test_count_limits_this_call_and_another_goes_on(wandb):
    """Counts runs begun, failed ones too; 0 means no limit; the same sweep goes on in the next call."""
    sweep_id = wandb.sweep(RANDOM)
    wandb.agent(sweep_id, function=wandb.init, count=2)
    wandb.agent(sweep_id, function=wandb.init, count=3)
    assert ["finished"] * 5 == states(wandb, sweep_id)
    assert "RUNNING" == wandb.Api().sweep(sweep_id).state
    grid = wandb.sweep(GRID)
    wandb.agent(grid, function=wandb.init, count=0)
    assert 3 == len(states(wandb, grid))


@pytest.mark.parametrize(("agents", "count"), [(1, 7), (3, 7), (4, 2)])
def test_several_agents_share_the_count(wandb, agents, count):
    """Exactly `count` runs, and none is left waiting."""
    sweep_id = wandb.sweep(RANDOM)
    wandb.agent(sweep_id, function=wandb.init, count=count, agents=agents)
    assert ["finished"] * count == states(wandb, sweep_id)


def test_thread_agents_keep_their_runs_apart(wandb):
    """`config`, `log`, `run` and prints follow the run, also when runs overlap and from threads that a run starts."""
    together = threading.Barrier(3)

    def train():
        run = wandb.init()
        together.wait(10)
        assert wandb.run is run
        print("I am", wandb.config.a)
        for step in range(20):
            wandb.log({"a": wandb.config.a, "step": step})
        helper = threading.Thread(target=lambda: (print("helper of", run.config.a), wandb.log({"a": wandb.config.a})))
        helper.start()
        helper.join()
        together.wait(10)

    sweep_id = wandb.sweep(GRID)
    wandb.agent(sweep_id, function=train, agents=3)
    for run in wandb.Api().sweep(sweep_id).runs:
        a = run.config["a"]
        assert {a} == {row["a"] for row in run.scan_history()}
        assert f"I am {a}\nhelper of {a}\n" == run.output


def test_a_thread_of_the_users_own_is_told_to_use_the_run(wandb):
    """With several active runs a foreign thread cannot know which one is meant, and says so."""
    together, errors = threading.Barrier(2), []

    def train():
        wandb.init()
        together.wait(10)

        def foreign():
            try:
                wandb.log({"x": 1})
            except wandb.Error as error:
                errors.append(str(error))

        import _thread

        done = threading.Event()
        _thread.start_new_thread(lambda: (foreign(), done.set()), ())
        done.wait(10)
        together.wait(10)

    wandb.agent(wandb.sweep({"method": "grid", "parameters": {"a": {"values": [1, 2]}}}), function=train, agents=2)
    assert 2 == len(errors)
    assert "2 runs are active in this process" in errors[0] and "run.log" in errors[0]


def test_inline_agents_run_on_the_calling_thread(wandb):
    """For signals, debuggers and frameworks that insist on the main thread."""
    threads = []
    wandb.agent(wandb.sweep(GRID), function=lambda: threads.append(threading.current_thread()), backend="inline")
    assert [threading.current_thread()] * 3 == threads


def test_init_in_a_trial_ignores_project_entity_and_id(wandb):
    """With W&B's warnings in the run's output; name, group, tags, notes and config are honoured."""

    def train():
        wandb.init(
            project="x", entity="y", id="z", name="n", group="g", tags=["t"], notes="o", config={"extra": 1, "a": 9}
        )

    sweep_id = wandb.sweep({"method": "grid", "parameters": {"a": {"value": 1}}})
    wandb.agent(sweep_id, function=train)
    (run,) = wandb.Api().sweep(sweep_id).runs
    for text in ("Ignoring project 'x'", "Ignoring entity 'y'", "Ignoring run_id 'z'"):
        assert f"{text} when running a sweep." in run.output
    assert ("n", "g", ["t"], "o", {"extra": 1, "a": 1}) == (run.name, run.group, run.tags, run.notes, run.config)


def test_the_sweeps_values_win_and_are_locked(wandb):
    """Nested dicts are merged, the sweep's keys cannot be changed: a warning, no exception."""
    seen = {}

    def train():
        run = wandb.init(config={"opt": {"name": "sgd", "extra": 2}})
        run.config.update({"opt": 1}, allow_val_change=True)
        run.config.own = 5
        seen.update(run.config.as_dict())

    sweep_id = wandb.sweep(
        {"method": "grid", "parameters": {"opt": {"parameters": {"name": {"values": ["adam"]}, "eps": {"value": 1}}}}}
    )
    wandb.agent(sweep_id, function=train)
    assert {"opt": {"name": "adam", "extra": 2, "eps": 1}, "own": 5} == seen
    assert "Config item 'opt' was locked by 'sweep' (ignored update)." in wandb.Api().sweep(sweep_id).runs[0].output


def test_init_after_finish_in_a_trial_is_the_same_run(wandb):
    """Same id, same configuration, and its rows go on."""
    ids = set()

    def train():
        for i in range(2):
            run = wandb.init()
            ids.add((run.id, run.config.a))
            run.log({"i": i})
            run.finish()
            assert wandb.run is None

    sweep_id = wandb.sweep({"method": "grid", "parameters": {"a": {"value": 1}}})
    wandb.agent(sweep_id, function=train)
    assert 1 == len(ids)
    assert [(0, 0), (1, 1)] == [(r["_step"], r["i"]) for r in wandb.Api().sweep(sweep_id).runs[0].scan_history()]


def test_after_an_agent_an_ordinary_run_is_no_sweeps(wandb):
    """The next `init()` has nothing to do with the sweep (W&B's old bugs #4740, #4653, #5488, #5119)."""
    wandb.agent(wandb.sweep(GRID), function=wandb.init)
    with wandb.init() as run:
        assert run.sweep_id is None


# -- failures -----------------------------------------------------------------------------------------------------------


def test_a_failed_run_keeps_its_traceback_and_the_sweep_goes_on(wandb):
    """The full traceback of the user's code, and nothing of ours above it."""

    def train():
        if wandb.init().config.a == 2:
            raise ValueError("two is odd enough")

    sweep_id = wandb.sweep(GRID)
    wandb.agent(sweep_id, function=train)
    runs = wandb.Api().sweep(sweep_id).runs
    assert ["finished", "failed", "finished"] == [run.state for run in runs]
    assert runs[1].error.startswith("Traceback") and "ValueError: two is odd enough" in runs[1].error
    assert "in train" in runs[1].error and "sweepwidget/" not in runs[1].error
    assert runs[1].error in runs[1].output


def test_three_failures_end_the_agent_not_the_sweep(wandb, capsys):
    """W&B's words; the sweep can go on with a mended function."""
    sweep_id = wandb.sweep(RANDOM)
    wandb.agent(sweep_id, function=lambda: 1 / 0)
    assert "Detected 3 failed runs in the first 60 seconds, killing sweep." in capsys.readouterr().err
    assert ["failed"] * 3 == states(wandb, sweep_id)
    wandb.agent(sweep_id, function=wandb.init, count=1)
    assert "finished" == states(wandb, sweep_id)[-1]


def test_failed_grid_cells_stay_done(wandb):
    """W&B's rule: a failed point is not tried again; deleting the run frees its cell."""
    sweep_id = wandb.sweep(GRID)
    wandb.agent(sweep_id, function=lambda: 1 / 0 if wandb.init().config.a == 2 else None, count=3)
    wandb.Api().sweep(sweep_id).runs[1].delete()
    seen = []
    wandb.agent(sweep_id, function=lambda: seen.append(wandb.init().config.a))
    assert [2] == seen


@pytest.mark.parametrize(
    ("leave", "state", "code"),
    [
        (lambda: exit(0), "finished", 0),
        (lambda: exit(3), "failed", 3),
        (lambda: (_ for _ in ()).throw(KeyboardInterrupt), "killed", None),
        (lambda: (_ for _ in ()).throw(BaseException("odd")), "failed", 1),
    ],
)
def test_what_the_function_may_raise(wandb, leave, state, code):
    """SystemExit and KeyboardInterrupt of the function itself are no failures that count (W&B #7729)."""
    sweep_id = wandb.sweep(GRID)
    wandb.agent(sweep_id, function=leave, max_consecutive_failed_runs=9, count=1)
    (run,) = wandb.Api().sweep(sweep_id).runs
    assert (state, code) == (run.state, run.exit_code)


def test_a_function_that_never_calls_init_is_done(wandb):
    """W&B suggests its configuration again an hour later; here the run is simply finished."""
    sweep_id = wandb.sweep(GRID)
    wandb.agent(sweep_id, function=lambda: None)
    assert ["finished"] * 3 == states(wandb, sweep_id)


# -- bad input ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "error", "text"),
    [
        ("a/b/c/d", "UsageError", "Expected sweep_id in form of sweep, project/sweep, or entity/project/sweep"),
        ("", "UsageError", "Expected sweep_id in form of"),
        (3, "UsageError", "Expected string sweep_id"),
        (None, "UsageError", "Expected string sweep_id"),
        ("nosuchid", "SweepNotFound", "nosuchid"),
        ("p/nosuchid", "SweepNotFound", "nosuchid"),
    ],
)
def test_bad_sweep_ids(wandb, bad, error, text):
    """W&B hangs on these; here each is an error that says what is wrong and where it looked."""
    with pytest.raises(getattr(wandb, error), match=text):
        wandb.agent(bad, function=wandb.init)


def test_an_id_with_project_and_entity(wandb):
    """`project/id` and `entity/project/id` name the same sweep."""
    sweep_id = wandb.sweep(GRID)
    wandb.agent(f"p/{sweep_id}", function=wandb.init, count=1)
    wandb.agent(f"e/p/{sweep_id}", function=wandb.init, count=1)
    assert 2 == len(states(wandb, sweep_id))


def test_functions_that_cannot_be_called_are_refused_before_anything_runs(wandb):
    """Not callable: W&B's TypeError. Required arguments: an error that shows two ways out."""
    sweep_id = wandb.sweep(GRID)
    with pytest.raises(TypeError, match="function parameter must be callable!"):
        wandb.agent(sweep_id, function="train")
    with pytest.raises(wandb.UsageError, match=r"def train\(lr=None, epochs=None\)"):
        wandb.agent(sweep_id, function=eval("lambda lr, epochs, *, c=1: 0", {}) if False else _train)
    with pytest.raises(wandb.UsageError, match="names no program, so agent"):
        wandb.agent(sweep_id)
    assert [] == states(wandb, sweep_id)


def _train_body(lr, epochs):
    return lr, epochs


_train = _train_body
_train.__name__ = "train"


@pytest.mark.parametrize(
    "arguments", [{"count": -1}, {"count": "5"}, {"count": 1.5}, {"agents": 0}, {"agents": "2"}, {"backend": "moon"}]
)
def test_bad_arguments_of_agent(wandb, arguments):
    """Each is named; nothing has run."""
    sweep_id = wandb.sweep(GRID)
    with pytest.raises(wandb.UsageError, match=next(iter(arguments))):
        wandb.agent(sweep_id, function=wandb.init, **arguments)
    assert [] == states(wandb, sweep_id)


# -- handles ------------------------------------------------------------------------------------------------------------


def test_a_handle_waits_stops_and_scales(wandb):
    """block=False returns at once; scale adds agents, stop ends them after their runs, wait is True when all have ended."""
    going, enough = threading.Semaphore(0), threading.Event()

    def train():
        wandb.init()
        going.release()
        enough.wait(20)

    sweep_id = wandb.sweep(RANDOM)
    handle = wandb.agent(sweep_id, function=train, block=False)
    assert going.acquire(timeout=10)
    assert not handle.wait(0.01) and not handle.done
    handle.scale(3)
    assert going.acquire(timeout=10) and going.acquire(timeout=10)
    assert 3 == len(handle.running)
    handle.stop()
    enough.set()
    assert handle.wait(10) and handle.done
    assert ["finished"] * 3 == states(wandb, sweep_id)[:3]


def test_an_agent_that_is_wanted_again_while_it_leaves_comes_back(wandb, monkeypatch):
    """scale() down and up again leaves as many agents at work as the last one said, however far they had gone."""
    began, ends, leaving, gone = (threading.Semaphore(0) for _ in range(4))

    def train():
        wandb.init()
        began.release()
        assert ends.acquire(timeout=20)

    sweep_id = wandb.sweep(RANDOM)
    store = wandb.Api().sweep(sweep_id)._store

    def leave_late(agent, leave=store.leave):
        leaving.release()
        assert gone.acquire(timeout=20)
        leave(agent)

    monkeypatch.setattr(store, "leave", leave_late)
    handle = wandb.agent(sweep_id, function=train, block=False)
    assert began.acquire(timeout=10)
    handle.scale(0)
    ends.release()
    assert leaving.acquire(timeout=10)
    handle.scale(1)
    gone.release()
    assert began.acquire(timeout=10)
    assert not handle.done
    handle.scale(0)
    ends.release()
    gone.release()
    assert handle.wait(10)
    assert ["finished"] * 2 == states(wandb, sweep_id)


def test_a_handle_can_be_awaited(wandb):
    """In a notebook cell: `await agent(..., block=False)`."""
    import asyncio

    sweep_id = wandb.sweep(GRID)

    async def cell():
        await wandb.agent(sweep_id, function=wandb.init, block=False)

    asyncio.run(cell())
    assert ["finished"] * 3 == states(wandb, sweep_id)


def test_stop_now_kills_runs_at_their_next_log(wandb):
    """The run's next `log()` raises RunStopped, which `except Exception` does not swallow."""
    logging = threading.Event()

    def train():
        run = wandb.init()
        while True:
            with contextlib.suppress(Exception):
                run.log({"x": 1})
            logging.set()

    sweep_id = wandb.sweep(RANDOM)
    handle = wandb.agent(sweep_id, function=train, block=False)
    assert logging.wait(10)
    handle.stop(now=True)
    assert handle.wait(10)
    assert ["killed"] == [state for state in states(wandb, sweep_id) if state != "pending"]


def test_a_run_that_does_not_obey_is_told_of_once(wandb, capsys, monkeypatch):
    """Code that catches everything goes on after the order to stop: the person who gave it hears why, and what helps."""
    monkeypatch.setattr(active_run, "STUCK_S", 0.5)
    deaf, enough = threading.Event(), threading.Event()

    def train():
        run = wandb.init()
        while not enough.is_set():
            with contextlib.suppress(BaseException):
                run.log({"x": 1})
            deaf.set()
            enough.wait(0.001)

    handle = wandb.agent(wandb.sweep(RANDOM), function=train, block=False)
    assert deaf.wait(10)
    handle.stop(now=True)
    said = []
    until(lambda: "is still running" in (said.append(capsys.readouterr().err) or "".join(said)))
    enough.set()
    assert handle.wait(10)
    told = "".join(said) + capsys.readouterr().err
    assert re.search(r"run \S+-1 was told to stop \d s ago and is still running.*backend='kernel'", told)
    assert 1 == told.count("is still running")


@pytest.mark.parametrize(
    ("order", "state", "run_state"), [("cancel", "CANCELED", "killed"), ("stop", "FINISHED", "finished")]
)
def test_orders_end_a_sweep_while_it_runs(wandb, order, state, run_state):
    """cancel kills the running runs, stop lets them end; either way the agents go home."""
    going, ordered = threading.Event(), threading.Event()

    def train():
        run = wandb.init()
        going.set()
        ordered.wait(10)
        for _ in range(200 if order == "stop" else 4000):  # word may be late
            run.log({"x": 1})
            import time

            time.sleep(0.005)

    sweep_id = wandb.sweep(RANDOM)
    handle = wandb.agent(sweep_id, function=train, block=False)
    assert going.wait(10)
    getattr(wandb, order)(sweep_id)
    ordered.set()
    assert handle.wait(20)
    assert state == wandb.Api().sweep(sweep_id).state
    assert run_state == states(wandb, sweep_id)[0]
    with pytest.raises(wandb.UsageError, match="Sweep already finished"):
        wandb.resume(sweep_id)


def test_pause_and_resume(wandb):
    """No new run while paused, those running end; resumed, the sweep goes on to its end."""
    first, ordered = threading.Event(), threading.Event()

    def train():
        wandb.init()
        first.set()
        ordered.wait(10)

    sweep_id = wandb.sweep(GRID)
    with pytest.raises(wandb.UsageError, match="Cannot pause pending sweep"):
        wandb.pause(sweep_id)
    handle = wandb.agent(sweep_id, function=train, block=False)
    assert first.wait(10)
    wandb.pause(sweep_id)
    ordered.set()
    until(lambda: 1 == states(wandb, sweep_id).count("finished"))
    assert not handle.wait(0.5)
    assert 1 == states(wandb, sweep_id).count("finished")
    wandb.resume(sweep_id)
    assert handle.wait(10)
    assert ["finished"] * 3 == states(wandb, sweep_id)


def test_a_single_run_can_be_stopped(wandb):
    """Api().run(id).stop(): it is killed at its next log, its agent goes on."""
    started = threading.Event()

    def train():
        run = wandb.init()
        started.set()
        while run.config.a == 1:
            run.log({"x": 1})

    sweep_id = wandb.sweep({"method": "grid", "parameters": {"a": {"values": [1, 2]}}})
    handle = wandb.agent(sweep_id, function=train, block=False)
    assert started.wait(10)
    wandb.Api().sweep(sweep_id).runs[0].stop()
    assert handle.wait(10)
    assert ["killed", "finished"] == states(wandb, sweep_id)


def test_a_sweep_that_goes_on_as_its_controller_leaves(wandb, monkeypatch):
    """Whoever begins to work on it then is not left without one, however long the last agents take to go home."""
    over, gone, leave = threading.Event(), threading.Event(), autocontroller.AutoController._leave

    def leave_late(controller):
        over.set()
        assert gone.wait(20)
        leave(controller)

    monkeypatch.setattr(autocontroller.AutoController, "_leave", leave_late)
    sweep_id = wandb.sweep({**RANDOM, "run_cap": 1})
    sweep = wandb.Api().sweep(sweep_id)
    store = sweep._store
    monkeypatch.setattr(store, "leave", lambda agent, leave=store.leave: (gone.wait(20), leave(agent)))
    first = wandb.agent(sweep_id, function=wandb.init, block=False)
    assert over.wait(20)
    store.update_config(sweep_id, {**RANDOM, "run_cap": 3})
    store.set_state(sweep_id, SweepState.RUNNING)
    second = wandb.agent(sweep_id, function=wandb.init, block=False)
    gone.set()
    assert first.wait(20) and second.wait(20)
    assert ["finished"] * 3 == states(wandb, sweep_id)


# -- ends ---------------------------------------------------------------------------------------------------------------


def test_run_cap_counts_all_runs_of_all_agents(wandb):
    """Then the sweep is finished, and says why."""
    sweep_id = wandb.sweep({**RANDOM, "run_cap": 5})
    wandb.agent(sweep_id, function=wandb.init, agents=3)
    assert ["finished"] * 5 == states(wandb, sweep_id)
    assert ("FINISHED", "run_cap of 5 reached") == (
        wandb.Api().sweep(sweep_id).state,
        wandb.Api().sweep(sweep_id).reason,
    )


def test_the_target_ends_the_sweep(wandb):
    """Once a run has reached metric.target there are no new ones."""
    config = {**RANDOM, "metric": {"name": "loss", "goal": "minimize", "target": 0.5}}

    def train():
        run = wandb.init()
        run.log({"loss": 1.0 if len(done) < 3 else 0.4})
        done.append(run.id)

    done = []
    sweep_id = wandb.sweep(config)
    wandb.agent(sweep_id, function=train)
    sweep = wandb.Api().sweep(sweep_id)
    assert "FINISHED" == sweep.state
    assert 4 == len(done)
    assert re.match(r"target 0\.5 reached by run 4 \(0\.4\)", sweep.reason)


def test_hyperband_stops_weak_runs_and_says_why(wandb):
    """The stopped run's log raises RunStopped; its state is `stopped`, its reason has the numbers, it is no failure."""
    config = {
        "method": "grid",
        "metric": {"name": "loss", "goal": "minimize"},
        "early_terminate": {"type": "hyperband", "min_iter": 3},
        "parameters": {"a": {"values": [1, 2, 3, 4]}},
    }

    def train():
        run = wandb.init()
        for _ in range(400 if run.config.a == 1 else 20_000):  # word may be late
            run.log({"loss": float(run.config.a)})
            import time

            time.sleep(0.002)

    sweep_id = wandb.sweep(config)
    wandb.agent(sweep_id, function=train)
    runs = wandb.Api().sweep(sweep_id).runs
    assert ["finished", "stopped", "stopped", "stopped"] == [run.state for run in runs]
    assert "hyperband" in runs[1].stop_reason
    assert all(3 <= run.summary["_step"] + 1 < 20_000 for run in runs[1:])


def test_every_run_knows_where_it_came_from(wandb):
    """The source of the function, package versions, the seed and the host are stored."""

    def train():
        wandb.init()

    sweep_id = wandb.sweep({**RANDOM, "seed": 3})
    wandb.agent(sweep_id, function=train, count=2)
    first, second = wandb.Api().sweep(sweep_id).runs
    assert "def train" in str(first.provenance) and "numpy" in str(first.provenance)
    assert first.seed != second.seed
    again = wandb.sweep({**RANDOM, "seed": 3})
    wandb.agent(again, function=train, count=2)
    assert [(r.config, r.seed) for r in (first, second)] == [(r.config, r.seed) for r in wandb.Api().sweep(again).runs]


def test_the_environment_and_the_streams_are_as_before(wandb):
    """Guests: nothing of an agent outlives the call."""
    import os
    import sys

    before = (dict(os.environ), sys.stdout, sys.stderr, threading.Thread.start, os.getcwd())
    wandb.agent(wandb.sweep(GRID), function=wandb.init, agents=2)
    assert before == (dict(os.environ), sys.stdout, sys.stderr, threading.Thread.start, os.getcwd())


def test_runs_that_never_began_are_nowhere_and_numbers_have_no_holes(wandb):
    """What was suggested ahead is taken back when the agents leave: n runs have the numbers 1 to n."""
    sweep_id = wandb.sweep({**RANDOM, "seed": 5})
    for _ in range(3):
        wandb.agent(sweep_id, function=lambda: 1 / 0)
    handle = wandb.agent(sweep_id, function=wandb.init, block=False)
    while handle.begun < 5:
        threading.Event().wait(0.001)
    handle.stop()
    assert handle.wait(10)
    runs = wandb.Api().sweep(sweep_id).runs
    assert {"failed", "finished"} == {run.state for run in runs}
    assert list(range(1, len(runs) + 1)) == [run._row.number for run in runs]
    assert all(run.name.endswith(f"-sweep-{i}") for i, run in enumerate(runs, 1))


def test_a_run_that_is_over_leaves_nothing_to_the_garbage_collector(wandb):
    """What its code held of it goes at once, so that thousands of short runs cost no collections."""
    handles = []

    def train():
        run = wandb.init(config={"more": 1})
        run.log({"loss": 1.0})
        handles.append(weakref.ref(run))

    gc.disable()
    try:
        wandb.agent(wandb.sweep(RANDOM), function=train, count=3)
        # Whoever ships points may hold one for a moment longer.
        until(lambda: [None] * 3 == [handle() for handle in handles])
    finally:
        gc.enable()


def test_the_first_traceback_is_shown(wandb, capsys):
    """As a script would show it, on stderr, once for failures that end alike."""
    sweep_id = wandb.sweep(RANDOM)
    wandb.agent(sweep_id, function=lambda: {}["missing"])
    err = capsys.readouterr().err
    assert 1 == err.count("Traceback (most recent call last)")
    assert "errored: KeyError: 'missing'" in err and "<lambda>" in err


def test_a_metric_that_nobody_logs_is_noticed(wandb, capsys):
    """Once, naming what is logged instead."""

    def train():
        wandb.init().log({"val_loss": 1.0})

    wandb.agent(wandb.sweep(RANDOM), function=train, count=3)
    assert 1 == capsys.readouterr().err.count("The sweep's metric is 'loss', but run")


def test_the_main_thread_belongs_to_no_background_trial(wandb):
    """Another cell that finishes or logs while agents work in the background touches none of their runs."""
    going, done = threading.Event(), threading.Event()

    def train():
        wandb.init()
        going.set()
        done.wait(10)
        wandb.log({"loss": 1.0})

    sweep_id = wandb.sweep(RANDOM)
    handle = wandb.agent(sweep_id, function=train, count=1, block=False)
    assert going.wait(10)
    assert wandb.run is None
    wandb.finish()
    with pytest.raises(wandb.Error, match="You must call"):
        wandb.log({"oops": 1})
    done.set()
    assert handle.wait(10)
    assert ["finished"] == states(wandb, sweep_id)


def test_a_generator_is_refused(wandb):
    """Calling it would run none of its code."""

    def train():
        yield wandb.init()

    with pytest.raises(wandb.UsageError, match="train is a generator"):
        wandb.agent(wandb.sweep(RANDOM), function=train)


def test_a_disabled_trial_keeps_nothing_of_what_it_logs(wandb):
    """mode="disabled" in a trial: the sweep's values are there and not locked, logging is a no-op."""
    seen = {}

    def train():
        run = wandb.init(mode="disabled", config={"opt": {"a": 1}})
        run.log({"loss": 1.0})
        run.config.update({"x": 5}, allow_val_change=True)
        seen.update(run.config.as_dict())

    sweep_id = wandb.sweep({"method": "grid", "parameters": {"x": {"value": 2}}})
    wandb.agent(sweep_id, function=train)
    (run,) = wandb.Api().sweep(sweep_id).runs
    assert ("finished", [], {"opt": {"a": 1}, "x": 5}) == (run.state, run.scan_history(), seen)


def test_what_the_dead_left_is_given_back_by_whoever_looks(wandb):
    """Nobody steers the sweep any more; its runs do not look as if they were running."""
    import subprocess
    import sys

    from sweepwidget import stores

    sweep_id = wandb.sweep(GRID)
    code = f"""if True:
        import os, sweepwidget as wandb
        wandb.use_store({stores.current_store().link!r})
        def train():
            wandb.init().log({{"loss": 1}})
            os.kill(os.getpid(), 9)
        wandb.agent({sweep_id!r}, function=train)"""
    assert -9 == subprocess.run([sys.executable, "-c", code], check=False).returncode
    assert ["pending", 2] == [wandb.Api().sweep(sweep_id).runs[0].state, wandb.Api().sweep(sweep_id).runs[0].attempt]


def test_leaving_well_is_no_failure(wandb):
    """`sys.exit()` and `sys.exit(0)` inside `with init()` end a run well, another status does not."""
    import sys

    sweep_id = wandb.sweep({"method": "grid", "parameters": {"status": {"values": [0, 3]}}})

    def train():
        with wandb.init() as run:
            sys.exit(run.config.status)

    wandb.agent(sweep_id, function=train)
    assert [("finished", 0), ("failed", 3)] == [(run.state, run.exit_code) for run in wandb.Api().sweep(sweep_id).runs]


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        ("kernal", "did you mean 'kernel'"),
        ("fork", "expected one of 'thread', 'kernel'"),
        (5, "agents cannot run on 5"),
    ],
)
def test_a_backend_nobody_knows_is_refused(wandb, backend, says):
    """With those that there are, and the sweep has not begun."""
    sweep_id = wandb.sweep(GRID)
    with pytest.raises(wandb.UsageError, match=says):
        wandb.agent(sweep_id, function=wandb.init, backend=backend)
    assert "PENDING" == wandb.Api().sweep(sweep_id).state


def test_a_run_that_is_tried_again_counts_once(wandb):
    """`count` is of runs, and one whose kernel died is the same run; the cell says what happened."""
    import os

    sweep_id = wandb.sweep(GRID)

    def train():
        run = wandb.init()
        if run.resumed:
            return
        os.kill(os.getpid(), 9)

    wandb.agent(sweep_id, function=train, count=1, backend="kernel", retries=1)
    assert [("finished", 2)] == [(r.state, r.attempt) for r in wandb.Api().sweep(sweep_id).runs if r.state != "killed"]
