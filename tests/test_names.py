"""Names and values that are SQL, markup, paths or odd Unicode: kept and given back as they are, at every place, and no file is
ever called by them.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from store.conftest import PLACES, TTL

from sweepwidget.columns import column
from sweepwidget.errors import Error
from sweepwidget.model import (
    Agent,
    AgentId,
    Cursor,
    Outcome,
    Points,
    RunId,
    RunState,
    Suggestion,
    Sweep,
    SweepId,
    SweepState,
)
from sweepwidget.process import this_process

CORPUS = [
    # SQL
    "'", '"', "`", ";", "--", "/*", "%", "_", "\\", "?", ":name", "$1", "%s", "{}", "{0}", "' OR '1'='1", "'; DROP TABLE run; --",
    '"); DELETE FROM run; --', "x' UNION SELECT * FROM token --", "NULL", "\\'; VACUUM; --", "$$; DROP TABLE run; $$",
    # markup
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</script><svg onload=alert(1)>", "javascript:alert(1)", "&lt;&amp;&#0;",
    "${7*7}", "{{7*7}}", "[x](javascript:alert(1))", "]]>", "<!--", "\x1b[31mred\x1b[0m", "\x1b]8;;http://evil.example\x07x\x1b]8;;\x07",
    # paths
    "../../etc/passwd", "..\\..\\windows", "/etc/passwd", "C:\\x", "CON", "nul", "a/b/c", ".", "..", "~", "~root", "file:///etc/passwd",
    "-rf", "--help", "x" * 300, "a\nb", "a\rb", "a\tb", "\u2028", "con.txt", ".hidden",
    # Unicode
    "é", "e\u0301", "Ω", "\u2126", "💥", "👩‍👩‍👧‍👦", "\u202egnp.exe", "\u200b", "\ufeff", "\uffff", "\U0010ffff", "ﷺ", "ｆｕｌｌ", "ı", "ß",
    # words that mean something somewhere
    "_step", "_runtime", "__proto__", "constructor", "__class__", "$float", "$$float", "null", "true", "NaN", "Infinity", "0", "", " ",
]  # fmt: skip


@pytest.fixture(params=PLACES)
def place(request, tmp_path, monkeypatch):
    """A store's place, in a folder where nothing else is written."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    place = PLACES[request.param](tmp_path)
    yield place
    place.close()


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


def test_every_name_and_value_comes_back_as_it_was(place, tmp_path):
    """In configurations, summaries, metrics, records, tags, notes, errors and reasons; and the tables are all there."""
    store, other = place.open(), place.open()
    before = files(tmp_path)
    odd = {text: text for text in CORPUS}
    sweep_id = SweepId("odd")
    config = {"method": "random", "controller": {"type": "local"}, "parameters": {"x": {"value": 1}}, "odd": odd}
    store.create_sweep(Sweep(sweep_id, config, SweepState.RUNNING, project="'; DROP TABLE sweep; --", entity="<b>"))
    lease = store.acquire(sweep_id, "'owner'", this_process(), TTL)
    runs = store.add_runs(
        lease, [Suggestion({"x": text, text: odd}, {"why": text}) for text in CORPUS], range(len(CORPUS))
    )
    store.join(Agent(AgentId("agent"), sweep_id, this_process(), backend="<i>'"), TTL)
    for number, (run, text) in enumerate(zip(runs, CORPUS, strict=True)):
        claimed = store.claim(AgentId("agent"), f"'{text[:50]}'" if text.isprintable() else f"request {number}")
        assert claimed.id == run.id
        store.update_run(run.id, name=text, notes=text, tags=(text, "x"), group=text, job_type=text)
        columns = {text: column([0, 1], [0.5, 1.0]), f"{text} again": column([0], [2.0])}
        record = json.dumps({text: {"_type": text, text: [text]}})
        store.log(Points(run.id, 1, text[:100], 0, 2, columns, [(0, record)], {text: text}))
        store.finish(run.id, 1, Outcome(RunState.failed, 1, text, odd))
    store.set_state(sweep_id, SweepState.FINISHED, "'; DROP TABLE ledger; --")

    assert config == other.sweep(sweep_id).config
    assert "'; DROP TABLE ledger; --" == other.sweep(sweep_id).reason
    chunks = other.changes(sweep_id, Cursor()).chunks
    for run, text in zip(other.runs(sweep_id), CORPUS, strict=True):
        assert {"x": text, text: odd} == run.config
        assert (text, text, (text, "x"), text, text) == (run.name, run.notes, run.tags, run.group, run.job_type)
        assert (text, odd, {"why": text}) == (run.error, run.summary, run.info)
        assert [text, f"{text} again"] == list(other.columns(run.id))
        assert [(0, {text: {"_type": text, text: [text]}})] == list(other.records(run.id))
        assert {text, f"{text} again"} == {chunk.key for chunk in chunks if chunk.run_id == run.id}
        assert {text[:100]: 2} == other.known_offsets(run.id, 1)
        assert [text] == sorted(
            {chunk.key for chunk in other.changes(sweep_id, Cursor(), [text]).chunks if chunk.run_id == run.id}
        )
    assert len(CORPUS) == len(other.runs(sweep_id))
    new = files(tmp_path) - before
    assert not {name for name in new if any(text and text in name for text in CORPUS if len(text) > 3)}, new


def test_an_odd_id_is_nobodys(place):
    """What no sweep, run or agent is called is not found, whatever it says; and nothing has happened."""
    store = place.open()
    store.create_sweep(Sweep(SweepId("one"), {}, SweepState.RUNNING))
    for text in CORPUS:
        for ask in (
            lambda text: store.sweep(SweepId(text)),
            lambda text: store.run(RunId(text)),
            lambda text: text and store.runs(SweepId(text)),  # without an id: the runs without a sweep
            lambda text: store.delete_run(RunId(text)),
            lambda text: store.columns(RunId(text), 1),
            lambda text: store.claim(AgentId(text), "request"),
            lambda text: store.known_offsets(RunId(text), 1),
            lambda text: store.stop([RunId(text)], text),
            lambda text: store.set_state(SweepId(text), SweepState.CANCELED),
            lambda text: store.leave(AgentId(text)),
            lambda text: store.dismiss([AgentId(text)]),
            lambda text: store.heartbeat([AgentId(text)], TTL),
            lambda text: store.recall(text),
        ):
            with contextlib.suppress(Error):
                assert not ask(text), text
    assert ["one"] == [sweep.id for sweep in store.sweeps()]
    assert SweepState.RUNNING is store.sweep(SweepId("one")).state
