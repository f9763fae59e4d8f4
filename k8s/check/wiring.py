"""Whether objects find each other: selectors and labels, ports, probes, autoscalers, budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from k8s.check.render import Manifest, name_of, of_kind, pod_labels, pod_of, selects, workloads

_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def check_selectors(manifests: Sequence[Manifest]) -> list[str]:
    """A workload selects its own pods and nobody else's; a Service and a budget select some."""
    faults = []
    for workload in workloads(manifests):
        selector = workload["spec"]["selector"]["matchLabels"]
        if not selects(selector, pod_labels(workload)):
            faults.append(f"{name_of(workload)} does not select its own pods")
        strangers = [
            other
            for other in workloads(manifests)
            if other is not workload and selects(selector, pod_labels(other))
        ]
        faults += [f"{name_of(workload)} selects the pods of {name_of(o)}" for o in strangers]
    for service in of_kind(manifests, "Service"):
        if len(_selected(manifests, service["spec"].get("selector", {}))) != 1:
            faults.append(f"{name_of(service)} does not select the pods of one workload")
    for budget in of_kind(manifests, "PodDisruptionBudget"):
        selector = budget["spec"].get("selector", {}).get("matchLabels", {})
        if len(_selected(manifests, selector)) != 1:
            faults.append(f"{name_of(budget)} does not select the pods of one workload")
    return faults


def check_ports(manifests: Sequence[Manifest]) -> list[str]:
    """A Service's ports are open in the pods; an Ingress's ports are the Service's."""
    faults = []
    for service in of_kind(manifests, "Service"):
        for workload in _selected(manifests, service["spec"].get("selector", {})):
            open_ports = _open_ports(pod_of(workload))
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if target not in open_ports:
                    faults.append(f"{name_of(service)} targets {target}, which no pod opens")
    services = {s["metadata"]["name"]: s for s in of_kind(manifests, "Service")}
    for ingress in of_kind(manifests, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                called = services.get(backend["name"])
                ports = called["spec"]["ports"] if called else []
                known = {p["name"] for p in ports} | {p["port"] for p in ports}
                asked = backend["port"].get("name", backend["port"].get("number"))
                if asked not in known:
                    faults.append(f"{name_of(ingress)} sends to {backend['name']}:{asked}")
    return faults


def check_probes(manifests: Sequence[Manifest]) -> list[str]:
    """Every container is probed in three ways, on ports that it opens."""
    faults = []
    for workload in workloads(manifests):
        for container in pod_of(workload)["containers"]:
            open_ports = _open_ports(pod_of(workload))
            for probe in _PROBES:
                how = container.get(probe)
                if how is None:
                    faults.append(f"{name_of(workload)} has no {probe}")
                    continue
                handler = how.get("grpc") or how.get("httpGet") or how.get("tcpSocket") or {}
                if handler.get("port") not in open_ports:
                    faults.append(f"{name_of(workload)}: {probe} asks a port that is not open")
    return faults


def check_scaling(manifests: Sequence[Manifest]) -> list[str]:
    """An autoscaler's target is there, can be measured, and is not scaled by its manifest too."""
    faults = []
    known = {(w["kind"], w["metadata"]["name"]): w for w in workloads(manifests)}
    for scaler in of_kind(manifests, "HorizontalPodAutoscaler"):
        spec, name = scaler["spec"], name_of(scaler)
        target = known.get((spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]))
        if target is None:
            faults.append(f"{name} scales {spec['scaleTargetRef']['name']}, which is not there")
            continue
        if "replicas" in target["spec"]:
            faults.append(f"{name_of(target)} sets replicas, which {name} sets as well")
        if spec.get("minReplicas", 1) > spec["maxReplicas"]:
            faults.append(f"{name} has a minimum above its maximum")
        for metric in spec.get("metrics", ()):
            if metric["type"] == "Resource" and not _requests(target, metric["resource"]["name"]):
                faults.append(f"{name} measures {metric['resource']['name']}, not requested")
    return faults


def check_budgets(manifests: Sequence[Manifest]) -> list[str]:
    """A budget says one thing, and leaves room for a node to be drained."""
    faults = []
    for budget in of_kind(manifests, "PodDisruptionBudget"):
        spec = budget["spec"]
        said = [key for key in ("minAvailable", "maxUnavailable") if key in spec]
        if len(said) != 1:
            faults.append(f"{name_of(budget)} must say either minAvailable or maxUnavailable")
        elif spec.get("maxUnavailable") in (0, "0", "0%") or spec.get("minAvailable") == "100%":
            faults.append(f"{name_of(budget)} lets no node be drained")
    return faults


def _selected(manifests: Sequence[Manifest], selector: dict[str, str]) -> list[Manifest]:
    return [w for w in workloads(manifests) if selects(selector, pod_labels(w))]


def _open_ports(pod: dict[str, Any]) -> set[str | int]:
    return set(_ports(pod))


def _ports(pod: dict[str, Any]) -> Iterator[str | int]:
    for container in pod["containers"]:
        for port in container.get("ports", ()):
            yield port["containerPort"]
            yield port["name"]


def _requests(workload: Manifest, resource: str) -> bool:
    return all(
        resource in container.get("resources", {}).get("requests", {})
        for container in pod_of(workload)["containers"]
    )
