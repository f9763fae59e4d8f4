"""What a request asks of the provider: a few numbers in the text of its last user turn.

``bench:n=200,d=5000,s=40,i=0,r=200;`` asks for 200 events, one each 5,000 µs, of 40 bytes; i is the
wait before the first byte in µs, r the bytes of an answer that is not streamed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_FORM: Final = re.compile(rb"bench:n=(\d+),d=(\d+),s=(\d+),i=(\d+),r=(\d+);")


@dataclass(frozen=True, slots=True)
class Wish:
    """One answer; ``pause_us`` of zero is a burst: as fast as the socket takes it."""

    events: int = 1
    pause_us: int = 0
    event_bytes: int = 40
    wait_us: int = 0
    text_bytes: int = 200

    def text(self) -> str:
        """The wish as a request says it."""
        return (
            f"bench:n={self.events},d={self.pause_us},s={self.event_bytes},"
            f"i={self.wait_us},r={self.text_bytes};"
        )


def read_wish(body: bytes) -> Wish:
    """The wish of a request; the shortest answer where it has none."""
    found = _FORM.search(body)
    return Wish(*map(int, found.groups())) if found else Wish()
