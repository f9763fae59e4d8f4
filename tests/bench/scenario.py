"""What is measured, and what is hoped for: the table of every run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.bench.load import Shape
from tests.bench.shape import count, native, translated
from tests.bench.wish import Wish


class Side(StrEnum):
    """Something a scenario is run on."""

    DIRECT = "direct"  # the provider alone: what measuring itself costs
    FLOOR = "floor"
    CEILING = "ceiling"
    GATEWAY = "gateway"
    PREPAID = "prepaid"
    BARE = "bare"  # edge and relay without authentication, limits and settlement
    COLD = "cold"  # the gateway, a key of its own for every request
    HOP = "hop"  # the floor in two processes with gRPC between them
    COMPOSED = "composed"  # the gateway with edge and relay in one process


class Unit(StrEnum):
    """What a scenario's CPU time is divided by."""

    REQUEST = "request"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure may be at most, and what would be better still; None where none is set."""

    target: float | None = None
    stretch: float | None = None


NO_GOAL: Final = Goal()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load on several sides in turn. The ratio is of ``measured`` to ``base``.

    ``base_shape`` is what the base gets where it cannot do the same (the floor does not
    translate). ``seconds`` is for one turn; ``limit`` bounds its requests.
    """

    name: str
    title: str
    shape: Shape
    at_once: int
    unit: Unit
    goal: Goal = NO_GOAL
    base: Side | None = Side.FLOOR
    measured: Side = Side.GATEWAY
    base_shape: Shape | None = None
    seconds: float = 2.0
    limit: int = 0

    @property
    def sides(self) -> tuple[Side, ...]:
        """Every side it runs on, the ones compared next to each other."""
        compared = (self.measured,) if self.base is None else (self.base, self.measured)
        if self.base is not Side.FLOOR:
            return compared
        return (Side.DIRECT, Side.CEILING, *compared)

    @property
    def is_limited(self) -> bool:
        """Whether its goal is told beside what a hop alone costs, and what none would."""
        is_native = self.base is Side.FLOOR and self.base_shape is None
        return is_native and self.goal.target is not None

    def shape_for(self, side: Side) -> Shape:
        """What that side is asked."""
        is_measured = side is self.measured or self.base_shape is None
        return self.shape if is_measured else self.base_shape or self.shape


_SMALL: Final = Wish()
_BURST: Final = Wish(events=200)
_PACED: Final = Wish(events=200, pause_us=5_000)
_SLOW: Final = Wish(events=60, pause_us=50_000)
_REQUEST: Final = native(_SMALL)
_STREAM: Final = native(_PACED, is_stream=True)
_CHAT: Final = "openai_chat"
_RESPONSES: Final = "openai_responses"

SCENARIOS: Final = (
    Scenario("small-1", "small JSON, 1 at once", _REQUEST, 1, Unit.REQUEST),
    Scenario("small-16", "small JSON, 16 at once", _REQUEST, 16, Unit.REQUEST, Goal(4, 3)),
    Scenario("small-64", "small JSON, 64 at once", _REQUEST, 64, Unit.REQUEST),
    Scenario(
        "body-200k", "200 KB body, 8 at once", native(_SMALL, body_bytes=200_000),
        8, Unit.REQUEST, Goal(3, 2),
    ),
    Scenario(
        "first-byte", "stream of 4 events, 1 at once", native(Wish(events=4), is_stream=True),
        1, Unit.REQUEST,
    ),
    Scenario("burst-1", "burst of 200, 1 at once", native(_BURST, is_stream=True), 1, Unit.EVENT),
    Scenario(
        "burst-16", "burst of 200, 16 at once", native(_BURST, is_stream=True),
        16, Unit.EVENT, Goal(1.8, 1.3),
    ),
    Scenario("paced-4", "paced 5 ms, 4 at once", _STREAM, 4, Unit.EVENT, Goal(1.7, 1.3), seconds=3),
    Scenario("paced-64", "paced 5 ms, 64 at once", _STREAM, 64, Unit.EVENT, Goal(2, 1.5)),
    Scenario(
        "slow-50", "50 slow streams (20/s)", native(_SLOW, is_stream=True),
        50, Unit.EVENT, Goal(1.6, 1.3),
    ),
    Scenario("slow-500", "500 slow streams (20/s)", native(_SLOW, is_stream=True), 500, Unit.EVENT),
    Scenario(
        "chat-small", "Chat → Messages, small, 16 at once", translated(_CHAT, _SMALL),
        16, Unit.REQUEST, Goal(7, 5), base_shape=_REQUEST,
    ),
    Scenario(
        "responses-small", "Responses → Messages, small, 16 at once",
        translated(_RESPONSES, _SMALL), 16, Unit.REQUEST, base_shape=_REQUEST,
    ),
    Scenario(
        "chat-paced", "Chat → Messages, paced 5 ms, 4 at once",
        translated(_CHAT, _PACED, is_stream=True), 4, Unit.EVENT, base_shape=_STREAM, seconds=3,
    ),
    Scenario(
        "responses-paced", "Responses → Messages, paced 5 ms, 4 at once",
        translated(_RESPONSES, _PACED, is_stream=True),
        4, Unit.EVENT, base_shape=_STREAM, seconds=3,
    ),
    Scenario(
        "count-1k", "count_tokens 1 KB, 16 at once", count(1_000), 16, Unit.REQUEST, base=None
    ),
    Scenario(
        "count-100k", "count_tokens 100 KB, 4 at once", count(100_000), 4, Unit.REQUEST, base=None
    ),
    Scenario(
        "admission", "key, limits and settlement, 16 at once, to none", _REQUEST,
        16, Unit.REQUEST, Goal(1.15, 1.08), base=Side.BARE,
    ),
    Scenario(
        "prepaid", "prepaid key, 16 at once, to a plan's", _REQUEST,
        16, Unit.REQUEST, Goal(1.35, 1.2), base=Side.GATEWAY, measured=Side.PREPAID,
    ),
    # Last: leases of many keys go on costing for a while.
    Scenario(
        "cold", "cold key, 4 at once, to a warm one's", _REQUEST,
        4, Unit.REQUEST, base=Side.GATEWAY, measured=Side.COLD, limit=60,
    ),
)  # fmt: skip
"""In the order they run."""
