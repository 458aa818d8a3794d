"""The server over UDP: a call is a datagram, and a datagram may arrive twice, or never.

A client that gets no reply sends the same call again. So the server keeps its replies for a while (duplicate
request cache; Juszczak, 1989). Without it a call may be carried out twice, as `chat serve --duplicate-cache
off` shows.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeAlias, cast

from backends.oncrpc.codec import BadRecord, Denied, read_call
from backends.oncrpc.program import Caller, Program
from protos.chat_xdr import CHAT_FETCH, CHAT_MEMBERS, CHAT_NULL

MAX_CALL = 8800
"""Bytes of a call, as much as libtirpc sends by default."""
MAX_REPLY = 8000
"""Bytes of a reply: less than libtirpc accepts."""
CALLS_PER_SEAT = 2
"""Calls under way for each seat of the server: a poll and a draft. Further ones are dropped: the client sends
them again."""
MAX_PER_ADDRESS = 32
"""Calls under way of one address."""
CACHE_ENTRIES = 1000
CACHE_BYTES = 4 * 1024 * 1024
READING = (CHAT_NULL, CHAT_FETCH, CHAT_MEMBERS)
"""Procedures that change nothing: their replies, the longest, are not kept."""

Peer: TypeAlias = tuple[Any, ...]
"""An address, as the socket has it."""
Key: TypeAlias = tuple[Peer, int, int, bytes, str]
"""The address, the xid, the procedure, the arguments, the access token that was shown: calls that agree in
these are the same call."""


class ReplyCache:
    """The calls under way, and the latest replies."""

    def __init__(self) -> None:
        self._under_way: set[Key] = set()
        self._replies: OrderedDict[Key, bytes] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._replies)

    def begin(self, key: Key) -> bool:
        """Mark a call as under way. Return False if it was already."""
        if key in self._under_way:
            return False
        self._under_way.add(key)
        return True

    def reply(self, key: Key) -> bytes | None:
        """Return the reply of a call that was answered."""
        return self._replies.get(key)

    def end(self, key: Key, reply: bytes) -> None:
        """Keep the reply, and drop the oldest ones."""
        self._under_way.discard(key)
        if key[2] in READING:
            return
        self._replies[key] = reply
        self._bytes += _size(key, reply)
        while len(self._replies) > CACHE_ENTRIES or self._bytes > CACHE_BYTES:
            self._bytes -= _size(*self._replies.popitem(last=False))


def _size(key: Key, reply: bytes) -> int:
    return len(key[3]) + len(key[4]) + len(reply)


class DatagramServer(asyncio.DatagramProtocol):
    """One UDP socket."""

    def __init__(self, program: Program, cache: ReplyCache | None, seats: int) -> None:
        self._program = program
        self._most = CALLS_PER_SEAT * seats
        self._cache = cache
        self._under_way: Counter[Peer] = Counter()
        self._all_under_way = 0
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set_result(None)

    async def close(self) -> None:
        self._transport.close()
        await self._lost

    def datagram_received(self, data: bytes, address: Peer) -> None:
        """Serve a call. A datagram that is no call gets no reply: its address may be forged."""
        if len(data) > MAX_CALL:
            return
        try:
            call = read_call(data)
        except BadRecord:
            return
        except Denied as denied:
            self._transport.sendto(denied.reply, address)
            return
        key = (address, call.xid, call.procedure, call.arguments, call.shown)
        if self._cache is not None and (reply := self._cache.reply(key)) is not None:
            self._transport.sendto(reply, address)
            return
        if self._under_way[address] >= MAX_PER_ADDRESS or self._all_under_way >= self._most:
            return
        if self._cache is None or self._cache.begin(key):
            self._under_way[address] += 1
            self._all_under_way += 1
            self._program.serve(call, _Datagram(self, key))

    def answer(self, key: Key, reply: bytes) -> None:
        address = key[0]
        self._under_way[address] -= 1
        self._all_under_way -= 1
        if not self._under_way[address]:
            del self._under_way[address]
        if self._cache is not None:
            self._cache.end(key, reply)
        if not self._transport.is_closing():
            self._transport.sendto(reply, address)


class _Datagram(Caller):
    """One call, and the address for its reply."""

    most = MAX_REPLY

    def __init__(self, server: DatagramServer, key: Key) -> None:
        self._server = server
        self._key = key

    def answer(self, reply: bytes) -> None:
        self._server.answer(self._key, reply)

    def seated(self) -> None:
        """Nothing to do: there is no connection to be evicted."""

    def admitted(self) -> None:
        """Nothing to do: the next datagram may be somebody else's."""

    def page(self) -> AbstractAsyncContextManager[Any]:
        return nullcontext()
