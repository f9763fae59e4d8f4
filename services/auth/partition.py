"""Where an account's changing keys stand: one of 64 hash tags, so that a cluster can spread them.

All keys of one account share a tag, and so a node: a script may change them in one step.
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Final

PARTITIONS: Final = 64
TAGS: Final = tuple(f"{{p{number:02d}}}" for number in range(PARTITIONS))


def partition(account_id: str) -> str:
    """The hash tag of an account's partition."""
    return TAGS[crc_hqx(account_id.encode(), 0) % PARTITIONS]


def usage_key(account_id: str, day: str) -> str:
    """Where the roll-up of an account's day ("YYYYMMDD", UTC) stands; the ledger writes it."""
    return f"{partition(account_id)}:usage:{account_id}:{day}"
