"""Old pages of a room's history: read from the stream, and decided anew.

A stream holds every entry, refused ones too, and remembers no decision. So a stretch of it is read from
so far before that a `Room` knows all it must (`chat.domain.room.TAIL`), and that room decides again, as every
reader's did. The last stretches are kept: the next page is most often in the same one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from backends.rabbitmq.stream import Link, collect
from chat.domain.model import Checkpoint, Entry, Event, Opened
from chat.domain.room import TAIL, Room, replay_order

STRETCH = 2000
"""Seqs that are decided at once. Each time `TAIL` entries before them are read as well."""
KEPT = 3
"""Stretches that are kept for the next page; with the longest texts 8 MB each."""
TURN = 500  # entries decided in one go


@dataclass(frozen=True, slots=True)
class Stretch:
    """The accepted entries with ``low`` < seq <= ``high``."""

    low: int
    high: int
    prev: int
    """The seq of the accepted entry before them; 0: there is none, or it is not kept any more."""
    entries: list[Entry]


class Past:
    """What happened in a room, for one reader of its stream."""

    def __init__(self, link: Callable[[], Link], room: str) -> None:
        """``link`` returns the link of now. Raises what it raises when there is none."""
        self._link = link
        self._room = room
        self._kept: OrderedDict[int, Stretch] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    async def read(
        self, *, after: int | None = None, before: int | None = None, limit: int, head: int
    ) -> tuple[int, list[Entry]]:
        """Do what `Log.read` does; ``head``: the seq up to which the reader has decided."""
        end = head if before is None else min(before - 1, head)
        if after is None:
            found: list[Entry] = []
            high = end
            while high > 0 and len(found) <= limit:
                stretch = await self._stretch(high, head)
                found = [entry for entry in stretch.entries if entry.seq <= high] + found
                high = stretch.low
            return (found[-limit - 1].seq if len(found) > limit else 0), found[-limit:]
        page: list[Entry] = []
        prev, low = None, after
        while low < end and len(page) < limit:
            stretch = await self._stretch(low + 1, head)
            if prev is None:
                earlier = [entry.seq for entry in stretch.entries if entry.seq <= after]
                prev = earlier[-1] if earlier else stretch.prev
            page += [entry for entry in stretch.entries if low < entry.seq <= end]
            low = stretch.high
        return prev or 0, page[:limit]

    async def _stretch(self, seq: int, head: int) -> Stretch:
        """Return a stretch that this seq lies in."""
        async with self._one_at_a_time:
            low = (seq - 1) // STRETCH * STRETCH
            stretch = self._kept.pop(low, None)
            if stretch is None or stretch.high < seq:
                stretch = await self._decide(low, min(low + STRETCH, head))
            self._kept[low] = stretch
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return stretch

    async def _decide(self, low: int, high: int) -> Stretch:
        first, entries = await collect(self._link(), self._room, max(0, low - TAIL), high - 1)
        cut = first > max(0, low - TAIL)  # the stream's beginning is gone
        begin, sure = (entries, 0) if first == 0 else replay_order(entries)
        room, accepted = Room(), set[int]()
        for place, entry in enumerate(begin, 1):
            if isinstance(room.apply(entry), Event):
                accepted.add(entry.seq)
            if place % TURN == 0:
                await asyncio.sleep(0)
        prev, kept = 0, list[Entry]()
        for entry in entries:
            # What a room without the beginning refuses may have been right: it is shown.
            unsure = entry.seq <= sure
            if not (entry.seq in accepted or (unsure and not isinstance(entry.body, Opened | Checkpoint))):
                continue
            if entry.seq > low:
                kept.append(entry)
            else:
                prev = entry.seq
        return Stretch(0 if cut and first >= low else low, high, prev, kept)
