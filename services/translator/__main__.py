"""The translator process: an InferenceService in front of another one. Composition root."""

from __future__ import annotations

import grpc.aio

from gatebeyz.counter.v1 import counter_pb2_grpc
from gatebeyz.inference.v1 import inference_pb2, inference_pb2_grpc
from gatebeyz.translation.v1 import translation_pb2, translation_pb2_grpc
from runtime import logs
from runtime.catalog import load_catalog
from runtime.channels import open_channel
from runtime.config import main_config
from runtime.interceptors import ServiceTokenInterceptor
from runtime.serving import Process, run, serve
from services.translator.config import Config
from services.translator.estimate import InputEstimate
from services.translator.service import InferenceService
from services.translator.translation import TranslationService


async def main(config: Config) -> None:
    """Compose the process and serve until told to stop."""
    catalog = load_catalog(config.catalog.read_text(encoding="utf-8"), None)
    relay = open_channel(config.relay, config.service_token)
    counter = open_channel(config.counter, config.service_token)
    inference = InferenceService(
        catalog,
        inference_pb2_grpc.InferenceServiceStub(relay),
        InputEstimate(counter_pb2_grpc.CounterServiceStub(counter)),
    )

    def attach(server: grpc.aio.Server) -> None:
        inference_pb2_grpc.add_InferenceServiceServicer_to_server(inference, server)
        translation_pb2_grpc.add_TranslationServiceServicer_to_server(TranslationService(), server)

    async def close() -> None:
        await relay.close()
        await counter.close()

    await serve(
        Process(
            name="translator",
            listen=config.listen,
            attach=attach,
            service_names=(
                inference_pb2.DESCRIPTOR.services_by_name["InferenceService"].full_name,
                translation_pb2.DESCRIPTOR.services_by_name["TranslationService"].full_name,
            ),
            on_drain=close,
            drain_s=config.drain_s,
            drain_pause_s=config.drain_pause_s,
            metrics_listen=config.metrics_listen,
            interceptors=(ServiceTokenInterceptor(config.service_token),),
        )
    )


if __name__ == "__main__":
    settings = main_config(Config)
    logs.configure("translator")
    run(lambda: main(settings))
