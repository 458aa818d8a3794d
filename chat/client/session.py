"""The client's side of a conversation: it connects, reconnects and resumes.

A session outlives its connections. It knows no technique (it is given ``dial``) and no widget (it yields
updates). No draft is lost or stored twice, however often the connection breaks: drafts stay in the outbox
until the room has answered, and are sent again only after the replay has shown what the room already has.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from chat.client.draft_sender import DraftSender
from chat.client.event_reader import EventReader
from chat.client.measure import measure
from chat.client.queries import Queries
from chat.client.reconnect import ReconnectPolicy
from chat.client.retry_wait import RetryWait, Seen
from chat.client.room_view import RoomView
from chat.client.session_events import (
    Entered,
    Hindered,
    Noticed,
    Reconnected,
    StartedOver,
    State,
    StateChanged,
    Switched,
    Update,
)
from chat.client.update_queue import UpdateQueue
from chat.client.way import Dial, Way
from chat.domain.errors import ChatError, Closing, ConnectionLost, NickTaken, SeatTaken, StaleCursor
from chat.domain.model import Cursor, Delete, Edit, Hello, Limits, Member, Say, Welcome
from chat.domain.seat_key import new_seat_key
from chat.interfaces.client import ChatClient
from chat.language import N_

if TYPE_CHECKING:
    from chat.client.seat_keys import SeatKeys

SETTLED = 10.0
"""Seconds after a `Session.switch` that failed in which the server may say that the seat was taken by it."""
ENTERING = 0.5
"""Seconds that a session that ends waits for the answer to its hello, to give the seat back."""


class Session(Queries):
    """One person in one room.

    ``async with Session(...) as session`` starts it, and leaves the room at the end. The caller must consume
    `updates` meanwhile.
    """

    def __init__(
        self,
        dial: Dial,
        hello: Hello,
        *,
        resend: bool = True,
        keys: SeatKeys | None = None,
        seen: Seen | None = None,
        other_nicks: bool = False,
        give_up: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            dial: finds the server, and returns a client that is not connected yet.
            hello: room, nick, cursor and access token of the first connection.
            resend: the technique's trait: drafts without an answer are sent again after a reconnect.
            keys: keeps the seat key, so that another process of this user gets the seat back.
            seen: tells other clients when the server is back, and is told by them.
            other_nicks: a taken nick becomes nick-2, nick-3 ...; otherwise it is an error, or waited for
                while its owner is away.
            give_up: seconds without a connection after which the session goes down; None: never.
            clock: returns seconds.
            jitter: returns a random number from 0 to 1, for the back-off.
        """
        self.nick = hello.nick
        self.room = hello.room
        self.seat = ""
        self.limits = Limits()
        self.way = Way(dial, resend, hello.access)
        self.state = State("connecting")
        self._hello = hello
        self._first_key = new_seat_key()  # if the first welcome is lost, the same hello gives the same seat
        self._keys = keys
        self._other_nicks = other_nicks
        self._clock = clock
        self._reconnect = ReconnectPolicy(give_up, clock, jitter)
        self._client: ChatClient | None = None
        self._counts: Counter[str] = Counter()  # what the connections so far have counted
        self._broken_by: ChatError | None = None  # why the last connection ended that was in the room
        self._view = RoomView(hello.cursor)
        self._sender = DraftSender(resend=resend, clock=clock, tell=self._tell)
        self._reader = EventReader(self._view, self._sender, clock=clock, tell=self._tell)
        self._updates = UpdateQueue()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.hindered = ""
        """Why the server takes no messages at the moment, and what to do; empty: it does."""
        self.outcome: ChatError | None = None
        """Why the session ended by itself; None: it did not."""
        self._retry = RetryWait(seen)
        self._moved = False  # it connects anew because of `redial`
        self._redialling = asyncio.Event()
        self._taking = 0.0  # by the clock: until then it may be `switch` that takes the seat
        self._connecting = asyncio.Lock()  # only one connection takes the seat at a time
        self._ready: tuple[ChatClient, Welcome] | None = None  # what `switch` has connected

    @property
    def members(self) -> dict[str, Member]:
        """By seat, in the order of joining."""
        return self._view.members

    @property
    def cursor(self) -> Cursor | None:
        """Every event up to it has come, or is known to be missing."""
        return self._view.cursor

    # --- what the user does --------------------------------------------------------------------

    def say(self, text: str) -> int:
        """Put a message into the outbox; return a token that the updates about it carry.

        Check the text with `chat.domain.validation.clean_text` first, to tell the user at once.
        """
        return self._sender.add(Say(text))

    def edit(self, id: int, text: str) -> int:
        return self._sender.add(Edit(id, text))

    def delete(self, id: int) -> int:
        return self._sender.add(Delete(id))

    def retry_now(self) -> None:
        """Do not wait for the next try."""
        self._retry.hurry()

    def redial(self) -> None:
        """Connect anew at once, because there is another way. Seat, drafts and cursor are kept."""
        self._redialling.set()
        self._retry.hurry()

    async def switch(self, way: Way) -> None:
        """Go on by another way, and keep seat, drafts and cursor. The old one serves until the new one does.

        Raises:
            ChatError: why the new way can't be taken; the old one stays.
        """
        async with self._connecting:
            self._taking = math.inf
            try:
                client, welcome = await self._connect(way)
            except BaseException:
                self._taking = self._clock() + SETTLED
                raise
            self._taking = 0.0
            if self._closing or not self._view.same_log(welcome):
                await client.close()
                ended = ConnectionLost("the session has ended")
                raise ended if self._closing else StaleCursor("the room has another log there")
            self.way, self._ready = way, (client, welcome)
            self._sender.switched(resend=way.resend)
            self.redial()

    @property
    def connected(self) -> bool:
        """Whether it is in the room, by the way that was asked for last (see `redial`)."""
        there = self._client is not None and self.state.name == "up"
        return there and not (self._redialling.is_set() or self._moved)

    @property
    def pending(self) -> int:
        """Drafts that the room has not answered yet."""
        return len(self._sender.unanswered)

    def unanswered(self) -> list[int]:
        """Return the tokens of the drafts in the outbox, oldest first."""
        return self._sender.unanswered

    async def settled(self, at_most: int = 0) -> None:
        """Wait until at most so many drafts are unanswered, or the session has ended."""
        await self._sender.settled(at_most)

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._run())

    async def close(self, *, leave: bool = True) -> None:
        """End the connection and `updates`, and with ``leave`` the seat. Unanswered drafts are given up."""
        self._closing = True
        if leave and self._client is None and self._connecting.locked():
            with suppress(TimeoutError):
                async with asyncio.timeout(ENTERING), self._connecting:
                    pass
        client = self._ready[0] if self._ready else self._client
        if client is not None:
            await client.close(leave=leave)
            if leave and self._keys:
                await asyncio.to_thread(self._keys.forget)
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._keys:  # another session of this process may want the seat that has not ended
            await asyncio.to_thread(self._keys.release)
        self._end()

    def _end(self) -> None:
        self._updates.end()
        self._sender.end()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def updates(self) -> AsyncIterator[list[Update]]:
        """Yield what happens, in batches, until the session has ended and all was yielded."""
        return self._updates.batches()

    # --- the life of a session -----------------------------------------------------------------

    async def _run(self) -> None:
        try:
            self.outcome = outcome = await self._live()
            self._closing = True
            if outcome is not None:
                await self._sender.give_up(N_(f"it is unknown whether it was stored: {outcome}"))
                await self._enter(State("down", self.state.address, str(outcome)))
        finally:
            self._end()

    async def _live(self) -> ChatError | None:
        """Connect again and again; return the error that ends the session, None after `close`."""
        name = 1
        self._reconnect.disconnected()
        while not self._closing:
            await self._enter(State("connecting", self.state.address))
            error: ChatError | None = None
            client: ChatClient | None = None
            seated = False
            await self._retry.trying()
            try:
                async with self._connecting:
                    self._redialling.clear()
                    switched, self._ready = self._ready, None
                    client, welcome = switched or await self._connect(self.way)
                    self._client = client
                if switched:
                    client.earlier = self._counts
                    await self._tell(Switched(self.way.technique))
                self._reconnect.connected()
                await self._retry.connected()
                await self._talk(client, welcome)
            except NickTaken as taken:
                if self._other_nicks:
                    name += 1
                    self.nick = f"{self._hello.nick}-{name}"
                    continue
                error = taken
            except StaleCursor as stale:
                await self._start_over(str(stale))
                continue
            except ChatError as lost:
                error = lost
                if isinstance(lost, SeatTaken) and self._clock() < self._taking:
                    # By `switch`, whose connection broke before the welcome: the seat is free again.
                    error = ConnectionLost("the server closed the connection")
            finally:
                if seated := self._client is not None:
                    self._broken_by = error
                self._client, self.hindered = None, ""
                if client is not None:
                    await self._hang_up(client)
            async with self._connecting:  # the new connection of `switch` may be what ended this one
                pass
            if self._closing:
                break
            if self._redialling.is_set():
                self._moved = True
                continue
            if error is None:
                error = ConnectionLost("the server closed the connection")
            doubtful = not self.way.checked
            if (delay := self._reconnect.delay(error, doubtful=doubtful, seated=seated)) is None:
                return error
            await self._enter(State("retrying", self.state.address, str(error), delay))
            if await self._retry.pause(delay, watch=error.retry_after is None):
                self._reconnect.found()
        return None

    async def _start_over(self, reason: str) -> None:
        """The room has another log. Drafts that change a message fail: they would hit another message."""
        self._view.start_over()
        await self._tell(StartedOver(reason))
        await self._sender.fail_changes(N_("the room has a new log, and the message is not in it"))

    async def _connect(self, way: Way) -> tuple[ChatClient, Welcome]:
        """Take the seat over a new connection."""
        client = await way.dial()
        client.on_notice = lambda text: self._updates.put_soon(Noticed(text, unasked=True))
        client.on_hindered = self._hindered
        client.earlier = self._counts
        try:
            key = self._hello.seat_key
            if not key and self._keys:
                key = await asyncio.to_thread(self._keys.claim, self.nick)
            hello = Hello(self.room, self.nick, self.cursor, way.access, key or self._first_key)
            return client, await client.connect(hello)
        except BaseException:
            await self._hang_up(client)
            raise

    async def _hang_up(self, client: ChatClient) -> None:
        self._counts = client.counts()
        await client.close(leave=False)

    async def _tell(self, update: Update) -> None:
        await self._updates.put(update)

    def _hindered(self, reason: str) -> None:
        if reason != self.hindered:
            self.hindered = reason
            self._updates.put_soon(Hindered(reason))

    async def _enter(self, state: State) -> None:
        self.state = state
        await self._tell(StateChanged(state))

    # --- one connection ------------------------------------------------------------------------

    async def _talk(self, client: ChatClient, welcome: Welcome) -> None:
        """Serve one connection until it ends. Raises the reason."""
        await self._welcomed(client, welcome)
        works = (self._reader.run, self._send, self._measure)
        tasks: set[asyncio.Task[object]] = {asyncio.create_task(work(client)) for work in works}
        tasks.add(asyncio.create_task(self._redialling.wait()))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._reconnect.disconnected()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _welcomed(self, client: ChatClient, welcome: Welcome) -> None:
        reconnected = self._reconnected(welcome) if self.seat else None
        if self._moved and welcome.seat == self.seat:  # on purpose: there is nothing to tell
            reconnected = None
        self._moved = False
        self.nick, self.seat, self.limits = welcome.nick, welcome.seat, welcome.limits
        self._view.welcomed(welcome)
        self._hello = Hello(self.room, self._hello.nick, seat_key=welcome.seat_key)
        if self._keys:
            await asyncio.to_thread(self._keys.keep, welcome.nick, welcome.seat_key)
        self._sender.welcomed(welcome)
        self._reader.welcomed()
        await self._tell(Entered(welcome))
        if reconnected is not None:
            await self._tell(reconnected)
        for notice in Noticed.about(welcome, client.notices()):
            await self._tell(notice)
        await self._enter(State("up", self.way.server or str(client.address)))

    def _reconnected(self, welcome: Welcome) -> Reconnected:
        by = self._broken_by
        return Reconnected(
            self._reconnect.away,
            self._sender.waiting,
            server_away=by is None or isinstance(by, ConnectionLost | Closing),
            new_seat=welcome.seat != self.seat,
        )

    async def _send(self, client: ChatClient) -> None:
        if self.way.resend:  # only the replay shows what the room has already
            await self._reader.caught_up.wait()
        await self._sender.run(client)

    async def _measure(self, client: ChatClient) -> None:
        await measure(client, self._tell)
