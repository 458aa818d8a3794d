"""The load generator for UDP: sends, receives for all clients, and counts what each has got.

`lab.bench.comparison` starts it as ``python -m lab.bench.udp_sink``; see `lab.bench.load`.
"""

from __future__ import annotations

import socket
import time
from collections import deque

from lab.bench.checker import DeliveryError
from lab.bench.datagrams import DATAGRAMS, Datagrams, numbers
from lab.bench.load import (
    CONNECT_TIMEOUT,
    IDLE,
    READ_BYTES,
    Connected,
    Load,
    Measured,
    Pace,
    Target,
    poller,
    serve,
)
from lab.bench.machine import cpu_seconds
from lab.bench.regimes import Regime
from lab.bench.sink import QUIET
from lab.bench.tally import Run, Tally, runs

BUFFER = 1024 * 1024
"""Bytes of a client's receive buffer, if the system allows it: the load generator must lose no datagram."""
RETRY_AFTER = 0.5
"""Seconds after which a hello that was not answered is sent again."""
LOSS_TIMEOUT = 1.0
"""Seconds without a message after which those in flight are lost; longer than a disk takes for a commit."""
KNOWN = 1000
"""Datagrams whose numbers are remembered: all receivers get the same ones."""


class UdpSink(Load):
    """All clients of one server, each with a socket. Client 0 sends, and receives its own messages too."""

    what = "messages are not settled"

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._address = (target.host, target.port)
        self._sockets: list[socket.socket] = []
        self._clients: list[Datagrams] = []
        self._numbers: dict[int, int] = {}  # of the clients, by file descriptor
        self._poll, self._register = poller()
        self._view = memoryview(bytearray(READ_BYTES))
        self._tally = Tally(target.clients)
        self._known: dict[bytes, list[Run]] = {}
        self._since: deque[float] = deque()  # when the messages in flight were due
        self._news = 0.0  # when the last message came
        self._pinged = 0  # pings that were due until now
        self._begun = 0.0

    # --- coming in -----------------------------------------------------------------------------

    def connect(self) -> Connected:
        deadline = time.perf_counter() + CONNECT_TIMEOUT
        self._begun = time.perf_counter()
        self._enter(1, deadline)  # memory that the server allocates only once is not counted
        memory, cpu = self._server.memory_info().rss, cpu_seconds(self._server)
        start = time.perf_counter()
        self._enter(self._target.clients, deadline)
        took = time.perf_counter() - start
        while fds := self._poll(QUIET):
            for fd in fds:
                self._hear(self._numbers[fd])
        grown, cpu = self._server.memory_info().rss - memory, cpu_seconds(self._server) - cpu
        others = self._target.clients - 1
        return Connected(others / took, grown / others, sent=0, server_cpu=cpu)

    def _enter(self, until: int, deadline: float) -> None:
        before = len(self._sockets)
        for number in range(before, until):
            connection = socket.socket(type=socket.SOCK_DGRAM)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
            connection.connect(self._address)
            connection.setblocking(False)
            self._sockets.append(connection)
            self._clients.append(DATAGRAMS[self._target.dialect](number, self._target.room_of(number)))
            self._numbers[connection.fileno()] = number
            self._register(connection.fileno())
        self._let_in(set(range(before, until)), deadline)

    def _let_in(self, waiting: set[int], deadline: float) -> None:
        """Let clients come at once, as over streams."""
        said: dict[int, bytes] = {}

        def say(number: int) -> None:
            said[number] = self._clients[number].hello()
            self._sockets[number].send(said[number])

        again = 0.0
        while waiting:
            if (now := time.perf_counter()) > deadline:
                raise DeliveryError(f"{len(waiting)} clients were not let in within {CONNECT_TIMEOUT:.0f} s")
            if now > again:
                again = now + RETRY_AFTER
                for number in waiting:
                    say(number)
            for fd in self._poll(RETRY_AFTER):
                number = self._numbers[fd]
                self._hear(number)
                if self._clients[number].ready:
                    waiting.discard(number)
                elif number in waiting and self._clients[number].hello() != said[number]:
                    say(number)  # the answer was a cookie

    # --- one measurement -----------------------------------------------------------------------

    def measure(self, regime: Regime, seconds: float) -> Measured:
        self._tally.begin()
        self._news = time.perf_counter()
        return super().measure(regime, seconds)

    def rest(self) -> None:
        for fd in self._poll(IDLE):
            self._hear(self._numbers[fd])
        self._ping(time.perf_counter())

    def _offer(self, pace: Pace, now: float) -> None:
        for since in pace.due(now, self._under_way()):
            self._sent += 1
            self._since.append(since)
            self._sockets[0].send(self._clients[0].say(self._sent))
            self._news = now
        self._ping(now)

    def _take(self, pace: Pace) -> bool:
        ready = self._poll(0.0)
        for fd in ready:
            self._hear(self._numbers[fd])
            if pace.open and pace.running:  # in time, even while there is much to read
                self._offer(pace, time.perf_counter())
        now = time.perf_counter()
        if self._under_way() and now > self._news + LOSS_TIMEOUT:
            self._tally.give_up(self._sent)
        return bool(ready)

    def _hear(self, number: int) -> None:
        """Read a datagram. Raises `DeliveryError`."""
        try:
            size = self._sockets[number].recv_into(self._view)
        except BlockingIOError:
            return
        except ConnectionRefusedError:
            raise DeliveryError("the server does not listen any more") from None
        data = bytes(self._view[:size])
        found = self._known.get(data)
        if found is None:
            found = self._read(number, data)
        if found:
            self._news = time.perf_counter()
            for first, last in found:
                self._tally.take(number, first, last)

    def _read(self, number: int, data: bytes) -> list[Run]:
        found = numbers(data)
        if not found:
            self._clients[number].hear(data)
            return []
        if max(found) > self._sent:
            raise DeliveryError(f"receiver {number}: message {max(found)} came, and nobody has sent it")
        if len(self._known) >= KNOWN:
            self._known.clear()
        known = self._known[data] = runs(found)
        return known

    def _ping(self, now: float) -> None:
        """Send the pings that are due: those of all clients are spread over the interval."""
        if not (every := self._clients[0].ping_every):
            return
        due = int((now - self._begun) / every * len(self._clients))
        for turn in range(max(self._pinged, due - len(self._clients)), due):
            number = turn % len(self._clients)
            self._sockets[number].send(self._clients[number].ping())
        self._pinged = due

    # --- counting ------------------------------------------------------------------------------

    def _done(self) -> list[float]:
        return [self._since.popleft() for _ in range(self._tally.settle())]

    def _under_way(self) -> int:
        return self._sent - self._tally.settled

    def _arrived(self, messages: int) -> tuple[int, int]:
        lost = self._tally.lost
        return messages * self._target.clients - lost, lost


if __name__ == "__main__":
    serve(UdpSink, resting=True)
