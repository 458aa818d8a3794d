"""An event loop for state machines: its clock stands still until it is moved on, and it can come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
MOST_TURNS = 2_000
"""Turns of the loop after which it is said never to come to rest."""


class SteppedLoop(asyncio.SelectorEventLoop):
    """A loop without real time: the same steps give the same run, however slow the machine is."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, and then everything that it has set going."""

        async def run() -> T:
            result = await work
            await self._rest()
            return result

        return self.run_until_complete(run())

    def finish(self, work: Coroutine[Any, Any, T], within: float) -> T:
        """Run a coroutine to its end; if it waits for something, let so many seconds pass."""
        task = self.create_task(work)
        self.settle()
        if not task.done():
            self.advance(within)
        return task.result()

    def settle(self) -> None:
        """Let everything happen that needs no time."""
        self.run_until_complete(self._rest())

    def advance(self, seconds: float) -> None:
        """Let this much time pass, and everything happen that is due then."""
        self._now += seconds
        self.settle()

    async def _rest(self) -> None:
        for _ in range(MOST_TURNS):
            await asyncio.sleep(0)
            if not vars(self)["_ready"]:  # asyncio has no public way to ask whether anything can go on
                return
        raise AssertionError(f"something has gone on for {MOST_TURNS} turns without any time passing")
