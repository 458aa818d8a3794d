"""The rooms' memory: what a log must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Any

from msgspec import Struct

from chat.domain.errors import ChatError
from chat.domain.model import Body, Entry

Clock = Callable[[], float]
"""Returns seconds since the Unix epoch, like `time.time`."""


class Committed(Struct, frozen=True):
    """One entry that the log hands back, in its room's order."""

    room: str
    entry: Entry
    note: Any
    """What `Log.append` was given with it; None for an entry of another node."""


class Log(ABC):
    """The rooms' memory. An append that was handed back through ``committed`` is durable.

    Reads answer with what was handed back: what is committed but not yet decided by the room
    stays out of them.
    """

    node: str = "solo"
    """What the server on this log calls itself in it. The one server of an embedded log keeps the same name
    for ever, so that a restart moves nobody; of several on one log each has its own."""

    shared: bool = False
    """Others may append to it as well."""

    async def gone(self, nodes: Collection[str]) -> set[str]:
        """Return those of these nodes, none of them this one, that are certainly not there any more."""
        return set()

    async def first(self, room: str) -> int:
        """Return the seq of the oldest entry that is kept: 1, unless the log cuts off what is old."""
        return 1

    @abstractmethod
    async def start(
        self,
        committed: Callable[[list[Committed]], None],
        failed: Callable[[list[Any], ChatError], None],
    ) -> None:
        """Open. Both callbacks run on the loop; ``failed`` gets the notes of what is not stored.

        Raises `ChatError` when the log can't be used: damaged, foreign, locked, not writable.
        """

    @abstractmethod
    def append(self, room: str, body: Body, note: Any) -> None:
        """Enqueue an entry; it gets its seq and its ``at`` now. Raises `Closing` when not open."""

    @abstractmethod
    async def rooms(self) -> list[str]: ...

    @abstractmethod
    async def tail(self, room: str, count: int) -> list[Entry]:
        """Return the newest ``count`` entries, refused ones included, ascending."""

    @abstractmethod
    def refuse(self, room: str, seq: int) -> None:
        """Remember that the room refused this entry, so that `read` leaves it out.

        May be said again: a server that was killed may not have written it down.
        """

    @abstractmethod
    async def read(
        self, room: str, *, after: int | None = None, before: int | None = None, limit: int
    ) -> tuple[int, list[Entry]]:
        """Return accepted entries, ascending, and the seq of the accepted one before them (or 0).

        The first ``limit`` after a seq (and below ``before``, if both are given), or the last
        ``limit`` before one; with neither, the newest. Checkpoints and refused entries are left out.
        """

    async def remove(self, room: str) -> None:
        """Forget a room for good, where a log outlives its servers. Nobody may be in it."""
        raise ChatError("this log keeps its rooms to itself: end its server instead")

    @abstractmethod
    async def stop(self) -> None:
        """Commit what is enqueued, and close."""
