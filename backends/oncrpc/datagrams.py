"""The server over UDP: a call is a datagram, and a datagram may arrive twice, or never.

A client that gets no reply sends the same call again. So the server keeps its replies for a while (duplicate
request cache; Juszczak, 1989). Without it a call may be carried out twice, as `chat serve --duplicate-cache
off` shows.

An address that is not proven gets hardly more bytes than came from it (`backends.oncrpc.proof`).
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeAlias, cast

from backends.oncrpc.codec import BadRecord, Denied, read_call
from backends.oncrpc.program import Caller, Program
from backends.oncrpc.proof import Proof, Surplus
from protos.chat_xdr import CHAT_FETCH, CHAT_MEMBERS, CHAT_NULL, CHAT_SEEN

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
READING = (CHAT_NULL, CHAT_FETCH, CHAT_MEMBERS, CHAT_SEEN)
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
        loop = asyncio.get_running_loop()
        self.proof = Proof()
        self._surplus = Surplus(loop.time)
        self._lost: asyncio.Future[None] = loop.create_future()

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
            self._send(denied.reply, address, len(data))
            return
        key = (address, call.xid, call.procedure, call.arguments, call.shown)
        if self._cache is not None and (reply := self._cache.reply(key)) is not None:
            self._send(reply, address, len(data))
            return
        if self._under_way[address] >= MAX_PER_ADDRESS or self._all_under_way >= self._most:
            return
        if self._cache is None or self._cache.begin(key):
            self._under_way[address] += 1
            self._all_under_way += 1
            self._program.serve(call, _Datagram(self, key, len(data)))

    def _send(self, reply: bytes, address: Peer, asked: int) -> None:
        """Send a reply to an address that may be forged, unless it got too much already.

        Without a reply the client asks again.
        """
        if self._surplus.allows(address[0], len(reply) - asked):
            self._transport.sendto(reply, address)

    def answer(self, key: Key, reply: bytes, asked: int, *, proven: bool) -> None:
        address = key[0]
        self._under_way[address] -= 1
        self._all_under_way -= 1
        if not self._under_way[address]:
            del self._under_way[address]
        if self._cache is not None:
            self._cache.end(key, reply)
        if self._transport.is_closing():
            return
        if proven:
            self._transport.sendto(reply, address)
        else:
            self._send(reply, address, asked)


class _Datagram(Caller):
    """One call, and the address for its reply."""

    most = MAX_REPLY
    connection = (
        "UDP"  # all of them together: anybody may forge addresses, and each would have seats of its own
    )

    def __init__(self, server: DatagramServer, key: Key, asked: int) -> None:
        self._server = server
        self._key = key
        self._asked = asked
        self._host = key[0][0]
        self.is_proven = False
        self.peer = f"{self._host} over UDP"  # it may be forged: who is there must not wait elsewhere

    def told(self, seat_key: str) -> str:
        return self._server.proof.add(seat_key, self._host)

    def prove(self, seat_key: str) -> None:
        self.is_proven = self._server.proof.holds(seat_key, self._host)

    def answer(self, reply: bytes) -> None:
        self._server.answer(self._key, reply, self._asked, proven=self.is_proven)

    def seated(self) -> None:
        """Nothing to do: there is no connection to be evicted."""

    def admitted(self) -> None:
        """Nothing to do: the next datagram may be somebody else's."""

    def page(self) -> AbstractAsyncContextManager[Any]:
        return nullcontext()
