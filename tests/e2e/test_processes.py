"""Each process on its own: how it is, what it offers, what it refuses to start with."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.e2e.stack import ROOT, Stack

SERVICES = {
    "auth": {"gatebeyz.auth.v1.AuthService", "gatebeyz.auth.v1.KeyService"},
    "counter": {"gatebeyz.counter.v1.CounterService"},
    "translator": {"gatebeyz.inference.v1.InferenceService"},
    "relay": {"gatebeyz.inference.v1.InferenceService"},
}
MODULES = ("edge", *(f"services.{name}" for name in SERVICES))


def target_of(stack: Stack, name: str) -> str:
    facts = json.loads((stack.folder / ".gatebeyz" / "running.json").read_text("utf-8"))
    return str(facts["targets"][name])


@pytest.mark.parametrize("name", SERVICES)
def test_health_and_reflection(stack: Stack, name: str) -> None:
    with grpc.insecure_channel(target_of(stack, name)) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", *SERVICES[name]):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        listed = next(iter(stub.ServerReflectionInfo(iter([request]), timeout=5)))

    names = {service.name for service in listed.list_services_response.service}
    assert names >= SERVICES[name]


def test_the_edge_tells_whether_it_lives_and_serves(stack: Stack) -> None:
    assert httpx.get(f"{stack.url}/livez").json() == {"alive": True}
    assert httpx.get(f"{stack.url}/healthz").json() == {"ready": True}


def check(module: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    path = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'protos/gen'}"}
    return subprocess.run(
        [sys.executable, "-m", module, "--check"],
        env={**path, **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("module", MODULES)
def test_a_process_names_every_setting_it_lacks(module: str) -> None:
    done = check(module, {"GATEBEYZ_DRAIN_PAUSE_S": "soon"})

    assert done.returncode == 2
    assert "GATEBEYZ_SERVICE_TOKEN is not set" in done.stderr
    assert "GATEBEYZ_DRAIN_PAUSE_S must be a number" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("secret", ["", "changeme", "x" * 10, "default-password-0000"])
def test_a_process_does_not_start_with_an_empty_or_default_secret(module: str, secret: str) -> None:
    done = check(module, {"GATEBEYZ_SERVICE_TOKEN": secret})

    assert done.returncode == 2
    assert "GATEBEYZ_SERVICE_TOKEN" in done.stderr
    assert not secret or secret not in done.stderr
