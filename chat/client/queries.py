"""What a session asks the server for its user, over the connection that there is."""

from __future__ import annotations

from chat.domain.errors import ConnectionLost
from chat.domain.model import Event
from chat.interfaces.client import ChatClient


class Queries:
    """The part of a session that asks."""

    _client: ChatClient | None

    async def history(self, *, before: int, limit: int) -> list[Event]:
        """Return older events. Raises `ConnectionLost` when not connected."""
        if self._client is None:
            raise ConnectionLost("not connected")
        return await self._client.history(before=before, limit=limit)

    async def rooms(self) -> list[str]:
        """Return the rooms that the server tells; none if its technique can't, or when not connected."""
        return [] if self._client is None else await self._client.rooms()

    async def seen(self) -> dict[str, int | None]:
        """Return by seat how far each member has read: `Member.seen`. Raises like `history`."""
        if self._client is None:
            raise ConnectionLost("not connected")
        return {member.seat: member.seen for member in await self._client.members()}
