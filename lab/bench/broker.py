"""The benchmark of the broker: our client beside plain pika, and three servers on one log."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import msgspec

import backends
from chat.background.process import clean_environment
from chat.background.state_folder import state_dir
from chat.domain.errors import ChatError
from chat.domain.model import Event, Hello, Limits, Say, Sent
from chat.interfaces.address import Address, parse_address
from chat.interfaces.client import ChatClient
from chat.server.logs import open_log
from lab.bench.broker_report import PACE, Latency, Report, Spread, as_page, as_text
from lab.bench.machine import machine
from lab.bench.page import write_section
from lab.bench.textbook_rabbitmq import Bare
from lab.plain_broker import without_tls

TEXT = "x" * 42
ROUNDS = 5
TYPED = 50
"""Messages in a round of the latency."""
WINDOW = 256
"""Messages in flight in a round of publishing."""
BURST = 5000
"""Messages in a round of publishing."""
NODES = 3
RATES = (100, 400, 1700)
"""Messages a second, all servers together."""
LASTING = 3.0
"""Seconds at each rate."""
TIMEOUT = 30.0
"""Seconds until every message must have arrived."""


class Arrivals:
    """Notes when each message came, and checks that each comes once and in order."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.at: list[float] = []
        self._all = asyncio.Event()

    def came(self, text: str) -> None:
        """Note a message. Raises `ChatError` if it is out of order or a duplicate."""
        if not text.startswith(f"{len(self.at)} "):
            raise ChatError(f"message {len(self.at)} was to come, and {text:.20} came")
        self.at.append(time.perf_counter())
        if len(self.at) == self._count:
            self._all.set()

    def came_as_bytes(self, body: bytes) -> None:
        """Do the same for an encoded text."""
        self.came(body.decode())

    async def all(self) -> None:
        """Wait until every message has come. Raises `ChatError` after `TIMEOUT`."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._all.wait()
        except TimeoutError:
            raise ChatError(f"{len(self.at)} of {self._count} messages came within {TIMEOUT:.0f} s") from None


async def _typed(send: Callable[[str], Awaitable[object]], arrivals: Arrivals) -> list[float]:
    """Send a message each `PACE` seconds; return the seconds until each came."""
    begun, sends = [], []
    for number in range(TYPED):
        begun.append(time.perf_counter())
        sends.append(asyncio.ensure_future(send(f"{number} {TEXT}")))
        await asyncio.sleep(PACE)
    await asyncio.gather(*sends)
    await arrivals.all()
    return [there - here for here, there in zip(begun, arrivals.at, strict=True)]


async def _pipelined(send: Callable[[int], Awaitable[object]], count: int) -> float:
    """Send ``count`` messages with `WINDOW` in flight; return how many a second were answered."""
    free = asyncio.Semaphore(WINDOW)
    begin = time.perf_counter()
    sent: list[asyncio.Future[object]] = []
    for number in range(count):
        await free.acquire()
        sent.append(asyncio.ensure_future(send(number)))
        sent[-1].add_done_callback(lambda _: free.release())
    await asyncio.gather(*sent)
    return count / (time.perf_counter() - begin)


class Pair:
    """Two of our clients in a room: ann sends, and bob receives."""

    def __init__(self, address: Address, room: str) -> None:
        kind = backends.technique("rabbitmq").load_client()
        self.ann, self.bob = kind(address), kind(address)
        for client in (self.ann, self.bob):
            client.limits = Limits(burst=0)  # type: ignore[attr-defined]
        self.room = room
        self.on_message: Callable[[str], None] = lambda text: None
        self._n = 0

    async def open(self) -> None:
        """Connect both."""
        await self.ann.connect(Hello(self.room, "ann"))
        await self.bob.connect(Hello(self.room, "bob"))
        self._reading = [asyncio.create_task(self._read(one)) for one in (self.ann, self.bob)]

    async def _read(self, client: ChatClient) -> None:
        async for batch in client.events():
            for event in batch:
                if not isinstance(event, Event) or event.kind != "sent":
                    continue
                if client is self.ann:
                    client.answered(event.n)  # nobody else sends here
                else:
                    self.on_message(event.text)

    async def send(self, text: str) -> object:
        """Send a message, and wait until the room has accepted it."""
        self._n += 1
        return await self.ann.send(Say(text, self._n))

    def publish(self, number: int) -> asyncio.Future[None]:
        """Publish an entry that no client accepts; return a future for the broker's confirm."""
        link = self.ann.link  # type: ignore[attr-defined]
        body = Sent("0" * 24, "nobody", "rabbitmq", number + 1, TEXT)
        done: asyncio.Future[None] = link.publish(self.room, body, int(time.time() * 1000), link.next_id())
        return done

    async def close(self) -> None:
        """Disconnect both."""
        for client in (self.ann, self.bob):
            await client.close()
        await asyncio.gather(*self._reading)


async def _clients(url: str, address: Address, room: str, rounds: int, burst: int) -> dict[str, list[object]]:
    bare, pair = Bare(url), Pair(address, room)
    await bare.open()
    await pair.open()
    found: dict[str, list[object]] = {
        key: [] for key in ("bare", "ours", "bare_rate", "our_rate", "send_rate")
    }
    for number in range(rounds + 1):
        arrivals = Arrivals(TYPED)
        bare.on_message = arrivals.came_as_bytes
        latency = Latency.of(await _typed(lambda text: bare.publish(text.encode()), arrivals))
        bare.on_message = lambda body: None
        others = Arrivals(TYPED)
        pair.on_message = others.came
        our_latency = Latency.of(await _typed(pair.send, others))
        pair.on_message = lambda text: None
        bare_rate = await _pipelined(lambda _: bare.publish(TEXT.encode()), burst)
        our_rate = await _pipelined(pair.publish, burst)
        send_rate = await _pipelined(lambda _: pair.send(TEXT), burst)
        if number:  # the first round is a warm-up
            found["bare"].append(latency)
            found["ours"].append(our_latency)
            found["bare_rate"].append(bare_rate)
            found["our_rate"].append(our_rate)
            found["send_rate"].append(send_rate)
    await bare.close()
    await pair.close()
    return found


# --- several servers -----------------------------------------------------------------------------


@contextmanager
def _nodes(url: str) -> Iterator[list[Address]]:
    """Run `NODES` servers on one log; yield their addresses."""
    environment = {**clean_environment(), "CHAT_SERVE_LOG": url}
    command = [sys.executable, "-m", "chat", "serve", "tcp", "--port", "0", "--json", "--rate", "off"]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(NODES)
    ]
    try:
        addresses = []
        for child in children:
            assert child.stdout is not None
            assert child.stderr is not None
            line = child.stdout.readline()
            if not line:
                raise ChatError(f"a server did not start: {child.stderr.read().strip()}")
            offer = json.loads(line)
            addresses.append(Address(offer["host"], offer["port"]))
        yield addresses
    finally:
        for child in children:
            child.terminate()
            child.communicate()


async def _spread(addresses: list[Address], room: str, rate: int, seconds: float) -> Spread:
    """Let the clients, one at each server, send in turn; return how long the messages took."""
    kind = backends.technique("tcp").load_client()
    clients = [kind(address) for address in addresses]
    count = int(rate * seconds)
    begun: dict[str, tuple[float, int]] = {}
    own: list[float] = []
    others: list[float] = []
    order: list[list[str]] = [[] for _ in clients]
    over = asyncio.Event()

    async def read(place: int) -> None:
        async for batch in clients[place].events():
            now = time.perf_counter()
            for event in batch:
                if isinstance(event, Event) and event.text in begun:
                    at, speaker = begun[event.text]
                    (own if speaker == place else others).append(now - at)
                    if speaker == place:
                        clients[place].answered(event.n)
                    order[place].append(event.text)
            if sum(map(len, order)) == count * len(clients):
                over.set()

    for place, client in enumerate(clients):
        await client.connect(Hello(room, f"at-{place}-{rate}"))
    reading = [asyncio.create_task(read(place)) for place in range(len(clients))]
    sends = []
    start = time.perf_counter()
    for number in range(count):
        if (wait := start + number / rate - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        place, text = number % len(clients), f"{rate} {number} {TEXT}"
        begun[text] = time.perf_counter(), place
        sends.append(asyncio.create_task(clients[place].send(Say(text, number // len(clients) + 1))))
    try:
        async with asyncio.timeout(TIMEOUT):
            await asyncio.gather(*sends)
            await over.wait()
    except TimeoutError:
        raise ChatError(f"not every client had every message within {TIMEOUT:.0f} s") from None
    for client in clients:
        await client.close()
    await asyncio.gather(*reading)
    if any(one != order[0] for one in order) or len(set(order[0])) != count:
        raise ChatError("the servers do not have the same messages in the same order")
    return Spread(rate, Latency.of(own), Latency.of(others))


# --- all of it -----------------------------------------------------------------------------------


def run(url: str | None = None, rounds: int = ROUNDS, burst: int = BURST, seconds: float = LASTING) -> Report:
    """Measure.

    Args:
        url: the broker's; None: find or start one.
        rounds: of the comparison with pika.
        burst: messages in a round of publishing.
        seconds: at each rate of the comparison of servers.

    Raises:
        ChatError: there is no broker, or messages were lost, duplicated or out of order.
    """
    label = backends.technique("rabbitmq")
    if url is None:
        broker = label.load_broker()(state_dir(), spawn=True)
        address, how = broker.address, broker.how
    else:
        try:
            address, how = parse_address(url, label.port, label.schemes), "named"
        except ValueError as error:
            raise ChatError(str(error)) from None
    without_tls(address)
    room = f"bench-{token_hex(3)}"
    with tempfile.TemporaryDirectory(prefix="chat-bench-") as folder:
        here = machine(Path(folder), libraries=("pika",))
    try:
        found = asyncio.run(_clients(address.url, address, room, rounds, burst))
        with _nodes(address.url) as addresses:
            spreads = [asyncio.run(_spread(addresses, f"{room}-n", rate, seconds)) for rate in RATES]
    finally:
        asyncio.run(_forget(address.url, room, f"{room}-n"))
    return Report(
        at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        machine=here,
        broker=f"RabbitMQ on {address.host}, {how.partition(' (')[0]}",
        nodes=spreads,
        **found,  # type: ignore[arg-type]
    )


async def _forget(url: str, *rooms: str) -> None:
    """Remove these rooms from the broker."""
    with suppress(ChatError):
        log = open_log(url, backends.techniques())
        await log.start(lambda _: None, lambda *_: None)
        for room in rooms:
            await log.remove(room)
        await log.stop()


def main(url: str | None, as_json: bool, write: str | None = None) -> None:
    """Run, print, and write the page if asked to. Raises `ChatError`."""
    report = run(url)
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + os.linesep)
    else:
        sys.stdout.write(as_text(report) + "\n")
    if write:
        write_section(Path(write), "broker", as_page(report))
