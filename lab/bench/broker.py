"""The benchmark of the broker: our client beside plain pika, and three servers on one log."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex

import backends
from chat.background.state_folder import state_dir
from chat.domain.errors import ChatError
from chat.domain.model import Event, Hello, Limits, Say, Sent
from chat.interfaces.address import Address, parse_address
from chat.interfaces.client import ChatClient
from chat.server.logs import open_log
from lab.bench import revision, shared
from lab.bench.broker_report import PACE, Latency, Report
from lab.bench.machine import machine
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


# --- all of it -----------------------------------------------------------------------------------


def run(
    url: str | None = None,
    rounds: int = ROUNDS,
    burst: int = BURST,
    seconds: float = shared.LASTING,
    against: str = "",
) -> Report:
    """Measure.

    Args:
        url: the broker's; None: find or start one.
        rounds: of the comparison with pika.
        burst: messages in a round of publishing, and three fifths of that for a round of several servers.
        seconds: at each rate of the comparison of servers.
        against: a revision of this project whose servers are measured too; "": none.

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
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chat-bench-")))
        here = machine(folder, libraries=("pika",))
        measure = partial(shared.measure, address.url, seconds=seconds, entries=burst * 3 // 5)
        rooms = [room]
        try:
            found = asyncio.run(_clients(address.url, address, room, rounds, burst))
            several = measure(f"{room}-n")
            rooms += several.rooms
            before = None
            if against:
                tree = stack.enter_context(revision.checkout(against, folder))
                before = measure(f"{room}-b", tree=tree)
                rooms += before.rooms
        finally:
            asyncio.run(_forget(address.url, *rooms))
    return Report(
        at=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        machine=here,
        broker=f"RabbitMQ on {address.host}, {how.partition(' (')[0]}",
        shared=several,
        before=before,
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
