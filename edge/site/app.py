"""The documentation of one product as routes: ``/docs/<language>/<page>`` and its OpenAPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from edge.body import BYTES_PER_S, FIRST_TIMEOUT_S, MAX_DEPTH
from edge.site.error_table import error_rows
from edge.site.example import EXAMPLES, PLACEHOLDER_KEY, render_body
from edge.site.openapi import build_openapi
from edge.site.page import API, Page, pages_of
from edge.web.brand import Brand
from edge.web.language import LANGUAGES
from edge.web.rendering import Renderer
from edge.web.view import view_of
from runtime.catalog import Catalog


class DocumentationSite:
    """Every page of one product's documentation."""

    def __init__(
        self,
        product: str,
        brand: Brand,
        renderer: Renderer,
        catalog: Callable[[], Catalog],
        max_body_bytes: int,
    ) -> None:
        self.product = product
        self.pages = {page.slug: page for page in pages_of(product)}
        self._brand = brand
        self._renderer = renderer
        self._catalog = catalog
        self._max_body_bytes = max_body_bytes
        self._base_url = brand.api_url if product == API else brand.credits_url
        self._openapi = build_openapi(product, brand.name, brand.contact, self._base_url)

    def routes(self) -> list[Route]:
        """What a listener of pages serves."""
        return [
            Route("/docs", self.enter),
            Route("/docs/openapi.json", self.openapi),
            Route("/docs/{language}", self.enter),
            Route("/docs/{language}/{slug}", self.page),
        ]

    async def enter(self, request: Request) -> Response:
        """The first page in the visitor's language."""
        code = request.path_params.get("language") or view_of(request.scope).language
        if code not in LANGUAGES:
            return self._missing(request)
        return RedirectResponse(f"/docs/{code}/{next(iter(self.pages))}", 302)

    async def openapi(self, _request: Request) -> Response:
        """The OpenAPI document."""
        return JSONResponse(self._openapi, headers={"cache-control": "public, max-age=300"})

    async def page(self, request: Request) -> Response:
        """One page; the language of the path counts, not the cookie."""
        view = view_of(request.scope)
        code = request.path_params["language"]
        page = self.pages.get(request.path_params["slug"])
        if page is None or code not in LANGUAGES:
            return self._missing(request)
        view.language = code
        return self._renderer.page(view, page.template, **self._values(page))

    def _missing(self, request: Request) -> Response:
        return self._renderer.page(view_of(request.scope), "missing.html", 404)

    def _values(self, page: Page) -> dict[str, Any]:
        ordered = list(self.pages.values())
        place = ordered.index(page)
        return {
            "page": page,
            "pages": ordered,
            "previous": ordered[place - 1] if place else None,
            "following": ordered[place + 1] if place + 1 < len(ordered) else None,
            "product": self.product,
            "base_url": self._base_url,
            "key": PLACEHOLDER_KEY,
            "examples": {name: one.texts(self._base_url) for name, one in EXAMPLES.items()},
            "bodies": {
                name: render_body(one.call.body) for name, one in EXAMPLES.items() if one.call.body
            },
            "errors": error_rows() if page.slug == "errors" else [],
            "models": self._catalog().models.values(),
            "bounds": {
                "body_mb": self._max_body_bytes // 1_048_576,
                "depth": MAX_DEPTH,
                "first_s": int(FIRST_TIMEOUT_S),
                "bytes_per_s": BYTES_PER_S,
            },
        }
