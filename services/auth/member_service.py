"""IdentityService and MemberService, proto ↔ domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import grpc.aio

from gatebeyz.identity.v1 import identity_pb2, identity_pb2_grpc
from runtime.faults import Reason, ServiceFault
from services.auth.account import Product
from services.auth.audit import entry_of
from services.auth.member import LinkKind, Member, Realm
from services.auth.member_session import Sessions, Signed
from services.auth.member_store import MemberStore, group_of
from services.auth.oidc_sign_in import OidcSignIn
from services.auth.operator import OperatorGate
from services.auth.store import Store
from services.auth.wire import render_time

_REALMS: Final[dict[int, Realm]] = {
    identity_pb2.REALM_API: Realm.API,
    identity_pb2.REALM_CREDITS: Realm.CREDITS,
    identity_pb2.REALM_OPERATORS: Realm.OPERATORS,
}
_KINDS: Final[dict[int, LinkKind]] = {
    identity_pb2.LINK_KIND_PASSWORD: LinkKind.PASSWORD,
    identity_pb2.LINK_KIND_SIGN_IN: LinkKind.SIGN_IN,
}


class IdentityService(identity_pb2_grpc.IdentityServiceServicer):
    """Callers are our own edges; the serving interceptor has checked their token."""

    def __init__(self, sessions: Sessions, oidc: OidcSignIn) -> None:
        self._sessions = sessions
        self._oidc = oidc

    async def SignIn(  # noqa: N802
        self, request: identity_pb2.SignInRequest, context: grpc.aio.ServicerContext
    ) -> identity_pb2.SignInResponse:
        signed = await self._sessions.sign_in(
            _parse_realm(request.realm), request.email, request.password, request.client_address
        )
        return identity_pb2.SignInResponse(session_token=signed.token, session=self._render(signed))

    async def CheckSession(  # noqa: N802
        self, request: identity_pb2.CheckSessionRequest, context: grpc.aio.ServicerContext
    ) -> identity_pb2.CheckSessionResponse:
        signed = await self._sessions.find(request.session_token, _parse_realm(request.realm))
        return identity_pb2.CheckSessionResponse(session=self._render(signed))

    async def ConfirmSession(  # noqa: N802
        self, request: identity_pb2.ConfirmSessionRequest, context: grpc.aio.ServicerContext
    ) -> identity_pb2.ConfirmSessionResponse:
        signed = await self._sessions.confirm(
            request.session_token, request.password, request.client_address
        )
        return identity_pb2.ConfirmSessionResponse(session=self._render(signed))

    async def EndSession(  # noqa: N802
        self, request: identity_pb2.EndSessionRequest, context: grpc.aio.ServicerContext
    ) -> identity_pb2.EndSessionResponse:
        await self._sessions.end(request.session_token, everywhere=request.everywhere)
        return identity_pb2.EndSessionResponse()

    async def ChangePassword(  # noqa: N802
        self, request: identity_pb2.ChangePasswordRequest, context: grpc.aio.ServicerContext
    ) -> identity_pb2.ChangePasswordResponse:
        signed = await self._sessions.change_password(
            request.session_token,
            request.current_password,
            request.new_password,
            request.client_address,
        )
        return identity_pb2.ChangePasswordResponse(
            session_token=signed.token, session=self._render(signed)
        )

    async def FindLink(  # noqa: N802
        self, request: identity_pb2.FindLinkRequest, context: grpc.aio.ServicerContext
    ) -> identity_pb2.FindLinkResponse:
        realm = _parse_realm(request.realm)
        link, member = await self._sessions.find_link(request.link_token, realm)
        return identity_pb2.FindLinkResponse(kind=_render(_KINDS, link.kind), email=member.email)

    async def UseLink(  # noqa: N802
        self, request: identity_pb2.UseLinkRequest, context: grpc.aio.ServicerContext
    ) -> identity_pb2.UseLinkResponse:
        signed = await self._sessions.use_link(
            request.link_token, _parse_realm(request.realm), request.new_password
        )
        return identity_pb2.UseLinkResponse(
            session_token=signed.token, session=self._render(signed)
        )

    async def FindOidc(  # noqa: N802
        self, request: identity_pb2.FindOidcRequest, context: grpc.aio.ServicerContext
    ) -> identity_pb2.FindOidcResponse:
        return identity_pb2.FindOidcResponse(name=self._oidc.name(_parse_realm(request.realm)))

    async def BeginOidc(  # noqa: N802
        self, request: identity_pb2.BeginOidcRequest, context: grpc.aio.ServicerContext
    ) -> identity_pb2.BeginOidcResponse:
        url, token = await self._oidc.begin(
            _parse_realm(request.realm), request.redirect_uri, request.client_address
        )
        return identity_pb2.BeginOidcResponse(url=url, attempt_token=token)

    async def FinishOidc(  # noqa: N802
        self, request: identity_pb2.FinishOidcRequest, context: grpc.aio.ServicerContext
    ) -> identity_pb2.FinishOidcResponse:
        signed = await self._oidc.finish(
            _parse_realm(request.realm), request.attempt_token, request.state, request.code
        )
        return identity_pb2.FinishOidcResponse(
            session_token=signed.token, session=self._render(signed)
        )

    def _render(self, signed: Signed) -> identity_pb2.Session:
        session = signed.session
        return identity_pb2.Session(
            member=render_member(signed.member),
            created_at=render_time(session.created_at),
            expires_at=render_time(session.expires_at()),
            is_confirmed=session.is_confirmed(signed.member, self._sessions.now()),
        )


class MemberService(identity_pb2_grpc.MemberServiceServicer):
    """Callers are operators."""

    def __init__(
        self, accounts: Store, store: MemberStore, sessions: Sessions, gate: OperatorGate
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._sessions = sessions
        self._gate = gate

    async def CreateLink(  # noqa: N802
        self, request: identity_pb2.CreateLinkRequest, context: grpc.aio.ServicerContext
    ) -> identity_pb2.CreateLinkResponse:
        operator = self._gate.check(context)
        realm = _parse_realm(request.realm)
        await self._check_account(realm, request.account_id)
        if (kind := _KINDS.get(request.kind)) is None:
            raise ServiceFault(Reason.INVALID_REQUEST, "Say what the link is for.")
        member, token, expires_at = await self._sessions.create_link(
            realm, request.email, request.account_id, kind
        )
        detail = f"{kind} for {member.email} in {realm}"
        entry = entry_of(operator, "member.link", member.account_id, detail=detail)
        await self._accounts.record(entry)
        return identity_pb2.CreateLinkResponse(
            member=render_member(member), link_token=token, expires_at=render_time(expires_at)
        )

    async def ListMembers(  # noqa: N802
        self, request: identity_pb2.ListMembersRequest, context: grpc.aio.ServicerContext
    ) -> identity_pb2.ListMembersResponse:
        self._gate.check(context)
        realm = Realm.API if request.account_id else _parse_realm(request.realm)
        members = await self._store.list_members(group_of(realm, request.account_id))
        return identity_pb2.ListMembersResponse(members=[render_member(one) for one in members])

    async def RemoveMember(  # noqa: N802
        self, request: identity_pb2.RemoveMemberRequest, context: grpc.aio.ServicerContext
    ) -> identity_pb2.RemoveMemberResponse:
        operator = self._gate.check(context)
        member = await self._store.find_member(request.member_id)
        if member is None:
            raise ServiceFault(Reason.NOT_FOUND, "There is no such member.")
        await self._store.remove_member(member)
        entry = entry_of(operator, "member.remove", member.account_id, detail=member.email)
        await self._accounts.record(entry)
        return identity_pb2.RemoveMemberResponse()

    async def _check_account(self, realm: Realm, account_id: str) -> None:
        """An operator has no account; anybody else has one of the realm's product."""
        if realm is Realm.OPERATORS:
            if account_id:
                raise ServiceFault(Reason.INVALID_REQUEST, "An operator has no account.")
            return
        account = await self._accounts.find_account(account_id)
        if account is None or account.product is not Product(realm.value):
            raise ServiceFault(Reason.NOT_FOUND, "There is no such account.")


def render_member(member: Member) -> identity_pb2.Member:
    """A member without its verifier."""
    return identity_pb2.Member(
        member_id=member.member_id,
        realm=_render(_REALMS, member.realm),
        email=member.email,
        account_id=member.account_id,
        has_password=bool(member.password),
        created_at=render_time(member.created_at),
    )


def _render(table: Mapping[int, object], known: object) -> Any:
    return next(value for value, one in table.items() if one is known)


def _parse_realm(value: int) -> Realm:
    if (realm := _REALMS.get(value)) is None:
        raise ServiceFault(Reason.INVALID_REQUEST, "Name the realm.")
    return realm
