"""The client in stream mode: it reads the room's stream, and applies the room's rules to it itself.

No server orders the messages. A draft is published to the room's exchange and comes out of the stream with a
place that is the same for all readers. `Room.apply` decides about it there, and only then it is acknowledged.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import cast

import pika

from backends.rabbitmq import names, replica_cache
from backends.rabbitmq.amqp import Channel
from backends.rabbitmq.amqp_errors import Refused
from backends.rabbitmq.base_client import BrokerClient
from backends.rabbitmq.codec import APP
from backends.rabbitmq.room_reader import RoomReader
from backends.rabbitmq.stream import Link
from backends.rabbitmq.will import is_present, presence
from chat.domain.errors import ChatError, ConnectionLost, Full, NickTaken, SeatTaken
from chat.domain.json_depth import too_deep
from chat.domain.model import Ack, Draft, Event, Hello, Joined, Member, MissingEvents, Resumed, Welcome
from chat.domain.room import Outcome
from chat.domain.room_replica import RoomReplica
from chat.domain.seat_key import key_of_new_seat
from chat.domain.validation import clean_nick, clean_room, nick_key, seat_name
from chat.interfaces.address import Address
from chat.interfaces.client import ClientOptions
from chat.language import N_

TAKEOVER_TIMEOUT = 2.0
"""Seconds until an older connection of the same seat has given the seat up, after it was asked to."""
TAKEOVER_RETRY = 0.05
"""Seconds between two attempts to take the seat over."""


class RabbitClient(BrokerClient):
    """One person's seat in a room that a broker keeps."""

    def __new__(cls, address: Address, options: ClientOptions | None = None) -> BrokerClient:  # type: ignore[misc]
        """Return a client of the mode that was chosen: this class, or `FanoutClient`."""
        if (options or ClientOptions()).settings.get("mode") == "fanout":
            from backends.rabbitmq.fanout import FanoutClient

            return FanoutClient(address, options)
        return super().__new__(cls)

    def __init__(self, address: Address, options: ClientOptions | None = None) -> None:
        super().__init__(address, options)
        self._reader: RoomReader | None = None
        self._previous_seat = ""  # the seat that the user wants to continue
        self._presence: Channel | None = None
        self._disconnecting: asyncio.Future[None] | None = None

    # --- connecting ----------------------------------------------------------------------------

    async def connect(self, hello: Hello) -> Welcome:
        self.room, self.nick = clean_room(hello.room), clean_nick(hello.nick)
        link = await self.open_link(hello.access)
        replica = RoomReplica()
        if hello.cursor is not None and hello.seat_key:
            self._previous_seat = seat_name(hello.seat_key)
            replica = replica_cache.take(self.address.url, self.room, self._previous_seat)
        self._reader = reader = RoomReader(
            link,
            self.room,
            replica,
            on_event=self._on_event,
            on_lost=self._on_lost,
            on_passed_over=self.passed_over,
        )
        await reader.load()
        replica = reader.replica
        if hello.cursor is not None:
            replica.check_cursor(hello.cursor, self.room)
        if await self.without_servers(link):
            self._notices = [
                N_(f"this room is in the broker; to open it to other techniques, run: {self._serve()}")
            ]
        key = await self._take_seat(link, reader, hello.seat_key)
        reader.start_after(await self._replay_from(reader, hello))
        return Welcome(
            room=self.room,
            nick=self.nick,
            seat=self.seat,
            seat_key=key,
            epoch=replica.epoch,
            first=replica.first,
            head=replica.head,
            n=replica.state.members[self.seat].n,
            members=tuple(replica.members()),
            limits=self.limits,
        )

    def _serve(self) -> str:
        """Return the command that opens this broker's rooms to other techniques."""
        if self.options.found:
            return "chat serve --broker"
        host = names.virtual_host(self.address)
        return f"chat serve --log amqp://USER:PASSWORD@{self.address}/{'' if host == '/' else host}"

    async def _replay_from(self, reader: RoomReader, hello: Hello) -> int:
        """Return the seq after which the replay begins."""
        if hello.cursor is not None:
            return hello.cursor.seq
        count = hello.events(self.limits)
        if (start := reader.replica.replay_from(count)) is not None:
            return start
        page = await reader.page(after=None, before=None, limit=count)
        return page[0].prev if page else reader.replica.head

    # --- the seat ------------------------------------------------------------------------------

    async def _take_seat(self, link: Link, reader: RoomReader, key: str) -> str:
        """Join, or resume the seat of this key; return the seat key."""
        state = reader.replica.state
        member = state.members.get(seat_name(key)) if key else None
        if member is None or nick_key(member.author) != nick_key(self.nick):
            key = key_of_new_seat(key, self.room, self.nick)  # it may be there: the connection broke before
            member = state.members.get(seat_name(key))
        self.seat = seat = seat_name(key)
        joined = Joined(seat, self.nick, nick_key(self.nick), self.technique, seat)
        if member is None and (refusal := state.check(joined)) is not None:
            raise await self._join_error(link, reader, refusal)
        if member is None and len(state.members) >= self.limits.seats:
            raise Full(f"the room has {self.limits.seats} seats and all are taken")
        await self._declare_presence(link, key)
        await self.write_will(link)
        if member is None:
            outcome = await reader.decide(joined)
            if not isinstance(outcome, Event):
                if self._will is not None:
                    await self._will.revoke()
                self._left = None  # there is no seat to leave
                raise await self._join_error(link, reader, outcome)
        else:
            self.nick = member.author
            if (member.technique, member.node) != (self.technique, seat):
                outcome = await reader.decide(Resumed(seat, self.nick, self.technique, seat))
                if not isinstance(outcome, Event):
                    raise ConnectionLost("the seat ended while you were coming back: join again")
        if seat not in state.members:
            raise ConnectionLost("the seat ended while you were coming back: join again")
        return key

    async def _join_error(self, link: Link, reader: RoomReader, refusal: Outcome) -> ChatError:
        """Return why the user can't join; if the name's owner is away, with the longest time to wait."""
        state = reader.replica.state
        if isinstance(refusal, NickTaken):
            owner = state.members.get(state.seat_of(nick_key(self.nick)))
            if owner is not None and not await is_present(link, owner.node):
                grace = self.limits.grace
                return NickTaken(
                    f"{owner.author} is away, and keeps the name for up to {grace:.0f} s more",
                    retry_after=grace,
                )
        return cast(ChatError, refusal)

    async def _declare_presence(self, link: Link, key: str) -> None:
        """Declare the presence queue. If an older connection of this seat owns it, ask that one to end."""
        deadline = time.monotonic() + TAKEOVER_TIMEOUT
        while True:
            try:
                self._presence = await presence(link, self.seat, self._on_takeover)
                return
            except Refused as error:
                if not error.locked:
                    raise
            if time.monotonic() > deadline:
                raise ConnectionLost(
                    f"another client of yours holds the seat and does not answer: the broker ends it within "
                    f"{3 * names.HEARTBEAT} s",
                    retry_after=TAKEOVER_TIMEOUT,
                )
            link.publisher.publish(
                "",
                names.presence(self.seat),
                json.dumps({"seat_key": key}).encode(),
                pika.BasicProperties(content_type="application/json", type=f"{APP}.takeover"),
            )
            await asyncio.sleep(TAKEOVER_RETRY)

    def _on_takeover(self, body: bytes) -> None:
        """Give the seat up to a client that shows its seat key."""
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            if not too_deep(body) and seat_name(json.loads(body)["seat_key"]) == self.seat:
                self._disconnect(SeatTaken("another connection has taken this seat over"))

    # --- from the stream -----------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        """End if the event says that this client no longer has the seat."""
        if event.seat != self.seat or self._reader is None:
            return
        if event.kind == "left" and not self._closing:
            self._disconnect(ConnectionLost("your seat has ended, because you seemed to be gone: join again"))
        elif event.kind == "resumed" and self._reader.replica.state.members[self.seat].node != self.seat:
            self._disconnect(SeatTaken("the seat has moved to a server and continues there"))

    def _on_lost(self, reason: ChatError) -> None:
        if not self._closing and self._reason is None:
            self._disconnect(reason)

    def _disconnect(self, reason: ChatError) -> None:
        """End this connection, and publish nothing more."""
        self.end(reason)
        self._disconnecting = asyncio.ensure_future(self._close_link())

    async def _close_link(self) -> None:
        if self._will is not None:
            await self._will.stop()
        if self._link is not None:
            await self._link.close()

    async def events(self) -> AsyncIterator[Sequence[Event | MissingEvents]]:
        reader = self._joined()
        while True:
            try:
                batch, last = await reader.next_batch(self.limits.page)
            except ChatError:
                if self._closing:
                    return
                raise
            yield batch
            if last is not None:
                reader.ack(last)

    # --- drafts --------------------------------------------------------------------------------

    async def send(self, draft: Draft) -> Ack:
        reader = self._joined()
        body = self.body(draft)
        outcome: Outcome = reader.replica.state.foresee(body)
        if outcome is None:
            self.check_rate(draft.n)
            outcome = await reader.decide(body)
        if isinstance(outcome, Event):
            return Ack(draft.n, outcome.seq)
        if isinstance(outcome, Ack):
            return outcome
        raise cast(ChatError, outcome)

    # --- requests ------------------------------------------------------------------------------

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        limit = max(1, min(limit, self.limits.page))
        return await self._joined().page(after=after, before=before, limit=limit)

    async def members(self) -> list[Member]:
        return self._joined().replica.members()

    async def ping(self) -> float:
        self._joined()
        if self._presence is None:
            raise ConnectionLost("not connected")
        start = time.perf_counter()
        await self._presence.call("queue_declare", queue=names.presence(self.seat), passive=True)
        return time.perf_counter() - start

    def _joined(self) -> RoomReader:
        """Return the reader of the room. Raises a `ChatError` if the client has no seat."""
        self.link  # noqa: B018  # raises if there is none
        if self._reader is None:
            raise ConnectionLost("not connected")
        return self._reader

    # --- the end -------------------------------------------------------------------------------

    async def close(self, *, leave: bool = True) -> None:
        if self._closing:
            return
        seat_ends = (leave and self._reason is None) or (self._reason is not None and self._reason.final)
        await super().close(leave=leave)
        seat = self.seat or self._previous_seat
        if not seat_ends and seat and self._reader is not None and self._reader.replica.last is not None:
            replica_cache.keep(self.address.url, self.room, seat, self._reader.replica)

    def on_end(self, reason: ChatError) -> None:
        if self._reader is not None:
            self._reader.end(reason)
