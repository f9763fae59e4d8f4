"""Channels to other services: one shape for all, measured settings (docs/architecture.md)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

from runtime import tracing
from runtime.config import SecretText
from runtime.rotating_channel import RotatingChannel
from runtime.tls import CertificateFolder, Identity, channel_credentials

SERVICE_TOKEN_KEY: Final = "x-gatebeyz-service"  # noqa: S105 - a header's name
MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024

# keepalive_time and _timeout alone find a hung peer only after about 60 s: ping_timeout_ms counts.
_KEEPALIVE: Final = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.keepalive_permit_without_calls", 1),
)
# The health a balancing client asks each replica for: SERVING until the replica drains. Not its
# readiness, which follows dependencies: were the store away, clients would see no replica at all.
ACCEPTING: Final = "gatebeyz.accepting"
# A connection's end makes the client resolve the name anew, which is how it learns of replicas
# that were added: within the age, the pause between two look-ups, and a connect.
CONNECTION_AGE_MS: Final = 6_000
# A call that never reached a replica, or none that had begun to answer, goes to another one. A
# handler that may not be run twice sends its initial metadata before it does what counts; a fault
# of ours asks not to be repeated. Settle and the watches are not listed: their callers loop.
_REPEATABLE: Final = (
    {"service": "gatebeyz.inference.v1.InferenceService"},
    {"service": "gatebeyz.counter.v1.CounterService"},
    {"service": "gatebeyz.auth.v1.AuthService", "method": "Lease"},
    {"service": "gatebeyz.auth.v1.AuthService", "method": "Draw"},
)
_RETRY_POLICY: Final = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "0.4s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_SERVICE_CONFIG: Final = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": ACCEPTING},
        "methodConfig": [{"name": list(_REPEATABLE), "retryPolicy": _RETRY_POLICY}],
        # Where most calls fail, repeating them only adds to it.
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.5},
    }
)
CHANNEL_OPTIONS: Final = (
    *_KEEPALIVE,
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.service_config", _SERVICE_CONFIG),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),
    ("grpc.enable_retries", 1),
    ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES),
)
SERVER_OPTIONS: Final = (
    *_KEEPALIVE,
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_connection_age_ms", CONNECTION_AGE_MS),
    ("grpc.so_reuseport", 0),
)


def open_channel(
    target: str, service_token: SecretText | None, tls: Path | None = None
) -> grpc.aio.Channel:
    """A channel to ``target`` ("host:port", "dns:///name:port").

    Calls carry the token, and the trace they are part of. ``tls`` is a folder that
    :class:`runtime.tls.CertificateFolder` reads.
    """
    metadata = identity_metadata(service_token)
    interceptors = [_UnaryIdentity(metadata), _StreamIdentity(metadata)]
    if tls is None:
        return grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS, interceptors=interceptors)

    def open_with(identity: Identity) -> grpc.aio.Channel:
        credentials = channel_credentials(identity)
        return grpc.aio.secure_channel(
            target, credentials, options=CHANNEL_OPTIONS, interceptors=interceptors
        )

    return RotatingChannel(CertificateFolder(tls), open_with)


def identity_metadata(service_token: SecretText | None) -> list[tuple[str, str]]:
    """What a call shows to prove that it comes from within."""
    return [(SERVICE_TOKEN_KEY, service_token.reveal())] if service_token else []


class _Identity:
    """Who calls, and for which trace."""

    def __init__(self, entries: list[tuple[str, str]]) -> None:
        self._entries = entries

    def _with_identity(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        entries = [*(details.metadata or ()), *self._entries]
        if traceparent := tracing.current():
            entries.append((tracing.TRACEPARENT, traceparent))
        if state := tracing.state():
            entries.append((tracing.TRACESTATE, state))
        return details._replace(metadata=grpc.aio.Metadata(*entries))


class _UnaryIdentity(_Identity, grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc]
    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        return await continuation(self._with_identity(details), request)


class _StreamIdentity(_Identity, grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc]
    async def intercept_unary_stream(
        self, continuation: Callable[..., Any], details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        return await continuation(self._with_identity(details), request)
