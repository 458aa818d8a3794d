"""What the relays of streams and of datagrams share."""

from __future__ import annotations

from chat.interfaces.address import Address
from lab.wire.capture import Capture


class Relay:
    """Hands on, and records, what passes to one server."""

    def __init__(self, capture: Capture, target: Address) -> None:
        self.capture, self.target = capture, target
        self.here = Address("127.0.0.1", 0)

    async def start(self, port: int) -> None:
        raise NotImplementedError

    async def cut(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError
