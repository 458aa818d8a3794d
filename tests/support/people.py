"""A person in the room, over whatever technique: talks, listens, and remembers what came."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Protocol

from chat.domain.errors import ChatError
from chat.domain.model import Ack, Delete, Draft, Edit, Event, MissingEvents, Say, Welcome
from chat.interfaces.client import ChatClient


class Person:
    """A seated client. `listen` reads its events (and polls, where the technique polls)."""

    def __init__(self, client: ChatClient, welcome: Welcome) -> None:
        self.client = client
        self.welcome = welcome
        self.nick = welcome.nick
        self.n = welcome.n
        self.seen: list[Event] = []
        """Every event, as it came."""
        self.missing_events: list[MissingEvents] = []
        self._own: dict[int, int] = {}  # the own drafts' numbers, to the seqs of their events
        self.over: asyncio.Future[ChatError | None] = asyncio.get_running_loop().create_future()
        """Why the events ended; None after `ChatClient.close`."""
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- talking -------------------------------------------------------------------------------

    async def say(self, text: str, n: int = 0) -> Ack:
        return await self._send(Say(text, n or self.next_n()))

    async def edit(self, id: int, text: str, n: int = 0) -> Ack:
        return await self._send(Edit(id, text, n or self.next_n()))

    async def delete(self, id: int, n: int = 0) -> Ack:
        return await self._send(Delete(id, n or self.next_n()))

    async def _send(self, draft: Draft) -> Ack:
        return await self.client.send(draft) or Ack(draft.n, self._own[draft.n])

    def next_n(self) -> int:
        self.n += 1
        return self.n

    # --- listening -----------------------------------------------------------------------------

    def listen(self) -> None:
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        end: ChatError | None = None
        try:
            async for batch in self.client.events():
                events = [news for news in batch if isinstance(news, Event)]
                self.seen += events
                for event in events:
                    if event.n and event.seat == self.welcome.seat:
                        self._own[event.n] = event.seq
                        self.client.answered(event.n)
                self.missing_events += [news for news in batch if isinstance(news, MissingEvents)]
                self._news.set()
        except ChatError as error:
            end = error
        if not self.over.done():
            self.over.set_result(end)
        self._news.set()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def until(self, condition: Callable[[list[Event]], object]) -> list[Event]:
        """Wait until what was seen fulfils the condition; return it. Fails when the events end before."""
        while not condition(self.seen):
            assert not self.over.done(), f"the events ended: {self.over.result()!r}"
            self._news.clear()
            await self._news.wait()
        return list(self.seen)

    async def sees(self, kind: str, author: str) -> Event:
        """Wait for an event of this kind and author; return the first."""
        found = await self.until(lambda seen: [e for e in seen if (e.kind, e.author) == (kind, author)])
        return next(event for event in found if (event.kind, event.author) == (kind, author))

    async def hears(self, text: str) -> Event:
        """Wait for a message with this text; return its event."""
        found = await self.until(lambda seen: [event for event in seen if event.text == text])
        return next(event for event in found if event.text == text)

    async def knows(self, seq: int) -> list[Event]:
        """Wait for the event with this seq; return what was seen until then."""
        return await self.until(lambda seen: any(event.seq == seq for event in seen))

    @property
    def seqs(self) -> list[int]:
        return [event.seq for event in self.seen]

    @property
    def missing(self) -> list[int]:
        """The seqs that the technique has named as missing."""
        return [seq for missing in self.missing_events for seq in missing.seqs]

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.seen if event.kind == "sent"]


class Enter(Protocol):
    async def __call__(self, nick: str, room: str = "lab", *, listen: bool = True, **hello: object) -> Person:
        """Let somebody take a seat; ``hello`` are further fields of `chat.domain.model.Hello`."""


def one_chain(events: list[Event]) -> bool:
    """Whether no event is missing, doubled or out of place: each names the one before it."""
    return all(b.prev == a.seq for a, b in itertools.pairwise(events))
