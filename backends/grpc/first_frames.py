"""The first frame of each stream: it must come within a time limit, and so many streams may wait for one.

A stream that is refused is read first, too. A client in Python (`grpc.aio`) whose first write fails, because
the call has ended, reports "Internal error from Core" instead of the status that ended it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from chat.domain.errors import Closing, Full
from chat.transport.stream import MAX_UNAUTHENTICATED

HELLO_TIMEOUT = 5.0
"""Seconds until the first frame must have come."""


class FirstFrames:
    """Waits for the first frames of all streams of a server."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Timeout, None] = {}  # one for each stream; the oldest first
        self._closed = False

    async def read(self, requests: AsyncIterator[bytes]) -> bytes | None:
        """Return the first frame of a stream; None if its client ended it without one.

        Raises:
            TimeoutError: none came within `HELLO_TIMEOUT`.
            Full: more than `MAX_UNAUTHENTICATED` streams waited, and this was the oldest.
            Closing: `close` was called.
        """
        limit = asyncio.timeout(HELLO_TIMEOUT)
        try:
            async with limit:
                self._waiting[limit] = None
                if len(self._waiting) > MAX_UNAUTHENTICATED:
                    self._end(next(iter(self._waiting)))
                return await anext(requests, None)
        except TimeoutError:
            if self._closed:
                raise Closing("the server is going down; reconnect and resume") from None
            if limit in self._waiting:
                raise
            raise Full(
                f"more than {MAX_UNAUTHENTICATED} streams have no seat, and yours was the oldest"
            ) from None
        finally:
            self._waiting.pop(limit, None)

    def close(self) -> None:
        """End the streams that wait: the server stops."""
        self._closed = True
        for limit in list(self._waiting):
            self._end(limit)

    def _end(self, limit: asyncio.Timeout) -> None:
        del self._waiting[limit]
        limit.reschedule(0.0)
