"""The other nodes on a shared log: which of them are gone, and when their seats end.

A node that dies leaves its seats behind. The others give the owners the grace time to connect to another
node; after it they append a `Left` for each seat. Every node may do so: the room accepts the first, and
refuses all where the seat has moved to another node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from chat.domain.errors import ChatError
from chat.domain.model import Body, Left
from chat.domain.room import MemberState
from chat.interfaces.log import Log

POLL_EVERY = 1.0
"""Seconds between two polls of the other nodes."""
CLIENTS_EVERY = 10
"""Clients that read the log directly are nodes too. They are polled only every tenth time: they may be many,
and most have a will, which is quicker."""


class ClusterRoom(Protocol):
    """What the cluster needs of a room."""

    def seats_by_node(self) -> Iterable[MemberState]:
        """Yield the seats of all nodes."""

    def submit(self, body: Body) -> None:
        """Append an entry to the room's log."""


class Cluster:
    """What one hub knows of the other nodes on its log."""

    def __init__(
        self,
        log: Log,
        grace: float,
        rooms: Callable[[], Sequence[ClusterRoom]],
        refresh: Callable[[], Awaitable[None]],
    ) -> None:
        """Prepare; nothing happens before `watch`.

        Args:
            log: the shared log; it tells which nodes are gone.
            grace: seconds that a seat outlives its node.
            rooms: returns the rooms that are loaded here.
            refresh: looks for rooms that other nodes have opened.
        """
        self._log = log
        self._grace = grace
        self._rooms = rooms
        self._refresh = refresh
        self._gone: dict[str, float] = {}  # by node: since when, by the loop's clock
        self._polls = 0

    async def watch(self) -> None:
        """Poll for ever."""
        while True:
            await asyncio.sleep(POLL_EVERY)
            try:
                await self.poll()
            except ChatError:  # the log does not answer now
                continue

    async def poll(self) -> None:
        """Ask the log which nodes are gone; end the seats of those that were gone for the grace time."""
        now = asyncio.get_running_loop().time()
        await self._refresh()
        rooms = self._rooms()
        seats = [seat for room in rooms for seat in room.seats_by_node()]
        servers = {seat.node for seat in seats if seat.node != seat.seat} - {self._log.node}
        clients = {seat.node for seat in seats if seat.node == seat.seat}
        self._polls += 1
        asked = servers | clients if self._polls % CLIENTS_EVERY == 0 else servers
        gone = await self._log.gone(asked)
        not_asked = {node: since for node, since in self._gone.items() if node in clients - asked}
        self._gone = not_asked | {node: self._gone.get(node, now) for node in gone}
        dead = {node for node, since in self._gone.items() if now - since >= self._grace}
        if not dead:
            return
        for room in rooms:
            for seat in list(room.seats_by_node()):
                if seat.node in dead:
                    room.submit(Left(seat.seat, seat.author, seat.technique, seat.node))

    def expires_in(self, node: str) -> float | None:
        """Return the seconds until the seats of a node end; None while the node is running."""
        since = self._gone.get(node)
        if since is None:
            return None
        return max(0.0, since + self._grace - asyncio.get_running_loop().time())
