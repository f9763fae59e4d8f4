"""Request ids."""

from __future__ import annotations

import re

from runtime.identity import new_request_id


def test_ids_have_one_shape_and_do_not_repeat() -> None:
    ids = {new_request_id() for _ in range(10_000)}

    assert len(ids) == 10_000
    assert all(re.fullmatch(r"req_[0-9A-Za-z]{24}", name) for name in ids)
