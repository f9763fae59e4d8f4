"""Faults over the wire: reason, sentence and wait survive; gRPC's own words do not."""

from __future__ import annotations

import grpc
import grpc.aio
import pytest

from runtime.faults import CODES, Reason, ServiceFault, fault_of


def error_of(fault: ServiceFault) -> grpc.aio.AioRpcError:
    """What a caller's stub raises for ``fault``."""
    return grpc.aio.AioRpcError(
        CODES[fault.reason],
        grpc.aio.Metadata(),
        grpc.aio.Metadata(("grpc-status-details-bin", fault.status().SerializeToString())),
        fault.message,
    )


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_crosses_whole(reason: Reason) -> None:
    fault = ServiceFault(reason, "A sentence.", metadata={"param": "model"}, retry_after_s=1.5)

    read = fault_of(error_of(fault))

    assert (read.reason, read.message) == (reason, "A sentence.")
    assert (read.metadata, read.retry_after_s) == ({"param": "model"}, 1.5)


@pytest.mark.parametrize("code", grpc.StatusCode)
def test_a_bare_status_says_nothing_of_the_inside(code: grpc.StatusCode) -> None:
    inside = "ipv4:10.1.2.3:7401: connection refused"
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), inside)

    read = fault_of(error)

    assert "10.1.2.3" not in read.message
    assert read.message.endswith(".")


def test_a_peer_that_is_gone_is_worth_another_try() -> None:
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "gone"
    )
    read = fault_of(error)

    assert read.reason is Reason.OVERLOADED
    assert read.retry_after_s
