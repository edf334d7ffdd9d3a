"""The page in a real browser, fed by the harness: what no pretended browser can show.

`make js` first; then `pytest js/test`. Needs Node, Chromium and playwright.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api")
JS = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None or shutil.which("node") is None, reason="needs Chromium and Node"),
    pytest.mark.skipif(not (JS.parent / "sweepwidget/static/core.js.gz").exists(), reason="not built: make js"),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def harness() -> Iterator[str]:
    server = subprocess.Popen(["node", "harness/serve.mjs"], cwd=JS, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    yield server.stdout.readline().strip()
    server.terminate()
    server.wait(10)
    server.stdout.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def show(harness: str, browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens the harness as its address says; fails on any error of the page."""
    pages: list[Any] = []

    def open_page(query: str, width: int = 900, height: int = 1000) -> Any:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(8000)
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(f"{harness}?{query}")
        page.get_by_test_id("sw-root").first.wait_for()
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        errors = page.errors
        page.close()
        assert errors == []


def sent(page: Any, kind: str) -> list[dict[str, Any]]:
    return page.evaluate("kind => harness.model.sent.filter(content => content.type === kind)", kind)


def rows(page: Any) -> Any:
    return page.get_by_test_id("sw-run-row")


def test_buttons_order_what_they_say(show: Callable[..., Any]) -> None:
    page = show("state=running&speed=0")
    page.get_by_test_id("sw-pause").click()
    page.get_by_test_id("sw-resume").click()
    page.get_by_test_id("sw-pause").wait_for()
    page.get_by_test_id("sw-agent-add").click()
    page.wait_for_function("document.querySelectorAll('[data-testid=sw-agent-row]').length === 3")
    page.get_by_test_id("sw-stop").click()
    page.get_by_test_id("sw-status").get_by_text("Finished").wait_for()
    assert [len(sent(page, kind)) for kind in ("pause", "resume", "scale", "stop")] == [1, 1, 1, 1]


def test_destructive_orders_are_asked_twice(show: Callable[..., Any]) -> None:
    page = show("state=running&speed=0")
    page.get_by_role("button", name="More ways to stop").click()
    page.get_by_role("menuitem", name="Stop running runs").click()
    assert sent(page, "stop") == []
    page.get_by_role("menuitem", name="Really stop 2 running runs?").click()
    page.wait_for_function("harness.model.sent.some(content => content.type === 'stop' && content.now)")


def test_a_busy_kernel_is_said_and_the_order_stays_sent(show: Callable[..., Any]) -> None:
    page = show("state=running&kernel=busy&speed=0")
    page.get_by_test_id("sw-stop").click()
    assert page.get_by_test_id("sw-kernel-busy").count() == 0
    page.get_by_test_id("sw-kernel-busy").wait_for(timeout=3000)
    assert page.get_by_test_id("sw-stop").get_attribute("data-status") == "sent"
    page.get_by_test_id("sw-stop").click(force=True)
    assert len(sent(page, "stop")) == 1
    page.evaluate("harness.kernel.unblock()")
    page.get_by_test_id("sw-status").get_by_text("Finished").wait_for()
    assert page.get_by_test_id("sw-kernel-busy").count() == 0


def test_an_agent_whose_run_does_not_stop(show: Callable[..., Any]) -> None:
    """After ten seconds its row says so, and what helps."""
    page = show("state=running&speed=0")
    page.evaluate("harness.sweep.agents.forEach((agent, i) => { agent.told_at = harness.sweep.now - [30, 3][i]; })")
    page.get_by_test_id("sw-pause").click()  # the kernel tells all anew
    told = page.get_by_text("still running")
    told.wait_for()
    assert told.count() == 1
    assert told.inner_text().startswith("told to stop 3")
    assert "restart the kernel" in str(told.get_attribute("title"))


def test_keys_do_not_leave_the_widget(show: Callable[..., Any]) -> None:
    page = show("state=running&speed=0")
    page.evaluate("globalThis.keys = []; document.addEventListener('keydown', event => keys.push(event.key))")
    for name in ("sw-pause", "sw-tab-curves"):
        page.get_by_test_id(name).focus()
        page.keyboard.press("d")
        page.keyboard.press("d")
    page.get_by_role("grid").focus()
    page.keyboard.press("d")
    page.keyboard.press("Control+s")
    page.keyboard.press("F2")
    assert page.evaluate("keys.filter(key => key.length === 1)") == ["s"]


def test_the_table_is_a_grid_for_the_keyboard(show: Callable[..., Any]) -> None:
    page = show("state=running&ended=500&speed=0")
    grid = page.get_by_role("grid")
    rows(page).first.wait_for()
    grid.focus()
    for _ in range(60):
        page.keyboard.press("ArrowDown")
    active = page.evaluate(
        "id => document.getElementById(id)?.dataset.runId", grid.get_attribute("aria-activedescendant")
    )
    assert active is not None
    page.keyboard.press("Space")
    assert page.evaluate("harness.model.get('selected')") == [active]
    page.keyboard.press("p")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.get_by_test_id("sw-drawer").wait_for()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Filter"
    assert grid.get_attribute("aria-rowcount") == "503"
    assert page.evaluate("document.querySelectorAll('[data-testid=sw-run-row]').length") < 60


def test_a_failed_run_can_be_reproduced_and_tried_with_the_mended_function(show: Callable[..., Any]) -> None:
    page = show(
        "state=running&ended=40&speed=0&view=%7B%22filter%22%3A%22state%20in%20(failed,crashed)%22%7D", width=1200
    )
    assert page.get_by_role("columnheader", name="code").count() == 1
    shown = "() => [...document.querySelectorAll('[data-testid=sw-run-row]')].map(row => row.dataset.state)"
    page.wait_for_function("document.querySelectorAll('[data-testid=sw-run-row]').length > 0")
    assert set(page.evaluate(shown)) == {"failed", "crashed"}
    number = page.evaluate("""() => { const row = [...document.querySelectorAll('[data-testid=sw-run-row]')]
        .find(row => row.textContent.includes('train@a1f3')); row.click(); return row.querySelector('th').textContent }""")
    drawer = page.get_by_test_id("sw-drawer")
    drawer.get_by_test_id("sw-tab-error").click()
    assert f"Run {number} once more" in drawer.get_by_test_id("sw-reproduce").inner_text()
    drawer.get_by_test_id("sw-code").get_by_text("the notebook now has train@77c0").wait_for()
    drawer.get_by_test_id("sw-code").get_by_role("button").click()
    page.wait_for_function("harness.model.sent.some(content => content.type === 'retry_run')")
    shown = "() => [...document.querySelectorAll('[data-testid=sw-run-row]')].filter(row => row.textContent.includes('a1f3'))"
    old = set(page.evaluate(f"({shown})().map(row => row.dataset.runId)"))
    assert {content["run"] for content in sent(page, "retry_run")} == old


def test_an_end_of_a_preview_is_dragged(show: Callable[..., Any]) -> None:
    page = show("state=running&ended=14&speed=0")
    page.get_by_test_id("sw-tab-config").click()
    row = page.locator("[data-testid=sw-param-row][data-name=dropout]")
    box = row.locator(".sw-end[data-end=max] .sw-end-grip").bounding_box()
    field = row.get_by_label("max of dropout")
    before = field.input_value()
    page.mouse.move(box["x"] + 5, box["y"] + 10)
    page.mouse.down()
    page.mouse.up()
    assert field.input_value() == before
    page.mouse.down()
    page.mouse.move(box["x"] - 40, box["y"] + 10, steps=4)
    page.mouse.up()
    assert 0 < float(field.input_value()) < float(before)
    assert row.get_by_label("min of dropout").input_value() == "0.0"
    page.get_by_role("button", name="Undo", exact=True).click()
    assert field.input_value() == before


def test_of_several_goals_the_front_is_the_best(show: Callable[..., Any]) -> None:
    page = show("state=finished&ended=40&speed=0&goals=2")
    card = page.get_by_test_id("sw-best")
    card.get_by_text("max accuracy").wait_for()
    card.get_by_role("button", name="on the front").click()
    said = card.get_by_role("button", name="on the front").inner_text()
    assert len(page.evaluate("harness.model.get('selected')")) == int(said.split()[0])
    assert page.get_by_role("columnheader", name="accuracy").count() == 1
    page.get_by_test_id("sw-tab-figures").click()
    page.get_by_test_id("sw-tab-pareto").wait_for()
    page.wait_for_function("harness.model.sent.some(content => content.type === 'figure' && content.name === 'pareto')")


def test_names_and_errors_are_text(show: Callable[..., Any]) -> None:
    page = show("state=running&ended=30&hostile=1")
    rows(page).nth(2).click()
    page.get_by_test_id("sw-drawer").wait_for()
    for tab in ("metrics", "output", "notes", "about", "config"):
        page.get_by_test_id("sw-drawer").get_by_test_id(f"sw-tab-{tab}").click()
    page.get_by_test_id("sw-tab-log").click()
    page.get_by_test_id("sw-tab-parallel").click()
    page.wait_for_timeout(300)
    assert page.title() == "sweepwidget harness"
    assert page.locator("[data-testid=sw-root] :is(img, script, b b)").count() == 0


def test_what_is_typed_stays_while_the_kernel_talks(show: Callable[..., Any]) -> None:
    page = show("state=running&speed=4")
    rows(page).first.click()
    drawer = page.get_by_test_id("sw-drawer")
    drawer.get_by_test_id("sw-tab-notes").click()
    drawer.get_by_label("Notes", exact=True).last.fill("half a thou")
    page.get_by_role("textbox", name="Filter").fill("state = fin")
    page.wait_for_timeout(1500)
    assert drawer.get_by_label("Notes", exact=True).last.input_value() == "half a thou"
    assert page.get_by_role("textbox", name="Filter").input_value() == "state = fin"


def test_nothing_jumps_while_runs_come_and_go(show: Callable[..., Any]) -> None:
    page = show("state=running&speed=8&total=200")
    rows(page).first.wait_for()
    page.wait_for_timeout(500)
    places = """() => Object.fromEntries(['sw-progress', 'sw-best', 'sw-agents', 'sw-tab-curves', 'sw-runs', 'sw-pause', 'sw-stop']
        .map(name => { const box = document.querySelector(`[data-testid=${name}]`).getBoundingClientRect(); return [name, [box.x, box.y, box.height]] }))"""
    before = page.evaluate(places)
    for _ in range(8):
        page.wait_for_timeout(300)
        assert page.evaluate(places) == before


def test_rows_stand_still_under_the_pointer(show: Callable[..., Any]) -> None:
    page = show("state=running&speed=8&total=200")
    rows(page).nth(3).hover()
    under = "() => document.querySelectorAll('[data-testid=sw-run-row]')[3].dataset.runId"
    before = page.evaluate(under)
    page.wait_for_timeout(3000)
    assert page.evaluate(under) == before
    assert page.get_by_role("button", name="sort again").is_visible()
    page.mouse.move(5, 5)
    page.get_by_role("button", name="sort again").wait_for(state="hidden")


def test_a_dead_kernel_leaves_the_state_and_no_buttons(show: Callable[..., Any]) -> None:
    page = show("state=running&kernel=detached")
    page.get_by_test_id("sw-detached").wait_for()
    assert page.get_by_test_id("sw-stop").get_attribute("aria-disabled") == "true"
    page.get_by_test_id("sw-stop").click(force=True)
    assert sent(page, "stop") == []
    assert rows(page).count() > 5


def test_two_views_show_the_same_and_leave_nothing_behind(show: Callable[..., Any]) -> None:
    page = show("state=running&views=2")
    assert page.get_by_test_id("sw-root").count() == 2
    page.get_by_test_id("sw-run-row").first.click()
    assert page.get_by_test_id("sw-drawer").count() == 2
    page.evaluate("harness.endings.forEach(end => end())")
    assert page.get_by_test_id("sw-root").count() == 0
    assert sent(page, "bye") != []


def test_ten_thousand_runs_are_filtered_as_one_types(show: Callable[..., Any]) -> None:
    page = show("state=running&ended=10000&speed=0")
    rows(page).first.wait_for(timeout=20_000)
    page.wait_for_timeout(1000)
    times = page.evaluate("""async () => {
        const input = document.querySelector("[aria-label=Filter]");
        const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
        const times = [];
        for (const text of ["l", "lr", "lr ", "lr <", "lr < ", "lr < 0", "lr < 0.0", "lr < 0.01", "lr < 0.01 and state = finished"]) {
            const begun = performance.now();
            set.call(input, text);
            input.dispatchEvent(new Event("input", { bubbles: true }));
            await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
            times.push(performance.now() - begun);
        }
        return times;
    }""")
    print("filter of 10 000 runs, ms per key:", [round(time) for time in times])
    assert page.get_by_test_id("sw-runs").get_by_text("of 10002").count() == 1


@pytest.mark.parametrize("width", [340, 468, 850, 1400])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_hangs_over_the_edge(show: Callable[..., Any], width: int, theme: str) -> None:
    page = show(f"state=running&ended=40&theme={theme}&width={width}", width=width + 40)
    rows(page).first.click()
    page.wait_for_timeout(500)
    assert page.evaluate(
        "document.querySelector('.output').scrollWidth <= document.querySelector('.output').clientWidth"
    )


def test_assets_that_got_lost_are_asked_for(show: Callable[..., Any]) -> None:
    page = show("state=running&lost=1")
    assert {content["asset"] for content in sent(page, "need")} == {"shared", "panels", "core"}
    rows(page).first.wait_for()


def test_a_page_that_was_here_before_needs_no_kernel_for_its_code(show: Callable[..., Any], harness: str) -> None:
    page = show("state=running")
    rows(page).first.wait_for()
    page.wait_for_timeout(500)
    page.goto(f"{harness}?state=running&kernel=static&lost=1")
    page.get_by_test_id("sw-detached").wait_for()
    assert page.get_by_test_id("sw-best").count() == 1


def test_without_code_or_kernel_there_is_a_sentence(show: Callable[..., Any], browser: Any, harness: str) -> None:
    page = browser.new_page()
    page.goto(f"{harness}?state=running&kernel=silent&lost=1")
    page.get_by_text("Waiting for the kernel").wait_for(timeout=5000)
    page.close()


@pytest.mark.parametrize(
    ("query", "clicks"),
    [
        ("state=running&ended=40", []),
        ("state=running&ended=40&theme=dark", ["[data-testid=sw-run-row]"]),
        ("state=running", ["[data-testid=sw-export]"]),
        ("state=running&ended=60", ["[data-testid=sw-tab-log]"]),
        ("state=running&kernel=detached", []),
        ("state=pending&theme=dark", []),
        ("state=empty", []),
    ],
)
def test_axe_finds_nothing_serious(show: Callable[..., Any], query: str, clicks: list[str]) -> None:
    page = show(f"{query}&speed=0")
    page.wait_for_timeout(1500)
    for selector in clicks:
        page.locator(selector).first.click()
        page.wait_for_timeout(500)
    page.evaluate((JS / "node_modules/axe-core/axe.min.js").read_text())
    found = page.evaluate("async () => (await axe.run('[data-testid=sw-root]')).violations")
    serious = [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
    assert serious == []
