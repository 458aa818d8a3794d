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
from lab.bench.machine import cpu_seconds
from lab.bench.spreading import Evenly

GROUP = 200
"""Clients that join at once: up to 1,000 of them, and fewer in proportion if there are more. Each is told who
is there, and they do not read before the last of them has asked: what a server holds for all is bounded."""
QUIET = 0.25
"""Seconds without news after which the server is idle; longer than ours holds back who has come."""
REST = 5.0
"""Seconds after which it counts as idle anyway."""


class Sink(Load):
    """All clients of one server. Client 0 sends; without an echo it is not counted as a receiver."""

    def __init__(self, target: Target, dialect: Dialect | None = None) -> None:
        super().__init__(target)
        self._dialect = dialect or DIALECTS[target.dialect]
        self._ports = [target.port, *(node.port for node in target.nodes)]
        self._evenly = Evenly(target.host, target.port, target.workers) if target.workers else None
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
        self._enter(1, deadline)  # memory that the server allocates only once is not counted
        memory, cpu = self._memory(), self._cpu()
        start = time.perf_counter()
        group = min(GROUP, 1000 * GROUP // self._target.clients)
        for until in range(group, self._target.clients, group):
            self._enter(until, deadline)
        self._enter(self._target.clients, deadline)
        if self._evenly is not None:
            self._evenly.close()
        took = time.perf_counter() - start
        self._hear_the_rest()
        grown, cpu = self._memory() - memory, self._cpu() - cpu
        if speak := not self._target.per_room:
            self._begin(deadline)
        others = self._target.clients - 1
        return Connected(others / took, grown / others, sent=int(speak), server_cpu=cpu)

    def _memory(self) -> int:
        return sum(one.memory_info().rss for one in self._servers)

    def _cpu(self) -> float:
        return sum(map(cpu_seconds, self._servers))

    def _enter(self, until: int, deadline: float) -> None:
        heard: dict[int, bytes] = {}
        for number in range(len(self._sockets), until):
            connection = self._dial(number)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(self._hello(number))
            connection.setblocking(False)
            self._sockets.append(connection)
            self._numbers[connection.fileno()] = number
            self._register(connection.fileno())
            heard[number] = b""
        while heard:
            for number in self._hear(heard, deadline, f"{len(heard)} of {until} clients were not let in"):
                if self._dialect.ready in heard[number]:
                    del heard[number]

    def _dial(self, number: int) -> socket.socket:
        if self._evenly is not None:
            return self._evenly.connect(number)
        return socket.create_connection((self._target.host, self._ports[number % len(self._ports)]))

    def _hear_the_rest(self) -> None:
        """Read until nothing has come for a moment, or for a while: thousands are always pinged."""
        deadline = time.perf_counter() + REST
        while (fds := self._poll(QUIET)) and time.perf_counter() < deadline:
            for fd in fds:
                self._read(self._numbers[fd])
            self._send()

    def _begin(self, deadline: float) -> None:
        """Send message 0: what follows it is the same for every receiver."""
        self._say(0)
        self._sent = 0
        heard = dict.fromkeys(range(self._silent, len(self._sockets)), b"")
        while heard:
            self._send()
            for number in self._hear(heard, deadline, "the first message did not reach everybody"):
                if found := self._dialect.message.search(heard[number]):
                    self._checker.feed(number - self._silent, heard.pop(number)[found.end() :])

    def _hear(self, heard: dict[int, bytes], deadline: float, what: str) -> list[int]:
        """Read, and add it to what was heard by those who wait; return who of them has heard something."""
        if time.perf_counter() > deadline:
            raise DeliveryError(f"{what} within {CONNECT_TIMEOUT:.0f} s")
        some = []
        for fd in self._poll(0.1):
            number = self._numbers[fd]
            data = bytes(self._read(number))
            if number in heard:
                heard[number] += data
                some.append(number)
            if self._dialect.ping is not None and self._dialect.ping.search(data):
                self._sockets[number].send(self._dialect.pong)
        return some

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
        return self._dialect.join(number, self._target.room_of(number))

    def _say(self, number: int) -> None:
        """Let the next `_send` send message ``number``."""
        self._out += self._dialect.text(number, self._target.text_bytes)

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
