"""Composition root of the auth process: ``python -m services.auth [--check]``."""

from __future__ import annotations

import sys

import grpc.aio

from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
from runtime import logs
from runtime.catalog_file import CatalogFile
from runtime.config import ConfigError, main_config
from runtime.grants import Signer, parse_keys
from runtime.interceptors import ServiceTokenInterceptor
from runtime.serving import Process, run, serve
from services.auth import metrics
from services.auth.config import AuthConfig
from services.auth.lease import LeaseRegistry
from services.auth.management import OPERATOR_SERVICES, add_management
from services.auth.operator import OperatorGate
from services.auth.revocation import ChangeLog
from services.auth.service import AuthService
from services.auth.store import Store

# Leases and watches never end by themselves; holders open new ones at once, on another replica.
DRAIN_S = 2.0
# Long enough that a lease costs little to renew, short enough that old connections do not pile up.
STREAM_LIMIT_S = 120.0


async def serve_auth(config: AuthConfig, catalog: CatalogFile, gate: OperatorGate) -> None:
    """Serve until asked to stop."""
    store = Store(config.redis_url)
    log = ChangeLog(store, config.store_grace_s)
    signer = Signer(parse_keys(config.grant_keys.reveal()))
    leases = LeaseRegistry(store, log, signer, catalog.current, grace_s=config.store_grace_s)
    catalog.listen(leases.stir)
    metrics.watch_process(leases, lambda: log.is_away)

    def attach(server: grpc.aio.Server) -> None:
        auth_pb2_grpc.add_AuthServiceServicer_to_server(AuthService(store, leases, log), server)
        add_management(server, store, gate, config.pepper, catalog.current)

    def stop() -> None:
        leases.close()
        log.close()

    await serve(
        Process(
            name="auth",
            listen=config.listen,
            attach=attach,
            service_names=[one.full_name for one in auth_pb2.DESCRIPTOR.services_by_name.values()],
            ready=store.is_ready,
            background=[log.follow, catalog.follow],
            on_stop=stop,
            on_drain=store.close,
            drain_s=DRAIN_S,
            stream_limit_s=STREAM_LIMIT_S,
            drain_pause_s=config.drain_pause_s,
            metrics_listen=config.metrics_listen,
            interceptors=[ServiceTokenInterceptor(config.service_token, OPERATOR_SERVICES)],
        )
    )


def main() -> None:
    """Read the configuration and serve."""
    config = main_config(AuthConfig)
    logs.configure("auth")
    try:
        catalog = CatalogFile(config.catalog, None)
        gate = OperatorGate(config.operator_token)
    except (ConfigError, ValueError) as error:
        sys.exit(f"configuration: {error}")
    run(lambda: serve_auth(config, catalog, gate))


if __name__ == "__main__":
    main()
