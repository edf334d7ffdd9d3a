"""Durable `log()` calls per second with two metrics: beside Trackio, W&B offline, Optuna's `report` and raw `sqlite3`."""

from __future__ import annotations

import importlib.util
import os
import sqlite3

from .measure import missing, quiet, rate, table


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


def main() -> None:
    with quiet():
        rate(lambda: ours(1000), 1)
    mine = rate(lambda: ours(300_000))
    rows = [["sweepwidget", mine, 1.0, "0 (on disk when log() returns)"]]
    peers = (
        ("raw sqlite3, batches of 1000", raw_sqlite, 300_000, "sqlite3", "up to 1000"),
        ("Trackio", trackio, 20_000, "trackio", "4–64"),
        ("W&B offline", wandb_offline, 10_000, "wandb", "5–96"),
        ("Optuna report (SQLite)", optuna_report, 300, "optuna", "0"),
    )
    for name, peer, n, module, lost in peers:
        if importlib.util.find_spec(module) is None:
            rows.append([name, missing(module), "–", lost])
            continue
        theirs = rate(lambda peer=peer, n=n: peer(n))
        rows.append([name, theirs, mine / theirs, lost])
    table(["durable log() calls per second", "median of 3", "sweepwidget is × faster", "rows lost by a kill"], rows)


if __name__ == "__main__":
    main()
