"""The standard health service, ``grpc.health.v1.Health``, with an end for its watchers."""

from __future__ import annotations

import asyncio
from typing import Any

from grpc_health.v1 import health

LAST_STATUS_TIMEOUT = 0.1
"""Seconds that a watcher has to take the last status."""
MAX_WATCHERS = 64
"""Watchers of the health; the oldest is ended to admit another, and may come again."""


class Health(health.aio.HealthServicer):
    """The standard service, which also ends its watchers: they last until the server stops."""

    def __init__(self, calls: set[asyncio.Task[Any]]) -> None:
        super().__init__()
        self._calls = calls
        self._watchers: dict[asyncio.Event, None] = {}  # set to end one; the oldest first

    async def Watch(self, request: Any, context: Any) -> None:
        keep(asyncio.current_task(), self._calls)
        ended = asyncio.Event()
        self._watchers[ended] = None
        if len(self._watchers) > MAX_WATCHERS:
            oldest = next(iter(self._watchers))
            del self._watchers[oldest]
            oldest.set()
        watch = asyncio.ensure_future(super().Watch(request, context))
        stopped = asyncio.ensure_future(ended.wait())
        try:
            await asyncio.wait([watch, stopped], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait([watch], timeout=LAST_STATUS_TIMEOUT if ended.is_set() else None)
        finally:
            self._watchers.pop(ended, None)
            watch.cancel()
            stopped.cancel()
            await asyncio.wait([watch, stopped])

    async def stop(self) -> None:
        """Tell every watcher NOT_SERVING, and end its call."""
        await self.enter_graceful_shutdown()
        for ended in self._watchers:
            ended.set()


def keep(task: asyncio.Task[Any] | None, calls: set[asyncio.Task[Any]]) -> None:
    """Keep a task among these until it is done."""
    if task is not None:
        calls.add(task)
        task.add_done_callback(calls.discard)
