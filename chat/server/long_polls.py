"""The long polls that wait for the next event of a room."""

from __future__ import annotations

import asyncio

from chat.transport.deadlines import Deadlines


class LongPolls:
    """What waits for one room. An event wakes all of them; each costs a future meanwhile."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: Deadlines[asyncio.Future[None]] = Deadlines(_wake)

    def __len__(self) -> int:
        return len(self._waiting)

    def hold(self, seconds: float) -> asyncio.Future[None]:
        """Return what is done when something happens in the room, or after so many seconds."""
        poll: asyncio.Future[None] = self._loop.create_future()
        self._waiting.set(poll, seconds)
        return poll

    def release(self, poll: asyncio.Future[None]) -> None:
        """Forget what `hold` has returned, whether it is done or not."""
        if poll.cancelled() or not poll.done():  # else it was forgotten when it was woken
            self._waiting.drop(poll)

    async def wait(self, seconds: float) -> None:
        """Wait until something happens in the room, or for so many seconds."""
        poll = self.hold(seconds)
        try:
            await poll
        finally:
            self.release(poll)

    def wake(self) -> None:
        """Something has happened in the room."""
        if self._waiting:
            for poll in self._waiting.take_all():
                _wake(poll)

    def stop(self) -> None:
        """Wake all of them, for the last time."""
        self.wake()
        self._waiting.stop()


def _wake(poll: asyncio.Future[None]) -> None:
    if not poll.done():
        poll.set_result(None)
