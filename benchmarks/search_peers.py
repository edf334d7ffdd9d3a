"""Searchers of other libraries behind one interface, at their defaults: `ask()` gives a configuration, `tell` its cost.

Lists of numbers are handed to all of them as ordered choices, which is generous: most users would not think of it.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from importlib.util import find_spec

import numpy as np

from sweepwidget.model import Run, RunId, RunState
from sweepwidget.runs import Runs
from sweepwidget.search import searcher_for


def ordered(spec):
    return "values" in spec and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in spec["values"])


class Ours:
    """A searcher of sweepwidget, fed as the controller feeds it."""

    method = "bayes"

    def __init__(self, problem, seed):
        config = problem.sweep(self.method)
        self.searcher, self.runs, self.n = searcher_for(config, seed), Runs(config.goal), 0

    def ask(self):
        found = self.searcher.suggest(self.runs, 1)
        if not found:
            return None
        self.n += 1
        (suggestion,) = found
        self._put(self.n, suggestion.config, RunState.running, {}, suggestion.info)
        return self.n, suggestion.config

    def tell(self, token, cost):
        run = self.runs[RunId(f"r{token}")]
        self._put(token, run.config, RunState.finished, {"loss": cost}, run.info)

    def _put(self, number, config, state, summary, info):
        self.runs.apply_rows(
            [Run(RunId(f"r{number}"), None, number, config, state, summary=summary, info=info, started_at=0.0)]
        )


class Chance(Ours):
    method = "random"


class Optuna:
    sampler = "TPESampler"

    def __init__(self, problem, seed):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study(sampler=getattr(optuna.samplers, self.sampler)(seed=seed))
        self.problem = problem

    def ask(self):
        trial = self.study.ask()
        return trial, {name: self._suggest(trial, name, spec) for name, spec in self.problem.parameters.items()}

    @staticmethod
    def _suggest(trial, name, spec):
        if ordered(spec):
            return sorted(spec["values"])[trial.suggest_int(name, 0, len(spec["values"]) - 1)]
        if "values" in spec:
            return trial.suggest_categorical(name, spec["values"])
        low, high = spec["min"], spec["max"]
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(name, low, high)
        log = spec.get("distribution") == "log_uniform_values"
        return trial.suggest_float(name, low, high, log=log, step=spec.get("q"))

    def tell(self, token, cost):
        self.study.tell(token, cost)


class OptunaGP(Optuna):
    sampler = "GPSampler"


class Wandb:
    """W&B's own engine, the package `sweeps`. It draws from numpy's global generator."""

    def __init__(self, problem, seed):
        self.config = {
            "method": "bayes",
            "metric": {"name": "loss", "goal": "minimize"},
            "parameters": dict(problem.parameters),
        }
        np.random.seed(seed)  # noqa: NPY002
        self.runs = []

    def ask(self):
        from sweeps import next_run

        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            run = next_run(self.config, self.runs)
        run.state = "running"
        self.runs.append(run)
        return run, {name: value["value"] for name, value in run.config.items()}

    def tell(self, token, cost):
        token.state, token.summary_metrics = "finished", {"loss": cost}


class Hyperopt:
    """Hyperopt's TPE through its Trials object."""

    def __init__(self, problem, seed):
        from hyperopt import Domain, Trials

        self.domain = Domain(lambda given: 0.0, {n: self._node(n, s) for n, s in problem.parameters.items()})
        self.problem, self.trials, self.rng = problem, Trials(), np.random.default_rng(seed)

    @staticmethod
    def _node(name, spec):
        from hyperopt import hp

        if ordered(spec):
            return hp.quniform(name, 0, len(spec["values"]) - 1, 1)
        if "values" in spec:
            return hp.choice(name, spec["values"])
        low, high = spec["min"], spec["max"]
        if spec.get("distribution") == "log_uniform_values":
            return hp.loguniform(name, np.log(low), np.log(high))
        if isinstance(low, int) and isinstance(high, int):
            return hp.quniform(name, low, high, 1)
        return hp.quniform(name, low, high, spec["q"]) if "q" in spec else hp.uniform(name, low, high)

    def ask(self):
        from hyperopt import tpe
        from hyperopt.base import JOB_STATE_RUNNING

        ids = self.trials.new_trial_ids(1)
        (trial,) = tpe.suggest(ids, self.domain, self.trials, int(self.rng.integers(2**31)))
        trial["state"] = JOB_STATE_RUNNING
        self.trials.insert_trial_doc(trial)
        self.trials.refresh()
        raw = {name: values[0] for name, values in trial["misc"]["vals"].items()}
        return ids[0], {name: self._value(raw[name], spec) for name, spec in self.problem.parameters.items()}

    @staticmethod
    def _value(raw, spec):
        if "values" in spec:
            return (sorted(spec["values"]) if ordered(spec) else spec["values"])[int(raw)]
        return int(raw) if isinstance(spec["min"], int) and isinstance(spec["max"], int) else float(raw)

    def tell(self, token, cost):
        from hyperopt.base import JOB_STATE_DONE, STATUS_OK

        (trial,) = (trial for trial in self.trials._dynamic_trials if trial["tid"] == token)
        trial["state"], trial["result"] = JOB_STATE_DONE, {"loss": cost, "status": STATUS_OK}
        self.trials.refresh()


PEERS = {
    "sweepwidget": (Ours, "sweepwidget"),
    "optuna-gp": (OptunaGP, "torch"),
    "optuna-tpe": (Optuna, "optuna"),
    "wandb": (Wandb, "sweeps"),
    "hyperopt": (Hyperopt, "hyperopt"),
    "random": (Chance, "sweepwidget"),
}
"""Name → (class, module it needs)."""


def importable():
    return [name for name, (_, module) in PEERS.items() if find_spec(module)]
