"""What the terminal says once everything serves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from laptop.profile import Profile

_HELLO: Final = [{"role": "user", "content": "Hello!"}]
_MODEL: Final = "claude-sonnet-4-5"
_ANTHROPIC: Final = '-H "x-api-key: $GATEBEYZ_KEY" -H "anthropic-version: 2023-06-01"'
_BEARER: Final = '-H "authorization: Bearer $GATEBEYZ_KEY"'


def render_greeting(profile: Profile, key: str, links: Mapping[str, str], elapsed_s: float) -> str:
    """The whole text; the two exports stand on lines of their own. ``links``: site → path."""
    sites = profile.site_urls
    lines = [
        "",
        f"GateBeyz is ready ({elapsed_s:.1f} s) with {profile.catalog.source}.",
        "",
        f"export GATEBEYZ_URL={profile.url}",
        f"export GATEBEYZ_KEY={key}",
        "",
    ]
    for title, command in examples():
        lines += [f"# {title}", command, ""]
    lines += [
        f"Documentation   {sites['PANEL']}/docs",
        f"Panel           {sites['PANEL']}{links['PANEL']}",
        f"Operator        {sites['OPERATOR']}{links['OPERATOR']}",
        f"Claude Credits  {profile.credits_url}",
        f"  its panel     {sites['CREDITS_PANEL']}{links['CREDITS_PANEL']}",
        f"Logs            {profile.data_dir / 'logs'}",
        "",
        "The three links work once and within the hour. Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


def examples() -> Iterator[tuple[str, str]]:
    """A title and a curl for each public endpoint; they read the two exported variables."""
    message = {"model": _MODEL, "max_tokens": 1024, "messages": _HELLO}
    counted = {"model": _MODEL, "messages": _HELLO}
    system = {"role": "system", "content": "You are helpful."}
    chat = {"model": _MODEL, "messages": [system, *_HELLO], "max_tokens": 1024}
    yield "Message", _curl("/v1/messages", _ANTHROPIC, message)
    yield "Message, streamed", _curl("/v1/messages", _ANTHROPIC, message | {"stream": True})
    yield "Token count", _curl("/v1/messages/count_tokens", _ANTHROPIC, counted)
    yield "Chat completion", _curl("/v1/chat/completions", _BEARER, chat)
    yield "Response", _curl("/v1/responses", _BEARER, {"model": _MODEL, "input": "Hello!"})
    yield "Models", f'curl -sS "$GATEBEYZ_URL/v1/models" {_BEARER}'


def _curl(path: str, credential: str, body: dict[str, Any]) -> str:
    silent = "-sSN" if body.get("stream") else "-sS"
    text = json.dumps(body)
    headers = f'{credential} -H "content-type: application/json"'
    return f"curl {silent} \"$GATEBEYZ_URL{path}\" {headers} -d '{text}'"
