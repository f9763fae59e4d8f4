"""The ledger as plain Python: what the store's scripts must agree with, step by step."""

from __future__ import annotations

from dataclasses import dataclass, field

OPEN, ESTIMATED, EXACT = 1, 2, 3


@dataclass
class ModelPack:
    """A purchase; ``is_past`` where its time is over."""

    pack_id: str
    granted: int
    is_past: bool
    spent: int = 0
    expired: int = 0

    @property
    def left(self) -> int:
        return self.granted - self.spent - self.expired


@dataclass
class ModelRequest:
    """A request's place in the lattice, and what it holds or has cost."""

    state: int
    held: int = 0
    cost: int = 0
    spent: int = 0
    short: int = 0
    parts: dict[str, int] = field(default_factory=dict)


@dataclass
class ModelWallet:
    """One account. The pack that ends first is spent first: past ones, then by their ids."""

    packs: dict[str, ModelPack] = field(default_factory=dict)
    requests: dict[str, ModelRequest] = field(default_factory=dict)
    short: int = 0

    @property
    def granted(self) -> int:
        return sum(pack.granted for pack in self.packs.values())

    @property
    def spent(self) -> int:
        return sum(pack.spent for pack in self.packs.values())

    @property
    def expired(self) -> int:
        return sum(pack.expired for pack in self.packs.values())

    @property
    def held(self) -> int:
        return sum(one.held for one in self.requests.values() if one.state == OPEN)

    @property
    def cost(self) -> int:
        return sum(one.cost for one in self.requests.values() if one.state != OPEN)

    @property
    def remaining(self) -> int:
        return self.granted - self.spent - self.expired - self.held

    def grant(self, pack_id: str, amount: int, *, is_past: bool) -> None:
        self.packs[pack_id] = ModelPack(pack_id, amount, is_past)

    def hold(self, request_id: str, whole: int, least: int) -> tuple[int, int]:
        """State and what is held, as the store answers."""
        request = self.requests.get(request_id)
        if request is not None:
            self._touch(request_id)
            return request.state, request.held if request.state == OPEN else 0
        self.sweep()
        amount = whole
        if amount > self.remaining and least > 0:
            amount = min(amount, least)
        if amount > self.remaining:
            return 0, 0
        self.requests[request_id] = ModelRequest(OPEN, held=amount)
        return OPEN, amount

    def progress(self, request_id: str, cost: int, wanted: int) -> tuple[int, int]:
        request = self.requests.get(request_id)
        if request is None:
            return 0, 0
        if request.state != OPEN:
            return request.state, 0
        self._touch(request_id)
        request.cost = max(request.cost, cost)
        wanted = max(cost, wanted)
        if wanted <= request.held:
            return OPEN, request.held
        self.sweep()
        more = min(wanted - request.held, self.remaining)
        state = -1 if more < wanted - request.held else OPEN
        request.held += more
        return state, request.held

    def conclude(self, request_id: str, state: int, cost: int) -> bool:
        """Whether it was new."""
        before = self.requests.get(request_id)
        if before is not None and before.state >= state:
            return False
        if before is not None and before.state == OPEN and state == ESTIMATED:
            cost = max(cost, before.cost)
        after = ModelRequest(state, cost=cost)
        self.requests[request_id] = after
        if before is not None:
            for pack_id, part in before.parts.items():
                self.packs[pack_id].spent -= part
            self.short -= before.short
        self._pay(after, min(cost, self.remaining))
        after.short = cost - after.spent
        self.short += after.short
        self.sweep()
        return before is None or before.state == OPEN

    def reap(self) -> int:
        """Every open hold is overdue; the one that was silent for longest is settled first."""
        due = [name for name, one in self.requests.items() if one.state == OPEN]
        for name in due:
            self.conclude(name, ESTIMATED, self.requests[name].cost)
        return len(due)

    def sweep(self) -> None:
        for pack in self._in_order():
            if pack.is_past:
                pack.expired += min(pack.left, self.remaining)

    def _touch(self, request_id: str) -> None:
        """A hold that was heard of goes to the end of the line."""
        self.requests[request_id] = self.requests.pop(request_id)

    def _pay(self, request: ModelRequest, amount: int) -> None:
        for pack in self._in_order():
            part = min(pack.left, amount - request.spent)
            if part > 0:
                pack.spent += part
                request.spent += part
                request.parts[pack.pack_id] = part

    def _in_order(self) -> list[ModelPack]:
        return sorted(self.packs.values(), key=lambda pack: (not pack.is_past, pack.pack_id))
