"""What things are called in the broker, and with which arguments they are declared.

`docs/protocol.md` is the specification of what is here. A declaration with other arguments is an error
(406), so that nobody reads another queue than he thinks.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from chat.domain.validation import nick_key
from chat.interfaces.address import Address

PREFETCH = 1000
"""Messages of a stream that may be on their way to us unacknowledged."""
HEARTBEAT = 5
"""Seconds between two signs of life; who gives none is taken for dead by the broker after up to three times
as long (AMQP 0-9-1, 4.2.7)."""

DIRECTORY = "chat.rooms"
"""The stream that names every room."""
DIRECTORY_ARGUMENTS = {"x-queue-type": "stream", "x-max-length-bytes": 1_000_000}
NODES = "chat.nodes"
"""The queue that every node consumes: its consumers are counted, nothing is sent to it."""

LOG_ARGUMENTS: dict[str, Any] = {
    "x-queue-type": "stream",
    "x-max-length-bytes": 50_000_000,
    "x-stream-max-segment-size-bytes": 1_000_000,
}
"""About 250,000 short messages are kept; a whole segment of the oldest is cut off at once."""
FANOUT_ARGUMENTS: dict[str, Any] = {"x-max-length": 1000, "x-overflow": "drop-head"}
"""In the textbook's mode: a slow one loses the oldest of what waits for it."""


def exchange(room: str) -> str:
    return f"chat.room.{room}"


def log(room: str) -> str:
    return f"chat.log.{room}"


def presence(node: str) -> str:
    """The exclusive queue that is there exactly while this node is connected."""
    return f"chat.node.{node}"


def will(room: str, seat: str) -> str:
    return f"chat.will.{room}.{seat}"


def will_arguments(room: str, grace: float) -> dict[str, Any]:
    """A message that nobody fetches within the grace time (s) goes on to the room's exchange.

    ``at-least-once``, because what else is dead-lettered into a stream may get lost without a word.
    """
    ttl = max(1, int(grace * 1000))
    return {
        "x-queue-type": "quorum",
        "x-message-ttl": ttl,
        "x-expires": max(60_000, 4 * ttl),
        "x-dead-letter-exchange": exchange(room),
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def own_queue(room: str, nick: str) -> str:
    """The exclusive queue of somebody in the textbook's mode; who has it has the nick."""
    return f"chat.user.{room}.{blake2b(nick_key(nick).encode(), digest_size=8).hexdigest()}"


def virtual_host(address: Address) -> str:
    """Return the virtual host that the address names, for an error."""
    from urllib.parse import unquote, urlsplit

    return unquote(urlsplit(address.url).path[1:]) or "/"
