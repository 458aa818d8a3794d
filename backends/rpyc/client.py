"""The RPyC client: hands the server a function to be called, and calls the server's methods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from time import perf_counter
from typing import Any, TypeVar

from rpyc.core import consts

from backends.rpyc import service
from backends.rpyc.codec import Local, Raised, Remote, Request
from backends.rpyc.protocol import Exposed, NoSuchName, RpycProtocol
from chat.domain.errors import BadRequest, ConnectionLost
from chat.domain.model import Ack, Draft, Edit, Event, Hello, Member, Say, Welcome
from chat.domain.validation import has_no_bytes
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.language import N_
from chat.transport.connection_state import State
from chat.transport.stream_client import StreamClientConnection, open_connection, welcomed

MAX_REPLY_FRAME = 4 * 1024 * 1024
"""Bytes of the longest frame that a server sends: a page of 200 events of 4,000 bytes, with room."""
T = TypeVar("T")


class RpycClient(ChatClient):
    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self._connection: _Connection | None = None

    async def connect(self, hello: Hello) -> Welcome:
        self._connection = await open_connection(
            lambda: _Connection(self.address, "rpyc"), self.address, self.options.trust
        )
        return await welcomed(self._connection.login(hello), self.address)

    async def send(self, draft: Draft) -> Ack:
        if not draft.n:
            raise BadRequest(
                "a draft needs a number, counted from 1: without a number it can't be sent again"
            )
        connection = self._connected()
        if isinstance(draft, Say):
            seq = await connection.call(service.seq_of, "send", draft.text, draft.n)
        elif isinstance(draft, Edit):
            seq = await connection.call(service.seq_of, "edit", draft.id, draft.text, draft.n)
        else:
            seq = await connection.call(service.seq_of, "delete", draft.id, draft.n)
        return Ack(draft.n, seq)

    async def events(self) -> AsyncIterator[list[Event]]:
        inbox = self._connected().inbox
        while batch := await inbox.take():
            yield batch

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        return await self._connected().call(service.events_of, "history", after, before, limit)

    async def members(self) -> list[Member]:
        return await self._connected().call(service.members_of, "members")

    async def ping(self) -> float:
        connection = self._connected()
        start = perf_counter()  # uvloop's own clock stands still within one iteration of the loop
        await connection.request(lambda _: None, consts.HANDLE_PING, "")
        return perf_counter() - start

    async def close(self, *, leave: bool = True) -> None:
        if self._connection is not None:
            await self._connection.close(leave)

    def activity(self) -> str:
        return N_(f"callbacks {self.counts()['callbacks']}") if self._connection else ""

    def counted(self) -> Mapping[str, int]:
        return {"callbacks": self._connection.callbacks} if self._connection else {}

    def _connected(self) -> _Connection:
        if self._connection is None:
            raise ConnectionLost("not connected")
        return self._connection


ON_EVENT = Local(("builtins.function", 1, 1))
"""The function that the server calls. RPyC knows its type, and does not ask for its methods."""


class _Connection(StreamClientConnection, Exposed):
    """One connection: callbacks become events, replies end the calls that wait for them."""

    def __init__(self, address: Address, technique: str) -> None:
        super().__init__(address, technique)
        self.protocol = RpycProtocol(self, MAX_REPLY_FRAME)
        self.callbacks = 0
        self._root: Remote | None = None
        self._events: list[Event] = []  # of the data that is being read

    # --- requests ------------------------------------------------------------------------------

    async def request(self, read: Callable[[Any], T], handler: int, *args: Any) -> T:
        """Send a request and wait for its reply, as ``read`` understands it."""
        self.check()
        try:
            number = self.protocol.request(handler, *args)
        except UnicodeEncodeError as error:
            raise has_no_bytes(error) from None
        self._flush()
        return await self.replies.wait(number, read)

    async def call(self, read: Callable[[Any], T], method: str, *args: Any) -> T:
        return await self.request(read, consts.HANDLE_CALLATTR, self._root, method, args, ())

    async def login(self, hello: Hello) -> Welcome:
        self._root = await self.request(_remote, consts.HANDLE_GETROOT)
        cursor = (hello.cursor.seq, hello.cursor.epoch) if hello.cursor else None
        return await self.call(
            self._welcomed,
            "login",
            hello.nick,
            hello.room,
            ON_EVENT,
            hello.access,
            cursor,
            hello.seat_key,
            *(() if hello.replay is None else (hello.replay,)),  # servers of older versions do not know it
        )

    def _welcomed(self, pairs: Any) -> Welcome:
        welcome = service.welcome_of(pairs)
        self.protocol.state = State.SEATED
        return welcome

    async def leave(self) -> None:
        if self.protocol.state is State.SEATED:
            self.protocol.state = State.LEAVING
            await self.call(lambda _: None, "leave")

    # --- the connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.protocol.separate = transport.get_extra_info("sslcontext") is not None

    def receive(self, data: bytes) -> bool:
        messages = self.protocol.receive_data(data)
        for message in map(self.protocol.decode, messages):
            if isinstance(message, Request):
                self.protocol.serve(message)
            elif isinstance(message, Raised):
                self.replies.refuse(message.number, service.error_of(message))
            else:
                self.replies.resolve(message.number, message.value)
        self._flush()
        if self.protocol.state is State.CLOSING:
            self.transport.close()
        events, self._events = self._events, []
        self.inbox.put(events)
        return bool(messages)

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            self.transport.write(data)

    # --- what the server may do ----------------------------------------------------------------

    def root(self) -> Local:
        raise BadRequest("this is a client, and has no root")

    def attribute(self, target: Any, name: Any) -> Local:
        raise NoSuchName(self.hint())

    def methods(self, name: Any) -> tuple[tuple[str, str], ...]:
        return ()

    def hint(self) -> str:
        return "a callback can be called, and nothing else"

    def called(self, number: int, target: Any, args: tuple[Any, ...], kwargs: tuple[Any, ...]) -> None:
        if target != ON_EVENT or args:
            raise BadRequest("the callback takes keywords only")
        fields = service.fields_of(kwargs)
        self.callbacks += 1
        if fields.get("kind") == "error":
            self.reason = service.reason_of(fields)
            self.protocol.state = State.CLOSING
        else:
            self._events.append(service.event_of(fields))
        self.protocol.reply(number, None)

    def peer_closes(self) -> None:
        self._flush()
        self.transport.close()


def _remote(value: Any) -> Remote:
    if type(value) is not Remote:
        raise BadRequest("its root is no object")
    return value
