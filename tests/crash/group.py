"""Stores that fail over: three servers and a Sentinel, and the faults they are put through.

They are set up as production's are (k8s/components/redis-ha): a primary that no replica follows
takes no write, and it stops taking any before Sentinels replace it.
"""

from __future__ import annotations

import random
import ssl
import time
from pathlib import Path
from typing import Final

import redis

from laptop.address import pick_free_ports
from tests.crash.network import Network, Side
from tests.store_servers import HOST, StoreNode, wait_for

SERVICE: Final = "gatebeyz"
PRODUCTION: Final = Path(__file__).resolve().parents[2] / "k8s/components/redis-ha/valkey.conf"
KEPT_SETTINGS: Final = ("append", "maxmemory-policy", "min-replicas")
# As Sentinels wait there; more than min-replicas-max-lag and the two looks that notice it.
DOWN_AFTER_S: Final = 5.0
FAIL_OVER_S: Final = 40.0
TORN_BYTES: Final = 3_000


class StoreGroup:
    """``url`` finds the primary, whichever it is. Faults leave a group that heals by itself."""

    def __init__(
        self,
        folder: Path,
        rng: random.Random,
        down_after_s: float = DOWN_AFTER_S,
        certificate: ssl.SSLContext | None = None,
    ) -> None:
        self._rng = rng
        self._down_after_s = down_after_s
        self._network = Network()
        *ports, watcher = pick_free_ports(4)
        self._nodes = [
            StoreNode(
                folder / name,
                port,
                announced=self._network.front(port, certificate),
                bind_source_addr=self._network.peers,
                **production_settings(),
            )
            for name, port in zip("abc", ports, strict=True)
        ]
        self._sentinel = StoreNode(folder / "s", watcher, bind_source_addr=self._network.peers)
        found_at = self._network.front(watcher, certificate)
        self.url = f"redis+sentinel://{HOST}:{found_at}/{SERVICE}"

    def start(self) -> None:
        """Start everything and wait until the replicas follow."""
        primary, *replicas = self._nodes
        primary.start()
        for replica in replicas:
            replica.start(primary)
        for replica in replicas:
            wait_for(replica.is_synced, "a replica", FAIL_OVER_S)
        self._sentinel.start_sentinel(SERVICE, primary, 1, self._down_after_s)
        wait_for(self._knows_replicas, "the Sentinel", FAIL_OVER_S)

    def stop(self) -> None:
        """End everything."""
        for node in (self._sentinel, *self._nodes):
            node.kill()
        self._network.close()

    def fail_over(self) -> None:
        """Replicas fall behind, the primary dies, one takes over without what it missed."""
        primary, replicas = self._roles()
        for replica in replicas:
            replica.freeze()
        time.sleep(self._rng.uniform(0.1, 0.7))
        primary.kill()
        for replica in replicas:
            replica.thaw()
        primary.start(self._wait_replaced(primary))
        self._heal()

    def restart(self) -> None:
        """The primary dies with its last writes half on disk, and comes back at once."""
        primary, _ = self._roles()
        primary.kill()
        primary.tear(self._rng.randrange(TORN_BYTES))
        primary.start()
        self._heal()

    def split(self) -> None:
        """The primary is cut off from its peers, not from its callers, until it is replaced."""
        primary, _ = self._roles()
        self._network.cut(primary.announced, Side.PEERS)
        self._wait_replaced(primary)
        time.sleep(self._rng.uniform(0.0, 1.0))
        self._network.heal(primary.announced)
        self._heal()

    def hang(self) -> None:
        """The primary stands still until it is replaced; then it is back, a second one."""
        primary, _ = self._roles()
        primary.freeze()
        self._wait_replaced(primary)
        primary.thaw()
        self._heal()

    def cut_off(self) -> None:
        """Callers reach no primary for a moment, and nobody replaces it."""
        primary, _ = self._roles()
        self._network.cut(primary.announced, Side.CALLERS)
        time.sleep(self._rng.uniform(0.3, 2.5))
        self._network.heal(primary.announced)

    def stall(self) -> None:
        """The primary answers nothing for a moment, too short for a fail-over."""
        primary, _ = self._roles()
        primary.freeze()
        time.sleep(self._rng.uniform(0.2, 0.8))
        primary.thaw()

    def _roles(self) -> tuple[StoreNode, list[StoreNode]]:
        """The primary, as the Sentinel has it, and the others."""
        address = self._sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        assert isinstance(address, (list, tuple))
        port = int(address[1])
        [primary] = [node for node in self._nodes if node.announced == port]
        return primary, [node for node in self._nodes if node is not primary]

    def _wait_replaced(self, primary: StoreNode) -> StoreNode:
        """The one that took over."""
        wait_for(lambda: self._roles()[0] is not primary, "the fail-over", FAIL_OVER_S)
        successor, _ = self._roles()
        wait_for(lambda: _role(successor) == "master", "the promotion", FAIL_OVER_S)
        return successor

    def _heal(self) -> None:
        """Until every replica follows: a fail-over before that would lose everything."""
        wait_for(
            lambda: all(node.is_synced() for node in self._roles()[1]), "the replicas", FAIL_OVER_S
        )

    def _knows_replicas(self) -> bool:
        replicas = self._sentinel.ask("SENTINEL", "REPLICAS", SERVICE)
        return isinstance(replicas, list) and len(replicas) == len(self._nodes) - 1


def production_settings() -> dict[str, str]:
    """What production's stores are told about durability, as options of a server."""
    lines = [line.split() for line in PRODUCTION.read_text("utf-8").splitlines()]
    return {
        line[0].replace("-", "_"): line[1]
        for line in lines
        if line and line[0].startswith(KEPT_SETTINGS)
    }


def _role(node: StoreNode) -> str:
    try:
        facts = node.ask("INFO", "replication")
    except redis.RedisError:
        return ""
    return str(facts["role"]) if isinstance(facts, dict) else ""
