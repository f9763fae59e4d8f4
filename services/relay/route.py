"""Which upstream answers: routes tried in order until one does, never after the first byte.

==============================  ============  ==================
what happened                   next route?   if it was the last
==============================  ============  ==================
no connection                   yes           UPSTREAM_UNREACHABLE
closed before an answer         yes           UPSTREAM_ERROR
silent too long                 no            UPSTREAM_TIMEOUT
401, 403 (our credential)       yes           UPSTREAM_CREDENTIAL
429, 5xx                        yes           passes as data
error event in place of answer  yes           passes as data
redirect                        yes           UPSTREAM_ERROR
anything else                   no            passes as data
==============================  ============  ==================

A silent upstream may be at work and would be paid twice, so it is the one that is not left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from runtime.catalog import Route
from runtime.faults import Reason, ServiceFault
from services.relay.exchange import ConnectFailed, Disconnected, TimedOut


class Result(StrEnum):
    """What an attempt came to; stable words of the journal."""

    ANSWERED = "ANSWERED"
    REFUSED = "REFUSED"
    CONNECT_FAILED = "CONNECT_FAILED"
    DISCONNECTED = "DISCONNECTED"
    TIMED_OUT = "TIMED_OUT"
    CREDENTIAL_REFUSED = "CREDENTIAL_REFUSED"
    RATE_LIMITED = "RATE_LIMITED"
    SERVER_ERROR = "SERVER_ERROR"
    ERROR_EVENT = "ERROR_EVENT"
    REDIRECTED = "REDIRECTED"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One upstream that was tried; ``status`` is 0 where none came."""

    route: Route
    status: int
    result: Result

    @property
    def reached_upstream(self) -> bool:
        """Whether the upstream may have begun to work."""
        return self.result is not Result.CONNECT_FAILED

    @property
    def may_be_billed(self) -> bool:
        """Whether the upstream may ask for money though nothing came of it."""
        return self.result in (Result.DISCONNECTED, Result.SERVER_ERROR, Result.ERROR_EVENT)


class Answering(Protocol):
    """What ``open`` gives: an answer whose first bytes are there."""

    @property
    def status(self) -> int: ...

    @property
    def opens_with_error(self) -> bool:
        """Whether an error event stands where content should."""

    def close(self) -> None: ...


A = TypeVar("A", bound=Answering)

_MOVES_ON: Final = frozenset(
    {
        Result.CONNECT_FAILED,
        Result.DISCONNECTED,
        Result.CREDENTIAL_REFUSED,
        Result.RATE_LIMITED,
        Result.SERVER_ERROR,
        Result.ERROR_EVENT,
        Result.REDIRECTED,
    }
)

# Where there is no answer to pass on, the fault that stands for it.
_FAULTS: Final = {
    Result.CONNECT_FAILED: (
        Reason.UPSTREAM_UNREACHABLE,
        "The model's provider cannot be reached.",
        1.0,
    ),
    Result.DISCONNECTED: (
        Reason.UPSTREAM_ERROR,
        "The model's provider closed the connection without an answer.",
        1.0,
    ),
    Result.TIMED_OUT: (
        Reason.UPSTREAM_TIMEOUT,
        "The model's provider did not answer in time.",
        None,
    ),
    Result.CREDENTIAL_REFUSED: (
        Reason.UPSTREAM_CREDENTIAL,
        "The gateway could not sign in to the model's provider.",
        None,
    ),
    Result.REDIRECTED: (
        Reason.UPSTREAM_ERROR,
        "The model's provider answered with a redirect.",
        None,
    ),
}


async def first_answer(
    routes: Sequence[Route],
    open_answer: Callable[[Route], Awaitable[A]],
    attempts: list[Attempt],
) -> tuple[Route, A]:
    """The first route that answers, with its answer; every try is noted in ``attempts``.

    Raises ServiceFault where there is nothing to pass on. ``routes`` must not be empty.
    """
    for is_last, route in ((place == len(routes), route) for place, route in enumerate(routes, 1)):
        answer: A | None = None
        try:
            answer = await open_answer(route)
        except ConnectFailed:
            result = Result.CONNECT_FAILED
        except Disconnected:
            result = Result.DISCONNECTED
        except TimedOut:
            result = Result.TIMED_OUT
        else:
            result = judge(answer)
        attempts.append(Attempt(route, answer.status if answer else 0, result))
        if result in _MOVES_ON and not is_last:
            if answer:
                answer.close()
            continue
        if answer and result not in _FAULTS:
            return route, answer
        if answer:
            answer.close()
        reason, message, retry_after_s = _FAULTS[result]
        raise ServiceFault(reason, message, retry_after_s=retry_after_s)
    raise AssertionError("no routes to try")


def judge(answer: Answering) -> Result:
    """What an answer's head and first bytes say."""
    status = answer.status
    if 200 <= status < 300:
        return Result.ERROR_EVENT if answer.opens_with_error else Result.ANSWERED
    if status in (401, 403):
        return Result.CREDENTIAL_REFUSED
    if status == 429:
        return Result.RATE_LIMITED
    if status >= 500:
        return Result.SERVER_ERROR
    return Result.REFUSED if status >= 400 else Result.REDIRECTED
