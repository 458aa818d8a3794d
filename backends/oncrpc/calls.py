"""Calls over TCP or UDP: a reply is matched to its call by the xid."""

from __future__ import annotations

import asyncio
import random
import socket
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any, TypeVar, cast

from backends.oncrpc.codec import (
    MAX_REPLY,
    AcceptStat,
    BadRecord,
    RecordReader,
    Refused,
    mark,
    read_reply,
    write_call,
    xid_of,
)
from chat.domain.errors import BadRequest, ChatError, ConnectionLost
from chat.interfaces.address import Address
from chat.transport.errors import closed_without_a_word, connection_refused, not_our_words
from protos.chat_xdr import CHAT_NULL, CHAT_PROG, CHAT_V1, PROCEDURES
from protos.xdr import Message, Unpacker, XdrError

CONNECT_TIMEOUT = 5.0
TRY_TIMEOUT = 2.0
"""Seconds for an answer over UDP from one of several addresses of a host: a lost call is sent again once."""
RETRY = 1.0
"""Seconds until a call over UDP is sent again; doubled for each further time."""
RETRIES = 4

R = TypeVar("R", bound=Message)


class Calls(ABC):
    """The calls to one server that are under way."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.access = ""
        """The access token, which every call shows in its credentials; "": none."""
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._xid = random.getrandbits(32)
        self._heard = False
        self._reason: ChatError | None = None
        self.lost: asyncio.Future[None] = self._loop.create_future()

    async def call(self, procedure: int, argument: Message, kind: type[R]) -> R:
        """Call, and return the result. Calls are sent in the order of these calls."""
        u = await self._exchange(procedure, argument)
        try:
            result = kind.unpack(u)
            u.done()
        except XdrError as error:
            raise self._not_a_server(error) from None
        return result

    async def null(self) -> None:
        """Call procedure 0, which does nothing."""
        await self._exchange(CHAT_NULL, None)

    async def _exchange(self, procedure: int, argument: Message | None) -> Unpacker:
        if self.lost.done():
            raise self._why()
        self._xid = (self._xid + 1) & 0xFFFFFFFF
        try:
            call = write_call(self._xid, CHAT_PROG, CHAT_V1, procedure, argument, self.access)
        except XdrError as error:
            raise BadRequest(f"{PROCEDURES[procedure].name} can't carry this: {error}") from None
        xid, answer = self._xid, self._loop.create_future()
        self._waiting[xid] = answer
        try:
            await self._exchange_bytes(call, answer)
            return read_reply(answer.result())
        except Refused as refusal:
            raise self._refused(refusal, procedure) from None
        except XdrError as error:
            raise self._not_a_server(error) from None
        finally:
            self._waiting.pop(xid, None)

    @abstractmethod
    async def _exchange_bytes(self, call: bytes, answer: asyncio.Future[bytes]) -> None:
        """Send the call without waiting, then wait for its reply."""

    @abstractmethod
    def _abort(self) -> None: ...

    async def close(self) -> None:
        self._abort()
        await self.lost

    # --- replies -------------------------------------------------------------------------------

    def _take(self, record: bytes) -> None:
        """Raises `BadRecord`."""
        self._heard = True
        answer = self._waiting.get(xid_of(record))
        if answer is not None and not answer.done():
            answer.set_result(record)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._reason is None:
            self._reason = ConnectionLost(
                f"the connection broke: {getattr(exc, 'strerror', None) or exc}"
                if exc
                else "the server closed the connection"
                if self._heard
                else closed_without_a_word(self.address)
            )
        self.lost.set_result(None)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(self._why())
                answer.exception()  # marks it as seen: its waiter may be cancelled first

    def _fail(self, reason: ChatError) -> ChatError:
        """End the connection, and return the reason."""
        if self._reason is None:
            self._reason = reason
        self._abort()
        return reason

    def _not_a_server(self, error: Exception) -> ChatError:
        return self._fail(ConnectionLost(not_our_words(self.address, "oncrpc", error)))

    def _refused(self, refusal: Refused, procedure: int) -> ChatError:
        name = PROCEDURES[procedure].name
        match refusal.stat:
            case AcceptStat.GARBAGE_ARGS:
                return BadRequest(f"the server can't decode the arguments of {name}: it has another chat.x")
            case AcceptStat.PROC_UNAVAIL:
                return BadRequest(f"the server has no procedure {name}: it is older than this client")
            case AcceptStat.SYSTEM_ERR:
                return ChatError(f"{name} failed in the server: its output says why")
        return self._not_a_server(refusal)

    def _why(self) -> ChatError:
        return ConnectionLost(str(self._reason or "the connection is closed"))


class StreamCalls(Calls, asyncio.Protocol):
    """Calls over a TCP connection."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._reader = RecordReader(MAX_REPLY)

    async def _exchange_bytes(self, call: bytes, answer: asyncio.Future[bytes]) -> None:
        self._transport.write(mark(call))
        await answer

    def _abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            for record in self._reader.feed(data):
                self._take(record)
        except BadRecord as error:
            self._not_a_server(error)


class DatagramCalls(Calls, asyncio.DatagramProtocol):
    """Calls over UDP: sent again, with the same xid, until a reply comes."""

    async def _exchange_bytes(self, call: bytes, answer: asyncio.Future[bytes]) -> None:
        for attempt in range(RETRIES + 1):
            self._transport.sendto(call)
            await asyncio.wait([answer], timeout=RETRY * 2**attempt)
            if answer.done():
                await answer
                return
        raise self._fail(
            ConnectionLost(
                f"no answer from {self.address}, asked {RETRIES + 1} times over UDP: is it running"
            )
        )

    def _abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: object) -> None:
        with suppress(BadRecord):  # anybody can send a datagram with the server's address
            self._take(data)

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):  # ICMP: nothing listens there
            self._fail(ConnectionLost(f"over UDP {connection_refused(self.address, exc)}"))


async def dial(address: Address, transport: str) -> Calls:
    """Connect over ``tcp`` or ``udp``. Raises `ConnectionLost`."""
    loop = asyncio.get_running_loop()
    calls: Calls
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            if transport == "udp":
                calls = await _dial_datagrams(address)
            else:
                _, calls = await loop.create_connection(
                    lambda: StreamCalls(address), address.host, address.port
                )
    except OSError as error:  # a TimeoutError is one
        raise ConnectionLost(connection_refused(address, error)) from None
    return calls


async def _dial_datagrams(address: Address) -> Calls:
    """Return a socket to the first address of the host where a server answers, or to the last one.

    Nobody refuses a connection over UDP, so a call must find out. With a single address none is made.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    *others, last = dict.fromkeys((family, place) for family, _, _, _, place in found)
    for family, place in others:
        try:
            calls = await _open_datagrams(address, family, place)
        except OSError:  # this machine has no such family
            continue
        try:
            async with asyncio.timeout(TRY_TIMEOUT):
                await calls.null()
                return calls
        except (ChatError, TimeoutError):
            await calls.close()
    return await _open_datagrams(address, *last)


async def _open_datagrams(address: Address, family: int, place: tuple[Any, ...]) -> DatagramCalls:
    loop = asyncio.get_running_loop()
    _, calls = await loop.create_datagram_endpoint(
        lambda: DatagramCalls(address), family=family, remote_addr=place[:2]
    )
    return calls
