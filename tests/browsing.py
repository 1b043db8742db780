"""A person at a browser: Debian's Chromium, driven through the console as people do.

Not here: what is seen there (`tests/e2e/test_console.py`).
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from holdfast.testing.project import RunningProject

IMAGES = Path(__file__).parents[1] / "docs" / "images"
MOST_IMAGE_BYTES = 150_000
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--font-render-hinting=none")


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(_FLAGS)
        )
        try:
            yield browser
        finally:
            browser.close()


class Person:
    """Somebody at one page; `faults` are what the browser complained of."""

    def __init__(self, browser: Browser, project: RunningProject, **more: Any) -> None:
        given: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}} | more
        self.project = project
        self.context: BrowserContext = browser.new_context(base_url=project.url, **given)
        self.context.set_default_timeout(10_000)
        self.page: Page = self.context.new_page()
        self.link = ""
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda said: self._complained(said.type, said.text))
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))

    def _complained(self, kind: str, text: str) -> None:
        # What a test brings about on purpose is no fault of a page: a status, the end of a stream.
        expected = "Failed to load resource" in text or text == "[object Event]"
        if kind == "error" and not expected:
            self.faults.append(text)

    def sign_in(self, token: str | None = None) -> "Person":
        """By a link that was made with a token, the admin's unless given."""
        made = self.project.call("POST", "/v1/sign-ins/links", token=token)
        assert made.status == 200, made.body
        self.link = made.json["url"]
        self.page.goto(self.link)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()
        return self

    def go(self, place: str) -> Page:
        """Open a page of the console."""
        self.page.goto(f"/console/{place}")
        return self.page

    def row(self, session_id: str) -> Locator:
        """A session's row in the fleet."""
        return self.page.locator(f"tr[id='{session_id}']")

    def choose(self, *session_ids: str) -> None:
        """Tick sessions in the fleet."""
        for one in session_ids:
            self.row(one).get_by_role("checkbox").check()

    def press(self, verb: str) -> None:
        """One of the buttons over the list."""
        self.page.get_by_role("button", name=verb, exact=True).click()

    def say_why(self, reason: str, typed: str = "") -> None:
        """Fill in what a confirmation asks for."""
        self.page.get_by_label("Why?").fill(reason)
        if typed:
            self.page.get_by_label("to confirm").fill(typed)

    def picture(self, name: str, folder: Path) -> Path:
        """A screenshot; with `HOLDFAST_IMAGES` it is the one that the documents show."""
        place = IMAGES if os.environ.get("HOLDFAST_IMAGES") else folder
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{name}.png"
        self.page.screenshot(path=path)
        assert path.stat().st_size <= MOST_IMAGE_BYTES, path.stat().st_size
        return path

    def leave(self) -> Sequence[str]:
        """Close the page; what the browser complained of."""
        self.context.close()
        return self.faults
