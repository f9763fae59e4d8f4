"""The Grafana dashboard, from a list of panels: ``python -m k8s.dashboard`` writes it anew."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).resolve().parent / "components" / "metrics" / "gatebeyz.json"
RATE: Final = "$__rate_interval"
_SOURCE: Final = {"type": "prometheus", "uid": "$source"}
_COLUMNS: Final = 3
_WIDTH: Final = 24 // _COLUMNS
_HEIGHT: Final = 8


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph; ``lines`` are (expression, legend), ``unit`` is Grafana's name of it."""

    title: str
    lines: tuple[tuple[str, str], ...]
    unit: str = "short"


def _rate(metric: str, by: str, where: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{where}}}[{RATE}]))"


def _quantile(share: float, metric: str, by: str) -> str:
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', f'le, {by}')})"


ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "Callers": (
        Panel(
            "Requests by surface",
            ((_rate("gatebeyz_edge_requests_total", "surface"), "{{surface}}"),),
            "reqps",
        ),
        Panel(
            "Requests that did not succeed",
            (
                (
                    _rate("gatebeyz_edge_requests_total", "status, reason", 'status!="200"'),
                    "{{status}} {{reason}}",
                ),
            ),
            "reqps",
        ),
        Panel(
            "Requests in flight",
            (("sum by (surface) (gatebeyz_edge_in_flight)", "{{surface}}"),),
        ),
        Panel(
            "Time to the first byte, p50 and p95",
            (
                (_quantile(0.5, "gatebeyz_edge_first_byte_seconds", "surface"), "{{surface}} p50"),
                (_quantile(0.95, "gatebeyz_edge_first_byte_seconds", "surface"), "{{surface}} p95"),
            ),
            "s",
        ),
        Panel(
            "Time to the end, p50 and p95",
            (
                (
                    _quantile(0.5, "gatebeyz_edge_request_duration_seconds", "surface"),
                    "{{surface}} p50",
                ),
                (
                    _quantile(0.95, "gatebeyz_edge_request_duration_seconds", "surface"),
                    "{{surface}} p95",
                ),
            ),
            "s",
        ),
        Panel(
            "Streams cut by a drain",
            ((f"sum(increase(gatebeyz_edge_drain_cuts_total[{RATE}]))", "cut"),),
        ),
    ),
    "Upstreams": (
        Panel(
            "Attempts by result",
            (
                (
                    _rate("gatebeyz_relay_upstream_attempts_total", "upstream, result"),
                    "{{upstream}} {{result}}",
                ),
            ),
            "reqps",
        ),
        Panel(
            "Answering now",
            (("min by (upstream) (gatebeyz_relay_upstream_healthy)", "{{upstream}}"),),
        ),
        Panel(
            "First byte of an upstream, p95",
            ((_quantile(0.95, "gatebeyz_relay_first_byte_seconds", "upstream"), "{{upstream}}"),),
            "s",
        ),
        Panel(
            "Tokens by model and kind",
            ((_rate("gatebeyz_relay_tokens_total", "model, kind"), "{{model}} {{kind}}"),),
        ),
        Panel(
            "Cost by model, dollars an hour",
            ((f"3600 * {_rate('gatebeyz_auth_cost_dollars_total', 'model')}", "{{model}}"),),
            "currencyUSD",
        ),
        Panel(
            "How generates end",
            ((_rate("gatebeyz_relay_generates_total", "end"), "{{end}}"),),
            "reqps",
        ),
    ),
    "Ledger": (
        Panel(
            "Settlements not acknowledged",
            (("sum by (pod) (gatebeyz_relay_settlements_waiting)", "{{pod}}"),),
        ),
        Panel(
            "Settlement lag",
            (
                ("max by (pod) (gatebeyz_relay_settlement_lag_seconds)", "{{pod}} waits"),
                ("max by (pod) (gatebeyz_auth_settlement_age_seconds)", "{{pod}} recorded"),
            ),
            "s",
        ),
        Panel(
            "Silence: leases and revocations",
            (
                ("max by (pod) (gatebeyz_edge_lease_silence_seconds)", "{{pod}} lease"),
                ("max by (pod) (gatebeyz_relay_revocation_silence_seconds)", "{{pod}} revocations"),
            ),
            "s",
        ),
        Panel(
            "Leases held and followed",
            (
                ("sum(gatebeyz_edge_leases)", "held by edges"),
                ("sum(gatebeyz_auth_leases)", "followed at auth"),
            ),
        ),
        Panel("Store away", (("max by (pod) (gatebeyz_auth_store_away)", "{{pod}}"),)),
        Panel(
            "Holds settled by the reaper",
            ((f"sum(increase(gatebeyz_ledger_holds_reaped_total[{RATE}]))", "reaped"),),
        ),
    ),
    "Processes": (
        Panel(
            "RPCs that failed",
            (
                (
                    _rate("gatebeyz_rpc_handled_total", "method, result", 'result!="OK"'),
                    "{{method}} {{result}}",
                ),
            ),
            "reqps",
        ),
        Panel(
            "RPC time, p95",
            ((_quantile(0.95, "gatebeyz_rpc_duration_seconds", "method"), "{{method}}"),),
            "s",
        ),
        Panel(
            "Counter: items in flight and workers",
            (
                ("sum(gatebeyz_counting_in_flight)", "in flight"),
                ("sum(gatebeyz_counting_workers_ready)", "workers"),
            ),
        ),
        Panel(
            "Ready and draining",
            (
                ("sum by (process) (gatebeyz_ready * on (pod) group_left (process) "
                 "gatebeyz_build_info)", "{{process}} ready"),
                ("sum(gatebeyz_draining)", "draining"),
            ),
        ),
        Panel(
            "CPU by pod",
            ((f"rate(process_cpu_seconds_total[{RATE}])", "{{pod}}"),),
        ),
        Panel("Memory by pod", (("process_resident_memory_bytes", "{{pod}}"),), "bytes"),
    ),
}  # fmt: skip


def build_dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        where = {"x": 0, "y": top, "w": 24, "h": 1}
        panels.append(
            {"type": "row", "id": len(panels) + 1, "title": title, "gridPos": where, "panels": []}
        )
        top += 1
        for place, panel in enumerate(row):
            x, y = place % _COLUMNS * _WIDTH, top + place // _COLUMNS * _HEIGHT
            panels.append(_graph(panel, len(panels) + 1, x, y))
        top += -(-len(row) // _COLUMNS) * _HEIGHT
    variable = {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}
    return {
        "uid": "gatebeyz",
        "title": "GateBeyz",
        "tags": ["gatebeyz"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [variable]},
        "panels": panels,
    }


def _graph(panel: Panel, number: int, x: int, y: int) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "id": number,
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": {"x": x, "y": y, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": expr,
             "legendFormat": legend}
            for place, (expr, legend) in enumerate(panel.lines)
        ],
    }  # fmt: skip


def render_dashboard() -> str:
    """The file's text."""
    return json.dumps(build_dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(render_dashboard(), encoding="utf-8")
