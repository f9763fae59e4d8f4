"""The two switches of every page, language and theme: a link each, kept in a cookie."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edge.web import language
from edge.web.view import THEME_COOKIE, THEMES

YEAR_S: Final = 365 * 24 * 3600


def switch_routes(*, secure: bool) -> list[Route]:
    """``/language/tr?next=/…`` and ``/theme/dark?next=/…``."""
    return [
        Route("/language/{value}", _remember(language.COOKIE, language.LANGUAGES, secure=secure)),
        Route("/theme/{value}", _remember(THEME_COOKIE, THEMES, secure=secure)),
    ]


def _remember(
    cookie: str, known: Collection[str], *, secure: bool
) -> Callable[[Request], Awaitable[Response]]:
    async def remember(request: Request) -> Response:
        value = request.path_params["value"]
        if value not in known:
            return Response(status_code=404)
        answer = RedirectResponse(local_path(request.query_params.get("next", "/")), 303)
        answer.set_cookie(
            cookie, value, max_age=YEAR_S, httponly=True, secure=secure, samesite="lax"
        )
        return answer

    return remember


def local_path(path: str) -> str:
    """A path of this site; anything that could lead elsewhere becomes "/"."""
    is_local = path.startswith("/") and not path.startswith("//")
    return path if is_local and path.isprintable() and "\\" not in path else "/"
