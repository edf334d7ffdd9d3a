"""Looks at a dashboard as its designer does: in both themes, wide and narrow. Nothing may hang over its edge, nothing be hard to
read; with SCREENSHOTS=<folder> in the environment, what it saw is kept there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

AXE = Path(__file__).parents[2] / "js/node_modules/axe-core/axe.min.js"
WIDTHS = (900, 340)
THEMES = ("light", "dark")

_OVER_THE_EDGE = """root => {
    const edge = root.getBoundingClientRect().right + 0.5;
    const clipped = element => {
        for (let each = element.parentElement; each !== root; each = each.parentElement)
            if (getComputedStyle(each).overflowX !== "visible") return true;
        return false;
    };
    return [...root.querySelectorAll("*")]
        .filter(element => element.getBoundingClientRect().right > edge && element.checkVisibility() && !element.matches(".sw-sr, .sw-sr *"))
        .filter(element => !clipped(element))
        .map(element => element.outerHTML.slice(0, 120));
}"""
_CUT_OFF = """root => [...root.querySelectorAll("button, .sw-notice-text, .sw-status, label")]
    .filter(element => element.checkVisibility() && element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1)
    .filter(element => !(element.title && getComputedStyle(element).textOverflow === "ellipsis"))
    .map(element => element.outerHTML.slice(0, 120))"""
_SERIOUS = """async (root, rules) => (await axe.run(root, {resultTypes: ["violations"], ...rules})).violations
    .filter(found => ["serious", "critical"].includes(found.impact))
    .map(found => [found.id, found.nodes[0].html.slice(0, 200), found.nodes[0].failureSummary.slice(0, 300)])"""


class Look:
    """Judges one dashboard of a page. `set_theme("dark")` makes the page dark."""

    def __init__(self, page: Any, set_theme: Callable[[str], None]) -> None:
        self.page, self.set_theme = page, set_theme
        self._folder = os.environ.get("SCREENSHOTS")
        self._theme = "dark" if page.evaluate("document.body.dataset.jpThemeLight") == "false" else "light"

    def at(self, root: Any, state: str) -> None:
        """Look at it now; `root` is its element, `state` what it shows."""
        self.page.mouse.move(2, 2)
        # The theme that is on comes first: to change it takes the page longer than all the rest.
        first, second = self._theme, THEMES[self._theme == THEMES[0]]
        for theme in (first, second):
            if theme != self._theme:
                self.set_theme(theme)
                self._theme = theme
            for width in WIDTHS:
                root.evaluate("(root, width) => { root.style.width = `${width}px` }", width)
                # The page's own measuring takes a frame, and what it draws then another.
                root.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
                where = f"{state}, {theme}, {width} px"
                for wrong, find in (("hangs over the edge", _OVER_THE_EDGE), ("is cut off", _CUT_OFF)):
                    found = root.evaluate(find)
                    assert found == [], f"{where}: {wrong}: {found}"
                if self._folder:
                    self._photograph(root, f"{state.replace(' ', '-')}-{theme}-{width}.png")
            root.evaluate("root => { root.style.width = '' }")
            # Another theme has other colours, and nothing else.
            rules = {} if theme == first else {"runOnly": ["color-contrast"]}
            serious = self._serious(root, rules)
            assert serious == [], f"{state}, {theme}: {serious}"

    def done(self) -> None:
        """As whoever comes next expects it."""
        self.set_theme(THEMES[0])

    def _serious(self, root: Any, rules: dict[str, Any]) -> list[Any]:
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text("utf-8"))
        return list(root.evaluate(_SERIOUS, rules))

    def _photograph(self, root: Any, name: str) -> None:
        folder = Path(self._folder or ".")
        folder.mkdir(parents=True, exist_ok=True)
        self.page.wait_for_timeout(700)  # only for the picture: curves are drawn at most twice a second
        root.screenshot(path=folder / name, animations="disabled")
