"""Counts of blocks met before, for text that takes long to count.

A conversation is counted anew with every turn, and all of it but the end is the same. By a
reconstructed vocabulary 100 KB take 12 ms, and 200 ms where their words are new; their digest takes
0.2 ms. The engine's own vocabularies are hardly slower than that and go without: whoever measures
how long a count takes shall learn nothing of what others had counted.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from services.counter.vocabulary import Vocabulary

MIN_CHARS: Final = 512
"""Shorter blocks are counted: they cost no more than the call they came by."""

MAX_BLOCKS: Final = 50_000


class BlockMemory:
    """Tokens by a keyed digest of what was counted: no text is kept, and none can be tried out."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._tokens: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def digest(self, name: str, text: str) -> bytes:
        """The key of ``text`` as the vocabulary ``name`` counts it."""
        digest = hashlib.blake2b(name.encode(), key=self._key, digest_size=16)
        digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.digest()

    def recall(self, digest: bytes) -> int | None:
        return self._tokens.get(digest)

    def remember(self, digest: bytes, tokens: int) -> None:
        """Keep a count; a full memory begins anew."""
        if len(self._tokens) >= MAX_BLOCKS:
            self._tokens.clear()
        self._tokens[digest] = tokens


class RememberingVocabulary:
    """``engine``, named ``name``, that counts a longer text once."""

    def __init__(self, engine: Vocabulary, name: str, memory: BlockMemory) -> None:
        self._engine = engine
        self._name = name
        self._memory = memory

    @property
    def is_estimate(self) -> bool:
        return self._engine.is_estimate

    def count(self, text: str) -> int:
        """Tokens of ``text``, as the engine counts it or once did."""
        if len(text) < MIN_CHARS:
            return self._engine.count(text)
        digest = self._memory.digest(self._name, text)
        tokens = self._memory.recall(digest)
        if tokens is None:
            tokens = self._engine.count(text)
            # One that had to estimate, here or before, would know better next time.
            if not self._engine.is_estimate:
                self._memory.remember(digest, tokens)
        return tokens
