"""The other nodes of a shared log: whether they are still there, and the seats of those that are not.

A node that dies leaves its seats behind. The others give their owners the grace time to come in elsewhere;
then they say for them that they have left. Each node may say it: the room takes the first, and refuses it
altogether where the seat has moved on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from chat.domain.errors import ChatError
from chat.domain.model import Left, Limits
from chat.domain.room import Room
from chat.interfaces.log import Log

LOOK_EVERY = 1.0
"""Seconds between two looks at the other servers."""
CLIENTS_EVERY = 10
"""Looks after which also those are looked for who are at no server, but read the log themselves: they may be
many, and most have a will that is quicker."""


class _LiveRoom(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def state(self) -> Room: ...


class _Hub(Protocol):
    @property
    def node(self) -> str: ...

    @property
    def log(self) -> Log: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def closing(self) -> bool: ...

    def live_rooms(self) -> Sequence[Any]: ...

    async def learn_rooms(self) -> None: ...


class Neighbours:
    """What one hub knows of the other nodes on its log."""

    def __init__(self, hub: _Hub) -> None:
        self._hub = hub
        self._gone: dict[str, float] = {}  # by node, since when by the loop's clock
        self._looks = 0

    async def watch(self) -> None:
        """Look at them again and again."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except ChatError:  # the log can't be asked now
                continue

    async def look(self) -> None:
        """Ask who is gone, and say for those who did not come back in time that they have left."""
        hub, now = self._hub, asyncio.get_running_loop().time()
        await hub.learn_rooms()
        rooms: list[_LiveRoom] = list(hub.live_rooms())
        members = [member for room in rooms for member in room.state.members.values()]
        servers = {member.node for member in members if member.node != member.seat} - {hub.node}
        clients = {member.node for member in members if member.node == member.seat}
        self._looks += 1
        asked = servers | clients if self._looks % CLIENTS_EVERY == 0 else servers
        gone = await hub.log.gone(asked)
        before = {node: since for node, since in self._gone.items() if node in clients - asked}
        self._gone = before | {node: self._gone.get(node, now) for node in gone}
        deserted = {node for node, since in self._gone.items() if now - since >= hub.limits.grace}
        if hub.closing or not deserted:
            return
        for room in rooms:
            for member in list(room.state.members.values()):
                if member.node in deserted:
                    body = Left(member.seat, member.author, member.technique, member.node)
                    hub.log.append(room.name, body, None)

    def expires_in(self, node: str) -> float | None:
        """Return the seconds until a node's seats end; None while it is there."""
        since = self._gone.get(node)
        if since is None:
            return None
        return max(0.0, since + self._hub.limits.grace - asyncio.get_running_loop().time())
