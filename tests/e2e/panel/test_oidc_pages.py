"""Signing in by an OpenID Connect provider as a browser does it, cookies and redirects included."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.panel.conftest import VIEWPORT
from tests.e2e.panel.test_accessibility import faults_of
from tests.e2e.stack import Stack, start_stack
from tests.oidc_process import OidcProcess, running_provider

ADDRESS = "operator@laptop.local"


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProcess]:
    with running_provider() as process:
        yield process


@pytest.fixture(scope="module")
def oidc_stack(provider: OidcProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("oidc")
    running = start_stack(folder, provider.environ("api,operators"))
    yield running
    running.stop()


@pytest.fixture
def page(chromium: Browser, provider: OidcProcess) -> Iterator[Page]:
    provider.control()
    context = chromium.new_context(viewport=VIEWPORT, locale="en-GB")  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def test_a_member_comes_back_signed_in_and_others_do_not(
    page: Page, oidc_stack: Stack, provider: OidcProcess
) -> None:
    site = oidc_stack.site("OPERATOR")
    page.goto(f"{site}/audit")
    assert faults_of(page) == []
    provider.control(claims={"email": "somebody@example.org"})
    page.get_by_role("link", name="Sign in with Example ID").click()
    expect(page.get_by_role("alert")).to_contain_text("did not work")

    provider.control(claims={"email": ADDRESS})
    page.get_by_role("link", name="Sign in with Example ID").click()
    expect(page.get_by_role("heading", name="Accounts")).to_be_visible()
    assert page.url == f"{site}/"
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    session = cookies["gb-operator"]
    assert (session["httpOnly"], session["sameSite"]) == (True, "Strict")
    assert "gb-operator-attempt" not in cookies
    page.goto(f"{site}/settings")
    expect(page.get_by_text(ADDRESS)).to_be_visible()


def test_a_return_that_was_not_begun_here_opens_nothing(
    page: Page, oidc_stack: Stack, provider: OidcProcess
) -> None:
    provider.control(claims={"email": ADDRESS})
    page.goto(f"{oidc_stack.site('OPERATOR')}/sign-in/return?code=of-somebody&state=else")
    expect(page.get_by_role("alert")).to_contain_text("did not work")
    assert not [one for one in page.context.cookies() if one["name"] == "gb-operator"]


def test_a_site_that_does_not_offer_it_has_no_button(page: Page, oidc_stack: Stack) -> None:
    page.goto(f"{oidc_stack.site('CREDITS_PANEL')}/sign-in")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in with")).to_have_count(0)


def test_it_is_said_in_turkish_too(page: Page, oidc_stack: Stack) -> None:
    site = oidc_stack.site("PANEL")
    page.goto(f"{site}/language/tr?next=/sign-in")
    expect(page.get_by_role("link", name="Example ID ile giriş yap")).to_be_visible()
    assert faults_of(page) == []


pytestmark = pytest.mark.timeout(180)
