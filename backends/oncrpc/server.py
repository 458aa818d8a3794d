"""The ONC RPC server: TCP, and UDP on the same port.

One `asyncio.Protocol` for each connection. Calls are started in the order of arrival and answered when they
are done: a poll that waits does not block the calls behind it.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from backends.oncrpc.codec import BadRecord, Denied, RecordReader, mark_of, read_call
from backends.oncrpc.datagrams import DatagramServer, ReplyCache
from backends.oncrpc.program import Caller, Program
from chat.interfaces.address import Address
from chat.interfaces.server import LOW_WATER, ChatServer
from chat.transport.listener import bind_socket, listen
from chat.transport.stream import TURN_BYTES, host_of

RECORD_TIMEOUT = 10.0
"""Seconds for a record, from its first byte to its last; then the connection is closed."""
MAX_OUTSTANDING = 32
"""Calls of one connection under way; at this number reading is paused."""
MAX_SEATLESS = 256
"""Connections that have named no seat; the oldest is evicted to admit another."""
BATCH = 256
"""Calls of one connection that are started in one turn of the loop."""
COALESCE = 4096
"""Bytes of a reply up to which it is written together with others of the same turn of the loop.

A longer one is written at once: a client that does not read must be noticed before the next one is made."""
TOGETHER = MAX_OUTSTANDING // 2
"""Replies that are written together: the client goes on with them while the next ones are made."""
LINGER = 1.0
"""Seconds that a client has to read the last replies."""
PORTS = 16
"""Free TCP ports that are tried until one is free for UDP, too."""


class OncRpcServer(ChatServer):
    async def start(self) -> Address:
        self.program = Program(self.hub)
        self.connections: set[Connection] = set()
        self.seatless: dict[Connection, None] = {}  # the oldest first
        self._datagrams: list[DatagramServer] = []
        for _ in range(PORTS - 1):
            try:
                return await self._listen()
            except OSError:
                if self.address.port:
                    raise
        return await self._listen()

    async def _listen(self) -> Address:
        loop = asyncio.get_running_loop()
        self._listener = await listen(lambda: Connection(self), self.address)
        keeps = self.options.settings.get("duplicate-cache", "on") == "on"
        try:
            for listener in self._listener.sockets:
                _, datagrams = await loop.create_datagram_endpoint(
                    lambda: DatagramServer(
                        self.program, ReplyCache() if keeps else None, self.hub.limits.seats
                    ),
                    sock=bind_socket(listener.family, listener.getsockname(), socket.SOCK_DGRAM),
                )
                self._datagrams.append(datagrams)
        except OSError:
            self._listener.close()
            await self._close_datagrams()
            raise
        return self._listener.address

    async def stop(self) -> None:
        self._listener.close()
        self.program.close()
        for connection in list(self.connections):
            connection.finish()
        await self.program.stop(LINGER)
        if self.connections:
            await asyncio.wait([connection.lost for connection in self.connections], timeout=LINGER)
        gone = [connection.lost for connection in self.connections]
        for connection in list(self.connections):
            connection.abort()
        await asyncio.gather(*gone)
        await self._close_datagrams()
        await self._listener.wait_closed()

    async def _close_datagrams(self) -> None:
        for datagrams in self._datagrams:
            await datagrams.close()
        self._datagrams.clear()


class Connection(asyncio.Protocol, Caller):
    """One connection: reads records, and writes the replies as they come."""

    def __init__(self, server: OncRpcServer) -> None:
        self._server = server
        self._reader = RecordReader()
        self._waiting: deque[bytes] = deque()  # records whose calls are not started yet
        self._outstanding = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._record_timer: asyncio.TimerHandle | None = None
        self._replies: list[bytes] = []  # written together at the end of this turn of the loop
        self._drained = asyncio.Event()  # set while the client reads its replies
        self._drained.set()
        self._page = asyncio.Lock()
        self._working = False
        self._last = False  # nothing more is read
        self._read = 0  # bytes in this turn of the loop
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # --- the connection ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=LOW_WATER, low=LOW_WATER)
        self.peer = host_of(transport)
        self.connection = " ".join(map(str, transport.get_extra_info("peername") or ()))
        server = self._server
        server.connections.add(self)
        server.seatless[self] = None
        if len(server.seatless) > MAX_SEATLESS:
            oldest = next(iter(server.seatless))
            del server.seatless[oldest]
            oldest.abort()
        if server.program.closing:
            self.finish()

    def eof_received(self) -> bool:
        """Keep the connection until the calls that have arrived are answered; polls wait no longer."""
        if self._last:
            return False
        self.hurried = True
        self._server.program.hurry(self._tasks)
        self.finish()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._last, self.hurried = True, False
        self._waiting.clear()
        self._stop_timer()
        self._server.connections.discard(self)
        self._server.seatless.pop(self, None)
        self.lost.set_result(None)
        for task in self._tasks:
            task.cancel()

    def finish(self) -> None:
        """Answer the calls that have arrived, read nothing more, and close."""
        self._last = True
        self._pause()
        self._work()

    def refuse(self) -> None:
        """Close, because the client does not speak the protocol; earlier replies are still sent."""
        self._last = True
        self._waiting.clear()
        self._stop_timer()
        self._write()
        self._transport.close()
        self._record_timer = asyncio.get_running_loop().call_later(LINGER, self._transport.abort)

    def abort(self) -> None:
        self._last = True
        self._transport.abort()

    def pause_writing(self) -> None:
        """Read nothing from a client that does not read, so that replies can't pile up."""
        self._drained.clear()
        self._pause()

    def resume_writing(self) -> None:
        self._drained.set()
        self._work()

    # --- calls ---------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._last:
            return
        if not self._read:
            asyncio.get_running_loop().call_soon(self._next_turn)
        self._read += len(data)
        before = len(self._waiting)
        try:
            self._waiting.extend(self._reader.feed(data))
        except BadRecord:
            self._work()
            self.refuse()
        else:
            if len(self._waiting) > before:
                self._stop_timer()
            self._work()

    def _next_turn(self) -> None:
        over, self._read = self._read >= TURN_BYTES, 0
        if over and not self._transport.is_closing():
            self._work()

    def _stop_timer(self) -> None:
        if self._record_timer is not None:
            self._record_timer.cancel()
            self._record_timer = None

    def _pause(self) -> None:
        """Pause reading, and the time limit for the record with it."""
        self._stop_timer()
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def _work(self) -> None:
        """Start the calls that wait, as far as the limits allow, and read on when none does."""
        if self._working:
            return  # reentered by a call that was answered at once
        self._working = True
        waiting, begun = self._waiting, 0
        while waiting and self._outstanding < MAX_OUTSTANDING and self._drained.is_set() and begun < BATCH:
            begun += 1
            self._begin(waiting.popleft())
        self.found = self.before = None
        self._working = False
        if self._last:
            if not self._waiting and not self._outstanding:
                self._write()
                self._transport.close()
        elif self._waiting or not self._drained.is_set() or self._read >= TURN_BYTES:
            self._pause()
        elif not self._transport.is_closing():
            self._transport.resume_reading()
            if self._reader.partial and self._record_timer is None:
                self._record_timer = asyncio.get_running_loop().call_later(RECORD_TIMEOUT, self.refuse)
        if begun == BATCH:
            asyncio.get_running_loop().call_soon(self._work)

    def _begin(self, record: bytes) -> None:
        self._outstanding += 1
        program = self._server.program
        if self.before is not None and program.send_again(record, self.before, self):
            return
        try:
            call = read_call(record)
        except BadRecord:
            self._outstanding -= 1
            self.refuse()
            return
        except Denied as denied:
            self.answer(denied.reply)
            return
        task = program.serve(call, self)
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    # --- replies -------------------------------------------------------------------------------

    def answer(self, reply: bytes) -> None:
        self._outstanding -= 1
        if not self._replies:
            asyncio.get_running_loop().call_soon(self._flush)
        size = len(reply)
        self._replies += mark_of(size), reply
        if size > COALESCE:
            self._flush()
        elif len(self._replies) == 2 * TOGETHER:
            self._write()

    def _flush(self) -> None:
        self._write()
        if not self._transport.is_closing():
            self._work()

    def _write(self) -> None:
        """Write the replies in one piece."""
        if self._replies and not self._transport.is_closing():
            self._transport.write(b"".join(self._replies))
        self._replies.clear()

    @property
    def has_more(self) -> bool:
        return bool(self._waiting)

    def admitted(self) -> None:
        self.is_admitted = True

    def seated(self) -> None:
        self._server.seatless.pop(self, None)

    @asynccontextmanager
    async def page(self) -> AsyncIterator[None]:
        async with self._page:
            await self._drained.wait()
            yield
