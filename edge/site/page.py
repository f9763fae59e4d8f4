"""The pages of the documentation, in the order they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge.web.rendering import N_

API: Final = "api"
CREDITS: Final = "credits"
_BOTH: Final = (API, CREDITS)


@dataclass(frozen=True, slots=True)
class Page:
    """One page; ``title`` and ``summary`` are ids of the catalogues."""

    slug: str
    group: str
    title: str
    summary: str
    products: tuple[str, ...] = _BOTH

    @property
    def template(self) -> str:
        """The file that shows it."""
        return f"docs/{self.slug}.html"


_START: Final = N_("Start here")
_ANTHROPIC: Final = N_("Anthropic surface")
_OPENAI: Final = N_("OpenAI surface")
_REFERENCE: Final = N_("Reference")
_PRODUCTS: Final = N_("Products and support")

PAGES: Final = (
    Page("quick-start", _START, N_("Quick start"),
         N_("From a key to a first answer in two minutes.")),
    Page("sdks", _START, N_("SDK set-up"),
         N_("Change the base URL and the key; nothing else.")),
    Page("messages", _ANTHROPIC, N_("Create a message"),
         N_("Send a message to any available model through the Anthropic Messages endpoint.")),
    Page("streaming", _ANTHROPIC, N_("Streaming"),
         N_("Receive the answer as server-sent events while it is written.")),
    Page("thinking", _ANTHROPIC, N_("Extended thinking"),
         N_("Let a supported model reason before it answers, when your account permits it.")),
    Page("count-tokens", _ANTHROPIC, N_("Count tokens"),
         N_("Know the size of a request before you send it.")),
    Page("chat-completions", _OPENAI, N_("Chat completions"),
         N_("For every client that speaks the OpenAI Chat Completions API."), (API,)),
    Page("responses", _OPENAI, N_("Responses"),
         N_("For newer clients that speak the OpenAI Responses API."), (API,)),
    Page("models", _REFERENCE, N_("Models"),
         N_("What your key may use, at this moment.")),
    Page("errors", _REFERENCE, N_("Errors"),
         N_("Every error in the envelope your client expects, and what to do about it.")),
    Page("limits", _REFERENCE, N_("Limits"),
         N_("Requests, tokens and streams at once; sizes and times.")),
    Page("headers", _REFERENCE, N_("Headers"),
         N_("What you send, what comes back.")),
    Page("credits", _PRODUCTS, N_("Claude Credits"),
         N_("One-time packs with a host, keys and a panel of their own.")),
    Page("support", _PRODUCTS, N_("Support notes"),
         N_("Short answers to the questions that come up most.")),
)  # fmt: skip


def pages_of(product: str) -> list[Page]:
    """The pages a product's site shows."""
    return [page for page in PAGES if product in page.products]
