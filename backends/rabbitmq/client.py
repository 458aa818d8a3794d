"""The client: everybody reads the room's stream, and decides by the same rules what it means.

No server keeps order here. A draft is published to the room's exchange, comes out of its stream with a place
that is the same for all, and `Room.apply` says to each of us what became of it: only then is it acknowledged.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from itertools import islice

import pika

from backends.rabbitmq import known, names
from backends.rabbitmq.amqp import Channel, Refused
from backends.rabbitmq.codec import APP
from backends.rabbitmq.known import Known
from backends.rabbitmq.member import Member
from backends.rabbitmq.past import Past
from backends.rabbitmq.stream import (
    READ_TIMEOUT,
    Delivery,
    Follower,
    Link,
    Start,
    begin_of_tail,
    boundary,
    enter_in_directory,
    knock,
    peek,
)
from backends.rabbitmq.will import is_present, presence
from chat.domain.errors import (
    BadRequest,
    ChatError,
    ConnectionLost,
    Full,
    NickTaken,
    SeatGone,
    StaleCursor,
    history_starts,
)
from chat.domain.model import Ack, Body, Draft, Event, Hello, Joined, MissingEvents, Resumed, Welcome
from chat.domain.model import Member as Person
from chat.domain.room import Outcome, event_of, replay_order
from chat.domain.validation import clean_nick, clean_room, nick_key, seat_name
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions

TURN = 500  # entries decided in one go
TAKE_OVER = 2.0
"""Seconds in which our other connection must give the seat back, when it is asked to."""
RETRY = 0.05


class RabbitClient(Member):
    """One person's seat in a room that lives in a broker."""

    def __new__(cls, address: Address, options: ClientOptions | None = None) -> Member:  # type: ignore[misc]
        """Return a client of the mode that was chosen: this one, or the textbook's."""
        if (options or ClientOptions()).settings.get("mode") == "fanout":
            from backends.rabbitmq.fanout import FanoutClient

            return FanoutClient(address, options)
        return super().__new__(cls)

    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self._known = Known()
        self._before = ""  # the seat that we came back for
        self._loading: list[Delivery] | None = []  # None: what comes is applied as it comes
        self._news: deque[tuple[Event, Delivery | None]] = deque()  # what `events` has yet to yield
        self._stirred = asyncio.Event()
        self._after = 0  # `events` begins there
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}  # own entries, by message id
        self._follower: Follower | None = None
        self._seated: Channel | None = None

    # --- coming in -----------------------------------------------------------------------------

    async def connect(self, hello: Hello) -> Welcome:
        self.room, self.nick = clean_room(hello.room), clean_nick(hello.nick)
        link = await self.open_link(hello.access)
        self._past = Past(lambda: self.link, self.room)
        if hello.cursor is not None and hello.seat_key:
            self._before = seat_name(hello.seat_key)
            self._known = known.recall(self.address.url, self.room, self._before)
        await self._load(link)
        self._check(hello)
        if await self.alone(link):
            self._notices = [f"this room lives in the broker; other techniques see it with: {self._serve()}"]
        key = await self._take_seat(link, hello.seat_key)
        self._begin_at(hello)
        state = self._known.state
        return Welcome(
            room=self.room,
            nick=self.nick,
            seat=self.seat,
            seat_key=key,
            epoch=state.epoch,
            first=self._known.first,
            head=state.head,
            n=state.members[self.seat].n,
            members=tuple(self._members()),
            limits=self.limits,
        )

    def _serve(self) -> str:
        if self.options.found:
            return "chat serve --broker"
        host = names.virtual_host(self.address)
        return f"chat serve --log amqp://USER:PASSWORD@{self.address}/{'' if host == '/' else host}"

    async def _load(self, link: Link) -> None:
        """Read what gives the room's state, and go on from there as it comes."""
        newest, id = await knock(link, self.room, int(time.time() * 1000))
        if not await self._is_known(link, newest):
            self._known = Known()
        room, last = self._known, self._known.last
        loaded = await self._read(link, begin_of_tail(newest) if last is None else last.seq, id)
        entries = [delivery.entry for delivery in loaded if delivery.entry is not None]
        if len(loaded) == 1 and loaded[0].id == id and last is None:
            await enter_in_directory(link, self.room)
        if loaded[0].offset:
            room.first = await boundary(link, self.room, "first") + 1
            if last is None:
                entries, _ = replay_order(entries)
        for place, entry in enumerate(entries, 1):
            room.apply(entry)
            if place % TURN == 0:
                await asyncio.sleep(0)
        # There is one: the knock, or what came with it.
        room.last = next(one.entry for one in reversed(loaded) if one.entry is not None)
        assert self._loading is not None
        late, self._loading = self._loading[len(loaded) :], None
        for delivery in late:
            self._apply(delivery)

    async def _is_known(self, link: Link, newest: int) -> bool:
        """Return whether the stream is the one that we have read before, and still has where we were."""
        last = self._known.last
        if last is None or last.seq > newest:
            return False
        return (await peek(link, self.room, last.seq - 1)).entry == last

    async def _read(self, link: Link, start: Start, id: str) -> list[Delivery]:
        """Follow the stream from there on; return what has come when the knock with this id has."""
        knocked: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[id] = knocked
        self._follower = await Follower.begin(link, self.room, start, self._delivered)
        self._follower.closed.add_done_callback(self._follower_ended)
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                await knocked
        except TimeoutError:
            raise ConnectionLost(
                f"the log of room {self.room} could not be read within {READ_TIMEOUT:.0f} s"
            ) from None
        assert self._loading is not None
        return list(self._loading)

    def _check(self, hello: Hello) -> None:
        cursor, state = hello.cursor, self._known.state
        if cursor is None:
            return
        if cursor.epoch and cursor.epoch != state.epoch:
            raise StaleCursor(f"room {self.room} has another log than the cursor's: begin without a cursor")
        if cursor.seq > state.applied:
            raise StaleCursor(
                f"the cursor {cursor.seq} is beyond the newest event {state.head} of room {self.room}: "
                "begin without a cursor"
            )
        if 0 < cursor.seq < self._known.first - 1:
            raise StaleCursor(history_starts(self._known.first))

    async def _take_seat(self, link: Link, key: str) -> str:
        """Come in, or come back; return the seat key."""
        seat = seat_name(key)
        member = self._known.state.members.get(seat) if key else None
        if member is None or nick_key(member.author) != nick_key(self.nick):
            key = secrets.token_urlsafe(16)
            seat, member = seat_name(key), None
        self.seat = seat
        joined = Joined(seat, self.nick, nick_key(self.nick), self.technique, seat)
        if member is None and (refusal := self._known.state.check(joined)) is not None:
            raise await self._taken(link, refusal)
        if member is None and len(self._known.state.members) >= self.limits.seats:
            raise Full(f"the room has {self.limits.seats} seats and all are taken")
        await self._be_present(link, key)
        await self.write_will(link)
        if member is None:
            outcome = await self._decided(link, joined)
            if not isinstance(outcome, Event):
                assert self._will is not None
                await self._will.revoke()
                self._left = None  # nobody was here who could leave
                raise await self._taken(link, outcome)
        else:
            self.nick = member.author
            if (member.technique, member.node) != (self.technique, seat):
                outcome = await self._decided(link, Resumed(seat, self.nick, self.technique, seat))
                if not isinstance(outcome, Event):
                    raise ConnectionLost("the seat ended while you came back: come in again")
        if seat not in self._known.state.members:
            raise ConnectionLost("the seat ended while you came back: come in again")
        return key

    async def _taken(self, link: Link, refusal: object) -> ChatError:
        """Return why we can't join; of a name's owner who is away that is said."""
        if isinstance(refusal, NickTaken):
            owner = self._known.state.members.get(self._known.state.seat_of(nick_key(self.nick)))
            if owner is not None and not await is_present(link, owner.node):
                grace = self.limits.grace
                return NickTaken(
                    f"{owner.author} is away, and keeps the name for up to {grace:.0f} s more",
                    retry_after=grace,
                )
        assert isinstance(refusal, ChatError)
        return refusal

    async def _be_present(self, link: Link, key: str) -> None:
        """Show that we are there; from an older connection of ours the seat is taken over."""
        deadline = time.monotonic() + TAKE_OVER
        while True:
            try:
                self._seated = await presence(link, self.seat, self._called)
                return
            except Refused as error:
                if not error.locked:
                    raise
            if time.monotonic() > deadline:
                raise ConnectionLost(
                    f"another client of yours holds the seat and does not answer: the broker ends it within "
                    f"{3 * names.HEARTBEAT} s",
                    retry_after=TAKE_OVER,
                )
            link.publisher.publish(
                "", names.presence(self.seat), json.dumps({"seat_key": key}).encode(), _takeover()
            )
            await asyncio.sleep(RETRY)

    def _called(self, body: bytes) -> None:
        """Somebody speaks to us alone: whoever shows our seat key takes the seat over."""
        with suppress(ValueError, TypeError, AttributeError):
            if seat_name(json.loads(body)["seat_key"]) == self.seat:
                self._leave_to(SeatGone("another connection has taken this seat over"))

    def _begin_at(self, hello: Hello) -> None:
        if hello.cursor is not None:
            self._after = hello.cursor.seq
        elif self._known.ring:
            self._after = self._known.ring[-min(self.limits.replay, len(self._known.ring))].prev
        replay = [(event, None) for event in self._known.ring if event.seq > self._after]
        live = {event.seq: (event, delivery) for event, delivery in self._news}
        self._news = deque(live.get(event.seq, (event, none)) for event, none in replay)

    # --- from the stream -----------------------------------------------------------------------

    def _delivered(self, follower: Follower, delivery: Delivery) -> None:
        if self._loading is None:
            self._apply(delivery)
            return
        self._loading.append(delivery)
        follower.ack(delivery)
        knocked = self._waiting.pop(delivery.id, None)
        if knocked is not None and not knocked.done():
            knocked.set_result(None)

    def _apply(self, delivery: Delivery) -> None:
        entry, outcome = delivery.entry, None
        if entry is not None:
            outcome = self._known.apply(entry)
        if isinstance(outcome, Event):
            self._news.append((outcome, delivery))
            self._stirred.set()
            if outcome.seat == self.seat:
                self._moved(outcome)
        elif not self._news and self._follower is not None:
            self._follower.ack(delivery)
        waiting = self._waiting.pop(delivery.id, None) if delivery.id else None
        if waiting is not None and not waiting.done():
            if entry is None:
                outcome = BadRequest("what was published came back as no entry of a log")
            waiting.set_result(outcome)
        state = self._known.state
        if entry is not None and state.checkpoint_due(own=waiting is not None) and self._end is None:
            state.checkpointed = state.applied
            assert self._link is not None
            self.publish(self._link, state.checkpoint(), self._link.next_id())

    def _follower_ended(self, closed: asyncio.Future[ChatError]) -> None:
        """The stream can't be read any more, and it is not us who ended it: somebody may have deleted it."""
        if not self._closing and self._end is None:
            reason = closed.result()
            self._leave_to(ConnectionLost(str(reason)) if isinstance(reason, Refused) else reason)

    def _moved(self, event: Event) -> None:
        """Something happened to our own seat."""
        if event.kind == "left" and not self._closing:
            self._leave_to(ConnectionLost("your seat was taken for deserted, and has ended: come in again"))
        elif event.kind == "resumed" and self._known.state.members[self.seat].node != self.seat:
            self._leave_to(SeatGone("the seat has moved to a server: it goes on there"))

    def _leave_to(self, reason: ChatError) -> None:
        """End here, without a word to the room."""
        self.over(reason)
        self._hanging_up = asyncio.ensure_future(self._hang_up())

    async def _hang_up(self) -> None:
        if self._will is not None:
            await self._will.stop()
        if self._link is not None:
            await self._link.close()

    async def events(self) -> AsyncIterator[Sequence[Event | MissingEvents]]:
        self.link  # noqa: B018  # raises where there is none
        while self._news and self._after < self._news[0][0].prev:
            page = await self.history(after=self._after, limit=self.limits.page)
            page = [event for event in page if event.seq < self._news[0][0].seq]
            if not page:
                break
            self._after = page[-1].seq
            yield page
        while True:
            if not self._news:
                if self._end is not None:
                    break
                self._stirred.clear()
                await self._stirred.wait()
                continue
            batch, last = list[Event](), None
            while self._news and len(batch) < self.limits.page:
                event, delivery = self._news.popleft()
                batch.append(event)
                last = delivery or last
            yield batch
            if last is not None and self._follower is not None:
                self._follower.ack(last)
        if not self._closing:
            raise self._end

    async def close(self, *, leave: bool = True) -> None:
        if self._closing:
            return
        over = (leave and self._end is None) or (self._end is not None and self._end.final)
        await super().close(leave=leave)
        if (seat := self.seat or self._before) and not over and self._known.last is not None:
            known.keep(self.address.url, self.room, seat, self._known)

    def ended(self, reason: ChatError) -> None:
        self._stirred.set()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(
                    reason
                    if not reason.final
                    else ConnectionLost(f"nobody knows whether it arrived: {reason}")
                )
                waiting.exception()
        self._waiting.clear()

    # --- speaking ------------------------------------------------------------------------------

    async def send(self, draft: Draft) -> Ack:
        link = self.link
        body = self.body(draft)
        outcome: Outcome = self._known.state.foresee(body)
        if outcome is None:
            self.take_pace(draft.n)
            outcome = await self._decided(link, body)
        if isinstance(outcome, Event):
            return Ack(draft.n, outcome.seq)
        if isinstance(outcome, Ack):
            return outcome
        assert isinstance(outcome, ChatError)
        raise outcome

    async def _decided(self, link: Link, body: Body) -> Outcome:
        """Publish an entry, and wait until it comes out of the stream and the room has decided."""
        if self._end is not None:
            raise self._end
        id = link.next_id()
        decided: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[id] = decided

        def confirmed(done: asyncio.Future[None]) -> None:
            if not done.cancelled() and (error := done.exception()) is not None and not decided.done():
                decided.set_exception(error)

        self.publish(link, body, id).add_done_callback(confirmed)
        try:
            return await decided  # `ended` sees to it that it does not wait for ever
        finally:
            self._waiting.pop(id, None)

    # --- asking --------------------------------------------------------------------------------

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        self.link  # noqa: B018  # raises where there is none
        limit = max(1, min(limit, self.limits.page))
        ring, head = self._known.ring, self._known.state.head
        if not ring or (after is not None and after >= head):
            return []
        if after is not None and after >= ring[0].prev:
            return list(islice((event for event in ring if event.seq > after), limit))
        if after is None:
            older = [event for event in ring if before is None or event.seq < before]
            if len(older) >= limit or ring[0].prev == 0:
                return older[-limit:]
        prev, entries = await self._past.read(after=after, before=before, limit=limit, head=head)
        events = []
        for entry in entries:
            events.append(event_of(entry, prev))
            prev = entry.seq
        return events

    async def members(self) -> list[Person]:
        self.link  # noqa: B018  # raises where there is none
        return self._members()

    def _members(self) -> list[Person]:
        return [Person(one.seat, one.author, one.technique) for one in self._known.state.members.values()]

    async def ping(self) -> float:
        self.link  # noqa: B018  # raises where there is none
        if self._seated is None:
            raise ConnectionLost("not connected")
        start = time.perf_counter()
        await self._seated.call("queue_declare", queue=names.presence(self.seat), passive=True)
        return time.perf_counter() - start


def _takeover() -> pika.BasicProperties:
    return pika.BasicProperties(content_type="application/json", type=f"{APP}.takeover")
