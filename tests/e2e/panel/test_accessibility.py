"""No page has a serious fault that axe can find, in either theme, language or width."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.e2e.panel.conftest import People
from tests.e2e.panel.pages import PAGES

GRAVE = ("serious", "critical")
LOOKS = [("en", "light", 1280), ("tr", "dark", 390)]


def faults_of(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']} ({fault['impact']}): {node['html'][:160]}"
        for fault in found
        if fault["impact"] in GRAVE
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize(("language", "theme", "width"), LOOKS)
@pytest.mark.parametrize("site", PAGES)
def test_no_page_has_a_serious_fault(
    people: People, site: str, language: str, theme: str, width: int
) -> None:
    url = people.stack.site(site)
    context = people.window(site, viewport={"width": width, "height": 900})
    page = context.pages[0]
    page.goto(f"{url}/language/{language}?next=/theme/{theme}")
    faults = {}
    for path in PAGES[site]:
        page.goto(url + path.format(language=language))
        if found := faults_of(page):
            faults[path] = found
        if (found_width := page.evaluate("document.documentElement.scrollWidth")) > width:
            faults.setdefault(path, []).append(f"it is {found_width} wide")
    context.close()

    assert faults == {}


def test_the_door_has_no_serious_fault(people: People) -> None:
    context = people.stranger()
    page = context.pages[0]
    for path in ("/sign-in", "/link/nothing", "/nothing"):
        page.goto(people.stack.site("PANEL") + path)
        assert faults_of(page) == []
    context.close()
