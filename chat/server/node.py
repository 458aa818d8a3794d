"""What a hub shares with its rooms and seats."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from chat.domain.model import Bounds, Limits
from chat.interfaces.log import Log
from chat.server.arrivals import Arrivals
from chat.server.backlog import Backlog
from chat.server.records import Records

SEARCHES = 2
"""Searches for the last change of an old message that read the log at the same time; others wait."""


class Node:
    """One server on a log: the log, the limits, and the tasks that run in the background."""

    def __init__(self, log: Log, limits: Limits, bounds: Bounds, teacher: str = "") -> None:
        self.log = log
        self.limits = limits
        self.bounds = bounds
        self.teacher = teacher
        """The teacher's token; "": there is no teacher."""
        self.arrivals = Arrivals(bounds, lambda: asyncio.get_running_loop().time())
        self.backlog = Backlog(bounds.unread_bytes)
        self.name = log.node
        """What this server is called in the log."""
        self.pages = Limits(burst=bounds.pages, rate=bounds.page_rate)
        """How fast a seat may read again what it has read."""
        self.records = Records()
        """What the operator is told."""
        self.closing = False
        """No more drafts are taken."""
        self.searches = asyncio.Semaphore(SEARCHES)
        self.expires_in: Callable[[str], float | None] = lambda _: None
        """Returns the seconds until the seats of another node end; None while that node is running."""
        self._tasks: set[asyncio.Task[Any]] = set()

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold a background task until it ends."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cancel_tasks(self) -> None:
        """Cancel every background task, and wait until all have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
