"""How every gRPC process serves: bind, health, reflection, drain. Written once.

Shutdown goes in named steps: SIGTERM → NOT_SERVING → a pause for callers to learn it → ``on_stop``
→ new calls refused while running ones finish, up to the grace → ``on_drain`` → closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc.aio
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from runtime import tracing
from runtime.caller import CallerInterceptor
from runtime.channels import ACCEPTING, SERVER_OPTIONS
from runtime.config import ConfigError, ProcessConfig
from runtime.interceptors import FaultInterceptor
from runtime.logs import get_logger
from runtime.metrics import DRAINING, READY, serve_metrics, watch_tasks
from runtime.tls import CertificateFolder, server_credentials

READY_INTERVAL_S: Final = 1.0
# A little more than the longest exchange with an upstream may last.
STREAM_LIMIT_S: Final = 3_660.0


@dataclass(slots=True)
class Process:
    """What a process is: where it listens, what it attaches, when it is ready, how it drains.

    ``on_stop`` ends the streams that would never end by themselves; ``on_drain`` comes when all
    calls are over. ``stream_limit_s`` is what a call gets once its connection is of age;
    ``drain_s`` stands in place of the configured grace.
    """

    name: str
    config: ProcessConfig
    listen: str
    attach: Callable[[grpc.aio.Server], None]
    service_names: Sequence[str]
    ready: Callable[[], Awaitable[bool]] | None = None
    background: Sequence[Callable[[], Awaitable[None]]] = ()
    on_stop: Callable[[], None] | None = None
    on_drain: Callable[[], Awaitable[None]] | None = None
    stream_limit_s: float = STREAM_LIMIT_S
    drain_s: float | None = None
    interceptors: Sequence[grpc.aio.ServerInterceptor] = field(default_factory=tuple)


def list_services(*protos: Any) -> list[str]:
    """The full names of every service of these proto modules."""
    return [
        service.full_name
        for proto in protos
        for service in proto.DESCRIPTOR.services_by_name.values()
    ]


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a process's main on uvloop; exits with what is wrong with its configuration."""
    try:
        uvloop.run(main())
    except ConfigError as error:
        sys.exit(f"configuration: {error}")
    finally:
        tracing.close()


def observe(name: str, config: ProcessConfig) -> None:
    """Open what tells of this process: its metrics, its spans. ConfigError, OSError."""
    serve_metrics(name, config.metrics_listen)
    watch_tasks(asyncio.get_running_loop())
    tracing.configure(name, config)


async def serve(process: Process) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    log = get_logger()
    callers = process.config.callers
    server = grpc.aio.server(
        interceptors=(
            FaultInterceptor(),
            *([CallerInterceptor(callers)] if callers else ()),
            *process.interceptors,
        ),
        options=(
            *SERVER_OPTIONS,
            ("grpc.max_connection_age_grace_ms", int(process.stream_limit_s * 1000)),
        ),
    )
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    process.attach(server)
    names = (*process.service_names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
    reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)
    await _set_health(health, process, is_ready=False)
    await health.set(ACCEPTING, health_pb2.HealthCheckResponse.SERVING)
    _bind(server, process.listen, process.config)
    await server.start()
    probed = await _serve_health(health, process.config.health_listen)
    observe(process.name, process.config)
    log.info("listening", listen=process.listen)

    stop = _stop_event()
    tasks: list[asyncio.Future[None]] = [
        asyncio.ensure_future(task()) for task in process.background
    ]
    tasks.append(asyncio.ensure_future(_watch_readiness(health, process)))
    has_failed = await _wait_first(stop, tasks)

    grace_s = process.config.drain_s if process.drain_s is None else process.drain_s
    log.info("draining", grace_s=grace_s)
    DRAINING.set(1)
    tasks[-1].cancel()
    await health.enter_graceful_shutdown()
    await asyncio.sleep(process.config.drain_pause_s)
    if process.on_stop is not None:
        process.on_stop()
    await server.stop(grace_s)
    await probed.stop(0)
    if process.on_drain is not None:
        await process.on_drain()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    log.info("stopped")
    if has_failed:
        sys.exit(1)


def _bind(server: grpc.aio.Server, listen: str, config: ProcessConfig) -> None:
    """Listen, behind certificates where they are configured. OSError, ConfigError."""
    if config.tls is None:
        if config.callers:
            raise ConfigError(["GATEBEYZ_CALLERS needs GATEBEYZ_TLS: names come by certificate"])
        port = server.add_insecure_port(listen)
    else:
        credentials = server_credentials(CertificateFolder(config.tls))
        port = server.add_secure_port(listen, credentials)
    if port == 0:
        raise OSError(f"cannot listen on {listen}")


async def _serve_health(health: HealthServicer, listen: str) -> grpc.aio.Server:
    """The same health without certificates, for a kubelet, which has none."""
    server = grpc.aio.server()
    if listen:
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        if server.add_insecure_port(listen) == 0:
            raise OSError(f"cannot listen on {listen}")
    await server.start()
    return server


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _wait_first(stop: asyncio.Event, tasks: list[asyncio.Future[None]]) -> bool:
    """Until asked to stop, or a background task dies and takes the process with it: then True."""
    waiting: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
    await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            get_logger().error("background task died", exc_info=error)
    return not stop.is_set()


async def _watch_readiness(health: HealthServicer, process: Process) -> None:
    """Readiness comes from real dependencies; only changes are logged."""
    known: bool | None = None
    while True:
        is_ready = False
        with contextlib.suppress(Exception):
            is_ready = process.ready is None or await process.ready()
        if is_ready != known:
            get_logger().info("readiness", ready=is_ready)
            await _set_health(health, process, is_ready=is_ready)
            known = is_ready
        await asyncio.sleep(READY_INTERVAL_S if is_ready else 0.1)


async def _set_health(health: HealthServicer, process: Process, *, is_ready: bool) -> None:
    serving = health_pb2.HealthCheckResponse
    status = serving.SERVING if is_ready else serving.NOT_SERVING
    READY.set(is_ready)
    for name in ("", *process.service_names):
        await health.set(name, status)
