"""A room as somebody reads it who has no seat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from chat.domain.model import Deleted, Edited, Event, Member
from chat.domain.room import WINDOW, event_of
from chat.server.live_room import LiveRoom
from chat.server.node import Node
from chat.server.pace import take_turn

SEARCH_PAGE = 500
"""Entries that a search for the last change of an old message reads at a time."""


class RoomReader:
    """Reads a room."""

    def __init__(self, room: LiveRoom, node: Node, take: Callable[[], float]) -> None:
        """Prepare. ``take`` takes a token for a page; see `take_turn`."""
        self.room = room
        self._node = node
        self._take = take

    @property
    def epoch(self) -> str:
        return self.room.epoch

    @property
    def head(self) -> int:
        return self.room.head

    def version(self, id: int) -> int:
        return self.room.state.version(id)

    async def members(self) -> list[Member]:
        await take_turn(self._take)
        return self.room.members()

    def behind(self) -> dict[str, int]:
        return self.room.behind()

    async def history(self, *, after: int | None, before: int | None, limit: int) -> list[Event]:
        await take_turn(self._take)
        return await self.room.history(after, before, limit)

    def hold_poll(self, after: int, wait: float) -> asyncio.Future[None]:
        return self.room.long_polls.hold(wait)

    def release_poll(self, held: asyncio.Future[None]) -> None:
        self.room.long_polls.release(held)

    def recent(self, after: int, limit: int) -> None:
        """Return nothing: each page is paced."""

    async def read(self, after: int, limit: int, wait: float) -> list[Event]:
        if after >= self.head and wait > 0:
            await self.room.long_polls.wait(wait)
        if after < self.head:
            await take_turn(self._take)
        return await self.room.history(after, None, limit)

    async def message(self, id: int) -> tuple[Event, Event] | None:
        """Return a message's ``sent`` event, and the latest event that changed the message.

        Both are the same if nothing changed it. What the room remembers costs two reads of an event. For an
        older message the log is read as far as the message could be changed: `WINDOW` seqs.

        Returns:
            None if no such message was ever sent.

        Raises:
            ChatError: the log can't be read, or too much is asked for at once.
        """
        await take_turn(self._take)
        sent = await self._event(id)
        if sent is None or sent.kind != "sent":
            return None
        if last := self.room.state.last_change(id):
            return sent, (await self._event(last) if last != id else None) or sent
        found = sent
        async with self._node.searches:
            after = id
            while after < id + WINDOW:
                prev, entries = await self._node.log.read(
                    self.room.name, after=after, before=id + WINDOW, limit=SEARCH_PAGE
                )
                for entry in entries:
                    if isinstance(entry.body, Edited | Deleted) and entry.body.id == id:
                        found = event_of(entry, prev)
                    prev = entry.seq
                if len(entries) < SEARCH_PAGE:
                    break
                after = entries[-1].seq
        return sent, found

    async def _event(self, seq: int) -> Event | None:
        """Return the event with this seq; None if there is none."""
        found = await self.room.history(seq - 1, None, 1) if 0 < seq <= self.head else []
        return found[0] if found and found[0].seq == seq else None
