"""ReportService and StatusService: what relays say of themselves, and who may hear it."""

from __future__ import annotations

import re
from typing import Final

import grpc.aio
from google.protobuf.json_format import MessageToJson, Parse

from gatebeyz.status.v1 import status_pb2, status_pb2_grpc
from runtime.faults import Reason, ServiceFault
from services.auth.operator import OperatorGate
from services.auth.relay_store import RelayStore

_RELAY_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MAX_UPSTREAMS: Final = 1_000
MAX_ACCOUNTS: Final = 50_000
MAX_NAME_LENGTH: Final = 128


class ReportService(status_pb2_grpc.ReportServiceServicer):
    """Callers are relays; the serving interceptor has checked their token."""

    def __init__(self, store: RelayStore) -> None:
        self._store = store

    async def ReportRelay(  # noqa: N802
        self, request: status_pb2.ReportRelayRequest, context: grpc.aio.ServicerContext
    ) -> status_pb2.ReportRelayResponse:
        if not _RELAY_ID.fullmatch(request.relay_id):
            raise ServiceFault(Reason.INVALID_REQUEST, "This is not a relay's id.")
        if len(request.upstreams) > MAX_UPSTREAMS or len(request.running) > MAX_ACCOUNTS:
            raise ServiceFault(Reason.INVALID_REQUEST, "A report is not as long as that.")
        if any(len(name) > MAX_NAME_LENGTH for name in request.running):
            raise ServiceFault(Reason.INVALID_REQUEST, "This is not an account's id.")
        relay = status_pb2.Relay(relay_id=request.relay_id, upstreams=request.upstreams)
        relay.reported_at.GetCurrentTime()
        states = MessageToJson(relay, indent=None, preserving_proto_field_name=True)
        await self._store.keep(request.relay_id, states, request.running)
        return status_pb2.ReportRelayResponse()


class StatusService(status_pb2_grpc.StatusServiceServicer):
    """Callers are operators, and members where the session gate lets them in."""

    def __init__(self, store: RelayStore, gate: OperatorGate) -> None:
        self._store = store
        self._gate = gate

    async def ListRelays(  # noqa: N802
        self, request: status_pb2.ListRelaysRequest, context: grpc.aio.ServicerContext
    ) -> status_pb2.ListRelaysResponse:
        self._gate.check(context)
        states = await self._store.read_states()
        # A relay of the next release may say more than this one knows.
        relays = [
            Parse(text, status_pb2.Relay(), ignore_unknown_fields=True) for text in states.values()
        ]
        return status_pb2.ListRelaysResponse(relays=relays)

    async def CountRunning(  # noqa: N802
        self, request: status_pb2.CountRunningRequest, context: grpc.aio.ServicerContext
    ) -> status_pb2.CountRunningResponse:
        self._gate.check(context)
        running = await self._store.count_running(request.account_id)
        return status_pb2.CountRunningResponse(running=running)


def add_status(server: grpc.aio.Server, store: RelayStore, gate: OperatorGate) -> None:
    """Serve both sides."""
    status_pb2_grpc.add_ReportServiceServicer_to_server(ReportService(store), server)
    status_pb2_grpc.add_StatusServiceServicer_to_server(StatusService(store, gate), server)
