"""What the terminal says once everything serves."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from laptop.greeting import examples, render_greeting
from laptop.profile import SITES, make_profile
from tests.ports import free_port

LINKS = {site: f"/link/{site.lower()}" for site in SITES}


def test_exports_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    port = free_port()
    profile = make_profile({"GATEBEYZ_PORT": str(port)}, tmp_path, "unix:///s")

    lines = render_greeting(profile, "sk-gb-pl-x", LINKS, 2.0).split("\n")

    assert f"export GATEBEYZ_URL=http://127.0.0.1:{port}" in lines
    assert "export GATEBEYZ_KEY=sk-gb-pl-x" in lines
    assert sum("sk-gb-pl-x" in line for line in lines) == 1


def test_every_endpoint_has_a_curl() -> None:
    commands = [shlex.split(command) for _, command in examples()]

    urls = [next(word for word in words if "GATEBEYZ_URL" in word) for words in commands]
    assert {url.removeprefix("$GATEBEYZ_URL") for url in urls} == {
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/models",
    }


def test_bodies_are_json_and_one_streams() -> None:
    bodies = [
        json.loads(words[words.index("-d") + 1])
        for _, command in examples()
        if "-d" in (words := shlex.split(command))
    ]

    assert [body.get("stream", False) for body in bodies] == [False, True, False, False, False]
    assert {body["model"] for body in bodies} == {"claude-sonnet-4-5"}
