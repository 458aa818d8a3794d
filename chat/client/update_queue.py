"""The updates of a session, on their way to the user interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from chat.client.session_events import Update

BACKLOG = 2000
"""Updates that may wait; then `UpdateQueue.put` waits, and the session reads nothing more."""
BATCH = 500
"""Updates that are handed over together, at most."""


class UpdateQueue:
    """A bounded queue that is read in batches."""

    def __init__(self) -> None:
        self._updates: asyncio.Queue[Update] = asyncio.Queue(BACKLOG)
        self._changed = asyncio.Event()  # an update, or the end
        self._ended = False

    def __len__(self) -> int:
        return self._updates.qsize()

    async def put(self, update: Update) -> None:
        """Append an update; wait while the queue is full."""
        await self._updates.put(update)
        self._changed.set()

    def end(self) -> None:
        """Nothing comes any more."""
        self._ended = True
        self._changed.set()

    async def batches(self) -> AsyncIterator[list[Update]]:
        """Yield the updates in batches, until the queue has ended and is empty."""
        while True:
            batch: list[Update] = []
            while not self._updates.empty() and len(batch) < BATCH:
                batch.append(self._updates.get_nowait())
            if batch:
                yield batch
            elif self._ended:
                return
            else:
                self._changed.clear()
                await self._changed.wait()
