"""A client on aio-pika, for a room in a broker: docs/protocol.md, "In a broker".

It keeps two rules of the room: a name is taken once, and only members leave. Its connection is robust, and is
broken once, to show how one goes on behind the last offset.
"""
# ruff: noqa: T201

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
import uuid
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import aio_pika

URL, NICK = sys.argv[1:]
Entry = dict[str, Any]
Wanted = Callable[[Entry, str], bool]
STREAM = {
    "x-queue-type": "stream",
    "x-max-length-bytes": 50_000_000,
    "x-stream-max-segment-size-bytes": 1_000_000,
}


class Room:
    """What was read of the room's stream so far."""

    def __init__(self) -> None:
        self.members: dict[str, str] = {}
        self.texts: list[str] = []
        self.next: Any = "first"
        self.twice = 0  # deliveries of messages that were read before
        self.again = asyncio.Event()  # it has reconnected, and goes on
        self._read: asyncio.Queue[Any] = asyncio.Queue()

    async def open(self) -> None:
        self.connection = await aio_pika.connect_robust(URL, reconnect_interval=0.2)
        self.connection.reconnect_callbacks.add(self.read_on)
        channel = await self.connection.channel()
        await channel.set_qos(100)
        self.exchange = await channel.declare_exchange(
            "chat.room.lab", aio_pika.ExchangeType.FANOUT, durable=True
        )
        self.log = await channel.declare_queue("chat.log.lab", durable=True, arguments=STREAM)
        await self.log.bind(self.exchange)
        await self.consume()

    async def consume(self) -> None:
        self.tag = await self.log.consume(self._take, arguments={"x-stream-offset": self.next})

    async def read_on(self, *_: Any) -> None:
        """Consume anew behind the last message: the library has begun with its first arguments again."""
        await self.log.cancel(self.tag)
        await self.consume()
        self.again.set()

    async def _take(self, message: Any) -> None:
        await message.ack()
        offset = message.headers["x-stream-offset"]
        if self.next != "first" and offset < self.next:  # delivered a second time, or the chunk begins before
            self.twice += 1
            return
        self.next = offset + 1
        self._read.put_nowait((offset, message))

    async def publish(self, kind: str, seat: str, **fields: Any) -> int | None:
        """Publish an entry; return its offset, or None if it was refused."""
        entry = {"at": int(time.time() * 1000), "kind": kind, "seat": seat, "technique": "aio-pika", **fields}
        id = secrets.token_hex(8)
        body = json.dumps(entry, ensure_ascii=False).encode()
        message = aio_pika.Message(body, message_id=id, content_type="application/json", delivery_mode=2)
        await self.exchange.publish(message, routing_key="")
        return (await self.until(lambda _, mine: mine == id))[1]

    async def until(self, wanted: Wanted) -> tuple[Entry, int | None]:
        """Return the next entry that fulfils a condition, and its offset if it is accepted."""
        while True:
            offset, message = await self._read.get()
            entry = json.loads(message.body)
            accepted = offset if self._accept(entry) else None
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


async def main() -> None:
    print("version", version("aio-pika"), flush=True)
    room = Room()
    await room.open()
    seat, other, me = secrets.token_hex(12), secrets.token_hex(12), {"author": NICK}
    await room.publish("opened", seat, epoch=str(uuid.uuid4()))  # back again: the stream's end is known
    if await room.publish("joined", other, author="ann", node=other) is None:
        print("refused nick_taken")
    if await room.publish("joined", seat, **me, node=seat) is None:
        raise SystemExit("the name is taken")
    print("members", *sorted(room.members.values()))
    print("reads", room.texts[-1].encode().hex())
    print("history", *(text.encode().hex() for text in room.texts[-3:-1]))

    await room.connection.transport.connection.close()  # as if it broke
    await room.again.wait()
    place = await room.publish("sent", seat, **me, n=1, text="ä 漢字\n&<>")
    assert place is not None
    id = place + 1
    assert room.twice, "this library has read on by itself: the note in peer.toml is out of date"
    print("waiting", flush=True)
    entry, _ = await room.until(lambda it, _: it["kind"] == "sent" and it["author"] == "ann")
    print("waits", entry["text"].encode().hex())
    await room.publish("edited", seat, **me, n=2, id=id, text="漢字 ä\n<&>")
    await room.publish("deleted", seat, **me, n=3, id=id)
    await room.publish("left", seat, **me, node=seat)
    await room.connection.close()


asyncio.run(main())
