"""Which forms count."""

from __future__ import annotations

import pytest

from edge.web.form import ForeignFormError, check_token, forgery_token, is_from, origin_of
from edge.web.language import choose_language
from edge.web.switches import local_path

SITE = "https://panel.example"


@pytest.mark.parametrize(
    ("headers", "counts"),
    [
        ({}, False),
        ({b"origin": b"https://panel.example"}, True),
        ({b"origin": b"https://panel.example:8443"}, False),
        ({b"origin": b"http://panel.example"}, False),
        ({b"origin": b"null"}, False),
        ({b"sec-fetch-site": b"same-origin"}, True),
        ({b"sec-fetch-site": b"same-site"}, False),
        ({b"sec-fetch-site": b"cross-site", b"origin": b"https://panel.example"}, False),
        ({b"sec-fetch-site": b"none"}, False),
        ({b"origin": b"\xff"}, False),
    ],
)
def test_a_form_counts_where_the_browser_names_this_origin(
    headers: dict[bytes, bytes], counts: bool
) -> None:
    assert is_from(headers, SITE) is counts


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin_of("https://panel.example/deep?x=1") == SITE
    assert origin_of("http://127.0.0.1:8082") == "http://127.0.0.1:8082"


def test_a_token_is_of_one_session() -> None:
    check_token({"csrf": forgery_token("mine")}, "mine")
    for form in ({}, {"csrf": ""}, {"csrf": forgery_token("yours")}, {"csrf": "\N{SNOWMAN}"}):
        with pytest.raises(ForeignFormError):
            check_token(form, "mine")
    assert "mine" not in forgery_token("mine")


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/docs/en", "/docs/en"),
        ("/usage?days=7", "/usage?days=7"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\n/evil", "/"),
        ("", "/"),
    ],
)
def test_a_way_back_stays_on_the_site(path: str, kept: str) -> None:
    assert local_path(path) == kept


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "en"),
        ({b"accept-language": b"tr"}, "tr"),
        ({b"accept-language": b"de, tr;q=0.8, en;q=0.9"}, "en"),
        ({b"accept-language": b"en;q=0, tr;q=0.1"}, "tr"),
        ({b"accept-language": b"tr-TR;q=x, en"}, "en"),
        ({b"accept-language": b"tr", b"cookie": b"gb_language=en"}, "en"),
        ({b"accept-language": b"\xff", b"cookie": b"gb_language=../../x"}, "en"),
    ],
)
def test_the_switch_decides_then_the_browser(headers: dict[bytes, bytes], code: str) -> None:
    assert choose_language(headers) == code
