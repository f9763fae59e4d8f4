"""Sign-in by an OpenID Connect provider, the browser's part: leaving, and coming back."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edge.panel.door import Door
from edge.web.language import read_cookie
from gatebeyz.identity.v1 import identity_pb2
from runtime.faults import ServiceFault

RETURN_PATH: Final = "/sign-in/return"
ATTEMPT_S: Final = 600
MAX_PARAMETER: Final = 4096


class ProviderDoor:
    """``/sign-in/provider`` and ``/sign-in/return`` of one site."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._clients = door.clients
        self._site = door.site
        self._cookie = f"{door.site.cookie}-attempt"

    def routes(self) -> list[Route]:
        """Both ways."""
        return [
            Route("/sign-in/provider", self.leave),
            Route(RETURN_PATH, self.come_back),
        ]

    async def leave(self, request: Request) -> Response:
        """Send the browser to the provider; what it must bring back stays in a cookie."""
        wanted = identity_pb2.BeginOidcRequest(
            realm=self._site.realm,
            redirect_uri=self._site.url.rstrip("/") + RETURN_PATH,
            client_address=self._door.address_of(request),
        )
        try:
            begun = await self._clients.call(self._clients.identity.BeginOidc, wanted)
        except ServiceFault as fault:
            return await self._door.sign_in_page(request, {}, fault)
        answer = RedirectResponse(begun.url, 303)
        # Lax, as it must come along when the provider sends the browser back.
        answer.set_cookie(
            self._cookie,
            begun.attempt_token,
            max_age=ATTEMPT_S,
            secure=self._site.is_secure,
            httponly=True,
            samesite="lax",
            path="/",
        )
        return answer

    async def come_back(self, request: Request) -> Response:
        """A session for whom the provider vouches.

        The session's cookie is not sent on a visit that another site began, which a redirect from
        here would still be. So the answer is a page of ours that goes on by itself.
        """
        query = request.query_params
        wanted = identity_pb2.FinishOidcRequest(
            realm=self._site.realm,
            attempt_token=read_cookie(dict(request.scope["headers"]), self._cookie)[:256],
            state=query.get("state", "")[:256],
            code=query.get("code", "")[:MAX_PARAMETER],
        )
        try:
            signed = await self._clients.call(self._clients.identity.FinishOidc, wanted)
        except ServiceFault as fault:
            answer = await self._door.sign_in_page(request, {}, fault)
        else:
            answer = self._door.welcome(request)
            self._door.keep_session(answer, signed.session_token)
        answer.delete_cookie(self._cookie, secure=self._site.is_secure, httponly=True)
        return answer
