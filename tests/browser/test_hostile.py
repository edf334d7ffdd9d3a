"""Whatever stands in names, values, logs and errors is text, wherever it is shown; odd numbers are marked; nothing is fetched."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from browser.conftest import STORE
from browser.workbench import workbench

PAYLOADS = [
    "<img src=x onerror=window.__pwned=1>",
    "<script>window.__pwned=1</script>",
    "</script><script>window.__pwned=1</script>",
    "</style><script>window.__pwned=1</script>",
    "</textarea><img src=x onerror=window.__pwned=1>",
    "--><img src=x onerror=window.__pwned=1>",
    "]]><img src=x onerror=window.__pwned=1>",
    '"><img src=x onerror=window.__pwned=1>',
    "'><img src=x onerror=window.__pwned=1>",
    '" onmouseover=window.__pwned=1 x="',
    "' onfocus=window.__pwned=1 autofocus '",
    "javascript:window.__pwned=1",
    "<a href='javascript:window.__pwned=1'>click</a>",
    "<svg onload=window.__pwned=1>",
    "<svg><animate onbegin=window.__pwned=1 attributeName=x></svg>",
    "<math><mtext><script>window.__pwned=1</script></mtext></math>",
    "<iframe srcdoc='<script>parent.__pwned=1</script>'></iframe>",
    "<object data='data:text/html,<script>window.__pwned=1</script>'></object>",
    "<body onload=window.__pwned=1>",
    "<details open ontoggle=window.__pwned=1>x</details>",
    "<input autofocus onfocus=window.__pwned=1>",
    "<style>@import 'http://evil.invalid/x.css'</style>",
    "<link rel=stylesheet href=http://evil.invalid/x.css>",
    "<meta http-equiv=refresh content='0;url=http://evil.invalid/'>",
    "<base href=http://evil.invalid/>",
    "[click](javascript:window.__pwned=1) ![x](http://evil.invalid/x.png)",
    "$\\href{javascript:window.__pwned=1}{x}$",
    "{{constructor.constructor('window.__pwned=1')()}} ${window.__pwned=1}",
    "&lt;img src=x onerror=window.__pwned=1&gt;",
    "\u202egnp.exe\u202c",
    "\x1b[31mred\x1b[0m \x1b]8;;javascript:window.__pwned=1\x07link\x1b]8;;\x07 \x1b]0;title\x07",
    "over\rwritten\x07bell\x08",
    "\ud800 lone, \u0000 nothing, \ufeff mark".replace("\u0000", "\\0"),
    "__proto__",
    "constructor",
    "long " * 2000,
]
HOSTILE = f"""
import contextlib, math, warnings
payloads = {PAYLOADS!r}
names = [text for text in payloads if "\\ud800" not in text]
metric = names[0]
def train():
    run = sw.init()
    mine = payloads[run.config["i"] % len(payloads)]
    run.name, run.notes = mine[:120], mine
    print(mine)
    with contextlib.suppress(Exception):
        run.tags = (mine[:60],)
    for step in range(4):
        run.log({{metric: [1.0, math.nan, math.inf, -0.5][step], mine.replace("\\ud800", "")[:200]: step, "plain": 10.0 ** -step - 0.01}})
    run.log({{metric: float(run.config["i"])}})
    run.summary["said"] = mine
    if run.config["i"] % 3 == 0:
        raise RuntimeError(mine)
config = {{"name": names[1], "description": names[2], "method": "grid", "metric": {{"name": metric, "goal": "minimize"}},
    "parameters": {{"i": {{"values": list(range(len(payloads)))}}, names[0]: {{"values": [names[2]]}}, names[13]: {{"value": names[3]}},
        names[-1][:10_000]: {{"values": [1, 2][:1]}}}}}}
warnings.simplefilter("ignore")
sweep_id = sw.sweep(config)
sw.agent(sweep_id, function=train)
"""
HURT = """() => ({
    pwned: window.__pwned,
    tags: [...document.querySelectorAll('[data-testid=sw-root] :is(script, iframe, object, embed, link, style, base, meta, animate), [data-testid=sw-root] img')].map(e => e.outerHTML.slice(0, 80)),
    handlers: [...document.querySelectorAll('[data-testid=sw-root] *')].filter(e => [...e.attributes].some(a => /^on/i.test(a.name) || /^\\s*javascript:/i.test(a.value) && /href|src|action/i.test(a.name))).map(e => e.outerHTML.slice(0, 80)),
})"""
UNHURT = {"pwned": None, "tags": [], "handlers": []}


@pytest.fixture(scope="module")
def bench(browser, server):
    with workbench(browser, server, "hostile", [STORE, "%env WANDB_AGENT_DISABLE_FLAPPING=true"]) as bench:
        bench.notebook.run(bench.notebook.add("%%capture\n" + HOSTILE), 120)
        yield bench


@pytest.fixture
def lab(bench):
    with bench.showing("sw.dashboard(sweep_id)") as lab:
        lab.page.get_by_test_id("sw-run-row").first.wait_for()
        yield lab


def test_every_view_shows_it_as_text(lab):
    """Thirty-six strings, in every tab, figure, drawer, menu and form: no element, no handler and no script comes of them."""
    page = lab.page
    assert len(PAYLOADS) > 30
    assert int(lab.ask("len(sw.Api().sweep(sweep_id).runs)")) == len(PAYLOADS)
    for tab in ("curves", "parallel", "config", "queue", "log"):
        page.get_by_test_id(f"sw-tab-{tab}").first.click()
        page.get_by_role("tabpanel").first.wait_for()
        assert UNHURT == page.evaluate(HURT), tab
    page.get_by_test_id("sw-tab-config").first.click()
    for view in ("YAML", "Python", "Form"):
        page.get_by_role("radiogroup", name="Edit as").get_by_text(view, exact=True).click()
        assert UNHURT == page.evaluate(HURT), view
    page.get_by_test_id("sw-tab-figures").click()
    for name in ("importance", "slice", "contour", "history", "timeline", "edf"):
        page.get_by_test_id("sw-figures").get_by_test_id(f"sw-tab-{name}").click()
        drawn = page.locator(".sw-figure-host svg.main-svg, .sw-figures [data-testid=sw-error]").first
        drawn.wait_for()
        assert UNHURT == page.evaluate(HURT), name
    page.get_by_test_id("sw-add-run").click()
    page.get_by_test_id("sw-enqueue").wait_for()
    assert UNHURT == page.evaluate(HURT)
    page.get_by_test_id("sw-enqueue").get_by_role("button", name="Close").first.click()


def test_every_run_is_text_in_its_drawer(lab):
    """Config, metrics, output, traceback, notes and about, of every run."""
    page = lab.page
    page.get_by_test_id("sw-run-row").first.click()
    drawer = page.get_by_test_id("sw-drawer")
    for run in lab.ask("' '.join(r.id for r in sw.Api().sweep(sweep_id).runs)").strip("'").split():
        row = page.locator(f'[data-testid=sw-run-row][data-run-id="{run}"]')
        if row.count() == 0:
            continue  # the table is windowed
        row.locator("th").click()
        page.locator(f'[data-testid=sw-drawer][data-run-id="{run}"]').wait_for()
        for tab in ("metrics", "error", "output", "notes", "about", "config"):
            if drawer.get_by_test_id(f"sw-tab-{tab}").count():
                drawer.get_by_test_id(f"sw-tab-{tab}").click()
        assert UNHURT == page.evaluate(HURT)


def test_a_log_has_its_colours_and_nothing_else(lab):
    """Colours are kept, links and titles and bells of the terminal dropped; \\r writes over."""
    page = lab.page
    for n, said in ((30, "red link"), (31, "writtenbell")):
        page.get_by_role("textbox", name="Filter").fill(f"i = {n}")
        expect(page.get_by_test_id("sw-run-row")).to_have_count(1)
        page.get_by_test_id("sw-run-row").first.locator("th").click()
        page.get_by_test_id("sw-drawer").get_by_test_id("sw-tab-output").click()
        expect(page.get_by_test_id("sw-drawer").locator("pre")).to_contain_text(said)
    assert "\x07" not in page.get_by_test_id("sw-drawer").locator("pre").first.inner_text()


def test_numbers_that_cannot_be_drawn_are_counted(lab):
    """NaN and infinities are marked ✕; on a log axis what is not positive is left out, with its count."""
    page = lab.page
    page.get_by_test_id("sw-tab-curves").click()
    expect(page.get_by_text("✕ NaN or infinite")).to_be_visible()
    page.get_by_label("log y", exact=True).check()
    expect(page.get_by_text("≤ 0 hidden on the log axis", exact=False)).to_be_visible()


def test_snapshot_report_and_reprs_are_text(bench, lab):
    """What the notebook keeps, the report, and what cells print of the sweep: shown in the page, nothing runs."""
    page = lab.page
    cell = lab.add(
        "from IPython.display import HTML, display\napi = sw.Api().sweep(sweep_id)\ndisplay(api, *api.runs[:3], HTML(dash._snapshot.bundle()['text/html']))"
    )
    lab.run(cell)
    assert None is page.evaluate("window.__pwned")
    report = page.context.browser.new_page()
    path = lab.ask("print(api.report('hostile.html').resolve())")
    fetched = []
    report.on("request", lambda request: fetched.append(request.url))
    report.goto(f"file://{path}")
    report.locator("svg.main-svg").first.wait_for()
    assert [None, []] == [
        report.evaluate("window.__pwned"),
        [url for url in fetched if not url.startswith(("file:", "data:", "blob:"))],
    ]
    report.close()


def test_nothing_is_fetched_from_elsewhere(bench, lab):
    """All that the page asks for, it asks of the Jupyter server."""
    at = lab.page.evaluate("location.origin")
    assert [] == [
        url for url in bench.requests if not url.startswith((at, "data:", f"blob:{at}", at.replace("http", "ws")))
    ]
