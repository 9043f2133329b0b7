"""A person in front of a browser: looks at pages, presses what has a name, and notices when something is broken."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

SCREENSHOTS = Path(__file__).resolve().parents[1] / "screenshots"
expect.set_options(timeout=20_000)
#: what browsers say about every page whose status is not 2xx; the status itself is looked at elsewhere
_STATUS_NOISE = "Failed to load resource"


class Visitor:
    """One browser of its own, with its own session."""

    def __init__(self, browser: Browser, address: str, width: int, *, scripts: bool = True, **options: object) -> None:
        height = 844 if width < 768 else 900
        self.width = width
        self.context = browser.new_context(
            base_url=address,
            viewport={"width": width, "height": height},
            java_script_enabled=scripts,
            locale="zh-CN",
            **options,
        )
        # What takes a second on an idle machine takes ten beside other tests.
        self.context.set_default_timeout(60_000)
        self.page: Page = self.context.new_page()
        #: what went wrong behind the pages
        self.complaints: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("response", self._look_at_status)

    def _hear(self, message) -> None:
        if message.type in ("error", "warning") and _STATUS_NOISE not in message.text:
            self.complaints.append(f"console: {message.text}")

    def _look_at_status(self, response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.status}: {response.url}")

    def close(self) -> None:
        self.context.close()

    # Going about.

    def go(self, path: str) -> None:
        self.page.goto(path)

    def become(self, name: str) -> None:
        """Enter the demo county as this person."""
        self.go("/demo")
        button = self.page.get_by_role("button", name=name, include_hidden=True).first
        if not button.is_visible():
            # People of other places are folded away.
            self.page.locator("details", has=button).locator("summary").click()
        self.leave_by(button)

    def leave_by(self, way: Locator) -> None:
        """Press what leads to another page, and stay until that page is there.

        A click returns before the answer has come: what looks at once may still see the page that is left.
        """
        with self.page.expect_navigation():
            way.click()

    def follow(self, text: str) -> None:
        """Follow the link that says so."""
        self.leave_by(self.page.get_by_role("link", name=text, exact=True).first)

    def open(self, text: str) -> None:
        """Follow the link with this text somewhere in it."""
        self.leave_by(self.page.get_by_role("link").filter(has_text=text).first)

    def press(self, label: str) -> None:
        """Press the button with exactly this label, which sends the form."""
        self.leave_by(self.page.get_by_role("button", name=label, exact=True))

    # Filling in.

    def write(self, label: str, text: str) -> None:
        self.page.get_by_label(label).first.fill(text)

    def pick(self, label: str, option: str) -> None:
        """Choose the option of a list that has this text in it."""
        box = self.page.get_by_label(label).first
        value = box.locator("option").filter(has_text=option).first.get_attribute("value")
        box.select_option(value)

    def choose(self, label: str) -> None:
        """Choose the row that begins so."""
        self.row(label).check()

    def row(self, label: str) -> Locator:
        return self.page.get_by_role("radio", name=re.compile(f"^{re.escape(label)}"))

    def give(self, label: str, *files: dict) -> None:
        """Choose files."""
        self.page.get_by_label(label).first.set_input_files(list(files))

    # Looking.

    @property
    def answer(self) -> str:
        """The sentence the page opens with."""
        return " ".join(self.page.locator(".say").first.inner_text().split())

    def sees(self, text: str | re.Pattern[str]) -> None:
        """Expect the text somewhere on the page."""
        expect(self.page.locator("main")).to_contain_text(text)

    def sees_diagram(self, *marks: str) -> None:
        """Expect a drawn picture with elements in each of these states."""
        picture = self.page.locator(".diagram.is-drawn svg").first
        expect(picture).to_be_visible()
        for mark in marks:
            expect(picture.locator(f".djs-element.is-{mark}").first).to_be_attached()

    def keep_picture(self, name: str) -> None:
        """Keep what the whole page looks like under ``tests/screenshots``."""
        SCREENSHOTS.mkdir(exist_ok=True)
        # On a picture of the whole page a fixed menu would lie across the middle.
        self.page.screenshot(
            path=SCREENSHOTS / f"{name}-{self.width}.png", full_page=True, style=".nav{position:static!important}"
        )

    def widen(self, width: int) -> None:
        """Turn the phone into a desk screen, or back."""
        self.width = width
        self.page.set_viewport_size({"width": width, "height": 844 if width < 768 else 900})
