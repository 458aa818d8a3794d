"""The rooms' memory: what a log must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Protocol

from msgspec import Struct

from chat.domain.errors import ChatError
from chat.domain.histogram import Histogram
from chat.domain.model import Body, Entry
from chat.domain.room import Outcome

Clock = Callable[[], float]
"""Returns seconds since the Unix epoch, like `time.time`."""


class Pending(Protocol):
    """What waits for the decision about an entry. A log hands it back and never calls it."""

    __slots__ = ()

    def decided(self, outcome: Outcome) -> None:
        """The entry is committed, and the room has decided about it."""

    def failed(self, error: ChatError) -> None:
        """The entry was not stored."""


class Committed(Struct, frozen=True):
    """One entry that the log hands back, in its room's order."""

    room: str
    entry: Entry
    pending: Pending | None
    """What `Log.append` was given with the entry; None for an entry of another node."""


OnCommitted = Callable[[list[Committed]], None]
"""Called on the loop with entries that are durable now, in the order of their rooms."""
OnFailed = Callable[[list[Pending], ChatError], None]
"""Called on the loop with what waits for entries that were not stored, and the reason."""


class Log(ABC):
    """The rooms' memory. An entry that was handed back by `OnCommitted` is durable.

    Reads return only entries that were handed back. What is committed but not yet decided by the room stays
    out of them.
    """

    node: str = "solo"
    """The name of this server in the log. The one server of an embedded log keeps the same name for ever, so
    that a restart moves no seat; of several servers on one log each has its own."""

    shared: bool = False
    """Other servers may append to it as well."""

    nodes_return: bool = True
    """A server that was killed is started again under its name, and ends its own seats; else others must."""

    generation: str = ""
    """Names this run of the log's one server, where the log may come back without its end, as a restored
    backup does; known after `start`. "": it can't. It is part of the epoch that clients get."""

    commit_times: Histogram | None = None
    """How long each commit took, in seconds, where the log itself commits to a disk."""

    def owns(self, node: str) -> bool:
        """Return whether the seats of a node are this server's, or were left to it by one that is no more."""
        return node == self.node or not self.shared

    async def end_of(self, room: str, generation: str) -> int | None:
        """Return up to which seq a cursor of an earlier generation is one of this log.

        Args:
            room: its name.
            generation: of the server that gave out the cursor; "": from before generations had names.

        Returns:
            The last seq of the room in that generation; `MAX_NUMBER` if nothing came after it. None: the log
            does not know the generation, so it has lost it.
        """
        return None

    async def gone(self, nodes: Collection[str]) -> set[str]:
        """Return which of these other nodes are certainly not running any more."""
        return set()

    async def first(self, room: str) -> int:
        """Return the seq of the oldest entry that is kept: 1, unless the log drops old entries."""
        return 1

    @abstractmethod
    async def start(self, committed: OnCommitted, failed: OnFailed) -> None:
        """Open the log.

        Raises:
            ChatError: it can't be used: damaged, of another program, locked, not writable.
        """

    @abstractmethod
    def append(self, room: str, body: Body, pending: Pending | None) -> None:
        """Enqueue an entry; it gets its seq and its ``at`` now. Raises `Closing` when not open."""

    @abstractmethod
    async def rooms(self) -> list[str]:
        """Return the names of all rooms, sorted."""

    @abstractmethod
    async def tail(self, room: str, count: int) -> list[Entry]:
        """Return the newest ``count`` entries, refused ones included, ascending."""

    @abstractmethod
    def refuse(self, room: str, seq: int) -> None:
        """Remember that the room refused this entry, so that `read` leaves it out.

        It may be called again for the same entry: a server that was killed may not have stored it.
        """

    @abstractmethod
    async def read(
        self, room: str, *, after: int | None = None, before: int | None = None, limit: int
    ) -> tuple[int, list[Entry]]:
        """Read accepted entries. Checkpoints and refused entries are left out.

        Args:
            room: its name.
            after: return the first ``limit`` entries after this seq; None: the last ``limit``.
            before: return only entries before this seq.
            limit: entries, at most.

        Returns:
            The seq of the accepted entry before the page (0: there is none), and the page, ascending.
        """

    async def remove(self, room: str) -> None:
        """Delete a room for good, where a log outlives its servers. Nobody may be in it."""
        raise ChatError("a room can't be removed from this log: stop its server instead")

    @abstractmethod
    async def stop(self) -> None:
        """Commit what is enqueued, and close."""
