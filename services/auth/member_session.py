"""What people do to get in and out: sign-in, confirmation, links, passwords.

Every attempt with a password is counted before it is checked: by address and visitor together, by
visitor, and by address. A wrong address, a wrong password and an unused account look the same.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from runtime.faults import Reason, ServiceFault
from services.auth.account import new_id
from services.auth.member import (
    LINK_S,
    MAX_PASSWORD_LENGTH,
    MAX_TOKEN_LENGTH,
    TOUCH_S,
    Link,
    LinkKind,
    Member,
    Realm,
    Session,
    check_password,
    hash_token,
    mint_token,
    open_session,
    parse_email,
)
from services.auth.member_password import Passwords
from services.auth.member_store import MemberStore

QUARTER_S: Final = 900
HOUR_S: Final = 3600
# Attempts before a wait: of one visitor at one address, of one visitor, at one address.
PAIR_LIMIT: Final = 10
VISITOR_LIMIT: Final = 100
ADDRESS_LIMIT: Final = 100
REPLACE_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Signed:
    """A session as its owner sees it; ``token`` is "" where the browser has it already."""

    member: Member
    session: Session
    token: str = ""


class Sessions:
    """Every way into and out of a session."""

    def __init__(
        self, store: MemberStore, passwords: Passwords, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._clock = clock

    def now(self) -> float:
        """The time that sessions go by, in seconds since the epoch."""
        return self._clock()

    async def sign_in(self, realm: Realm, email: str, password: str, visitor: str) -> Signed:
        """A new session; SIGN_IN_REFUSED, or RATE_LIMITED after too many attempts."""
        try:
            address = parse_email(email)
        except ServiceFault:
            raise _refused() from None
        member = await self._store.find_email(realm, address)
        verified = await self._verify(realm, address, member, password, visitor)
        return await self._open(verified)

    async def find(self, token: str, realm: Realm | None = None) -> Signed:
        """Whose session it is, kept alive; SESSION_ENDED where it is none (of that realm)."""
        if not 0 < len(token) <= MAX_TOKEN_LENGTH:
            raise _ended()
        digest, now = hash_token(token), self._clock()
        session = await self._store.find_session(digest)
        member = await self._store.find_member(session.member_id) if session else None
        if session is None or member is None or not session.is_good(member, now):
            raise _ended()
        if realm is not None and member.realm is not realm:
            raise _ended()
        if now - session.seen_at > TOUCH_S:
            session = msgspec.structs.replace(session, seen_at=now)
            await self._store.renew_session(digest, session, now)
        return Signed(member, session)

    async def confirm(self, token: str, password: str, visitor: str) -> Signed:
        """The session with its password asked for again."""
        signed = await self.find(token)
        member = signed.member
        await self._verify(member.realm, member.email, member, password, visitor)
        now = self._clock()
        session = msgspec.structs.replace(signed.session, confirmed_at=now, seen_at=now)
        await self._store.renew_session(hash_token(token), session, now)
        return Signed(member, session)

    async def end(self, token: str, *, everywhere: bool) -> None:
        """Sign out. A session that is over already stays so."""
        try:
            signed = await self.find(token)
        except ServiceFault as fault:
            if fault.reason is not Reason.SESSION_ENDED:
                raise
            return
        if everywhere:
            await self._change(signed.member, lambda one: {"epoch": one.epoch + 1})
        await self._store.end_session(hash_token(token))

    async def change_password(
        self, token: str, current: str, password: str, visitor: str
    ) -> Signed:
        """Set a password and end every session but a new one."""
        signed = await self.find(token)
        member = signed.member
        check_password(password, member.email)
        if member.password:
            await self._verify(member.realm, member.email, member, current, visitor)
        return await self._set_password(member, password)

    async def find_link(self, token: str, realm: Realm) -> tuple[Link, Member]:
        """What a link is for; NOT_FOUND where it is not good."""
        if not 0 < len(token) <= MAX_TOKEN_LENGTH:
            raise _no_link()
        return await self._read_link(await self._store.find_link(hash_token(token)), realm)

    async def use_link(self, token: str, realm: Realm, password: str) -> Signed:
        """Use a link up: set the password it is for, and sign in."""
        link, member = await self.find_link(token, realm)
        if link.kind is LinkKind.PASSWORD:
            check_password(password, member.email)
        # Looked at first, so that a password that is too short does not cost the link.
        taken = await self._store.take_link(hash_token(token))
        link, member = await self._read_link(taken, realm)
        if link.kind is LinkKind.PASSWORD:
            # Whoever an operator lets in anew may have moved to another account of the provider.
            unbound = await self._change(member, lambda _one: {"subject": ""})
            return await self._set_password(unbound, password)
        return await self._open(member)

    async def vouch(self, realm: Realm, email: str, subject: str) -> Signed | None:
        """A session for a member whose address a provider vouches for; None for anybody else.

        The first one who does is remembered: an address that was given to somebody else since
        opens nothing.
        """
        try:
            member = await self._store.find_email(realm, parse_email(email))
        except ServiceFault as fault:
            if fault.reason is not Reason.INVALID_REQUEST:
                raise
            return None
        if member is None:
            return None
        if not member.subject:
            member = await self._change(member, lambda one: {"subject": one.subject or subject})
        return await self._open(member) if member.subject == subject else None

    async def create_link(
        self, realm: Realm, email: str, account_id: str, kind: LinkKind
    ) -> tuple[Member, str, float]:
        """A link for an address, its member made where it is new; with the time it ends."""
        now = self._clock()
        wanted = Member(
            member_id=new_id("mem", now),
            realm=realm,
            email=parse_email(email),
            account_id=account_id,
            created_at=now,
        )
        member = await self._store.keep_member(wanted)
        if member.account_id != account_id:
            raise ServiceFault(Reason.CONFLICT, "The address belongs to another account.")
        token, life_s = mint_token(), LINK_S[kind]
        link = Link(member_id=member.member_id, kind=kind, epoch=member.epoch)
        await self._store.put_link(hash_token(token), link, life_s)
        return member, token, now + life_s

    async def _verify(
        self, realm: Realm, address: str, member: Member | None, password: str, visitor: str
    ) -> Member:
        """The member, its password checked; counted before, forgotten after a good one."""
        pair, *others = _buckets(realm, address, visitor)
        wait_s = await self._store.take_attempt([pair, *others])
        if wait_s:
            raise ServiceFault(
                Reason.RATE_LIMITED, "Too many attempts. Wait a while.", retry_after_s=wait_s
            )
        verifier = member.password if member else ""
        fits = len(password) <= MAX_PASSWORD_LENGTH
        if not await self._passwords.check(verifier, password if fits else ""):
            raise _refused()
        assert member is not None
        await self._store.forget_attempts(pair[0])
        if self._passwords.is_outdated(verifier):
            renewed = await self._passwords.hash(password)
            member = await self._change(member, lambda _one: {"password": renewed})
        return member

    async def _set_password(self, member: Member, password: str) -> Signed:
        verifier = await self._passwords.hash(password)
        changed = await self._change(
            member, lambda one: {"password": verifier, "epoch": one.epoch + 1}
        )
        return await self._open(changed)

    async def _open(self, member: Member) -> Signed:
        now, token = self._clock(), mint_token()
        session = open_session(member, now)
        await self._store.put_session(hash_token(token), session, now)
        return Signed(member, session, token)

    async def _change(
        self, member: Member, change: Callable[[Member], dict[str, object]]
    ) -> Member:
        """Apply a change to what the member is now, whoever else changes it."""
        for _ in range(REPLACE_ATTEMPTS):
            after = msgspec.structs.replace(member, **change(member))
            if await self._store.replace_member(member, after):
                return after
            found = await self._store.find_member(member.member_id)
            if found is None:
                raise _ended()
            member = found
        raise ServiceFault(Reason.CONFLICT, "The member was changed at the same time. Try again.")

    async def _read_link(self, link: Link | None, realm: Realm) -> tuple[Link, Member]:
        member = await self._store.find_member(link.member_id) if link else None
        if link is None or member is None or member.realm is not realm:
            raise _no_link()
        if link.epoch != member.epoch:
            raise _no_link()
        return link, member


def _buckets(realm: Realm, address: str, visitor: str) -> list[tuple[str, int, int]]:
    """The three counts an attempt falls into. Names are hashed: a store's keys hold no address."""
    network = _network(visitor)
    return [
        (_name("pair", realm, address, network), PAIR_LIMIT, QUARTER_S),
        (_name("visitor", network), VISITOR_LIMIT, QUARTER_S),
        (_name("address", realm, address), ADDRESS_LIMIT, HOUR_S),
    ]


def bucket_of_visitor(kind: str, visitor: str, limit: int, window_s: int) -> tuple[str, int, int]:
    """The count that a visitor's attempts of a kind fall into."""
    return _name(kind, _network(visitor)), limit, window_s


def _name(kind: str, *parts: str) -> str:
    return f"{kind}:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"


def _network(visitor: str) -> str:
    """An IPv4 address, or the /64 an IPv6 one stands in; "" for anything else."""
    try:
        address = ipaddress.ip_address(visitor)
    except ValueError:
        return ""
    prefix = 32 if address.version == 4 else 64
    return str(ipaddress.ip_network((address, prefix), strict=False))


def _refused() -> ServiceFault:
    return ServiceFault(Reason.SIGN_IN_REFUSED, "The address or the password is not right.")


def _ended() -> ServiceFault:
    return ServiceFault(Reason.SESSION_ENDED, "The session is over. Sign in again.")


def _no_link() -> ServiceFault:
    return ServiceFault(Reason.NOT_FOUND, "The link is not good, or was used already.")
