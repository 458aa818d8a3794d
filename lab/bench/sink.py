"""Load and sink in one process: sends, receives everything for all clients, checks and counts.

The runner starts it as ``python -m lab.bench.sink``, writes one JSON object a line to its stdin (first
a `Target`, then a `Task` for each measurement) and reads one a line from its stdout.

It never sleeps while it measures: to wake it would cost the servers' sends, on this machine, what over
a network is another machine's work.
"""

from __future__ import annotations

import gc
import select
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol, TypeVar

import msgspec
import psutil

from lab.bench.checker import Checker, DeliveryError
from lab.bench.dialects import DIALECTS, Dialect
from lab.bench.machine import cpu_seconds
from lab.bench.regimes import Regime

CONNECT_TIMEOUT = 60.0
DRAIN_TIMEOUT = 15.0  # after the last message was sent
READ_BYTES = 256 * 1024
TICK = 0.0001  # seconds of CPU, at least: where only ticks of 10 ms are counted there may be none


class Target(msgspec.Struct):
    """The server to measure."""

    dialect: str
    host: str
    port: int
    pid: int
    clients: int


class Task(msgspec.Struct):
    regime: Regime
    seconds: float


class Connected(msgspec.Struct):
    connects: float
    """Clients let in, a second."""
    client_bytes: float
    """Growth of the server's resident memory, a client."""
    sent: int
    """Messages that were sent on the way."""


class Measured(msgspec.Struct):
    messages: int
    deliveries: int
    seconds: float
    """From the first message sent to the last one received."""
    server_cpu: float
    """Seconds, all threads."""
    sink_busy: float
    """The share of the time in which the sink found something to read; near 1: it limits the rate."""
    p50: float
    """Milliseconds from when a message was due until the last receiver had it: median, ..."""
    p99: float
    worst: float
    overrun: bool
    """The server fell so far behind an open loop that sending was stopped."""


class Failed(msgspec.Struct):
    error: str


class Sink:
    """All clients of one server. Client 0 speaks; who speaks and has no echo does not count."""

    def __init__(self, target: Target, dialect: Dialect | None = None) -> None:
        self._target = target
        self._dialect = dialect or DIALECTS[target.dialect]
        self._server = psutil.Process(target.pid)
        self._sockets: list[socket.socket] = []
        self._numbers: dict[int, int] = {}  # of the clients, by file descriptor
        self._poll, self._register = poller()
        self._view = memoryview(bytearray(READ_BYTES))
        self._out = bytearray()
        self._sent = 0
        self._silent = 0 if self._dialect.echo else 1
        self._checker = Checker(
            target.clients - self._silent, self._dialect.message, self._dialect.ping, first=1
        )
        self._since: deque[float] = deque()  # when the messages under way were due

    # --- coming in -----------------------------------------------------------------------------

    def connect(self) -> Connected:
        deadline = time.perf_counter() + CONNECT_TIMEOUT
        heard: list[bytes] = []
        self._enter(1, heard, deadline)  # what the server allocates once is not a client's
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
        """Send message 0; what comes behind it is the same for every receiver."""
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

    def measure(self, regime: Regime, seconds: float) -> Measured:
        """Offer the load for some seconds, and wait until everything has arrived."""
        checker, clock = self._checker, time.perf_counter
        first = self._sent
        taken: list[float] = []
        cpu, busy = cpu_seconds(self._server), 0.0
        start = now = clock()
        pace = Pace(regime, start, start + seconds)
        while pace.running or checker.settled < self._sent:
            self._offer(pace, now)
            if now > pace.end + DRAIN_TIMEOUT:
                raise DeliveryError(
                    f"{self._sent - checker.settled} messages have not reached everybody "
                    f"{DRAIN_TIMEOUT:.0f} s after the last was sent"
                )
            ready = self._poll(0.0)
            for fd in ready:
                number = self._numbers[fd]
                data = self._read(number)
                if number >= self._silent and checker.feed(number - self._silent, data):
                    self._sockets[number].send(self._dialect.pong)
                if regime.rate and pace.running:  # on time, also while there is much to read
                    self._offer(pace, clock())
            before, now = now, clock()
            if ready:
                busy += now - before
            for _ in range(checker.settle()):
                taken.append(now - self._since.popleft())
        lasted = now - start
        cpu = max(cpu_seconds(self._server) - cpu, TICK)
        messages = self._sent - first
        taken.sort()
        return Measured(
            messages=messages,
            deliveries=messages * (self._target.clients - self._silent),
            seconds=lasted,
            server_cpu=cpu,
            sink_busy=busy / lasted,
            p50=1000 * taken[len(taken) // 2],
            p99=1000 * taken[int(len(taken) * 0.99)],
            worst=1000 * taken[-1],
            overrun=pace.overrun,
        )

    def _offer(self, pace: Pace, now: float) -> None:
        """Send what is due."""
        for since in pace.due(now, self._sent - self._checker.settled):
            self._sent += 1
            self._since.append(since)
            self._say(self._sent)
        self._send()

    def _hello(self, number: int) -> bytes:
        """Return what client ``number`` says first."""
        return self._dialect.hello % number

    def _say(self, number: int) -> None:
        """Let client 0 send message ``number``, with the next `_send`."""
        self._out += self._dialect.text(number)

    def _send(self) -> None:
        if self._out:
            with suppress(BlockingIOError):
                del self._out[: self._sockets[0].send(self._out)]

    def _read(self, number: int) -> bytes | memoryview:
        """Return what there is, to be used before the next call."""
        return self._receive(number)

    def _receive(self, number: int) -> memoryview:
        try:
            size = self._sockets[number].recv_into(self._view)
        except BlockingIOError:
            return self._view[:0]
        if not size:
            last = self._checker.rest(number - self._silent) if number >= self._silent else b""
            raise DeliveryError(
                f"the server has closed the connection of client {number}; its last word: {last!r}"
            )
        return self._view[:size]


class Pace:
    """When the messages of one measurement are due."""

    def __init__(self, regime: Regime, start: float, end: float) -> None:
        self.running = True
        self.overrun = False
        self.end = end
        self._regime = regime
        self._start = start
        self._count = 0

    def due(self, now: float, under_way: int) -> list[float]:
        """Return for each message to be sent now when it was due."""
        if not self.running or now >= self.end:
            self.running = False
            return []
        rate, room = self._regime.rate, self._regime.window - under_way
        if not rate:
            return [now] * room
        begun = self._count
        due = int((now - self._start) * rate) + 1 - begun
        if due > room:
            self.overrun, self.running, self.end = True, False, now
            return []
        self._count += due
        return [self._start + (begun + i) / rate for i in range(due)]


def poller() -> tuple[Callable[[float], list[int]], Callable[[int], None]]:
    """Return what waits (at most some seconds) and gives the readable ones, and what adds one."""
    if sys.platform == "linux":  # half the time of the selectors module for each readable one
        epoll = select.epoll()

        def wait(seconds: float) -> list[int]:
            return [fd for fd, _ in epoll.poll(seconds)]

        def add(fd: int) -> None:
            epoll.register(fd, select.EPOLLIN)
    else:
        selector = selectors.DefaultSelector()

        def wait(seconds: float) -> list[int]:
            return [key.fd for key, _ in selector.select(seconds)]

        def add(fd: int) -> None:
            selector.register(fd, selectors.EVENT_READ)

    return wait, add


class Generator(Protocol):
    """What offers load and measures."""

    def connect(self) -> Connected: ...

    def measure(self, regime: Regime, seconds: float) -> Measured: ...


G = TypeVar("G", bound=Generator)


def serve(make: Callable[[Target], G], tasks: Callable[[G], Iterable[bytes]]) -> None:
    """Answer what the runner asks for, until it asks no more."""

    def answer(value: msgspec.Struct) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
        sys.stdout.buffer.flush()

    gc.disable()
    target = msgspec.json.decode(sys.stdin.buffer.readline(), type=Target)
    try:
        generator = make(target)
        answer(generator.connect())
        for line in tasks(generator):
            task = msgspec.json.decode(line, type=Task)
            answer(generator.measure(task.regime, task.seconds))
    except (DeliveryError, OSError) as error:
        answer(Failed(str(error)))


if __name__ == "__main__":
    serve(Sink, lambda _: sys.stdin.buffer)
