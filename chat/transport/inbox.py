"""The inbox of a client: events that have come over a connection and wait for the consumer.

It is bounded: while too many wait, the connection is read no further, and the server notices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from chat.domain.errors import ChatError
from chat.domain.model import Event

INBOX = 2000
"""Events that wait for the consumer; then reading is paused until it has taken them."""


class Inbox:
    """Collects events for `take`, and pauses reading while `INBOX` of them wait."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Begin empty.

        Args:
            pause: stops reading the connection.
            resume: starts it again.
        """
        self._pause = pause
        self._resume = resume
        self._events: list[Event] = []
        self._paused = False
        self._changed = asyncio.Event()
        self._closed = False
        self._reason: ChatError | None = None

    def put(self, events: Sequence[Event]) -> None:
        """Add events in the order in which they came."""
        if not events:
            return
        self._events += events
        self._changed.set()
        if len(self._events) >= INBOX and not self._paused and not self._closed:
            self._paused = True
            self._pause()

    async def take(self) -> list[Event]:
        """Wait for events and return all that have come; none after `close`.

        Raises:
            ChatError: the reason given to `end`, after the last event was taken.
        """
        while not self._events:
            if self._reason is not None:
                if self._closed:
                    return []
                raise self._reason
            self._changed.clear()
            await self._changed.wait()
        batch, self._events = self._events, []
        self._read_on()
        return batch

    def close(self) -> None:
        """The client closes the connection: end without an error, and read what is still to come."""
        self._closed = True
        self._read_on()

    def end(self, reason: ChatError) -> None:
        """The connection has ended: no more events will come."""
        self._paused = False  # there is nothing left to be read
        self._reason = reason
        self._changed.set()

    def _read_on(self) -> None:
        if self._paused:
            self._paused = False
            self._resume()
