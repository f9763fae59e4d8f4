"""Whether the network lets through what the code calls, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from k8s.check.processes import CONFIGS, arrows
from k8s.check.render import Manifest, name_of, of_kind, pod_of, workloads

_NAME: Final = "app.kubernetes.io/name"
_PART: Final = "app.kubernetes.io/part-of"

_CALLERS: Final = {"gatebeyz.io/caller": "true"}

Flow = tuple[str, str, int]
"""Who, whom, on which port."""


def check_policies(manifests: Sequence[Manifest]) -> list[str]:
    """Both ends of every arrow are let through, no other pair is, and the rest is denied."""
    policies = of_kind(manifests, "NetworkPolicy")
    faults = [*_denial_faults(policies), *_stranger_faults(manifests, policies)]
    leaving = set(_flows(policies, "egress", "to"))
    arriving = {
        (caller, callee, port) for callee, caller, port in _flows(policies, "ingress", "from")
    }
    wanted = {(a, b, port) for a, b in _calls(manifests) for port in _ports(manifests, b)}
    for side, found in (("leave", leaving), ("arrive", arriving)):
        for a, b, port in sorted(wanted - found):
            faults.append(f"a call from {a} to {b}:{port} may not {side}")
        for a, b, port in sorted(found - wanted):
            faults.append(f"a call from {a} to {b}:{port} may {side}, and nobody makes it")
    return faults


def check_callers(manifests: Sequence[Manifest]) -> list[str]:
    """Where certificates name the callers of a process, every arrow to it is among them."""
    faults = []
    for deployment in of_kind(manifests, "Deployment"):
        callee = deployment["metadata"]["name"]
        (container,) = pod_of(deployment)["containers"]
        for entry in container.get("env", ()):
            if entry["name"] == "GATEBEYZ_CALLERS":
                admitted = set(entry["value"].split(","))
                missing = {a for a, b in arrows() if b == callee} - admitted
                faults += [f"{name_of(deployment)} does not admit {a}" for a in sorted(missing)]
    return faults


def _calls(manifests: Sequence[Manifest]) -> set[tuple[str, str]]:
    """The code's arrows, and those of a store that runs beside it."""
    calls = arrows()
    names = {workload["metadata"]["name"] for workload in workloads(manifests)}
    if "redis" in names:
        calls.add(("auth", "redis"))
    if "sentinel" in names:
        pairs = (("auth", "sentinel"), ("sentinel", "redis"), ("redis", "sentinel"))
        calls |= {*pairs, ("redis", "redis"), ("sentinel", "sentinel")}
    return calls


def _ports(manifests: Sequence[Manifest], name: str) -> list[int]:
    """The ports a callee is called on; metrics and health are not called by us."""
    return [
        port["containerPort"]
        for workload in workloads(manifests)
        if workload["metadata"]["name"] == name
        for container in pod_of(workload)["containers"]
        for port in container.get("ports", ())
        if port["name"] not in ("metrics", "health")
    ]


def _flows(policies: Sequence[Manifest], side: str, peer: str) -> Iterator[Flow]:
    """The pairs of named pods that policies speak of."""
    for policy in policies:
        name = policy["spec"]["podSelector"].get("matchLabels", {}).get(_NAME)
        for rule in policy["spec"].get(side, ()):
            for other in rule.get(peer, ()):
                named = other.get("podSelector", {}).get("matchLabels", {}).get(_NAME)
                if name and named:
                    for port in rule.get("ports", ()):
                        yield (name, named, port["port"])


def _is_stranger(peer: dict[str, Any]) -> bool:
    """Whether a peer is no pod of ours, and no namespace that was made a caller."""
    is_caller = peer.get("namespaceSelector", {}).get("matchLabels") == _CALLERS
    return "podSelector" not in peer and not is_caller


def _denial_faults(policies: Sequence[Manifest]) -> Iterator[str]:
    denies = [
        policy
        for policy in policies
        if policy["spec"]["podSelector"] == {}
        and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        and not policy["spec"].get("ingress")
        and not policy["spec"].get("egress")
    ]
    if not denies:
        yield "no policy denies what no other one names"


def _stranger_faults(manifests: Sequence[Manifest], policies: Sequence[Manifest]) -> Iterator[str]:
    """Only the edge is called from outside, only the relay (and a foreign store) leaves."""
    names = {workload["metadata"]["name"] for workload in workloads(manifests)}
    for policy in policies:
        spec: dict[str, Any] = policy["spec"]
        labels = spec["podSelector"].get("matchLabels", {})
        chosen = labels.get(_NAME)
        if chosen is not None and chosen not in names:
            yield f"{name_of(policy)} is about {chosen}, which is not there"
        for rule in spec.get("ingress", ()):
            is_open = not rule.get("from") or any(map(_is_stranger, rule["from"]))
            is_scrape = {port["port"] for port in rule.get("ports", ())} == {9464}
            if is_open and not is_scrape and chosen != "edge":
                yield f"{name_of(policy)} lets strangers in"
            if not rule.get("ports"):
                yield f"{name_of(policy)} opens every port"
        for rule in spec.get("egress", ()):
            if not rule.get("to"):
                yield f"{name_of(policy)} lets calls go anywhere"
            if any("ipBlock" in to for to in rule.get("to", ())) and chosen not in (
                "relay",
                "auth",
            ):
                yield f"{name_of(policy)} lets calls out of the cluster"
    assert set(CONFIGS) <= names | {"edge"}, "an overlay without its processes"
