"""Forms as browsers send them, within bounds, and only from this very site.

A page of another site can make a browser send a form here. So a form counts only if the browser
says that it came from this origin, and, once somebody is signed in, if it carries a token that
only a page of this session can know.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from edge.body import read_body

MAX_FORM_BYTES: Final = 32 * 1024
MAX_FIELDS: Final = 100
TOKEN_FIELD: Final = "csrf"  # noqa: S105 - a field's name


class ForeignFormError(Exception):
    """The form came from elsewhere, or not as a form."""


async def read_form(request: Request, origin: str) -> dict[str, str]:
    """The fields of a form of this origin, the last of each name."""
    headers: dict[bytes, bytes] = dict(request.scope["headers"])
    if not is_from(headers, origin):
        raise ForeignFormError
    content_type = headers.get(b"content-type", b"").partition(b";")[0].strip()
    if content_type != b"application/x-www-form-urlencoded":
        raise ForeignFormError
    body = await read_body(request.receive, headers, MAX_FORM_BYTES)
    try:
        text = body.decode("ascii")
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise ForeignFormError from None
    return dict(fields)


def is_from(headers: dict[bytes, bytes], origin: str) -> bool:
    """Whether the browser says so in one of the two ways it can; silence is a no."""
    site = headers.get(b"sec-fetch-site")
    sent = headers.get(b"origin")
    if site is not None and site not in (b"same-origin", b"none"):
        return False
    if sent is not None:
        return sent.decode("latin-1") == origin
    return site == b"same-origin"


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, as browsers write an origin."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def forgery_token(session_token: str) -> str:
    """What every form of a session carries; it does not tell the session's token."""
    return hashlib.sha256(b"form:" + session_token.encode()).hexdigest()[:40]


def check_token(form: dict[str, str], session_token: str) -> None:
    """ForeignFormError unless the form is of this session."""
    given = form.get(TOKEN_FIELD, "").encode()
    if not hmac.compare_digest(given, forgery_token(session_token).encode()):
        raise ForeignFormError
