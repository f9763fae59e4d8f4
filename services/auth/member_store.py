"""Members, sessions, links and failed attempts in the store.

All of it stands under the hash tag of the directory, beside accounts and keys: it changes seldom.
Sessions and links expire by themselves; a member's record is replaced only by a writer that saw
what it replaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Final

import msgspec

from services.auth.connection import Connection
from services.auth.member import Link, Member, Realm, Session

_SCRIPTS: Final = ("keep_member", "replace_member", "remove_member", "take_attempt")


class MemberStore:
    """Over a connection that somebody else closes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._redis = connection.client
        folder = resources.files("services.auth") / "scripts"
        self._scripts = {
            name: connection.script((folder / f"{name}.lua").read_text("utf-8"))
            for name in _SCRIPTS
        }

    async def keep_member(self, member: Member) -> Member:
        """Store a new member, unless the address has one in the realm: then that one."""
        keys = (_member(member.member_id), _email(member.realm, member.email), _group(member))
        args = (member.member_id, _encode(member))
        known = str(await self._scripts["keep_member"](keys, args))
        if known == member.member_id:
            return member
        return await self.find_member(known) or member

    async def find_member(self, member_id: str) -> Member | None:
        """The member, or None."""
        async with self._connection.bounded():
            record = await self._redis.get(_member(member_id))
        return None if record is None else msgspec.json.decode(record, type=Member)

    async def find_email(self, realm: Realm, email: str) -> Member | None:
        """The member of an address in a realm, or None."""
        async with self._connection.bounded():
            member_id = await self._redis.get(_email(realm, email))
        return None if member_id is None else await self.find_member(member_id)

    async def list_members(self, group: str) -> list[Member]:
        """Every member of an account, or every operator, oldest first."""
        async with self._connection.bounded():
            ids = await self._redis.zrange(f"{{directory}}:members:{group}", 0, -1)
            records = await self._redis.mget([_member(one) for one in ids]) if ids else []
        return [msgspec.json.decode(record, type=Member) for record in records if record]

    async def replace_member(self, before: Member, after: Member) -> bool:
        """Replace a record; False where somebody else did first."""
        keys = (_member(before.member_id),)
        args = (_encode(before), _encode(after))
        return bool(await self._scripts["replace_member"](keys, args))

    async def remove_member(self, member: Member) -> None:
        """Forget a member and the address."""
        keys = (_member(member.member_id), _email(member.realm, member.email), _group(member))
        await self._scripts["remove_member"](keys, (member.member_id,))

    async def put_session(self, digest: str, session: Session, now: float) -> None:
        """Store a session until it ends."""
        life_ms = int((session.expires_at() - now) * 1000)
        async with self._connection.bounded():
            await self._redis.set(_session(digest), _encode(session), px=max(1, life_ms))

    async def renew_session(self, digest: str, session: Session, now: float) -> None:
        """Replace a session that is still there; one that was ended stays so."""
        life_ms = int((session.expires_at() - now) * 1000)
        async with self._connection.bounded():
            await self._redis.set(_session(digest), _encode(session), px=max(1, life_ms), xx=True)

    async def find_session(self, digest: str) -> Session | None:
        """The session, or None."""
        async with self._connection.bounded():
            record = await self._redis.get(_session(digest))
        return None if record is None else msgspec.json.decode(record, type=Session)

    async def end_session(self, digest: str) -> None:
        """Forget a session."""
        async with self._connection.bounded():
            await self._redis.delete(_session(digest))

    async def put_link(self, digest: str, link: Link, life_s: float) -> None:
        """Store a link for its life."""
        async with self._connection.bounded():
            await self._redis.set(_link(digest), _encode(link), ex=int(life_s))

    async def find_link(self, digest: str) -> Link | None:
        """The link, still unused, or None."""
        async with self._connection.bounded():
            record = await self._redis.get(_link(digest))
        return None if record is None else msgspec.json.decode(record, type=Link)

    async def take_link(self, digest: str) -> Link | None:
        """The link, used up by this call alone, or None."""
        async with self._connection.bounded():
            record = await self._redis.getdel(_link(digest))
        return None if record is None else msgspec.json.decode(record, type=Link)

    async def put_oidc_attempt(self, state: str, attempt: str, life_s: float) -> None:
        """Keep what a browser left with for its life."""
        async with self._connection.bounded():
            await self._redis.set(_oidc(state), attempt, ex=int(life_s))

    async def take_oidc_attempt(self, state: str) -> str | None:
        """What a browser left with, used up by this call alone, or None."""
        async with self._connection.bounded():
            record: str | None = await self._redis.getdel(_oidc(state))
        return record

    async def take_attempt(self, buckets: Sequence[tuple[str, int, int]]) -> float:
        """Count an attempt in every bucket (name, limit, seconds), or in none: seconds to wait."""
        keys = [_attempts(name) for name, _, _ in buckets]
        args = [number for _, limit, window_s in buckets for number in (limit, window_s * 1000)]
        return int(await self._scripts["take_attempt"](keys, args)) / 1000

    async def forget_attempts(self, bucket: str) -> None:
        """Begin a bucket anew."""
        async with self._connection.bounded():
            await self._redis.delete(_attempts(bucket))


def group_of(realm: Realm, account_id: str) -> str:
    """Whose list a member stands in."""
    return account_id or f"realm:{realm}"


def _encode(record: msgspec.Struct) -> str:
    return msgspec.json.encode(record).decode()


def _group(member: Member) -> str:
    return f"{{directory}}:members:{group_of(member.realm, member.account_id)}"


def _member(member_id: str) -> str:
    return f"{{directory}}:member:{member_id}"


def _email(realm: Realm, email: str) -> str:
    return f"{{directory}}:member_email:{realm}:{email}"


def _session(digest: str) -> str:
    return f"{{directory}}:session:{digest}"


def _link(digest: str) -> str:
    return f"{{directory}}:link:{digest}"


def _oidc(state: str) -> str:
    return f"{{directory}}:oidc:{state}"


def _attempts(bucket: str) -> str:
    return f"{{directory}}:attempts:{bucket}"
