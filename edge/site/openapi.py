"""The OpenAPI document of one product: openapi.yaml with this installation's own facts."""

from __future__ import annotations

from importlib import resources
from typing import Any, Final

import yaml

from edge.site.example import EXAMPLES
from edge.site.page import API

_OPENAI_TAG: Final = "OpenAI"


def build_openapi(product: str, name: str, contact: str, base_url: str) -> dict[str, Any]:
    """The document; a credits listener serves no OpenAI surface, so it is not told of one."""
    source = resources.files("edge.site") / "openapi.yaml"
    document: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    title = f"{name} API" if product == API else f"{name} Claude Credits API"
    document["info"] |= {"title": title, "contact": {"email": contact}}
    document["servers"] = [{"url": base_url}]
    if product != API:
        _drop_openai(document)
    for example in EXAMPLES.values():
        operation = document["paths"].get(example.call.path, {}).get("post")
        if operation and example.call.body:
            content = operation["requestBody"]["content"]["application/json"]
            content.setdefault("examples", {})[example.name] = {"value": example.call.body}
    return document


def _drop_openai(document: dict[str, Any]) -> None:
    document["tags"] = [tag for tag in document["tags"] if tag["name"] != _OPENAI_TAG]
    document["paths"] = {
        path: operations
        for path, operations in document["paths"].items()
        if all(_OPENAI_TAG not in operation["tags"] for operation in operations.values())
    }
