"""The UDP client: takes a seat, sends drafts, and finds out which events were lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Any

from msgspec import structs

from backends.udp.client_connection import MAX_RETRANSMIT_AFTER, RETRANSMIT_AFTER, ClientConnection, Key
from backends.udp.client_handshake import Handshake
from backends.udp.codec import (
    AwayMessage,
    EndMessage,
    EventsMessage,
    GoneMessage,
    MemberListMessage,
    MembersMessage,
    NameListMessage,
    NamesMessage,
    PageMessage,
    PongMessage,
    WelcomeMessage,
)
from backends.udp.receive_buffer import ReceiveBuffer
from chat.domain.errors import BadRequest, ChatError, ConnectionLost, Unconfirmed
from chat.domain.json_codec import AckMessage, ErrorMessage, HistoryMessage, LeaveMessage, PingMessage
from chat.domain.model import Ack, Draft, Event, Hello, Member, MissingEvents, Welcome
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.language import N_
from chat.transport.errors import beyond_the_log, connection_refused, no_answer, not_our_words

DRAFT_TIMEOUT = 3.0
"""Seconds without an answer after which a draft is unconfirmed. Without ``--repair`` it is sent only once."""
MAX_IN_FLIGHT = 32
"""Drafts without an answer; the next one waits. UDP has no flow control: a burst would overrun a buffer."""
REORDER_DELAY = 0.3
"""Seconds that an event may come later than the one after it, before it is reported as missing."""
REPAIR_DELAY = 0.1
"""The same with ``--repair``; shorter, because a needless request only costs a datagram."""
PING_TIMEOUT = 1.0
"""Seconds after which a ping is sent again, with another number, so that no old reply is measured."""
LEAVE_TIMEOUT = 1.0
"""Seconds that a server has to confirm a leave."""
MAX_MEMBER_PAGES = 1000


class UdpClient(ChatClient):
    """One person's exchange of datagrams with a server.

    Settings: ``repair`` (``on`` asks for lost events and sends drafts again), and those of `LossSimulation`.
    """

    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self._repair = self.options.settings.get("repair") == "on"
        self._connection: ClientConnection | None = None
        self._handshake: Handshake | None = None
        self._welcome: WelcomeMessage | None = None
        self._buffer = ReceiveBuffer(0, 0, in_order=self._repair)
        self._page = 1
        self._readable = asyncio.Event()
        self._events_missing = asyncio.Event()
        self._replaying = False
        self._in_flight = asyncio.Semaphore(1 if self._repair else MAX_IN_FLIGHT)
        self._one_request = asyncio.Lock()  # for requests that are sent again until they are answered
        self._recovery: asyncio.Task[None] | None = None

    # --- connecting ----------------------------------------------------------------------------

    async def connect(self, hello: Hello) -> Welcome:
        self._handshake = handshake = Handshake(hello)
        connection = await self._open(handshake)
        try:
            welcome = await handshake.run(connection)
        except TimeoutError:
            connection.fail(ConnectionLost(no_answer(self.address)))
            if connection.dropped:
                raise ConnectionLost(not_our_words(self.address, "udp")) from None
            raise ConnectionLost(no_answer(self.address)) from None
        connection.keep_alive()
        members = await self.members()
        self._recovery = asyncio.create_task(self._recover())
        return welcome.welcome(members)

    async def _open(self, handshake: Handshake) -> ClientConnection:
        """Open a socket to the first address of the host where a server does not refuse."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self.address.host, self.address.port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise ConnectionLost(connection_refused(self.address, error)) from None
        places = list(dict.fromkeys((family, place) for family, _, _, _, place in found))
        for family, place in places:
            last = place == places[-1][1]
            connection = ClientConnection(
                self.address, self.options.settings, self._receive, self._readable.set
            )
            try:
                await connection.open(family, place)
            except OSError as error:
                if last:
                    raise ConnectionLost(connection_refused(self.address, error)) from None
                continue
            self._connection = connection
            if last:
                break
            handshake.send_hello(connection)
            if not await connection.wait_ended(RETRANSMIT_AFTER):  # a local refusal comes at once
                break
            await connection.close()
        return connection

    # --- receiving -----------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        connection, handshake = self._connection, self._handshake
        assert connection is not None
        assert handshake is not None
        if self._welcome is None:
            self._welcome = welcome = handshake.receive(connection, data)
            if welcome is not None:
                self._buffer = ReceiveBuffer(welcome.start, welcome.head, in_order=self._repair)
                self._page = welcome.limits.page
            return
        match message := connection.decode(data):
            case Event():
                self._add_live([message])
            case EventsMessage():
                self._add_live(message.events)
            case AckMessage():
                connection.resolve(("draft", message.n), Ack(message.n, message.seq))
            case PageMessage() | NameListMessage() | MemberListMessage():
                connection.resolve(("ref", message.ref), message)
            case PongMessage():
                connection.resolve(("ref", message.ref), message)
                self._buffer.announce(message.head)
                self._notify()
            case ErrorMessage():
                key: Key = ("draft", message.n) if message.n else ("ref", message.ref)
                connection.resolve(key, message.error())
            case EndMessage() if message.nonce == handshake.nonce:
                connection.fail(message.error())
            case GoneMessage():  # it has no MAC, so it is not accepted where a token is used
                connection.fail(ConnectionLost("the server does not know this connection any more"))
            case _:
                pass  # a duplicate of the welcome or of a cookie

    def _add_live(self, events: Sequence[Event]) -> None:
        self._buffer.add_live(events)
        self._notify()

    def _notify(self) -> None:
        """Wake the tasks that have something to do now."""
        if self._buffer:
            self._readable.set()
        if not self._buffer.complete:
            self._events_missing.set()

    # --- missing events ------------------------------------------------------------------------

    async def _recover(self) -> None:
        """Wait until events stay missing; then report them or, with ``--repair``, ask for them."""
        while True:
            await self._events_missing.wait()
            self._events_missing.clear()
            try:
                await self._close_missing_ranges()
            except ConnectionLost:
                return
            except ChatError:  # the server could not read its log just now
                await asyncio.sleep(MAX_RETRANSMIT_AFTER)
                self._events_missing.set()

    async def _close_missing_ranges(self) -> None:
        buffer = self._buffer
        while buffer.replayed and not buffer.complete:
            highest = buffer.highest
            if not buffer.window_full:
                await asyncio.sleep(REPAIR_DELAY if self._repair else REORDER_DELAY)
            while ranges := buffer.missing_ranges(highest):
                if buffer.unread:  # the consumer has to read first
                    return
                after, before = ranges[0]  # the first one: the events behind it fill the buffer
                await (self._request_events if self._repair else self._report)(after, before)
                self._notify()

    async def _report(self, after: int, before: int) -> None:
        """Ask which events are missing between two seqs, and report a page of them."""
        answer: NameListMessage = await self._request(NamesMessage(after, before))
        self._buffer.report_missing(answer.names)
        if not (answer.more and answer.names):
            self._buffer.skip(before - 1)

    async def _request_events(self, after: int, before: int) -> None:
        """Ask for a page of the events that are missing between two seqs."""
        page: PageMessage = await self._request(HistoryMessage(0, after, before, self._page))
        self._buffer.add_requested(page.events, repair=True)
        if not page.events:
            self._buffer.skip(before - 1)

    # --- drafts --------------------------------------------------------------------------------

    async def send(self, draft: Draft) -> Ack | None:
        if not draft.n:
            raise BadRequest("a draft needs a number, counted from 1: its answer refers to it")
        connection = self._seated()
        key = ("draft", draft.n)
        async with self._in_flight:
            ack: Ack | None
            if self._repair:
                ack = await connection.request(draft, key, retransmit=True)
            else:
                ack = await self._send_once(connection, draft, key)
        return ack

    async def _send_once(self, connection: ClientConnection, draft: Draft, key: Key) -> Any:
        """Send a draft and return its answer. Raises `Unconfirmed` after `DRAFT_TIMEOUT`."""
        with connection.expect(key) as reply:
            connection.send(draft)
            waiting = True
            while waiting and not reply.done():
                waiting = self._replaying  # the consumer gets the draft's event after the replay
                await asyncio.wait([reply], timeout=DRAFT_TIMEOUT)
            if not reply.done():
                raise Unconfirmed(
                    f"no answer in {DRAFT_TIMEOUT:.0f} s: the message or its answer may be lost", n=draft.n
                )
            return reply.result()

    def answered(self, n: int) -> None:
        if self._connection is not None:
            self._connection.resolve(("draft", n), None)

    # --- events --------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[Sequence[Event | MissingEvents]]:
        connection = self._seated()
        buffer = self._buffer
        self._replaying = True
        while not buffer.replayed and not connection.ended:
            await self._request_replay()
            if buffer:
                yield buffer.read()
        self._replaying = False
        self._notify()
        while True:
            if buffer:
                yield buffer.read()
                if not buffer.complete:
                    self._events_missing.set()
            elif connection.ended:
                if connection.closing:
                    return
                raise connection.reason
            else:
                self._readable.clear()
                await self._readable.wait()

    async def _request_replay(self) -> None:
        """Ask for the next page of the replay."""
        buffer = self._buffer
        try:
            page: PageMessage = await self._request(HistoryMessage(after=buffer.floor, limit=self._page))
        except ConnectionLost:
            return  # `events` raises the reason
        buffer.add_requested(page.events)
        if not page.events:
            buffer.skip(page.head)

    # --- requests ------------------------------------------------------------------------------

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        self._seated()
        found: list[Event] = []
        wanted = max(1, min(limit, self._page))
        while len(found) < wanted:  # a datagram holds few events
            begin, end = after, before
            if found and after is not None:
                begin = found[-1].seq
            elif found:
                end = found[0].seq
            page: PageMessage = await self._request(HistoryMessage(0, begin, end, wanted - len(found)))
            events = page.events
            found = found + events if after is not None else events + found
            if not events or (events[-1].seq >= page.head if after is not None else events[0].prev == 0):
                break
        return found

    async def members(self) -> list[Member]:
        # Each page begins with the last member of the one before. If another one is there, the list has
        # changed meanwhile, and is read again.
        self._seated()
        found: list[Member] = []
        for _ in range(MAX_MEMBER_PAGES):
            skip = max(0, len(found) - 1)
            answer: MemberListMessage = await self._request(MembersMessage(0, skip))
            page = answer.members
            if not found:
                found = page
            elif page and page[0].seat == found[-1].seat:
                found += page[1:]
            else:
                found = []
                continue
            if not answer.more:
                break
        return found

    async def _request(self, request: HistoryMessage | NamesMessage | MembersMessage) -> Any:
        """Send a request again until it is answered; one at a time."""
        connection = self._seated()
        async with self._one_request:
            ref = connection.next_ref()
            return await connection.request(structs.replace(request, ref=ref), ("ref", ref), retransmit=True)

    async def ping(self) -> float:
        connection = self._seated()
        while True:
            ref, seen = connection.next_ref(), self._buffer.highest
            start = perf_counter()  # uvloop's own clock stands still within one iteration of the loop
            with suppress(TimeoutError):
                pong: PongMessage = await connection.request(
                    PingMessage(ref), ("ref", ref), retransmit=False, give_up_after=PING_TIMEOUT
                )
                if pong.head < seen:
                    raise ConnectionLost(beyond_the_log(seen, pong.head))
                return perf_counter() - start

    def activity(self) -> str:
        counts = self.counts()
        if self._repair:
            say = N_(f"repaired {counts['repaired']}, twice {counts['twice']}")
        else:
            say = N_(f"lost {counts['lost']}, late {counts['late']}, twice {counts['twice']}")
        return N_(f"{say}, fragmented {counts['fragmented']}") if counts["fragmented"] else say

    def counted(self) -> Mapping[str, int]:
        buffer, connection = self._buffer, self._connection
        return {
            "lost": buffer.lost,
            "late": buffer.late,
            "twice": buffer.duplicates,
            "repaired": buffer.repaired,
            "fragmented": connection.fragmented if connection is not None else 0,
        }

    # --- closing -------------------------------------------------------------------------------

    async def close(self, *, leave: bool = True) -> None:
        connection = self._connection
        if connection is None:
            return
        if not connection.closing:
            connection.closing = True
            if self._welcome is not None and not connection.ended:
                if leave:
                    await self._leave(connection)
                else:
                    connection.send(AwayMessage())
            connection.fail(ConnectionLost("the connection is closed"))
        if self._recovery is not None:
            self._recovery.cancel()
            await asyncio.gather(self._recovery, return_exceptions=True)
        await connection.close()

    async def _leave(self, connection: ClientConnection) -> None:
        """Send a leave until the server ends the connection, for at most `LEAVE_TIMEOUT`."""
        with suppress(ChatError, TimeoutError):
            await connection.request(
                LeaveMessage(), ("leave", 0), retransmit=True, give_up_after=LEAVE_TIMEOUT
            )

    def _seated(self) -> ClientConnection:
        if self._connection is None or self._welcome is None:
            raise ConnectionLost("not connected")
        return self._connection
