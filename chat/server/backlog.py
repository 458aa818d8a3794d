"""What all connections of a server hold that their peers have not taken, bounded together."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from chat.domain.errors import ChatError, SlowReader
from chat.interfaces.server import LOW_WATER, Sink

STUCK = 10.0
"""Seconds without taking anything after which a connection is cut, if memory is short."""
LOOK_EVERY = 1.0
"""Seconds between two looks for those, at least."""
LEAVING = 2.0
"""Seconds for which a connection that was cut still has its buffer, at most: its peer may read the reason."""


class Holder(Protocol):
    """The place of one connection, as far as it is needed here."""

    sink: Sink[Any]

    def cut(self, reason: ChatError) -> None:
        """Disconnect the peer, with a reason; calls `Backlog.forget`."""


class _Held:
    __slots__ = ("since", "size")

    def __init__(self, since: float) -> None:
        self.size = 0
        self.since = since


class Backlog:
    """Counts the unread bytes of the connections that hold more than `LOW_WATER`.

    From half of the bound on pages are small, and connections that take nothing are cut; at the whole of it
    whoever has taken nothing for longest, at once.
    """

    def __init__(self, most: int) -> None:
        """Begin empty. ``most``: bytes of all connections together; 0: no bound."""
        self._most = most
        self._held: dict[Holder, _Held] = {}  # who has taken nothing for longest is first
        self._total = 0
        self._leaving = 0
        self._looked = float("-inf")

    @property
    def is_tight(self) -> bool:
        """Whether memory is short: then pages are to be small."""
        return 0 < self._most < 2 * (self._total + self._leaving)

    def note(self, holder: Holder) -> None:
        """Something was written to a connection, or its peer has taken something."""
        size = holder.sink.buffered()
        if size <= LOW_WATER:
            self.forget(holder)
            return
        now = asyncio.get_running_loop().time()
        self._update(holder, size, now)
        if not self._most:
            return
        if self._total > self._most:
            self._look(now)
            self._cut_first(self._most * 7 // 8, now)
        elif self.is_tight and now - self._looked >= LOOK_EVERY:
            self._look(now)
            self._cut_first(self._most // 2, now - STUCK)

    def forget(self, holder: Holder) -> None:
        """A connection is closed, or its peer has taken nearly everything."""
        if (held := self._held.pop(holder, None)) is not None:
            self._total -= held.size

    def _update(self, holder: Holder, size: int, now: float) -> None:
        held = self._held.get(holder)
        if held is None:
            held = self._held[holder] = _Held(now)
        elif size < held.size:
            del self._held[holder]
            self._held[holder] = held
            held.since = now
        self._total += size - held.size
        held.size = size

    def _look(self, now: float) -> None:
        """See what the peers have taken meanwhile: nobody tells of less than all."""
        self._looked = now
        for holder in list(self._held):
            self._update(holder, holder.sink.buffered(), now)

    def _cut_first(self, enough: int, before: float) -> None:
        """Cut those that took nothing since ``before``, longest first, until ``enough`` bytes are left."""
        for holder, held in list(self._held.items()):
            if self._total <= enough or held.since > before:
                return
            size = held.size
            holder.cut(
                SlowReader(
                    "too slow: you have not read, and the server needs the memory; reconnect and resume"
                )
            )
            self._leaving += size
            asyncio.get_running_loop().call_later(LEAVING, self._left, size)

    def _left(self, size: int) -> None:
        self._leaving -= size
