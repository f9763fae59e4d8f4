"""Alerts and the dashboard ask for metrics that exist, and every alert is tested and explained."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from k8s.dashboard import FILE, ROWS, render_dashboard

ROOT = Path(__file__).resolve().parents[2]
METRICS = ROOT / "k8s" / "components" / "metrics"
# What the client library itself tells of a process.
LIBRARY = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}

Rule = dict[str, Any]


def rules() -> list[Rule]:
    groups = yaml.safe_load((METRICS / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for row in ROWS.values():
        yield from (expr for panel in row for expr, _ in panel.lines)


def exported() -> set[str]:
    """The series of every family that a module of ours defines."""
    found = set(LIBRARY)
    for path in (
        *ROOT.glob("*/*.py"),
        *ROOT.glob("services/*/*.py"),
        *ROOT.glob("services/*/*/*.py"),
    ):
        if "prometheus_client" not in path.read_text(encoding="utf-8") or "tests" in path.parts:
            continue
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for value in vars(module).values():
            if isinstance(value, MetricWrapperBase):
                for suffix in _SUFFIXES.get(value._type, ("",)):
                    found.add(value._name + suffix)
    return found


@pytest.mark.parametrize("expr", list(expressions()))
def test_an_expression_parses_and_asks_for_what_is_exported(expr: str) -> None:
    plain = expr.replace("$__rate_interval", "5m")

    promql_parser.parse(plain)
    asked = set(re.findall(r"\b((?:gatebeyz|process)_[a-z0-9_]+)\b", plain))

    assert asked
    assert asked <= exported()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_an_alert_has_a_test_and_a_runbook(rule: Rule) -> None:
    manual = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    tests = yaml.safe_load((METRICS / "alerts_test.yaml").read_text(encoding="utf-8"))["tests"]
    tried = [
        case["exp_alerts"]
        for test in tests
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    ]

    assert f"\n### {rule['alert']}\n" in manual
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
    assert any(tried), "it is never seen to fire"
    assert not all(tried), "it is never seen to clear"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("what", [("check", "alerts.yaml"), ("test", "alerts_test.yaml")])
def test_promtool_agrees(what: tuple[str, str]) -> None:
    verb, name = what

    done = subprocess.run(
        ["promtool", verb, "rules", name], cwd=METRICS, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_what_its_panels_say() -> None:
    assert FILE.read_text(encoding="utf-8") == render_dashboard()
