"""Who may operate, and what was done: operators and the audit trail."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edge.console.account import member_values
from edge.panel.door import Door
from edge.panel.moments import read_moment
from edge.panel.sentence import sentence_of
from edge.panel.visit import Visit
from gatebeyz.auth.v1 import auth_pb2
from gatebeyz.identity.v1 import identity_pb2
from runtime.faults import ServiceFault

PAGE_SIZE: Final = 50


class TrailPages:
    """``/operators`` and ``/audit``."""

    def __init__(self, door: Door, url: str) -> None:
        self._door = door
        self._clients = door.clients
        self._url = url

    def routes(self) -> list[Route]:
        """Both pages and their forms."""
        door = self._door
        return [
            Route("/operators", door.page(self.operators)),
            Route("/operators", door.form(self.invite), methods=["POST"]),
            Route("/operators/remove", door.form(self.remove), methods=["POST"]),
            Route("/audit", door.page(self.audit)),
        ]

    async def operators(self, visit: Visit) -> Response:
        """Everybody who may sign in here."""
        return await self._operators(visit)

    async def invite(self, visit: Visit) -> Response:
        """A link for an operator, shown in this answer alone."""
        request = identity_pb2.CreateLinkRequest(
            realm=identity_pb2.REALM_OPERATORS,
            email=visit.text("email"),
            kind=identity_pb2.LINK_KIND_PASSWORD,
        )
        try:
            made = await self._clients.call(self._clients.members.CreateLink, request, visit.token)
        except ServiceFault as fault:
            return await self._operators(visit, error=sentence_of(fault))
        return await self._operators(visit, link=f"{self._url}/link/{made.link_token}")

    async def remove(self, visit: Visit) -> Response:
        """End an operator's every session."""
        request = identity_pb2.RemoveMemberRequest(member_id=visit.text("member_id"))
        await self._clients.call(self._clients.members.RemoveMember, request, visit.token)
        return RedirectResponse("/operators", 303)

    async def audit(self, visit: Visit) -> Response:
        """One page of the trail, the newest first; of one account where asked."""
        query = visit.request.query_params
        account_id = query.get("account", "")[:64]
        request = auth_pb2.ListAuditRequest(
            account_id=account_id, page_size=PAGE_SIZE, page_token=query.get("before", "")[:64]
        )
        page = await self._clients.call(self._clients.audit.ListAudit, request, visit.token)
        return self._door.show(
            visit,
            "console/audit.html",
            entries=[_entry_values(one) for one in page.entries],
            before=page.next_page_token,
            account_id=account_id,
        )

    async def _operators(self, visit: Visit, *, error: str = "", link: str = "") -> Response:
        request = identity_pb2.ListMembersRequest(realm=identity_pb2.REALM_OPERATORS)
        answer = await self._clients.call(self._clients.members.ListMembers, request, visit.token)
        return self._door.show(
            visit,
            "console/operators.html",
            400 if error else 200,
            members=[member_values(one) for one in answer.members],
            own_id=visit.session.member.member_id,
            error=error,
            link=link,
        )


def _entry_values(entry: auth_pb2.AuditEntry) -> dict[str, Any]:
    return {
        "at": read_moment(entry, "at"),
        "who": entry.on_behalf_of or entry.actor,
        "action": entry.action,
        "account_id": entry.account_id,
        "key_id": entry.key_id,
        "detail": entry.detail,
    }
