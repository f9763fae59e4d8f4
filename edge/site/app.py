"""The documentation of one product as routes: ``/docs/<language>/<page>`` and its OpenAPI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from edge.body import BYTES_PER_S, FIRST_TIMEOUT_S, MAX_DEPTH
from edge.site.error_table import error_rows
from edge.site.example import EXAMPLES, PLACEHOLDER_KEY, render_body
from edge.site.openapi import build_openapi
from edge.site.page import API, Page, pages_of
from edge.site.trial import Trial, is_presentable, run_trial
from edge.web.brand import Brand
from edge.web.language import LANGUAGES
from edge.web.rendering import Renderer
from edge.web.view import view_of
from runtime.catalog import Catalog

FormPage = Callable[[Request, dict[str, str]], Awaitable[Response]]


class DocumentationSite:
    """Every page of one product's documentation."""

    def __init__(
        self,
        product: str,
        brand: Brand,
        renderer: Renderer,
        catalog: Callable[[], Catalog],
        max_body_bytes: int,
        surfaces: ASGIApp | None,
        open_form: Callable[[FormPage], Callable[[Request], Awaitable[Response]]],
    ) -> None:
        self.product = product
        self.pages = {page.slug: page for page in pages_of(product)}
        self._brand = brand
        self._renderer = renderer
        self._catalog = catalog
        self._max_body_bytes = max_body_bytes
        self._surfaces = surfaces
        self._open_form = open_form
        self._base_url = brand.api_url if product == API else brand.credits_url
        self._openapi = build_openapi(product, brand.name, brand.contact, self._base_url)

    def routes(self) -> list[Route]:
        """What a listener of pages serves."""
        return [
            Route("/docs", self.enter),
            Route("/docs/openapi.json", self.openapi),
            Route("/docs/{language}", self.enter),
            Route("/docs/{language}/{slug}", self.page),
            Route("/docs/{language}/{slug}", self._open_form(self.attempt), methods=["POST"]),
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
        return self._page(request, None)

    async def attempt(self, request: Request, form: dict[str, str]) -> Response:
        """The page with the answer to one of its examples, called with the visitor's own key."""
        example = EXAMPLES.get(form.get("example", ""))
        key = form.get("key", "").strip()
        if example is None or self._surfaces is None or not is_presentable(key):
            return self._page(request, None)
        trial = await run_trial(self._surfaces, example.call, self._base_url, key, request.scope)
        return self._page(request, trial)

    def _page(self, request: Request, trial: Trial | None) -> Response:
        view = view_of(request.scope)
        code = request.path_params["language"]
        page = self.pages.get(request.path_params["slug"])
        if page is None or code not in LANGUAGES:
            return self._missing(request)
        view.language = code
        return self._renderer.page(view, page.template, trial=trial, **self._values(page))

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
            "can_try": self._surfaces is not None,
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
