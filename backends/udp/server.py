"""The UDP server: one socket for each address of its host, no task for a client.

Every client gets the same bytes of an event. A datagram that the network loses is not sent again: the client
finds out, and asks.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial
from operator import attrgetter

from backends.udp.codec import MAX_DATAGRAM, TRAILER
from backends.udp.server_endpoint import ServerEndpoint
from backends.udp.server_socket import bind_datagrams
from chat.domain.errors import ChatError, Closing
from chat.interfaces.address import Address
from chat.interfaces.server import ChatServer, ServerOptions
from chat.transport.listener import bind_everywhere

MAX_TEXT = (MAX_DATAGRAM - TRAILER - 2000) // 2
"""Bytes of the longest text: as JSON it may take twice as many, and an event has other fields."""

log = logging.getLogger(__name__)


class UdpServer(ChatServer):
    """Listens on every address of its host."""

    async def start(self) -> Address:
        if self.hub.limits.text_bytes > MAX_TEXT:
            raise ChatError(
                f"udp carries texts of up to {MAX_TEXT:,} bytes, and {self.hub.limits.text_bytes:,} are "
                "allowed here: set a lower limit"
            )
        self.endpoints: list[ServerEndpoint] = []
        loop = asyncio.get_running_loop()
        for udp in await bind_everywhere(self.address, socket.SOCK_DGRAM, bind_datagrams):
            endpoint = ServerEndpoint(self.hub, self.options, udp, self.counts)
            await loop.create_datagram_endpoint(partial(attrgetter("udp"), endpoint), sock=udp)
            self.endpoints.append(endpoint)
        host, port = self.endpoints[0].udp.socket.getsockname()[:2]
        return Address(host, port)

    def renew(self, options: ServerOptions) -> None:
        super().renew(options)
        for endpoint in self.endpoints:
            endpoint.renew(options.access)

    async def stop(self) -> None:
        for endpoint in self.endpoints:
            endpoint.end(Closing("the server is going down; reconnect and resume"))
        await self._close_endpoints()
        if self.counts:
            log.info("udp dropped: %s", ", ".join(f"{why} {n}" for why, n in sorted(self.counts.items())))

    async def _close_endpoints(self) -> None:
        for endpoint in self.endpoints:
            await endpoint.close()
        self.endpoints.clear()
