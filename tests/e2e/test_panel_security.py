"""The panel as a stranger, a neighbour and a forger meet it, without a browser."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.stack import ROOT, Stack, start_stack

SITES = ("PANEL", "CREDITS_PANEL", "OPERATOR")
PASSWORD = "correct horse battery staple"
HOSTILE = "\"><img src=x onerror=alert(1)>'</script><script>alert(2)</script>{{7*7}}"


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = start_stack(tmp_path_factory.mktemp("panel"))
    yield running
    running.stop()


class Browser:
    """A client that behaves as a browser does: cookies, origin, hidden fields."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.client = httpx.Client(base_url=site, follow_redirects=True)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def post(self, path: str, data: dict[str, str], *, page: str = "/keys") -> httpx.Response:
        fields = {"csrf": self.csrf(page), **data}
        return self.client.post(path, data=fields, headers={"origin": self.site})

    def csrf(self, page: str = "/keys") -> str:
        found = re.search(r'name="csrf" value="(\w+)"', self.get(page).text)
        assert found is not None
        return found.group(1)


@pytest.fixture(scope="module")
def browsers(own_stack: Stack) -> Iterator[dict[str, Browser]]:
    """Somebody signed in to each site, by the links of the start."""
    opened = {}
    for name in SITES:
        browser = Browser(own_stack.site(name))
        path = own_stack.link(name).removeprefix(browser.site)
        answer = browser.client.post(path, data={"email": ""}, headers={"origin": browser.site})
        assert answer.status_code == 200
        opened[name] = browser
    yield opened
    for browser in opened.values():
        browser.client.close()


PAGES = {
    "PANEL": ("/", "/keys", "/usage", "/requests", "/connect", "/settings", "/usage.csv"),
    "CREDITS_PANEL": ("/", "/prices", "/keys", "/usage", "/requests", "/connect", "/settings"),
    "OPERATOR": ("/", "/upstreams", "/operators", "/audit", "/settings", "/accounts"),
}
EVERY_PAGE = [(site, path) for site, paths in PAGES.items() for path in paths]


@pytest.mark.parametrize(("site", "path"), EVERY_PAGE)
def test_strangers_see_the_door_and_nothing_else(own_stack: Stack, site: str, path: str) -> None:
    answer = httpx.get(own_stack.site(site) + path)

    assert answer.status_code == 303
    assert answer.headers["location"] == f"/sign-in?next={path}"


@pytest.mark.parametrize(("site", "path"), EVERY_PAGE)
def test_a_page_says_what_a_browser_may_do_with_it(
    browsers: dict[str, Browser], site: str, path: str
) -> None:
    answer = browsers[site].get(path)
    policy = answer.headers["content-security-policy"]
    nonce = re.search(r"'nonce-([\w-]+)'", policy)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert nonce is not None
    if answer.headers["content-type"].startswith("text/html"):
        assert answer.text.count(f'nonce="{nonce.group(1)}"') == 2
        assert " style=" not in answer.text
        assert not re.search(r"\son\w+=", answer.text)
    assert "access-control-allow-origin" not in answer.headers


def test_a_nonce_is_used_once(browsers: dict[str, Browser]) -> None:
    policies = {browsers["PANEL"].get("/").headers["content-security-policy"] for _ in range(3)}

    assert len(policies) == 3


def test_a_form_from_elsewhere_or_without_its_token_changes_nothing(
    browsers: dict[str, Browser],
) -> None:
    panel = browsers["PANEL"]
    token = panel.csrf()
    before = panel.get("/keys").text.count('class="state')
    forged: list[tuple[dict[str, str], dict[str, str]]] = [
        ({"csrf": token}, {}),
        ({"csrf": token}, {"origin": "https://evil.example"}),
        ({"csrf": token}, {"origin": "null"}),
        ({"csrf": token}, {"origin": panel.site, "sec-fetch-site": "cross-site"}),
        ({"csrf": token}, {"sec-fetch-site": "same-site"}),
        ({"csrf": ""}, {"origin": panel.site}),
        ({"csrf": "0" * 40}, {"origin": panel.site}),
        ({"csrf": browsers["CREDITS_PANEL"].csrf()}, {"origin": panel.site}),
        ({}, {"origin": panel.site}),
    ]

    for fields, headers in forged:
        answer = panel.client.post("/keys", data={"label": "forged", **fields}, headers=headers)
        assert answer.status_code == 403, headers
    as_json = panel.client.post(
        "/keys", json={"csrf": token, "label": "forged"}, headers={"origin": panel.site}
    )
    assert as_json.status_code == 403
    page = panel.get("/keys").text
    assert "forged" not in page
    assert page.count('class="state') == before


def test_signing_in_from_another_site_is_refused(own_stack: Stack) -> None:
    answer = httpx.post(
        f"{own_stack.site('PANEL')}/sign-in",
        data={"email": "a@b.c", "password": "x"},
        headers={"origin": "https://evil.example"},
    )

    assert answer.status_code == 403


def test_hostile_text_is_shown_and_never_run(browsers: dict[str, Browser]) -> None:
    panel, operator = browsers["PANEL"], browsers["OPERATOR"]
    made = panel.post("/keys", {"label": HOSTILE})
    account = operator.post("/accounts", {"name": HOSTILE, "product": "api", "plan": ""}, page="/")
    answers = [
        made,
        account,
        panel.get("/keys"),
        operator.get("/"),
        operator.get("/audit"),
        panel.client.get("/sign-in", params={"next": HOSTILE}),
        panel.get(f"/docs/en/{HOSTILE}"),
        panel.post("/sign-in", {"email": HOSTILE, "password": "x", "next": HOSTILE}),
        panel.client.get("/usage", params={"days": HOSTILE}),
        panel.client.get("/requests", params={"before": HOSTILE}),
    ]

    assert html.escape("<script>alert(2)</script>", quote=False) in answers[2].text
    for answer in answers:
        assert "<img src=x" not in answer.text
        assert "<script>alert" not in answer.text
        assert 'value="">' not in answer.text or HOSTILE not in answer.text


def test_a_secret_is_in_one_answer_and_in_no_log(
    own_stack: Stack, browsers: dict[str, Browser]
) -> None:
    panel = browsers["PANEL"]
    made = panel.post("/keys", {"label": "once"})
    secret = re.search(r"sk-gb-pl-[0-9A-Za-z]{49}", made.text)
    assert secret is not None

    assert made.headers["cache-control"] == "no-store"
    for path in PAGES["PANEL"]:
        assert secret.group(0) not in panel.get(path).text
    logs = "".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in Path(own_stack.folder, ".gatebeyz/logs").glob("*.log")
    )
    links = [own_stack.link(name).rpartition("/")[2] for name in SITES]
    session = next(iter(panel.client.cookies.jar)).value
    assert session is not None
    for kept in (secret.group(0), session, *links):
        assert kept not in logs


def test_a_neighbours_key_is_as_good_as_none(browsers: dict[str, Browser]) -> None:
    panel, credits_panel = browsers["PANEL"], browsers["CREDITS_PANEL"]
    panel.post("/keys", {"label": "mine"})
    key_id = re.search(r'href="/keys/(key_\w+)"', panel.get("/keys").text)
    assert key_id is not None
    path = f"/keys/{key_id.group(1)}"

    assert panel.get(path).status_code == 200
    assert credits_panel.get(path).status_code == 404
    for action in ("", "/reset", "/revoke"):
        answer = credits_panel.post(path + action, {"sure": "yes", "grace": "0", "label": "taken"})
        assert answer.status_code in (400, 404)
    assert "taken" not in panel.get("/keys").text
    assert panel.get("/accounts").status_code == 404


def test_a_session_of_one_site_is_nothing_on_another(
    own_stack: Stack, browsers: dict[str, Browser]
) -> None:
    panel_session = dict(browsers["PANEL"].client.cookies)["gb-panel"]

    for site, cookie in (("OPERATOR", "gb-operator"), ("CREDITS_PANEL", "gb-credits")):
        answer = httpx.get(own_stack.site(site), cookies={cookie: panel_session})
        assert answer.headers["location"].startswith("/sign-in")


def test_large_and_odd_forms_are_refused(browsers: dict[str, Browser]) -> None:
    panel = browsers["PANEL"]
    headers = {"origin": panel.site, "content-type": "application/x-www-form-urlencoded"}
    for body in (b"a=" + b"x" * 100_000, b"&".join(b"f=1" for _ in range(500)), b"\xff\xfe=1"):
        answer = panel.client.post("/keys", content=body, headers=headers)
        assert answer.status_code in (400, 403)


def test_a_link_that_was_used_signs_nobody_in(
    own_stack: Stack, browsers: dict[str, Browser]
) -> None:
    site = own_stack.site("PANEL")
    answer = httpx.post(own_stack.link("PANEL"), data={"email": ""}, headers={"origin": site})

    assert answer.status_code == 404
    assert "set-cookie" not in answer.headers
    assert browsers["PANEL"].get("/").status_code == 200


def test_a_password_opens_the_panel_and_signing_out_closes_it(
    own_stack: Stack, browsers: dict[str, Browser]
) -> None:
    operator = browsers["OPERATOR"]
    account = operator.post("/accounts", {"name": "Ada", "product": "api", "plan": ""}, page="/")
    path = account.url.path
    linked = operator.post(f"{path}/link", {"email": "ada@example.org"}, page=path)
    link = re.search(re.escape(own_stack.site("PANEL")) + r"(/link/[\w-]+)", linked.text)
    assert link is not None
    ada = Browser(own_stack.site("PANEL"))
    origin = {"origin": ada.site}

    weak = ada.client.post(link.group(1), data={"password": "short"}, headers=origin)
    assert weak.status_code == 400
    assert (
        ada.client.post(link.group(1), data={"password": PASSWORD}, headers=origin).url.path == "/"
    )
    cookie = ada.client.cookies["gb-panel"]
    assert ada.post("/sign-out", {}).url.path == "/sign-in"
    ended = httpx.get(f"{ada.site}/keys", cookies={"gb-panel": cookie})
    assert ended.status_code == 303
    wrong = ada.client.post(
        "/sign-in", data={"email": "ada@example.org", "password": "wrong"}, headers=origin
    )
    assert wrong.status_code == 400
    signed = ada.client.post(
        "/sign-in",
        data={"email": "ada@example.org", "password": PASSWORD, "next": "//evil.example"},
        headers=origin,
        follow_redirects=False,
    )
    assert signed.headers["location"] == "/"
    flags = signed.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=strict" in flags
    assert "max-age" not in flags
    assert signed.cookies["gb-panel"] != cookie
    ada.client.close()


def test_the_command_line_lets_the_first_operator_in(own_stack: Stack) -> None:
    site = own_stack.site("OPERATOR")
    printed = gatebeyz(own_stack, "members", "link", "first@example.org", "--operator")
    with httpx.Client(base_url=site, headers={"origin": site}) as client:
        answer = client.post(printed.strip(), data={"password": PASSWORD})
        assert answer.headers["location"] == "/"
        assert client.get("/").status_code == 200

        listed = gatebeyz(own_stack, "members", "list")
        member = next(line for line in listed.splitlines() if "first@example.org" in line)
        gatebeyz(own_stack, "members", "remove", member.split()[0])

        assert client.get("/").status_code == 303


def test_the_command_line_invites_to_the_panel_of_an_accounts_product(own_stack: Stack) -> None:
    made = gatebeyz(own_stack, "accounts", "create", "Bo", "--product", "credits", "--json")
    account_id = json.loads(made)["account_id"]
    printed = gatebeyz(own_stack, "members", "link", "bo@example.org", "--account", account_id)

    shown = httpx.get(own_stack.site("CREDITS_PANEL") + printed.strip())
    elsewhere = httpx.get(own_stack.site("PANEL") + printed.strip())

    assert "bo@example.org" in shown.text
    assert elsewhere.status_code == 404


def gatebeyz(stack: Stack, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        cwd=stack.folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
