"""What the load generators share: their requests and answers, the loop of a measurement, the pace.

`lab.bench.comparison` starts one as a process. It writes one JSON object a line to its stdin: a `Target` for
each crowd of clients that joins, and a `Task` for each measurement of the last one. It reads one a line from
its stdout.

A load generator never sleeps while it measures. Otherwise the servers' sends would have to wake it, which
over a network would be another machine's work.
"""

from __future__ import annotations

import gc
import queue
import select
import selectors
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import msgspec
import psutil

from lab.bench.checker import DeliveryError
from lab.bench.dialects import ROOM, TEXT_BYTES
from lab.bench.machine import cpu_seconds
from lab.bench.regimes import Regime

CONNECT_TIMEOUT = 60.0
DRAIN_TIMEOUT = 15.0  # seconds after the last message was sent
READ_BYTES = 256 * 1024
TICK = 0.0001  # the least CPU seconds: where they are counted in ticks of 10 ms, 0 may be counted
IDLE = 0.02
"""Seconds between two checks whether the clients have something to do, while another server is measured."""


class Node(msgspec.Struct):
    port: int
    pid: int


class Target(msgspec.Struct, tag=True):
    """The server to measure."""

    dialect: str
    host: str
    port: int
    pid: int
    clients: int
    room: str = ROOM
    per_room: int = 0
    """Clients in a room; 0: all of them are in one. Where there are several rooms, nothing is said."""
    text_bytes: int = TEXT_BYTES
    """Of the texts that are sent; at least `DIGITS`."""
    nodes: list[Node] = []
    """Further servers of the same room: the clients connect to all of them in turn."""
    workers: list[int] = []
    """Processes that listen at the port, if it is not ``pid`` that does: each gets as many clients."""

    def room_of(self, client: int) -> str:
        """Return the room of a client."""
        return f"{self.room}{client // self.per_room}" if self.per_room else self.room


class Task(msgspec.Struct, tag=True):
    regime: Regime
    seconds: float


class Connected(msgspec.Struct):
    connects: float
    """Clients that joined in a second."""
    client_bytes: float
    """Growth of the server's resident memory for each client, in bytes."""
    sent: int
    """Messages that were sent while connecting."""
    server_cpu: float = 0.0
    """CPU seconds of the server for all of it."""


class Measured(msgspec.Struct):
    messages: int
    deliveries: int
    """Messages that arrived, counted for each receiver."""
    seconds: float
    """From the first message sent to the last one received."""
    server_cpu: float
    """CPU seconds of all threads."""
    sink_busy: float
    """The share of the time in which the load generator had something to read; near 1: it limits the rate."""
    p50: float
    """Milliseconds from when a message was due until the last receiver had it: the median."""
    p99: float
    """The same: 99 percent took no longer."""
    worst: float
    """The same: the longest."""
    overrun: bool
    """Whether the server fell so far behind an open loop that sending was stopped."""
    lost: int = 0
    """Deliveries that did not arrive; always 0 if the technique is lossless."""
    busiest: float = 0.0
    """CPU seconds of the process that used most."""


class Failed(msgspec.Struct):
    error: str


class Load(ABC):
    """Sends load to one server, and measures it."""

    what = "messages have not reached everybody"
    """Begins the error text about messages that are never delivered."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._server = psutil.Process(target.pid)
        others = [*(node.pid for node in target.nodes), *target.workers]
        self._servers = [self._server, *map(psutil.Process, others)]
        self._sent = 0

    @abstractmethod
    def connect(self) -> Connected:
        """Let every client join."""

    @abstractmethod
    def _offer(self, pace: Pace, now: float) -> None:
        """Send what is due."""

    @abstractmethod
    def _take(self, pace: Pace) -> bool:
        """Read; return whether there was something."""

    @abstractmethod
    def _done(self) -> list[float]:
        """Return when each message was due that was completed since the last call."""

    @abstractmethod
    def _under_way(self) -> int:
        """Return how many messages are not completed."""

    def _arrived(self, messages: int) -> tuple[int, int]:
        """Return how many deliveries of this measurement's messages have arrived, and how many are lost."""
        return messages, 0

    def measure(self, regime: Regime, seconds: float) -> Measured:
        """Send load for some seconds, and wait until every message is completed. Raises `DeliveryError`."""
        clock = time.perf_counter
        first = self._sent
        taken: list[float] = []
        cpu, busy = [cpu_seconds(one) for one in self._servers], 0.0
        start = now = clock()
        pace = Pace(regime, start, start + seconds)
        while pace.running or self._under_way():
            self._offer(pace, now)
            if now > pace.end + DRAIN_TIMEOUT:
                raise DeliveryError(
                    f"{self._under_way()} {self.what} {DRAIN_TIMEOUT:.0f} s after the last was sent"
                )
            some = self._take(pace)
            before, now = now, clock()
            if some:
                busy += now - before
            taken += [now - since for since in self._done()]
        lasted = now - start
        cpu = [max(cpu_seconds(one) - before, TICK) for one, before in zip(self._servers, cpu, strict=True)]
        messages = self._sent - first
        arrived, lost = self._arrived(messages)
        taken.sort()
        return Measured(
            messages=messages,
            deliveries=arrived,
            seconds=lasted,
            server_cpu=sum(cpu),
            sink_busy=busy / lasted,
            p50=1000 * taken[len(taken) // 2],
            p99=1000 * taken[int(len(taken) * 0.99)],
            worst=1000 * taken[-1],
            overrun=pace.overrun,
            lost=lost,
            busiest=max(cpu),
        )

    def rest(self) -> None:
        """Between two measurements: do what the server expects of connected clients, or wait."""
        time.sleep(IDLE)


class Pace:
    """Decides when the messages of one measurement are due."""

    def __init__(self, regime: Regime, start: float, end: float) -> None:
        self.running = True
        self.overrun = False
        self.end = end
        self._regime = regime
        self._start = start
        self._count = 0

    @property
    def open(self) -> bool:
        """Whether messages are due at a fixed rate, however slow the receivers are."""
        return self._regime.rate > 0

    def due(self, now: float, under_way: int) -> list[float]:
        """Return when each message was due that must be sent now."""
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
    """Return two functions: one waits for readable sockets at most some seconds, the other adds a socket."""
    if sys.platform == "linux":  # takes half the time of the selectors module for each readable socket
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


def serve(make: Callable[[Target], Load], *, resting: bool = False) -> None:
    """Process the requests on stdin until it is closed. Clients that have joined stay.

    Args:
        make: makes the load generator for a target.
        resting: call `Load.rest` between two measurements.
    """
    loads: list[Load] = []

    def answer(value: msgspec.Struct) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
        sys.stdout.buffer.flush()

    gc.disable()
    try:
        for line in tasks(loads) if resting else sys.stdin.buffer:
            match msgspec.json.decode(line, type=Target | Task):
                case Target() as target:
                    loads.append(make(target))
                    answer(loads[-1].connect())
                case Task() as task:
                    answer(loads[-1].measure(task.regime, task.seconds))
    except (DeliveryError, OSError) as error:
        answer(Failed(str(error)))


def tasks(loads: list[Load]) -> Iterator[bytes]:
    """Yield the requests on stdin, and call `Load.rest` while there is none.

    A thread reads stdin, because a pipe cannot be polled on every system.
    """
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        for line in sys.stdin.buffer:
            asked.put(line)
        asked.put(b"")

    threading.Thread(target=listen, daemon=True).start()
    while True:
        try:
            line = asked.get_nowait()
        except queue.Empty:
            for load in loads:
                load.rest()
            if not loads:
                time.sleep(IDLE)
            continue
        if not line:
            return
        yield line
