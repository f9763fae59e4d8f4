"""Who may manage: operators by their credentials, each with a name for the audit trail.

``GATEBEYZ_OPERATOR_TOKEN`` holds one token, whose bearer is called "operator", or several as
``name:token,name:token``. A caller that acts for somebody else (the panel for a member) says so in
``x-gatebeyz-on-behalf-of``; it is recorded and gives no rights.
"""

from __future__ import annotations

import hmac
import re
import secrets
import sys
from typing import Final

import grpc.aio

from runtime.config import SecretText, check_secret
from runtime.faults import Reason, ServiceFault
from services.auth.audit import Operator

ON_BEHALF_OF_KEY: Final = "x-gatebeyz-on-behalf-of"
SOLE_OPERATOR: Final = "operator"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_ON_BEHALF_OF: Final = re.compile(r"[!-~]{0,128}")


def parse_operators(tokens: SecretText) -> dict[str, bytes]:
    """Name → token; ValueError where a name or a token is not fit."""
    text = tokens.reveal()
    if ":" not in text:
        return {SOLE_OPERATOR: text.encode()}
    found: dict[str, bytes] = {}
    for part in text.split(","):
        name, _, token = part.strip().partition(":")
        if not _NAME.fullmatch(name) or name in found:
            raise ValueError("GATEBEYZ_OPERATOR_TOKEN is a token, or name:token,name:token")
        check_secret(f"the operator token of {name}", token)
        found[name] = token.encode()
    return found


class OperatorGate:
    """Lets operators pass: ``authorization: Bearer <token>`` in the metadata."""

    def __init__(self, tokens: SecretText) -> None:
        self._expected = {
            name: b"Bearer " + token for name, token in parse_operators(tokens).items()
        }

    def vouch(self, name: str) -> str:
        """A new credential under a name, for callers whom this process identifies otherwise."""
        token = secrets.token_urlsafe(32)
        self._expected[name] = b"Bearer " + token.encode()
        return f"Bearer {token}"

    def check(self, context: grpc.aio.ServicerContext) -> Operator:
        """Who calls; ServiceFault NOT_AN_OPERATOR for nobody we know."""
        metadata = {
            key: value if isinstance(value, bytes) else value.encode()
            for key, value in context.invocation_metadata() or ()
        }
        given = metadata.get("authorization", b"")
        # Every token is compared, so that the time tells nothing of which one came close.
        names = [name for name, token in self._expected.items() if _equal(given, token)]
        if not names:
            raise ServiceFault(Reason.NOT_AN_OPERATOR, "The operator token is not valid.")
        on_behalf_of = metadata.get(ON_BEHALF_OF_KEY, b"").decode("latin-1")
        if not _ON_BEHALF_OF.fullmatch(on_behalf_of):
            raise ServiceFault(Reason.INVALID_REQUEST, f"{ON_BEHALF_OF_KEY} is not a name.")
        return Operator(names[0], on_behalf_of)


def _equal(given: bytes, expected: bytes) -> bool:
    return hmac.compare_digest(given, expected)


def open_gate(tokens: SecretText) -> OperatorGate:
    """The gate of a process at its start; exits where the tokens cannot be used."""
    try:
        return OperatorGate(tokens)
    except ValueError as error:
        sys.exit(f"configuration: {error}")
