"""The processes that are killed: two of each kind, started as an installation starts them."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import aiohttp
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from laptop.address import pick_free_ports
from runtime.channels import open_channel
from tests.store_servers import HOST, on_leash

ROOT: Final = Path(__file__).resolve().parents[2]
START_S: Final = 60.0
ROOMS: Final = ("auth", "relay", "edge")
MODULES: Final = {"auth": "services.auth", "relay": "services.relay", "edge": "edge"}


class Fleet:
    """Processes by name: auth0, auth1, relay0, … Killed ones are started again by hand."""

    def __init__(self, folder: Path, store_url: str, catalog: str, hold_s: float) -> None:
        self._folder = folder
        (folder / "gatebeyz.yaml").write_text(catalog)
        free = iter(pick_free_ports(2 * len(ROOMS) + 3))
        self.addresses = {
            f"{room}{number}": f"{HOST}:{next(free)}" for room in ROOMS for number in range(2)
        }
        # Where each edge serves Claude Credits; its address above serves the monthly API.
        self.credits = {name: f"{HOST}:{next(free)}" for name in self.addresses if "edge" in name}
        self.grant_key = secrets.token_bytes(32)
        self.service_token, self.operator_token = secrets.token_hex(16), secrets.token_hex(16)
        self.auth_target = self._target("auth")
        self._environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}",
            "REDIS_URL": store_url,
            "GATEBEYZ_CATALOG": str(folder / "gatebeyz.yaml"),
            "GATEBEYZ_PEPPER": secrets.token_hex(16),
            "GATEBEYZ_PSEUDONYM_KEY": secrets.token_hex(16),
            "GATEBEYZ_GRANT_KEYS": f"k1:{base64.b64encode(self.grant_key).decode()}",
            "GATEBEYZ_SERVICE_TOKEN": self.service_token,
            "GATEBEYZ_OPERATOR_TOKEN": self.operator_token,
            "GATEBEYZ_AUTH_TARGET": self.auth_target,
            "GATEBEYZ_RELAY_TARGET": self._target("relay"),
            # Nobody is there: no request here needs to be counted or translated.
            "GATEBEYZ_COUNTER_TARGET": (nowhere := f"{HOST}:{next(free)}"),
            "GATEBEYZ_TRANSLATOR_TARGET": nowhere,
            "GATEBEYZ_STORE_REPLICAS": "1",
            "GATEBEYZ_HOLD_S": str(hold_s),
            "UPSTREAM_KEY": "upstream-secret-000000",
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def names(self) -> list[str]:
        return list(self.addresses)

    @property
    def running(self) -> list[str]:
        return list(self._processes)

    def start(self, name: str) -> None:
        """Start a process; see ``wait_ready``."""
        room = name.rstrip("01")
        environ = {
            **self._environ,
            f"GATEBEYZ_{room.upper()}_LISTEN": self.addresses[name],
            "GATEBEYZ_CREDITS_LISTEN": self.credits.get(name, ""),
            "GATEBEYZ_RELAY_OUTBOX": str(self._folder / f"outbox-{name}"),
        }
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                on_leash([sys.executable, "-m", MODULES[room]]),
                env=environ,
                stdout=log,
                stderr=log,
            )

    def kill(self, name: str) -> None:
        """kill -9."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """SIGTERM to all, and they end in order: edges first, auth waits for the others."""
        for room in reversed(ROOMS):
            running = {n: p for n, p in self._processes.items() if n.startswith(room)}
            for process in running.values():
                process.terminate()
            for name, process in running.items():
                try:
                    process.wait(90)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    raise AssertionError(f"{name} did not stop") from None
                finally:
                    del self._processes[name]

    def log(self, name: str) -> str:
        """What a process wrote."""
        path = self._folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def wait_ready(self, name: str) -> None:
        """Until a process serves."""
        deadline = time.monotonic() + START_S
        is_serving = self._edge_serves if name in self.credits else self._service_serves
        while not await is_serving(self.addresses[name]):
            assert time.monotonic() < deadline, f"{name} did not start:\n{self.log(name)[-3000:]}"
            await asyncio.sleep(0.05)

    @staticmethod
    async def _service_serves(address: str) -> bool:
        async with open_channel(address, None) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            try:
                answer = await health.Check(
                    health_pb2.HealthCheckRequest(), timeout=2, wait_for_ready=True
                )
            except grpc.aio.AioRpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    @staticmethod
    async def _edge_serves(address: str) -> bool:
        """It lives; whether it is ready depends on others, which may be dead at the moment."""
        try:
            async with aiohttp.request("GET", f"http://{address}/livez") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    def _target(self, room: str) -> str:
        return "ipv4:" + ",".join(self.addresses[f"{room}{number}"] for number in range(2))
