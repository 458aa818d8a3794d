"""The RPyC client: hands the server a function to be called, and calls the server's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from time import perf_counter
from typing import Any, TypeVar

from rpyc.core import consts

from backends.rpyc import codec, service
from backends.rpyc.codec import Local, Raised, Remote, Request, Returned
from backends.rpyc.connection import Connection, NoSuchName
from chat.domain.errors import BadRequest, ChatError, ConnectionLost
from chat.domain.model import Ack, Draft, Edit, Event, Hello, Member, Say, Welcome
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
PAGE_FRAME = 4 * 1024 * 1024  # the longest frame a server sends: a page of 200 events of 4,000 bytes
T = TypeVar("T")


class RpycClient(ChatClient):
    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self._wire: _Wire | None = None

    async def connect(self, hello: Hello) -> Welcome:
        self._wire = await self._dial()
        try:
            async with asyncio.timeout(WELCOME_TIMEOUT):
                return await self._wire.login(hello)
        except TimeoutError:
            raise ConnectionLost(silent(self.address)) from None

    async def _dial(self) -> _Wire:
        loop = asyncio.get_running_loop()
        trust = self.options.trust
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                _, wire = await loop.create_connection(
                    lambda: _Wire(self.address),
                    self.address.host,
                    self.address.port,
                    ssl=trust.context if trust else None,
                )
                return wire
        except ssl.SSLError as error:
            raise ConnectionLost(handshake_failed(str(self.address), error)) from None
        except OSError as error:  # a TimeoutError is one
            if trust and isinstance(error, ConnectionResetError):  # what a server does that sees no RPyC
                raise ConnectionLost(handshake_failed(str(self.address), error)) from None
            raise ConnectionLost(connection_refused(self.address, error)) from None

    async def send(self, draft: Draft) -> Ack:
        if not draft.n:
            raise BadRequest("a draft needs a number, counted from 1: whoever sends it again must name it")
        wire = self._joined()
        if isinstance(draft, Say):
            seq = await wire.call(service.seq_of, "send", draft.text, draft.n)
        elif isinstance(draft, Edit):
            seq = await wire.call(service.seq_of, "edit", draft.id, draft.text, draft.n)
        else:
            seq = await wire.call(service.seq_of, "delete", draft.id, draft.n)
        return Ack(draft.n, seq)

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
        return await self._joined().call(service.events_of, "history", after, before, limit)

    async def members(self) -> list[Member]:
        return await self._joined().call(service.members_of, "members")

    async def ping(self) -> float:
        wire = self._joined()
        start = perf_counter()  # uvloop's own clock stands still within a turn
        await wire.query(lambda _: None, consts.HANDLE_PING, "")
        return perf_counter() - start

    async def close(self, *, leave: bool = True) -> None:
        if self._wire is not None:
            await self._wire.close(leave)

    def activity(self) -> str:
        return f"callbacks {self._wire.callbacks}" if self._wire else ""

    def _joined(self) -> _Wire:
        if self._wire is None:
            raise ConnectionLost("not connected")
        return self._wire


ON_EVENT = Local(("builtins.function", 1, 1))
"""The function that the server calls; RPyC knows its type, and asks nothing about it."""


class _Wire(Connection):
    """One connection: callbacks to events, replies to answers."""

    def __init__(self, address: Address) -> None:
        super().__init__(PAGE_FRAME)
        self._address = address
        self.callbacks = 0
        self._root: Remote | None = None
        self._seated = False
        self._asked: dict[int, tuple[asyncio.Future[Any], Callable[[Any], Any]]] = {}
        self._inbox: list[Event] = []
        self._news = asyncio.Event()
        self._full = False
        self._closed_by_us = False
        self._heard = False
        self._reason: ChatError | None = None
        self._lost: asyncio.Future[None] = self._loop.create_future()

    # --- asking --------------------------------------------------------------------------------

    async def query(self, read: Callable[[Any], T], handler: int, *args: Any) -> T:
        """Send a request and wait for its reply, as ``read`` understands it."""
        if self._lost.done():
            raise self._why()
        try:
            number = self.ask(handler, *args)
        except UnicodeEncodeError as error:
            raise has_no_bytes(error) from None
        answer: asyncio.Future[T] = self._loop.create_future()
        self._asked[number] = answer, read
        try:
            return await answer
        finally:
            self._asked.pop(number, None)

    async def call(self, read: Callable[[Any], T], method: str, *args: Any) -> T:
        return await self.query(read, consts.HANDLE_CALLATTR, self._root, method, args, ())

    async def login(self, hello: Hello) -> Welcome:
        self._root = await self.query(_remote, consts.HANDLE_GETROOT)
        cursor = (hello.cursor.seq, hello.cursor.epoch) if hello.cursor else None
        welcome = await self.call(
            service.welcome_of,
            "login",
            hello.nick,
            hello.room,
            ON_EVENT,
            hello.access,
            cursor,
            hello.seat_key,
        )
        self._seated = True
        return welcome

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
            self.transport.resume_reading()
        return batch

    async def close(self, leave: bool) -> None:
        self._closed_by_us = True
        if not self._lost.done():
            if leave and self._seated:
                self.transport.resume_reading()
                leaving = asyncio.ensure_future(self.call(lambda _: None, "leave"))
                await asyncio.wait([leaving], timeout=GOODBYE)
                leaving.cancel()
                await asyncio.gather(leaving, return_exceptions=True)
            self.transport.abort()
            await self._lost

    # --- the connection ------------------------------------------------------------------------

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
        for answer, _ in self._asked.values():
            if not answer.done():  # the reason is about the connection: what was asked may have happened
                answer.set_exception(ConnectionLost(str(self._why())))

    def data_received(self, data: bytes) -> None:
        self.begin()
        try:
            for message in map(codec.decode, self._framer.feed(data)):
                self._heard = True
                if isinstance(message, Request):
                    self.serve(message)
                else:
                    self.take(message)
        except BadRequest as error:
            self._reason = ConnectionLost(not_our_words(self._address, "rpyc", error))
            self.transport.abort()
            return
        self.end()
        if self._reason is not None:  # nothing comes after the last word
            self.transport.close()
        if self._inbox:
            self._news.set()
            if len(self._inbox) >= INBOX and not self._full:
                self._full = True
                self.transport.pause_reading()

    def take(self, answer: Returned | Raised) -> None:
        future, read = self._asked.get(answer.number, (None, None))
        if future is None or read is None or future.done():
            return
        if isinstance(answer, Raised):
            future.set_exception(service.error_of(answer))
        else:
            future.set_result(read(answer.value))

    def _why(self) -> ChatError:
        return self._reason or ConnectionLost("the connection is closed")

    # --- what the server may call --------------------------------------------------------------

    def root(self) -> Local:
        raise BadRequest("this is a client, and has no root")

    def attribute(self, target: Any, name: Any) -> Local:
        raise NoSuchName("a callback can be called, and nothing else")

    def methods(self, name: Any) -> tuple[tuple[str, str], ...]:
        return ()

    def called(self, number: int, target: Any, args: tuple[Any, ...], kwargs: tuple[Any, ...]) -> None:
        if target != ON_EVENT or args:
            raise BadRequest("the callback takes keywords only")
        fields = service.fields_of(kwargs)
        self.callbacks += 1
        if fields.get("kind") == "error":
            self._reason = service.reason_of(fields)  # the connection's last word
        else:
            self._inbox.append(service.event_of(fields))
        self.give(number, None)


def _remote(value: Any) -> Remote:
    if type(value) is not Remote:
        raise BadRequest("its root is no object")
    return value
