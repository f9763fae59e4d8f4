"""What is known of one visit before any page decides: language, theme, the nonce of its script."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from starlette.types import Scope

from edge.web.language import LANGUAGES, choose_language, read_cookie
from runtime.identity import new_request_id

THEMES: Final = ("auto", "light", "dark")
THEME_COOKIE: Final = "gb_theme"
_SCOPE_KEY: Final = "gatebeyz.view"


@dataclass(slots=True)
class View:
    """One visit. ``path`` is where the switches lead back to."""

    path: str
    headers: dict[bytes, bytes]
    language: str
    theme: str
    request_id: str = field(default_factory=new_request_id)
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(18))

    @property
    def here(self) -> str:
        """The path as the value of a query parameter."""
        return quote(self.path, safe="/")


def open_view(scope: Scope) -> View:
    """The view of a request, kept in its scope."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    theme = read_cookie(headers, THEME_COOKIE)
    view = View(
        path=scope["path"],
        headers=headers,
        language=choose_language(headers),
        theme=theme if theme in THEMES else THEMES[0],
    )
    scope[_SCOPE_KEY] = view
    return view


def view_of(scope: Scope) -> View:
    """The view that :func:`open_view` kept."""
    view: View = scope[_SCOPE_KEY]
    return view


def other_languages(language: str) -> dict[str, str]:
    """Every language but this one."""
    return {code: name for code, name in LANGUAGES.items() if code != language}
