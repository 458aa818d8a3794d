"""What a tap has recorded: chunks of bytes, in bounded memory, for a reader in another thread."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from chat.interfaces.frames import Direction

MAX_BYTES = 16 * 1024 * 1024
"""Bytes of all chunks that wait for the decoder; older ones are dropped, and counted."""
MAX_CHUNKS = 20_000

Happening = Literal["data", "opened", "ended", "closed", "refused", "unreachable"]
Transport = Literal["tcp", "udp"]


@dataclass(slots=True)
class Connection:
    """One connection through the tap, or one client's datagrams."""

    number: int
    transport: Transport
    client: str
    server: str
    opened: float
    closed: float | None = None
    encrypted: bool = False
    """The tap ended TLS on both sides: what it recorded is what was encrypted."""
    faults: dict[str, Any] = field(default_factory=dict)
    """What faults remember of it."""
    sizes: list[int] = field(default_factory=lambda: [0, 0])
    """Bytes so far, by direction; dropped chunks count, too."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one read has brought, or what happened to a connection."""

    connection: Connection
    direction: Direction
    at: float
    """When it was read: seconds, `time.monotonic`."""
    data: bytes = b""
    offset: int = 0
    """Bytes of this direction before it; those of dropped chunks count, too."""
    what: Happening = "data"
    about: str = ""
    """Why, or which fault has touched the data, in words."""


class Capture:
    """The chunks of all connections of a tap: one thread adds, another takes, and neither waits.

    Each attribute is written by one of the two only.
    """

    def __init__(
        self,
        max_bytes: int = MAX_BYTES,
        max_chunks: int = MAX_CHUNKS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        """Returns seconds."""
        self.began = time.time() - clock()
        """To be added to `Chunk.at` for the seconds since the epoch."""
        self.dropped = 0
        """Chunks that were dropped because nobody took them in time."""
        self._max_bytes, self._max_chunks = max_bytes, max_chunks
        self._chunks: deque[Chunk] = deque()
        self._added = self._dropped = self._taken = 0  # bytes
        self._numbers = itertools.count(1)

    # --- by the tap ----------------------------------------------------------------------------

    def connection(self, transport: Transport, client: str, server: str) -> Connection:
        """Return a new connection."""
        connection = Connection(next(self._numbers), transport, client, server, self.clock())
        self.note(connection, Direction.UP, "opened")
        return connection

    def add(self, connection: Connection, direction: Direction, data: bytes, fault: str = "") -> None:
        """Record what one read has brought, and what a fault did to it."""
        offset = connection.sizes[direction]
        connection.sizes[direction] += len(data)
        self._put(Chunk(connection, direction, self.clock(), data, offset, about=fault))

    def note(self, connection: Connection, direction: Direction, what: Happening, about: str = "") -> None:
        """Record what happened to the connection."""
        offset = connection.sizes[direction]
        self._put(Chunk(connection, direction, self.clock(), b"", offset, what, about))
        if what in ("closed", "refused"):  # after it was put: who sees this knows that the chunk is there
            connection.closed = self.clock()

    def _put(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._added += len(chunk.data)
        while (
            self._added - self._dropped - self._taken > self._max_bytes
            or len(self._chunks) > self._max_chunks
        ):
            try:
                old = self._chunks.popleft()
            except IndexError:  # they were taken just now
                return
            self._dropped += len(old.data)
            self.dropped += 1

    # --- by who decodes ------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Chunks that were not taken yet."""
        return len(self._chunks)

    def take(self) -> list[Chunk]:
        """Return the chunks since the last call, and forget them. A hole shows in their offsets."""
        chunks = []
        with suppress(IndexError):
            while True:
                chunks.append(self._chunks.popleft())
                self._taken += len(chunks[-1].data)
        return chunks
