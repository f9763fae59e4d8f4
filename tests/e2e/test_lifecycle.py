"""An installation from its first line to its last: greeting, deaths, restarts, what it leaves."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from admission.credential import API, mint
from tests.e2e.stack import Stack, start_stack

HELLO = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Hello!"}],
}
PROCESSES = {
    "edge": ("-m edge",),
    "auth": ("-m services.auth",),
    "counter": ("-m services.counter",),
    "translator": ("-m services.translator",),
    "relay": ("-m services.relay",),
    "demo": ("-m laptop.demo",),
    "store": ("valkey-server", "redis-server"),
}
MAX_RSS_MB = 700
RETURN_S = 3.0


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of this module's own: its processes are killed."""
    running = start_stack(tmp_path_factory.mktemp("mortal"))
    yield running
    running.stop()


def process_of(stack: Stack, name: str) -> psutil.Process | None:
    for process in psutil.Process(stack.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            line = " ".join(process.cmdline())
            if any(line.endswith(mark) or mark in line.split(" ")[0] for mark in PROCESSES[name]):
                return process
    return None


def wait_until(is_true: Callable[[], bool], within_s: float, what: str) -> float:
    """The seconds it took; fails with ``what`` where it takes longer than ``within_s``."""
    began = time.monotonic()
    while not is_true():
        assert time.monotonic() - began < within_s, f"{what} took longer than {within_s:g} s"
        time.sleep(0.05)
    return time.monotonic() - began


class Caller:
    """Asks one thing of each part; each answers whether it was served."""

    def __init__(self, stack: Stack) -> None:
        self._client = httpx.Client(
            base_url=stack.url, headers={"x-api-key": stack.key}, timeout=10
        )

    def close(self) -> None:
        self._client.close()

    def _is_served(self, method: str, path: str, body: object = None) -> bool:
        try:
            return self._client.request(method, path, json=body).status_code == 200
        except httpx.TransportError:
            return False

    def message(self) -> bool:
        return self._is_served("POST", "/v1/messages", HELLO)

    def translated(self) -> bool:
        return self._is_served("POST", "/v1/chat/completions", HELLO)

    def count(self) -> bool:
        # A model whose provider has no counter of its own: ours must answer.
        return self._is_served("POST", "/v1/messages/count_tokens", {**HELLO, "model": "gpt-5"})

    def models(self) -> bool:
        return self._is_served("GET", "/v1/models")

    def stranger(self) -> bool:
        """Whether auth can say of a key it never saw that it does not exist."""
        headers = {"x-api-key": mint(API)}
        try:
            return self._client.get("/v1/models", headers=headers).status_code == 401
        except httpx.TransportError:
            return False


@pytest.fixture
def caller(mortal: Stack) -> Iterator[Caller]:
    with contextlib.closing(Caller(mortal)) as calling:
        assert calling.message()
        assert calling.count()
        yield calling


def test_the_printed_commands_work_as_printed(stack: Stack) -> None:
    script = [line for line in stack.output if line.startswith(("export ", "curl "))]
    commands = [line for line in script if line.startswith("curl ")]
    exports = "".join(line for line in script if line.startswith("export "))

    answers = [
        subprocess.run(
            ["bash", "-ec", exports + command],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
        for command in commands
    ]

    surfaces = ("messages", "messages/count_tokens", "chat/completions", "responses", "models")
    for surface in surfaces:
        assert any(f"/v1/{surface}" in command for command in commands)
    for command, answer in zip(commands, answers, strict=True):
        if answer.startswith("event: "):
            assert "event: message_stop" in answer
        else:
            assert not json.loads(answer).get("error"), command


def test_it_is_small(stack: Stack) -> None:
    family = [stack.process.pid, *_children(stack)]
    rss_mb = sum(psutil.Process(pid).memory_info().rss for pid in family) / 2**20

    print(f"ready after {stack.ready_after_s:.1f} s; {len(family)} processes, {rss_mb:.0f} MB")
    assert rss_mb < MAX_RSS_MB


# What goes on while a part is away. A caller whose lease stands needs neither auth nor the store.
UNDISTURBED = {
    "auth": ("message", "translated", "count", "models"),
    "store": ("message", "translated", "count", "models"),
    "counter": ("message", "translated", "models"),
    "translator": ("message", "count", "models"),
    "relay": ("count", "models"),
    "demo": ("count", "models"),
    "edge": (),
}


@pytest.mark.parametrize("name", PROCESSES)
def test_a_killed_process_leaves_the_rest_serving_and_comes_back(
    mortal: Stack, caller: Caller, name: str
) -> None:
    victim = process_of(mortal, name)
    assert victim is not None
    victim.kill()

    for thing in UNDISTURBED[name]:
        assert getattr(caller, thing)(), f"{thing} fails while {name} is away"
    wait_until(lambda: process_of(mortal, name) is not None, 10, f"the restart of {name}")
    for thing in ("message", "translated", "count", "models", "stranger"):
        # From the new process's first instruction: its start is in this time.
        took_s = wait_until(getattr(caller, thing), RETURN_S + 7, f"{thing} after {name} returned")
        print(f"{name} killed: {thing} served {took_s:.2f} s after its restart began")


def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    running = start_stack(tmp_path)
    children = _children(running)
    assert len(children) >= len(PROCESSES)

    running.stop()

    assert [pid for pid in children if psutil.pid_exists(pid)] == []
    assert running.process.returncode == 0


def test_a_killed_parent_takes_all_with_it_and_the_key_survives(tmp_path: Path) -> None:
    first = start_stack(tmp_path)
    children = _children(first)
    first.process.kill()
    first.process.wait(10)
    wait_until(
        lambda: not any(psutil.pid_exists(pid) for pid in children), 10, "the end of the children"
    )
    assert first.process.stdout is not None
    first.process.stdout.close()

    again = start_stack(tmp_path)
    try:
        answer = httpx.get(f"{again.url}/v1/models", headers={"x-api-key": first.key}, timeout=10)
    finally:
        again.stop()

    assert answer.status_code == 200


def test_no_log_and_no_output_holds_a_secret_or_a_prompt(tmp_path: Path) -> None:
    running = start_stack(tmp_path, {"GATEBEYZ_LOG_LEVEL": "DEBUG"})
    canary = "canary-prompt-of-a-customer"
    try:
        _provoke(running, canary)
    finally:
        running.stop()

    secrets = [
        path.read_text(encoding="utf-8").strip()
        for path in (tmp_path / ".gatebeyz" / "secrets").iterdir()
    ]
    logs = {path.name: path.read_text("utf-8") for path in (tmp_path / ".gatebeyz/logs").iterdir()}
    assert set(logs) >= {"edge.log", "auth.log", "relay.log", "translator.log", "counter.log"}
    for name, text in logs.items():
        assert canary not in text, name
        assert running.key not in text, name
        assert not any(secret in text for secret in secrets), name
        assert not re.search(r"sk-gb-\w\w-\w{20}", text), name
        if name not in ("store.log", "demo.log"):
            assert all(json.loads(line) for line in text.splitlines()), name
    printed = "".join(running.output)
    assert printed.count(running.key) == 1
    assert not any(secret in printed for secret in secrets)


def _provoke(stack: Stack, canary: str) -> None:
    """Requests of every kind, the canary in each place a caller's words can stand."""
    client = httpx.Client(base_url=stack.url, headers={"x-api-key": stack.key}, timeout=10)
    with client:
        for path in ("/v1/messages", "/v1/chat/completions", "/v1/messages/count_tokens"):
            for model in ("claude-sonnet-4-5", "gpt-4.1", "gpt-5"):
                message = {"role": "user", "content": canary}
                body = {"model": model, "max_tokens": 20, "messages": [message]}
                assert client.post(path, json=body).status_code == 200
                client.post(path, json={**body, "stream": True, "tools": [canary]})
                client.post(path, json={**body, "tool_choice": {"type": canary}})
        client.post("/v1/responses", json={"model": "claude-sonnet-4-5", "input": canary})
        client.post("/v1/responses", content=f'{{"model": "{canary}'.encode())
        client.post(f"/v1/{canary}?key={stack.key}", json={})
        client.get("/v1/models", headers={"x-api-key": stack.key[:-1] + "x"})
        client.get("/v1/models", headers={"x-api-key": canary})


def _children(stack: Stack) -> list[int]:
    return [child.pid for child in psutil.Process(stack.process.pid).children(recursive=True)]


def test_a_second_installation_in_the_same_folder_is_refused(stack: Stack) -> None:
    environ = {**os.environ, "GATEBEYZ_PORT": "1"}
    second = subprocess.run(
        stack.process.args,
        cwd=stack.folder,
        env={**environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert second.returncode != 0
    assert "Traceback" not in second.stderr
    assert httpx.get(f"{stack.url}/healthz", timeout=5).status_code == 200
