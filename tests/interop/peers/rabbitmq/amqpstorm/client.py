"""A client on AMQPStorm, for a room in a broker: docs/protocol.md, "In a broker".

It keeps two rules of the room: a name is taken once, and only members leave.
"""
# ruff: noqa: T201

from __future__ import annotations

import json
import secrets
import sys
import time
import uuid
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import amqpstorm

URL, NICK = sys.argv[1:]
Entry = dict[str, Any]
Wanted = Callable[[Entry, str], bool]
STREAM = {
    "x-queue-type": "stream",
    "x-max-length-bytes": 50_000_000,
    "x-stream-max-segment-size-bytes": 1_000_000,
}
EXCHANGE, LOG = "chat.room.lab", "chat.log.lab"


class Room:
    """What was read of the room's stream so far."""

    def __init__(self) -> None:
        self.members: dict[str, str] = {}
        self.texts: list[str] = []
        self._read: list[Any] = []
        self.connection = amqpstorm.UriConnection(URL)
        self._channel = channel = self.connection.channel()
        channel.confirm_deliveries()
        channel.basic.qos(100)
        channel.exchange.declare(EXCHANGE, "fanout", durable=True)
        channel.queue.declare(LOG, durable=True, arguments=STREAM)
        channel.queue.bind(LOG, EXCHANGE)
        channel.basic.consume(self._take, LOG, no_ack=False, arguments={"x-stream-offset": "first"})

    def _take(self, message: Any) -> None:
        message.ack()
        self._read.append(message)

    def publish(self, kind: str, seat: str, **fields: Any) -> int | None:
        """Publish an entry; return its offset, or None if it was refused."""
        entry = {
            "at": int(time.time() * 1000),
            "kind": kind,
            "seat": seat,
            "technique": "AMQPStorm",
            **fields,
        }
        id = secrets.token_hex(8)
        properties = {"message_id": id, "content_type": "application/json", "delivery_mode": 2}
        self._channel.basic.publish(json.dumps(entry, ensure_ascii=False), "", EXCHANGE, properties)
        return self.until(lambda _, mine: mine == id)[1]

    def until(self, wanted: Wanted) -> tuple[Entry, int | None]:
        """Return the next entry that fulfils a condition, and its offset if it is accepted."""
        while True:
            while not self._read:
                self._channel.process_data_events()
                time.sleep(0.01)  # it returns at once if nothing has come
            message = self._read.pop(0)
            entry = json.loads(message.body)
            accepted = message.properties["headers"]["x-stream-offset"] if self._accept(entry) else None
            if wanted(entry, message.message_id):
                return entry, accepted

    def _accept(self, entry: Entry) -> bool:
        kind, seat, author = entry["kind"], entry.get("seat", ""), entry.get("author", "")
        if kind == "joined":
            if author.casefold() in map(str.casefold, self.members.values()):
                return False
            self.members[seat] = author
        elif kind == "left":
            self.members.pop(seat, None)
        elif kind == "sent" and seat in self.members:
            self.texts.append(entry["text"])
        return True


print("version", version("AMQPStorm"), flush=True)
room, seat, other, me = Room(), secrets.token_hex(12), secrets.token_hex(12), {"author": NICK}
room.publish("opened", seat, epoch=str(uuid.uuid4()))  # back again: the stream's end is known
if room.publish("joined", other, author="ann", node=other) is None:
    print("refused nick_taken")
if room.publish("joined", seat, **me, node=seat) is None:
    raise SystemExit("the name is taken")
print("members", *sorted(room.members.values()))
print("reads", room.texts[-1].encode().hex())
print("history", *(text.encode().hex() for text in room.texts[-3:-1]))

place = room.publish("sent", seat, **me, n=1, text="ä 漢字\n&<>")
assert place is not None
id = place + 1
print("waiting", flush=True)
entry, _ = room.until(lambda it, _: it["kind"] == "sent" and it["author"] == "ann")
print("waits", entry["text"].encode().hex())
room.publish("edited", seat, **me, n=2, id=id, text="漢字 ä\n<&>")
room.publish("deleted", seat, **me, n=3, id=id)
room.publish("left", seat, **me, node=seat)
room.connection.close()
