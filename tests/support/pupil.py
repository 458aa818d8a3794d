"""A person in a class: a session over one technique, which remembers what it sees and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import backends
from chat.client.connect import Place, open_session
from chat.client.session_events import Arrived, DraftMoved
from chat.client.teaching import Teaching
from chat.domain.model import Event
from chat.interfaces.tls import Fingerprint


class Pupil:
    """Somebody who has joined."""

    def __init__(
        self, board: Mapping[str, Any], fingerprint: Fingerprint, folder: Path, name: str, nick: str
    ) -> None:
        """Prepare; ``board``: what `tests.support.lan.lan_server` yields."""
        self.nick, self.technique = nick, name
        self._board, self._fingerprint, self._folder = board, fingerprint, folder
        self.session = self._open(name)
        self.seen: list[Event] = []
        self.failed: dict[int, str] = {}
        """Why a draft was refused, by its token."""
        self._teaching = Teaching()
        self._news = asyncio.Condition()

    def _open(self, name: str) -> Any:
        label = backends.technique(name)
        server = f"{self._board['host']}:{self._board['ports'][name]}"
        place = Place(server, self._folder, False, self._board["words"], self._fingerprint)
        settings = {"poll": "0.2"} if any(one.name == "poll" for one in label.settings) else {}
        return open_session(place, label, "lab", self.nick, settings=settings, keep_seat=False)

    async def follow(self) -> None:
        """Take what the session tells, until it ends."""
        async for batch in self.session.updates():
            async with self._news:
                for update in batch:
                    match update:
                        case Arrived(event):
                            self.seen.append(event)
                        case DraftMoved(draft, "failed", reason):
                            self.failed[draft] = reason
                        case _:
                            pass
                self._news.notify_all()

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something that an update brings."""
        async with self._news:
            await self._news.wait_for(true)

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.seen if event.kind == "sent"]

    async def hears(self, text: str) -> None:
        await self.until(lambda: text in self.texts)

    async def refused(self, text: str) -> str:
        """Say something; return why it was refused."""
        draft = self.session.say(text)
        await self.until(lambda: draft in self.failed)
        return self.failed[draft]

    async def use(self, what: str, token: str = "") -> None:
        """Use one of the teacher's means, and wait until it is there."""
        self._teaching.say(self.session, what, token)
        await self.hears(f"/class {what}")

    async def switch(self, name: str) -> None:
        """Go on over another technique."""
        await self.session.switch(self._open(name).way)
        self.technique = name


@asynccontextmanager
async def present(*pupils: Pupil) -> AsyncIterator[None]:
    """Let them come, all at once, and leave at the end."""
    following = [asyncio.create_task(pupil.follow()) for pupil in pupils]
    for pupil in pupils:
        pupil.session.start()
    try:
        await asyncio.gather(*(one.until(lambda one=one: one.session.seat) for one in pupils))  # type: ignore[misc]
        yield
    finally:
        await asyncio.gather(*(pupil.session.close() for pupil in pupils))
        await asyncio.gather(*following, return_exceptions=True)
