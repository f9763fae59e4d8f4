"""Amounts of CPU, memory and disk, as Kubernetes reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from k8s.check.render import Manifest, name_of, pod_of, workloads

_FORM: Final = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_FACTORS: Final = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGT", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGT", 1)},
}


def parse_quantity(text: str | int | float) -> Decimal:
    """Cores or bytes; ValueError for what Kubernetes would refuse."""
    found = _FORM.fullmatch(str(text))
    if found is None:
        raise ValueError(f"{text!r} is no quantity")
    return Decimal(found[1]) * _FACTORS[found[2] or ""]


def check_resources(manifests: Sequence[Manifest]) -> list[str]:
    """Every container asks for CPU and memory, and for no more than it may have."""
    faults = []
    for workload in workloads(manifests):
        for container in pod_of(workload)["containers"]:
            where = f"{name_of(workload)}/{container['name']}"
            resources = container.get("resources", {})
            for resource in ("cpu", "memory"):
                pair = [resources.get(key, {}).get(resource) for key in ("requests", "limits")]
                if None in pair:
                    faults.append(f"{where} does not say how much {resource} it gets")
                    continue
                try:
                    asked, allowed = (parse_quantity(amount) for amount in pair)
                except ValueError as error:
                    faults.append(f"{where}: {error}")
                    continue
                if asked > allowed:
                    faults.append(f"{where} requests more {resource} than its limit")
        faults += [f"{name_of(workload)}: {fault}" for fault in _volume_faults(workload)]
    return faults


def _volume_faults(workload: Manifest) -> Iterator[str]:
    sizes: list[Any] = [
        volume["emptyDir"].get("sizeLimit")
        for volume in pod_of(workload).get("volumes", ())
        if "emptyDir" in volume
    ]
    sizes += [
        claim["spec"]["resources"]["requests"]["storage"]
        for claim in workload["spec"].get("volumeClaimTemplates", ())
    ]
    for size in sizes:
        if size is None:
            yield "a volume in memory or on the node has no bound"
            continue
        try:
            parse_quantity(size)
        except ValueError as error:
            yield str(error)
