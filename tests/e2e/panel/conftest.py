"""A browser and a gateway of its own for the tests that see pages as people do.

Both last for a module: while Playwright runs, its event loop runs too, and no other test could have
one. The links of a start work once, so each module starts anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.e2e.stack import Stack, start_stack

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
VIEWPORT = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def panel_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = start_stack(tmp_path_factory.mktemp("panels"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        # A container seldom lets Chromium build its own sandbox; the pages are our own.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class People:
    """Whoever is signed in where; each has a window of their own."""

    def __init__(self, browser: Browser, stack: Stack) -> None:
        self._browser = browser
        self.stack = stack
        self._sessions: dict[str, BrowserContext] = {}
        self.trouble: list[str] = []

    def at(self, site: str) -> Page:
        """A page of a site, signed in by the link of the start."""
        if site not in self._sessions:
            self._sessions[site] = self.stranger()
            page = self._sessions[site].pages[0]
            page.goto(self.stack.link(site))
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(self.stack.site(site) + "/")
        return self._sessions[site].pages[0]

    def window(self, site: str, **options: object) -> BrowserContext:
        """Another window of whoever is signed in to a site."""
        state = self.at(site).context.storage_state()
        return self.stranger(storage_state=state, **options)

    def stranger(self, **options: object) -> BrowserContext:
        """A new window with one page; whatever goes wrong in it is noted."""
        wanted = {"viewport": VIEWPORT, "locale": "en-GB", **options}
        context = self._browser.new_context(**wanted)  # type: ignore[arg-type]
        context.set_default_timeout(10_000)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.on("pageerror", lambda error: self.trouble.append(f"script: {error}"))
        page.on("dialog", lambda dialog: self.trouble.append(f"dialog: {dialog.message}"))
        page.on("console", self._note)
        page.on("request", lambda request: self._check_origin(request.url))
        return context

    def _note(self, message: object) -> None:
        text = str(getattr(message, "text", message))
        # A refused form answers 400 or 404, and the browser says so.
        if getattr(message, "type", "") == "error" and "Failed to load resource" not in text:
            self.trouble.append(f"console: {text}")

    def _check_origin(self, url: str) -> None:
        ours = [self.stack.site(name) for name in ("PANEL", "CREDITS_PANEL", "OPERATOR")]
        if not url.startswith((*ours, "data:")):
            self.trouble.append(f"request elsewhere: {url}")

    def close(self) -> None:
        for context in self._sessions.values():
            context.close()


@pytest.fixture(scope="module")
def _people(chromium: Browser, panel_stack: Stack) -> Iterator[People]:
    everybody = People(chromium, panel_stack)
    yield everybody
    everybody.close()


@pytest.fixture
def people(_people: People) -> Iterator[People]:
    """Everybody; a test fails where a page had trouble: a script's error, a foreign request."""
    _people.trouble.clear()
    yield _people
    assert _people.trouble == []
