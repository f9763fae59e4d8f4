"""Keys as they are digested."""

from __future__ import annotations

import hmac

import pytest

from admission.credential import digest, mint


@pytest.mark.parametrize("pepper", [b"", b"pepper", b"p" * 64, b"p" * 65, b"p" * 500])
def test_a_digest_is_the_hmac_of_the_key(pepper: bytes) -> None:
    for key in (mint("api"), "", "\udcff"):
        text = key.encode("utf-8", "surrogatepass")
        assert digest(key, pepper) == hmac.digest(pepper, text, "sha256")
