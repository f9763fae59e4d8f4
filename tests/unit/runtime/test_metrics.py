"""Metrics by the conventions of Prometheus, and nothing in them that grows with customers."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from runtime.metrics import observe_rpc

MODULES = (
    "runtime.metrics", "edge.metrics", "services.auth.metrics", "services.counter.metrics",
    "services.relay.metrics", "services.auth.ledger.audit", "services.auth.ledger.reaper",
)  # fmt: skip
# What a label may say: each has a set of values that the operator or the code bounds.
LABELS = {
    "name",
    "surface",
    "status",
    "reason",
    "method",
    "peer",
    "result",
    "model",
    "upstream",
    "end",
    "kind",
}
# https://prometheus.io/docs/practices/naming: base units, and no unit that is not one.
NOT_BASE_UNITS = re.compile(r"_(ms|milliseconds|minutes|hours|kb|mb|kilobytes|megabytes|percent)\b")


def families() -> Iterator[MetricWrapperBase]:
    for name in MODULES:
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, MetricWrapperBase):
                yield value


@pytest.mark.parametrize("family", list(families()), ids=lambda family: str(family._name))
def test_a_family_keeps_the_conventions(family: MetricWrapperBase) -> None:
    name = family._name  # without the _total that a counter gets

    assert re.fullmatch(r"gatebeyz(_[a-z0-9]+)+", name)
    assert not NOT_BASE_UNITS.search(name)
    assert name.endswith("_seconds") or family._type != "histogram"
    assert not name.endswith(("_total", "_count", "_sum", "_bucket", "_info"))
    assert family._documentation


def test_labels_are_from_a_closed_list() -> None:
    used = {label for family in families() for label in family._labelnames}

    assert used <= LABELS


def test_an_rpc_is_counted_by_its_result_and_timed() -> None:
    labels = {"method": "/test/Counted", "result": "OVERLOADED"}

    observe_rpc("/test/Counted", "OVERLOADED", 0.2)

    timed = {"method": "/test/Counted", "le": "0.25"}
    assert REGISTRY.get_sample_value("gatebeyz_rpc_handled_total", labels) == 1
    assert REGISTRY.get_sample_value("gatebeyz_rpc_duration_seconds_bucket", timed) == 1
