"""The spool: whatever is logged, and whenever the process dies, no row that was logged is lost or doubled."""

from __future__ import annotations

import itertools
import json
import math
import os
import struct
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from sweepwidget.errors import UsageError
from sweepwidget.store import spool as module
from sweepwidget.store.spool import Spool, discard, leftovers, owners


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sweeps-files"


@pytest.fixture
def spool(folder):
    spool = Spool(folder, "run00001", 1)
    yield spool
    spool.close()


def rows_of(pieces):
    """Points as rows again: [(step, timestamp, {metric: value})], metrics joined to rows by their order."""
    rows = []
    for points in pieces:
        stamps = points.columns.get("_timestamp")
        begin = len(rows)
        for step, at in zip(stamps.steps.tolist(), stamps.values.tolist(), strict=True):
            rows.append((step, at, {}))
        here = {(step, at): row for step, at, row in rows[begin:]}
        assert len(here) == len(rows) - begin, "these tests log each (step, time) once"
        by_step = {step: row for step, _, row in rows[begin:]}
        for name, column in points.columns.items():
            if name != "_timestamp":
                for step, value in zip(column.steps.tolist(), column.values.tolist(), strict=True):
                    by_step[step][name] = value
        for step, text in points.records:
            by_step[step] |= json.loads(text)
    return rows


def take_all(spool):
    pieces = []
    while points := spool.take():
        pieces.append(points)
        spool.delivered(points)
    return pieces


def test_rows_come_back(spool):
    """Steps, times and values, exactly."""
    spool.append(0, 10.5, {"loss": 0.1, "acc": 1})
    spool.append(7, 11.5, {"loss": 0.2, "acc": 2})
    points = spool.take({"loss": 0.2})
    assert (points.run_id, points.attempt, points.source, points.start) == ("run00001", 1, "", 0)
    assert points.summary == {"loss": 0.2}
    assert rows_of([points]) == [(0, 10.5, {"loss": 0.1, "acc": 1.0}), (7, 11.5, {"loss": 0.2, "acc": 2.0})]
    assert list(points.columns) == ["_timestamp", "loss", "acc"]


def test_a_run_that_logs_nothing_makes_no_file(spool, folder):
    """Neither file nor folder, and nothing to take."""
    assert spool.take() is None
    assert spool.undelivered == 0
    spool.close(remove=True)
    assert not folder.exists()


def test_files_are_for_their_owner(spool, folder):
    """0600 in 0700: what is logged is nobody else's business."""
    spool.append(0, 0.0, {"loss": 1.0})
    (file,) = (folder / "spool").iterdir()
    assert [oct(path.stat().st_mode & 0o777) for path in (file, file.parent, folder)] == ["0o600", "0o700", "0o700"]


ODD = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1e308, 0, 2**53, -(2**53)]


@pytest.mark.parametrize("value", ODD)
def test_numbers_keep_every_bit(spool, value):
    """NaN, infinities, signed zero and the largest integers a float holds are columns."""
    spool.append(0, 0.0, {"x": value})
    points = spool.take()
    assert points.columns["x"].values.tobytes() == struct.pack("<d", value)
    assert points.records == []


@pytest.mark.parametrize(
    "value",
    [True, False, None, "", "quote \" ' \\ \n é 🙂", "\ud800", 2**53 + 1, -(10**30), [1, [2]], {"a": {"b": None}}],
)
def test_other_values_are_kept_as_json(spool, value):
    """They come back as they were, beside the numbers of their row."""
    spool.append(3, 0.5, {"x": 1.5, "odd": value, "y": 2.5})
    (points,) = take_all(spool)
    assert rows_of([points]) == [(3, 0.5, {"x": 1.5, "y": 2.5, "odd": value})]


def test_numpy_scalars_are_numbers(spool):
    """Callers convert, but a forgotten one is not turned into text."""
    spool.append(0, 0.0, {"a": np.float32(0.5), "b": np.int64(3), "c": np.float64(0.25), "d": np.bool_(True)})
    assert rows_of([spool.take()]) == [(0, 0.0, {"a": 0.5, "b": 3.0, "c": 0.25, "d": True})]


class Hostile:
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__


def test_what_cannot_be_kept_does_not_end_the_training(spool):
    """Objects, cycles and hostile values become a word about themselves; the rest of the row stays."""
    cycle: list = []
    cycle += [cycle, cycle, 1]
    spool.append(0, 0.0, {"x": 1.0, "hostile": Hostile(), "cycle": cycle, "fine": "text", 5: "number as a name"})
    spool.append(1, 0.0, {"x": 2.0, "object": object})
    first, second = rows_of([spool.take()])
    assert first[2]["fine"] == "text"
    assert first[2]["x"] == 1.0
    assert "Hostile" in first[2]["hostile"]
    assert first[2]["cycle"] == ["…", "…", 1]
    assert first[2]["5"] == "number as a name"
    assert "object" in second[2]["object"]


def test_names_may_be_anything(spool):
    """Long, empty, with quotes, slashes or half characters."""
    names = ["", "a/b", "\"'\\", "é🙂", "\ud800", "n" * 10_000]
    spool.append(0, 0.0, dict.fromkeys(names, 1.0))
    assert sorted(spool.take().columns) == sorted([*names, "_timestamp"])


def test_an_empty_row_is_a_row(spool):
    """Its step and time are kept."""
    spool.append(4, 2.5, {})
    assert rows_of([spool.take()]) == [(4, 2.5, {})]


def test_a_row_may_bring_its_own_time(spool):
    """`_timestamp` in a row wins over the clock, each time."""
    for step in range(3):
        spool.append(step, 0.0, {"_timestamp": 99.5 + step, "x": 1.0})
    assert rows_of([spool.take()]) == [(step, 99.5 + step, {"x": 1.0}) for step in range(3)]


def test_a_step_beyond_64_bits_is_refused(spool):
    """The caller is told; nothing of the row is kept."""
    spool.append(2**63 - 1, 0.0, {"x": 1.0})
    for step in (2**63, -(2**63) - 1):
        with pytest.raises(UsageError, match="64-bit"):
            spool.append(step, 0.0, {"x": 1.0})
        with pytest.raises(UsageError, match="64-bit"):
            spool.append(step, 0.0, {"new": 1.0, "odd": "text"})
    assert len(rows_of(take_all(spool))) == 1


def test_nothing_is_logged_after_the_end(spool):
    """`close` is final, and harmless when repeated."""
    spool.append(0, 0.0, {"x": 1.0})
    spool.close()
    spool.close()
    with pytest.raises(UsageError, match="run00001 has ended"):
        spool.append(1, 0.0, {"x": 1.0})


NAMES = st.sampled_from(["loss", "acc", "val/loss", "lr"])
VALUES = st.one_of(
    st.floats(allow_nan=False), st.integers(-(2**60), 2**60), st.text(max_size=3), st.booleans(), st.none()
)
ROWS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=30)


@given(rows=ROWS, looks=st.sets(st.integers(0, 30)), lose=st.sets(st.integers(0, 30)), cut=st.integers(0, 30))
@settings(max_examples=150, deadline=None)
def test_every_row_is_delivered_once(tmp_path_factory, rows, looks, lose, cut):
    """However deliveries lie between rows, fail and are repeated, and wherever the writer dies, the store and the
    leftovers together have every row once and in order."""
    folder = tmp_path_factory.mktemp("law")
    spool = Spool(folder, "r", 1, "source")
    kept, known = [], {}
    for i, row in enumerate(rows):
        spool.append(i, i + 0.5, row)
        if i in looks and (points := spool.take()):
            assert points.start == known.get("source", 0)
            again = spool.take({"n": i})
            assert (again.start, again.end, again.summary) == (points.start, points.end, {"n": i})
            if i not in lose:
                kept.append(points)
                known["source"] = points.end
                if i != cut:
                    spool.delivered(points)
                else:
                    break  # it died between the answer of the store and hearing of it
    else:
        i = len(rows) - 1
    spool.close()
    left = leftovers(folder, "r", 1, known)
    assert rows_of([*kept, *left]) == [(n, n + 0.5, _expected(rows[n])) for n in range(i + 1)]
    assert leftovers(folder, "r", 1, {"source": left[-1].end} if left else known) == []
    discard(folder, "r", 1)
    assert leftovers(folder, "r", 1, {}) == []


def _expected(row):
    """Integers that a float holds come back as floats."""
    return {name: float(value) if type(value) is int and abs(value) <= 2**53 else value for name, value in row.items()}


def test_a_torn_tail_loses_only_its_row(spool, folder):
    """Cut the file at every byte: what was whole before the cut is read, and nothing else."""
    spool.append(0, 0.5, {"loss": 1.0})
    ends = [spool.undelivered]
    for step, row in enumerate([{"loss": 2.0, "note": "x"}, {"acc": 1.0}, {}, {"loss": 3.0}], 1):
        spool.append(step, step + 0.5, row)
        ends.append(spool.undelivered)
    (file,) = (folder / "spool").iterdir()
    whole = file.read_bytes()
    assert len(whole) == ends[-1]
    for cut in range(len(whole) + 1):
        file.write_bytes(whole[:cut])
        found = leftovers(folder, "run00001", 1, {})
        numbers = [step for points in found for step in points.columns["_timestamp"].steps.tolist()]
        complete = sum(cut >= end for end in ends)
        assert numbers == list(range(complete))
        assert [step for points in found for step, _ in points.records] == [1][: max(0, complete - 1)]
        assert [points.end for points in found] == ends[complete - 1 : complete]


def test_rubbish_ends_the_reading(spool, folder):
    """Zeros after a power cut, or a flipped length, are not rows."""
    spool.append(0, 0.5, {"loss": 1.0})
    spool.append(1, 1.5, {"loss": 2.0})
    (file,) = (folder / "spool").iterdir()
    whole = file.read_bytes()
    for tail in (bytes(64), b"\xff" * 64, struct.pack("<IIqd", 24, 999, 0, 0.0), struct.pack("<IIqd", 24, 1, 16, 0.0)):
        file.write_bytes(whole + tail)
        (points,) = leftovers(folder, "run00001", 1, {})
        assert points.columns["loss"].steps.tolist() == [0, 1]
    for other in (b"", b"not a spool", bytes(100), os.urandom(1000)):
        file.write_bytes(other)
        assert leftovers(folder, "run00001", 1, {}) == []


def test_whose_rows_are_whose(folder):
    """Runs, attempts and sources do not mix, whatever characters are in their names."""
    names = ["a", "A", "a.1", "../up", "x" * 300, "CON", "é"]
    spools = [
        Spool(folder, name, attempt, source) for name in names for attempt in (1, 11) for source in ("", "rank/1")
    ]
    for i, spool in enumerate(spools):
        spool.append(i, 0.0, {"x": float(i)})
        spool.close()
    assert {path.parent for path in folder.rglob("*.spool")} == {folder / "spool"}
    for i, spool in enumerate(spools):
        found = leftovers(folder, spool.run_id, spool.attempt, {})
        assert sorted(points.source for points in found) == ["", "rank/1"]
        (points,) = [points for points in found if points.source == spool.source]
        assert points.columns["x"].values.tolist() == [float(i)]
    discard(folder, "a", 1)
    assert leftovers(folder, "a", 1, {}) == []
    assert len(leftovers(folder, "a", 11, {})) == 2


def test_two_writers_never_share_a_file(folder):
    """A file that is there already is somebody else's: the second writer is another source."""
    first, second = Spool(folder, "r", 1), Spool(folder, "r", 1)
    first.append(0, 0.0, {"x": 1.0})
    second.append(1, 1.0, {"y": 2.0})
    assert sorted(points.source for points in leftovers(folder, "r", 1, {})) == ["", "~2"]
    assert [rows_of(take_all(spool)) for spool in (first, second)] == [[(0, 0.0, {"x": 1.0})], [(1, 1.0, {"y": 2.0})]]
    first.close()
    second.close()


def test_threads_log_at_once(spool):
    """Every row of every thread is there, and each thread's rows are in its order."""

    def work(name):
        for step in range(2000):
            spool.append(step, 0.0, {name: float(step)} if step % 3 else {name: float(step), "both": 1.0})

    threads = [threading.Thread(target=work, args=(f"thread {i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    found: dict[str, list] = {}
    while any(thread.is_alive() for thread in threads) or spool.undelivered:
        for points in take_all(spool):
            for name, column in points.columns.items():
                found.setdefault(name, []).extend(column.steps.tolist())
    for i in range(4):
        assert found[f"thread {i}"] == list(range(2000))
    assert len(found["_timestamp"]) == 8000
    assert len(found["both"]) == 4 * 667


def test_a_batch_is_bounded(spool, monkeypatch):
    """Much that waits is delivered in pieces; a row that is larger than a piece is delivered whole."""
    monkeypatch.setattr(module, "_BATCH", 4096)
    for step in range(1000):
        spool.append(step, step + 0.0, {"x": float(step)})
    spool.append(1000, 1000.0, {"long": "x" * 50_000})
    spool.append(1001, 1001.0, {"x": 1.0})
    pieces = take_all(spool)
    assert max(points.end - points.start for points in pieces[:-2]) <= 4096
    assert [step for step, _, _ in rows_of(pieces)] == list(range(1002))


def test_a_long_run_does_not_fill_the_disk(spool, folder, monkeypatch):
    """When everything is delivered and the file is large, it begins anew; offsets go on."""
    monkeypatch.setattr(module, "_FILE", 10_000)
    taken, largest, step = [], 0, 0
    for _ in range(50):
        for _ in range(40):
            spool.append(step, step + 0.0, {"x": 1.0, "y": 2.0} if step % 2 else {"x": 1.0})
            step += 1
        taken += take_all(spool)
        (file,) = (folder / "spool").iterdir()
        largest = max(largest, file.stat().st_size)
    assert largest < 20_000 < taken[-1].end
    assert [n for n, _, _ in rows_of(taken)] == list(range(step))
    assert all(before.end == after.start for before, after in itertools.pairwise(taken))
    spool.append(step, step + 0.0, {"x": 1.0})
    (left,) = leftovers(folder, "run00001", 1, {"": taken[-1].end})
    assert rows_of([left]) == [(step, float(step), {"x": 1.0})]


# -- trouble --------------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made(tmp_path, caplog):
    """Training goes on, rows wait in memory, the user is told once, and everything is written when it can be."""
    (tmp_path / "files").write_text("a file where the folder should be")
    spool = Spool(tmp_path / "files", "r", 1)
    for step in range(10):
        spool.append(step, step + 0.0, {"x": 1.0})
    assert "files" in spool.trouble
    assert len(caplog.records) == 1
    first = spool.take()
    assert len(rows_of([first])) == 10
    (tmp_path / "files").unlink()
    spool.append(10, 10.0, {"x": 1.0})
    assert spool.take().end == first.end
    assert spool.trouble == ""
    spool.append(11, 11.0, {"x": 1.0})
    assert [step for step, _, _ in rows_of(leftovers(tmp_path / "files", "r", 1, {}))] == list(range(12))
    spool.close()


def test_a_full_disk_in_mid_row(spool, folder, monkeypatch, caplog):
    """A row of which only a part went to the disk is completed when space returns; none is lost or doubled."""
    room = 500
    real = os.write

    def write(fd, data):
        nonlocal room
        if room <= 0:
            raise OSError(28, "No space left on device")
        data = bytes(data)[:room]
        room -= len(data)
        return real(fd, data)

    monkeypatch.setattr(module.os, "write", write)
    for step in range(40):
        spool.append(step, step + 0.0, {"x": 1.0} if step % 5 else {"x": 1.0, "note": "n"})
    assert "No space left" in spool.trouble
    assert len(caplog.records) == 1
    first = spool.take()
    assert [step for step, _, _ in rows_of([first])] == list(range(40))
    torn = leftovers(folder, "run00001", 1, {})
    assert 0 < len(rows_of(torn)) < 40
    room = 10**6
    for step in range(40, 50):
        spool.append(step, step + 0.0, {"x": 1.0})
    spool.take()
    assert spool.trouble == ""
    assert [step for step, _, _ in rows_of(leftovers(folder, "run00001", 1, {}))] == list(range(50))


def test_memory_is_bounded_and_freed(folder, monkeypatch):
    """When neither disk nor store takes rows, some are given up and counted; what is delivered makes room."""
    monkeypatch.setattr(module, "_MEMORY", 10_000)
    folder.write_text("in the way")
    spool = Spool(folder, "r", 1)
    for step in range(1000):
        spool.append(step, step + 0.0, {"x": 1.0})
        assert spool.undelivered <= 10_000
    kept = take_all(spool)
    n = len(rows_of(kept))
    assert 100 < n < 1000
    assert (spool.lost, n + spool.lost) == (1000 - n, 1000)
    assert [step for step, _, _ in rows_of(kept)] == list(range(n))
    for step in range(n, n + 10):
        spool.append(step, step + 0.0, {"x": 1.0, "new": 2.0})
    (more,) = take_all(spool)
    assert (more.start, len(rows_of([more]))) == (kept[-1].end, 10)
    spool.close()


def test_a_deleted_file_still_delivers(spool, folder):
    """Somebody clears the folder while we run: what was logged can still be delivered."""
    spool.append(0, 0.0, {"x": 1.0})
    for file in (folder / "spool").iterdir():
        file.unlink()
    spool.append(1, 1.0, {"x": 2.0})
    assert [step for step, _, _ in rows_of(take_all(spool))] == [0, 1]
    spool.close(remove=True)


# -- processes ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_writes_its_own_file(spool, folder):
    """Parent and child log on, and both streams are whole."""
    spool.append(0, 0.0, {"x": 1.0})
    pid = os.fork()
    if pid == 0:
        for step in range(3):
            spool.append(step, step + 0.0, {"child": 1.0})
        os._exit(0)
    os.waitpid(pid, 0)
    spool.append(1, 1.0, {"x": 1.0})
    found = {points.source: rows_of([points]) for points in leftovers(folder, "run00001", 1, {})}
    assert found == {
        "": [(0, 0.0, {"x": 1.0}), (1, 1.0, {"x": 1.0})],
        f"~{pid}": [(step, float(step), {"child": 1.0}) for step in range(3)],
    }


@pytest.mark.slow
def test_a_killed_writer_loses_nothing(tmp_path, child):
    """SIGKILL in mid-log, many times: every row whose append returned is there."""
    for attempt in range(1, 9):
        writer = child(
            """
            import sys
            from pathlib import Path
            from sweepwidget.store.spool import Spool
            spool = Spool(Path(sys.argv[1]), "r", int(sys.argv[2]))
            step = 0
            while True:
                spool.append(step, 0.0, {"x": step / 2, "y": 1.0})
                print(step, flush=step % 64 == 0)
                step += 1
            """,
            tmp_path,
            attempt,
        )
        printed = [writer.line() for _ in range(129)]  # it writes out every 64th
        time.sleep(0.05 * attempt)  # the moment of the kill is the point
        printed += writer.kill()
        (points,) = leftovers(tmp_path, "r", attempt, {})
        steps = points.columns["x"].steps.tolist()
        assert steps == list(range(len(steps)))
        complete = [line for line in printed if line.isdigit()][:-1]
        assert len(steps) > int(complete[-1])
        assert (points.columns["x"].values * 2).tolist() == steps


def test_owners_names_every_spool(tmp_path):
    """Whoever tidies up after the dead can tell whose files there are; what is no spool is passed over."""
    for run_id, attempt in (("a", 1), ("a", 2), ("b", 1)):
        spool = Spool(tmp_path, run_id, attempt)
        spool.append(0, 0.0, {"x": 1.0})
        spool.close()
    (tmp_path / "spool" / "odd.spool").write_bytes(b"not one of ours")
    assert owners(tmp_path) == {("a", 1), ("a", 2), ("b", 1)}
