"""Sites with sessions stand behind TLS, or on one machine."""

from __future__ import annotations

import pytest

from edge.config import Config, is_safe_site
from runtime.config import ConfigError, load_config

NEEDED = {
    "GATEBEYZ_CATALOG": "gatebeyz.yaml",
    "GATEBEYZ_PEPPER": "pepper-of-these-tests",
    "GATEBEYZ_SERVICE_TOKEN": "token-of-these-tests",
}


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://panel.example", True),
        ("https://panel.example:8443", True),
        ("http://127.0.0.1:8082", True),
        ("http://localhost:8082", True),
        ("http://panel.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("https://panel.example/", False),
        ("https://panel.example/panel", False),
        ("https://user@panel.example", False),
        ("https://[", False),
        ("panel.example", False),
        ("", False),
    ],
)
def test_a_site_is_reached_by_tls_or_from_this_machine(url: str, is_safe: bool) -> None:
    assert is_safe_site(url) is is_safe


def test_an_edge_does_not_start_with_a_panel_in_the_open() -> None:
    open_panels = {
        f"GATEBEYZ_{name}_{part}": value
        for name in ("PANEL", "CREDITS_PANEL", "OPERATOR")
        for part, value in (("LISTEN", "0.0.0.0:1"), ("URL", "http://panel.example"))
    }

    with pytest.raises(ConfigError) as raised:
        load_config(Config, NEEDED | open_panels)
    load_config(Config, NEEDED | {"GATEBEYZ_PANEL_URL": "http://not.served.example"})

    assert len(raised.value.faults) == 3
