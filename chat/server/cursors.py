"""Epochs and cursors of a log that may have lost its end.

A log that comes back from a backup has the epoch that it had, and a new history takes the seqs of the one
that was lost. So each run of a server on such a log is a generation with a random name, and the epoch that
clients get has this name behind a point. The log knows its generations and where each began to write: a
cursor of a generation that it does not know, or beyond its end, has seen what was lost.
"""

from __future__ import annotations

from chat.domain.errors import StaleCursor
from chat.domain.model import Cursor
from chat.domain.room_replica import RoomReplica
from chat.interfaces.log import Log


def wire_epoch(epoch: str, log: Log) -> str:
    """Return a room's epoch as clients get it: with the generation, if the log has them."""
    return f"{epoch}.{log.generation}" if epoch and log.generation else epoch


async def check_cursor(cursor: Cursor, room: str, replica: RoomReplica, log: Log) -> None:
    """Raise `StaleCursor` if a client can't continue from this cursor."""
    epoch, _, generation = cursor.epoch.partition(".")
    replica.check_cursor(Cursor(cursor.seq, epoch), room)
    if epoch and generation != log.generation:
        end = await log.end_of(room, generation)
        if end is None or cursor.seq > end:
            raise StaleCursor(
                f"the log of room {room} has lost events that the cursor {cursor.seq} has seen, "
                "as a restored backup has: begin without a cursor"
            )
