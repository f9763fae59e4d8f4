"""The door of a site: signing in and out, one-time links, and who may see which page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from edge.address import Network, client_address
from edge.body import ClientGoneError
from edge.panel.clients import Clients
from edge.panel.sentence import sentence_of
from edge.panel.visit import Page, Visit
from edge.web.form import ForeignFormError, check_token, origin_of, read_form
from edge.web.language import read_cookie
from edge.web.rendering import N_, Renderer
from edge.web.switches import local_path
from edge.web.view import view_of
from gatebeyz.identity.v1 import identity_pb2
from runtime.faults import Reason, ServiceFault

_RETRY: Final = (Reason.STORE_AWAY, Reason.OVERLOADED, Reason.UPSTREAM_TIMEOUT)
_FOREIGN: Final = N_("The form came from another page. Go back, reload and send it again.")


@dataclass(frozen=True, slots=True)
class Site:
    """One site of pages with a door. ``nav``: path and title (an id of the catalogues)."""

    name: str
    realm: identity_pb2.Realm
    url: str
    nav: tuple[tuple[str, str], ...]

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it by TLS; loopback alone may do without."""
        return self.url.startswith("https:")

    @property
    def cookie(self) -> str:
        """Cookies know no ports, so each site has a name of its own."""
        return f"{'__Host-' if self.is_secure else ''}gb-{self.name}"


class Door:
    """What stands before the pages of a site."""

    def __init__(
        self, site: Site, clients: Clients, renderer: Renderer, proxies: tuple[Network, ...] = ()
    ) -> None:
        self.site = site
        self.clients = clients
        self._renderer = renderer
        self._proxies = proxies
        self._origin = origin_of(site.url)

    def routes(self) -> list[Route]:
        """Sign-in, sign-out and links."""
        return [
            Route("/sign-in", self.show_sign_in),
            Route("/sign-in", self.open_form(self.sign_in), methods=["POST"]),
            Route("/sign-out", self.form(self.sign_out), methods=["POST"]),
            Route("/link/{token}", self.show_link),
            Route("/link/{token}", self.open_form(self.use_link), methods=["POST"]),
        ]

    def address_of(self, request: Request) -> str:
        """Where a visitor comes from, behind the proxies that are known."""
        return client_address(request.scope, self._proxies)

    # Pages of everybody

    async def show_sign_in(self, request: Request) -> Response:
        """The form; whoever is signed in goes on."""
        if await self._find_session(request) is not None:
            return RedirectResponse("/", 303)
        return await self.sign_in_page(request, {})

    async def sign_in(self, request: Request, form: dict[str, str]) -> Response:
        """A session for the right pair of address and password."""
        wanted = identity_pb2.SignInRequest(
            realm=self.site.realm,
            email=form.get("email", "")[:320],
            password=form.get("password", "")[:1024],
            client_address=self.address_of(request),
        )
        try:
            signed = await self.clients.call(self.clients.identity.SignIn, wanted)
        except ServiceFault as fault:
            return await self.sign_in_page(request, form, fault)
        answer = RedirectResponse(local_path(form.get("next", "/")), 303)
        self.keep_session(answer, signed.session_token)
        return answer

    async def sign_out(self, visit: Visit) -> Response:
        """End this session."""
        ending = identity_pb2.EndSessionRequest(session_token=visit.token)
        await self.clients.call(self.clients.identity.EndSession, ending)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(self.site.cookie, secure=self.site.is_secure, httponly=True)
        return answer

    async def show_link(self, request: Request) -> Response:
        """What a link is for; looking does not use it up, as mail scanners look at every link."""
        return await self._link_page(request, None)

    async def use_link(self, request: Request, form: dict[str, str]) -> Response:
        """Use a link up and sign in."""
        wanted = identity_pb2.UseLinkRequest(
            link_token=request.path_params["token"],
            realm=self.site.realm,
            new_password=form.get("password", "")[:1024],
        )
        try:
            signed = await self.clients.call(self.clients.identity.UseLink, wanted)
        except ServiceFault as fault:
            return await self._link_page(request, fault)
        answer = RedirectResponse("/", 303)
        self.keep_session(answer, signed.session_token)
        return answer

    # Pages of those who are signed in

    def page(self, show: Page) -> Callable[[Request], Awaitable[Response]]:
        """A page that asks who is there, and sends strangers to sign in."""

        async def guarded(request: Request) -> Response:
            return await self._answer(request, show, {})

        return guarded

    def form(self, act: Page) -> Callable[[Request], Awaitable[Response]]:
        """A form of a page: of this site and this session, or refused."""

        async def answer(request: Request, form: dict[str, str]) -> Response:
            return await self._answer(request, act, form)

        return self.open_form(answer)

    def open_form(
        self, act: Callable[[Request, dict[str, str]], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """A form that needs no session; it must come from this site all the same."""

        async def guarded(request: Request) -> Response:
            try:
                form = await read_form(request, self._origin)
                return await act(request, form)
            except (ForeignFormError, ClientGoneError):
                return self.problem(request, _FOREIGN, 403)
            except ServiceFault as fault:
                return self.problem(request, sentence_of(fault), 400)

        return guarded

    async def _answer(self, request: Request, act: Page, form: dict[str, str]) -> Response:
        try:
            session = await self._find_session(request)
            if session is None:
                here = request.url.path if request.method in ("GET", "HEAD") else "/"
                return RedirectResponse(f"/sign-in?next={here}", 303)
            token = read_cookie(dict(request.scope["headers"]), self.site.cookie)
            if request.method == "POST":
                check_token(form, token)
            return await act(Visit(request, view_of(request.scope), session, token, form))
        except ServiceFault as fault:
            if fault.reason is Reason.NOT_FOUND:
                return self.problem(request, sentence_of(fault), 404)
            status = 503 if fault.reason in _RETRY else 400
            return self.problem(request, sentence_of(fault), status)

    async def _find_session(self, request: Request) -> identity_pb2.Session | None:
        token = read_cookie(dict(request.scope["headers"]), self.site.cookie)
        if not token or not token.isascii():
            return None
        wanted = identity_pb2.CheckSessionRequest(session_token=token[:256], realm=self.site.realm)
        try:
            answer = await self.clients.call(self.clients.identity.CheckSession, wanted)
        except ServiceFault as fault:
            if fault.reason is Reason.SESSION_ENDED:
                return None
            raise
        session: identity_pb2.Session = answer.session
        return session

    # What pages are made with

    def show(self, visit: Visit, template: str, status: int = 200, **values: Any) -> Response:
        """A page of the site for whoever is signed in."""
        return self._renderer.page(
            visit.view, template, status, site=self.site, visit=visit, **values
        )

    def problem(self, request: Request, message: str, status: int) -> Response:
        """A page that says what went wrong."""
        view = view_of(request.scope)
        return self._renderer.page(view, "panel/problem.html", status, message=message)

    def welcome(self, request: Request) -> Response:
        """A page that goes on to the first one by itself."""
        return self._renderer.page(view_of(request.scope), "panel/welcome.html", site=self.site)

    def keep_session(self, answer: Response, token: str) -> None:
        """Give the browser the session, for as long as the browser is open."""
        answer.set_cookie(
            self.site.cookie,
            token,
            secure=self.site.is_secure,
            httponly=True,
            samesite="strict",
            path="/",
        )

    async def sign_in_page(
        self, request: Request, form: dict[str, str], fault: ServiceFault | None = None
    ) -> Response:
        """The form, with what went wrong."""
        return self._renderer.page(
            view_of(request.scope),
            "panel/sign_in.html",
            _status_of(fault),
            site=self.site,
            email=form.get("email", ""),
            onward=local_path(form.get("next") or request.query_params.get("next", "/")),
            error=sentence_of(fault) if fault else "",
            provider=await self._find_provider(),
        )

    async def _find_provider(self) -> str:
        """What to call the realm's OpenID Connect provider; "" where none can be offered now."""
        wanted = identity_pb2.FindOidcRequest(realm=self.site.realm)
        try:
            answer = await self.clients.call(self.clients.identity.FindOidc, wanted)
        except ServiceFault:
            return ""
        name: str = answer.name
        return name

    async def _link_page(self, request: Request, fault: ServiceFault | None) -> Response:
        wanted = identity_pb2.FindLinkRequest(
            link_token=request.path_params["token"], realm=self.site.realm
        )
        link = None
        try:
            link = await self.clients.call(self.clients.identity.FindLink, wanted)
        except ServiceFault as error:
            if error.reason is not Reason.NOT_FOUND:
                fault = error
        error_text = sentence_of(fault) if fault and link else ""
        return self._renderer.page(
            view_of(request.scope),
            "panel/link.html",
            404 if link is None else _status_of(fault),
            site=self.site,
            link=link,
            sets_password=link is not None and link.kind == identity_pb2.LINK_KIND_PASSWORD,
            error=error_text,
        )


def _status_of(fault: ServiceFault | None) -> int:
    if fault is None:
        return 200
    return {Reason.RATE_LIMITED: 429, Reason.STORE_AWAY: 503, Reason.OVERLOADED: 503}.get(
        fault.reason, 400
    )
