"""One timer for many deadlines: a timer of the loop costs more than most of what waits for it.

Most deadlines are dropped before they are due: a connection that rests gets its next request, a long poll is
answered. To set one and to drop it is an entry in a dictionary.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Generic, TypeVar

GRAIN = 0.05
"""Seconds between two looks at all deadlines: one may be noticed so much later."""

K = TypeVar("K")


class Deadlines(Generic[K]):
    """The deadlines of many things, each of which has one at most."""

    def __init__(self, due: Callable[[K], None]) -> None:
        """Begin without any. ``due`` is called with what was not dropped in time."""
        self._due = due
        self._loop = asyncio.get_running_loop()
        self._at: dict[K, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = inf  # when the timer fires, which may be earlier than any deadline

    def __len__(self) -> int:
        return len(self._at)

    def set(self, key: K, seconds: float) -> float:
        """Let it be due in so many seconds; return when that is, by the loop's clock."""
        at = self._at[key] = self._loop.time() + seconds
        if at < self._looks_at:
            self._look(at)
        return at

    def drop(self, key: K) -> None:
        """Forget a deadline, if there is one."""
        self._at.pop(key, None)

    def take_all(self) -> list[K]:
        """Drop all deadlines; return what had one, in the order in which they were set first."""
        keys = list(self._at)
        self._at.clear()
        return keys

    def stop(self) -> None:
        """Drop all deadlines, and stop the timer."""
        self._at.clear()
        self._looks_at = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._looks_at = at
        self._timer = self._loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self._timer, self._looks_at = None, inf
        now = self._loop.time()
        due = [key for key, at in self._at.items() if at <= now]
        for key in sorted(due, key=self._at.__getitem__):
            if self._at.pop(key, None) is not None:
                self._due(key)
        if self._at:
            self._look(max(min(self._at.values()), now + GRAIN))
