"""``make shots``: every page in both languages, both themes, on a phone and on a desk."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.panel.conftest import CHROMIUM
from tests.e2e.panel.pages import PAGES
from tests.e2e.stack import ROOT, Stack, start_stack

FOLDER = ROOT / "shots"
WIDTHS = {"phone": 390, "desk": 1280}
MODELS = ("claude-sonnet-4-5", "claude-opus-4-6", "gpt-5", "gpt-4.1")


def main() -> int:
    if CHROMIUM is None:
        print("there is no Chromium on this machine (Debian: apt-get install chromium)")
        return 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        stack = start_stack(Path(folder))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            use(stack)
            count = sum(shoot(browser, stack, site) for site in PAGES)
        finally:
            browser.close()
            stack.stop()
    print(f"{count} pictures in {FOLDER.relative_to(ROOT)}/")
    return 0


def use(stack: Stack) -> None:
    """Some usage, so that charts have something to show."""
    headers = {"authorization": f"Bearer {stack.key}"}
    for number, model in enumerate(MODELS * 3):
        text = f"Hello there! demo:repeat {10 + number * 7}"
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        httpx.post(f"{stack.url}/v1/chat/completions", json=body, headers=headers, timeout=30)


def shoot(browser: Browser, stack: Stack, site: str) -> int:
    """Every picture of one site; how many."""
    url = stack.site(site)
    context = browser.new_context()
    page = context.new_page()
    page.goto(stack.link(site))
    page.get_by_role("button").click()
    taken = 0
    for language in ("en", "tr"):
        for theme in ("light", "dark"):
            page.goto(f"{url}/language/{language}")
            page.goto(f"{url}/theme/{theme}")
            for device, width in WIDTHS.items():
                page.set_viewport_size({"width": width, "height": 900})
                for path in PAGES[site]:
                    page.goto(url + path.format(language=language))
                    name = path.format(language="").strip("/").replace("/", "-") or "start"
                    folder = FOLDER / f"{language}-{theme}-{device}"
                    page.screenshot(path=folder / f"{site.lower()}-{name}.png", full_page=True)
                    taken += 1
    context.close()
    return taken


if __name__ == "__main__":
    sys.exit(main())
