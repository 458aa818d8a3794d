"""What the hub's tests play on: a disk that can be full or slow, a peer, and a clock to move on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chat.domain.errors import ChatError, NotStored
from chat.domain.model import Ack, Body, Draft, Event, Hello, Limits, Say
from chat.interfaces.log import Committed, Log, Pending
from chat.interfaces.server import Sink
from chat.server.hub import Hub
from chat.server.logs.memory import MemoryLog
from chat.server.seat import HubSeat

GRACE = Limits().grace
Outcome = Event | Ack | ChatError


class Clock:
    """The running loop's clock, which the test can move on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        real = loop.time
        self._ahead = 0.0
        monkeypatch.setattr(loop, "time", lambda: real() + self._ahead)

    async def advance(self, seconds: float) -> None:
        """Let this much time pass, and everything happen that is due then."""
        self._ahead += seconds
        await settle()


async def settle() -> None:
    """Let the log hand back, and whoever waits for it go on."""
    for _ in range(10):
        await asyncio.sleep(0)


class Disk(MemoryLog):
    """A memory log whose disk can be full, or slow."""

    full = False
    slow = False

    async def start(
        self,
        committed: Callable[[list[Committed]], None],
        failed: Callable[[list[Any], ChatError], None],
    ) -> None:
        self._to_hub, self._to_hub_failed = committed, failed
        self._held: list[Committed] = []
        await super().start(self._hold, failed)

    def _hold(self, batch: list[Committed]) -> None:
        self._held += batch
        if not self.slow:
            self.catch_up()

    def catch_up(self) -> None:
        """Hand back what a slow disk has not yet."""
        batch, self._held = self._held, []
        self._to_hub(batch)

    def append(self, room: str, body: Body, pending: Pending | None) -> None:
        if self.full:
            error = NotStored("the disk is full: free some space")
            asyncio.get_running_loop().call_soon(self._to_hub_failed, [pending] if pending else [], error)
        else:
            super().append(room, body, pending)

    def kinds(self, room: str = "lab") -> list[str]:
        return [type(entry.body).__name__.lower() for entry in self._entries.get(room, [])]


class Peer(Sink[bytes]):
    """A connection that takes everything."""

    coalescing = 0.0

    def __init__(self) -> None:
        self.got: list[str] = []
        self.reason: ChatError | None = None

    @staticmethod
    def encode(events: Sequence[Event]) -> bytes:
        return "\n".join(f"{event.kind} {event.author} {event.text}".strip() for event in events).encode()

    def write(self, blob: bytes) -> None:
        self.got += blob.decode().split("\n")

    def buffered(self) -> int:
        return 0

    def close(self, reason: ChatError) -> None:
        self.reason = reason


@asynccontextmanager
async def running(log: Log, **options: Any) -> AsyncIterator[Hub]:
    """A hub on this log, as long as the block lasts."""
    hub = Hub(log, **options)
    await hub.start()
    await settle()
    yield hub
    await hub.stop()


async def enter(hub: Hub, nick: str = "ann", technique: str = "tcp", **hello: Any) -> HubSeat:
    origin = hello.pop("peer", ""), hello.pop("connection", "")
    return await hub.take_seat(Hello(hello.pop("room", "lab"), nick, **hello), technique, *origin)


async def come_in(hub: Hub, nick: str = "ann", **hello: Any) -> tuple[HubSeat, Peer]:
    seat, peer = await enter(hub, nick, **hello), Peer()
    seat.attach(peer)
    return seat, peer


async def does(seat: HubSeat, draft: Draft) -> Outcome:
    decided: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    seat.send(draft, lambda _, outcome: decided.set_result(outcome))
    return await decided


async def says(seat: HubSeat, text: str, n: int = 0) -> Outcome:
    return await does(seat, Say(text, n))
