"""Takes the place of a chat server in the tests of a broker: a relay to the broker that can be stopped."""

from __future__ import annotations

import asyncio
from urllib.parse import quote, urlsplit

from backends.rabbitmq.private import PrivateBroker
from chat.interfaces.address import Address
from chat.interfaces.server import ChatServer
from chat.server.hub import Hub
from tests.support.broker import EVERYTHING, add_user, close_connections
from tests.support.relay import Relay

SOON = 0.2
"""Seconds for connections that were closed just now to end."""
TOLD = 10.0
"""Seconds for clients to hear that the broker goes down, and to hang up; who does not do so is cut then."""


class BrokerRelay(ChatServer):
    """Relays clients to one virtual host of a real broker.

    When it stops, its clients get the reply code of a broker that shuts down (320, CONNECTION_FORCED), and no
    client can connect any more.
    """

    def __init__(self, hub: Hub, address: Address, broker: PrivateBroker, url: str, access: str = "") -> None:
        super().__init__(hub, address)
        self._broker = broker
        self._url = urlsplit(url)
        self._access = access
        self._relay: Relay | None = None

    async def start(self) -> Address:
        target = Address(self._url.hostname or "", self._url.port or 0)
        self._relay = relay = Relay(target)
        await relay.start(self.address.port)
        host, vhost = relay.address, self._url.path.removeprefix("/")
        account = f"{self._url.username}:{self._url.password}"
        if self._access:  # the token is the password, and the client gets it with the hello
            account = f"token-{vhost}"
            await asyncio.to_thread(add_user, self._broker, account, self._access, vhost, EVERYTHING)
        self.address = Address(host.host, host.port, f"amqp://{quote(account, safe=':')}@{host}/{vhost}")
        return self.address

    async def stop(self) -> None:
        if (relay := self._relay) is None:
            return
        self._relay = None
        relay.shut()
        if not await relay.idle(SOON):
            vhost = self._url.path.removeprefix("/")
            await asyncio.to_thread(close_connections, self._broker, "the broker goes down", vhost)
            await relay.idle(TOLD)
        await relay.stop()
