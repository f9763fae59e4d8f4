"""The counter process: ``python -m services.counter``."""

from __future__ import annotations

import asyncio

import grpc.aio
from prometheus_client import Gauge, start_http_server

from gatebeyz.counter.v1 import counter_pb2, counter_pb2_grpc
from runtime import logs
from runtime.config import main_config
from runtime.interceptors import ServiceTokenInterceptor
from runtime.serving import Process, run, serve
from services.counter.config import Config
from services.counter.pool import Pool, available_cores
from services.counter.service import CounterService


async def main(config: Config) -> None:
    """Compose the process and serve until told to stop."""
    pool = Pool(
        config.workers or available_cores(),
        queue_items=config.queue_items,
        queue_bytes=config.queue_bytes,
        job_limit_s=config.job_limit_s,
    )
    _publish_metrics(config, pool)

    def attach(server: grpc.aio.Server) -> None:
        counter_pb2_grpc.add_CounterServiceServicer_to_server(CounterService(pool), server)

    async def work() -> None:
        await pool.start()
        await asyncio.Event().wait()

    async def is_ready() -> bool:
        return pool.is_ready

    await serve(
        Process(
            name="counter",
            listen=config.listen,
            attach=attach,
            service_names=(counter_pb2.DESCRIPTOR.services_by_name["CounterService"].full_name,),
            ready=is_ready,
            background=(work,),
            on_drain=pool.close,
            drain_s=config.drain_s,
            interceptors=(ServiceTokenInterceptor(config.service_token),),
        )
    )


def _publish_metrics(config: Config, pool: Pool) -> None:
    in_flight = Gauge("gatebeyz_counter_in_flight", "Items admitted and not yet answered")
    in_flight.set_function(lambda: pool.in_flight)
    workers = Gauge("gatebeyz_counter_workers", "Counting processes")
    workers.set(pool.size)
    if config.metrics_listen:
        host, _, port = config.metrics_listen.rpartition(":")
        start_http_server(int(port), host)


if __name__ == "__main__":
    settings = main_config(Config)
    logs.configure("counter")
    run(lambda: main(settings))
