"""The examples of the documentation, as data: pages show them, the tests run every one of them.

A placeholder stands where a reader's own base URL and key belong, so the same text is shown with
the addresses of this installation and run against a gateway under test.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Any, Final

PLACEHOLDER_KEY: Final = "sk-gb-replace-with-your-key"
MODEL: Final = "claude-sonnet-4-5"
THINKING_MODEL: Final = "claude-opus-4-6"
_LINE: Final = 80
_HELLO: Final = [{"role": "user", "content": "Hello!"}]
_ANTHROPIC: Final = ("x-api-key: {key}", "anthropic-version: 2023-06-01")
_BEARER: Final = ("Authorization: Bearer {key}",)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that curl makes. ``headers`` name the key as ``{key}``."""

    path: str
    headers: tuple[str, ...]
    body: Mapping[str, Any] | None = None

    def curl(self, base_url: str, key: str) -> str:
        """The command, as one types it."""
        options = "-N " if self.body and self.body.get("stream") else ""
        lines = [f"curl {options}{base_url}{self.path}"]
        lines += [f'  -H "{header.format(key=key)}"' for header in self.headers]
        if self.body is not None:
            lines += [
                '  -H "content-type: application/json"',
                f"  -d '{render_body(self.body, '  ')}'",
            ]
        return " \\\n".join(lines)


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to do, in every way it is shown: curl, and files under ``snippets``.

    ``name`` is the stem of its snippets.
    """

    name: str
    call: Call
    is_openai: bool = False

    def texts(self, base_url: str, key: str = PLACEHOLDER_KEY) -> dict[str, str]:
        """What each tab shows: its title and its text."""
        sdk_url = f"{base_url}/v1" if self.is_openai else base_url
        return {
            "curl": self.call.curl(base_url, key),
            "Python": self._snippet("py", sdk_url, key),
            "JavaScript": self._snippet("mjs", sdk_url, key),
        }

    def _snippet(self, suffix: str, base_url: str, key: str) -> str:
        path = resources.files("edge.site") / "snippets" / f"{self.name}.{suffix}.txt"
        text = path.read_text(encoding="utf-8")
        return Template(text).substitute(base_url=base_url, key=key).strip()


def render_body(body: Mapping[str, Any], indent: str = "") -> str:
    """A JSON body to read: a line for each field, a line for each item of a longer list."""
    lines = [f'{indent}  "{name}": {_value(value, indent)}' for name, value in body.items()]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def _value(value: Any, indent: str) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if len(text) < _LINE or not isinstance(value, list):
        return text
    items = [f"{indent}    {json.dumps(item, ensure_ascii=False)}" for item in value]
    return "[\n" + ",\n".join(items) + f"\n{indent}  ]"


MESSAGE_BODY: Final = {"model": MODEL, "max_tokens": 1024, "messages": _HELLO}
STREAM_BODY: Final = {
    "model": MODEL,
    "max_tokens": 1024,
    "stream": True,
    "messages": [{"role": "user", "content": "Write a haiku"}],
}
THINKING_BODY: Final = {
    "model": THINKING_MODEL,
    "max_tokens": 16000,
    "stream": True,
    "thinking": {"type": "enabled", "budget_tokens": 10000},
    "messages": [{"role": "user", "content": "Solve this step by step"}],
}
COUNT_BODY: Final = {"model": MODEL, "messages": _HELLO}
CHAT_BODY: Final = {
    "model": MODEL,
    "messages": [{"role": "system", "content": "You are helpful."}, *_HELLO],
    "max_tokens": 1024,
}
RESPONSE_BODY: Final = {"model": MODEL, "input": "Hello!", "store": False}

EXAMPLES: Final = {
    example.name: example
    for example in (
        Example("message", Call("/v1/messages", _ANTHROPIC, MESSAGE_BODY)),
        Example("stream", Call("/v1/messages", _ANTHROPIC, STREAM_BODY)),
        Example("thinking", Call("/v1/messages", _ANTHROPIC, THINKING_BODY)),
        Example("count", Call("/v1/messages/count_tokens", _ANTHROPIC, COUNT_BODY)),
        Example("models", Call("/v1/models", _ANTHROPIC)),
        Example("chat", Call("/v1/chat/completions", _BEARER, CHAT_BODY), is_openai=True),
        Example("response", Call("/v1/responses", _BEARER, RESPONSE_BODY), is_openai=True),
        Example("openai_models", Call("/v1/models", _BEARER), is_openai=True),
    )
}
"""By name; those of the OpenAI dialects belong to the monthly API alone."""
