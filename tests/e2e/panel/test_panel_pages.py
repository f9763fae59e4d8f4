"""What people do in the panels, in a real browser, against the whole gateway."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.panel.conftest import People
from tests.e2e.stack import Stack

PASSWORD = "a rather long pass phrase"
MODEL = "claude-sonnet-4-5"
HOSTILE = "<img src=x onerror=alert(1)> \"'{{7*7}}"


def ask(url: str, key: str, text: str = "Hello!", model: str = MODEL) -> httpx.Response:
    body = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": text}]}
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
    return httpx.post(f"{url}/v1/messages", json=body, headers=headers, timeout=20)


def create_key(page: Page, site: str, label: str) -> str:
    """Make a key in the panel; its secret as the page shows it."""
    page.goto(f"{site}/keys")
    page.get_by_label("Label").fill(label)
    page.get_by_role("button", name="Create key").click()
    return page.get_by_label("The new key").input_value()


def wait_until(check: Callable[[], Any], limit_s: float = 15.0) -> Any:
    deadline = time.monotonic() + limit_s
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.1)
    return found


def test_a_password_is_set_and_opens_the_panel(people: People) -> None:
    site = people.stack.site("PANEL")
    page = people.at("PANEL")
    page.goto(f"{site}/settings")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("status")).to_contain_text("changed")

    stranger = people.stranger()
    other = stranger.pages[0]
    other.goto(f"{site}/keys")
    expect(other).to_have_title(re.compile("Sign in"))
    other.get_by_label("E-mail address").fill("you@laptop.local")
    other.get_by_label("Password").fill("not the password")
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_role("alert")).to_contain_text("not right")
    other.get_by_label("Password").fill(PASSWORD)
    other.keyboard.press("Enter")
    expect(other.get_by_role("heading", name="Keys", exact=True)).to_be_visible()
    other.get_by_role("button", name="Sign out").click()
    expect(other).to_have_title(re.compile("Sign in"))
    other.goto(f"{site}/keys")
    expect(other).to_have_title(re.compile("Sign in"))
    stranger.close()


def test_a_key_is_shown_once_works_and_its_usage_arrives(people: People) -> None:
    stack, page = people.stack, people.at("PANEL")
    site = stack.site("PANEL")
    secret = create_key(page, site, "of the browser")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()

    assert page.evaluate("navigator.clipboard.readText()") == secret
    assert ask(stack.url, secret).status_code == 200
    page.goto(f"{site}/keys")
    assert secret not in page.content()
    page.go_back()
    assert secret not in page.content()
    page.reload()
    expect(page.get_by_role("heading", name="Keys", exact=True)).to_be_visible()
    expect(page.get_by_role("row", name="of the browser")).to_have_count(1)

    def has_arrived() -> bool:
        page.goto(f"{site}/requests")
        return page.get_by_role("row", name="of the browser").count() > 0

    wait_until(has_arrived)
    page.goto(f"{site}/usage")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="of the browser"))
    expect(row.get_by_role("cell").first).to_have_text("1")
    expect(page.get_by_role("img", name="Tokens by day and key")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert MODEL in download.value.path().read_text(encoding="utf-8")


def test_a_reset_ends_the_old_key_and_its_running_stream(people: People) -> None:
    stack, page = people.stack, people.at("PANEL")
    old = create_key(page, stack.site("PANEL"), "to be reset")
    stream = Stream(stack, old)

    page.goto(f"{stack.site('PANEL')}/keys")
    page.get_by_role("link", name="Manage to be reset").click()
    form = page.locator("form").filter(has=page.get_by_role("button", name="Reset key"))
    form.get_by_label("at once").check()
    form.get_by_label("Yes, reset this key").check()
    form.get_by_role("button", name="Reset key").click()
    new = page.get_by_label("The new key").input_value()

    assert "event: error" in stream.rest()
    assert ask(stack.url, old).status_code == 401
    assert ask(stack.url, new).status_code == 200


def test_the_overview_shows_what_runs_now(people: People) -> None:
    stack, page = people.stack, people.at("PANEL")
    key = create_key(page, stack.site("PANEL"), "running")

    def running() -> str:
        page.goto(stack.site("PANEL"))
        row = page.get_by_role("row").filter(has_text="Requests at once")
        return row.get_by_role("cell").last.inner_text()

    streams = [Stream(stack, key), Stream(stack, key)]
    wait_until(lambda: running().split() == ["2", "now"], 10)
    page.goto(f"{stack.site('PANEL')}/keys")
    page.get_by_role("link", name="Manage running").click()
    page.get_by_label("Yes, revoke this key").check()
    page.get_by_role("button", name="Revoke key").click()
    for stream in streams:
        stream.rest()
    wait_until(lambda: running().split() == ["0", "now"], 10)


def test_a_grace_leaves_the_old_key_for_a_while(people: People) -> None:
    stack, page = people.stack, people.at("PANEL")
    old = create_key(page, stack.site("PANEL"), "with grace")
    page.goto(f"{stack.site('PANEL')}/keys")
    page.get_by_role("link", name="Manage with grace").click()
    page.get_by_label("in one hour").check()
    page.get_by_label("Yes, reset this key").check()
    page.get_by_role("button", name="Reset key").click()
    new = page.get_by_label("The new key").input_value()

    assert ask(stack.url, old).status_code == 200
    assert ask(stack.url, new).status_code == 200


def test_a_key_is_labelled_limited_and_revoked(people: People) -> None:
    stack, page = people.stack, people.at("PANEL")
    secret = create_key(page, stack.site("PANEL"), "first label")
    page.goto(f"{stack.site('PANEL')}/keys")
    page.get_by_role("link", name="Manage first label").click()
    page.get_by_label("Label").fill(HOSTILE)
    page.get_by_label("Last day").fill("2099-12-31")
    page.get_by_role("button", name="Save").click()
    row = page.get_by_role("row").filter(has_text=HOSTILE)
    expect(row).to_contain_text("31 Dec 2099")
    row.get_by_role("link").click()
    page.get_by_label("Yes, revoke this key").check()
    page.get_by_role("button", name="Revoke key").click()

    expect(page.get_by_role("row").filter(has_text=HOSTILE)).to_contain_text("revoked")
    wait_until(lambda: ask(stack.url, secret).status_code == 401, 5)


def test_the_language_and_the_theme_change_and_stay(people: People) -> None:
    context = people.window("PANEL")
    page = context.pages[0]
    page.goto(f"{people.stack.site('PANEL')}/usage")
    page.get_by_role("link", name="Türkçe").click()
    expect(page.locator("html")).to_have_attribute("lang", "tr")
    expect(page.get_by_role("heading", name="Kullanım", exact=True)).to_be_visible()
    page.get_by_role("link", name="Koyu").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto(f"{people.stack.site('PANEL')}/keys")
    expect(page.get_by_role("heading", name="Anahtarlar", exact=True)).to_be_visible()
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    context.close()


def test_a_review_shows_and_models_follow_at_once(people: People) -> None:
    stack, operator, page = people.stack, people.at("OPERATOR"), people.at("PANEL")
    open_account(people, "laptop", "Monthly API")
    operator.get_by_label("State").select_option("under_review")
    operator.get_by_role("button", name="Save").click()
    override = operator.locator("form").filter(has=operator.get_by_role("button", name="Override"))
    override.get_by_label("Model").select_option("claude-opus-4-6")
    override.get_by_label("Access").select_option("no")
    override.get_by_role("button", name="Override").click()

    page.goto(stack.site("PANEL"))
    expect(page.get_by_role("status")).to_contain_text("being reviewed")
    row = page.get_by_role("row").filter(has_text="claude-opus-4-6")
    expect(row).to_contain_text("withheld for a time")
    wait_until(lambda: "claude-opus-4-6" not in models(stack), 5)
    assert ask(stack.url, stack.key, model="claude-opus-4-6").status_code == 403
    assert ask(stack.url, stack.key).status_code == 200

    operator.get_by_role("button", name="Take away").click()
    operator.get_by_label("State").select_option("active")
    operator.get_by_role("button", name="Save").click()
    wait_until(lambda: "claude-opus-4-6" in models(stack), 5)


def test_credit_is_granted_once_and_a_call_spends_it(people: People) -> None:
    stack, operator, wallet = people.stack, people.at("OPERATOR"), people.at("CREDITS_PANEL")
    site = stack.site("CREDITS_PANEL")
    open_account(people, "laptop", "Claude Credits")
    for _ in range(2):
        operator.get_by_label("US dollars").fill("12.5")
        operator.get_by_label("Payment").fill("invoice-42")
        operator.get_by_role("button", name="Grant credit").click()

    wallet.goto(site)
    expect(wallet.get_by_role("row").filter(has_text="invoice-42")).to_have_count(1)
    before = figure(wallet, "Left to spend")
    key = create_key(wallet, site, "credit")
    credits_url = stack.url.rpartition(":")[0] + f":{int(stack.url.rpartition(':')[2]) + 1}"
    answer = ask(credits_url, key, "Hello there demo:repeat 40")

    assert answer.status_code == 200
    assert ask(stack.url, key).status_code == 401

    def is_spent() -> bool:
        wallet.goto(site)
        return figure(wallet, "Left to spend") < before

    wait_until(is_spent)
    expect(wallet.get_by_role("link", name="Overview")).to_have_count(0)
    wallet.goto(f"{site}/connect")
    expect(wallet.get_by_text("openai")).to_have_count(0)


def test_an_operator_runs_accounts_and_is_named_for_it(people: People) -> None:
    stack, operator = people.stack, people.at("OPERATOR")
    site = stack.site("OPERATOR")
    operator.goto(site)
    operator.get_by_label("Name").fill("Grace")
    operator.get_by_label("Plan").select_option("laptop")
    operator.get_by_role("button", name="Create account").click()
    expect(operator.get_by_role("heading", name="Grace")).to_be_visible()
    operator.get_by_label("E-mail address").fill("grace@example.org")
    operator.get_by_role("button", name="Make a link").click()
    link = operator.get_by_label("The new link").input_value()
    operator.reload()
    assert link not in operator.content()

    stranger = people.stranger()
    page = stranger.pages[0]
    page.goto(link)
    page.get_by_label("Choose a password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Grace")).to_be_visible()
    operator.get_by_role("button", name="Remove").click()
    expect(operator.get_by_role("row").filter(has_text="grace@example.org")).to_have_count(0)
    page.goto(f"{stack.site('PANEL')}/keys")
    expect(page).to_have_title(re.compile("Sign in"))
    stranger.close()
    operator.goto(f"{site}/audit")
    entry = operator.get_by_role("row").filter(has_text="account.create").first
    expect(entry).to_contain_text("operator@laptop.local")
    operator.goto(f"{site}/upstreams")
    of_journal, of_relay = operator.get_by_role("row").filter(has_text="demo-anthropic").all()
    expect(of_journal).to_contain_text("0%")
    expect(of_journal).to_contain_text("answers")
    expect(of_relay).to_contain_text("answers")
    expect(of_relay.get_by_role("cell").nth(3)).to_have_text("never")


def test_everything_is_reached_by_keyboard(people: People) -> None:
    page = people.at("PANEL")
    page.goto(people.stack.site("PANEL"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    seen = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.textContent.trim()"))

    assert {"Overview", "Keys", "Usage", "Requests", "Connect", "Settings", "Sign out"} <= seen


def test_tabs_of_code_follow_the_arrow_keys(people: People) -> None:
    page = people.at("PANEL")
    page.goto(f"{people.stack.site('PANEL')}/docs/en/messages")
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Python")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Python")).to_contain_text("import anthropic")
    expect(page.get_by_text("x-api-key: sk-gb")).to_be_hidden()


def test_pages_work_without_scripts(people: People) -> None:
    context = people.stranger(java_script_enabled=False)
    page = context.pages[0]
    page.goto(f"{people.stack.site('PANEL')}/docs/en/messages")
    for text in ("x-api-key", "import anthropic", "@anthropic-ai/sdk"):
        assert page.get_by_text(text).first.is_visible()
    context.close()


def open_account(people: People, name: str, product: str) -> None:
    operator = people.at("OPERATOR")
    operator.goto(people.stack.site("OPERATOR"))
    row = operator.get_by_role("row").filter(has_text=product).filter(has_text=name)
    row.get_by_role("link").first.click()


def figure(page: Page, title: str) -> float:
    card = page.locator(".card").filter(has=page.get_by_role("heading", name=title))
    return float(card.locator(".figure").inner_text().lstrip("US$").replace(",", ""))


def models(stack: Stack) -> list[str]:
    headers = {"authorization": f"Bearer {stack.key}"}
    return [
        one["id"] for one in httpx.get(f"{stack.url}/v1/models", headers=headers).json()["data"]
    ]


class Stream:
    """A long stream that runs in a thread of its own."""

    def __init__(self, stack: Stack, key: str) -> None:
        self._text = ""
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(stack, key), daemon=True)
        self._thread.start()
        assert self._begun.wait(15)

    def _read(self, stack: Stack, key: str) -> None:
        body = {
            "model": MODEL,
            "max_tokens": 10_000,
            "stream": True,
            "messages": [{"role": "user", "content": "word demo:repeat 5000 demo:slow 200"}],
        }
        headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
        with httpx.stream(
            "POST", f"{stack.url}/v1/messages", json=body, headers=headers, timeout=60
        ) as answer:
            for piece in answer.iter_text():
                self._text += piece
                self._begun.set()

    def rest(self) -> str:
        self._thread.join(15)
        assert not self._thread.is_alive(), "the stream goes on"
        return self._text


pytestmark = pytest.mark.timeout(180)
