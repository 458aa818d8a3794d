"""The UDP client: it proves where it is, takes a seat, and finds out what did not come."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Any

from msgspec import structs

from backends.udp.codec import (
    AwayMessage,
    CookieMessage,
    EndMessage,
    EventsMessage,
    GoneMessage,
    HelloMessage,
    MemberListMessage,
    MembersMessage,
    NameListMessage,
    NamesMessage,
    PageMessage,
    PongMessage,
    WelcomeMessage,
    decode_response,
    encode_hello,
)
from backends.udp.inbox import Inbox
from backends.udp.seal import DOWN, HELLO_DOWN, HELLO_UP, UP, Opener, Sealer, body_of, derive, root_key
from backends.udp.wire import AGAIN, AGAIN_AT_MOST, Key, Wire
from chat.domain.errors import AccessDenied, BadRequest, ChatError, ConnectionLost, Unconfirmed
from chat.domain.json_codec import AckMessage, ErrorMessage, HistoryMessage, LeaveMessage, PingMessage
from chat.domain.model import Ack, Draft, Event, Hello, Member, MissingEvents, Welcome
from chat.domain.validation import has_no_bytes
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.transport.errors import connection_refused, no_answer, not_our_words

WELCOME_TIMEOUT = 5.0
"""Seconds for cookie and welcome, with all that gets lost on the way."""
PATIENCE = 3.0
"""Seconds without an answer after which a draft is unconfirmed; it is sent once."""
UNDER_WAY = 32
"""Drafts without an answer; the next one waits. UDP itself would let a burst run into a full buffer."""
REORDERING = 0.3
"""Seconds that an event may come later than the one after it before it is taken for lost."""
REPAIR_AFTER = 0.1
"""The same with ``--repair``: to ask needlessly costs a datagram, and nobody is told."""
PING_PATIENCE = 1.0
"""Seconds after which a ping is sent anew, with another number: the round trip is that of one that came."""
GOODBYE = 1.0
"""Seconds that a server has to take note of a leave."""
MAX_PAGES = 1000
GREETINGS = 16
"""Answers to the hello that wait to be read; a server that sends more is none."""


class UdpClient(ChatClient):
    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self._repair = self.options.settings.get("repair") == "on"
        self._wire: Wire | None = None
        self._hello = HelloMessage("")
        self._root = b""
        self._cookie = CookieMessage("")
        self._greeting: asyncio.Queue[CookieMessage | WelcomeMessage | EndMessage] = asyncio.Queue(GREETINGS)
        self._welcome: WelcomeMessage | None = None
        self._inbox = Inbox(0, 0, in_order=self._repair)
        self._page = 1
        self._news = asyncio.Event()
        self._hole = asyncio.Event()
        self._turn = asyncio.Semaphore(1 if self._repair else UNDER_WAY)
        self._question = asyncio.Lock()  # one at a time: it may have to be asked again
        self._mending: asyncio.Task[None] | None = None

    # --- coming in -----------------------------------------------------------------------------

    async def connect(self, hello: Hello) -> Welcome:
        self._hello = HelloMessage.of(hello, secrets.token_hex(16))
        self._root = root_key(hello.access) if hello.access else b""
        try:
            encode_hello(self._hello)
        except UnicodeEncodeError as error:
            raise has_no_bytes(error) from None
        wire = await self._reach()
        try:
            welcome = await self._enter(wire)
        except TimeoutError:
            wire.fail(ConnectionLost(no_answer(self.address)))
            if wire.dropped:
                raise ConnectionLost(not_our_words(self.address, "udp")) from None
            raise ConnectionLost(no_answer(self.address)) from None
        wire.keep_alive()
        members = await self.members()
        self._mending = asyncio.create_task(self._mend())
        return welcome.welcome(members)

    async def _reach(self) -> Wire:
        """Open a socket to the first address of the host that does not refuse."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self.address.host, self.address.port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise ConnectionLost(connection_refused(self.address, error)) from None
        places = list(dict.fromkeys((family, place) for family, _, _, _, place in found))
        for family, place in places:
            wire = Wire(self.address, self.options.settings, self._greeted, self._news.set)
            try:
                await wire.open(family, place)
            except OSError as error:
                if place == places[-1][1]:
                    raise ConnectionLost(connection_refused(self.address, error)) from None
                continue
            self._wire = wire
            if place == places[-1][1]:
                break
            wire.put(encode_hello(self._hello))
            if not await wire.ends(AGAIN):  # a refusal comes at once, from this machine
                break
            await wire.close()
        return wire

    async def _enter(self, wire: Wire) -> WelcomeMessage:
        """Say hello until a welcome comes, first without a cookie. Raises TimeoutError and the refusal."""
        wait = AGAIN
        async with asyncio.timeout(WELCOME_TIMEOUT):
            while True:
                if self._welcome is None:
                    wire.put(encode_hello(self._hello))
                getting = asyncio.create_task(self._greeting.get())
                ending = asyncio.create_task(wire.ends(wait))
                try:
                    await asyncio.wait([getting, ending], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    getting.cancel()
                    ending.cancel()
                    await asyncio.wait([getting, ending])
                if getting.cancelled():
                    if wire.over:
                        raise wire.why()
                    wait = min(AGAIN_AT_MOST, 1.5 * wait)
                    continue
                match getting.result():
                    case WelcomeMessage() as welcome:
                        return welcome
                    case EndMessage() as end:
                        raise end.error()
                    case CookieMessage() as cookie:
                        self._with_cookie(wire, cookie)

    def _with_cookie(self, wire: Wire, cookie: CookieMessage) -> None:
        if self._welcome is not None:
            return  # one that came twice, or late: the welcome waits behind it, and its keys are in use
        hello = self._hello
        self._hello = HelloMessage(
            hello.nick, hello.room, hello.after, hello.epoch, hello.seat_key, hello.nonce, cookie.cookie
        )
        if not cookie.access:
            self._root = b""  # the server asks for no token
        if self._root:
            wire.sealer = Sealer(derive(self._root, HELLO_UP, hello.nonce, cookie.cookie))

    def _greeted(self, data: bytes) -> None:
        """Take what comes before the seat: what answers this hello, and nothing else."""
        wire = self._wire
        assert wire is not None
        if self._welcome is not None:
            self._take(data)
            return
        try:
            message = decode_response(body_of(data))
        except BadRequest:
            wire.dropped += 1
            return
        hello = self._hello
        if isinstance(message, CookieMessage | WelcomeMessage | EndMessage) and message.nonce == hello.nonce:
            if self._root and not isinstance(message, CookieMessage) and not self._proven(message, data):
                wire.dropped += 1
                return
            if isinstance(message, WelcomeMessage):
                if self._root:
                    wire.sealer = Sealer(derive(self._root, UP, hello.nonce, message.salt))
                self._welcome = message
                self._inbox = Inbox(message.start, message.head, in_order=self._repair)
                self._page = message.limits.page
            with suppress(asyncio.QueueFull):
                self._greeting.put_nowait(message)

    def _proven(self, message: WelcomeMessage | EndMessage, data: bytes) -> bool:
        """Whether it comes from who has the token; a denial may be anybody's: nothing is told by it."""
        assert self._wire is not None
        hello = self._hello
        if isinstance(message, WelcomeMessage):
            opener = Opener(derive(self._root, DOWN, hello.nonce, message.salt))
            if opener.open(data) is None:
                return False
            self._wire.opener = opener
            return True
        key = derive(self._root, HELLO_DOWN, hello.nonce, hello.cookie)
        return message.code == AccessDenied.code or Opener(key).open(data) is not None

    # --- what comes ----------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        wire = self._wire
        assert wire is not None
        message = wire.read(data)
        match message:
            case Event():
                self._push([message])
            case EventsMessage():
                self._push(message.events)
            case AckMessage():
                wire.answer(("draft", message.n), Ack(message.n, message.seq))
            case PageMessage() | NameListMessage() | MemberListMessage():
                wire.answer(("ref", message.ref), message)
            case PongMessage():
                wire.answer(("ref", message.ref), message)
                self._inbox.hear_of(message.head)
                self._look()
            case ErrorMessage():
                key: Key = ("draft", message.n) if message.n else ("ref", message.ref)
                wire.answer(key, message.error())
            case EndMessage() if message.nonce == self._hello.nonce:
                wire.fail(message.error())
            case GoneMessage():  # with seals, this one is not opened
                wire.fail(ConnectionLost("the server knows nothing of this connection any more"))
            case _:
                pass  # a welcome or a cookie that came twice

    def _push(self, events: Sequence[Event]) -> None:
        self._inbox.push(events)
        self._own(events)
        self._look()

    def _own(self, events: Sequence[Event]) -> None:
        """The event of an own draft is its answer."""
        assert self._welcome is not None
        assert self._wire is not None
        seat = self._welcome.seat
        for event in events:
            if event.seat == seat:
                if event.n:
                    self._wire.answer(("draft", event.n), Ack(event.n, event.seq))
                elif event.kind == "left":
                    self._wire.answer(("left", 0), event)

    def _look(self) -> None:
        if self._inbox:
            self._news.set()
        if not self._inbox.complete:
            self._hole.set()

    # --- what does not come --------------------------------------------------------------------

    async def _mend(self) -> None:
        """Find the holes that last, and name or fill them."""
        while True:
            await self._hole.wait()
            self._hole.clear()
            try:
                await self._mend_holes()
            except ConnectionLost:
                return
            except ChatError:  # the server could not read its log just now
                await asyncio.sleep(AGAIN_AT_MOST)
                self._hole.set()

    async def _mend_holes(self) -> None:
        inbox = self._inbox
        while inbox.replayed and not inbox.complete:
            mark = inbox.highest
            if not inbox.hurry:
                await asyncio.sleep(REPAIR_AFTER if self._repair else REORDERING)
            while holes := inbox.holes(mark):
                if inbox.unread:  # the reader has to read first
                    return
                after, before = holes[
                    0
                ]  # always the first: what came behind it takes up room until it is closed
                await (self._fill(after, before) if self._repair else self._name(after, before))
                self._look()

    async def _name(self, after: int, before: int) -> None:
        """Ask what is between two that came, a page of it, and say that it is missing."""
        answer: NameListMessage = await self._ask(NamesMessage(after, before))
        self._inbox.name(answer.names)
        if not (answer.more and answer.names):
            self._inbox.skip(before - 1)

    async def _fill(self, after: int, before: int) -> None:
        """Ask for what is between two that came, a page of it; what is still missing is found again."""
        page: PageMessage = await self._ask(HistoryMessage(0, after, before, self._page))
        self._inbox.pull(page.events, mending=True)
        self._own(page.events)
        if not page.events:
            self._inbox.skip(before - 1)

    # --- what the session asks -----------------------------------------------------------------

    async def send(self, draft: Draft) -> Ack:
        if not draft.n:
            raise BadRequest("a draft needs a number, counted from 1: its answer is found by it")
        wire = self._joined()
        async with self._turn:
            try:
                ack: Ack = await wire.ask(
                    draft,
                    ("draft", draft.n),
                    again=self._repair,
                    patience=None if self._repair else PATIENCE,
                )
            except TimeoutError:
                raise Unconfirmed(
                    f"no answer in {PATIENCE:.0f} s: it may have got lost, or its answer", n=draft.n
                ) from None
        return ack

    async def events(self) -> AsyncIterator[Sequence[Event | MissingEvents]]:
        wire = self._joined()
        inbox = self._inbox
        while not inbox.replayed and not wire.over:
            await self._pull()
            if inbox:
                yield inbox.read()
        self._look()
        while True:
            if inbox:
                yield inbox.read()
                if not inbox.complete:
                    self._hole.set()
            elif wire.over:
                if wire.closing:
                    return
                raise wire.why()
            else:
                self._news.clear()
                await self._news.wait()

    async def _pull(self) -> None:
        """Ask for the replay's next page."""
        inbox = self._inbox
        try:
            page: PageMessage = await self._ask(HistoryMessage(after=inbox.floor, limit=self._page))
        except ConnectionLost:
            return  # the reader is told
        inbox.pull(page.events)
        self._own(page.events)
        if not page.events:
            inbox.skip(page.head)

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        """Ask until the page is full: a datagram holds few events."""
        self._joined()
        found: list[Event] = []
        wanted = max(1, min(limit, self._page))
        while len(found) < wanted:
            begin, end = after, before
            if found and after is not None:
                begin = found[-1].seq
            elif found:
                end = found[0].seq
            page: PageMessage = await self._ask(HistoryMessage(0, begin, end, wanted - len(found)))
            events = page.events
            found = found + events if after is not None else events + found
            if not events or (events[-1].seq >= page.head if after is not None else events[0].prev == 0):
                break
        return found

    async def members(self) -> list[Member]:
        """Ask page by page; each begins with the last of the one before, to see that nobody has moved up."""
        self._joined()
        found: list[Member] = []
        for _ in range(MAX_PAGES):
            skip = max(0, len(found) - 1)
            answer: MemberListMessage = await self._ask(MembersMessage(0, skip))
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

    async def _ask(self, question: HistoryMessage | NamesMessage | MembersMessage) -> Any:
        """Ask a question until it is answered, one at a time."""
        wire = self._joined()
        async with self._question:
            ref = wire.next_ref()
            return await wire.ask(structs.replace(question, ref=ref), ("ref", ref), again=True)

    async def ping(self) -> float:
        wire = self._joined()
        while True:
            ref = wire.next_ref()
            start = perf_counter()  # uvloop's own clock stands still within a turn
            with suppress(TimeoutError):
                await wire.ask(PingMessage(ref), ("ref", ref), again=False, patience=PING_PATIENCE)
                return perf_counter() - start

    def activity(self) -> str:
        inbox, wire = self._inbox, self._wire
        counts = {"lost": inbox.lost, "late": inbox.late, "twice": inbox.twice}
        if self._repair:
            counts = {"repaired": inbox.mended, "twice": inbox.twice}
        if wire is not None and wire.fragmented:
            counts["fragmented"] = wire.fragmented
        return ", ".join(f"{what} {count}" for what, count in counts.items())

    # --- going ---------------------------------------------------------------------------------

    async def close(self, *, leave: bool = True) -> None:
        wire = self._wire
        if wire is None:
            return
        if not wire.closing:
            wire.closing = True
            if self._welcome is not None and not wire.over:
                if leave:
                    await self._leave(wire)
                else:
                    wire.send(AwayMessage())
            wire.fail(ConnectionLost("the connection is closed"))
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.gather(self._mending, return_exceptions=True)
        await wire.close()

    async def _leave(self, wire: Wire) -> None:
        """Say so until the room has heard it, or the server has had its time."""
        with suppress(ChatError, TimeoutError):
            await wire.ask(LeaveMessage(), ("left", 0), again=True, patience=GOODBYE)

    def _joined(self) -> Wire:
        if self._wire is None or self._welcome is None:
            raise ConnectionLost("not connected")
        return self._wire
