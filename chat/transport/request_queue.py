"""Serves the requests of one connection: in their order, a bounded number in one go."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from chat.transport.flow_control import FlowControl, Readable, Reason

TURN = 256
"""Requests of one connection that are served before it is the turn of others."""

R = TypeVar("R")


class RequestQueue(Generic[R]):
    """Hands requests to ``serve`` while no `Reason` holds; the connection is read no faster."""

    def __init__(
        self, transport: Readable, serve: Callable[[R], None], turn_over: Callable[[], None] | None = None
    ) -> None:
        """Begin empty.

        Args:
            transport: what is read no further while requests wait.
            serve: serves one request. It may call `pause` or `stop`.
            turn_over: called after each turn, e.g. to write what was collected.
        """
        self._serve = serve
        self._turn_over = turn_over
        self._flow = FlowControl(transport)
        self._waiting: deque[R] = deque()
        self.serving = False
        """A turn is under way: `turn_over` is still to be called."""

    def put(self, requests: Iterable[R]) -> None:
        """Add requests, and serve them at once if nothing is in the way."""
        self._waiting.extend(requests)
        if not self._flow.reasons:
            self._take_turn()
        elif self._waiting:  # they were under way when reading was paused
            self._flow.pause(Reason.BACKLOG)

    def pause(self, reason: Reason) -> None:
        self._flow.pause(reason)

    def resume(self, reason: Reason) -> None:
        """Go on in the loop's next turn if no other reason holds: the caller is not interrupted."""
        self._flow.resume(reason)
        self._go_on()

    def paused_for(self, reason: Reason) -> bool:
        return reason in self._flow.reasons

    @property
    def waiting(self) -> bool:
        """Whether requests wait for their turn."""
        return bool(self._waiting)

    def stop(self) -> list[R]:
        """Serve no more, for good; return what waits. What comes from now on is not to be put here."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self._flow.stop()
        return waiting

    def _go_on(self) -> None:
        if self._flow.reasons == {Reason.BACKLOG}:
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        if self._flow.reasons == {Reason.BACKLOG}:  # otherwise resuming for the other reason goes on
            self._flow.resume(Reason.BACKLOG)
            self._take_turn()

    def _take_turn(self) -> None:
        waiting, reasons, serve = self._waiting, self._flow.reasons, self._serve
        self.serving = True
        left = TURN
        while waiting and left and not reasons:
            left -= 1
            serve(waiting.popleft())
        self.serving = False
        if waiting:
            self._flow.pause(Reason.BACKLOG)
            self._go_on()
        if self._turn_over is not None:
            self._turn_over()
