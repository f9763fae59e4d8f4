"""Refusals of the services as sentences for people, in their language."""

from __future__ import annotations

from typing import Final

from edge.web.rendering import N_
from runtime.faults import Reason, ServiceFault

_SENTENCES: Final[dict[Reason, str]] = {
    Reason.SIGN_IN_REFUSED: N_("The address or the password is not right."),
    Reason.RATE_LIMITED: N_("Too many attempts. Wait a quarter of an hour and try again."),
    Reason.CONFIRMATION_NEEDED: N_("Enter your password once more to go on."),
    Reason.UPSTREAM_UNREACHABLE: N_(
        "The sign-in provider cannot be reached. Try again in a moment."
    ),
    Reason.NOT_FOUND: N_("There is no such thing, or it is not yours."),
    Reason.CONFLICT: N_("This was changed meanwhile. Look again and repeat it."),
    Reason.OVERLOADED: N_("Too much is going on at this moment. Try again."),
    Reason.STORE_AWAY: N_("The gateway's records cannot be reached. Try again in a moment."),
}
_WEAK: Final = N_("Choose a password of at least 12 characters that is not easy to guess.")
_NOT_VOUCHED: Final = N_(
    "Signing in there did not work. Your address must be verified there and invited here."
)
_OTHER: Final = N_("That did not work. Check what you entered.")


def sentence_of(fault: ServiceFault) -> str:
    """The id of a sentence in the catalogues."""
    if fault.metadata.get("param") == "new_password":
        return _WEAK
    if fault.metadata.get("param") == "oidc":
        return _NOT_VOUCHED
    return _SENTENCES.get(fault.reason, _OTHER)
