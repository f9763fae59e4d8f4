"""The counter process: ``python -m services.counter``."""

from __future__ import annotations

import asyncio
import sys

import grpc.aio

from admission.interceptor import DirectCallers
from gatebeyz.counter.v1 import counter_pb2
from runtime import logs
from runtime.config import main_config
from runtime.heap import keep_freed_memory
from runtime.interceptors import ServiceTokenInterceptor
from runtime.serving import Process, run, serve
from services.counter import metrics, wire
from services.counter.config import Config
from services.counter.family import load_calibration
from services.counter.pool import WORKER, Pool, available_cores
from services.counter.service import CounterService


async def main(config: Config) -> None:
    """Compose the process and serve until told to stop."""
    calibration = () if config.calibration is None else (str(config.calibration),)
    pool = Pool(
        config.workers or available_cores(),
        queue_items=config.queue_items,
        queue_bytes=config.queue_bytes,
        job_limit_s=config.job_limit_s,
        command=(*WORKER, *calibration),
    )
    metrics.watch_process(pool)

    callers = DirectCallers(config, "counter")

    def attach(server: grpc.aio.Server) -> None:
        wire.add_to_server(CounterService(pool), server)

    async def work() -> None:
        await pool.start()
        await asyncio.Event().wait()

    async def is_ready() -> bool:
        return pool.is_ready

    async def close() -> None:
        await asyncio.gather(callers.close(), pool.close())

    await serve(
        Process(
            name="counter",
            config=config,
            listen=config.listen,
            attach=attach,
            service_names=(counter_pb2.DESCRIPTOR.services_by_name["CounterService"].full_name,),
            ready=is_ready,
            background=(work,),
            on_drain=close,
            interceptors=(callers, ServiceTokenInterceptor(config.service_token)),
        )
    )


if __name__ == "__main__":
    settings = main_config(Config)
    logs.configure("counter", settings.log_level)
    try:
        load_calibration(settings.calibration)
    except (OSError, ValueError) as error:
        sys.exit(f"configuration: GATEBEYZ_COUNTER_CALIBRATION: {error}")
    keep_freed_memory()
    run(lambda: main(settings))
