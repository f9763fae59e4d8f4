"""The two products: who comes in where, and what is said to a key of the other one."""

from __future__ import annotations

from dataclasses import dataclass

from admission.door import Door, Peppers
from admission.lease import LeaseHolder
from edge.address import Network, parse_proxies
from edge.config import Config
from gatebeyz.auth.v1 import auth_pb2


@dataclass(frozen=True, slots=True)
class Entrance:
    """How callers of one product come in: on ``listen``, by one of ``hosts`` (empty: any).

    ``elsewhere`` is all that is said to a key of the other product.
    """

    product: auth_pb2.Product
    door: Door
    listen: str
    hosts: tuple[str, ...]
    proxies: tuple[Network, ...]
    elsewhere: str


def entrances(config: Config, leases: LeaseHolder) -> list[Entrance]:
    """The entrances that are configured; ValueError for proxies that are no networks."""
    door = Door(leases, Peppers.of(config.pepper, config.pepper_previous))
    proxies = parse_proxies(config.trusted_proxies)
    api = Entrance(
        auth_pb2.PRODUCT_API,
        door,
        config.listen,
        config.hosts,
        proxies,
        f"This is a Claude Credits key. Use it at {config.credits_url}.",
    )
    packs = Entrance(
        auth_pb2.PRODUCT_CREDITS,
        door,
        config.credits_listen,
        config.credits_hosts,
        proxies,
        f"This is a key of the monthly API. Use it at {config.api_url}.",
    )
    return [entrance for entrance in (api, packs) if entrance.listen]
