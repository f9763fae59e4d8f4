"""The counter's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runtime.config import ProcessConfig, SecretText, setting


@dataclass(frozen=True, slots=True)
class Config(ProcessConfig):
    service_token: SecretText = setting(
        "GATEBEYZ_SERVICE_TOKEN", help="the token our own processes call each other with"
    )
    pepper: SecretText | None = setting(
        "GATEBEYZ_PEPPER", default=None, help="admits direct callers by their keys; empty = none"
    )
    pepper_previous: SecretText | None = setting(
        "GATEBEYZ_PEPPER_PREVIOUS",
        default=None,
        help="the pepper before, while keys are moved to the current one",
    )
    auth_target: str = setting(
        "GATEBEYZ_AUTH_TARGET", default="127.0.0.1:7401", help="host:port of the auth service"
    )
    listen: str = setting(
        "GATEBEYZ_COUNTER_LISTEN", default="127.0.0.1:7402", help="host:port to listen on"
    )
    workers: int = setting(
        "GATEBEYZ_COUNTER_WORKERS", default=0, help="counting processes; 0 = one per core"
    )
    calibration: Path | None = setting(
        "GATEBEYZ_COUNTER_CALIBRATION", default=None, help="a file that calibrate wrote"
    )
    queue_items: int = setting(
        "GATEBEYZ_COUNTER_QUEUE_ITEMS", default=4_096, help="items admitted at once"
    )
    queue_bytes: int = setting(
        "GATEBEYZ_COUNTER_QUEUE_BYTES", default=268_435_456, help="bytes admitted at once"
    )
    job_limit_s: float = setting(
        "GATEBEYZ_COUNTER_JOB_LIMIT_S", default=30.0, help="longest count, per 16 MiB"
    )
