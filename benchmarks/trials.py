"""Trials per second of a trivial function, one agent, everything kept on disk: beside Optuna's SQLite and Journal storages."""

from __future__ import annotations

import os

from .measure import Row, fresh_folder, of_peer, quiet, rate, sizes

SPACE = {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}}


def ours(n: int) -> int:
    import sweepwidget as wandb

    wandb.use_store(os.path.abspath("sweeps.db"))
    sweep_id = wandb.sweep({"method": "random", "metric": {"name": "loss"}, "parameters": SPACE})

    def train() -> None:
        run = wandb.init()
        run.log({"loss": (run.config.x - 0.3) ** 2 + run.config.y})

    wandb.agent(sweep_id, function=train, count=n)
    assert len(wandb.Api().sweep(sweep_id).runs) == n
    return n


def optuna_storage(make, n: int) -> int:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=make(), sampler=optuna.samplers.RandomSampler())

    def objective(trial) -> float:
        return (trial.suggest_float("x", 0, 1) - 0.3) ** 2 + trial.suggest_float("y", 0, 1)

    study.optimize(objective, n_trials=n)
    assert len(study.trials) == n
    return n


def optuna_sqlite(n: int) -> int:
    return optuna_storage(lambda: "sqlite:///" + os.path.abspath("optuna.db"), n)


def optuna_journal(n: int) -> int:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return optuna_storage(lambda: JournalStorage(JournalFileBackend(os.path.abspath("optuna.log"))), n)


def main() -> list[Row]:
    given = sizes(trials=2000)
    with fresh_folder(), quiet():
        ours(50)  # imports are not what is measured
    mine = rate(lambda: ours(given.trials))
    peers = (
        ("Optuna SQLite", optuna_sqlite, given.trials // 20, "≥ 20×"),
        ("Optuna Journal file", optuna_journal, given.trials // 4, "≥ 5×"),
    )
    rows = []
    for name, peer, n, aim in peers:
        theirs, note = of_peer("optuna", lambda peer=peer, n=n: rate(lambda: peer(n)))
        rows.append(Row("trials per second, trivial function, durable", mine, "/s", name, theirs, aim, note=note))
    return rows
