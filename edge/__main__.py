"""The edge process: public HTTP in, gRPC services behind. Composition root."""

from __future__ import annotations

import asyncio
import secrets
import sys

import uvicorn
from starlette.types import ASGIApp

from admission.lease import LeaseHolder
from edge import metrics
from edge.address import parse_proxies
from edge.admittance import Admittance
from edge.app import Stubs, create_app
from edge.config import Config
from edge.drain import Drain
from edge.listener import listener, serve_all
from edge.products import entrances
from edge.readiness import Readiness
from edge.shedding import Shedder
from edge.sites import site_apps
from gatebeyz.auth.v1 import auth_pb2
from runtime.catalog_file import CatalogFile
from runtime.channels import open_channel
from runtime.config import ConfigError, main_config
from runtime.link.calling import LinkedInference
from runtime.logs import configure
from runtime.serving import observe, run


async def main(config: Config, catalog: CatalogFile) -> None:
    """Wire it and serve until SIGTERM."""
    targets = (config.auth, config.counter, config.translator, config.relay)
    channels = [open_channel(target, config.service_token, config.tls) for target in targets]
    auth, counter, translator, relay = channels
    leases = LeaseHolder(auth, f"edge-{secrets.token_hex(8)}")
    token = config.service_token
    links = (
        LinkedInference(relay, token, "relay"),
        # What it sends came to it paced.
        LinkedInference(translator, token, "translator", pace_s=0),
    )
    stubs = Stubs.of(auth, counter, links[0], config.count_tokens_per_minute, catalog.current)
    is_ready, drain = Readiness([auth, relay]).is_ready, Drain()
    shedder = Shedder(config.shed_delay_s, config.max_in_flight)
    metrics.watch_process(leases, shedder.delay_s)
    observe("edge", config)

    listeners: list[uvicorn.Server] = []
    surfaces: dict[auth_pb2.Product, ASGIApp] = {}
    for entrance in entrances(config, leases):
        admittance = Admittance(entrance, catalog.current, *links, config.max_body_bytes)
        app = create_app(admittance, stubs, drain, config.patience, entrance.hosts, is_ready)
        surfaces[entrance.product] = app
        listeners.append(listener(app, entrance.listen, config.drain_s, shedder))
    for pages, listen in site_apps(config, catalog.current, auth, surfaces):
        listeners.append(listener(pages, listen, config.drain_s))
    background = asyncio.gather(catalog.follow(), shedder.run(links[0].probe))
    try:
        await serve_all(listeners, drain, config.drain_pause_s, config.drain_s)
    finally:
        background.cancel()
        await asyncio.gather(background, return_exceptions=True)
        await leases.close()
        for closing in (*links, *channels):
            await closing.close()


if __name__ == "__main__":
    settings = main_config(Config)
    configure("edge", settings.log_level)
    try:
        opened = CatalogFile(settings.catalog, None)
        parse_proxies(settings.trusted_proxies)
    except (ConfigError, ValueError) as error:
        sys.exit(f"configuration: {error}")
    run(lambda: main(settings, opened))
