"""Whether what is named exists: ConfigMaps, Secrets and their keys, accounts, settings, files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from k8s.check.processes import CONFIGS, PROCESSES, known_settings, required_settings
from k8s.check.render import Manifest, name_of, of_kind, pod_of, workloads

Keys = Mapping[str, set[str]]
"""The keys of each ConfigMap or Secret by its name."""


def check_references(manifests: Sequence[Manifest], secrets: Keys) -> list[str]:
    """``secrets`` are those an operator makes beside the manifests."""
    maps = {c["metadata"]["name"]: set(c.get("data", {})) for c in of_kind(manifests, "ConfigMap")}
    accounts = {account["metadata"]["name"] for account in of_kind(manifests, "ServiceAccount")}
    faults = []
    for workload in workloads(manifests):
        pod = pod_of(workload)
        found = [*_volume_faults(pod, maps, secrets), *_env_faults(pod, maps, secrets)]
        if pod.get("serviceAccountName") not in accounts:
            found.append("runs under an account that is not there")
        faults += [f"{name_of(workload)} {fault}" for fault in found]
    for ingress in of_kind(manifests, "Ingress"):
        for tls in ingress["spec"].get("tls", ()):
            if tls.get("secretName") not in secrets:
                faults.append(f"{name_of(ingress)} names the Secret {tls.get('secretName')}")
    return faults


def _volume_faults(pod: dict[str, Any], maps: Keys, secrets: Keys) -> Iterator[str]:
    names = {volume["name"] for volume in pod.get("volumes", ())}
    for volume in pod.get("volumes", ()):
        if "configMap" in volume and volume["configMap"]["name"] not in maps:
            yield f"mounts the ConfigMap {volume['configMap']['name']}"
        if "secret" in volume and volume["secret"]["secretName"] not in secrets:
            yield f"mounts the Secret {volume['secret']['secretName']}"
    for container in pod["containers"]:
        for mount in container.get("volumeMounts", ()):
            if mount["name"] not in names and mount["name"] != "data":
                yield f"mounts {mount['name']}, which is no volume"


def _env_faults(pod: dict[str, Any], maps: Keys, secrets: Keys) -> Iterator[str]:
    for container in pod["containers"]:
        for source in container.get("envFrom", ()):
            if source.get("configMapRef", {}).get("name") not in maps:
                yield f"reads {source}"
        for entry in container.get("env", ()):
            name, value = entry["name"], entry.get("value", "")
            if "valueFrom" in entry:
                yield f"has {name} in its environment from elsewhere: secrets are files"
            elif (name.endswith("_FILE") or value.startswith(("/etc/", "/run/"))) and not (
                _is_mounted(value, container) or _file_exists(value, container, pod, maps, secrets)
            ):
                yield f"reads {name} from {value}, which is not there"


def _is_mounted(path: str, container: dict[str, Any]) -> bool:
    """Whether a folder is a mount."""
    return any(mount["mountPath"] == path for mount in container.get("volumeMounts", ()))


def _file_exists(
    path: str, container: dict[str, Any], pod: dict[str, Any], maps: Keys, secrets: Keys
) -> bool:
    """Whether a mounted ConfigMap or Secret has the file."""
    folder, name = str(PurePosixPath(path).parent), PurePosixPath(path).name
    volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
    for mount in container.get("volumeMounts", ()):
        if mount["mountPath"] != folder or mount["name"] not in volumes:
            continue
        volume = volumes[mount["name"]]
        if "configMap" in volume:
            return name in maps.get(volume["configMap"]["name"], ())
        if "secret" in volume:
            return name in secrets.get(volume["secret"]["secretName"], ())
    return False


def check_settings(manifests: Sequence[Manifest]) -> list[str]:
    """Each process gets what it requires and nothing that nobody reads."""
    faults = []
    maps = {c["metadata"]["name"]: c.get("data", {}) for c in of_kind(manifests, "ConfigMap")}
    read_by_any = set().union(*(known_settings(config) for config in CONFIGS.values()))
    for deployment in of_kind(manifests, "Deployment"):
        (container,) = pod_of(deployment)["containers"]
        process = deployment["metadata"]["name"]
        if container.get("args") != [PROCESSES.get(process)]:
            faults.append(f"{name_of(deployment)} does not run the process it is named after")
            continue
        config = CONFIGS[process]
        own = {entry["name"].removesuffix("_FILE") for entry in container.get("env", ())}
        shared: set[str] = set()
        for source in container.get("envFrom", ()):
            shared |= set(maps.get(source["configMapRef"]["name"], ()))
        unread = sorted((own - known_settings(config)) | (shared - read_by_any))
        missing = sorted(required_settings(config) - own - shared)
        faults += [f"{name_of(deployment)} sets {name}, which nobody reads" for name in unread]
        faults += [f"{name_of(deployment)} lacks {name}" for name in missing]
    return faults
