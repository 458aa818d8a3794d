"""One direction of one connection: hands bytes on at once, or as faults let it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from chat.interfaces.frames import Direction
from lab.wire.capture import Capture, Connection
from lab.wire.passing import Interference, Passing

HIGH_WATER = 256 * 1024
"""Bytes that a lane holds, before its sender is not read any more; of datagrams more are lost."""
OVERTAKE = 0.5
"""Seconds for which a datagram waits for the one that shall overtake it."""


class Lane:
    """Keeps the order of a stream, whatever its delays. Datagrams with other delays overtake each other."""

    def __init__(
        self,
        capture: Capture,
        connection: Connection,
        direction: Direction,
        interference: Interference | None,
        deliver: Callable[[bytes], None],
        *,
        breaks: Callable[[str], None],
        full: Callable[[bool], None],
    ) -> None:
        """Begin.

        Args:
            capture: records what came.
            connection: whose lane it is.
            direction: of the bytes.
            interference: decides what becomes of them; None: nothing happens to them.
            deliver: hands bytes on.
            breaks: breaks the connection, for a reason.
            full: tells the sender to stop, or to go on.
        """
        self._capture, self._connection, self._direction = capture, connection, direction
        self._interference = interference
        self._deliver, self._breaks, self._full = deliver, breaks, full
        self._ordered = connection.transport == "tcp"
        self._queue: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self._last = 0.0
        self._stopped = False
        self._timer: asyncio.TimerHandle | None = None
        self._behind: bytes | None = None  # a datagram that shall be overtaken
        self._then: Callable[[], None] | None = None
        self._state: dict[object, Any] = {}

    def push(self, data: bytes) -> None:
        """Take what one read has brought."""
        interference = self._interference
        if not self._queue and self._behind is None and (interference is None or not interference.on):
            self._deliver(data)
            self._capture.add(self._connection, self._direction, data)
            return
        now = asyncio.get_running_loop().time()
        passing = Passing(self._connection, self._direction, data, now, self._state, self._connection.faults)
        if interference is not None:
            interference.touch(passing)
        if not self._ordered and self._held + len(data) > HIGH_WATER:
            passing.copies = 0
            passing.notes.append("lost: too many wait")
        self._capture.add(self._connection, self._direction, data, "; ".join(passing.notes))
        if passing.breaks:
            self._breaks(passing.breaks)
        elif passing.overtaken and not self._ordered:
            self._hold_behind(data)
        else:
            for _ in range(passing.copies):
                self._put(passing)

    def _put(self, passing: Passing) -> None:
        step = passing.pieces or len(passing.data) or 1
        due = passing.at + passing.delay
        count = -(-len(passing.data) // step)
        for number in range(count):
            part = passing.data[number * step : (number + 1) * step]
            # With pieces the last one is due after the delay, the others before it.
            when = due if count == 1 else passing.at + passing.delay * (number + 1) / count
            self._last = max(self._last, when) if self._ordered else when
            self._queue.append((self._last if self._ordered else when, part))
            self._held += len(part)
        if not self._ordered:
            self._queue = deque(sorted(self._queue, key=lambda one: one[0]))
        self.wake()

    def _hold_behind(self, data: bytes) -> None:
        if self._behind is not None:
            self._deliver(self._behind)
        self._behind = data
        asyncio.get_running_loop().call_later(OVERTAKE, self._release_behind, data)

    def _release_behind(self, data: bytes) -> None:
        if self._behind is data:
            self._behind = None
            self._deliver(data)

    def wake(self) -> None:
        """Hand on what is due now."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        interference = self._interference
        if interference is None or not interference.holds(self._direction):
            while self._queue and self._queue[0][0] <= loop.time() + 0.0005:
                self._go(self._queue.popleft()[1])
            if self._queue:
                self._timer = loop.call_at(self._queue[0][0], self.wake)
        self._press()
        if not self._queue and self._then is not None:
            then, self._then = self._then, None
            then()

    def _go(self, data: bytes) -> None:
        self._held -= len(data)
        self._deliver(data)
        if self._behind is not None:
            self._release_behind(self._behind)

    def release(self, size: int) -> int:
        """Hand on at least so many bytes, or one datagram, although they are held; return how many went."""
        gone = 0
        while self._queue and gone < size:
            when, data = self._queue.popleft()
            if self._ordered and gone + len(data) > size:
                rest = data[size - gone :]
                self._queue.appendleft((when, rest))
                data = data[: size - gone]
            self._go(data)
            gone += len(data)
        self._press()
        return gone

    def discard(self) -> int:
        """Lose what is held; return how many bytes that was."""
        lost, self._held = self._held, 0
        self._queue.clear()
        self._press()
        return lost

    @property
    def held(self) -> int:
        """Bytes that wait."""
        return self._held

    def after(self, then: Callable[[], None]) -> None:
        """Call ``then`` when everything that came was handed on."""
        self._then = then
        self.wake()

    def close(self) -> None:
        """Hand on nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        self._queue.clear()
        self._behind = self._then = None

    def _press(self) -> None:
        stop = self._held > HIGH_WATER
        if self._ordered and stop is not self._stopped:
            self._stopped = stop
            self._full(stop)
