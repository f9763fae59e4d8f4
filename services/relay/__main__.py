"""The relay process: ``python -m services.relay``."""

from __future__ import annotations

import asyncio
import os
import time

from admission.interceptor import DirectCallers
from dialects.registry import DIALECTS
from gatebeyz.auth.v1 import auth_pb2_grpc
from gatebeyz.counter.v1 import counter_pb2_grpc
from gatebeyz.inference.v1 import inference_pb2
from gatebeyz.ledger.v1 import ledger_pb2_grpc
from gatebeyz.status.v1 import status_pb2_grpc
from runtime import logs
from runtime.catalog_file import CatalogFile, open_catalog
from runtime.channels import open_channel
from runtime.config import main_config
from runtime.serving import Process, list_services, run, serve
from services.relay import metrics
from services.relay.config import RelayConfig
from services.relay.exchange import Dialer
from services.relay.hold import Holds, counting
from services.relay.outbox_file import open_file
from services.relay.report import Reporter
from services.relay.revocation import Registry, RevocationWatch
from services.relay.service import InferenceService, Parts
from services.relay.settlement import Outbox, sender

OUTBOX_DRAIN_S = 20.0


async def main(config: RelayConfig, catalog: CatalogFile) -> None:
    """Compose the process and serve until told to stop."""
    channel = open_channel(config.auth_target, config.service_token, config.tls)
    auth = auth_pb2_grpc.AuthServiceStub(channel)
    ledger = ledger_pb2_grpc.LedgerServiceStub(channel)
    dialer, registry, callers = Dialer(), Registry(), DirectCallers(config, "relay")
    outbox = Outbox(sender(ledger), open_file(config.outbox))
    counter = open_channel(config.counter_target, config.service_token, config.tls)
    count = counting(counter_pb2_grpc.CounterServiceStub(counter))
    holds = Holds(ledger, config.hold_s, count=count, on_store=outbox.notice_store)
    watch = RevocationWatch(auth, registry, now=time.monotonic)
    metrics.watch_process(registry, watch, outbox)
    secrets = config.signer(), config.pseudonyms()
    parts = Parts(catalog.current, DIALECTS, *secrets, dialer, registry, watch, holds, outbox)
    reporter = Reporter(status_pb2_grpc.ReportServiceStub(channel), parts.health, registry)
    inference = InferenceService(parts)
    outbox.recover()

    async def finish() -> None:
        await outbox.drain(OUTBOX_DRAIN_S)
        await asyncio.gather(holds.drain(), callers.close(), dialer.close())

    await serve(
        Process(
            name="relay",
            config=config,
            listen=config.listen,
            attach=inference.attach,
            service_names=list_services(inference_pb2),
            ready=parts.is_ready,
            background=(outbox.run, holds.run, watch.run, catalog.follow, reporter.run),
            on_stop=inference.go_away,
            on_drain=finish,
            interceptors=(callers,),
        )
    )
    await asyncio.gather(channel.close(), counter.close())


if __name__ == "__main__":
    settings = main_config(RelayConfig)
    logs.configure("relay", settings.log_level)
    opened = open_catalog(settings.catalog, os.environ)
    run(lambda: main(settings, opened))
