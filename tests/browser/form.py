"""The configuration's form, as a user's hands and eyes have it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

PREVIEW = """svg => {
    const bars = [...svg.querySelectorAll("rect.sw-draw")].map(bar => Number(bar.getAttribute("height")));
    return {label: svg.getAttribute("aria-label"), bars};
}"""


class Form:
    """The form of the dashboard on this page; there is one."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.root = page.get_by_test_id("sw-config")
        self.errors = self.root.get_by_test_id("sw-error")
        self.standing = self.root.locator(".sw-standing")

    def open(self) -> None:
        """In a dashboard of a sweep, the form is a tab."""
        self.page.get_by_test_id("sw-tab-config").click()
        self.root.wait_for()

    # -- parameters ---------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        rows = self.root.get_by_test_id("sw-param-row")
        return [str(row.get_attribute("data-name")) for row in rows.all()]

    def row(self, name: str) -> Locator:
        return self.root.locator(f'[data-testid=sw-param-row][data-name="{name}"]')

    def put(self, label: str, text: str) -> None:
        """Type into a field and leave it by Enter."""
        field = self.root.get_by_label(label, exact=True)
        field.fill(text)
        field.press("Enter")

    def value(self, label: str) -> str:
        return self.root.get_by_label(label, exact=True).input_value()

    def become(self, name: str, kind: str) -> None:
        """Choose a distribution, or `group`."""
        self.root.get_by_label(f"Distribution of {name}", exact=True).select_option(kind)

    def act(self, name: str, item: str) -> None:
        """An item of a parameter's menu."""
        self.root.get_by_role("button", name=f"Actions for {name}", exact=True).click()
        self.page.get_by_role("menuitem", name=item, exact=True).click()

    def choose(self, group: str, choice: str) -> None:
        """One of a few that are all visible."""
        self.root.get_by_role("radiogroup", name=group).get_by_text(choice, exact=True).click()

    def preview(self, name: str) -> dict[str, Any]:
        """What is drawn for a parameter, once it is that of the parameter as it stands."""
        drawn = self.row(name).locator(".sw-preview:not(.sw-old) svg")
        drawn.wait_for()
        return dict(drawn.evaluate(PREVIEW))

    # -- judgement ----------------------------------------------------------------------------------------------

    def fine(self) -> str:
        """Wait until the kernel has found nothing wrong; returns what it says of grid, runs and duration."""
        expect(self.standing).to_contain_text("This can run.")
        return self.standing.inner_text()

    def changes(self) -> list[str]:
        return [" ".join(text.split()) for text in self.root.locator(".sw-changes li").all_inner_texts()]

    def says(self, text: str) -> None:
        """Wait until the foot says where the draft stands."""
        expect(self.root.locator(".sw-config-foot .sw-toolbar [role=status]")).to_have_text(text)

    def apply(self) -> None:
        """Press the button, and wait until what is in force is what is shown."""
        button = self.page.get_by_test_id("sw-apply")
        expect(button).not_to_have_attribute("aria-disabled", "true")
        button.click()
        self.page.mouse.move(5, 5)  # the table, which may come to lie below the pointer, stands still under it

    def discard(self) -> None:
        self.root.get_by_role("button", name="Discard", exact=True).click()

    # -- as a text ----------------------------------------------------------------------------------------------

    def view(self, name: str) -> None:
        """Form, YAML or Python."""
        self.choose("Edit as", name)

    def text(self, kind: str) -> str:
        self.view(kind)
        return self.root.get_by_role("textbox", name=kind).input_value()

    def write(self, kind: str, text: str) -> None:
        self.view(kind)
        self.root.get_by_role("textbox", name=kind).fill(text)
