"""Prometheus metrics: every process on an address of its own, none unless one is configured.

Names follow ``gatebeyz_ROOM_WHAT_UNIT``; counters end in ``_total``, times are in seconds. Every
label has a bounded set of values (surfaces, reasons, methods, the operator's own models and
upstreams); accounts, keys and request ids are never labels. Rooms define their own families; what
all gRPC processes share stands here.
"""

from __future__ import annotations

import asyncio
import functools
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, Info, start_http_server
from prometheus_client.metrics import MetricWrapperBase

# From a count on a warm worker to the longest stream.
DURATION_BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0),
)
# The same, but nobody waits ten minutes for a first byte.
FIRST_BYTE_BUCKETS: Final = DURATION_BUCKETS[:-2]

RPC_HANDLED: Final = Counter(
    "gatebeyz_rpc_handled_total", "RPCs answered to the end", ("method", "result")
)
RPC_SECONDS: Final = Histogram(
    "gatebeyz_rpc_duration_seconds", "From an RPC's start to its end", ("method",),
    buckets=DURATION_BUCKETS,
)  # fmt: skip
LINKS: Final = Gauge(
    "gatebeyz_links", "Replicas that calls are shared between by link", ("peer",)
)  # fmt: skip
READY: Final = Gauge("gatebeyz_ready", "Whether this process says it can serve")
DRAINING: Final = Gauge("gatebeyz_draining", "Whether this process is on its way out")
_TASKS: Final = Gauge("gatebeyz_tasks", "Tasks of the event loop that are not done")
_BUILD: Final = Info("gatebeyz_build", "What runs here")

# More than any family here has, so that none is looked up twice.
_CHILDREN: Final = 4_096


def keep_children(*families: MetricWrapperBase) -> None:
    """Find the children of these families by their labels at a tenth of the price."""
    for family in families:
        family.labels = functools.lru_cache(_CHILDREN)(family.labels)  # type: ignore[method-assign]


keep_children(RPC_HANDLED, RPC_SECONDS)


def serve_metrics(process: str, listen: str) -> None:
    """Answer ``GET /metrics`` on "host:port" from a thread of its own; "" means not at all.

    A thread, so that a process whose event loop hangs still tells of it. OSError where the
    address is taken.
    """
    if not listen:
        return
    try:
        release = version("gatebeyz")
    except PackageNotFoundError:
        release = "unknown"
    _BUILD.info({"process": process, "version": release})
    host, _, port = listen.rpartition(":")
    start_http_server(int(port), host)


def watch_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Count the loop's tasks whenever they are scraped."""
    _TASKS.set_function(lambda: len(asyncio.all_tasks(loop)))


def observe_rpc(method: str, result: str, elapsed_s: float) -> None:
    """Note one RPC that ended; ``result`` is OK or a fault's reason."""
    RPC_HANDLED.labels(method, result).inc()
    RPC_SECONDS.labels(method).observe(elapsed_s)
