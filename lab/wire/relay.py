"""What the relays of streams and of datagrams share."""

from __future__ import annotations

from collections.abc import Iterator

from chat.interfaces.address import Address
from lab.wire.capture import Capture
from lab.wire.lane import Lane
from lab.wire.passing import Interference


class Relay:
    """Hands on, and records, what passes to one server."""

    def __init__(self, capture: Capture, target: Address, interference: Interference | None = None) -> None:
        self.capture, self.target, self.interference = capture, target, interference
        self.here = Address("127.0.0.1", 0)
        self.frozen = False
        """The wire is stopped: nothing passes by itself."""

    async def start(self, port: int) -> None:
        raise NotImplementedError

    async def cut(self) -> int:
        raise NotImplementedError

    async def wake(self) -> None:
        """Hand on what the faults do not hold any more."""
        raise NotImplementedError

    def lanes(self) -> Iterator[Lane]:
        """Yield both directions of every connection."""
        raise NotImplementedError

    async def refuse(self, refused: bool) -> None:
        """Let nobody in any more, or again."""
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError
