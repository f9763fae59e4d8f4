"""Certificates on real sockets: who gets in, who does not, and a new one without a restart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gatebeyz.counter.v1 import counter_pb2, counter_pb2_grpc
from runtime import serving, tls
from runtime.channels import ACCEPTING, open_channel
from runtime.config import ConfigError, ProcessConfig
from runtime.faults import Reason, fault_of
from runtime.serving import Process, serve
from runtime.tls import CertificateFolder
from tests.certificates import write_identity
from tests.ports import free_port


class Counting(counter_pb2_grpc.CounterServiceServicer):
    """Answers once."""

    async def CountTokens(  # noqa: N802 - the name is the proto's
        self, request: Any, context: Any
    ) -> AsyncIterator[counter_pb2.CountTokensResponse]:
        yield counter_pb2.CountTokensResponse(total=counter_pb2.Total(items=len(request.items)))


@contextlib.asynccontextmanager
async def served(config: ProcessConfig, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A process behind certificates, stopped at the end; its target."""
    stop = asyncio.Event()
    monkeypatch.setattr(serving, "_stop_event", lambda: stop)
    listen = f"127.0.0.1:{free_port()}"

    def attach(server: grpc.aio.Server) -> None:
        counter_pb2_grpc.add_CounterServiceServicer_to_server(Counting(), server)

    running = asyncio.ensure_future(serve(Process("counter", config, listen, attach, ())))
    try:
        yield listen
    finally:
        stop.set()
        await running


async def count(channel: grpc.aio.Channel, *, is_patient: bool = True) -> int:
    """One call, and how many answers came; the patient wait until a connection stands."""
    stub = counter_pb2_grpc.CounterServiceStub(channel)
    request = counter_pb2.CountTokensRequest()
    call = stub.CountTokens(request, timeout=5, wait_for_ready=is_patient)
    return len([answer async for answer in call])


async def test_only_named_certificates_of_the_authority_may_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    own = write_identity(tmp_path / "counter", authority, "127.0.0.1")
    edge = write_identity(tmp_path / "edge", authority, "edge")
    other = write_identity(tmp_path / "other", authority, "other")
    forged = write_identity(tmp_path / "forged", stranger, "edge")
    (forged / "ca.crt").unlink()
    authority.cert_pem.write_to_path(forged / "ca.crt")
    health = f"127.0.0.1:{free_port()}"
    config = ProcessConfig(tls=own, callers=("edge",), health_listen=health)

    async with served(config, monkeypatch) as target:
        async with open_channel(target, None, edge) as channel:
            admitted = await count(channel)
        async with open_channel(target, None, other) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await count(channel)
        for without in (forged, None):
            async with open_channel(target, None, without) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as shut_out:
                    await count(channel, is_patient=False)
                assert shut_out.value.code() is grpc.StatusCode.UNAVAILABLE
        async with grpc.aio.insecure_channel(health) as channel:
            probe = health_pb2.HealthCheckRequest(service=ACCEPTING)
            answer = await health_pb2_grpc.HealthStub(channel).Check(probe, timeout=5)

    assert admitted == 1
    assert fault_of(refused.value).reason is Reason.CALLER_NOT_ALLOWED
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_new_authority_takes_over_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "CHECK_S", 0.0)
    old, new = trustme.CA(), trustme.CA()
    own = write_identity(tmp_path / "counter", old, "127.0.0.1")
    edge = write_identity(tmp_path / "edge", old, "edge")

    async with served(ProcessConfig(tls=own), monkeypatch) as target:
        async with open_channel(target, None, edge) as channel:
            first = await count(channel)
            write_identity(own, new, "127.0.0.1")
            write_identity(edge, new, "edge")
            second = await count(channel)
        late = write_identity(tmp_path / "late", old, "edge")
        async with open_channel(target, None, late) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await count(channel, is_patient=False)

    assert (first, second) == (1, 1)


def test_an_identity_that_is_not_whole_is_refused_at_the_start(tmp_path: Path) -> None:
    folder = write_identity(tmp_path / "edge", trustme.CA(), "edge")
    (folder / "tls.key").unlink()

    with pytest.raises(ConfigError, match="no usable identity"):
        CertificateFolder(folder)


def test_a_key_of_another_certificate_never_replaces_what_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "CHECK_S", 0.0)
    authority = trustme.CA()
    folder = write_identity(tmp_path / "edge", authority, "edge")
    certificates = CertificateFolder(folder)
    before = certificates.current()

    (folder / "tls.key").unlink()
    authority.issue_cert("other").private_key_pem.write_to_path(folder / "tls.key")
    kept = certificates.current()
    write_identity(folder, authority, "edge")

    assert kept is before
    assert certificates.current().certificate != before.certificate


async def test_names_without_certificates_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="GATEBEYZ_CALLERS needs GATEBEYZ_TLS"):
        async with served(ProcessConfig(callers=("edge",)), monkeypatch):
            await asyncio.sleep(0.5)
