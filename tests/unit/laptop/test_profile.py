"""The plan of a laptop installation."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from laptop.child import Command
from laptop.profile import PlanError, Profile, make_profile
from laptop.secret_file import MINTS
from tests.ports import free_port_pair


def plan(folder: Path, **environ: str) -> Profile:
    port = environ.pop("GATEBEYZ_PORT", str(free_port_pair()))
    return make_profile({"PATH": "/bin", "GATEBEYZ_PORT": port, **environ}, folder, "unix:///s")


def commands(profile: Profile) -> dict[str, Command]:
    everything = [*profile.services, profile.edge, *([profile.demo] if profile.demo else [])]
    return {command.name: command for command in everything}


def test_every_process_is_planned(tmp_path: Path) -> None:
    planned = commands(plan(tmp_path))

    assert set(planned) == {"demo", "auth", "counter", "relay", "translator", "edge"}
    assert {command.environ["REDIS_URL"] for command in planned.values()} == {"unix:///s"}


def test_targets_are_where_services_listen(tmp_path: Path) -> None:
    profile = plan(tmp_path, GATEBEYZ_AUTH_LISTEN="127.0.0.1:7999")

    edge = profile.edge.environ
    assert edge["GATEBEYZ_AUTH_TARGET"] == "127.0.0.1:7999"
    for name in ("AUTH", "COUNTER", "RELAY", "TRANSLATOR"):
        assert edge[f"GATEBEYZ_{name}_TARGET"] == edge[f"GATEBEYZ_{name}_LISTEN"]
    assert len(set(profile.targets.values())) == 4


def test_a_process_gets_the_secrets_it_needs_and_no_others(tmp_path: Path) -> None:
    planned = commands(plan(tmp_path, ANTHROPIC_API_KEY="sk-ant-real", OTHER="x"))

    given = {
        name: {secret for secret in MINTS if f"{secret}_FILE" in command.environ}
        for name, command in planned.items()
    }
    assert given["counter"] == {"GATEBEYZ_PEPPER", "GATEBEYZ_SERVICE_TOKEN"}
    assert [name for name in given if "GATEBEYZ_OPERATOR_TOKEN" in given[name]] == ["auth"]
    holders = [name for name in planned if "ANTHROPIC_API_KEY" in planned[name].environ]
    assert holders == ["relay"]


def test_an_operators_own_secret_is_passed_on(tmp_path: Path) -> None:
    planned = commands(plan(tmp_path, GATEBEYZ_PEPPER="a-pepper-of-the-operators-own"))

    assert planned["auth"].environ["GATEBEYZ_PEPPER"] == "a-pepper-of-the-operators-own"
    assert "GATEBEYZ_PEPPER_FILE" not in planned["auth"].environ
    assert "GATEBEYZ_PEPPER" not in planned["demo"].environ


def test_the_products_are_told_apart_by_port(tmp_path: Path) -> None:
    port = free_port_pair()
    profile = plan(tmp_path, GATEBEYZ_PORT=str(port))

    assert profile.url == f"http://127.0.0.1:{port}"
    assert profile.credits_url == f"http://127.0.0.1:{port + 1}"
    assert profile.edge.environ["GATEBEYZ_CREDITS_LISTEN"] == f"127.0.0.1:{port + 1}"


@pytest.mark.parametrize("port", ["0", "65535", "x", "-1", "99999999"])
def test_a_port_is_a_port(tmp_path: Path, port: str) -> None:
    with pytest.raises(PlanError, match="GATEBEYZ_PORT"):
        plan(tmp_path, GATEBEYZ_PORT=port)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PlanError, match=f"port {port} is taken"):
            plan(tmp_path, GATEBEYZ_PORT=str(port))


def test_every_fault_of_a_catalog_is_told(tmp_path: Path) -> None:
    (tmp_path / "gatebeyz.yaml").write_text("upstreams: 3\nmodels: 4\nextra: 5\n")

    with pytest.raises(PlanError) as caught:
        plan(tmp_path)

    assert all(f"line {line}:" in str(caught.value) for line in (1, 2, 3))


def test_the_data_directory_is_private(tmp_path: Path) -> None:
    profile = plan(tmp_path)

    assert profile.data_dir == tmp_path / ".gatebeyz"
    assert (profile.data_dir / "secrets").stat().st_mode & 0o777 == 0o700
