"""Every check of one rendered overlay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from k8s.check.arrows import check_callers, check_policies
from k8s.check.hardening import check_grace, check_hardening
from k8s.check.quantities import check_resources
from k8s.check.references import check_references, check_settings
from k8s.check.render import Manifest
from k8s.check.schema import check_schemas
from k8s.check.wiring import (
    check_budgets,
    check_ports,
    check_probes,
    check_scaling,
    check_selectors,
)
from k8s.secrets import made_beside

_FITTING: Final[tuple[Callable[[Sequence[Manifest]], list[str]], ...]] = (
    check_selectors, check_ports, check_probes, check_scaling, check_budgets, check_resources,
    check_hardening, check_grace, check_settings, check_policies, check_callers,
)  # fmt: skip


def check_overlay(manifests: Sequence[Manifest], versions: Sequence[str]) -> list[str]:
    """Every fault, a sentence each; where schemas fail theirs alone: the rest builds on them."""
    return check_schemas(manifests, versions) or check_fit(manifests)


def check_fit(manifests: Sequence[Manifest]) -> list[str]:
    """What no schema says."""
    faults = [fault for check in _FITTING for fault in check(manifests)]
    return faults + check_references(manifests, made_beside())
