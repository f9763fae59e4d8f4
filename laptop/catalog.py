"""Which upstreams and models a laptop starts with.

In this order: ``GATEBEYZ_CATALOG``; a ``gatebeyz.yaml`` in the working directory; the real
providers whose keys are set (``ANTHROPIC_API_KEY``, ``OPENAI_API_KEY``); the demo upstream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from laptop.address import LOOPBACK

FILE_NAME: Final = "gatebeyz.yaml"
PLAN: Final = "laptop"


@dataclass(frozen=True, slots=True)
class Offer:
    """A model of the built-in catalog; prices are micro-dollars per million tokens."""

    model: str
    display_name: str
    # The dialects it is reached in, best first: a demo model in the first one only.
    dialects: tuple[str, ...]
    context_window: int
    max_output: int
    input: int
    output: int
    cache_read: int

    def entry(self, routes: Sequence[Mapping[str, str]]) -> dict[str, Any]:
        """The model as the YAML says it."""
        prices = {"input": self.input, "output": self.output, "cache_read": self.cache_read}
        if self.dialects == _CLAUDE:
            prices["cache_write_5m"] = self.input * 5 // 4
            prices["cache_write_1h"] = self.input * 2
        return {
            "id": self.model,
            "display_name": self.display_name,
            "routes": list(routes),
            "context_window": self.context_window,
            "max_output": self.max_output,
            "prices": prices,
        }


_CLAUDE: Final = ("anthropic_messages",)
_GPT: Final = ("openai_responses", "openai_chat")
_GPT_CHAT: Final = ("openai_chat", "openai_responses")

OFFERS: Final = (
    Offer("claude-opus-4-8", "Claude Opus 4.8", _CLAUDE, 1_000_000, 128_000,
          5_000_000, 25_000_000, 500_000),
    Offer("claude-opus-4-6", "Claude Opus 4.6", _CLAUDE, 200_000, 128_000,
          5_000_000, 25_000_000, 500_000),
    Offer("claude-sonnet-4-5", "Claude Sonnet 4.5", _CLAUDE, 200_000, 64_000,
          3_000_000, 15_000_000, 300_000),
    Offer("claude-haiku-4-5", "Claude Haiku 4.5", _CLAUDE, 200_000, 64_000,
          1_000_000, 5_000_000, 100_000),
    Offer("gpt-5", "GPT-5", _GPT, 400_000, 128_000, 1_250_000, 10_000_000, 125_000),
    Offer("gpt-4.1", "GPT-4.1", _GPT_CHAT, 1_047_576, 32_768, 2_000_000, 8_000_000, 500_000),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Provider:
    """One upstream of the built-in catalog."""

    name: str
    dialect: str
    base_url: str
    credential: Mapping[str, str]
    allow_private: bool = False

    def entry(self) -> dict[str, Any]:
        """The upstream as the YAML says it."""
        is_anthropic = self.dialect == "anthropic_messages"
        return {
            "name": self.name,
            "dialect": self.dialect,
            "base_url": self.base_url,
            "credential": dict(self.credential),
            "capabilities": {"thinking": True, "count_tokens": is_anthropic},
            "allow_private": self.allow_private,
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """The catalog to run with: a file of the operator's, or a text of ours."""

    source: str
    path: Path | None = None
    text: str = ""
    uses_demo: bool = False


def choose_catalog(
    environ: Mapping[str, str], folder: Path, demo_port: int, demo_credential: Path
) -> Choice:
    """The catalog a laptop runs with, by the order in this module's docstring."""
    given = environ.get("GATEBEYZ_CATALOG")
    path = Path(given) if given else folder / FILE_NAME
    # An operator's own catalog may name the demo upstream, if it was given a fixed address.
    if given or path.is_file():
        return Choice(str(path), path=path, uses_demo="GATEBEYZ_DEMO_LISTEN" in environ)
    real = real_providers(environ)
    if real:
        names = " and ".join(dict.fromkeys(p.name.split("-")[0] for p in real))
        return Choice(f"real upstreams: {names}", text=render_catalog(real))
    demo = demo_providers(demo_port, demo_credential)
    text = render_catalog(demo, first_dialect_only=True)
    return Choice("the built-in demo upstream", text=text, uses_demo=True)


def real_providers(environ: Mapping[str, str]) -> list[Provider]:
    """The providers whose keys are set."""
    providers = []
    if environ.get("ANTHROPIC_API_KEY"):
        base = "https://api.anthropic.com"
        credential = {"env": "ANTHROPIC_API_KEY"}
        providers.append(Provider("anthropic", "anthropic_messages", base, credential))
    if environ.get("OPENAI_API_KEY"):
        base = "https://api.openai.com/v1"
        credential = {"env": "OPENAI_API_KEY"}
        providers.append(Provider("openai-responses", "openai_responses", base, credential))
        providers.append(Provider("openai-chat", "openai_chat", base, credential))
    return providers


def demo_providers(port: int, credential: Path, host: str = LOOPBACK) -> list[Provider]:
    """The demo upstream, once for each dialect it speaks."""
    base = f"http://{host}:{port}"
    kept = {"file": str(credential)}
    return [
        Provider("demo-anthropic", "anthropic_messages", base, kept, allow_private=True),
        Provider("demo-responses", "openai_responses", f"{base}/v1", kept, allow_private=True),
        Provider("demo-chat", "openai_chat", f"{base}/v1", kept, allow_private=True),
    ]


def render_catalog(providers: Sequence[Provider], *, first_dialect_only: bool = False) -> str:
    """The YAML of these providers with every model they offer.

    ``first_dialect_only`` gives each model a single route, so that every other surface reaches it
    through the translator.
    """
    by_dialect = {provider.dialect: provider for provider in providers}
    models = []
    for offer in OFFERS:
        wanted = offer.dialects[:1] if first_dialect_only else offer.dialects
        routes = [
            {"upstream": by_dialect[dialect].name, "model": offer.model}
            for dialect in wanted
            if dialect in by_dialect
        ]
        if routes:
            models.append(offer.entry(routes))
    content = {
        "upstreams": [provider.entry() for provider in providers],
        "models": models,
        "plans": [{"name": PLAN, "thinking": True}],
    }
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
