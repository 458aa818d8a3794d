"""The client's side of a conversation: reconnect, resume, outbox, pacing, de-duplication.

A session outlives its connections. It knows no technique (it is given ``dial``) and no widget (it
yields updates). Nothing that was said is lost or said twice, however often the connection breaks:
drafts stay in the outbox until the room has answered, and are sent again only after the replay has
shown what the room already has.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from msgspec import structs

from chat.client.session_events import (
    Arrived,
    DraftMoved,
    Entered,
    Measured,
    Missed,
    Noticed,
    Phase,
    StartedOver,
    State,
    StateChanged,
    Update,
)
from chat.domain.errors import ChatError, ConnectionLost, NickTaken, StaleCursor, Unconfirmed
from chat.domain.event_window import WIDTH, Window
from chat.domain.model import (
    Cursor,
    Delete,
    Draft,
    Edit,
    Event,
    Hello,
    Limits,
    Member,
    MissingEvents,
    Say,
    Welcome,
)
from chat.domain.rate_limit import Pace, backoff
from chat.interfaces.client import ChatClient

if TYPE_CHECKING:
    from chat.client.seat_keys import SeatKeys

Dial = Callable[[], Awaitable[ChatClient]]
"""Finds the server, starting it where that is wanted, and returns a client that is not yet connected."""

FIRST_PING = 0.5  # later than a client's first paint, which would be measured too
PING_EVERY = 5.0
PING_TIMEOUT = 10.0
BACKLOG = 2000  # updates that may wait for the consumer; then the session stops reading
MEMBERSHIP = ("joined", "resumed", "left")


@dataclass(slots=True)
class _Queued:
    token: int
    draft: Draft  # its number is 0 until it goes on the wire: only the welcome tells where to count on
    since: float
    on_wire: bool = False


class Session:
    """One person in one room.

    ``async with Session(...) as session`` starts it and leaves the room at the end; somebody must
    consume `updates` all the while.
    """

    def __init__(
        self,
        dial: Dial,
        hello: Hello,
        *,
        resend: bool = True,
        keys: SeatKeys | None = None,
        other_nicks: bool = False,
        give_up: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; nothing happens before `start`.

        ``resend``: the technique's trait. ``other_nicks``: a taken nick becomes nick-2, nick-3 ...;
        otherwise it is an error, or waited for while its owner is away. ``give_up``: seconds without a
        connection after which the session goes down; None: never.
        """
        self.nick = hello.nick
        self.room = hello.room
        self.seat = ""
        self.limits = Limits()
        self.members: dict[str, Member] = {}
        """By seat, in the order of joining."""
        self.access = hello.access
        """The access token for the next connection; ``dial`` may set it."""
        self.cursor = hello.cursor
        self.state = State("connecting")
        self._hello = hello
        self._dial = dial
        self._resend = resend
        self._keys = keys
        self._other_nicks = other_nicks
        self._give_up = give_up
        self._clock = clock
        self._jitter = jitter
        self._client: ChatClient | None = None
        self._window: Window | None = None  # what has come; None: nothing yet of this log
        self._membership = 0  # the seq of the newest event that changed the members
        self._seats: set[str] = set()  # own ones; several when a seat ended while we were away
        self._n = 0
        self._tokens_given = 0
        self._outbox: dict[int, _Queued] = {}  # by token, in the order of the user's calls
        self._by_number: dict[int, _Queued] = {}  # what was on the wire, until its own event is here
        self._held_until = 0.0  # by the clock: nothing is sent before
        self._wake = asyncio.Event()  # something to send
        self._shrunk = asyncio.Event()  # the outbox has lost a draft, or the session has ended
        self._caught_up = asyncio.Event()  # the replay has reached the head of the welcome
        self._head = 0
        self._epoch = ""
        self._updates: asyncio.Queue[Update] = asyncio.Queue(BACKLOG)
        self._news = asyncio.Event()  # an update, or the end
        self._pace = Pace(self.limits, clock)
        self._closing = False
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.outcome: ChatError | None = None
        """Why the session went down by itself."""
        self._hurry = asyncio.Event()
        self._last_up = clock()

    # --- what the user does --------------------------------------------------------------------

    def say(self, text: str) -> int:
        """Put a message into the outbox; return a token that the updates about it carry.

        Check the text with `chat.domain.validation.clean_text` first, to tell the user at once.
        """
        return self._queue(Say(text))

    def edit(self, id: int, text: str) -> int:
        return self._queue(Edit(id, text))

    def delete(self, id: int) -> int:
        return self._queue(Delete(id))

    def retry_now(self) -> None:
        """Do not wait for the next try."""
        self._hurry.set()

    @property
    def pending(self) -> int:
        """Drafts that the room has not answered yet."""
        return len(self._outbox)

    def unanswered(self) -> list[int]:
        """Return the tokens of the drafts in the outbox, oldest first."""
        return list(self._outbox)

    async def settled(self, at_most: int = 0) -> None:
        """Wait until at most so many drafts are unanswered, or the session has ended."""
        while len(self._outbox) > at_most and not self._ended.is_set():
            self._shrunk.clear()
            await self._shrunk.wait()

    async def history(self, *, before: int, limit: int) -> list[Event]:
        """Return older events. Raises `ConnectionLost` when not connected."""
        if self._client is None:
            raise ConnectionLost("not connected")
        return await self._client.history(before=before, limit=limit)

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._run())

    async def close(self, *, leave: bool = True) -> None:
        """End the connection and `updates`, with ``leave`` the seat too. Gives up what is unanswered."""
        self._closing = True
        if self._client is not None:
            await self._client.close(leave=leave)
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
        self._ended.set()
        self._news.set()
        self._shrunk.set()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def updates(self) -> AsyncIterator[list[Update]]:
        """Yield what happens, in batches; ends after the session has ended and all was yielded."""
        while True:
            batch: list[Update] = []
            while not self._updates.empty() and len(batch) < 500:
                batch.append(self._updates.get_nowait())
            if batch:
                yield batch
            elif self._ended.is_set():
                return
            else:
                self._news.clear()
                await self._news.wait()

    # --- the life of a session -----------------------------------------------------------------

    async def _run(self) -> None:
        try:
            self.outcome = outcome = await self._live()
            if outcome is not None:
                for queued in [one for one in self._outbox.values() if one.on_wire]:
                    self._take(queued)
                    await self._moved(queued, "unconfirmed", f"nobody knows whether it arrived: {outcome}")
                await self._enter(State("down", self.state.address, str(outcome)))
        finally:
            self._end()

    async def _live(self) -> ChatError | None:
        """Connect, and connect again; return what makes another try useless, None after `close`."""
        failures, name = 0, 1
        self._last_up = self._clock()
        while not self._closing:
            await self._enter(State("connecting", self.state.address))
            error: ChatError | None = None
            client: ChatClient | None = None
            try:
                client = await self._dial()
                welcome = await client.connect(await self._greeting())
                failures = 0
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
            finally:
                self._client = None
                if client is not None:
                    await client.close(leave=False)
            if self._closing:
                break
            if error is None:
                error = ConnectionLost("the server closed the connection")
            final = error.final or (isinstance(error, NickTaken) and error.retry_after is None)
            if not final and self._give_up is not None:
                final = self._clock() - self._last_up >= self._give_up
            if final:
                return error
            await self._wait(error, failures)
            failures += 1
        return None

    async def _start_over(self, reason: str) -> None:
        """Begin with another log. A change would hit another message there: it fails."""
        self.cursor = self._window = None
        self._membership = 0
        await self._tell(StartedOver(reason))
        for queued in list(self._outbox.values()):
            if not isinstance(queued.draft, Say):
                self._take(queued)
                self._by_number.pop(queued.draft.n, None)
                await self._moved(queued, "failed", "the message is not in this log any more")

    async def _greeting(self) -> Hello:
        key = self._hello.seat_key
        if not key and self._keys:
            key = await asyncio.to_thread(self._keys.claim, self.nick)
        return Hello(self.room, self.nick, self.cursor, self.access, key)

    async def _wait(self, error: ChatError, failures: int) -> None:
        delay = backoff(failures, self._jitter()) if error.retry_after is None else error.retry_after + 0.1
        if self._give_up is not None:
            delay = min(delay, max(0.0, self._give_up - (self._clock() - self._last_up)))
        await self._enter(State("retrying", self.state.address, str(error), delay))
        self._hurry.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._hurry.wait()

    async def _tell(self, update: Update) -> None:
        await self._updates.put(update)
        self._news.set()

    async def _enter(self, state: State) -> None:
        self.state = state
        await self._tell(StateChanged(state))

    # --- one connection ------------------------------------------------------------------------

    async def _talk(self, client: ChatClient, welcome: Welcome) -> None:
        """Serve one connection until it ends; raises why."""
        self._client = client
        await self._welcomed(client, welcome)
        tasks = {asyncio.create_task(work(client)) for work in (self._read, self._send_all, self._measure)}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._last_up = self._clock()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _welcomed(self, client: ChatClient, welcome: Welcome) -> None:
        self.nick, self.seat, self.limits = welcome.nick, welcome.seat, welcome.limits
        self.members = {member.seat: member for member in welcome.members}
        self._seats.add(welcome.seat)
        self._hello = Hello(self.room, self._hello.nick, seat_key=welcome.seat_key)
        if self._keys:
            await asyncio.to_thread(self._keys.keep, welcome.nick, welcome.seat_key)
        self._n = max(self._n, welcome.n)
        self._head = welcome.head
        self._pace.follow(self.limits)
        self._epoch = welcome.epoch
        if self.cursor is not None:
            self.cursor = Cursor(self.cursor.seq, welcome.epoch)
        self._caught_up.clear()
        self._see_whether_caught_up()
        await self._tell(Entered(welcome))
        for notice in Noticed.about(welcome, client.notices()):
            await self._tell(notice)
        await self._enter(State("up", str(client.address)))

    async def _read(self, client: ChatClient) -> None:
        async for batch in client.events():
            for news in batch:
                if isinstance(news, MissingEvents):
                    await self._missed(client, news)
                else:
                    await self._arrived(client, news)
            self._see_whether_caught_up()

    async def _arrived(self, client: ChatClient, event: Event) -> None:
        if not (seen := self._seen(event.prev)).take(event.seq, event.prev):
            return
        self.cursor = Cursor(seen.floor, self._epoch)
        arrived = Arrived(event)
        if event.n and event.seat in self._seats and (queued := self._by_number.pop(event.n, None)):
            self._take(queued)
            client.answered(event.n)
            arrived = Arrived(event, queued.token, self._clock() - queued.since)
        try:
            await self._follow_members(client, event.seq, event)
        finally:  # the cursor has passed it: it does not come again when the connection breaks just now
            await self._tell(arrived)

    async def _missed(self, client: ChatClient, missing: MissingEvents) -> None:
        seen = self._seen(missing.events[0].prev)
        lost = tuple(one for one in missing.events if seen.miss(one.seq, one.prev))
        self.cursor = Cursor(seen.floor, self._epoch)
        try:
            if changes := [one.seq for one in lost if one.kind in MEMBERSHIP]:
                await self._follow_members(client, changes[-1], None)
        finally:
            if lost:
                await self._tell(Missed(MissingEvents(lost)))

    def _see_whether_caught_up(self) -> None:
        if not self._resend or (self.cursor.seq if self.cursor else 0) >= self._head:
            self._caught_up.set()

    def _seen(self, before: int) -> Window:
        """Return what has come so far; nothing yet: it begins after the cursor, or the first that comes."""
        if self._window is None:
            self._window = Window(before if self.cursor is None else self.cursor.seq)
        return self._window

    async def _follow_members(self, client: ChatClient, seq: int, event: Event | None) -> None:
        """Keep the list of members; ask for it where an event is missing or came late."""
        if event is not None and event.kind not in MEMBERSHIP:
            return
        if event is None or seq < self._membership:
            self.members = {member.seat: member for member in await client.members()}
        elif event.kind == "left":
            self.members.pop(event.seat, None)
        else:
            self.members[event.seat] = Member(event.seat, event.author, event.technique)
        self._membership = max(self._membership, seq)

    async def _measure(self, client: ChatClient) -> None:
        await asyncio.sleep(FIRST_PING)
        while True:
            try:
                async with asyncio.timeout(PING_TIMEOUT):
                    rtt = await client.ping()
            except TimeoutError:
                raise ConnectionLost(f"{client.address} has not answered for {PING_TIMEOUT:.0f} s") from None
            await self._tell(Measured(rtt, client.activity()))
            await asyncio.sleep(PING_EVERY)

    # --- the outbox ----------------------------------------------------------------------------

    def _queue(self, draft: Draft) -> int:
        self._tokens_given += 1
        token = self._tokens_given
        self._outbox[token] = _Queued(token, draft, self._clock())
        self._wake.set()
        return token

    def _take(self, queued: _Queued) -> bool:
        self._shrunk.set()
        return self._outbox.pop(queued.token, None) is not None

    async def _send_all(self, client: ChatClient) -> None:
        """Send the outbox in order, what was on the wire before included, at the server's pace.

        After a refusal that is not final (too fast, disk full) nothing else goes ahead of that draft; only
        what is on the wire behind it already may.
        """
        await self._caught_up.wait()
        for left in list(self._outbox.values()):
            if left.on_wire and not self._resend:
                self._take(left)
                await self._moved(left, "unconfirmed", "the connection broke before the answer")
            left.on_wire = False
        tasks: set[asyncio.Task[None]] = set()
        try:
            while True:
                self._wake.clear()
                queued = next((one for one in self._outbox.values() if not one.on_wire), None)
                if queued is None:
                    await self._wake.wait()
                    continue
                if (wait := self._held_until - self._clock()) > 0:
                    await asyncio.sleep(wait)
                    continue  # another one may be first now
                if wait := self._pace.take():
                    await self._moved(queued, "waiting", f"waiting ({self.limits.rate:g}/s)")
                    await asyncio.sleep(wait)
                    continue
                if not queued.draft.n:
                    self._n += 1
                    queued.draft = structs.replace(queued.draft, n=self._n)
                self._by_number[queued.draft.n] = queued
                while len(self._by_number) > len(self._outbox) + WIDTH:  # the oldest one's event won't come
                    gone = (n for n, one in self._by_number.items() if one.token not in self._outbox)
                    del self._by_number[next(gone)]
                queued.on_wire = True
                await self._moved(queued, "sending")
                task = asyncio.create_task(self._send(client, queued))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, client: ChatClient, queued: _Queued) -> None:
        try:
            await client.send(queued.draft)
        except Unconfirmed as error:
            if self._take(queued):
                await self._moved(queued, "unconfirmed", str(error))
        except ConnectionLost:
            return  # it stays in the outbox; reading ends this connection
        except ChatError as error:
            if error.final:
                self._take(queued)
                self._by_number.pop(queued.draft.n, None)
                await self._moved(queued, "failed", str(error))
                return
            self._held_until = self._clock() + (error.retry_after or 1.0)
            queued.on_wire = False
            self._wake.set()
            await self._moved(queued, "waiting", str(error))
        else:
            if self._take(queued):
                await self._moved(queued, "sent")

    async def _moved(self, queued: _Queued, phase: Phase, reason: str = "") -> None:
        await self._tell(DraftMoved(queued.token, phase, reason))
