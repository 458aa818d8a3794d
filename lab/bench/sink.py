"""The load generator for TCP: sends, receives for all clients, checks and counts.

`lab.bench.comparison` starts it as ``python -m lab.bench.sink``; see `lab.bench.load`.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from contextlib import suppress

from lab.bench.checker import Checker, DeliveryError
from lab.bench.dialects import DIALECTS, Dialect
from lab.bench.load import CONNECT_TIMEOUT, READ_BYTES, Connected, Load, Pace, Target, poller, serve


class Sink(Load):
    """All clients of one server. Client 0 sends; without an echo it is not counted as a receiver."""

    def __init__(self, target: Target, dialect: Dialect | None = None) -> None:
        super().__init__(target)
        self._dialect = dialect or DIALECTS[target.dialect]
        self._sockets: list[socket.socket] = []
        self._numbers: dict[int, int] = {}  # of the clients, by file descriptor
        self._poll, self._register = poller()
        self._view = memoryview(bytearray(READ_BYTES))
        self._out = bytearray()
        self._silent = 0 if self._dialect.echo else 1
        self._checker = Checker(
            target.clients - self._silent, self._dialect.message, self._dialect.ping, first=1
        )
        self._since: deque[float] = deque()  # when the messages in flight were due

    # --- coming in -----------------------------------------------------------------------------

    def connect(self) -> Connected:
        deadline = time.perf_counter() + CONNECT_TIMEOUT
        heard: list[bytes] = []
        self._enter(1, heard, deadline)  # memory that the server allocates only once is not counted
        before = self._server.memory_info().rss
        start = time.perf_counter()
        self._enter(self._target.clients, heard, deadline)
        took = time.perf_counter() - start
        grown = self._server.memory_info().rss - before
        self._begin(heard, deadline)
        others = self._target.clients - 1
        return Connected(others / took, grown / others, sent=1)

    def _enter(self, until: int, heard: list[bytes], deadline: float) -> None:
        for number in range(len(self._sockets), until):
            connection = socket.create_connection((self._target.host, self._target.port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(self._hello(number))
            connection.setblocking(False)
            self._sockets.append(connection)
            self._numbers[connection.fileno()] = number
            self._register(connection.fileno())
            heard.append(b"")
        waiting = set(range(until))
        while waiting := {number for number in waiting if self._dialect.ready not in heard[number]}:
            self._hear(heard, deadline, f"{len(waiting)} of {until} clients were not let in")

    def _begin(self, heard: list[bytes], deadline: float) -> None:
        """Send message 0: what follows it is the same for every receiver."""
        self._say(0)
        self._sent = 0
        behind: dict[int, bytes] = {}
        while len(behind) < len(heard) - self._silent:
            self._send()
            self._hear(heard, deadline, "the first message did not reach everybody")
            for number in range(self._silent, len(heard)):
                if number not in behind and (found := self._dialect.message.search(heard[number])):
                    behind[number] = heard[number][found.end() :]
        for number, data in behind.items():
            self._checker.feed(number - self._silent, data)

    def _hear(self, heard: list[bytes], deadline: float, what: str) -> None:
        if time.perf_counter() > deadline:
            raise DeliveryError(f"{what} within {CONNECT_TIMEOUT:.0f} s")
        for fd in self._poll(0.1):
            number = self._numbers[fd]
            data = bytes(self._read(number))
            heard[number] += data
            if self._dialect.ping is not None and self._dialect.ping.search(data):
                self._sockets[number].send(self._dialect.pong)

    # --- one measurement -----------------------------------------------------------------------

    def _offer(self, pace: Pace, now: float) -> None:
        for since in pace.due(now, self._under_way()):
            self._sent += 1
            self._since.append(since)
            self._say(self._sent)
        self._send()

    def _take(self, pace: Pace) -> bool:
        ready = self._poll(0.0)
        for fd in ready:
            number = self._numbers[fd]
            data = self._read(number)
            if number >= self._silent and self._checker.feed(number - self._silent, data):
                self._sockets[number].send(self._dialect.pong)
            if pace.open and pace.running:  # in time, even while there is much to read
                self._offer(pace, time.perf_counter())
        return bool(ready)

    def _done(self) -> list[float]:
        return [self._since.popleft() for _ in range(self._checker.settle())]

    def _under_way(self) -> int:
        return self._sent - self._checker.settled

    def _arrived(self, messages: int) -> tuple[int, int]:
        return messages * (self._target.clients - self._silent), 0

    def _hello(self, number: int) -> bytes:
        """Return the first bytes of client ``number``."""
        return self._dialect.hello % number

    def _say(self, number: int) -> None:
        """Let the next `_send` send message ``number``."""
        self._out += self._dialect.text(number)

    def _send(self) -> None:
        if self._out:
            with suppress(BlockingIOError):
                del self._out[: self._sockets[0].send(self._out)]

    def _read(self, number: int) -> bytes | memoryview:
        """Return what has come; it is valid until the next call."""
        return self._receive(number)

    def _receive(self, number: int) -> memoryview:
        try:
            size = self._sockets[number].recv_into(self._view)
        except BlockingIOError:
            return self._view[:0]
        if not size:
            last = self._checker.rest(number - self._silent) if number >= self._silent else b""
            raise DeliveryError(
                f"the server has closed the connection of client {number}; its last bytes: {last!r}"
            )
        return self._view[:size]


if __name__ == "__main__":
    serve(Sink)
