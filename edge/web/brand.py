"""Who runs this gateway and where it stands, as the pages say it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Brand:
    """URLs have no trailing slash. ``api_url`` and ``credits_url`` are what SDKs are set to."""

    name: str
    contact: str
    api_url: str
    credits_url: str
    panel_url: str
    credits_panel_url: str
