"""The TCP client: the same lines from the other side."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from time import perf_counter
from typing import Any, cast

from backends.tcp.codec import LineReader
from chat.domain.errors import BadRequest, ChatError, ConnectionLost
from chat.domain.json_codec import (
    AckMessage,
    ErrorMessage,
    HelloMessage,
    HistoryMessage,
    LeaveMessage,
    MemberListMessage,
    MembersMessage,
    PageMessage,
    PingMessage,
    PongMessage,
    WelcomeMessage,
    decode_response,
    encode,
)
from chat.domain.model import Ack, Draft, Event, Hello, Member, Welcome
from chat.domain.validation import has_no_bytes
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.transport.errors import (
    closed_without_a_word,
    connection_refused,
    handshake_failed,
    not_our_words,
    silent,
)

CONNECT_TIMEOUT = 5.0
WELCOME_TIMEOUT = 10.0
INBOX = 2000  # events that wait for the consumer; then the connection is read no further
GOODBYE = 1.0  # seconds that a server has to take note of a leave
PAGE_LINE = 4 * 1024 * 1024  # the longest line a server sends: a page of 200 events of 4,000 bytes, escaped


class TcpClient(ChatClient):
    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self._wire: _Wire | None = None

    async def connect(self, hello: Hello) -> Welcome:
        loop = asyncio.get_running_loop()
        trust = self.options.trust
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, self._wire = await loop.create_connection(
                    lambda: _Wire(self.address),
                    self.address.host,
                    self.address.port,
                    ssl=trust.context if trust else None,
                )
        except ssl.SSLError as error:
            raise ConnectionLost(handshake_failed(str(self.address), error)) from None
        except OSError as error:  # a TimeoutError is one
            raise ConnectionLost(connection_refused(self.address, error)) from None
        self._wire.send(HelloMessage.of(hello))
        try:
            async with asyncio.timeout(WELCOME_TIMEOUT):
                return await asyncio.shield(self._wire.welcome)
        except TimeoutError:
            raise ConnectionLost(silent(self.address)) from None

    async def send(self, draft: Draft) -> Ack:
        if not draft.n:
            raise BadRequest("a draft needs a number, counted from 1: its answer is found by it")
        return cast(Ack, await self._joined().ask(draft, ("draft", draft.n)))

    async def events(self) -> AsyncIterator[list[Event]]:
        wire = self._joined()
        while True:
            if batch := await wire.next_batch():
                yield batch
            else:
                return

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        wire = self._joined()
        ref = wire.next_ref()
        page = await wire.ask(HistoryMessage(ref, after, before, limit), ("ref", ref))
        return cast(PageMessage, page).events

    async def members(self) -> list[Member]:
        wire = self._joined()
        ref = wire.next_ref()
        return cast(MemberListMessage, await wire.ask(MembersMessage(ref), ("ref", ref))).members

    async def ping(self) -> float:
        wire = self._joined()
        ref = wire.next_ref()
        start = perf_counter()  # uvloop's own clock stands still within a turn
        await wire.ask(PingMessage(ref), ("ref", ref))
        return perf_counter() - start

    async def close(self, *, leave: bool = True) -> None:
        if self._wire is not None:
            await self._wire.close(leave and self._wire.seat != "")

    def _joined(self) -> _Wire:
        if self._wire is None:
            raise ConnectionLost("not connected")
        return self._wire


class _Wire(asyncio.Protocol):
    """One connection: lines to events and answers."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._loop = asyncio.get_running_loop()
        self.seat = ""
        self.welcome: asyncio.Future[Welcome] = self._loop.create_future()
        self._reader = LineReader(PAGE_LINE)
        self._asked: dict[tuple[str, int], asyncio.Future[Any]] = {}
        self._inbox: list[Event] = []
        self._news = asyncio.Event()
        self._ref = 0
        self._full = False
        self._closed_by_us = False
        self._heard = False
        self._reason: ChatError | None = None
        self._lost: asyncio.Future[None] = self._loop.create_future()

    # --- asking --------------------------------------------------------------------------------

    def send(self, message: object) -> None:
        try:
            line = encode(message)
        except UnicodeEncodeError as error:
            raise has_no_bytes(error) from None
        self._transport.write(line + b"\n")

    async def ask(self, message: object, key: tuple[str, int]) -> object:
        """Send, and wait for the answer that carries the draft's or the request's number."""
        if self._lost.done():
            raise self._why()
        answer = self._asked[key] = self._loop.create_future()
        try:
            self.send(message)
            return await answer
        finally:
            self._asked.pop(key, None)

    def next_ref(self) -> int:
        self._ref += 1
        return self._ref

    async def next_batch(self) -> list[Event]:
        """Return the events that have come, at least one; none after `close`. Raises why it ended."""
        while not self._inbox:
            if self._lost.done():
                if self._closed_by_us:
                    return []
                raise self._why()
            self._news.clear()
            await self._news.wait()
        batch, self._inbox = self._inbox, []
        if self._full and not self._lost.done():
            self._full = False
            self._transport.resume_reading()
        return batch

    async def close(self, leave: bool) -> None:
        self._closed_by_us = True
        if not self._lost.done():
            if leave:
                self.send(LeaveMessage())
                self._transport.resume_reading()
                await asyncio.wait([self._lost], timeout=GOODBYE)
            self._transport.abort()
            await self._lost

    # --- the connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._reason is None:
            self._reason = ConnectionLost(
                f"the connection broke: {getattr(exc, 'strerror', None) or exc}"
                if exc
                else "the server closed the connection"
                if self._heard
                else closed_without_a_word(self._address)
            )
        self._lost.set_result(None)
        self._news.set()
        if not self.welcome.done():
            self.welcome.set_exception(self._why())
        for answer in self._asked.values():
            if not answer.done():  # the reason is about the connection: what was asked may have happened
                answer.set_exception(ConnectionLost(str(self._why())))
        # Nobody may be waiting for it any more.
        if self.welcome.done():
            self.welcome.exception()

    def data_received(self, data: bytes) -> None:
        try:
            for line in self._reader.feed(data):
                self._take(decode_response(line))
                self._heard = True
        except BadRequest as error:
            self._reason = ConnectionLost(not_our_words(self._address, "tcp", error))
            self._transport.abort()
            return
        if self._inbox:
            self._news.set()
            if len(self._inbox) >= INBOX and not self._full:
                self._full = True
                self._transport.pause_reading()

    def _take(self, message: object) -> None:
        match message:
            case Event():
                self._inbox.append(message)
                if message.n and message.seat == self.seat:
                    self._answer(("draft", message.n), Ack(message.n, message.seq))
            case WelcomeMessage():
                self.seat = message.seat
                if not self.welcome.done():
                    self.welcome.set_result(message.welcome())
            case AckMessage():
                self._answer(("draft", message.n), Ack(message.n, message.seq))
            case PageMessage() | MemberListMessage() | PongMessage():
                self._answer(("ref", message.ref), message)
            case ErrorMessage():
                self._refused(message)

    def _refused(self, message: ErrorMessage) -> None:
        error = message.error()
        key = ("draft", message.n) if message.n else ("ref", message.ref)
        if answer := self._asked.get(key):
            if not answer.done():
                answer.set_exception(error)
        elif not message.n and not message.ref:
            self._reason = error  # the connection's last word
            if not self.welcome.done():
                self.welcome.set_exception(error)

    def _answer(self, key: tuple[str, int], value: object) -> None:
        answer = self._asked.get(key)
        if answer is not None and not answer.done():
            answer.set_result(value)

    def _why(self) -> ChatError:
        return self._reason or ConnectionLost("the connection is closed")
