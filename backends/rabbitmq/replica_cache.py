"""Room replicas that are kept in memory between two connections of a seat.

Without the cache a client that reconnects reads the room's newest entries again (`chat.domain.room.TAIL`).
With it the client reads only what was published meanwhile.
"""

from __future__ import annotations

from collections import OrderedDict

from chat.domain.room_replica import RoomReplica

CAPACITY = 8
"""Replicas that are kept in this process; for one more the oldest is dropped."""

_replicas: OrderedDict[tuple[str, str, str], RoomReplica] = OrderedDict()


def keep(url: str, room: str, seat: str, replica: RoomReplica) -> None:
    """Keep a replica for the next connection of this seat.

    Args:
        url: of the broker.
        room: its name.
        seat: the public name of the seat.
        replica: loaded up to the entry `RoomReplica.last`.
    """
    _replicas[url, room, seat] = replica
    while len(_replicas) > CAPACITY:
        _replicas.popitem(last=False)


def take(url: str, room: str, seat: str) -> RoomReplica:
    """Remove a replica from the cache and return it; without one return a new `RoomReplica`."""
    return _replicas.pop((url, room, seat), None) or RoomReplica()
