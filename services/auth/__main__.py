"""Composition root of the auth process: ``python -m services.auth [--check]``."""

from __future__ import annotations

import grpc.aio

from gatebeyz.auth.v1 import auth_pb2, auth_pb2_grpc
from gatebeyz.identity.v1 import identity_pb2
from gatebeyz.ledger.v1 import ledger_pb2
from gatebeyz.status.v1 import status_pb2
from runtime import logs
from runtime.catalog_file import CatalogFile, open_catalog
from runtime.config import main_config
from runtime.grants import Signer, parse_keys
from runtime.serving import Process, list_services, run, serve
from services.auth import metrics
from services.auth.config import AuthConfig
from services.auth.lease import LeaseRegistry
from services.auth.ledger.room import LedgerRoom
from services.auth.management import add_management
from services.auth.member_room import MemberRoom
from services.auth.oidc_sign_in import open_offer
from services.auth.operator import OperatorGate, open_gate
from services.auth.revocation import ChangeLog
from services.auth.service import AuthService
from services.auth.store import Store

DRAIN_S = 2.0  # leases and watches never end by themselves; holders open new ones elsewhere
STREAM_LIMIT_S = 120.0  # leases are renewed seldom, old connections do not pile up


async def serve_auth(config: AuthConfig, catalog: CatalogFile, gate: OperatorGate) -> None:
    """Serve until asked to stop."""
    store = Store(config.redis_url)
    log = ChangeLog(store, config.store_grace_s)
    signer = Signer(parse_keys(config.grant_keys.reveal()))
    leases = LeaseRegistry(store, log, signer, catalog.current, grace_s=config.store_grace_s)
    catalog.listen(leases.stir)
    ledger = LedgerRoom(store, catalog.current, gate, config)
    members = MemberRoom(store, gate, config.service_token, offer=open_offer(config))
    metrics.watch_process(leases, lambda: log.is_away)

    def attach(server: grpc.aio.Server) -> None:
        auth_pb2_grpc.add_AuthServiceServicer_to_server(AuthService(store, leases, log), server)
        add_management(server, store, gate, config.pepper, catalog.current)
        ledger.attach(server)
        members.attach(server)

    def stop() -> None:
        for one in (leases, log, ledger):
            one.close()

    await serve(
        Process(
            name="auth",
            config=config,
            listen=config.listen,
            attach=attach,
            service_names=list_services(auth_pb2, identity_pb2, ledger_pb2, status_pb2),
            ready=store.is_ready,
            background=[log.follow, catalog.follow, *ledger.background],
            on_stop=stop,
            on_drain=members.close,
            drain_s=DRAIN_S,
            stream_limit_s=STREAM_LIMIT_S,
            interceptors=members.interceptors,
        )
    )


def main() -> None:
    """Read the configuration and serve."""
    config = main_config(AuthConfig)
    logs.configure("auth", config.log_level)
    catalog = open_catalog(config.catalog, None)  # no credentials: they are the relay's
    run(lambda: serve_auth(config, catalog, open_gate(config.operator_token)))


if __name__ == "__main__":
    main()
