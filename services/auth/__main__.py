"""Composition root of the auth process: ``python -m services.auth [--check]``."""

from __future__ import annotations

import grpc.aio

from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
from gatebeyz.ledger.v1 import ledger_pb2
from runtime import logs
from runtime.catalog_file import CatalogFile, open_catalog
from runtime.config import main_config
from runtime.grants import Signer, parse_keys
from runtime.interceptors import ServiceTokenInterceptor
from runtime.serving import Process, list_services, run, serve
from services.auth import metrics
from services.auth.config import AuthConfig
from services.auth.lease import LeaseRegistry
from services.auth.ledger.room import LedgerRoom
from services.auth.management import OPERATOR_SERVICES, add_management
from services.auth.operator import OperatorGate, open_gate
from services.auth.revocation import ChangeLog
from services.auth.service import AuthService
from services.auth.store import Store

# Leases and watches never end by themselves; holders open new ones, on another replica.
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
    ledger = LedgerRoom(store, catalog.current, gate, config)
    metrics.watch_process(leases, lambda: log.is_away)

    def attach(server: grpc.aio.Server) -> None:
        auth_pb2_grpc.add_AuthServiceServicer_to_server(AuthService(store, leases, log), server)
        add_management(server, store, gate, config.pepper, catalog.current)
        ledger.attach(server)

    def stop() -> None:
        leases.close()
        log.close()

    await serve(
        Process(
            name="auth",
            config=config,
            listen=config.listen,
            attach=attach,
            service_names=list_services(auth_pb2, ledger_pb2),
            ready=store.is_ready,
            background=[log.follow, catalog.follow, *ledger.background],
            on_stop=stop,
            on_drain=store.close,
            drain_s=DRAIN_S,
            stream_limit_s=STREAM_LIMIT_S,
            interceptors=[ServiceTokenInterceptor(config.service_token, OPERATOR_SERVICES)],
        )
    )


def main() -> None:
    """Read the configuration and serve."""
    config = main_config(AuthConfig)
    logs.configure("auth", config.log_level)
    # Plans and prices are read, credentials are not: they are the relay's.
    catalog = open_catalog(config.catalog, None)
    gate = open_gate(config.operator_token)
    run(lambda: serve_auth(config, catalog, gate))


if __name__ == "__main__":
    main()
