"""The client in fanout mode (``--mode fanout``): it reads a queue of its own, bound to the room's exchange.

A fanout exchange copies each message to every queue that is bound at that moment, and keeps nothing
(https://www.rabbitmq.com/docs/exchanges#fanout). So there is no history, no order that all readers share, and
no seq that could name a message. A queue holds a limited number of messages, and then drops the oldest one: a
slow reader loses messages, and notices it by the numbers that each author gives. Only the broker keeps names:
the connection that owns the exclusive queue of a nick has the nick.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pika

from backends.rabbitmq import names
from backends.rabbitmq.amqp import Channel
from backends.rabbitmq.amqp_errors import Refused
from backends.rabbitmq.base_client import BrokerClient
from backends.rabbitmq.codec import NoEntry, unpack
from backends.rabbitmq.stream import declare
from backends.rabbitmq.will import presence
from chat.domain.errors import ChatError, ConnectionLost, NickTaken, StaleCursor
from chat.domain.model import (
    Ack,
    Body,
    Deleted,
    Draft,
    Edited,
    Event,
    Hello,
    Joined,
    Left,
    Member,
    Missing,
    MissingEvents,
    Resumed,
    Say,
    Sent,
    Welcome,
)
from chat.domain.seat_key import new_seat_key
from chat.domain.validation import clean_nick, clean_room, nick_key, seat_name
from chat.language import N_

PREFETCH = 100
"""Deliveries that may be unacknowledged; more wait in the queue, which drops the oldest if it is full."""
MAX_AUTHORS = 2000
"""Seats that are remembered: the members, and the newest number of each, by which loss is noticed."""
MAX_NAMED = 1000
"""Lost messages that are reported one by one; of more only the newest."""
NOTICE = N_(
    "fanout: no history; latecomers see nothing, slow readers lose messages; --mode stream keeps everything"
)


class FanoutClient(BrokerClient):
    """One person's connection to a room's exchange."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._unread: deque[Event | MissingEvents | int] = (
            deque()
        )  # a number is a delivery tag to acknowledge then
        self._changed = asyncio.Event()
        self._seq = 0  # places are counted by this client alone
        self._numbers: OrderedDict[str, int] = OrderedDict()  # by seat, the newest draft number
        self._members: dict[str, Member] = {}
        self._queue: Channel | None = None
        self._lost = 0

    # --- connecting ----------------------------------------------------------------------------

    async def connect(self, hello: Hello) -> Welcome:
        self.room, self.nick = clean_room(hello.room), clean_nick(hello.nick)
        if hello.cursor is not None and hello.cursor.seq:
            raise StaleCursor("fanout mode stores nothing: messages that were sent in between are lost")
        link = await self.open_link(hello.access)
        await declare(link, self.room, stream=False)
        key = hello.seat_key or new_seat_key()
        self.seat = seat_name(key)
        self._queue = await link.consuming.channel(prefetch=PREFETCH)
        await self._declare_queue(self._queue)
        self._queue.closed.add_done_callback(lambda closed: self.lost(closed.result()))
        try:
            await presence(link, self.seat, lambda _: None)
        except Refused as error:
            if not error.locked:
                raise
            raise ConnectionLost("your other connection still has the seat", retry_after=1.0) from None
        await self.write_will(link)
        me = Joined(self.seat, self.nick, nick_key(self.nick), self.technique, self.seat)
        await self.publish(link, me, link.next_id())
        self._members[self.seat] = Member(self.seat, self.nick, self.technique)
        self._notices = [NOTICE]
        return Welcome(
            room=self.room,
            nick=self.nick,
            seat=self.seat,
            seat_key=key,
            epoch=str(uuid.uuid4()),
            first=0,
            head=0,
            n=0,
            members=tuple(self._members.values()),
            limits=self.limits,
        )

    async def _declare_queue(self, channel: Channel) -> None:
        """Declare the queue of the nick, and consume it. Raises `NickTaken` if another connection owns it."""
        queue = names.own_queue(self.room, self.nick)
        try:
            await channel.call(
                "queue_declare",
                queue=queue,
                exclusive=True,
                auto_delete=True,
                arguments=names.FANOUT_ARGUMENTS,
            )
            await channel.call("queue_bind", queue=queue, exchange=names.exchange(self.room))
            await channel.consume(queue, self._delivered, exclusive=True)
        except Refused as error:
            if error.locked:
                raise NickTaken(f"{self.nick} is taken in this room: choose another name") from None
            raise

    # --- from the exchange ---------------------------------------------------------------------

    def _delivered(self, method: Any, _: pika.BasicProperties, data: bytes) -> None:
        try:
            entry = unpack(0, data)
        except NoEntry as error:
            self.passed_over(0, str(error))
        else:
            self._apply(entry.at, entry.body)
        self._unread.append(method.delivery_tag)
        self._changed.set()

    def _apply(self, at: int, body: Body) -> None:
        match body:
            case Joined() | Resumed():
                self._add_member(Member(body.seat, body.author, body.technique))
                self._add_event(
                    "joined" if isinstance(body, Joined) else "resumed",
                    at,
                    body.author,
                    body.seat,
                    body.technique,
                )
            case Left():
                if self._members.pop(body.seat, None) is not None:
                    self._add_event("left", at, body.author, body.seat, body.technique)
            case Sent() | Edited() | Deleted():
                self._apply_draft(at, body)

    def _apply_draft(self, at: int, body: Sent | Edited | Deleted) -> None:
        last = self._numbers.pop(body.seat, None)
        if last is not None and body.n <= last:
            self._numbers[body.seat] = last
            return  # a copy: its publisher got no confirm, and published it again
        self._numbers[body.seat] = body.n
        while len(self._numbers) > MAX_AUTHORS:
            self._numbers.popitem(last=False)
        if last is not None and body.n > last + 1:
            self._add_missing(body.n - last - 1)
        if body.seat not in self._members:
            self._add_member(Member(body.seat, body.author, body.technique))
        if isinstance(body, Sent):  # an edit or deletion names a message by a seq of the stream
            self._add_event("sent", at, body.author, body.seat, body.technique, n=body.n, text=body.text)

    def _add_member(self, member: Member) -> None:
        """Add a member; of more than `MAX_AUTHORS` the oldest is dropped."""
        self._members[member.seat] = member
        if len(self._members) > MAX_AUTHORS:
            del self._members[next(seat for seat in self._members if seat != self.seat)]

    def _add_missing(self, count: int) -> None:
        """Give a place to each of ``count`` lost messages of an author, and report them."""
        self._lost += count
        missing = []
        for _ in range(min(count, MAX_NAMED)):
            self._seq += 1
            missing.append(Missing(self._seq, self._seq - 1))
        self._add(MissingEvents(tuple(missing)))

    def _add_event(
        self, kind: Any, at: int, author: str, seat: str, technique: str, *, n: int = 0, text: str = ""
    ) -> None:
        self._seq += 1
        id = self._seq if kind == "sent" else 0
        self._add(Event(kind, self._seq, self._seq - 1, at, author, seat, technique, n, id, text))

    def _add(self, item: Event | MissingEvents) -> None:
        self._unread.append(item)
        self._changed.set()

    async def events(self) -> AsyncIterator[Sequence[Event | MissingEvents]]:
        self.link  # noqa: B018  # raises if there is none
        while self._unread or self._reason is None:
            if not self._unread:
                self._changed.clear()
                await self._changed.wait()
                continue
            batch, read = list[Event | MissingEvents](), 0
            while self._unread and len(batch) < self.limits.page:
                if isinstance(item := self._unread.popleft(), int):
                    read = item
                else:
                    batch.append(item)
            if batch:
                yield batch
            if read and self._queue is not None:
                self._queue.ack(read, multiple=True)
        if not self._closing and self._reason is not None:
            raise self._reason

    def on_end(self, reason: ChatError) -> None:
        self._changed.set()

    def activity(self) -> str:
        lost = self.counts()["lost"]
        return super().activity() or (f"fanout, {lost} lost" if lost else N_("fanout, no history"))

    def counted(self) -> Mapping[str, int]:
        return {"lost": self._lost}

    # --- drafts --------------------------------------------------------------------------------

    async def send(self, draft: Draft) -> Ack:
        """Publish a draft. The publisher confirm is its acknowledgement, whoever reads the message then.

        Returns:
            An acknowledgement with seq 0: an exchange gives no place.
        """
        link = self.link
        if not isinstance(draft, Say):
            raise ChatError(
                "in fanout mode no message can be changed: there is no order that all share to name it by; "
                "use --mode stream",
                n=draft.n,
            )
        body = self.body(draft)
        self.check_rate(draft.n)
        await self.publish(link, body, link.next_id())
        return Ack(draft.n, 0)

    # --- requests ------------------------------------------------------------------------------

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        self.link  # noqa: B018  # raises if there is none
        return []

    async def members(self) -> list[Member]:
        self.link  # noqa: B018  # raises if there is none
        return list(self._members.values())

    async def ping(self) -> float:
        self.link  # noqa: B018  # raises if there is none
        if self._queue is None:
            raise ConnectionLost("not connected")
        start = time.perf_counter()
        await self._queue.call("queue_declare", queue=names.own_queue(self.room, self.nick), passive=True)
        return time.perf_counter() - start
