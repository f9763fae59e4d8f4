"""The manifests as they are, and a broken one of each kind: every check can fail."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s.check.overlay import check_fit, check_overlay
from k8s.check.processes import arrows
from k8s.check.quantities import parse_quantity
from k8s.check.render import OVERLAYS, Manifest, kustomize_command, overlay_names, pod_of, render
from k8s.check.schema import check_schemas, versions
from k8s.secrets import PROCESS_SECRETS, mint
from laptop.profile import EDGE_SECRETS, SERVICES
from laptop.secret_file import DEMO_CREDENTIAL

pytestmark = pytest.mark.skipif(
    kustomize_command() is None, reason="neither kubectl nor kustomize is installed"
)
# Every version is checked by make k8s; here the oldest and the newest.
SOME_VERSIONS = (versions()[0], versions()[-1])


@cache
def rendered(overlay: str) -> tuple[Manifest, ...]:
    return tuple(render(OVERLAYS / overlay))


@pytest.mark.parametrize("overlay", overlay_names())
def test_an_overlay_has_no_faults(overlay: str) -> None:
    assert check_overlay(rendered(overlay), SOME_VERSIONS) == []


def test_the_components_that_no_overlay_takes_have_no_faults(tmp_path: Path) -> None:
    """A managed store, internal teams and a sign-in provider, put together as an overlay would."""
    here = Path(os.path.relpath(OVERLAYS.parent, tmp_path.resolve()))
    (tmp_path / "catalog.yaml").write_text((OVERLAYS / "dev/catalog.yaml").read_text("utf-8"))
    (tmp_path / "namespace.yaml").write_text((OVERLAYS / "dev/namespace.yaml").read_text("utf-8"))
    parts = ("external-redis", "direct-callers", "oidc", "tls")
    kustomization = {
        "namespace": "gatebeyz-dev",
        "resources": ["namespace.yaml", str(here / "base")],
        "components": [str(here / "policies"), *(str(here / "components" / one) for one in parts)],
        "configMapGenerator": [{"name": "gatebeyz-catalog", "files": ["catalog.yaml"]}],
        "images": [{"name": "gatebeyz", "newTag": "0.1.0"}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))

    assert check_overlay(render(tmp_path), SOME_VERSIONS) == []


def test_the_arrows_are_those_of_the_architecture() -> None:
    assert arrows() == {
        ("edge", "auth"), ("edge", "counter"), ("edge", "relay"), ("edge", "translator"),
        ("relay", "auth"), ("relay", "counter"), ("translator", "auth"), ("translator", "counter"),
        ("translator", "relay"), ("counter", "auth"),
    }  # fmt: skip


def test_each_process_is_minted_the_secrets_it_reads_and_no_others() -> None:
    read = {service.name: set(service.secrets) for service in SERVICES} | {
        "edge": set(EDGE_SECRETS)
    }
    minted = mint(has_sentinels=False)

    for process, names in PROCESS_SECRETS.items():
        own = set(names) - {"REDIS_URL"}
        assert own <= read[process] - {DEMO_CREDENTIAL}
        assert all(len(minted[f"gatebeyz-{process}"][name]) > 16 for name in own)
    values = [minted[f"gatebeyz-{p}"]["GATEBEYZ_SERVICE_TOKEN"] for p in PROCESS_SECRETS]
    assert len(set(values)) == 1
    assert mint(has_sentinels=False) != minted


@pytest.mark.parametrize(
    ("text", "amount"),
    [("250m", 0.25), ("2", 2), (2, 2), ("1Ki", 1024), ("1.5Gi", 1.5 * 2**30), ("3M", 3e6)],
)
def test_a_quantity_is_read_as_kubernetes_reads_it(text: str | int, amount: float) -> None:
    assert float(parse_quantity(text)) == amount


@pytest.mark.parametrize("text", ["1Gx", "", "-1", "1 Gi", "Gi", "1e"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no quantity"):
        parse_quantity(text)


Break = Callable[[dict[str, Manifest]], Any]
"""Breaks one thing in manifests by their kind and name."""


def _set(path: str, value: Any) -> Break:
    """Put a value at "Kind/name:step.step"; None removes it."""
    name, _, steps = path.partition(":")

    def act(objects: dict[str, Manifest]) -> None:
        *way, last = [int(s) if s.isdigit() else s for s in steps.split(".")]
        place: Any = objects[name]
        for step in way:
            place = place[step]
        if value is None:
            del place[last]
        else:
            place[last] = value

    return act


def _container(change: Callable[[dict[str, Any]], Any], name: str = "Deployment/relay") -> Break:
    return lambda objects: change(pod_of(objects[name])["containers"][0])


_TEMPLATE = "Deployment/relay:spec.template.spec"
BROKEN: dict[str, tuple[Break, str]] = {
    "a selector that misses": (
        _set("Deployment/relay:spec.template.metadata.labels", {"app.kubernetes.io/name": "x"}),
        "Deployment/relay does not select its own pods",
    ),
    "a service that selects nobody": (
        _set("Service/relay:spec.selector", {"app.kubernetes.io/name": "relais"}),
        "Service/relay does not select the pods",
    ),
    "a budget that selects nobody": (
        _set("PodDisruptionBudget/relay:spec.selector.matchLabels", {"a": "b"}),
        "PodDisruptionBudget/relay does not select",
    ),
    "a target port that is not open": (
        _set("Service/relay:spec.ports.0.targetPort", 7999),
        "Service/relay targets 7999",
    ),
    "an ingress to a port that is not there": (
        _set("Ingress/api:spec.rules.0.http.paths.0.backend.service.port.name", "web"),
        "Ingress/api sends to edge:web",
    ),
    "an ingress without its certificate": (
        _set("Ingress/api:spec.tls.0.secretName", "lost"),
        "Ingress/api names the Secret lost",
    ),
    "no readiness probe": (
        _container(lambda c: c.pop("readinessProbe")),
        "Deployment/relay has no readinessProbe",
    ),
    "a probe of a closed port": (
        _container(lambda c: c["livenessProbe"]["grpc"].update(port=1)),
        "livenessProbe asks a port that is not open",
    ),
    "an autoscaler without a target": (
        _set("HorizontalPodAutoscaler/counter:spec.scaleTargetRef.name", "conter"),
        "scales conter, which is not there",
    ),
    "an autoscaler against its manifest": (
        _set("Deployment/counter:spec.replicas", 3),
        "sets replicas, which HorizontalPodAutoscaler/counter sets as well",
    ),
    "an autoscaler that cannot measure": (
        _container(lambda c: c["resources"]["requests"].pop("cpu"), "Deployment/counter"),
        "measures cpu, not requested",
    ),
    "an autoscaler upside down": (
        _set("HorizontalPodAutoscaler/counter:spec.minReplicas", 99),
        "minimum above its maximum",
    ),
    "a budget that says both": (
        _set("PodDisruptionBudget/relay:spec.minAvailable", 1),
        "must say either minAvailable or maxUnavailable",
    ),
    "a budget that blocks a node": (
        _set("PodDisruptionBudget/relay:spec.maxUnavailable", 0),
        "lets no node be drained",
    ),
    "a quantity that is none": (
        _container(lambda c: c["resources"]["limits"].update(memory="1Gx")),
        "'1Gx' is no quantity",
    ),
    "more requested than allowed": (
        _container(lambda c: c["resources"]["requests"].update(memory="9Gi")),
        "requests more memory than its limit",
    ),
    "no limit": (
        _container(lambda c: c["resources"]["limits"].pop("memory")),
        "does not say how much memory",
    ),
    "a volume without a bound": (
        lambda o: [
            v["emptyDir"].pop("sizeLimit")
            for v in pod_of(o["Deployment/relay"])["volumes"]
            if "emptyDir" in v
        ],
        "has no bound",
    ),
    "a missing ConfigMap": (
        lambda o: [
            v["configMap"].update(name="lost")
            for v in pod_of(o["Deployment/relay"])["volumes"]
            if "configMap" in v
        ],
        "mounts the ConfigMap lost",
    ),
    "a missing Secret": (
        lambda o: [
            v["secret"].update(secretName="lost")
            for v in pod_of(o["Deployment/relay"])["volumes"]
            if "secret" in v
        ],
        "mounts the Secret lost",
    ),
    "a missing key of a Secret": (
        _container(
            lambda c: c["env"].append(
                {"name": "GATEBEYZ_PEPPER_FILE", "value": "/run/secrets/gatebeyz/PEPER"}
            ),
            "Deployment/edge",
        ),
        "reads GATEBEYZ_PEPPER_FILE from /run/secrets/gatebeyz/PEPER",
    ),
    "a secret in the environment": (
        _container(
            lambda c: c["env"].append(
                {"name": "X", "valueFrom": {"secretKeyRef": {"name": "n", "key": "k"}}}
            )
        ),
        "secrets are files",
    ),
    "a missing account": (
        _set(f"{_TEMPLATE}.serviceAccountName", "root"),
        "runs under an account that is not there",
    ),
    "a setting nobody reads": (
        _container(lambda c: c["env"].append({"name": "GATEBEYZ_TYPO", "value": "1"})),
        "sets GATEBEYZ_TYPO, which nobody reads",
    ),
    "a required setting left out": (
        _container(
            lambda c: c.update(env=[e for e in c["env"] if e["name"] != "GATEBEYZ_CATALOG"])
        ),
        "Deployment/relay lacks GATEBEYZ_CATALOG",
    ),
    "another process in its place": (
        _container(lambda c: c.update(args=["services.relai"])),
        "does not run the process it is named after",
    ),
    "a pod that may be root": (
        _set(f"{_TEMPLATE}.securityContext.runAsNonRoot", False),
        "may run as root",
    ),
    "a pod with a token": (
        _set(f"{_TEMPLATE}.automountServiceAccountToken", True),
        "gets a token of the cluster",
    ),
    "a pod with service links": (
        _set(f"{_TEMPLATE}.enableServiceLinks", None),
        "gets the addresses of services",
    ),
    "a root file system to write to": (
        _container(lambda c: c["securityContext"].update(readOnlyRootFilesystem=False)),
        "may write to its root file system",
    ),
    "capabilities": (
        _container(lambda c: c["securityContext"].pop("capabilities")),
        "keeps capabilities",
    ),
    "an image without a version": (
        _container(lambda c: c.update(image="gatebeyz")),
        "whatever that is today",
    ),
    "a namespace that admits anything": (
        _set("Namespace/gatebeyz:metadata.labels", {"a": "b"}),
        "does not enforce restricted pods",
    ),
    "a grace shorter than the drain": (
        _set(f"{_TEMPLATE}.terminationGracePeriodSeconds", 60),
        "is killed after 60 s of 635 s",
    ),
    "a roll-out too fast for callers": (
        _set("Deployment/relay:spec.minReadySeconds", 0),
        "goes before callers know its successor",
    ),
    "a caller whose certificate is not admitted": (
        _container(
            lambda c: next(e for e in c["env"] if e["name"] == "GATEBEYZ_CALLERS").update(
                value="edge"
            )
        ),
        "Deployment/relay does not admit translator",
    ),
    "an arrow that may not leave": (
        lambda o: o.pop("NetworkPolicy/translator-to-relay"),
        "a call from translator to relay:7404 may not leave",
    ),
    "an arrow that may not arrive": (
        lambda o: o.pop("NetworkPolicy/relay-from-translator"),
        "a call from translator to relay:7404 may not arrive",
    ),
    "an arrow nobody makes": (
        _set(
            "NetworkPolicy/translator-to-relay:spec.podSelector.matchLabels",
            {"app.kubernetes.io/name": "counter"},
        ),
        "a call from counter to relay:7404 may leave, and nobody makes it",
    ),
    "an arrow on another port": (
        _set("NetworkPolicy/edge-to-relay:spec.egress.0.ports.0.port", 7405),
        "a call from edge to relay:7405 may leave, and nobody makes it",
    ),
    "no denial": (lambda o: o.pop("NetworkPolicy/deny-all"), "no policy denies"),
    "strangers at the relay": (
        _set("NetworkPolicy/relay-from-edge:spec.ingress.0.from", [{"namespaceSelector": {}}]),
        "lets strangers in",
    ),
    "every port": (
        _set("NetworkPolicy/relay-from-edge:spec.ingress.0.ports", None),
        "opens every port",
    ),
    "a way out": (
        _set("NetworkPolicy/edge-to-relay:spec.egress.0.to", [{"ipBlock": {"cidr": "0.0.0.0/0"}}]),
        "lets calls out of the cluster",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_manifest_is_caught(what: str) -> None:
    breaking, sentence = BROKEN[what]
    objects = copied()
    breaking(objects)

    faults = check_fit(list(objects.values()))

    assert any(sentence in fault for fault in faults), faults


@pytest.mark.parametrize(("step", "value"), [("resorces", {}), ("minReadySeconds", "two")])
def test_a_field_that_is_unknown_or_of_another_type_is_caught(step: str, value: object) -> None:
    relay = copied()["Deployment/relay"]
    relay["spec"][step] = value

    faults = check_schemas([relay], SOME_VERSIONS)

    assert len(faults) == len(SOME_VERSIONS)
    assert all(step in fault for fault in faults)


def copied() -> dict[str, Manifest]:
    """The production overlay, to be broken."""
    return {
        f"{manifest['kind']}/{manifest['metadata']['name']}": copy.deepcopy(manifest)
        for manifest in rendered("production")
    }
