"""The listeners that serve pages: documentation and panels, each on an address of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

import grpc.aio
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.address import Network, parse_proxies
from edge.config import Config
from edge.console.pages import console_routes
from edge.panel.account import AccountReader
from edge.panel.clients import Clients, open_clients
from edge.panel.credits import CreditPages
from edge.panel.door import Door, Site
from edge.panel.keys import KeyPages
from edge.panel.overview import OverviewPages
from edge.panel.provider import ProviderDoor
from edge.panel.request_log import RequestPages
from edge.panel.settings import SettingsPages
from edge.panel.usage import UsagePages
from edge.site.app import DocumentationSite
from edge.site.page import API, CREDITS
from edge.web.brand import Brand
from edge.web.guard import PageGuard
from edge.web.rendering import N_, Renderer
from edge.web.static import StaticFiles
from edge.web.switches import switch_routes
from edge.web.view import view_of
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.identity.v1 import identity_pb2
from runtime.catalog import Catalog

_KEYS: Final = ("/keys", N_("Keys"))
_USAGE: Final = (("/usage", N_("Usage")), ("/requests", N_("Requests")))
_CONNECT: Final = ("/connect", N_("Connect"))
_SETTINGS: Final = ("/settings", N_("Settings"))
_PANEL_NAV: Final = (("/", N_("Overview")), _KEYS, *_USAGE, _CONNECT, _SETTINGS)
_CREDITS_NAV: Final = (
    ("/", N_("Balance")), _KEYS, ("/prices", N_("Prices")), *_USAGE, _CONNECT, _SETTINGS,
)  # fmt: skip
_CONSOLE_NAV: Final = (
    ("/", N_("Accounts")),
    ("/upstreams", N_("Upstreams")),
    ("/operators", N_("Operators")),
    ("/audit", N_("Audit")),
    _SETTINGS,
)


def site_apps(
    config: Config,
    catalog: Callable[[], Catalog],
    auth: grpc.aio.Channel,
    surfaces: Mapping[auth_pb2.Product, ASGIApp],
) -> Iterator[tuple[ASGIApp, str]]:
    """Each app of pages and the address it listens on; none where no address is set.

    ``surfaces`` are what this process serves of each product, for examples to be tried on.
    """
    brand = Brand(
        name=config.brand,
        contact=config.contact,
        api_url=config.api_url,
        credits_url=config.credits_url,
        panel_url=config.panel_url,
        credits_panel_url=config.credits_panel_url,
    )
    proxies = parse_proxies(config.trusted_proxies)
    sites = Sites(brand, catalog, open_clients(auth), config.max_body_bytes, surfaces, proxies)
    if config.panel_listen:
        yield sites.panel(), config.panel_listen
    if config.credits_panel_listen:
        yield sites.credits(), config.credits_panel_listen
    if config.operator_listen:
        yield sites.console(config.operator_url), config.operator_listen


class Sites:
    """Puts the three sites together."""

    def __init__(
        self,
        brand: Brand,
        catalog: Callable[[], Catalog],
        clients: Clients,
        max_body_bytes: int,
        surfaces: Mapping[auth_pb2.Product, ASGIApp],
        proxies: tuple[Network, ...],
    ) -> None:
        self._brand = brand
        self._catalog = catalog
        self._clients = clients
        self._max_body_bytes = max_body_bytes
        self._proxies = proxies
        self._surfaces = {
            API: surfaces.get(auth_pb2.PRODUCT_API),
            CREDITS: surfaces.get(auth_pb2.PRODUCT_CREDITS),
        }
        self._static = StaticFiles()
        self._renderer = Renderer(brand, self._static)

    def panel(self) -> ASGIApp:
        """The panel and the documentation of the monthly API."""
        site = Site("panel", identity_pb2.REALM_API, self._brand.panel_url, _PANEL_NAV)
        door = self._door(site)
        reader = AccountReader(self._clients, self._catalog)
        overview = OverviewPages(door, reader, self._brand.api_url)
        return self._app(door, [*overview.routes(), *_member_routes(door), *self._docs(door, API)])

    def credits(self) -> ASGIApp:
        """The panel and the documentation of Claude Credits."""
        url = self._brand.credits_panel_url
        door = self._door(Site("credits", identity_pb2.REALM_CREDITS, url, _CREDITS_NAV))
        wallet = CreditPages(door, self._catalog, self._brand.credits_url)
        return self._app(
            door, [*wallet.routes(), *_member_routes(door), *self._docs(door, CREDITS)]
        )

    def console(self, url: str) -> ASGIApp:
        """The operator's pages."""
        door = self._door(Site("operator", identity_pb2.REALM_OPERATORS, url, _CONSOLE_NAV))
        routes = console_routes(door, self._catalog, self._brand, url)
        return self._app(door, [*routes, *SettingsPages(door).routes()])

    def _door(self, site: Site) -> Door:
        return Door(site, self._clients, self._renderer, self._proxies)

    def _docs(self, door: Door, product: str) -> list[Route]:
        return DocumentationSite(
            product,
            self._brand,
            self._renderer,
            self._catalog,
            self._max_body_bytes,
            self._surfaces[product],
            door.open_form,
        ).routes()

    def _app(self, door: Door, routes: list[Route]) -> ASGIApp:
        everywhere = [
            Route("/static/{path:path}", self._static.serve),
            *switch_routes(secure=door.site.is_secure),
            *door.routes(),
            *ProviderDoor(door).routes(),
        ]
        router = Router([*routes, *everywhere], redirect_slashes=False, default=self._missing)
        name = urlsplit(door.site.url).hostname
        return PageGuard(router, door.site.name, (name,) if name else ())

    async def _missing(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: Response = self._renderer.page(view_of(scope), "missing.html", 404)
        await answer(scope, receive, send)


def _member_routes(door: Door) -> list[Route]:
    """What members of either product have."""
    pages = (KeyPages(door), UsagePages(door), RequestPages(door), SettingsPages(door))
    return [route for page in pages for route in page.routes()]
