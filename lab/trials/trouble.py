"""What happens in a scenario happens once, to all rooms that are ready for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from lab.check.history import Fault
from lab.check.recorder import now
from lab.trials.scenarios import Scenario
from lab.trials.server import TrialServer

LOOK = 0.05
"""Seconds from one look to the next."""


class Trouble:
    """Begins when every room is ready, and ends for all at the same time."""

    def __init__(
        self, scenario: Scenario, server: TrialServer | None, answers: Callable[[], Awaitable[None]]
    ) -> None:
        """Prepare.

        Args:
            scenario: what happens.
            server: what it happens to; None: it is a broker.
            answers: waits until the server answers.
        """
        self.began = self.ended = 0.0
        """By the clock of the histories."""
        self._scenario, self._server, self._answers = scenario, server, answers
        self._expected = 0
        self._unaware: set[Callable[[], bool]] = set()
        self._all_ready, self._over = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def record(self) -> Fault:
        """What happened to the server, as a record of the histories."""
        return Fault(name=self._scenario.trouble, at=self.began, until=self.ended, fired=1)

    def expect(self, rooms: int) -> None:
        """Begin when so many rooms are ready."""
        self._expected = rooms

    async def ready(self, knows: Callable[[], bool]) -> None:
        """Wait until every room is ready.

        Args:
            knows: whether everybody in this room has noticed that something is wrong.
        """
        self._unaware.add(knows)
        self._expected -= 1
        if not self._expected:
            self.began = now()
            self._task = asyncio.create_task(self._happen())
            self._all_ready.set()
        await self._all_ready.wait()

    async def over(self) -> None:
        """Wait until it is over, and the server, if it was away, is back. Raises `ChatError`."""
        await self._over.wait()
        if self._task is not None and self._task.done():
            self._task.result()

    async def close(self) -> None:
        """End it, if it is not over: no server may be started any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _happen(self) -> None:
        server, what = self._server, self._scenario.server
        try:
            if server is not None and what == "kill":
                await asyncio.to_thread(server.kill)
                await asyncio.sleep(self._scenario.seconds)
                await asyncio.to_thread(server.start)
                await self._answers()
            elif server is not None and what == "freeze":
                server.freeze(True)
                await self._pass()
                server.freeze(False)
            else:
                await self._pass()
        finally:
            self.ended = now()
            self._over.set()

    async def _pass(self) -> None:
        """Wait for its seconds, or until everybody has noticed it."""
        end = now() + self._scenario.seconds
        while now() < end and not (self._scenario.until_noticed and all(knows() for knows in self._unaware)):  # noqa: ASYNC110 - many tell it
            await asyncio.sleep(min(LOOK, max(0.0, end - now())))
