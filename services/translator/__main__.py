"""The translator process: an InferenceService in front of another one. Composition root."""

from __future__ import annotations

import asyncio
import sys

import grpc.aio

from admission.interceptor import DirectCallers
from gatebeyz.counter.v1 import counter_pb2_grpc
from gatebeyz.inference.v1 import inference_pb2
from gatebeyz.translation.v1 import translation_pb2, translation_pb2_grpc
from runtime import logs
from runtime.catalog_file import CatalogFile
from runtime.channels import open_channel
from runtime.config import ConfigError, main_config
from runtime.grants import Signer, parse_keys
from runtime.interceptors import ServiceTokenInterceptor
from runtime.link.calling import LinkedInference
from runtime.pseudonym import Pseudonyms
from runtime.serving import Process, list_services, run, serve
from services.translator.config import Config
from services.translator.estimate import InputEstimate
from services.translator.memory import Memory
from services.translator.service import InferenceService, Parts
from services.translator.translation import TranslationService


async def main(config: Config, catalog: CatalogFile) -> None:
    """Compose the process and serve until told to stop."""
    channel = open_channel(config.relay, config.service_token, config.tls)
    relay = LinkedInference(channel, config.service_token, "relay")
    counter = open_channel(config.counter, config.service_token, config.tls)
    inference = InferenceService(
        Parts(
            catalog=catalog.current,
            relay=relay,
            estimate=InputEstimate(counter_pb2_grpc.CounterServiceStub(counter)),
            signer=Signer(parse_keys(config.grant_keys.reveal())),
            memory=Memory(
                keys=parse_keys(config.seal_keys.reveal()),
                pseudonyms=Pseudonyms(config.pseudonym_key.reveal()),
            ),
        )
    )
    translation = TranslationService(catalog.current)
    callers = DirectCallers(config, "translator")

    def attach(server: grpc.aio.Server) -> None:
        inference.attach(server)
        translation_pb2_grpc.add_TranslationServiceServicer_to_server(translation, server)

    async def close() -> None:
        await asyncio.gather(relay.close(), callers.close())
        await asyncio.gather(channel.close(), counter.close())

    await serve(
        Process(
            name="translator",
            config=config,
            listen=config.listen,
            attach=attach,
            service_names=list_services(inference_pb2, translation_pb2),
            background=(catalog.follow,),
            on_stop=inference.go_away,
            on_drain=close,
            interceptors=(callers, ServiceTokenInterceptor(config.service_token)),
        )
    )


if __name__ == "__main__":
    settings = main_config(Config)
    logs.configure("translator", settings.log_level)
    try:
        opened = CatalogFile(settings.catalog, None)
    except ConfigError as error:
        sys.exit(f"configuration: {error}")
    run(lambda: main(settings, opened))
