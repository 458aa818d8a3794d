"""What the relays of streams and of datagrams share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

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
        self._opening: set[asyncio.Task[None]] = set()

    def begin_to_open(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a coroutine open the way to the server, until the relay stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def end_opening(self) -> None:
        """End what still opens a socket: uvloop waits for it for ever when it is closed."""
        opening = list(self._opening)
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        await asyncio.sleep(0)

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
