"""A store that fails over: two servers and a Sentinel, and the faults they are put through."""

from __future__ import annotations

import random
import time
from pathlib import Path

import redis

from laptop.address import pick_free_ports
from tests.store_servers import HOST, StoreNode, wait_for

SERVICE = "gatebeyz"
FAIL_OVER_S = 20.0
TORN_BYTES = 3_000


class StoreGroup:
    """``url`` finds the primary, whichever it is. Faults leave a group that heals by itself."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._rng = rng
        first, second, watcher = pick_free_ports(3)
        self._nodes = [StoreNode(folder / "a", first), StoreNode(folder / "b", second)]
        self._sentinel = StoreNode(folder / "s", watcher)
        self.url = f"redis+sentinel://{HOST}:{watcher}/{SERVICE}"

    def start(self) -> None:
        """Start everything and wait until the replica follows."""
        primary, replica = self._nodes
        primary.start()
        replica.start(primary)
        wait_for(replica.is_synced, "the replica", FAIL_OVER_S)
        self._sentinel.start_sentinel(SERVICE, primary, quorum=1)
        wait_for(self._knows_replica, "the Sentinel", FAIL_OVER_S)

    def stop(self) -> None:
        """End everything."""
        for node in (self._sentinel, *self._nodes):
            node.kill()

    def fail_over(self) -> None:
        """The replica falls behind, the primary dies, the replica takes over without the rest."""
        primary, replica = self._roles()
        replica.freeze()
        time.sleep(self._rng.uniform(0.1, 0.7))
        primary.kill()
        replica.thaw()
        self._wait_promoted(replica)
        primary.start(replica)
        self._heal()

    def restart(self) -> None:
        """The primary dies with its last writes half on disk, and comes back at once."""
        primary, _ = self._roles()
        primary.kill()
        primary.tear(self._rng.randrange(TORN_BYTES))
        primary.start()
        self._heal()

    def split(self) -> None:
        """The primary is cut off until the other one took over; then it is back, a second one."""
        primary, replica = self._roles()
        primary.freeze()
        self._wait_promoted(replica)
        primary.thaw()
        self._heal()

    def stall(self) -> None:
        """The primary answers nothing for a moment, too short for a fail-over."""
        primary, _ = self._roles()
        primary.freeze()
        time.sleep(self._rng.uniform(0.2, 0.8))
        primary.thaw()

    def _roles(self) -> tuple[StoreNode, StoreNode]:
        address = self._sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        assert isinstance(address, (list, tuple))
        port = int(address[1])
        one, other = self._nodes
        return (one, other) if one.port == port else (other, one)

    def _wait_promoted(self, node: StoreNode) -> None:
        wait_for(lambda: self._roles()[0] is node, "the fail-over", FAIL_OVER_S)
        wait_for(lambda: _role(node) == "master", "the promotion", FAIL_OVER_S)

    def _heal(self) -> None:
        """Until the replica follows: a fail-over before that would lose everything."""
        wait_for(lambda: self._roles()[1].is_synced(), "the replica", FAIL_OVER_S)

    def _knows_replica(self) -> bool:
        replicas = self._sentinel.ask("SENTINEL", "REPLICAS", SERVICE)
        return bool(replicas)


def _role(node: StoreNode) -> str:
    try:
        facts = node.ask("INFO", "replication")
    except redis.RedisError:
        return ""
    return str(facts["role"]) if isinstance(facts, dict) else ""
