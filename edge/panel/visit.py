"""A visit of somebody who is signed in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from edge.web.form import forgery_token
from edge.web.view import View
from gatebeyz.identity.v1 import identity_pb2


@dataclass(slots=True)
class Visit:
    """What every page of a panel starts from. ``form`` is empty unless one was sent."""

    request: Request
    view: View
    session: identity_pb2.Session
    token: str
    form: dict[str, str] = field(default_factory=dict)

    @property
    def account_id(self) -> str:
        """The account the visitor is a member of; "" for an operator."""
        return self.session.member.account_id

    @property
    def email(self) -> str:
        """Who is signed in."""
        return self.session.member.email

    @property
    def csrf(self) -> str:
        """What every form of this session carries."""
        return forgery_token(self.token)

    def text(self, name: str) -> str:
        """A field of the form, without surrounding space."""
        return self.form.get(name, "").strip()


Page = Callable[[Visit], Awaitable[Response]]
"""Answers a visit; may raise ServiceFault."""
