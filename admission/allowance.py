"""The counted part of a lease, as arithmetic: what a holder may still admit. Pure.

A limit of zero in the policy means unlimited. A share is spent locally; when it runs short the
holder draws more (lease.py), and only a refused draw refuses a request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

KINDS: Final = (
    "requests_per_minute",
    "input_tokens_per_minute",
    "output_tokens_per_minute",
    "concurrency",
)


@dataclass(slots=True)
class Allowance:
    """``limits`` and ``left`` by kind; a kind absent from ``limits`` is unlimited."""

    limits: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    def add(self, drawn: dict[str, int]) -> None:
        """Put what was drawn, or given back, to what is left."""
        for kind, amount in drawn.items():
            self.left[kind] = self.left.get(kind, 0) + amount

    def missing(self, wanted: dict[str, int]) -> dict[str, int]:
        """What is wanted, limited and not at hand."""
        return {
            kind: amount - self.left.get(kind, 0)
            for kind, amount in wanted.items()
            if self.limits.get(kind) and amount > self.left.get(kind, 0)
        }

    def spend(self, wanted: dict[str, int]) -> None:
        """Take what is wanted; the caller has seen that nothing is missing."""
        for kind, amount in wanted.items():
            if self.limits.get(kind):
                self.left[kind] = self.left.get(kind, 0) - amount
