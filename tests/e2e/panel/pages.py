"""Every page there is to look at, by site; ``{language}`` stands in the path of documents."""

from __future__ import annotations

from edge.site.page import API, CREDITS, pages_of

_MEMBER = ("/keys", "/usage", "/requests", "/connect", "/settings")


def _docs(product: str) -> tuple[str, ...]:
    return tuple(f"/docs/{{language}}/{page.slug}" for page in pages_of(product))


PAGES = {
    "PANEL": ("/", *_MEMBER, *_docs(API)),
    "CREDITS_PANEL": ("/", "/prices", *_MEMBER, *_docs(CREDITS)),
    "OPERATOR": ("/", "/upstreams", "/operators", "/audit", "/settings"),
}
