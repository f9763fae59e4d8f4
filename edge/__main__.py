"""The edge process: public HTTP in, gRPC services behind. Composition root."""

from __future__ import annotations

import asyncio
import secrets

import uvicorn

from admission.lease import LeaseHolder
from edge import metrics
from edge.admittance import Admittance
from edge.app import Stubs, create_app
from edge.config import Config
from edge.drain import Drain
from edge.listener import listener, serve_all
from edge.readiness import Readiness
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.counter.v1 import counter_pb2_grpc
from gatebeyz.inference.v1 import inference_pb2_grpc
from runtime.catalog import load_catalog
from runtime.channels import open_channel
from runtime.config import main_config
from runtime.logs import configure
from runtime.metrics import serve_metrics
from runtime.serving import run


async def main() -> None:
    """Wire it and serve until SIGTERM."""
    config = main_config(Config)
    configure("edge", config.log_level)
    catalog = load_catalog(config.catalog.read_text(encoding="utf-8"), None)
    targets = (config.auth, config.counter, config.translator, config.relay)
    channels = [open_channel(target, config.service_token) for target in targets]
    auth, counter, translator, relay = channels
    leases = LeaseHolder(auth, f"edge-{secrets.token_hex(8)}")
    relay_stub = inference_pb2_grpc.InferenceServiceStub(relay)
    stubs = Stubs(counter_pb2_grpc.CounterServiceStub(counter), relay_stub)
    readiness, drain = Readiness([auth, relay]), Drain()
    metrics.watch_leases(leases)
    serve_metrics("edge", config.metrics_listen)

    listeners: list[uvicorn.Server] = []
    for product, listen, hosts in (
        (auth_pb2.PRODUCT_API, config.listen, config.hosts),
        (auth_pb2.PRODUCT_CREDITS, config.credits_listen, config.credits_hosts),
    ):
        if not listen:
            continue
        admittance = Admittance(
            product,
            catalog,
            leases,
            config.pepper,
            relay_stub,
            inference_pb2_grpc.InferenceServiceStub(translator),
            config.max_body_bytes,
        )
        app = create_app(admittance, stubs, drain, config.patience, hosts, readiness.is_ready)
        listeners.append(listener(app, listen, config.drain_s))
    try:
        await serve_all(listeners, drain, config.drain_pause_s, config.drain_s)
    finally:
        await leases.close()
        await asyncio.gather(*(channel.close() for channel in channels))


if __name__ == "__main__":
    run(main)
