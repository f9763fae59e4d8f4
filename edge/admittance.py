"""Who may do what, decided from memory: the key's lease, its policy, the road to a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import Scope

from admission.lease import Lease
from dialects.dialect import Peek
from edge.address import client_address
from edge.credential import key_of
from edge.products import Entrance
from gatebeyz.auth.v1 import auth_pb2
from runtime.catalog import Catalog, Model
from runtime.faults import Reason, ServiceFault


@dataclass(frozen=True, slots=True)
class Road:
    """Where a request goes: the stub to call and the names of the routes it may take."""

    stub: Any
    routes: list[str]


class Admittance:
    """The gate of one product's listener."""

    def __init__(
        self,
        entrance: Entrance,
        catalog: Callable[[], Catalog],
        relay: Any,
        translator: Any,
        max_body_bytes: int,
    ) -> None:
        self.product = entrance.product
        self.leases = entrance.door.leases
        self.max_body_bytes = max_body_bytes
        self._entrance = entrance
        self._catalog = catalog
        self._relay = relay
        self._translator = translator

    async def identify(self, scope: Scope) -> Lease:
        """The caller's lease; ServiceFault where the key is not good here."""
        key = key_of(scope["headers"])
        entrance = self._entrance
        address = client_address(scope, entrance.proxies)
        try:
            return await entrance.door.enter(key, entrance.product, address)
        except ServiceFault as fault:
            if fault.reason is Reason.WRONG_PRODUCT:
                raise ServiceFault(fault.reason, entrance.elsewhere) from None
            raise

    def models(self, policy: auth_pb2.Policy) -> list[Model]:
        """The models this account may use now, in the catalog's order."""
        catalog = self._catalog()
        return [
            model
            for model in catalog.models.values()
            if _allows(policy, model.id) and catalog.routes(model, None, policy.upstreams)
        ]

    def road(
        self, policy: auth_pb2.Policy, peek: Peek, dialect: str, *, is_sealed: bool = False
    ) -> Road:
        """The road for a request; MODEL_UNKNOWN, MODEL_NOT_ALLOWED or THINKING_NOT_ALLOWED.

        ``is_sealed``: the history holds reasoning under our seal, which the translator opens or
        leaves out even where the dialect stays the same.
        """
        catalog = self._catalog()
        model = catalog.model(peek.model)
        if model is None:
            raise ServiceFault(
                Reason.MODEL_UNKNOWN, f"The model `{peek.model[:200]}` does not exist here."
            )
        routes = catalog.routes(model, None, policy.upstreams, policy.account_id)
        if not _allows(policy, model.id) or not routes:
            raise ServiceFault(
                Reason.MODEL_NOT_ALLOWED,
                f"The model `{peek.model[:200]}` is not available to this account at the moment.",
            )
        if peek.thinking:
            routes = [r for r in routes if catalog.upstreams[r.upstream].thinking]
            if not policy.thinking or not routes:
                raise ServiceFault(
                    Reason.THINKING_NOT_ALLOWED,
                    "Extended thinking is not available to this account at the moment.",
                )
        native = [route.name for route in routes if route.dialect == dialect]
        if native:
            return Road(self._translator if is_sealed else self._relay, native)
        return Road(self._translator, [route.name for route in routes])

    def counting_routes(self, policy: auth_pb2.Policy, model_id: str) -> list[str]:
        """Routes whose provider counts tokens itself; the model is checked on the way."""
        peek = Peek(model=model_id, stream=False, max_tokens=None, thinking=False)
        self.road(policy, peek, "")
        catalog = self._catalog()
        model = catalog.model(model_id)
        if model is None:
            return []
        return [
            route.name
            for route in catalog.routes(
                model, "anthropic_messages", policy.upstreams, policy.account_id
            )
            if catalog.upstreams[route.upstream].count_tokens
        ]


def _allows(policy: auth_pb2.Policy, model_id: str) -> bool:
    """Whether the policy names the model: by its exact id, or every one by "*" alone."""
    return model_id in policy.models or "*" in policy.models
