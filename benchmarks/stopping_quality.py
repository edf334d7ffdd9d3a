"""What does early stopping save, and what does it lose? Sweeps over real learning curves, played again under each rule.

    python -m benchmarks stopping                       # all tasks and rules, 20 orders of the runs each
    python -m benchmarks stopping --tasks mlp_digits --repeats 50

Each sweep has 64 random configurations of a task, 8 agents and the real seconds per step; the stopper looks after every
value. Per task and over all of them:

    saved    the steps that were not made, in % of all
    lost     how often (in %) the run that would have been the best was stopped before its best value
    regret   the sweep's best value beside the best of its 64 full curves; 1 is the median of their best values
    equal    the regret (± its standard error) of a sweep over all configurations of the task that ends after as many
             steps as 16 full runs have
    est.     what `saved_s` says was saved, in % of what truly was (in seconds)
"""

from __future__ import annotations

import argparse
import heapq
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from attrs import evolve, frozen

from sweepwidget.columns import column
from sweepwidget.model import Changes, Chunk, Cursor, Run, RunId, RunState
from sweepwidget.runs import Goal, Runs
from sweepwidget.stopping import stopper_for
from sweepwidget.stopping.saved import saved_s
from sweepwidget.sweepconfig import SweepConfig

from .learning_curves import STEPS, TASKS, curves
from .measure import Row

RULES = {
    "none": None,
    "hyperband, min_iter 3": {"type": "hyperband", "min_iter": 3},
    "hyperband, min_iter 3, not strict": {"type": "hyperband", "min_iter": 3, "strict": False},
    "hyperband, min_iter 6": {"type": "hyperband", "min_iter": 6},
    "asha, min_iter 3": {"type": "asha", "min_iter": 3, "max_iter": STEPS},
    "asha, min_iter 6": {"type": "asha", "min_iter": 6, "max_iter": STEPS},
    "asha, min_iter 6, eta 2": {"type": "asha", "min_iter": 6, "eta": 2, "max_iter": STEPS},
    "median": {"type": "median"},
    "median, percentile 25": {"type": "median", "percentile": 25},
    "envelope": {"type": "envelope"},
}
"""A full run has 60 steps, so 6 are a tenth of it."""
RUNS, AGENTS, BUDGET = 64, 8, 16 * STEPS


@frozen
class Played:
    """A sweep that is over."""

    best: float
    steps: int
    stopped: dict[int, int]
    """Configuration → the step after which it was stopped."""
    saved: float
    """What `saved_s` says, in seconds."""


def stopper_of(rule):
    sweep = {"method": "random", "parameters": {"a": {"min": 0.0, "max": 1.0}}, "metric": {"name": "loss"}}
    return stopper_for(SweepConfig.parse({**sweep, "early_terminate": rule} if rule else sweep))


def play(task, rule, order, budget=None):
    """A sweep of these configurations; with a budget it ends after so many steps."""
    data, stopper, runs = curves(task), stopper_of(rule), Runs(Goal("loss"))
    todo, stopped, best, steps = list(order)[::-1], {}, np.inf, 0
    clocks = [(0.0, agent, None) for agent in range(AGENTS)]
    while clocks and (budget is None or steps < budget):
        now, agent, run = heapq.heappop(clocks)
        if run is not None and run.id in runs and not runs[run.id].ended:
            config, step = run.config["number"], run.config["step"]
            cost = data.costs[config, step]
            steps, best = steps + 1, min(best, cost)
            chunk = Chunk(run.id, 1, "loss", column([step], [cost]))
            runs.apply(Changes(Cursor(), chunks=(chunk,)))
            run = evolve(run, config={"number": config, "step": step + 1})
            if step + 1 == STEPS:
                end(runs, run, RunState.finished, now)
            for run_id in stopper.stop(runs) if stopper else ():
                it = runs[run_id]
                stopped[it.config["number"]] = len(runs.costs(run_id))
                end(runs, it, RunState.stopped, now)
        if run is None or runs[run.id].ended:
            if not todo:
                continue
            number = todo.pop()
            run = Run(
                RunId(str(number)), None, len(runs) + 1, {"number": number, "step": 0}, RunState.running, started_at=now
            )
            runs.apply_rows([run])
        heapq.heappush(clocks, (now + data.seconds[run.config["number"]], agent, run))
    return Played(float(best), steps, stopped, sum(saved_s(runs).values()))


def end(runs, run, state, now):
    runs.apply_rows([evolve(run, state=state, ended_at=now)])


def measure(task, name, repeat):
    """(saved, lost, regret, equal, estimate) of one order of the runs."""
    data, rng = curves(task), np.random.default_rng([repeat, 3])
    order = rng.permutation(len(data.costs))
    some = order[:RUNS]
    played = play(task, RULES[name], some)
    full = data.costs[some]
    finals = full.min(axis=1)
    winner = int(finals.argmin())
    lost = played.stopped.get(int(some[winner]), STEPS) <= int(full[winner].argmin())
    truly = sum(data.seconds[config] * (STEPS - step) for config, step in played.stopped.items())
    equal = play(task, RULES[name], order, BUDGET)
    return (
        1 - played.steps / full.size,
        lost,
        _regret(played.best, finals),
        _regret(equal.best, data.costs.min(axis=1)),
        played.saved / truly if truly else np.nan,
    )


def _regret(best, finals):
    return (best - finals.min()) / (np.median(finals) - finals.min())


def main() -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    for task in given.tasks:
        curves(task)  # made once, before the workers need them
    jobs = [(task, rule, repeat) for task in given.tasks for rule in given.rules for repeat in range(given.repeats)]
    with ProcessPoolExecutor(given.workers) as pool:
        results = {}
        for job, result in zip(jobs, pool.map(measure, *zip(*jobs, strict=True), chunksize=5), strict=True):
            results[job] = result
            print(f"\r{len(results)} of {len(jobs)} sweeps", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print("saved % / lost % / regret\n\n| rule |", " | ".join([*given.tasks, "all", "equal", "est."]), "|")
    print("|---|" + "--:|" * (len(given.tasks) + 3))
    means = {}
    for rule in given.rules:
        per_task = {
            task: np.array([results[task, rule, repeat] for repeat in range(given.repeats)]) for task in given.tasks
        }
        every = np.concatenate(list(per_task.values()))
        cells = [_cell(some) for some in (*per_task.values(), every)]
        estimate = "–" if np.isnan(every[:, 4]).all() else f"{100 * np.nanmedian(every[:, 4]):.0f} %"
        equal = f"{every[:, 3].mean():.3f} ± {every[:, 3].std() / len(every) ** 0.5:.3f}"
        print(f"| {rule} |", " | ".join([*cells, equal, estimate]), "|")
        means[rule] = every[:, :4].mean(axis=0).tolist()
    base = means.get("none", [None] * 4)[3]
    return [
        row_of(rule, *means[rule], base, f"{len(given.tasks)} tasks, {given.repeats} orders of the runs")
        for rule in means
    ]


def row_of(rule, saved, lost, regret, equal, base, note):
    """A rule beside a sweep that stops nothing."""
    told = f"saves {100 * saved:.0f} % of the steps and loses the best run in {100 * lost:.0f} % of sweeps (regret then {regret:.3f}); {note}"
    peer = "" if rule == "none" else "no stopping"
    return Row(
        f"regret at equal computing time, {rule}", equal, "", peer, base if peer else None, note=told if peer else note
    )


def _cell(rows):
    saved, lost, regret = rows[:, :3].mean(axis=0)
    return f"{100 * saved:.0f} / {100 * lost:.0f} / {regret:.3f}"
