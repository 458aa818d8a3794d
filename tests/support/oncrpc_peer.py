"""A peer that speaks ONC RPC by hand: headers from `struct`, whatever bytes a test wants, and the replies."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar, cast

from backends.oncrpc.server import Connection, OncRpcServer
from chat.interfaces.address import Address
from chat.server.hub import Hub
from protos.chat_xdr import (
    CHAT_FETCH,
    CHAT_JOIN,
    CHAT_NULL,
    CHAT_PROG,
    CHAT_SEND,
    CHAT_V1,
    chat_cursor,
    chat_direction,
    chat_event,
    chat_place,
    draft_res,
    fetch_args,
    fetch_ok,
    fetch_res,
    join_args,
    join_ok,
    join_res,
    send_args,
)
from protos.xdr import Message
from tests.support.raw import reset

R = TypeVar("R", bound=Message)

SUCCESS = struct.pack(">5I", 1, 0, 0, 0, 0)
"""A reply's header behind its xid."""
LAST = 0x80000000


@asynccontextmanager
async def serving(hub: Hub) -> AsyncIterator[OncRpcServer]:
    """Run a server on a free port; its ``address`` is where it listens."""
    server = OncRpcServer(hub, Address("127.0.0.1", 0))
    server.address = await server.start()
    yield server
    await server.stop()


def words(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def opaque(data: bytes) -> bytes:
    return words(len(data)) + data + bytes(-len(data) % 4)


def header(
    xid: int,
    procedure: int,
    *,
    type: int = 0,
    rpc_version: int = 2,
    program: int = CHAT_PROG,
    version: int = CHAT_V1,
    flavor: int = 0,
    credential: bytes = b"",
) -> bytes:
    """Return a call's header, with whatever is to be wrong in it."""
    head = words(xid, type, rpc_version, program, version, procedure, flavor)
    return head + opaque(credential) + words(0, 0)


def marked(record: bytes, *, last: bool = True) -> bytes:
    return words(len(record) | (LAST if last else 0)) + record


def after(seat_key: str, seq: int, limit: int = 200, wait_ms: int = 0) -> fetch_args:
    return fetch_args(seat_key, chat_place(chat_direction.CHAT_AFTER, seq), limit, wait_ms)


class RpcPeer:
    """What both transports have: calls, their replies, and a seat."""

    seat_key = ""

    def __init__(self) -> None:
        self.xids = itertools.count(7)
        self.replies: dict[int, bytes] = {}
        """What was answered and nobody has asked for yet, by xid, from behind it."""

    async def send(self, record: bytes) -> None:
        raise NotImplementedError

    async def receive(self) -> bytes:
        raise NotImplementedError

    async def begin(self, procedure: int, argument: Message | bytes = b"", **other: Any) -> int:
        """Send a call; return its xid."""
        xid = next(self.xids)
        data = argument if isinstance(argument, bytes) else argument.encode()
        await self.send(header(xid, procedure, **other) + data)
        return xid

    async def reply(self, xid: int) -> bytes:
        """Return the answer to a call, from behind the xid."""
        while xid not in self.replies:
            record = await self.receive()
            self.replies[int.from_bytes(record[:4], "big")] = record[4:]
        return self.replies.pop(xid)

    async def call(self, procedure: int, argument: Message, kind: type[R]) -> R:
        answer = await self.reply(await self.begin(procedure, argument))
        assert answer[: len(SUCCESS)] == SUCCESS
        return kind.decode(answer[len(SUCCESS) :])

    async def still_there(self) -> None:
        assert await self.reply(await self.begin(CHAT_NULL)) == SUCCESS

    async def join(self, nick: str, cursor: int | None = None) -> join_ok:
        """Take a seat, and remember its key."""
        place = None if cursor is None else chat_cursor(cursor, "")
        result = await self.call(CHAT_JOIN, join_args("lab", nick, "", "", place), join_res)
        assert isinstance(result.value, join_ok), result
        self.seat_key = result.value.seat_key
        return result.value

    async def say(self, text: str, n: int = 0) -> draft_res:
        return await self.call(CHAT_SEND, send_args(self.seat_key, n, text), draft_res)

    async def fetch(self, seq: int, wait_ms: int = 0) -> list[chat_event]:
        result = await self.call(CHAT_FETCH, after(self.seat_key, seq, wait_ms=wait_ms), fetch_res)
        assert isinstance(result.value, fetch_ok), result
        return result.value.events

    async def texts(self) -> list[str]:
        """Return every text that was ever said."""
        seq, found = 0, []
        while events := await self.fetch(seq):
            seq = events[-1].seq
            found += [event.text for event in events if event.kind.name == "CHAT_SENT"]
        return found


class StreamPeer(RpcPeer):
    """Over TCP. ``async with await StreamPeer.open(address) as peer`` closes it at the end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__()
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, address: Address, *, receive_buffer: int = 0) -> Self:
        """Connect; ``receive_buffer`` makes the kernel hold no more than about so many bytes for us."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, (address.host, address.port))
        return cls(*await asyncio.open_connection(sock=sock, limit=1 << 16))

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send(self, record: bytes) -> None:
        await self.raw(marked(record))

    async def receive(self) -> bytes:
        """Raises EOFError when the server has closed the connection."""
        mark = int.from_bytes(await self.reader.readexactly(4), "big")
        assert mark & LAST, "a reply is one fragment"
        return await self.reader.readexactly(mark & ~LAST)

    async def ended(self) -> bytes:
        """Read until the server closes the connection; return what it still said."""
        try:
            return await self.reader.read()
        except ConnectionError:  # it had more to read than it did
            return b""

    def stop_reading(self) -> None:
        cast(asyncio.Transport, self.writer.transport).pause_reading()

    def read_on(self) -> None:
        cast(asyncio.Transport, self.writer.transport).resume_reading()

    async def reset(self) -> None:
        reset(self.writer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.writer.transport.abort()


class DatagramPeer(RpcPeer):
    """Over UDP."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._socket = sock
        self.received = 0
        """Bytes of all replies."""

    @classmethod
    def open(cls, address: Address) -> Self:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.connect((address.host, address.port))
        return cls(sock)

    async def send(self, record: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, record)

    async def receive(self) -> bytes:
        record = await asyncio.get_running_loop().sock_recv(self._socket, 1 << 16)
        self.received += len(record)
        return record

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._socket.close()


def connection_of(server: OncRpcServer, peer: StreamPeer) -> Connection:
    """Return the server's end of a connection."""
    name = peer.writer.get_extra_info("sockname")
    return next(one for one in server.connections if one._transport.get_extra_info("peername") == name)


class DatagramRelay:
    """A relay between a client and the server: records the datagrams, and drops those that a test names."""

    def __init__(self, server: Address) -> None:
        self._server = server
        self.calls: list[bytes] = []
        self.replies: list[bytes] = []
        self.lose_call: Callable[[int], bool] = lambda number: False
        self.lose_reply: Callable[[int], bool] = lambda number: False
        self.noise: list[bytes] = []
        """Datagrams that the client gets before each reply."""

    async def start(self) -> Address:
        loop = asyncio.get_running_loop()
        relay = self
        caller: list[Any] = []

        class Near(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, address: Any) -> None:
                caller[:] = [address]
                relay.calls.append(data)
                if not relay.lose_call(len(relay.calls)):
                    relay._far.sendto(data)

        class Far(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, address: Any) -> None:
                relay.replies.append(data)
                for noise in relay.noise:
                    relay._near.sendto(noise, caller[0])
                if not relay.lose_reply(len(relay.replies)):
                    relay._near.sendto(data, caller[0])

        self._near, _ = await loop.create_datagram_endpoint(Near, local_addr=("127.0.0.1", 0))
        self._far, _ = await loop.create_datagram_endpoint(
            Far, remote_addr=(self._server.host, self._server.port)
        )
        return Address(*self._near.get_extra_info("sockname"))

    def stop(self) -> None:
        self._near.close()
        self._far.close()
