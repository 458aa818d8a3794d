"""Reads the events of a session's connections into its view of the room, and tells each once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from chat.client.draft_sender import DraftSender
from chat.client.room_view import MEMBERSHIP, RoomView
from chat.client.session_events import Arrived, Missed, Update
from chat.domain.classroom import PREFIX
from chat.domain.model import Event, MissingEvents
from chat.interfaces.client import ChatClient

SLOW = f"{PREFIX}slow"


class EventReader:
    """The incoming half of a session; `DraftSender` is the other one."""

    def __init__(
        self,
        view: RoomView,
        sender: DraftSender,
        *,
        clock: Callable[[], float],
        tell: Callable[[Update], Awaitable[None]],
    ) -> None:
        """Prepare.

        Args:
            view: takes the events.
            sender: is told which of its drafts have become events.
            clock: returns seconds.
            tell: takes the updates about the events.
        """
        self.caught_up = asyncio.Event()
        """The replay of this connection has reached the head of its welcome."""
        self._view = view
        self._sender = sender
        self._clock = clock
        self._tell = tell

    def welcomed(self) -> None:
        """A connection begins; the view knows its welcome."""
        self.caught_up.clear()
        self._see_whether_caught_up()

    async def run(self, client: ChatClient) -> None:
        """Read the events of a connection until it ends. Raises the reason."""
        async for batch in client.events():
            for news in batch:
                handled = (
                    self._missed(client, news)
                    if isinstance(news, MissingEvents)
                    else self._arrived(client, news)
                )
                await handled
            self._see_whether_caught_up()

    def _see_whether_caught_up(self) -> None:
        if self._view.caught_up:
            self.caught_up.set()

    async def _arrived(self, client: ChatClient, event: Event) -> None:
        view = self._view
        if not view.take(event):
            return
        arrived = Arrived(event)
        if event.text.startswith(SLOW):
            self._sender.hold_no_longer()
        if event.n and event.seat in view.own_seats and (queued := self._sender.arrived(event.n)):
            client.answered(event.n)
            arrived = Arrived(event, queued.token, self._clock() - queued.since)
        try:
            if not view.follow(event):
                view.refresh(await client.members())
        finally:  # the cursor has passed it: it does not come again if the connection breaks just now
            await self._tell(arrived)

    async def _missed(self, client: ChatClient, missing: MissingEvents) -> None:
        lost = self._view.miss(missing)
        try:
            if changes := [one.seq for one in lost if one.kind in MEMBERSHIP]:
                self._view.refresh(await client.members(), changes[-1])
        finally:
            if lost:
                await self._tell(Missed(MissingEvents(lost)))
