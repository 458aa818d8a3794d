"""A person with a session, who comes back after breaks, and what arrived."""

from __future__ import annotations

import asyncio

from chat.client.session import Session
from chat.client.session_events import Arrived, Entered
from chat.domain.model import Event


class Talker:
    """Starts the session, and reads it; `close` ends both."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.seen: list[Event] = []
        self.seats: set[str] = set()
        """Every seat that was given."""
        self.entered = 0
        """Times that a server, or a broker, has let this person in."""
        self._changed = asyncio.Condition()
        self._watching = asyncio.create_task(self._watch())
        session.start()

    async def _watch(self) -> None:
        async for batch in self.session.updates():
            for update in batch:
                if isinstance(update, Arrived):
                    self.seen.append(update.event)
                elif isinstance(update, Entered):
                    self.seats.add(update.welcome.seat)
                    self.entered += 1
            async with self._changed:
                self._changed.notify_all()

    @property
    def messages(self) -> list[tuple[int, str]]:
        """Id and text of each, as they came."""
        return [(event.id, event.text) for event in self.seen if event.kind == "sent"]

    async def inside(self, times: int = 1) -> None:
        """Wait until this person was let in so many times."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.entered >= times)

    async def waits(self) -> None:
        """Wait until this person's client has lost its server, and waits before it tries again."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.session.state.name == "retrying")

    async def until(self, count: int) -> None:
        """Wait until so many messages have come."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.messages) >= count)

    async def close(self) -> None:
        await self.session.close()
        await self._watching
