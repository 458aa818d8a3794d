"""Old pages of a room's history, read from its stream.

A stream holds every entry, also refused ones, and stores no decisions. So a block of entries is read with so
many entries before it that a `RoomReplica` knows its whole state (`chat.domain.room.TAIL`), and the replica
decides again, as every reader's did. The last blocks are cached: the next page is most often in the same one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from backends.rabbitmq.stream import Link, is_start, read_range, replayable
from chat.domain.errors import ChatError
from chat.domain.model import Checkpoint, Entry, Opened
from chat.domain.room import TAIL
from chat.domain.room_replica import RoomReplica

BLOCK_SEQS = 2000
"""Seqs of a block. Each time a block is decided `TAIL` entries before it are read as well."""
CACHED_BLOCKS = 3
"""Blocks that are kept for the next page: 8 MB each with the longest texts."""


@dataclass(frozen=True, slots=True)
class Block:
    """The accepted entries with ``low`` < seq <= ``high``."""

    low: int
    high: int
    prev: int
    """The seq of the accepted entry before them; 0: there is none, or the stream has deleted it."""
    entries: list[Entry]


class HistoryReader:
    """Reads a room's history for one reader of its stream."""

    def __init__(self, link: Callable[[], Link], room: str) -> None:
        """Prepare; nothing is read yet.

        Args:
            link: returns the current link to the broker, or raises why there is none.
            room: its name.
        """
        self._link = link
        self._room = room
        self._blocks: OrderedDict[int, Block] = OrderedDict()
        self._lock = asyncio.Lock()  # one block is read at a time

    async def read(
        self, *, after: int | None = None, before: int | None = None, limit: int, head: int
    ) -> tuple[int, list[Entry]]:
        """Read accepted entries, like `chat.interfaces.log.Log.read`.

        Args:
            after: return the first ``limit`` entries after this seq; None: the last ``limit``.
            before: return only entries before this seq.
            limit: entries, at most.
            head: the seq up to which the reader has decided; nothing beyond it is returned.

        Returns:
            The seq of the accepted entry before the page (0: there is none), and the page, ascending.

        Raises:
            ChatError: the stream can't be read.
        """
        end = head if before is None else min(before - 1, head)
        if after is None:
            found: list[Entry] = []
            high = end
            while high > 0 and len(found) <= limit:
                block = await self._block(high, head)
                found = [entry for entry in block.entries if entry.seq <= high] + found
                high = block.low
            return (found[-limit - 1].seq if len(found) > limit else 0), found[-limit:]
        page: list[Entry] = []
        prev, low = None, after
        while low < end and len(page) < limit:
            block = await self._block(low + 1, head)
            if prev is None:
                earlier = [entry.seq for entry in block.entries if entry.seq <= after]
                prev = earlier[-1] if earlier else block.prev
            page += [entry for entry in block.entries if low < entry.seq <= end]
            low = block.high
        return prev or 0, page[:limit]

    async def _block(self, seq: int, head: int) -> Block:
        """Return a block that contains this seq."""
        async with self._lock:
            low = (seq - 1) // BLOCK_SEQS * BLOCK_SEQS
            block = self._blocks.pop(low, None)
            if block is None or block.high < seq:
                block = await self._decide(low, min(low + BLOCK_SEQS, head))
            self._blocks[low] = block
            while len(self._blocks) > CACHED_BLOCKS:
                self._blocks.popitem(last=False)
            return block

    async def _decide(self, low: int, high: int) -> Block:
        start = max(0, low - TAIL)
        link = self._link()
        first, entries = await read_range(link, self._room, start, high - 1)
        from_start = is_start(link, self._room, first)
        if from_start:
            entries = replayable(entries, from_start=True)
        refused: set[int] = set()
        # Without the beginning and without a checkpoint nothing is known to be refused: all is shown.
        with suppress(ChatError):
            for seqs in RoomReplica().replay(replayable(entries, from_start=from_start)):
                refused.update(seqs)
                await asyncio.sleep(0)
        prev, accepted = 0, list[Entry]()
        for entry in entries:
            barrier = not from_start and isinstance(entry.body, Opened)
            if barrier or isinstance(entry.body, Checkpoint) or entry.seq in refused:
                continue
            if entry.seq > low:
                accepted.append(entry)
            else:
                prev = entry.seq
        deleted = first > start and first >= low  # nothing before the block is left
        return Block(0 if deleted else low, high, prev, accepted)
