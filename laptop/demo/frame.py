"""Server-sent event frames."""

from __future__ import annotations

import json
from collections.abc import Mapping

from laptop.demo.prompt import Json


def render_json(value: Json) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def named_frame(value: Mapping[str, Json]) -> bytes:
    """A frame whose event name is the value's ``type``."""
    return b"event: %b\ndata: %b\n\n" % (str(value["type"]).encode(), render_json(value))


def data_frame(value: Mapping[str, Json]) -> bytes:
    """A frame with data only."""
    return b"data: %b\n\n" % render_json(value)
