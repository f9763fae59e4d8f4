"""What the documentation says is true: every example on its pages runs, its OpenAPI is valid."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from openapi_spec_validator import validate

from edge.site.example import EXAMPLES, PLACEHOLDER_KEY
from edge.site.page import API, CREDITS, pages_of
from tests.e2e.stack import ROOT, Stack

MAX_PAGE_BYTES = 150_000
SLUGS = [page.slug for page in pages_of(API)]
# What a tool does that finds base URL and key in its environment.
FROM_ENVIRONMENT = {
    "ANTHROPIC": "import anthropic; print(list(anthropic.Anthropic().models.list(limit=100)))",
    "OPENAI": "import openai; print(list(openai.OpenAI().models.list()))",
}
NODE_MODULES = ROOT / "tests" / "sdk_js" / "node_modules"


@dataclass(frozen=True)
class Block:
    """A block of code as a page shows it, under its label."""

    label: str
    text: str


class Blocks(HTMLParser):
    """Collects the blocks of a page, and every address it refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Block] = []
        self.addresses: list[str] = []
        self._label = ""
        self._into = ""
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.addresses += [named[name] or "" for name in ("href", "src") if name in named]
        if tag == "div" and named.get("class") == "code":
            self._label = ""
        if tag == "pre" or named.get("class") == "code-label":
            self._into, self._text = tag, ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == self._into == "p":
            self._label = self._text
        elif tag == self._into == "pre":
            self.found.append(Block(self._label, self._text))
        else:
            return
        self._into = ""


def read_page(stack: Stack, path: str, site: str = "PANEL") -> Blocks:
    answer = httpx.get(stack.site(site) + path)
    assert answer.status_code == 200, path
    blocks = Blocks()
    blocks.feed(answer.text)
    return blocks


@functools.cache
def _blocks(site: str, folder: Path) -> list[Block]:
    stack = Stack(None, folder)  # type: ignore[arg-type]
    slugs = SLUGS if site == "PANEL" else [page.slug for page in pages_of(CREDITS)]
    pages = [read_page(stack, f"/docs/en/{slug}", site) for slug in slugs]
    return list(dict.fromkeys(block for page in pages for block in page.found))


@functools.cache
def visit(url: str) -> httpx.Response:
    return httpx.get(url, follow_redirects=True)


def run(command: list[str], **environ: str) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environ},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def shown(stack: Stack, label: str) -> list[str]:
    texts = [block.text for block in _blocks("PANEL", stack.folder) if block.label == label]
    assert texts
    return [text.replace(PLACEHOLDER_KEY, stack.key) for text in texts]


def test_every_curl_on_the_pages_runs(stack: Stack) -> None:
    commands = shown(stack, "curl")

    for command in commands:
        output = run(["bash", "-c", f"{command} -sS --fail-with-body"])
        if '"stream": true' in command:
            assert output.rstrip().endswith('{"type":"message_stop"}')
        else:
            assert json.loads(output)
    assert len(commands) == len(EXAMPLES)


def test_every_python_example_on_the_pages_runs(stack: Stack) -> None:
    texts = shown(stack, "Python")

    # One interpreter for all, each in a namespace of its own: importing an SDK takes a second.
    program = f"for text in {texts!r}:\n    print('===')\n    exec(text, {{}})"
    outputs = run([sys.executable, "-W", "ignore", "-c", program]).split("===\n")[1:]

    assert all(output.strip() for output in outputs)
    assert len(outputs) == len(EXAMPLES)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine")
@pytest.mark.skipif(
    not (NODE_MODULES / "openai").is_dir(),
    reason="the JavaScript SDKs are not installed: make js does it",
)
def test_every_javascript_example_on_the_pages_runs(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(NODE_MODULES.resolve())
    texts = shown(stack, "JavaScript")

    for number, text in enumerate(texts):
        script = tmp_path / f"{number}.mjs"
        script.write_text(text, encoding="utf-8")
        assert run(["node", str(script)]).strip()
    assert len(texts) == len(EXAMPLES)


def test_every_other_block_is_what_it_seems(stack: Stack) -> None:
    run_elsewhere = ("curl", "Python", "JavaScript")
    blocks = _blocks("PANEL", stack.folder)
    rest = [block for block in blocks if block.label not in run_elsewhere]
    for block in rest:
        text = block.text.replace(PLACEHOLDER_KEY, stack.key)
        if text.startswith("export "):
            variables = dict(re.findall(r"^export (\w+)=(.*)$", text, re.M))
            code = FROM_ENVIRONMENT[next(iter(variables)).partition("_")[0]]
            assert "claude-sonnet-4-5" in run(
                [sys.executable, "-W", "ignore", "-c", code], **variables
            )
        elif block.label.endswith("body"):
            headers = {"x-api-key": stack.key, "anthropic-version": "2023-06-01"}
            answer = httpx.post(f"{stack.url}/v1/messages", json=json.loads(text), headers=headers)
            assert answer.text.rstrip().endswith('{"type":"message_stop"}')
        elif block.label:
            assert "error" in json.loads(text)
        else:
            events = [line.split()[0] for line in text.splitlines()]
            assert events == streamed_events(stack)


def streamed_events(stack: Stack) -> list[str]:
    body = EXAMPLES["stream"].call.body
    headers = {"x-api-key": stack.key, "anthropic-version": "2023-06-01"}
    answer = httpx.post(f"{stack.url}/v1/messages", json=body, headers=headers)
    names = re.findall(r"^event: (\w+)$", answer.text, re.M)
    return list(dict.fromkeys(name for name in names if name != "ping"))


@pytest.mark.parametrize("language", ["en", "tr"])
@pytest.mark.parametrize("slug", SLUGS)
def test_a_page_is_small_whole_and_of_this_site(stack: Stack, slug: str, language: str) -> None:
    site = stack.site("PANEL")
    page = visit(f"{site}/docs/{language}/{slug}")
    blocks = Blocks()
    blocks.feed(page.text)
    loaded = [address for address in blocks.addresses if address.startswith("/static/")]

    size = len(page.content) + sum(len(visit(site + path).content) for path in set(loaded))
    assert size < MAX_PAGE_BYTES
    assert f'<html lang="{language}"' in page.text
    for address in set(blocks.addresses) - set(loaded):
        if not address.startswith(("mailto:", "#", "http")):
            target = httpx.URL(f"{site}/docs/{language}/{slug}").join(address)
            assert visit(str(target)).status_code == 200, address
    elsewhere = [a for a in blocks.addresses if a.startswith(("http", "//"))]
    assert all(address.startswith("http://127.0.0.1:") for address in elsewhere)


def test_the_credits_site_shows_nothing_of_the_monthly_product(stack: Stack) -> None:
    shown_there = _blocks("CREDITS_PANEL", stack.folder)
    site = stack.site("CREDITS_PANEL")

    assert not any(
        "/v1/chat" in block.text or "/v1/responses" in block.text for block in shown_there
    )
    assert not any(stack.url in block.text for block in shown_there)
    assert httpx.get(f"{site}/docs/en/chat-completions").status_code == 404
    assert list(httpx.get(f"{site}/docs/openapi.json").json()["paths"]) == [
        "/v1/messages", "/v1/messages/count_tokens", "/v1/models", "/v1/models/{model}",
    ]  # fmt: skip


def test_the_browser_chooses_the_language_and_the_switch_remembers(stack: Stack) -> None:
    with httpx.Client(base_url=stack.site("PANEL")) as client:
        turkish = client.get("/docs", headers={"accept-language": "tr-TR,tr;q=0.9,en;q=0.5"})
        other = client.get("/docs", headers={"accept-language": "ja"})
        client.get("/language/tr?next=/docs")
        kept = client.get("/docs", headers={"accept-language": "en"})

    assert turkish.headers["location"] == kept.headers["location"] == "/docs/tr/quick-start"
    assert other.headers["location"] == "/docs/en/quick-start"


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil", "evil"])
def test_a_switch_never_leads_to_another_site(stack: Stack, target: str) -> None:
    answer = httpx.get(f"{stack.site('PANEL')}/language/tr", params={"next": target})

    assert answer.headers["location"] == "/"


def test_pages_answer_to_their_own_host_alone(stack: Stack) -> None:
    answer = httpx.get(f"{stack.site('PANEL')}/docs/en/models", headers={"host": "evil.example"})

    assert answer.status_code == 421


@pytest.fixture(scope="module")
def openapi(stack: Stack) -> dict[str, Any]:
    document: dict[str, Any] = httpx.get(f"{stack.site('PANEL')}/docs/openapi.json").json()
    return document


def test_the_openapi_document_is_valid_and_names_this_host(
    stack: Stack, openapi: dict[str, Any]
) -> None:
    validate(openapi)
    assert openapi["servers"] == [{"url": stack.url}]


@pytest.mark.parametrize("name", EXAMPLES)
def test_answers_are_what_the_openapi_document_says(
    stack: Stack, openapi: dict[str, Any], name: str
) -> None:
    call = EXAMPLES[name].call
    method = "POST" if call.body else "GET"
    operation = openapi["paths"][call.path][method.lower()]
    good, bad = (
        httpx.request(
            method,
            stack.url + call.path,
            json=call.body,
            headers=dict(line.format(key=key).split(": ") for line in call.headers),
        )
        for key in (stack.key, PLACEHOLDER_KEY)
    )

    assert good.status_code == 200
    assert re.fullmatch(r"req_[0-9A-Za-z]{24}", good.headers["x-request-id"])
    if call.body:
        check_schema(openapi, operation["requestBody"], call.body)
    if good.headers["content-type"] == "application/json":
        check_schema(openapi, operation["responses"]["200"], good.json())
    else:
        assert call.body is not None
        assert call.body["stream"]
    assert bad.status_code == 401
    check_schema(openapi, operation["responses"]["default"], bad.json())


def check_schema(openapi: dict[str, Any], part: dict[str, Any], value: Any) -> None:
    if "$ref" in part:
        part = openapi["components"]["responses"][part["$ref"].rpartition("/")[2]]
    schema = {**part["content"]["application/json"]["schema"], "components": openapi["components"]}
    jsonschema.Draft202012Validator(schema).validate(value)


TRIED = {"messages": "message", "streaming": "stream", "count-tokens": "count", "models": "models",
         "chat-completions": "chat", "responses": "response"}  # fmt: skip


def attempt(stack: Stack, slug: str, key: str, **headers: str) -> httpx.Response:
    site = stack.site("PANEL")
    fields = {"example": TRIED[slug], "key": key}
    origin = {"origin": site, **headers}
    return httpx.post(f"{site}/docs/en/{slug}", data=fields, headers=origin, timeout=30)


@pytest.mark.parametrize("slug", TRIED)
def test_an_example_is_tried_with_a_key_that_the_page_does_not_hold(
    stack: Stack, slug: str
) -> None:
    answer = attempt(stack, slug, stack.key)
    blocks = Blocks()
    blocks.feed(answer.text)
    shown_answer = next(block.text for block in blocks.found if block.label == "Answer")

    assert '<span class="state good">200</span>' in answer.text
    assert stack.key not in answer.text
    if slug == "streaming":
        assert "event: message_stop" in shown_answer
    else:
        assert json.loads(shown_answer)


def test_a_trial_is_held_to_what_holds_for_every_request(stack: Stack) -> None:
    wrong = attempt(stack, "messages", PLACEHOLDER_KEY)
    forged = attempt(stack, "messages", stack.key, origin="https://evil.example")
    split = attempt(stack, "messages", "x\r\nx-evil: 1")
    unknown = httpx.post(
        f"{stack.site('PANEL')}/docs/en/messages",
        data={"example": "nothing", "key": stack.key},
        headers={"origin": stack.site("PANEL")},
    )

    assert '<span class="state bad">401</span>' in wrong.text
    assert forged.status_code == 403
    for answer in (split, unknown):
        assert answer.status_code == 200
        assert 'class="state' not in answer.text
