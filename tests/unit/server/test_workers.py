"""What a relay does for its workers, and what a hub does with seats that other workers have left."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator

import pytest

from chat.domain.model import Body, Entry, Joined, Opened
from chat.server.workers.link import Append, Batch, Link, NotStored, Told, ToWorker, to_worker
from chat.server.workers.relay import Line, Relay
from tests.support.logbook import said
from tests.support.stage import GRACE, Clock, Disk, running

if sys.platform == "win32":
    pytest.skip("workers share a log on Linux only", allow_module_level=True)


class Peer:
    """A worker's end of the link, which answers nothing by itself."""

    def __init__(self, relay: Relay, serial: int) -> None:
        self.line = Line(relay, serial, lambda _: None)
        self.serial = serial
        self.got: asyncio.Queue[ToWorker] = asyncio.Queue()

    async def open(self, relay: Relay) -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        await self.line.open(ours)
        relay.lines[self.serial] = self.line
        _, self.link = await asyncio.get_running_loop().create_unix_connection(
            lambda: Link(to_worker, self.got.put_nowait, lambda: None), sock=theirs
        )

    async def append(self, id: int) -> ToWorker:
        """Append an entry; return what comes next."""
        self.link.send(Append(id, "lab", said()))
        return await self.got.get()

    async def close(self) -> None:
        self.link.close()
        await self.line.gone.wait()
        self.line.close()


@pytest.fixture
async def relay(disk: Disk) -> AsyncIterator[Relay]:
    relay = Relay(disk)
    await relay.start()
    yield relay
    await relay.stop()


@pytest.fixture
async def peers(relay: Relay) -> AsyncIterator[list[Peer]]:
    peers = [Peer(relay, serial) for serial in (1, 2)]
    for one in peers:
        await one.open(relay)
    yield peers
    for one in peers:
        await one.close()


async def test_every_worker_gets_every_entry_and_who_has_appended_it(peers: list[Peer]) -> None:
    ann, bob = peers
    first = await ann.append(7)
    assert await bob.got.get() == first
    second = await bob.append(7)
    assert await ann.got.get() == second
    assert isinstance(first, Batch)
    assert isinstance(second, Batch)
    items = first.items + second.items
    assert [(one.room, one.seq, one.serial, one.id) for one in items] == [("lab", 1, 1, 7), ("lab", 2, 2, 7)]


async def test_nothing_passes_an_entry_that_was_not_stored_before_its_worker_knows(
    peers: list[Peer], disk: Disk
) -> None:
    ann, bob = peers
    disk.full = True
    failed = await ann.append(1)
    assert isinstance(failed, NotStored)
    assert (failed.ids, failed.code, failed.tell) == ([1], "not_stored", True)
    disk.full = False
    assert await ann.append(2) == NotStored([2], failed.code, failed.why, tell=False)
    assert isinstance(await bob.append(1), Batch), "the order of others is their own"
    await ann.got.get()
    ann.link.send(Told())
    assert isinstance(await ann.append(3), Batch)


async def test_one_server_ends_the_seats_that_workers_have_left(disk: Disk, clock: Clock) -> None:
    left: list[Body] = [Opened("e"), Joined("5ea7", "zoë", "zoë", "tcp", "worker-2")]
    disk._entries["lab"] = [Entry(seq, 1, body) for seq, body in enumerate(left, 1)]
    disk._last["lab"] = 2
    async with running(disk) as hub:
        assert hub.seats == 1
        await clock.advance(GRACE + 1)
        assert disk.kinds() == ["opened", "joined", "left"]
