"""The dashboard in a real kernel: what its comm says and hears, while cells run and block, and what stays in the notebook."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from kernel import Kernel

from .conftest import RANDOM
from .page import KernelPage

pytestmark = pytest.mark.slow

SETUP = """
import gzip, pathlib, time, threading
import sweepwidget as wandb
from sweepwidget.widget import assets
from sweepwidget.dashboards import dashboard
assets._FOLDER = pathlib.Path("static").resolve()
assets._FOLDER.mkdir(exist_ok=True)
(assets._FOLDER / "dashboard.js").write_text("export default {}")
(assets._FOLDER / "plotly.js.gz").write_bytes(gzip.compress(b"export default {}"))
store = wandb.use_store(pathlib.Path("sweeps.db").resolve())
CONFIG = {"method": "random", "metric": {"name": "loss"}, "run_cap": 3, "parameters": {"lr": {"min": 0.0, "max": 1.0}}}
def train():
    run = wandb.init()
    for i in range(5):
        wandb.log({"loss": run.config.lr * i})
        time.sleep(0.02)
"""


@pytest.fixture
def notebook(kernel) -> Kernel:
    """The module's kernel, ready for dashboards."""
    cell = kernel.run(SETUP)
    assert cell.status == "ok", cell.error
    return kernel


def open_page(kernel: Kernel, code: str = "dash = dashboard(wandb.sweep(CONFIG)); dash") -> KernelPage:
    """Run a cell that makes a dashboard; its page."""
    cell = kernel.run(code)
    assert cell.status == "ok", cell.error
    return KernelPage(kernel, kernel.run("print(dash.comm.comm_id)").stdout.strip())


def test_a_dashboard_tells_its_page_everything(notebook):
    """Traits when the comm opens, then `full` and the asset, without being asked; small and without the store's secrets."""
    page = open_page(notebook)
    full = page.wait(lambda said: said.head["type"] == "full")
    assert full.head["seq"] == 1
    assert page.wait(lambda said: said.head["type"] == "asset").head["name"] == "plotly"
    traits = page.traits
    assert traits["sweep_id"] == full.head["sweep"]["id"]
    assert {name: traits[name] for name in ("panel", "status", "best", "selected", "theme")} == {
        "panel": "dashboard",
        "status": "PENDING",
        "best": None,
        "selected": [],
        "theme": "auto",
    }
    assert traits["config"]["run_cap"] == 3
    assert traits["_esm"] == "export default {}"


def test_before_the_kernel_has_looked_there_is_no_best(wandb, static):
    """What the comm opens with is drawn at once where the front end is in the page already."""
    from sweepwidget.widget.dashboard import Dashboard

    dash = Dashboard(config=RANDOM)
    try:
        assert dash.trait_defaults("best") is None
    finally:
        dash.close()


def test_agents_work_and_the_page_hears(notebook):
    """Started from the page with the notebook's function, while no cell runs; curves come as they are logged."""
    page = open_page(notebook)
    assert page.answer("watch", plot="main", metric="loss", x="step", width=200, show="all").head["type"] == "done"
    done = page.answer("start_agents", n=2, backend="thread", function="train")
    assert done.head["type"] == "done", done.head
    page.until(lambda page: page.traits["status"] == "FINISHED")

    def complete(page: KernelPage):
        curves = page.state().curves.get("main", {})
        return curves if len(curves) == 3 and all(len(x) == 5 for x, _ in curves.values()) else None

    page.until(complete)
    assert {row["state"] for row in page.state().rows.values()} == {"finished"}
    assert page.state().gaps == 0
    best = page.until(lambda page: page.traits["best"])
    assert best["metric"] == "loss"
    assert notebook.run("print(dash.best['value'] == dash.best['config']['lr'] * 4)").stdout == "True\n"


def test_functions_of_the_notebook_are_offered(notebook):
    """Those that need nothing, the latest first; not what is imported, private, or needs arguments."""
    notebook.run(
        "def needs(x): pass\ndef _hidden(): pass\nfrom os.path import join\nimport functools\nbound = functools.partial(needs, 1)"
    )
    notebook.run("def train():\n    'Again.'\n")
    page = open_page(notebook)
    functions = page.wait(lambda said: said.head["type"] == "full").head["functions"]
    names = [function["name"] for function in functions]
    assert names[0] == "train"
    assert functions[0]["doc"] == "Again."
    assert re.search(r"\d", functions[0]["where"])
    assert "bound" in names
    assert not {"needs", "_hidden", "join", "exit", "quit"} & set(names)
    notebook.run(SETUP)


def test_orders_are_obeyed_while_agent_blocks_the_cell(notebook):
    """Pause, stop: acknowledged at once, and no new run begins within a second."""
    page = open_page(notebook, "dash = dashboard(wandb.sweep({**CONFIG, 'run_cap': 10_000})); dash")
    cell = notebook.start("wandb.agent(dash.sweep_id, function=train)")
    page.until(lambda page: page.traits["status"] == "RUNNING")
    began = time.monotonic()
    page.answer("stop", now=True)
    took = time.monotonic() - began
    assert notebook.finish(cell).status == "ok"
    assert took < 10
    assert page.until(lambda page: page.traits["status"] == "FINISHED")


def test_the_page_hears_while_the_users_own_cell_blocks(notebook):
    """Changes and signs of life come from a thread, whatever the main thread does."""
    notebook.run("from sweepwidget.widget import feed; feed.ALIVE_S = 0.2")
    page = open_page(notebook)
    page.wait(lambda said: said.head["type"] == "full")
    cell = notebook.start(
        "from sweepwidget.model import Suggestion, SweepId\n"
        "def later(): store.enqueue(SweepId(dash.sweep_id), Suggestion({'lr': 0.5}), 1)\n"
        "threading.Timer(0.3, later).start(); print('BUSY', flush=True); time.sleep(60)"
    )
    notebook.wait_for(cell, "BUSY")
    delta = page.wait(lambda said: said.head["type"] == "delta" and "runs" in said.head)
    page.wait(lambda said: said.head["type"] == "alive" and said.head["seq"] > delta.head["seq"])
    notebook.interrupt()
    assert "KeyboardInterrupt" in notebook.finish(cell).error


def test_orders_are_heard_while_the_users_own_cell_blocks(notebook):
    """Where the front end uses subshells (JupyterLab does), a click need not wait for the cell."""
    if "kernel subshells" not in notebook.run("print(get_ipython().kernel.kernel_info['supported_features'])").stdout:
        pytest.skip("this ipykernel has no subshells")
    page = open_page(notebook)
    asked = notebook.client.session.msg("create_subshell_request")
    notebook.client.control_channel.send(asked)
    subshell = notebook.client.get_control_msg(timeout=10)["content"]["subshell_id"]
    cell = notebook.start("print('BUSY', flush=True); time.sleep(60)")
    notebook.wait_for(cell, "BUSY")
    content = {"type": "enqueue", "id": "e", "config": {"lr": 0.5}}
    data = {"comm_id": page.comm_id, "data": {"method": "custom", "content": content}}
    notebook.send("comm_msg", data, subshell_id=subshell)
    page.wait(lambda said: said.head["type"] == "done" and said.head["id"] == "e")
    notebook.interrupt()
    assert "KeyboardInterrupt" in notebook.finish(cell).error


def test_a_sweep_of_another_process_is_followed(notebook):
    """What another program writes reaches the page."""
    page = open_page(notebook)
    page.wait(lambda said: said.head["type"] == "full")
    notebook.run(
        "import subprocess, sys\n"
        "code = f'import sweepwidget as w; w.use_store({store.link!r}); w.api.pause if 0 else None\\n'\\\n"
        "       f'from sweepwidget.model import Suggestion, SweepId\\n'\\\n"
        "       f'w.stores.current_store().enqueue(SweepId({dash.sweep_id!r}), Suggestion({{\"lr\": 0.25}}), 1)'\n"
        "print(subprocess.run([sys.executable, '-c', 'import sweepwidget.stores, sweepwidget.api; ' + code], capture_output=True, text=True).stderr)"
    )
    page.until(lambda page: [row["config.lr"] for row in page.state().rows.values()] == [0.25])


def test_the_page_sets_what_is_its_own(notebook):
    """Selection, view and theme reach Python; the store's facts do not move."""
    page = open_page(notebook)
    page.answer("enqueue", config={"lr": 0.75})
    (run,) = page.until(lambda page: list(page.state().rows))
    page.set(selected=[run], view={"tab": "curves"}, theme="dark", status="FINISHED", sweep_id="other", config={"x": 1})
    notebook.run("time.sleep(0.2)")
    told = notebook.run(
        "print(dash.selected, dash.view, dash.theme, dash.status, dash.sweep_id == 'other', 'x' in dash.config)"
    )
    assert told.stdout == f"['{run}'] {{'tab': 'curves'}} dark PENDING False False\n"
    frame = notebook.run("df = dash.selected_df; print(len(df), df['config.lr'][0], df['state'][0])")
    assert frame.stdout == "1 0.75 pending\n"


def test_the_configuration_is_edited_from_python(notebook):
    """Setting the trait edits the sweep; what cannot run raises and changes nothing."""
    page = open_page(notebook)
    cell = notebook.run("dash.config = {**CONFIG, 'run_cap': 7}; print(store.sweep(dash.sweep_id).config['run_cap'])")
    assert cell.stdout == "7\n", cell.error
    page.until(lambda page: (page.state().head.get("sweep") or {}).get("run_cap") == 7)
    bad = notebook.run("dash.config = {'method': 'dance'}")
    assert "ConfigError" in bad.error
    assert notebook.run("print(dash.config['run_cap'], store.sweep(dash.sweep_id).config_version)").stdout == "7 2\n"


def test_traits_are_observed(notebook):
    """`observe` is called also while a cell runs; an observer that raises harms nobody."""
    open_page(notebook)
    cell = notebook.run(
        "seen = []\n"
        "def look(change):\n"
        "    seen.append(change.new); raise ValueError('mine')\n"
        "dash.observe(look, 'status')\n"
        "def train_on():\n"
        "    train()\n"
        "    until = time.monotonic() + 20\n"
        "    while 'RUNNING' not in seen and time.monotonic() < until: time.sleep(0.01)\n"
        "wandb.agent(dash.sweep_id, function=train_on)\n"
        "until = time.monotonic() + 20\n"
        "while 'FINISHED' not in seen and time.monotonic() < until: time.sleep(0.01)\n"
        "print(seen)"
    )
    assert cell.stdout.endswith("['RUNNING', 'FINISHED']\n"), cell.error


def test_several_dashboards_and_panels(notebook):
    """They share what is read; each has its own comm, and can stand in a box."""
    page = open_page(notebook)
    cell = notebook.run(
        "import ipywidgets\n"
        "from sweepwidget.widget.dashboard import AgentsPanel, ConfigEditor, Curves, RunsTable\n"
        "panels = [kind(dash.sweep_id) for kind in (ConfigEditor, AgentsPanel, Curves, RunsTable)]\n"
        "box = ipywidgets.VBox([dash, *panels])\n"
        "print([panel.panel for panel in panels], len({id(panel._desk.feed) for panel in [dash, *panels]}))\n"
        "print(*[panel.comm.comm_id for panel in panels])"
    )
    kinds, ids = cell.stdout.splitlines()
    assert kinds == "['config', 'agents', 'curves', 'runs'] 1"
    others = [KernelPage(notebook, id) for id in ids.split()]
    assert [(other.first_traits["panel"], other.first_traits["best"]) for other in others] == [
        ("config", None),
        ("agents", None),
        ("curves", None),
        ("runs", None),
    ]
    page.answer("enqueue", config={"lr": 0.5})
    for other in [page, *others]:
        other.until(lambda page: len(page.state().rows) == 1)


def test_a_closed_comm_is_left_alone(notebook):
    """The page that was closed hears nothing more, and nobody follows the sweep for it."""
    page = open_page(notebook)
    page.wait(lambda said: said.head["type"] == "full")
    notebook.send("comm_close", {"comm_id": page.comm_id, "data": {}})
    notebook.run("time.sleep(0.2)")
    assert (
        notebook.run("from sweepwidget.widget.feed import _feeds; print(dash._desk in dash._desk.feed._viewers)").stdout
        == "False\n"
    )
    notebook.run("dash.close(); dash.close()")


def test_a_draft_becomes_a_sweep(notebook):
    """Without a sweep there is a form; applying it makes one, and the traits follow."""
    page = open_page(notebook, "dash = dashboard(config=CONFIG); dash")
    assert page.wait(lambda said: said.head["type"] == "full").head["sweep"] is None
    assert (page.traits["sweep_id"], page.traits["config"]["run_cap"]) == ("", 3)
    made = page.answer("apply", draft={"method": "grid", "parameters": {"a": {"values": [1, 2]}}}).head["result"]
    page.until(lambda page: page.traits["sweep_id"] == made["sweep_id"])
    page.until(lambda page: page.traits["config"]["method"] == "grid")


def test_after_a_restart_a_new_dashboard_attaches(tmp_path):
    """The old comm is dead with its kernel; the same cell in a new one shows the same sweep."""
    with Kernel() as first:
        first.run(SETUP.replace('"sweeps.db"', f'"{tmp_path}/sweeps.db"'))
        page = open_page(first)
        page.answer("enqueue", config={"lr": 0.5})
        sweep_id = page.traits["sweep_id"]
        first.kill()
    with Kernel() as second:
        second.run(SETUP.replace('"sweeps.db"', f'"{tmp_path}/sweeps.db"'))
        page = open_page(second, f"dash = dashboard({sweep_id!r}); dash")
        full = page.wait(lambda said: said.head["type"] == "full")
        assert [row["config.lr"] for row in full.rows()] == [0.5]


def test_the_notebook_keeps_the_last_state(notebook):
    """Below the widget is a snapshot of its own, brought up to date in place: words and a picture, without script or style."""
    cell = notebook.start("dash = dashboard(wandb.sweep({**CONFIG, 'name': '<script>alert(1)</script>'}))\ndash")
    done = notebook.finish(cell)
    widget, before = done.displays
    assert "application/vnd.jupyter.widget-view+json" in widget
    assert "0 of 3 runs" in before["text/plain"]
    notebook.run("wandb.agent(dash.sweep_id, function=train)")

    place = next(m["content"]["transient"] for m in done.messages if m["content"].get("data") == before)

    def updated():
        heard = [m for said in notebook._heard.values() for m in said if m["msg_type"] == "update_display_data"]
        shown = [m["content"]["data"] for m in heard if m["content"]["transient"] == place]
        return next((data for data in shown if "FINISHED" in data["text/plain"]), None)

    end = time.monotonic() + 20
    while not (after := updated()):
        notebook._listen(end)
    page = after["text/html"]
    assert "3 of 3 runs" in page
    assert "&lt;script&gt;" in page
    assert 'src="data:image/svg+xml;base64,' in page
    assert not re.search(r"<(script|style|svg|iframe)|\son\w+=", page)
    assert len(page) < 20_000


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</table></div><style>*{}</style>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "\x1b]0;owned\x07\x1b[31mred",
    "\u202egnp.exe",
    "]]><!--",
]


def test_whatever_is_in_a_sweep_is_text_in_the_snapshot(wandb):
    """Names, configs, errors, metrics and reasons: no tag and no attribute comes of them."""
    from html.parser import HTMLParser

    from sweepwidget.model import Changes, Cursor, Run, RunId, RunState, Sweep, SweepId, SweepState
    from sweepwidget.widget import snapshot
    from sweepwidget.widget.mirror import Mirror

    class Tags(HTMLParser):
        found: set[tuple[str, tuple[str, ...]]] = set()

        def handle_starttag(self, tag, attrs):
            self.found.add((tag, tuple(name for name, _ in attrs)))

    for text in HOSTILE:
        config = {
            "method": "random",
            "name": text,
            "metric": {"name": text},
            "parameters": {"x": {"values": [text, "b"]}},
        }
        sweep = Sweep(SweepId("s"), config, SweepState.RUNNING, text, project=text)
        rows = tuple(
            Run(RunId(f"r{i}"), sweep.id, i, {"x": text, text: text}, state, name=text, error=text, summary={text: i})
            for i, state in enumerate((RunState.finished, RunState.failed, RunState.running))
        )
        mirror = Mirror()
        mirror.apply(Changes(Cursor(), sweep, rows), 0.0)
        page = snapshot.html(mirror, 0.0, text)
        Tags().feed(page)
        said = snapshot.text(mirror, 0.0)
        assert all(c.isprintable() or c == "\n" for c in said)
    allowed = {"div": {"class", "data-sw-model"}, "img": {"alt", "width", "src"}}
    for tag, names in Tags.found:
        assert tag in {"div", "p", "b", "br", "img", "code", "table", "tr", "th", "td", "small"}
        assert set(names) <= allowed.get(tag, set())


def test_a_dashboard_begins_without_a_best_run():
    """Not with an empty one: the page that is drawn before the store was read would show it."""
    from sweepwidget.widget.dashboard import Dashboard

    assert Dashboard.class_traits()["best"].default() is None


def test_a_front_end_that_is_not_built_is_explained(wandb, tmp_path, monkeypatch):
    """The error says what to run."""
    from sweepwidget import errors
    from sweepwidget.widget import assets
    from sweepwidget.widget.dashboard import Dashboard

    monkeypatch.setattr(assets, "_FOLDER", tmp_path)
    assets.module.cache_clear()
    with pytest.raises(errors.UsageError, match="make js"):
        Dashboard()


def test_in_a_terminal_a_summary_is_printed(wandb, capsys):
    """Nothing of a widget is loaded."""
    from sweepwidget.dashboards import dashboard

    sweep_id = wandb.sweep({"method": "grid", "name": "mine", "parameters": {"a": {"values": [1, 2]}}})
    wandb.agent(sweep_id, function=lambda: wandb.init().log({"loss": 1}))
    capsys.readouterr()
    assert dashboard(sweep_id) is None
    shown = capsys.readouterr().out
    assert "mine" in shown
    assert "FINISHED · 2 of 2 runs" in shown
    assert dashboard() is None
    assert sweep_id in capsys.readouterr().out


def test_no_token_reaches_a_trait(wandb, static, tmp_path):
    """A dashboard of a link knows the token; its traits, messages, reprs and snapshot do not."""
    from sweepwidget.widget.dashboard import Dashboard

    token = "s3cr3tt0kens3cr3tt0ken"
    sent: list[object] = []
    sweep_id = wandb.sweep({"method": "grid", "parameters": {"a": {"values": [1, 2]}}})
    store = wandb.use_store(tmp_path / "sweeps.db")
    store.link = f"https://hub.example.org/{sweep_id}#{token}"
    dash = Dashboard(sweep_id, store=store)
    at_first = str(dash.get_state())  # what the page is sent when the comm opens
    try:
        dash.send = lambda content, buffers=None: sent.append(content)
        dash._desk.hear({"type": "hello", "id": "h", "page": "p"})
        end = time.monotonic() + 10
        while not any(content.get("type") == "full" for content in sent):
            assert time.monotonic() < end
            time.sleep(0.01)
        with contextlib.suppress(Exception):
            dash.config = {"method": "no"}
        everything = [at_first, repr(dash), str(dash.get_state()), str(sent), str(dash._snapshot.bundle())]
        assert not any(token in text for text in everything)
    finally:
        dash.close()
