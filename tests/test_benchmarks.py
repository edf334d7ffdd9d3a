"""What the benchmarks make of their figures: aims are judged by one rule, a new measurement replaces only its own part, and
RESULTS.md and its pictures are what `results.json` says. The figures themselves are no assertions.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from attrs import evolve
from hypothesis import example, given, strategies as st

pytest.importorskip("benchmarks", reason="not part of the source distribution")

from benchmarks import results
from benchmarks.aims import judged, times_better
from benchmarks.bars import LEFT, RIGHT, WIDTH, picture
from benchmarks.catalogue import BENCHMARKS, THEMES
from benchmarks.machine import Machine, this_machine
from benchmarks.measure import Row
from benchmarks.report import written
from benchmarks.results import Block, added

HERE = Path(results.__file__).parent
MACHINE = Machine("a processor", 2, "8.0 GiB", "Linux 6", "CPython 3.11.2", "3.40.1", {"optuna": "5.0.0"})
TEXT = st.text(st.characters(exclude_categories=["C"]), max_size=20)
FIGURE = st.floats(0, 1e9)
ROWS = st.builds(
    Row,
    what=TEXT,
    value=FIGURE | st.just(math.nan),
    unit=st.sampled_from(["", "/s", "ms", "×"]),
    peer=TEXT,
    peer_value=st.none() | FIGURE,
    aim=st.sampled_from(["", "≥ 20×", "≤ 5 ms", "≤ 1/20", "< 1×", "0", "as good as may be"]),
    reached=st.none() | st.booleans(),
    note=TEXT,
)
BLOCKS = st.builds(
    Block,
    benchmark=st.sampled_from(list(BENCHMARKS)),
    measured_at=st.just("2026-01-31 12:00 UTC"),
    machine=st.just(MACHINE),
    revision=st.just("abc1234"),
    seconds=st.none() | st.just(12.5),
    load=st.just(()) | st.just((0.5, 1.5)),
    rows=st.lists(ROWS, min_size=1, max_size=4).map(tuple),
    arguments=st.just("") | st.just("--trials 7"),
)


def block(name: str, *rows: Row, arguments: str = "") -> Block:
    return Block(name, "2026-01-31 12:00 UTC", MACHINE, "abc1234", 1.0, (0.5, 1.5), rows, arguments)


# -- aims ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "peer_value", "aim", "reached"),
    [
        (1396, "/s", 50, "≥ 20×", True),
        (1396, "/s", 521, "≥ 5×", False),
        (300, "/s", 1200, "≥ 0.25×", True),
        (74_122, "bytes", 7_037_095, "≤ 1/20", True),
        (82, "ms", 562, "≤ 100 ms", True),
        (5.01, "ms", None, "≤ 5 ms", False),
        (100, "ms", None, "< 100 ms", False),
        (1.35, "×", None, "≤ 1.5×", True),
        (0, "", 25, "0", True),
        (1, "", 25, "0", False),
        (60_000, "/s", None, "≥ 50,000/s", True),
        (12, "/s", None, "≥ 20×", None),  # the peer did not run
        (12, "/s", 0, "≥ 20×", None),
        (math.nan, "ms", None, "≤ 5 ms", None),
        (12, "ms", None, "", None),
    ],
)
def test_an_aim_is_judged_from_the_value_the_peers_and_its_words(value, unit, peer_value, aim, reached):
    peer = "" if peer_value is None and "×" in (unit, "") else "a peer"
    row = Row("w", value, unit, peer, peer_value, aim)
    assert reached is judged(row).reached


@given(ROWS.filter(lambda row: row.aim != "as good as may be"))
def test_what_a_row_claims_does_not_count(row):
    assert (
        judged(evolve(row, reached=False)) == judged(evolve(row, reached=True)) or math.isnan(row.value) or _alien(row)
    )


def _alien(row: Row) -> bool:
    """An aim in another unit is the module's own to judge."""
    return row.aim == "≤ 5 ms" and row.unit != "ms"


def test_words_that_are_no_comparison_are_left_to_the_module_that_says_them():
    assert judged(Row("w", 1, aim="as good as may be", reached=True)).reached is True


@pytest.mark.parametrize(
    ("row", "times"),
    [
        (Row("w", 100, "/s", "p", 10), 10),
        (Row("w", 10, "ms", "p", 100), 10),
        (Row("w", 10, "ms", "p", 5), 0.5),
        (Row("w", 3, "×", "p", 1, "≥ 2×"), 3),
        (Row("w", 0, "", "p", 25, "0"), math.inf),
        (Row("w", 12, "processes", "p", 3, "12"), 4),
        (Row("w", 0, "", "p", 0), 1),
        (Row("w", 5, "/s", "p", None), None),
        (Row("w", math.nan, "/s", "p", 5), None),
    ],
)
def test_times_better_is_above_one_where_ours_is_better(row, times):
    assert times == times_better(row)


# -- what is kept -------------------------------------------------------------------------------------------------------


@given(st.lists(BLOCKS, max_size=3))
def test_what_is_kept_comes_back(tmp_path_factory, blocks):
    path = tmp_path_factory.getbasetemp() / "kept.json"
    results.save(blocks, path)
    assert repr(blocks) == repr(results.load(path))  # NaN is not equal to itself


def test_nothing_kept_is_no_block(tmp_path):
    assert [] == results.load(tmp_path / "results.json")


@given(st.lists(BLOCKS, max_size=4), BLOCKS)
def test_a_measurement_replaces_only_its_own_part(blocks, new):
    others = [block for block in blocks if block.benchmark != new.benchmark]
    kept = added(blocks, new)
    assert [*others, new] == [block for block in kept if block.benchmark != new.benchmark or block is new]
    assert kept == added(kept, new)


def test_with_arguments_only_rows_of_the_same_name_and_peer_are_replaced():
    sqlite, journal = Row("trials", 1, "/s", "SQLite", 2), Row("trials", 1, "/s", "Journal", 3)
    again = block("trials", evolve(journal, value=5), arguments="--trials 7")
    assert [block("trials", sqlite), again] == added([block("trials", sqlite, journal)], again)


def test_a_row_that_said_why_it_has_no_value_goes_with_the_next_measurement():
    again = block("trials", Row("trials", 5, "/s"), arguments="--trials 7")
    assert [again] == added([block("trials", Row("the benchmark `trials`", math.nan, note="failed: …"))], again)


# -- RESULTS.md and the pictures ----------------------------------------------------------------------------------------


def test_results_md_is_what_results_json_says():
    """Written again by `python -m benchmarks --report`."""
    expected = written(results.load())
    assert expected == {name: (HERE / name).read_text("utf-8") for name in expected}
    assert {name for name in expected if name.endswith(".svg")} == {path.name for path in HERE.glob("results-*.svg")}


def test_each_aim_stands_beside_its_peer_and_those_not_reached_stand_first():
    text = written([
        block(
            "trials",
            judged(Row("trials per second", 1396, "/s", "Optuna SQLite", 50, "≥ 20×")),
            judged(Row("trials per second", 1396, "/s", "Optuna Journal", 521, "≥ 5×", note="busy")),
        ),
        block("next", judged(Row("next run, p95", 2.4, "ms", aim="≤ 5 ms"))),
    ])["RESULTS.md"]  # fmt: skip
    assert "**2 of 3 aims reached.**" in text
    missed = "| trials per second | 1,396/s | Optuna Journal | 521/s | 2.68× | ≥ 5× | **no** | busy |"
    assert missed in text.partition("## Trials")[0]
    assert "| trials per second | 1,396/s | Optuna SQLite | 50/s | 27.9× | ≥ 20× | yes |  |" in text
    assert "| next run, p95 | 2.4 ms | ≤ 5 ms | yes |" in text
    assert "2026-01-31 12:00 UTC, in 1 s on the machine below, load average 0.5 before, 1.5 after" in text
    assert "a processor, 2 cores, 8.0 GiB, Linux 6, CPython 3.11.2, SQLite 3.40.1, optuna 5.0.0." in text


def test_what_was_never_measured_is_said():
    text = written([block("trials", Row("w", 1))])["RESULTS.md"]
    (line,) = (line for line in text.splitlines() if line.startswith("Not measured yet"))
    assert [f"`{name}`" for name in BENCHMARKS if name != "trials"] == line.removeprefix(
        "Not measured yet: "
    ).removesuffix(".").split(", ")


def test_a_missing_peer_and_a_failure_are_said_in_their_rows():
    rows = (
        Row("w", 1, "/s", "Optuna", None, note="not run: …"),
        Row("the benchmark `x`", math.nan, note="failed: a | b"),
    )
    text = written([block("trials", *rows)])["RESULTS.md"]
    assert "| w | 1/s | Optuna | – | not run: … |" in text
    assert "| the benchmark `x` | – |  |  | failed: a \\| b |" in text


@given(st.lists(BLOCKS, max_size=4))
def test_whatever_is_measured_can_be_reported(blocks):
    files = written(blocks)
    for name, content in files.items():
        if name.endswith(".svg"):
            ET.fromstring(content)  # well-formed
    tables = [line.count("|") - line.count("\\|") for line in files["RESULTS.md"].splitlines() if line.startswith("|")]
    assert all(bars >= 3 for bars in tables)
    assert all(f"({name})" in files["RESULTS.md"] for name in files if name.endswith(".svg"))


@given(st.lists(ROWS, max_size=6))
@example([Row("w", 5e-320, "/s", "p", 1), Row("w", 0, "/s", "p", 1), Row("w", 0, "", "p", 1)])
def test_bars_stay_in_the_picture_and_each_row_beside_a_peer_has_one(rows):
    drawn = [row for row in rows if row.peer and times_better(row) is not None]
    svg = picture("Speed", rows)
    assert bool(drawn) == bool(svg)
    bars = [
        (float(shape.get("x")), float(shape.get("width")))
        for shape in (ET.fromstring(svg) if svg else ())
        if shape.get("class") in ("better", "worse") and shape.get("rx")
    ]
    assert len(drawn) == len(bars)
    assert all(x >= LEFT and x + width <= WIDTH - RIGHT + 1 for x, width in bars)


def test_every_benchmark_has_a_theme_and_a_module():
    assert {benchmark.theme for benchmark in BENCHMARKS.values()} <= set(THEMES)
    assert [] == [benchmark for benchmark in BENCHMARKS.values() if not (HERE / f"{benchmark.module}.py").exists()]


# -- the command --------------------------------------------------------------------------------------------------------


def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    repository = HERE.parent
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(repository)])}
    command = [sys.executable, "-m", "benchmarks", *argv]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def copied(tmp_path) -> Path:
    """The benchmarks in a folder of their own, with nothing measured."""
    shutil.copytree(
        HERE, tmp_path / "benchmarks", ignore=shutil.ignore_patterns("results.json", "results-*", "__pycache__")
    )
    return tmp_path


@pytest.mark.slow
def test_one_that_fails_and_one_that_is_killed_lose_no_other(copied):
    module = copied / "benchmarks"
    (module / "trials.py").write_text("def main():\n    raise ZeroDivisionError('no')\n")
    (module / "log_calls.py").write_text("import os\ndef main():\n    os.kill(os.getpid(), 9)\n")
    (module / "next_run.py").write_text(
        "from .measure import Row\ndef main():\n    return [Row('w', 2, 'ms', aim='≤ 5 ms', reached=False)]\n"
    )
    done = run(copied, "trials", "log", "next")
    assert 1 == done.returncode, done.stderr
    notes = {
        block.benchmark: (block.rows[0].reached, block.rows[0].note) for block in results.load(module / "results.json")
    }
    expected = {
        "trials": (None, "failed: ZeroDivisionError: no"),
        "log": (None, "failed: ended by signal 9"),
        "next": (True, ""),
    }
    assert expected == notes
    assert "| w | 2 ms | ≤ 5 ms | yes |" in (module / "RESULTS.md").read_text("utf-8")


@pytest.mark.slow
def test_one_runs_alone_with_its_own_arguments(copied):
    done = run(copied, "import", "--repeats", "1")
    assert 0 == done.returncode, done.stderr
    (found,) = results.load(copied / "benchmarks" / "results.json")
    assert ("import", "--repeats 1", this_machine()) == (found.benchmark, found.arguments, found.machine)
    assert {"import ipywidgets"} == {row.peer for row in found.rows}


@pytest.mark.parametrize(
    ("argv", "wrong"), [("trails", "trails"), ("trials log lgo", "lgo"), ("trials log --trials 7", "--trials")]
)
def test_a_name_that_does_not_exist_runs_nothing(copied, argv, wrong):
    done = run(copied, *argv.split())
    assert 2 == done.returncode
    assert f"{wrong} is no benchmark, and arguments are for one alone" in done.stderr
    assert [] == results.load(copied / "benchmarks" / "results.json")
