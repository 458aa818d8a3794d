"""Somebody else on the same server, without any trouble: how long are their messages on the way meanwhile?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from chat.client.connect import Place, open_session
from chat.client.session import Session
from chat.client.session_events import Arrived, DraftMoved
from chat.interfaces.technique import Technique

EVERY = 0.1
PATIENCE = 20.0


class Witness:
    """Says something ten times a second, and remembers how long each took until it was acknowledged."""

    def __init__(self) -> None:
        self.took: list[float] = []
        """Seconds."""
        self._said: dict[int, float] = {}

    @property
    def p99(self) -> float | None:
        """Seconds in which 99 of 100 were acknowledged."""
        return sorted(self.took)[int(len(self.took) * 0.99)] if self.took else None

    async def talk(self, session: Session) -> None:
        while True:
            self._said[session.say("not in trouble")] = time.monotonic()
            await asyncio.sleep(EVERY)

    async def listen(self, session: Session) -> None:
        async for batch in session.updates():
            for update in batch:
                match update:
                    case Arrived(_, draft) if draft:
                        self._answered(draft)
                    case DraftMoved(draft, "sent"):
                        self._answered(draft)

    def _answered(self, draft: int) -> None:
        said = self._said.pop(draft, None)
        if said is not None:
            self.took.append(time.monotonic() - said)


@asynccontextmanager
async def witness(technique: Technique, place: Place) -> AsyncIterator[Witness]:
    """Let somebody talk as long as the context lasts."""
    seen = Witness()
    async with open_session(place, technique, "others", "witness") as session:
        tasks = [asyncio.create_task(work(session)) for work in (seen.listen, seen.talk)]
        try:
            yield seen
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
