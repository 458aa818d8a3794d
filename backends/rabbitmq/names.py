"""The names of exchanges and queues in the broker, and the arguments they are declared with.

`docs/protocol.md` is the specification. A declaration with other arguments is an error (406), so that nobody
reads a queue of another kind by mistake.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from chat.domain.validation import nick_key
from chat.interfaces.address import Address

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
"""The first bytes that a client sends (AMQP 0-9-1, 4.2.2)."""
PREFETCH = 1000
"""Deliveries of a stream that may be unacknowledged (``basic.qos``)."""
HEARTBEAT = 5
"""Seconds between two heartbeats. After at most three times as long the broker takes a silent client for
dead (AMQP 0-9-1, 4.2.7; https://www.rabbitmq.com/docs/heartbeats)."""

DIRECTORY = "chat.rooms"
"""The stream that names every room."""
DIRECTORY_ARGUMENTS = {"x-queue-type": "stream", "x-max-length-bytes": 1_000_000}
NODES = "chat.nodes"
"""The queue that every node consumes. Its consumers are counted; nothing is sent to it."""

LOG_ARGUMENTS: dict[str, Any] = {
    "x-queue-type": "stream",
    "x-max-length-bytes": 50_000_000,
    "x-stream-max-segment-size-bytes": 1_000_000,
}
"""A room's stream keeps about 250,000 short messages; the broker deletes whole segments, the oldest first
(https://www.rabbitmq.com/docs/streams#retention)."""
FANOUT_ARGUMENTS: dict[str, Any] = {"x-max-length": 1000, "x-overflow": "drop-head"}
"""In fanout mode a slow reader loses the oldest messages of its queue."""


def exchange(room: str) -> str:
    """Return the name of a room's fanout exchange."""
    return f"chat.room.{room}"


def log(room: str) -> str:
    """Return the name of a room's stream."""
    return f"chat.log.{room}"


def presence(node: str) -> str:
    """Return the name of the exclusive queue that exists exactly while this node is connected."""
    return f"chat.node.{node}"


def will(room: str, seat: str) -> str:
    """Return the name of the queue that holds a seat's last will."""
    return f"chat.will.{room}.{seat}"


def will_arguments(room: str, grace: float) -> dict[str, Any]:
    """Return the arguments of a last will's queue.

    A message that is not consumed within ``grace`` seconds is dead-lettered to the room's exchange. It must
    be ``at-least-once``: RabbitMQ 3.10 loses other dead letters into a stream without an error (measured).
    See https://www.rabbitmq.com/docs/quorum-queues#dead-lettering.
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
    """Return the name of a client's exclusive queue in fanout mode. Its owner has the nick."""
    return f"chat.user.{room}.{blake2b(nick_key(nick).encode(), digest_size=8).hexdigest()}"


def virtual_host(address: Address) -> str:
    """Return the virtual host that the address names; without one: ``/``."""
    from urllib.parse import unquote, urlsplit

    return unquote(urlsplit(address.url).path[1:]) or "/"
