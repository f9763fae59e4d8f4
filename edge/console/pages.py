"""The operator's pages put together."""

from __future__ import annotations

from collections.abc import Callable

from starlette.routing import Route

from edge.console.account import AccountPage
from edge.console.accounts import AccountList
from edge.console.trail import TrailPages
from edge.console.upstreams import UpstreamPages
from edge.panel.door import Door
from edge.web.brand import Brand
from runtime.catalog import Catalog


def console_routes(
    door: Door, catalog: Callable[[], Catalog], brand: Brand, url: str
) -> list[Route]:
    """Every page behind the operator's door."""
    pages = (
        AccountList(door, catalog),
        AccountPage(door, catalog, brand),
        UpstreamPages(door, catalog),
        TrailPages(door, url),
    )
    return [route for page in pages for route in page.routes()]
