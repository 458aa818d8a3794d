"""A room with a long history: opening it costs what a short one costs, counted in what is asked of SQLite.

``make fuzz`` does it with a room of 1,000,000 lines.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chat.domain.model import Body, Entry, Limits, Opened
from chat.domain.room import TAIL, Room
from chat.interfaces.log import Committed
from chat.server.logs.files import connect
from chat.server.logs.sqlite import SqliteLog
from tests.support.entries import joined, sent
from tests.support.stage import Peer, enter, running

LINES = int(os.environ.get("ROOM_LINES", "100000"))
TOGETHER = 10_000
"""Entries that are appended before the writer is waited for."""
STEP = 10
"""Instructions of SQLite's virtual machine between two counts."""


async def write(path: Path, lines: int) -> None:
    """Write a room with so many messages and its checkpoints, through the log's own writer."""
    log, room, back = SqliteLog(path), Room(), asyncio.Semaphore(0)

    def committed(batch: list[Committed]) -> None:
        for item in batch:
            if item.entry.seq % TOGETHER == 0:
                back.release()

    def append(body: Body) -> None:
        log.append("lab", body, None)
        room.apply(Entry(room.applied + 1, 0, body))

    await log.start(committed, lambda pending, error: pytest.fail(str(error)))
    append(Opened("0ddba11"))
    append(joined(node=log.node))
    for number in range(1, lines + 1):
        append(sent(number, f"line {number}"))
        if room.checkpoint_due():
            append(room.checkpoint())
        if room.applied % TOGETHER == 0:
            await back.acquire()
    await log.stop()


@dataclass
class Cost:
    """What was asked of the log."""

    calls: int = 0
    rows: int = 0
    """Entries that were read."""
    steps: int = 0
    """Times `STEP` instructions of SQLite: reading what is not returned costs some, too."""
    told: int = 0
    """Events that the newcomer got."""


class CountingLog(SqliteLog):
    def __init__(self, path: Path, cost: Cost) -> None:
        super().__init__(path)
        self._cost = cost

    async def tail(self, room: str, count: int) -> list[Entry]:
        entries = await super().tail(room, count)
        self._count(entries)
        return entries

    async def read(
        self, room: str, *, after: int | None = None, before: int | None = None, limit: int
    ) -> tuple[int, list[Entry]]:
        prev, entries = await super().read(room, after=after, before=before, limit=limit)
        self._count(entries)
        return prev, entries

    def _count(self, entries: list[Entry]) -> None:
        self._cost.calls += 1
        self._cost.rows += len(entries)


class Newcomer(Peer):
    """A connection that knows when it has read everything up to the coming of its owner."""

    def __init__(self) -> None:
        super().__init__()
        self.there = asyncio.Event()

    def write(self, blob: bytes) -> None:
        super().write(blob)
        if any(told.startswith("joined bob") for told in self.got):
            self.there.set()


async def cost_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Cost, Cost]:
    """Start a server on the log and come in; then read a page from the middle of the history."""
    cost = Cost()

    def counting(path: Path, mode: str) -> sqlite3.Connection:
        connection = connect(path, mode)

        def count() -> int:
            cost.steps += 1
            return 0

        connection.set_progress_handler(count, STEP)
        return connection

    monkeypatch.setattr("chat.server.logs.sqlite.connect", counting)
    async with running(CountingLog(path, cost)) as hub:
        seat, bob = await enter(hub, "bob"), Newcomer()
        seat.attach(bob)
        await bob.there.wait()
        cost.told = len(bob.got)
        opened = replace(cost)
        room = await hub.look("lab", "")
        assert len(await room.history(after=None, before=room.head // 2, limit=50)) == 50
        paged = Cost(cost.calls - opened.calls, cost.rows - opened.rows, cost.steps - opened.steps)
    return opened, paged


async def test_a_long_room_is_opened_at_the_cost_of_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = []
    for lines in (1_000, TAIL, LINES):
        path = tmp_path / f"{lines}.sqlite3"
        await write(path, lines)
        costs.append(await cost_of(path, monkeypatch))
    (short, _), (whole, page), (long, long_page) = costs
    assert short.calls == whole.calls == long.calls
    assert short.told == whole.told == long.told <= Limits().replay + 1
    assert whole.rows == long.rows == TAIL  # the end of the history, however long it is
    assert long.steps <= whole.steps * 1.01  # and nothing is read that is not returned
    assert (page.calls, page.rows) == (long_page.calls, long_page.rows) == (1, 50)
    assert long_page.steps <= page.steps * 1.01
