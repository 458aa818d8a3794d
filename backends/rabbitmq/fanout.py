"""``--mode fanout``: the textbook's way. An own queue is bound to the exchange, and is all one reads.

The exchange copies a message into every queue that is bound at that moment, and forgets it. So there is no
history, no order that all share, and no place in the room by which a message could be named. A queue holds so
much, and drops its oldest message for the newest one: a slow reader loses, and sees by the authors' numbers
what. Names are kept by the broker alone: who has the exclusive queue of a nick has the nick.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pika

from backends.rabbitmq import names
from backends.rabbitmq.amqp import Channel, Refused
from backends.rabbitmq.codec import unpack
from backends.rabbitmq.member import Member
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
    Missing,
    MissingEvents,
    Resumed,
    Say,
    Sent,
    Welcome,
)
from chat.domain.model import Member as Person
from chat.domain.validation import clean_nick, clean_room, nick_key, seat_name

AHEAD = 100
"""Messages that may be on their way to us unacknowledged; the others wait in our queue, or fall out of it."""
AUTHORS = 2000
"""Seats that are known: for the list of members, and by the newest number, to notice what got lost."""
NAMED = 1000
"""Lost messages that are told one by one; of more, only the newest."""
NOTICE = "fanout: no history, who comes late sees nothing, who is slow loses; --mode stream keeps everything"


class FanoutClient(Member):
    """One person who listens to a room's exchange."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._news: deque[Event | MissingEvents | int] = deque()
        """What `events` has yet to yield; a number: the delivery that is to be acknowledged then."""
        self._stirred = asyncio.Event()
        self._seq = 0
        self._numbers: OrderedDict[str, int] = OrderedDict()
        """By seat, the newest number that was seen."""
        self._people: dict[str, Person] = {}
        self._queue: Channel | None = None
        self._waiting: dict[int, asyncio.Future[Ack]] = {}
        self._lost = 0

    # --- coming in -----------------------------------------------------------------------------

    async def connect(self, hello: Hello) -> Welcome:
        self.room, self.nick = clean_room(hello.room), clean_nick(hello.nick)
        if hello.cursor is not None and hello.cursor.seq:
            raise StaleCursor("fanout keeps nothing: what was said meanwhile is lost, or never was for you")
        link = await self.open_link(hello.access)
        await declare(link, self.room, stream=False)
        key = hello.seat_key or secrets.token_urlsafe(16)
        self.seat = seat_name(key)
        self._queue = await link.consuming.channel(prefetch=AHEAD)
        await self._own_queue(self._queue)
        self._queue.closed.add_done_callback(lambda closed: self.lost(closed.result()))
        try:
            await presence(link, self.seat, lambda _: None)
        except Refused as error:
            if not error.locked:
                raise
            raise ConnectionLost("your other connection has the seat still", retry_after=1.0) from None
        await self.write_will(link)
        me = Joined(self.seat, self.nick, nick_key(self.nick), self.technique, self.seat)
        await self.publish(link, me, link.next_id())
        self._people[self.seat] = Person(self.seat, self.nick, self.technique)
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
            members=tuple(self._people.values()),
            limits=self.limits,
        )

    async def _own_queue(self, channel: Channel) -> None:
        """Declare it, and listen. Raises `NickTaken` where somebody else has it."""
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
        entry = unpack(0, data)
        if entry is not None:
            self._read(entry.at, entry.body)
        self._news.append(method.delivery_tag)
        self._stirred.set()

    def _read(self, at: int, body: Body) -> None:
        match body:
            case Joined() | Resumed():
                self._meet(Person(body.seat, body.author, body.technique))
                self._happens(
                    "joined" if isinstance(body, Joined) else "resumed",
                    at,
                    body.author,
                    body.seat,
                    body.technique,
                )
            case Left():
                if self._people.pop(body.seat, None) is not None:
                    self._happens("left", at, body.author, body.seat, body.technique)
            case Sent() | Edited() | Deleted():
                self._said(at, body)

    def _said(self, at: int, body: Sent | Edited | Deleted) -> None:
        last = self._numbers.pop(body.seat, None)
        if last is not None and body.n <= last:
            self._numbers[body.seat] = last
            return  # a copy, sent again by somebody who got no confirm
        self._numbers[body.seat] = body.n
        while len(self._numbers) > AUTHORS:
            self._numbers.popitem(last=False)
        if last is not None and body.n > last + 1:
            self._miss(body.n - last - 1)
        if body.seat not in self._people:
            self._meet(Person(body.seat, body.author, body.technique))
        if isinstance(body, Sent):  # a change names a message by a place that we do not know
            seq = self._happens("sent", at, body.author, body.seat, body.technique, n=body.n, text=body.text)
            if body.seat == self.seat and (waiting := self._waiting.get(body.n)) and not waiting.done():
                waiting.set_result(Ack(body.n, seq))

    def _meet(self, person: Person) -> None:
        """Somebody is here; of too many, who was met longest ago is forgotten."""
        self._people[person.seat] = person
        if len(self._people) > AUTHORS:
            del self._people[next(seat for seat in self._people if seat != self.seat)]

    def _miss(self, count: int) -> None:
        """So many messages of somebody did not come; each gets a place."""
        self._lost += count
        missing = []
        for _ in range(min(count, NAMED)):
            self._seq += 1
            missing.append(Missing(self._seq, self._seq - 1))
        self._tell(MissingEvents(tuple(missing)))

    def _happens(
        self, kind: Any, at: int, author: str, seat: str, technique: str, *, n: int = 0, text: str = ""
    ) -> int:
        self._seq += 1
        id = self._seq if kind == "sent" else 0
        self._tell(Event(kind, self._seq, self._seq - 1, at, author, seat, technique, n, id, text))
        return self._seq

    def _tell(self, news: Event | MissingEvents) -> None:
        self._news.append(news)
        self._stirred.set()

    async def events(self) -> AsyncIterator[Sequence[Event | MissingEvents]]:
        self.link  # noqa: B018  # raises where there is none
        while self._news or self._end is None:
            if not self._news:
                self._stirred.clear()
                await self._stirred.wait()
                continue
            batch, read = list[Event | MissingEvents](), 0
            while self._news and len(batch) < self.limits.page:
                if isinstance(news := self._news.popleft(), int):
                    read = news
                else:
                    batch.append(news)
            if batch:
                yield batch
            if read and self._queue is not None:
                self._queue.ack(read, multiple=True)
        if not self._closing and self._end is not None:
            raise self._end

    def ended(self, reason: ChatError) -> None:
        self._stirred.set()

    def activity(self) -> str:
        return super().activity() or (f"fanout, {self._lost} lost" if self._lost else "fanout, no history")

    # --- speaking ------------------------------------------------------------------------------

    async def send(self, draft: Draft) -> Ack:
        """Publish; acknowledged when the broker has it, whoever reads it then."""
        link = self.link
        if not isinstance(draft, Say):
            raise ChatError(
                "in fanout mode no message can be changed: there is no order that all share to name it by; "
                "use --mode stream",
                n=draft.n,
            )
        body = self.body(draft)
        self.take_pace(draft.n)
        own: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._waiting[draft.n] = own
        try:
            await self.publish(link, body, link.next_id())
        finally:
            self._waiting.pop(draft.n, None)
        return own.result() if own.done() else Ack(draft.n, 0)

    # --- asking --------------------------------------------------------------------------------

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        self.link  # noqa: B018  # raises where there is none
        return []

    async def members(self) -> list[Person]:
        self.link  # noqa: B018  # raises where there is none
        return list(self._people.values())

    async def ping(self) -> float:
        self.link  # noqa: B018  # raises where there is none
        assert self._queue is not None
        start = time.perf_counter()
        await self._queue.call("queue_declare", queue=names.own_queue(self.room, self.nick), passive=True)
        return time.perf_counter() - start
