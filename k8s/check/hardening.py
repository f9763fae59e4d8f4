"""What every pod must be, beyond what admission would enforce."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from k8s.check.render import Manifest, name_of, of_kind, pod_of, workloads

# What follows a drain: settlements on their way home, sockets to close.
_AFTER_DRAIN_S: Final = 25


def check_hardening(manifests: Sequence[Manifest]) -> list[str]:
    """Restricted, read-only, without an account's token or links to services."""
    faults = []
    for workload in workloads(manifests):
        pod = pod_of(workload)
        found = [*_pod_faults(pod)]
        for container in pod["containers"]:
            found += _container_faults(container)
        faults += [f"{name_of(workload)} {fault}" for fault in found]
    for namespace in of_kind(manifests, "Namespace"):
        labels = namespace["metadata"].get("labels", {})
        if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            faults.append(f"{name_of(namespace)} does not enforce restricted pods")
    return faults


def _pod_faults(pod: dict[str, Any]) -> Iterator[str]:
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield "may run as root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    if pod.get("enableServiceLinks") is not False:
        yield "gets the addresses of services in its environment"
    if pod.get("automountServiceAccountToken") is not False:
        yield "gets a token of the cluster"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"has {key}"


def _container_faults(container: dict[str, Any]) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "may write to its root file system"
    if context.get("capabilities", {}).get("drop") != ["ALL"]:
        yield "keeps capabilities"
    tag = container["image"].rpartition("/")[2].partition(":")[2]
    if "@sha256:" not in container["image"] and tag in ("", "latest"):
        yield f"runs {container['image']}, whatever that is today"


def check_grace(manifests: Sequence[Manifest]) -> list[str]:
    """A pod is killed only after its pause, its streams' grace and what follows them."""
    faults = []
    settings: dict[str, str] = {}
    for config in of_kind(manifests, "ConfigMap"):
        if config["metadata"]["name"].startswith("gatebeyz-settings"):
            settings = config["data"]
    needed_s = _AFTER_DRAIN_S + sum(
        float(settings.get(name, 0)) for name in ("GATEBEYZ_DRAIN_S", "GATEBEYZ_DRAIN_PAUSE_S")
    )
    for deployment in of_kind(manifests, "Deployment"):
        grace_s = pod_of(deployment).get("terminationGracePeriodSeconds", 30)
        if grace_s < needed_s:
            faults.append(f"{name_of(deployment)} is killed after {grace_s} s of {needed_s:g} s")
        if deployment["spec"].get("minReadySeconds", 0) < 10:
            faults.append(f"{name_of(deployment)} goes before callers know its successor")
    return faults
