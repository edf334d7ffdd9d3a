"""A training process is killed while it logs: how many rows whose `log()` had returned are nowhere?"""

from __future__ import annotations

import importlib.util
import json
import random
import sqlite3
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from ..measure import Row, fresh_folder, missing
from .crowd import ROOT, until

RATE_HZ = 200
AT_LEAST = 100
"""A kill comes after so many rows, and up to a second more."""

HEAD = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT)!r})
ledger = os.open("told", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
def go(log):
    for i in range(10**6):
        log({{"row": i}})
        os.write(ledger, b"%d\\n" % i)
        time.sleep(1 / {RATE_HZ})
"""
OURS = HEAD + 'import sweepwidget; sweepwidget.use_store("sweeps.db"); go(sweepwidget.init(project="bench").log)'
TRACKIO = HEAD + 'os.environ["TRACKIO_DIR"] = os.path.abspath("trackio")\n'
TRACKIO += 'import trackio; trackio.init(project="bench", embed=False); go(trackio.log)'
WANDB = HEAD + "import wandb; settings = wandb.Settings(silent=True)\n"
WANDB += 'go(wandb.init(project="bench", mode="offline", dir=os.getcwd(), settings=settings).log)'


def rows(kills: int) -> list[Row]:
    mine = _lost(OURS, _kept_by_us, kills)
    print(f"sweepwidget: {mine} rows lost")
    found = []
    for peer, module, script, kept in (
        ("Trackio", "trackio", TRACKIO, _kept_by_trackio),
        ("W&B offline", "wandb", WANDB, _kept_by_wandb),
    ):
        why = "" if importlib.util.find_spec(module) else missing(module)
        theirs = [] if why else _lost(script, kept, kills)
        print(f"{peer}: {why or f'{theirs} rows lost'}")
        note = f"{mine} of {kills} kills" + (f"; peer: {theirs}" if theirs else f"; {why}")
        mean = statistics.mean(theirs) if theirs else None
        what = "rows lost per kill -9 of a training process, mean"
        found.append(Row(what, statistics.mean(mine), "rows", peer, mean, "0", not any(mine), note))
    return found


def _lost(script: str, kept: Callable[[], int], kills: int) -> list[int]:
    """Rows lost by each kill."""
    chance, result = random.Random(1), []
    for _ in range(kills):
        with fresh_folder(), Path("output").open("wb") as output:
            process = subprocess.Popen([sys.executable, "-c", script], stdout=output, stderr=output)
            try:
                until(lambda: _told() >= AT_LEAST or process.poll() is not None, 60)
                assert process.poll() is None, f"it does not log: {Path('output').read_text()[-500:]}"
                time.sleep(chance.random())  # any moment
                helpers = psutil.Process(process.pid).children(recursive=True)
            finally:
                process.kill()
                process.wait()
            for helper in psutil.wait_procs(helpers, 10)[1]:  # they may still write what they know
                helper.kill()
            result.append(_told() - kept())
    return result


def _told() -> int:
    return Path("told").read_bytes().count(b"\n") if Path("told").exists() else 0


def _kept_by_us() -> int:
    """After what the next `init()` does first: close what a dead process left, with what it had logged."""
    from sweepwidget.store import open_store

    store = open_store("sweeps.db")
    store.expire(None)
    (run,) = store.runs()
    kept = len(store.columns(run.id)["row"])
    store.close()
    return kept


def _kept_by_trackio() -> int:
    with sqlite3.connect("trackio/bench.db") as connection:
        found = connection.execute("SELECT metrics FROM metrics").fetchall()
    connection.close()
    return sum("row" in json.loads(metrics) for (metrics,) in found)


def _kept_by_wandb() -> int:
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = Path("wandb").glob("offline-run-*/*.wandb")
    kept = 0
    for data in _log_records(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        kept += any(item.key == "row" or list(item.nested_key) == ["row"] for item in record.history.item)
    return kept


def _log_records(data: bytes, block: int = 32768, header: int = 7) -> Iterator[bytes]:
    """The records of a LevelDB log, as W&B writes it behind seven bytes of its own."""
    at, record = 7, b""
    while at + header <= len(data):
        if (room := block - at % block) < header:
            at += room
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        part = data[at + header : at + header + length]
        if not kind or len(part) < length:
            return
        at += header + length
        record = part if kind in (1, 2) else record + part  # full, first | middle, last
        if kind in (1, 4):
            yield record
