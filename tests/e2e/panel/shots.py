"""``make shots``: every page in both languages, both themes, on a phone and on a desk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.panel.conftest import CHROMIUM
from tests.e2e.panel.pages import PAGES
from tests.e2e.stack import ROOT, Stack, start_stack

FOLDER = ROOT / "shots"
WIDTHS = {"phone": 390, "desk": 1280}
LANGUAGES, THEMES = ("en", "tr"), ("light", "dark")
LIMITS = (
    *("--requests-per-minute", "60", "--input-tokens-per-minute", "200000"),
    *("--output-tokens-per-minute", "4000", "--concurrency", "8", "--monthly-tokens", "5000000"),
)
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
            count += shoot_doors(browser, stack)
        finally:
            browser.close()
            stack.stop()
    print(f"{count} pictures in {FOLDER.relative_to(ROOT)}/")
    return 0


def gatebeyz(stack: Stack, *arguments: str) -> str:
    """What the operator's command prints."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=stack.folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def use(stack: Stack) -> None:
    """Some usage and limits, so that there is something to show."""
    for line in gatebeyz(stack, "accounts", "list", "--json").splitlines():
        account = json.loads(line)
        if account["product"] == "PRODUCT_API":
            gatebeyz(stack, "accounts", "update", account["account_id"], *LIMITS)
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
    for language in LANGUAGES:
        for theme in THEMES:
            page.goto(f"{url}/language/{language}")
            page.goto(f"{url}/theme/{theme}")
            for device, width in WIDTHS.items():
                page.set_viewport_size({"width": width, "height": 900})
                for path in (*PAGES[site], *own_pages(page, url, site)):
                    page.goto(url + path.format(language=language))
                    name = name_of(path)
                    folder = FOLDER / f"{language}-{theme}-{device}"
                    page.screenshot(path=folder / f"{site.lower()}-{name}.png", full_page=True)
                    taken += 1
    context.close()
    return taken


def own_pages(page: Page, url: str, site: str) -> list[str]:
    """The first page of a key or an account, whose address is its own."""
    listing, prefix = ("/", "/accounts/") if site == "OPERATOR" else ("/keys", "/keys/")
    page.goto(url + listing)
    link = page.locator(f'main a[href^="{prefix}"]').first
    return [str(link.get_attribute("href"))] if link.count() else []


def name_of(path: str) -> str:
    """What a page's picture is called."""
    kind, _, rest = path.format(language="").strip("/").partition("/")
    if kind in ("accounts", "keys") and rest:
        return kind.removesuffix("s")
    return f"{kind}-{rest}".strip("-").replace("/", "-") or "start"


def shoot_doors(browser: Browser, stack: Stack) -> int:
    """The pages of those who are not signed in."""
    taken = 0
    for language, theme, (device, width) in product(LANGUAGES, THEMES, WIDTHS.items()):
        context = browser.new_context(viewport={"width": width, "height": 900})
        page = context.new_page()
        for site in PAGES:
            page.goto(f"{stack.site(site)}/language/{language}?next=/theme/{theme}")
            for path in ("/sign-in", "/link/nothing", "/nothing"):
                page.goto(stack.site(site) + path)
                picture = f"{language}-{theme}-{device}/{site.lower()}-{name_of(path)}.png"
                page.screenshot(path=FOLDER / picture)
                taken += 1
        context.close()
    return taken


if __name__ == "__main__":
    sys.exit(main())
