"""One direction of one connection: hands bytes on at once, or as faults let it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chat.interfaces.frames import Direction
from chat.language import N_
from lab.wire.capture import Capture, Connection
from lab.wire.passing import Interference, Passing

HIGH_WATER = 256 * 1024
"""Bytes that a lane holds, before its sender is not read any more; of datagrams more are lost."""
OVERTAKE = 0.5
"""Seconds for which a datagram waits for the one that shall overtake it."""


@dataclass(slots=True)
class Piece:
    """Bytes that wait: a part of a stream, or a datagram."""

    due: float
    """Seconds of the loop's clock."""
    start: int
    """Bytes of this direction that came before it."""
    data: bytes
    came: float
    """When it came."""
    copies: int = 1

    @property
    def end(self) -> int:
        return self.start + len(self.data)


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
        frozen: Callable[[], bool],
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
            frozen: returns whether the wire is stopped: nothing passes by itself.
        """
        self._capture = capture
        self.connection, self.direction = connection, direction
        self._frozen = frozen
        self._interference = interference
        self._deliver, self._breaks, self._full = deliver, breaks, full
        self._ordered = connection.transport == "tcp"
        self._queue: deque[Piece] = deque()
        self._held = 0
        self._last = 0.0
        self._stopped = False
        self._timer: asyncio.TimerHandle | None = None
        self._behind: bytes | None = None  # a datagram that shall be overtaken
        self._then: Callable[[], None] | None = None
        self._state: dict[object, Any] = {}
        self._holed = False  # a stream lost bytes: what follows can't be understood, and never passes

    def push(self, data: bytes) -> None:
        """Take what one read has brought."""
        interference = self._interference
        disturbed = self._frozen() or (interference is not None and interference.on)
        if not self._queue and self._behind is None and not disturbed and not self._holed:
            self._deliver(data)
            self._capture.add(self.connection, self.direction, data)
            return
        now = asyncio.get_running_loop().time()
        passing = Passing(self.connection, self.direction, data, now, self._state, self.connection.faults)
        if interference is not None:
            interference.touch(passing)
        if not self._ordered and self._held + len(data) > HIGH_WATER:
            passing.copies = 0
            passing.notes.append(N_("lost: too many wait"))
        start = self.connection.sizes[self.direction]
        self._capture.add(self.connection, self.direction, data, "; ".join(passing.notes))
        if passing.breaks:
            self._breaks(passing.breaks)
        elif passing.overtaken and not self._ordered and not self._frozen():
            self._hold_behind(data)
        elif self._ordered and (self._holed or not passing.copies):
            self._holed = True
        elif passing.copies:
            self._put(passing, start)

    def _put(self, passing: Passing, start: int) -> None:
        step = passing.pieces or len(passing.data) or 1
        due = passing.at + passing.delay
        count = -(-len(passing.data) // step)
        for number in range(count):
            part = passing.data[number * step : (number + 1) * step]
            place = start + number * step
            # With pieces the last one is due after the delay, the others before it.
            when = due if count == 1 else passing.at + passing.delay * (number + 1) / count
            self._last = max(self._last, when) if self._ordered else when
            self._queue.append(Piece(self._last, place, part, passing.at, passing.copies))
            self._held += len(part)
        if not self._ordered and not self._frozen():
            self._queue = deque(sorted(self._queue, key=lambda one: one.due))
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
        if not self._frozen() and (interference is None or not interference.holds(self.direction)):
            while self._queue and self._queue[0].due <= loop.time() + 0.0005:
                self._go(self._queue.popleft())
            if self._queue:
                self._timer = loop.call_at(self._queue[0].due, self.wake)
        self._settle()

    def _go(self, piece: Piece) -> None:
        self._held -= len(piece.data)
        for _ in range(piece.copies):
            self._deliver(piece.data)
        if self._behind is not None:
            self._release_behind(self._behind)

    def _settle(self) -> None:
        """Something went, or is lost: tell those that wait for it."""
        self._press()
        if not self._queue and self._then is not None:
            then, self._then = self._then, None
            then()

    # --- by hand -------------------------------------------------------------------------------

    @property
    def waiting(self) -> list[Piece]:
        """What waits, in the order in which it will pass."""
        return list(self._queue)

    @property
    def ordered(self) -> bool:
        """Whether it is one of a stream."""
        return self._ordered

    def find(self, start: int) -> int | None:
        """Return the index of the piece with this byte; None: it does not wait."""
        for index, piece in enumerate(self._queue):
            if piece.start <= start < piece.end or piece.start == start:
                return index
        return None

    def let_pass(self, end: int) -> None:
        """Hand on a stream's bytes up to this one, although they are held."""
        while self._queue and self._queue[0].start < end:
            piece = self._queue.popleft()
            if piece.end > end:
                size = end - piece.start
                self._queue.appendleft(Piece(piece.due, end, piece.data[size:], piece.came))
                piece = Piece(piece.due, piece.start, piece.data[:size], piece.came)
            self._go(piece)
        self._settle()

    def let_pass_alone(self, index: int, copies: int = 1) -> None:
        """Hand on one datagram, so many times; 0: it is lost."""
        piece = self._queue[index]
        del self._queue[index]
        piece.copies = copies
        self._go(piece)
        self._settle()

    def swap(self, index: int) -> None:
        """Let a datagram pass after the one behind it."""
        queue = self._queue
        queue[index], queue[index + 1] = queue[index + 1], queue[index]
        queue[index].due, queue[index + 1].due = queue[index + 1].due, queue[index].due

    def change(self, place: int) -> None:
        """Flip the lowest bit of a byte that waits."""
        index = self.find(place)
        assert index is not None
        data = bytearray(self._queue[index].data)
        data[place - self._queue[index].start] ^= 1
        self._queue[index].data = bytes(data)

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
