"""The counted part of a lease, as arithmetic: what a holder may still admit. Pure.

Four kinds of amounts, always in this order: requests, input tokens and output tokens per minute,
and requests at once. A limit of zero means unlimited. A share is spent locally; when it runs short
the holder draws more (draw.py), and only a refused draw refuses a request.

What a request really used is known afterwards, so ``left`` may fall below zero. The next statement
to auth says so, and auth counts it whatever the limit is.

How much is drawn follows demand: a draw soon after another one hopes for twice as much, and what
was not needed for a while goes back, but for a little that lets the next request pass at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

Amounts = tuple[int, int, int, int]

REQUESTS: Final = 0
INPUT: Final = 1
OUTPUT: Final = 2
CONCURRENCY: Final = 3
RATES: Final = (REQUESTS, INPUT, OUTPUT)
KINDS: Final = (*RATES, CONCURRENCY)
NOTHING: Final[Amounts] = (0, 0, 0, 0)
FIELDS: Final = (
    "requests_per_minute",
    "input_tokens_per_minute",
    "output_tokens_per_minute",
    "concurrency",
)
"""The kinds by the names they have in messages, configuration and refusals."""

# For the guess of the input that stands until the outcome tells.
_BYTES_PER_TOKEN: Final = 4

# A draw this soon after the last one of its kind means that too little was drawn.
SOON_S: Final = 2.0
FLOOR_PART: Final = 64
MAX_PART: Final = 4


@dataclass(frozen=True, slots=True)
class Statement:
    """What a holder says to auth: what it needs and hopes for, what it still holds, used beyond
    its shares, and gives back."""

    wanted: Amounts = NOTHING
    hoped: Amounts = NOTHING
    held: Amounts = NOTHING
    overspent: Amounts = NOTHING
    returned: Amounts = NOTHING


@dataclass(slots=True)
class Allowance:
    """``limits``, and what is ``left`` of the shares drawn.

    ``remaining`` is what auth last said is left for all holders together; ``running`` are the
    requests under way, which hold a slot each. Times are of a monotonic clock.
    """

    limits: Amounts = NOTHING
    left: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    remaining: Amounts = NOTHING
    running: int = 0
    spent_at: float = float("-inf")
    _strides: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    _drawn_at: list[float] = field(default_factory=lambda: [float("-inf")] * 4)
    _spent: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    def is_short_of(self, wanted: Amounts) -> bool:
        """Whether something wanted is limited and not at hand."""
        for limit, amount, left in zip(self.limits, wanted, self.left, strict=True):
            if limit and amount > left:
                return True
        return False

    def wanted_for(self, input_tokens: int) -> Amounts:
        """What a request needs to be admitted.

        A request larger than a whole limit waits for all of it, not for ever. Output is not known
        yet: it is enough that none is owed.
        """
        limit = self.limits[INPUT]
        return 1, min(input_tokens, limit) if limit else input_tokens, 1, 1

    def begin(self, wanted: Amounts, now: float) -> None:
        """A request starts: spend its share, but no output yet, and take a slot."""
        for kind in (REQUESTS, INPUT):
            self.left[kind] -= wanted[kind]
            self._spent[kind] += wanted[kind]
        self.left[CONCURRENCY] -= 1
        self.running += 1
        self.spent_at = now

    def end(self) -> None:
        """A request is over: its slot is free."""
        self.left[CONCURRENCY] += 1
        self.running -= 1

    def correct(self, input_tokens: int, output_tokens: int) -> None:
        """Count what a request used beyond (or below zero: less than) what it spent before."""
        self.left[INPUT] -= input_tokens
        self.left[OUTPUT] -= output_tokens
        self._spent[INPUT] += input_tokens
        self._spent[OUTPUT] += output_tokens

    def state_need(self, wanted: Amounts, pending: Amounts, now: float) -> Statement:
        """The draw for a request that is short; ``pending`` sums it up with those that wait too."""
        least, hoped = [0, 0, 0, 0], [0, 0, 0, 0]
        for kind in KINDS:
            limit, left = self.limits[kind], self._at_hand(kind)
            if not limit:
                continue
            least[kind] = max(0, wanted[kind] - left)
            stride = self._stride(kind, now) if least[kind] else self._strides[kind]
            target = max(pending[kind], min(stride, max(1, limit // MAX_PART)))
            hoped[kind] = max(least[kind], target - left)
        return self._statement(_amounts(least), _amounts(hoped))

    def state_rest(self, now: float) -> Statement | None:
        """The statement of a quiet moment: keep what recent demand needs, give the rest back.

        None where auth knows everything already.
        """
        hoped, returned = [0, 0, 0, 0], [0, 0, 0, 0]
        is_news = False
        for kind in KINDS:
            limit = self.limits[kind]
            if not limit:
                continue
            demand = self.running if kind == CONCURRENCY else 2 * self._spent[kind]
            target = min(max(-(-limit // FLOOR_PART), demand), max(1, limit // MAX_PART))
            at_hand = self._at_hand(kind)
            hoped[kind] = max(0, target - at_hand)
            returned[kind] = max(0, at_hand - target)
            self.left[kind] -= returned[kind]
            is_news = is_news or self._spent[kind] > 0 or at_hand != target
        return self._statement(NOTHING, _amounts(hoped), _amounts(returned)) if is_news else None

    def apply(
        self, statement: Statement, drawn: Amounts, kept: Amounts, remaining: Amounts
    ) -> None:
        """Take in what auth answered to a statement; what was spent meanwhile stays spent."""
        for kind in KINDS:
            lapsed = statement.held[kind] - kept[kind]
            self.left[kind] += drawn[kind] + statement.overspent[kind] - lapsed
        self.remaining = remaining

    def refuse(self, statement: Statement) -> None:
        """Auth refused the draw, and counted what was spent."""
        for kind in RATES:
            self.left[kind] += statement.overspent[kind]

    def regrant(self, granted: Allowance) -> None:
        """Go on with the shares of another lease; what runs takes its slots along."""
        self.limits, self.remaining = granted.limits, granted.remaining
        self.left = list(granted.left)
        self.left[CONCURRENCY] -= self.running

    def limit_to(self, limits: Amounts) -> None:
        """The plan changed: nobody may hold more than a limit allows."""
        for kind in RATES:
            if limits[kind]:
                self.left[kind] = min(self.left[kind], limits[kind])
        self.limits = limits

    def available(self, kind: int) -> int:
        """What is left for this account as far as this holder knows."""
        return min(self.limits[kind], self.remaining[kind] + self._at_hand(kind))

    def _at_hand(self, kind: int) -> int:
        """Shares held; for slots, free ones, which may be owed after a lease was granted anew."""
        return self.left[kind] if kind == CONCURRENCY else max(0, self.left[kind])

    def _stride(self, kind: int, now: float) -> int:
        """How much to hope for, twice as much where the last draw was just now."""
        is_soon = now - self._drawn_at[kind] < SOON_S
        least = max(1, self.limits[kind] // FLOOR_PART)
        self._strides[kind] = max(least, self._strides[kind] * 2 if is_soon else least)
        self._drawn_at[kind] = now
        return self._strides[kind]

    def _statement(self, least: Amounts, hoped: Amounts, returned: Amounts = NOTHING) -> Statement:
        self._spent = [0, 0, 0, 0]
        limited = [self.left[kind] if self.limits[kind] else 0 for kind in RATES]
        slots = max(0, self.left[CONCURRENCY] + self.running) if self.limits[CONCURRENCY] else 0
        return Statement(
            wanted=least,
            hoped=hoped,
            held=_amounts([*(max(0, left) for left in limited), slots]),
            overspent=_amounts([*(max(0, -left) for left in limited), 0]),
            returned=returned,
        )


def guess_input(body: bytes) -> int:
    """The input tokens of a request, by its bytes."""
    return len(body) // _BYTES_PER_TOKEN


def sum_of(first: Amounts, second: Amounts) -> Amounts:
    """Kind by kind."""
    return _amounts([a + b for a, b in zip(first, second, strict=True)])


def _amounts(values: list[int]) -> Amounts:
    requests, input_tokens, output_tokens, concurrency = values
    return requests, input_tokens, output_tokens, concurrency
