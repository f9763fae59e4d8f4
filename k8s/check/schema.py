"""The manifests against the schemas of every supported version, unknown fields refused."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Final

import kubernetes_validate

from k8s.check.render import Manifest, name_of

OLDEST_MINOR: Final = 30


def versions() -> list[str]:
    """From the oldest that is supported to the newest that is known."""
    newest = int(kubernetes_validate.latest_version().split(".")[1])
    return [f"1.{minor}" for minor in range(OLDEST_MINOR, newest + 1)]


def check_schemas(manifests: Sequence[Manifest], wanted: Sequence[str]) -> list[str]:
    """Against the ``wanted`` versions."""
    faults = []
    for version in wanted:
        for manifest in manifests:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                where = ".".join(str(step) for step in error.path)
                faults.append(f"{name_of(manifest)} in {version}: {where}: {error.message}")
            except kubernetes_validate.SchemaNotFoundError:
                faults.append(f"{name_of(manifest)} is not known to {version}")
    return faults
