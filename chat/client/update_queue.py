"""The updates of a session, on their way to the user interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from chat.client.session_events import Noticed, Update
from chat.language import N_

BACKLOG = 2000
"""Updates that may wait; then `UpdateQueue.put` waits, and the session reads nothing more."""
MAX_NOTICES = 100
"""Notices that may wait for a reader who is slow."""
BATCH = 500
"""Updates that are handed over together, at most."""


class UpdateQueue:
    """A bounded queue that is read in batches."""

    def __init__(self) -> None:
        self._updates: asyncio.Queue[Update] = asyncio.Queue(BACKLOG)
        self._changed = asyncio.Event()  # an update, or the end
        self._ended = False
        self.coming: set[asyncio.Task[None]] = set()
        """Updates that wait because the queue is full."""
        self._left_out = 0  # notices that came while too many waited

    def __len__(self) -> int:
        return self._updates.qsize()

    async def put(self, update: Update) -> None:
        """Append an update; wait while the queue is full."""
        await self._updates.put(update)
        self._changed.set()

    def put_soon(self, update: Update) -> None:
        """Append an update that can't wait for the queue. Of too many notices only the number is told."""
        if len(self.coming) >= MAX_NOTICES and isinstance(update, Noticed):
            self._left_out += 1
            return
        coming = asyncio.ensure_future(self.put(update))
        self.coming.add(coming)
        coming.add_done_callback(self._came)

    def _came(self, coming: asyncio.Task[None]) -> None:
        self.coming.discard(coming)
        if self._left_out and not self.coming and not coming.cancelled():
            count, self._left_out = self._left_out, 0
            self.put_soon(
                Noticed(N_(f"{count:,} more notices were left out: they came too fast"), unasked=True)
            )

    def end(self) -> None:
        """Nothing comes any more."""
        for coming in self.coming:
            coming.cancel()
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
