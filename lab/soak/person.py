"""One of many clients: it comes, talks, changes its mind, leaves, and comes again under another name."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from chat.client.connect import Detour, Place, open_session
from chat.client.session import Session
from chat.client.session_events import Arrived, DraftMoved, Missed, StartedOver, Update
from chat.domain.errors import ChatError
from chat.interfaces.technique import Technique
from lab.soak.view import View

PAUSE = 3.0
"""Seconds, on average, for which somebody is away before coming again."""
PATIENCE = 40.0
"""Seconds within which a draft must be answered, and a lost connection be there again."""


@dataclass
class Noted:
    """What all clients of a process have seen and were told."""

    views: list[View] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    unanswered: int = 0
    refused: int = 0
    """Drafts that the room refused: of a seat that had ended meanwhile."""
    kept: int = 0
    """Sessions that ended without a connection: they keep their key, because the seat has not ended."""
    problems: list[str] = field(default_factory=list)


class Person:
    """A client behind a tap."""

    def __init__(
        self,
        technique: Technique,
        place: Place,
        room: str,
        name: str,
        detour: Detour,
        noted: Noted,
        seed: str,
    ) -> None:
        self.technique = technique
        self.session: Session | None = None
        """While it is in the room."""
        self.view: View | None = None
        self.moved = asyncio.Condition()
        self._place, self._room, self._name, self._detour = place, room, name, detour
        self._noted = noted
        self._dice = random.Random(f"{seed} {name}")
        self._stays = 0
        self._left = False
        self._texts: dict[int, str] = {}
        """Of drafts that are not answered yet, by their tokens."""
        self._mine: list[int] = []
        """Own messages, newest last."""

    async def live(self, every: float, stay: float, over: asyncio.Event) -> None:
        """Come and leave, until it is over; then stay in the room until `leave`.

        Args:
            every: seconds from one draft to the next, on average.
            stay: seconds in the room, on average.
            over: when to go on no more.
        """
        await _sleep(self._dice.uniform(0, min(PAUSE, stay)), over)
        while True:
            await self.come()
            leaves = asyncio.get_running_loop().time() + self._dice.expovariate(1 / stay)
            while not over.is_set() and asyncio.get_running_loop().time() < leaves:
                await _sleep(self._dice.expovariate(1 / every), over)
                self._act()
            if over.is_set():
                return
            await self.leave()
            await _sleep(self._dice.expovariate(1 / PAUSE), over)

    async def come(self) -> None:
        """Enter the room under a new name."""
        self._stays += 1
        self._left = False
        nick = f"{self._name}-{self._stays}"
        self._mine.clear()
        traits = self.technique.traits
        self.view = View(nick, self.technique.name, traits.ordered and traits.lossless)
        self._noted.views.append(self.view)
        self.session = open_session(self._place, self.technique, self._room, nick, detour=self._detour)
        self._watching = asyncio.create_task(self._watch(self.session, self.view))
        self.session.start()
        async with _patience(lambda: self._noted.problems.append(f"{nick} could not enter")):
            await self.until(lambda: self._up)

    async def settled(self) -> None:
        """Wait until all drafts are answered, the connection is there, and no event is unknown.

        Where events come in any order, one may be there before it is known what became of those before it.
        """
        assert self.session is not None
        assert self.view is not None
        who = f"{self.view.client} over {self.technique.name}"
        async with _patience(lambda: self._noted.problems.append(f"{who}: no connection or no answer")):
            await self.session.settled()
            await self.until(lambda: self._up and self._whole)

    async def leave(self) -> None:
        """Leave the room for good, with all drafts answered."""
        await self.settled()
        await self.end()

    async def end(self) -> None:
        """End the session."""
        session, self.session = self.session, None
        assert session is not None
        self._left = True
        self._noted.kept += session.state.name != "up"
        await session.close()
        await self._watching
        self._noted.unanswered += len(self._texts)
        self._texts.clear()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for something that updates bring."""
        async with self.moved:
            await self.moved.wait_for(true)

    @property
    def _up(self) -> bool:
        return self.session is None or self.session.state.name in ("up", "down")

    @property
    def _whole(self) -> bool:
        """Whether every event up to the newest has come, or was named as missing."""
        session, view = self.session, self.view
        if session is None or view is None or session.cursor is None or session.state.name == "down":
            return True
        return session.cursor.seq >= view.last

    def _act(self) -> None:
        session = self.session
        if session is None or session.pending > 5:  # it says nothing into a wire that answers nothing
            return
        assert self.view is not None
        text = f"{self.view.client} says {self._dice.getrandbits(48):012x}"
        match self._dice.randrange(10):
            case 0 | 1 if self._mine:
                self._texts[session.edit(self._mine[-1], text)] = text
            case 2 if self._mine:
                session.delete(self._mine.pop())
            case _:
                self._texts[session.say(text)] = text

    async def _watch(self, session: Session, view: View) -> None:
        async for batch in session.updates():
            for update in batch:
                self._note(update, view)
            async with self.moved:
                self.moved.notify_all()
        if session.outcome is not None:
            self._noted.problems.append(f"{view.client} over {view.technique} ended: {session.outcome}")

    def _note(self, update: Update, view: View) -> None:
        match update:
            case Arrived(event, draft):
                if not self._left:  # what comes while it leaves may have holes that nobody fills
                    view.add(event)
                if draft:
                    self._answered(draft)
                    if event.kind == "sent":
                        self._mine.append(event.id)
            case Missed(missing):
                view.missing.update(missing.seqs)
            case StartedOver(reason):
                view.anew = reason
            case DraftMoved(draft, "sent"):
                self._answered(draft)
            case DraftMoved(draft, "failed"):
                self._noted.refused += 1
                self._texts.pop(draft, None)

    def _answered(self, draft: int) -> None:
        if (text := self._texts.pop(draft, None)) is not None:
            self._noted.acknowledged.append(text)


@asynccontextmanager
async def _patience(otherwise: Callable[[], None]) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        otherwise()
    except ChatError:  # the session has ended; `_watch` tells why
        pass


async def _sleep(seconds: float, over: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await over.wait()
