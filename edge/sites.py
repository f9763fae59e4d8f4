"""The listeners that serve pages: documentation and panels, each on an address of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.config import Config
from edge.site.app import DocumentationSite
from edge.site.page import API, CREDITS
from edge.web.brand import Brand
from edge.web.guard import PageGuard
from edge.web.rendering import Renderer
from edge.web.static import StaticFiles
from edge.web.switches import switch_routes
from edge.web.view import view_of
from runtime.catalog import Catalog


def site_apps(config: Config, catalog: Callable[[], Catalog]) -> Iterator[tuple[ASGIApp, str]]:
    """Each app of pages and the address it listens on; none where no address is set."""
    brand = Brand(
        name=config.brand,
        contact=config.contact,
        api_url=config.api_url,
        credits_url=config.credits_url,
        panel_url=config.panel_url,
        credits_panel_url=config.credits_panel_url,
    )
    static = StaticFiles()
    renderer = Renderer(brand, static)
    for product, listen, url in (
        (API, config.panel_listen, config.panel_url),
        (CREDITS, config.credits_panel_listen, config.credits_panel_url),
    ):
        if not listen:
            continue
        site = DocumentationSite(product, brand, renderer, catalog, config.max_body_bytes)
        router = Router(
            [
                Route("/", _to_docs),
                *site.routes(),
                Route("/static/{path:path}", static.serve),
                *switch_routes(secure=url.startswith("https:")),
            ],
            redirect_slashes=False,
            default=_missing(renderer),
        )
        yield PageGuard(router, product, _hosts(url)), listen


async def _to_docs(_request: Request) -> Response:
    return RedirectResponse("/docs", 302)


def _missing(renderer: Renderer) -> ASGIApp:
    async def missing(scope: Scope, receive: Receive, send: Send) -> None:
        answer = renderer.page(view_of(scope), "missing.html", 404)
        await answer(scope, receive, send)

    return missing


def _hosts(url: str) -> tuple[str, ...]:
    """The one host name a site answers to; every name where its URL is not set."""
    name = urlsplit(url).hostname
    return (name,) if name else ()
