"""A log in memory, which ends with its server: for the demo, for tests, for benchmarks.

Like the durable log it never calls back while `append` runs.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

from chat.domain.errors import ChatError, Closing
from chat.domain.model import Body, Checkpoint, Entry
from chat.interfaces.log import Clock, Committed, Log, OnCommitted, OnFailed, Pending


class MemoryLog(Log):
    """Keeps every entry in a list. Nothing fails here, so an entry's index is its seq - 1."""

    def __init__(self, place: str = "", *, clock: Clock = time.time) -> None:
        if place:
            raise ChatError(f"the memory log has no path: write memory, not memory:{place}")
        self._clock = clock
        self._last: dict[str, int] = {}
        self._entries: defaultdict[str, list[Entry]] = defaultdict(list)
        self._refused: defaultdict[str, set[int]] = defaultdict(set)
        self._queued: list[Committed] = []
        self._open = False

    async def start(self, committed: OnCommitted, failed: OnFailed) -> None:
        self._loop = asyncio.get_running_loop()
        self._committed = committed
        self._open = True

    def append(self, room: str, body: Body, pending: Pending | None) -> None:
        if not self._open:
            raise Closing("the log is closed")
        seq = self._last.get(room, 0) + 1
        self._last[room] = seq
        self._queued.append(Committed(room, Entry(seq, int(self._clock() * 1000), body), pending))
        if len(self._queued) == 1:
            self._loop.call_soon(self._hand_back)

    def _hand_back(self) -> None:
        batch, self._queued = self._queued, []
        for item in batch:
            self._entries[item.room].append(item.entry)
        if batch:
            self._committed(batch)

    async def rooms(self) -> list[str]:
        return sorted(self._entries)

    async def tail(self, room: str, count: int) -> list[Entry]:
        entries = self._entries.get(room, [])
        return entries[max(0, len(entries) - count) :]

    def refuse(self, room: str, seq: int) -> None:
        self._refused[room].add(seq)

    async def read(
        self, room: str, *, after: int | None = None, before: int | None = None, limit: int
    ) -> tuple[int, list[Entry]]:
        entries = self._entries.get(room, [])
        refused = self._refused.get(room, ())
        end = len(entries) if before is None else min(max(before - 1, 0), len(entries))

        def accepted(places: Iterable[int]) -> Iterable[Entry]:
            for place in places:
                entry = entries[place]
                if entry.seq not in refused and not isinstance(entry.body, Checkpoint):
                    yield entry

        if after is None:
            newest = list(islice(accepted(reversed(range(end))), limit + 1))
            prev = newest.pop().seq if len(newest) > limit else 0
            return prev, newest[::-1]
        page = list(islice(accepted(range(after, end)), limit))
        earlier = accepted(reversed(range(min(after, len(entries)))))
        return next((entry.seq for entry in earlier), 0), page

    async def stop(self) -> None:
        if self._open:
            self._open = False
            self._hand_back()
