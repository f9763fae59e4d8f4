"""Everything of members put together: what it serves, and what it adds to every call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import grpc.aio

from gatebeyz.identity.v1 import identity_pb2_grpc
from runtime.config import SecretText
from runtime.interceptors import ServiceTokenInterceptor
from services.auth.management import OPERATOR_SERVICES
from services.auth.member_gate import SessionInterceptor
from services.auth.member_password import Passwords
from services.auth.member_service import IdentityService, MemberService
from services.auth.member_session import Sessions
from services.auth.member_store import MemberStore
from services.auth.oidc_sign_in import NO_OFFER, Offer, OidcSignIn
from services.auth.operator import OperatorGate
from services.auth.store import Store

MANAGED: Final = (*OPERATOR_SERVICES, "/gatebeyz.identity.v1.MemberService/")
"""What operators call, by their token or by their session."""


class MemberRoom:
    """``interceptors`` judge the callers of every service of the process."""

    def __init__(
        self,
        directory: Store,
        gate: OperatorGate,
        service_token: SecretText,
        passwords: Passwords | None = None,
        clock: Callable[[], float] = time.time,
        offer: Offer = NO_OFFER,
    ) -> None:
        self._directory = directory
        self._gate = gate
        self._store = MemberStore(directory.connection)
        self.sessions = Sessions(self._store, passwords or Passwords(), clock)
        self._oidc = OidcSignIn(offer, self.sessions, self._store)
        self.interceptors = (
            ServiceTokenInterceptor(service_token, MANAGED),
            SessionInterceptor(MANAGED, self.sessions, directory, gate, service_token),
        )

    def attach(self, server: grpc.aio.Server) -> None:
        """Serve both sides."""
        identity_pb2_grpc.add_IdentityServiceServicer_to_server(
            IdentityService(self.sessions, self._oidc), server
        )
        members = MemberService(self._directory, self._store, self.sessions, self._gate)
        identity_pb2_grpc.add_MemberServiceServicer_to_server(members, server)

    async def close(self) -> None:
        """Let go of the sign-in provider and of the store."""
        await self._oidc.close()
        await self._directory.close()
