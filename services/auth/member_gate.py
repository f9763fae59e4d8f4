"""What a signed-in person may call: the management services, opened by a session.

A call with ``x-gatebeyz-session`` needs no operator's token. The session is looked up, and where
its member may make this very call, the call goes on under a credential of this process with the
member named in ``x-gatebeyz-on-behalf-of``, so that services and audit trail see one kind of
caller. So an edge that serves panels holds no operator's token: it can do what those who are
signed in can do, and nothing else.

A member may call what stands in ``OWN`` and for the own account alone; another's account or key is
as good as none. An operator may call everything. Whatever is not listed is refused.
"""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import grpc
import grpc.aio

from runtime.channels import SERVICE_TOKEN_KEY
from runtime.config import SecretText
from runtime.faults import Reason, ServiceFault
from runtime.interceptors import wrap_handler
from services.auth.member import Realm
from services.auth.member_session import Sessions, Signed
from services.auth.operator import ON_BEHALF_OF_KEY, OperatorGate
from services.auth.store import Store

SESSION_KEY: Final = "x-gatebeyz-session"
ACTOR: Final = "panel"

_AUTH: Final = "/gatebeyz.auth.v1."
_LEDGER: Final = "/gatebeyz.ledger.v1.CreditService/"
# Where a request names the account, or the key, that a member must own.
OWN: Final[dict[str, str]] = {
    f"{_AUTH}AccountService/GetAccount": "account_id",
    f"{_AUTH}KeyService/CreateKey": "account_id",
    f"{_AUTH}KeyService/ListKeys": "account_id",
    f"{_AUTH}KeyService/UpdateKey": "key.key_id",
    f"{_AUTH}KeyService/ResetKey": "key_id",
    f"{_AUTH}KeyService/RevokeKey": "key_id",
    f"{_LEDGER}GetBalance": "account_id",
    f"{_LEDGER}ListPacks": "account_id",
    f"{_LEDGER}ListUsage": "account_id",
    f"{_LEDGER}ListRollups": "account_id",
    "/gatebeyz.status.v1.StatusService/CountRunning": "account_id",
}
# What shows a secret asks for the password again.
CONFIRMED: Final = frozenset({f"{_AUTH}KeyService/CreateKey", f"{_AUTH}KeyService/ResetKey"})

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


class SessionInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Opens the services that operators call to sessions; other calls pass as they are."""

    def __init__(
        self,
        services: tuple[str, ...],
        sessions: Sessions,
        store: Store,
        gate: OperatorGate,
        service_token: SecretText,
    ) -> None:
        self._services = services
        self._sessions = sessions
        self._store = store
        self._authorization = ("authorization", gate.vouch(ACTOR))
        self._service_token = service_token.reveal().encode()

    async def intercept_service(
        self, continuation: Continuation, details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        metadata = dict(details.invocation_metadata or ())
        token = metadata.get(SESSION_KEY)
        if handler is None or token is None or not details.method.startswith(self._services):
            return handler
        is_ours = hmac.compare_digest(
            str(metadata.get(SERVICE_TOKEN_KEY, "")).encode(), self._service_token
        )
        method = details.method

        async def admit(request: Any, context: Any) -> Any:
            if not is_ours:
                raise ServiceFault(Reason.SESSION_ENDED, "The session is over. Sign in again.")
            signed = await self._sessions.find(str(token))
            await self._check(signed, method, request)
            behalf = (ON_BEHALF_OF_KEY, f"{signed.member.realm}:{signed.member.email}"[:128])
            return _Vouched(context, (self._authorization, behalf))

        if handler.response_streaming:
            return wrap_handler(handler, lambda inner: _guard_stream(admit, inner))
        return wrap_handler(handler, lambda inner: _guard_unary(admit, inner))

    async def _check(self, signed: Signed, method: str, request: Any) -> None:
        if method in CONFIRMED and not signed.session.is_confirmed(
            signed.member, self._sessions.now()
        ):
            raise ServiceFault(Reason.CONFIRMATION_NEEDED, "Enter your password again.")
        if signed.member.realm is Realm.OPERATORS:
            return
        if (path := OWN.get(method)) is None:
            raise ServiceFault(Reason.NOT_AN_OPERATOR, "Only an operator may do this.")
        named = request
        for field in path.split("."):
            named = getattr(named, field)
        if path.endswith("key_id"):
            key = await self._store.find_key(named)
            if key is None or key.account_id != signed.member.account_id:
                raise ServiceFault(Reason.NOT_FOUND, "There is no such key.")
        elif named != signed.member.account_id:
            raise ServiceFault(Reason.NOT_FOUND, "There is no such account.")


class _Vouched:
    """A call's context whose caller was identified here."""

    def __init__(self, context: Any, metadata: tuple[tuple[str, str], ...]) -> None:
        self._context = context
        self._metadata = metadata

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """The credential of this process in place of what the caller sent."""
        return self._metadata

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


Admit = Callable[[Any, Any], Awaitable[Any]]


def _guard_unary(admit: Admit, inner: Callable[..., Any]) -> Callable[..., Any]:
    async def call(request: Any, context: Any) -> Any:
        return await inner(request, await admit(request, context))

    return call


def _guard_stream(admit: Admit, inner: Callable[..., Any]) -> Callable[..., Any]:
    async def call(request: Any, context: Any) -> AsyncIterator[Any]:
        async for answer in inner(request, await admit(request, context)):
            yield answer

    return call
