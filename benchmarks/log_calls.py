"""Durable `log()` calls per second with two metrics: beside Trackio, W&B offline, Optuna's `report` and raw `sqlite3`."""

from __future__ import annotations

import os
import sqlite3

from .measure import Row, of_peer, quiet, rate, sizes


def ours(n: int) -> int:
    import sweepwidget as wandb

    wandb.use_store(os.path.abspath("sweeps.db"))
    run = wandb.init(project="bench")
    log = run.log
    for i in range(n):
        log({"loss": 1.0 / (i + 1), "accuracy": i * 1e-6})
    run.finish()
    stored = wandb.Api().run(run.id)
    assert n == stored.summary["_step"] + 1
    return n


def trackio(n: int) -> int:
    os.environ["TRACKIO_DIR"] = os.path.abspath("trackio")
    import trackio as peer

    peer.init(project="bench", embed=False)
    for i in range(n):
        peer.log({"loss": 1.0 / (i + 1), "accuracy": i * 1e-6})
    peer.finish()
    return n


def wandb_offline(n: int) -> int:
    import wandb as peer

    run = peer.init(project="bench", mode="offline", dir=os.getcwd(), settings=peer.Settings(silent=True))
    for i in range(n):
        run.log({"loss": 1.0 / (i + 1), "accuracy": i * 1e-6})
    run.finish()
    return n


def optuna_report(n: int) -> int:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage="sqlite:///" + os.path.abspath("optuna.db"))
    trial = study.ask()
    for i in range(n):
        trial.report(1.0 / (i + 1), i)
    return n


def raw_sqlite(n: int, batch: int = 1000) -> int:
    """The same rows into one table, in batches: what the disk and the library can do."""
    db = sqlite3.connect("raw.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute("CREATE TABLE point (step INTEGER PRIMARY KEY, loss REAL, accuracy REAL)")
    for start in range(0, n, batch):
        rows = [(i, 1.0 / (i + 1), i * 1e-6) for i in range(start, min(start + batch, n))]
        db.execute("BEGIN")
        db.executemany("INSERT INTO point VALUES (?, ?, ?)", rows)
        db.execute("COMMIT")
    db.close()
    return n


def main() -> list[Row]:
    given = sizes(calls=300_000)
    n = given.calls
    with quiet():
        rate(lambda: ours(1000), 1)
    mine = rate(lambda: ours(n))
    peers = (
        ("raw sqlite3, batches of 1000", raw_sqlite, n, "sqlite3", "≥ 0.25×"),
        ("Trackio", trackio, n // 15, "trackio", "≥ 5×"),
        ("W&B offline", wandb_offline, n // 30, "wandb", ""),
        ("Optuna report, SQLite", optuna_report, n // 1000, "optuna", ""),
    )
    rows = []
    for name, peer, calls, package, aim in peers:
        theirs, note = of_peer(package, lambda peer=peer, calls=calls: rate(lambda: peer(calls)))
        rows.append(Row("durable log() calls per second, two metrics", mine, "/s", name, theirs, aim, note=note))
    return rows
