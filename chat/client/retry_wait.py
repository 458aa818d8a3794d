"""The pause between two tries to connect."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

LOOK_EVERY = 1.0
"""Seconds between two looks whether somebody else has found the server."""


class Seen(Protocol):
    """Knows when a server was found last, by whom ever. Its methods are called from a thread."""

    def look(self) -> object:
        """Return a value that is another one after each `tell`."""

    def tell(self) -> None:
        """Say that the server was found now."""


class RetryWait:
    """Pauses; the user, or somebody else who has found the server, ends it early."""

    def __init__(self, seen: Seen | None) -> None:
        self._seen = seen
        self._last: object = None
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """End the pause."""
        self._hurry.set()

    async def trying(self) -> None:
        """A try begins: what somebody finds from here on counts."""
        if self._seen is not None:
            self._last = await asyncio.to_thread(self._seen.look)

    async def connected(self) -> None:
        """This client has found the server."""
        if self._seen is not None:
            await asyncio.to_thread(self._seen.tell)

    async def pause(self, delay: float, *, watch: bool) -> bool:
        """Wait.

        Args:
            delay: seconds, at most.
            watch: end it when somebody has found the server.

        Returns:
            Whether somebody has.
        """
        self._hurry.clear()
        loop = asyncio.get_running_loop()
        end = loop.time() + delay
        while (left := end - loop.time()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_EVERY) if watch and self._seen else left):
                    await self._hurry.wait()
                return False
            if watch and self._seen and await asyncio.to_thread(self._seen.look) != self._last:
                return True
        return False
