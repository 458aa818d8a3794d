"""The long polls that wait for the next event of a room."""

from __future__ import annotations

import asyncio


class LongPolls:
    """What waits for one room. An event wakes all of them; each costs a future and a timer meanwhile."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, seconds: float) -> None:
        """Wait until something happens in the room, or for so many seconds."""
        loop = asyncio.get_running_loop()
        poll: asyncio.Future[None] = loop.create_future()
        over = loop.call_later(seconds, _wake, poll)
        self._waiting.add(poll)
        try:
            await poll
        finally:
            over.cancel()
            self._waiting.discard(poll)

    def wake(self) -> None:
        """Something has happened in the room."""
        for poll in self._waiting:
            _wake(poll)
        self._waiting.clear()


def _wake(poll: asyncio.Future[None]) -> None:
    if not poll.done():
        poll.set_result(None)
