"""The TCP client: a socket around `ClientProtocol`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import perf_counter
from typing import TypeVar

from backends.tcp.protocol import ClientProtocol
from chat.domain.errors import BadRequest, ConnectionLost
from chat.domain.json_codec import (
    AckMessage,
    ErrorMessage,
    HistoryMessage,
    MemberListMessage,
    MembersMessage,
    PageMessage,
    PingMessage,
    PongMessage,
    Response,
    WelcomeMessage,
)
from chat.domain.model import Ack, Draft, Event, Hello, Member, Welcome
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient, ClientOptions
from chat.transport.connection_state import State
from chat.transport.stream_client import StreamClientConnection, open_connection, welcomed

R = TypeVar("R", PageMessage, MemberListMessage, PongMessage)


class TcpClient(ChatClient):
    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self._connection: _Connection | None = None

    async def connect(self, hello: Hello) -> Welcome:
        self._connection = await open_connection(
            lambda: _Connection(self.address, "tcp"), self.address, self.options.trust
        )
        return await welcomed(self._connection.hello(hello), self.address)

    async def send(self, draft: Draft) -> Ack | None:
        if not draft.n:
            raise BadRequest("a draft needs a number, counted from 1: its answer refers to it")
        return await self._connected().send_draft(draft)

    def answered(self, n: int) -> None:
        self._connected().replies.resolve(("draft", n), None)

    async def events(self) -> AsyncIterator[list[Event]]:
        inbox = self._connected().inbox
        while batch := await inbox.take():
            yield batch

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        connection = self._connected()
        request = HistoryMessage(connection.next_ref(), after, before, limit)
        return (await connection.request(request, PageMessage)).events

    async def members(self) -> list[Member]:
        connection = self._connected()
        return (await connection.request(MembersMessage(connection.next_ref()), MemberListMessage)).members

    async def ping(self) -> float:
        connection = self._connected()
        start = perf_counter()  # uvloop's own clock stands still within one iteration of the loop
        await connection.request(PingMessage(connection.next_ref()), PongMessage)
        return perf_counter() - start

    async def close(self, *, leave: bool = True) -> None:
        if self._connection is not None:
            await self._connection.close(leave)

    def _connected(self) -> _Connection:
        if self._connection is None:
            raise ConnectionLost("not connected")
        return self._connection


class _Connection(StreamClientConnection):
    """One connection: moves bytes between the socket and the protocol."""

    def __init__(self, address: Address, technique: str) -> None:
        super().__init__(address, technique)
        self.protocol = ClientProtocol()
        self._ref = 0

    # --- requests ------------------------------------------------------------------------------

    async def hello(self, hello: Hello) -> Welcome:
        self.check()
        self.protocol.hello(hello)
        self._flush()
        return await self.replies.wait("welcome", WelcomeMessage.welcome)

    async def send_draft(self, draft: Draft) -> Ack | None:
        self.check()
        self.protocol.send(draft)
        self._flush()
        return await self.replies.wait(("draft", draft.n), _ack)

    async def request(self, request: HistoryMessage | MembersMessage | PingMessage, reply: type[R]) -> R:
        """Send a request, and return the reply with its ``ref``."""

        def read(message: object) -> R:
            if not isinstance(message, reply):
                raise BadRequest(f"a {type(message).__name__} as the reply to a {type(request).__name__}")
            return message

        self.check()
        self.protocol.send(request)
        self._flush()
        return await self.replies.wait(("ref", request.ref), read)

    def next_ref(self) -> int:
        self._ref += 1
        return self._ref

    async def leave(self) -> None:
        if self.protocol.state is State.SEATED:
            self.protocol.leave()
            self._flush()
            await asyncio.wait([self.lost])  # the server closes the connection

    def _flush(self) -> None:
        self.transport.write(self.protocol.data_to_send())

    # --- what comes ----------------------------------------------------------------------------

    def receive(self, data: bytes) -> bool:
        messages = self.protocol.receive_data(data)
        events: list[Event] = []
        for message in messages:
            if isinstance(message, Event):
                events.append(message)
            else:
                self._take(message)
        self.inbox.put(events)
        return bool(messages)

    def _take(self, message: Response) -> None:
        match message:
            case WelcomeMessage():
                self.replies.resolve("welcome", message)
            case AckMessage():
                self.replies.resolve(("draft", message.n), message)
            case PageMessage() | MemberListMessage() | PongMessage():
                self.replies.resolve(("ref", message.ref), message)
            case ErrorMessage(n=0, ref=0):
                self.reason = self.protocol.reason
                self.replies.refuse("welcome", message.error())
            case ErrorMessage():
                key = ("draft", message.n) if message.n else ("ref", message.ref)
                self.replies.refuse(key, message.error())


def _ack(message: AckMessage | None) -> Ack | None:
    """Return the acknowledgement; None for a draft that the client has seen as an event."""
    return None if message is None else Ack(message.n, message.seq)
