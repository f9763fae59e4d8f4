"""The names of a cluster: one per headless service, its addresses those of the ready replicas."""

from __future__ import annotations

import asyncio
from typing import Any

import dns.message
import dns.rdatatype
import dns.rrset

TTL_S = 5
DOMAIN = "gatebeyz.cluster"


class NameServer(asyncio.DatagramProtocol):
    """A DNS server on loopback; ``set`` says what a name resolves to from now on."""

    def __init__(self) -> None:
        self._addresses: dict[str, list[str]] = {}
        self._transport: Any = None
        self.address = ""

    @classmethod
    async def start(cls, host: str, port: int = 0) -> NameServer:
        """Serve on ``host``, on any free port unless one is given."""
        server = cls()
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: server, local_addr=(host, port))
        name, port = server._transport.get_extra_info("sockname")
        server.address = f"{name}:{port}"
        return server

    def target(self, service: str, port: int) -> str:
        """What a client of the service is configured with."""
        return f"dns://{self.address}/{service}.{DOMAIN}:{port}"

    def set(self, service: str, addresses: list[str]) -> None:
        """The addresses of a service."""
        self._addresses[f"{service}.{DOMAIN}."] = addresses

    def close(self) -> None:
        """Stop serving."""
        self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        question = query.question[0]
        known = self._addresses.get(question.name.to_text().lower())
        if known and question.rdtype == dns.rdatatype.A:
            response.answer.append(dns.rrset.from_text(question.name, TTL_S, "IN", "A", *known))
        self._transport.sendto(response.to_wire(), address)
