"""Several servers on one log in a broker, beside one: latencies, entries a second, and the fan-out."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import backends
from chat.background.process import clean_environment
from chat.domain.errors import ChatError
from chat.domain.model import Event, Hello, Say
from chat.interfaces.address import Address
from lab.bench.broker_report import Latency, Shared, Spread
from lab.bench.generator import Generator, generator
from lab.bench.load import Node, Target
from lab.bench.machine import usable_cores
from lab.bench.regimes import SHARED

TEXT = "x" * 42
NODES = 3
RATES = (100, 400, 1700)
"""Messages a second, all servers together."""
LASTING = 3.0
"""Seconds at each rate."""
ENTRIES = 3000
"""Messages in a round of the entries a second."""
WINDOW = 255
"""Messages in flight then, all clients together."""
READERS = 1000
"""Clients of the fan-out, all servers together."""
ROUNDS = 3
TIMEOUT = 30.0
"""Seconds until every message must have arrived."""


@dataclass(frozen=True)
class Running:
    """One server."""

    address: Address
    pid: int


@contextmanager
def nodes(url: str, count: int, tree: Path | None = None) -> Iterator[list[Running]]:
    """Run servers on one log.

    Args:
        url: the log's.
        count: how many servers.
        tree: the checkout that they run in; None: this one.

    Raises:
        ChatError: one did not start.
    """
    environment = {**clean_environment(), "CHAT_SERVE_LOG": url}
    if tree is not None:
        environment["PYTHONPATH"] = str(tree)
    command = [sys.executable, "-m", "chat", "serve", "tcp", "--port", "0", "--json", "--rate", "off"]
    children = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tree
        )
        for _ in range(count)
    ]
    try:
        found = []
        for child in children:
            assert child.stdout is not None
            assert child.stderr is not None
            line = child.stdout.readline()
            if not line:
                raise ChatError(f"a server did not start: {child.stderr.read().strip()}")
            offer = json.loads(line)
            found.append(Running(Address(offer["host"], offer["port"]), child.pid))
        yield found
    finally:
        for child in children:
            child.terminate()
            child.communicate()


class Circle:
    """`NODES` clients in a room, at the servers in turn. All must get the same messages in one order."""

    def __init__(self, servers: list[Running], room: str, count: int) -> None:
        """Prepare. ``count``: how many messages will be sent."""
        kind = backends.technique("tcp").load_client()
        self.own: list[float] = []
        """Seconds until the sender had its message."""
        self.others: list[float] = []
        """Seconds until another client had it."""
        self._clients = [kind(servers[place % len(servers)].address) for place in range(NODES)]
        self._room = room
        self._count = count
        self._begun: dict[str, tuple[float, int]] = {}
        self._order: list[list[str]] = [[] for _ in self._clients]
        self._over = asyncio.Event()

    async def open(self) -> None:
        """Let all join."""
        for place, client in enumerate(self._clients):
            await client.connect(Hello(self._room, f"at-{place}"))
        self._reading = [asyncio.create_task(self._read(place)) for place in range(len(self._clients))]

    async def _read(self, place: int) -> None:
        async for batch in self._clients[place].events():
            now = time.perf_counter()
            for event in batch:
                if isinstance(event, Event) and event.text in self._begun:
                    at, speaker = self._begun[event.text]
                    (self.own if speaker == place else self.others).append(now - at)
                    if speaker == place:
                        self._clients[place].answered(event.n)
                    self._order[place].append(event.text)
            if sum(map(len, self._order)) == self._count * len(self._clients):
                self._over.set()

    async def send(self, number: int) -> None:
        """Send a message from the client whose turn it is, and wait until it is accepted."""
        place, text = number % len(self._clients), f"{number} {TEXT}"
        self._begun[text] = time.perf_counter(), place
        await self._clients[place].send(Say(text, number // len(self._clients) + 1))

    async def finish(self, sends: list[asyncio.Task[None]]) -> None:
        """Wait until everybody has every message, and disconnect. Raises `ChatError`."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await asyncio.gather(*sends)
                await self._over.wait()
        except TimeoutError:
            raise ChatError(f"not every client had every message within {TIMEOUT:.0f} s") from None
        for client in self._clients:
            await client.close()
        await asyncio.gather(*self._reading)
        if any(one != self._order[0] for one in self._order) or len(set(self._order[0])) != self._count:
            raise ChatError("the servers do not have the same messages in the same order")


async def _spread(servers: list[Running], room: str, rate: int, seconds: float) -> Spread:
    """Let the clients send in turn at a rate; return how long the messages took."""
    circle = Circle(servers, room, count := int(rate * seconds))
    await circle.open()
    sends = []
    start = time.perf_counter()
    for number in range(count):
        if (wait := start + number / rate - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        sends.append(asyncio.create_task(circle.send(number)))
    await circle.finish(sends)
    return Spread(rate, Latency.of(circle.own), Latency.of(circle.others))


async def _entries(servers: list[Running], room: str, count: int) -> float:
    """Let the clients send with `WINDOW` in flight; return how many messages a second all of them had."""
    circle = Circle(servers, room, count)
    await circle.open()
    free = asyncio.Semaphore(WINDOW)
    sends = []
    start = time.perf_counter()
    for number in range(count):
        await free.acquire()
        sends.append(asyncio.create_task(circle.send(number)))
        sends[-1].add_done_callback(lambda _: free.release())
    await circle.finish(sends)
    return count / (time.perf_counter() - start)


@contextmanager
def _readers(servers: list[Running], room: str, count: int) -> Iterator[Generator]:
    """Let so many clients join, at the servers in turn."""
    first, *more = servers
    others = [Node(one.address.port, one.pid) for one in more]
    target = Target("chat", first.address.host, first.address.port, first.pid, count, room, nodes=others)
    with generator("lab.bench.sink", "chat serve tcp", usable_cores()[1:2]) as load:
        load.connect(target)
        yield load


def measure(
    url: str,
    room: str,
    *,
    rounds: int = ROUNDS,
    seconds: float = LASTING,
    entries: int = ENTRIES,
    tree: Path | None = None,
) -> Shared:
    """Measure one server and `NODES`, in turn.

    Args:
        url: the log's.
        room: the beginning of the rooms' names.
        rounds: of the entries and the fan-out.
        seconds: at each rate, and for the rounds of the fan-out together.
        entries: messages in a round.
        tree: the checkout that the servers run in; None: this one.

    Raises:
        ChatError: a server did not start, or messages were lost, duplicated or out of order.
    """
    found = Shared(rooms=[])

    def new(name: str) -> str:
        found.rooms.append(f"{room}-{name}")
        return found.rooms[-1]

    with nodes(url, 1, tree) as one, nodes(url, NODES, tree) as several:
        found.spreads = [asyncio.run(_spread(several, new(f"at{rate}"), rate, seconds)) for rate in RATES]
        for number in range(rounds):
            found.one.append(asyncio.run(_entries(one, new(f"one{number}"), entries)))
            found.several.append(asyncio.run(_entries(several, new(f"several{number}"), entries)))
        with ExitStack() as stack:
            alone = stack.enter_context(_readers(one, new("alone"), READERS))
            together = stack.enter_context(_readers(several, new("together"), READERS))
            for _ in range(rounds):
                found.alone.append(alone.measure(SHARED, seconds / rounds))
                found.together.append(together.measure(SHARED, seconds / rounds))
    return found
