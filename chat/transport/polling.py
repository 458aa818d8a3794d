"""Polling: how a client gets news where the server can't speak first. It asks, again and again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from math import isfinite
from time import perf_counter
from typing import TYPE_CHECKING

from chat.domain.model import Event
from chat.interfaces.settings import Setting

if TYPE_CHECKING:
    import asyncio

LONG = "long"
"""The choice of long polling: one question that the server keeps open until there is news."""
WAIT = 20.0
"""Seconds that a long poll is kept open."""
SHORTEST, LONGEST = 0.05, 30.0
"""Seconds between two polls: a server takes a seat for empty a minute after the last one."""
IDLE = 0.25
"""Seconds between two long polls that bring nothing, at least: there are servers that don't wait."""

Ask = Callable[[float], Awaitable[list[Event]]]
"""Asks once for the events after those it has brought; the server may wait so many seconds for the first."""


def read_interval(text: str) -> float | None:
    """Read ``1s``, ``0.2`` or ``long``; return the seconds between two polls, None for a long poll.

    Raises ValueError, with a text for the user.
    """
    if text == LONG:
        return None
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if not (isfinite(seconds) and SHORTEST <= seconds <= LONGEST):
        raise ValueError(f"{text!r} is no interval: write {SHORTEST:g} to {LONGEST:g} seconds, or {LONG}")
    return seconds


POLL = Setting(
    "poll",
    "how often to ask for news: seconds between two questions, or long for one that waits",
    default="1s",
    metavar=f"S|{LONG}",
    check=read_interval,
)


class Polls:
    """The questions of one client, and how many of them were in vain."""

    def __init__(self, interval: str = LONG) -> None:
        self._interval = read_interval(interval)
        self.behind = False
        """The last answer says that there is more to read than it brought; set by who asks."""
        self.asked = 0
        self.empty = 0

    async def news(
        self, ask: Ask, page: int, over: asyncio.Future[None] | None = None
    ) -> AsyncIterator[list[Event]]:
        """Yield what the questions bring, until ``over`` is done.

        The next one follows at once after news of a long poll, after a whole ``page`` of events, and where
        the last one brought some and is `behind`.
        """
        import asyncio  # here: the labels of techniques import `POLL`, and a cold start loads them all

        wait = WAIT if self._interval is None else 0.0
        while over is None or not over.done():
            begun = perf_counter()
            events = await ask(wait)
            self.asked += 1
            if events:
                yield events
            else:
                self.empty += 1
            if self._interval is None:
                rest = 0.0 if events else IDLE
            else:
                more = self.behind or len(events) >= page
                rest = 0.0 if events and more else self._interval
            if (early := begun + rest - perf_counter()) > 0:
                if over is None:
                    await asyncio.sleep(early)
                else:
                    await asyncio.wait([over], timeout=early)

    def __str__(self) -> str:
        return f"polls {self.asked}, empty {self.empty}"
