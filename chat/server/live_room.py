"""A room with its connections: a replica of the room, the seats of this node, the fan-out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from chat.domain.classroom import PREFIX
from chat.domain.errors import ChatError, Closing, Full, NickTaken, SeatGone, SeatTaken
from chat.domain.model import (
    Ack,
    Body,
    Event,
    Hello,
    Joined,
    Member,
    Resumed,
    Welcome,
)
from chat.domain.room import MemberState, Outcome, event_of
from chat.domain.room_replica import RoomReplica
from chat.domain.seat_key import key_of_new_seat
from chat.domain.validation import nick_key, seat_name
from chat.interfaces.log import Committed, Pending
from chat.interfaces.server import Sink
from chat.language import N_
from chat.server.arrivals import Origin
from chat.server.cursors import check_cursor, wire_epoch
from chat.server.fanout import Channel, Mailbox
from chat.server.long_polls import LongPolls
from chat.server.node import Node
from chat.server.pending import Decision
from chat.server.seat import HubSeat
from chat.server.supervision import Supervision
from chat.transport.deadlines import Deadlines

REPLICATION_TIMEOUT = 5.0
"""Seconds to wait for an event that another node of the shared log has already sent to the client."""


MOVED = N_("the seat has moved to another server and continues there")


class LiveRoom:
    """A room that is loaded on this node."""

    def __init__(self, node: Node, name: str, all_seats: dict[str, HubSeat]) -> None:
        """Prepare an empty room; the hub loads it. ``all_seats``: those of every room of this node."""
        self.name = name
        self.limits = node.limits
        self.node_name = node.name
        self.pages = node.pages
        self.records = node.records
        self.replica = RoomReplica()
        self.state = self.replica.state
        self.foresee = self.state.foresee if node.log.shared else self.state.check_draft
        """Returns how the room would refuse a draft; None if it would not, or if that is not certain."""
        self.supervision = Supervision(node.teacher, shared=node.log.shared)
        self.returning = Deadlines(HubSeat.expire)
        self.long_polls = LongPolls()
        self.seats: dict[str, HubSeat] = {}
        """The seats of this node, by public name."""
        self.moved: set[str] = set()
        """The public names of seats that were at this node and continue at another one."""
        self._node = node
        self._log = node.log
        self._all_seats = all_seats
        self._channels: dict[type[Sink[Any]], Channel] = {}
        self._asked = (0, 0, -1)  # what `_recent` is: after this seq, so many, at this head
        self._recent: list[Event] | None = None
        self._own = True  # this node wrote the newest entry
        self._arriving = 0  # hellos that are served
        self._empty_since: float | None = None

    @property
    def epoch(self) -> str:
        return wire_epoch(self.state.epoch, self._log)

    @property
    def head(self) -> int:
        return self.state.head

    @property
    def closing(self) -> bool:
        return self._node.closing

    def empty_for(self, now: float) -> float | None:
        """Return the seconds since it was first seen to be empty; None: somebody uses it."""
        if self.state.members or self.seats or self._arriving or self.long_polls:
            self._empty_since = None
            return None
        if self._empty_since is None:
            self._empty_since = now
        return now - self._empty_since

    # --- from the log to the connections -------------------------------------------------------

    def apply(self, item: Committed) -> None:
        """Let the room decide about a committed entry, and hand the event to the channels."""
        entry, pending = item.entry, item.pending
        outcome = self.replica.apply(entry)
        if type(outcome) is Event:
            if outcome.kind != "sent" or outcome.text.startswith(PREFIX):
                self.supervision.decided(entry, outcome)
            for channel in self._channels.values():
                channel.pending.append(outcome)
            if outcome.kind in ("left", "resumed"):
                self._seat_moved(outcome)
        elif outcome is not None:
            self._log.refuse(self.name, entry.seq)
        if pending is None:
            self._own = False
        else:
            self._own = True
            pending.decided(outcome)

    def _seat_moved(self, event: Event) -> None:
        """Handle that a seat has left, or has resumed here or at another node."""
        seat = self.seats.get(event.seat)
        reason: ChatError | None = None
        if event.kind == "left":
            self.moved.discard(event.seat)
            if seat is not None and not seat.leaving:
                reason = Closing("your seat has ended, because you seemed to be gone: join again")
        elif self.state.members[event.seat].node == self.node_name:
            self.moved.discard(event.seat)
            return
        elif seat is not None:
            self.moved.add(event.seat)
            reason = SeatTaken(MOVED)
        if seat is None:
            return
        self._remove_seat(seat)
        if event.kind == "left":
            seat.report("left", code="gone" if seat.expired else "left")
        self.flush(now=True)  # the owner still sees what happened before
        seat.end(reason)

    def flush(self, *, now: bool = False) -> None:
        """Write what is pending to the connections, wake long polls, and write a checkpoint if one is due."""
        if not self.closing and (checkpoint := self.replica.take_checkpoint(own=self._own)):
            self.submit(checkpoint)
        for channel in self._channels.values():
            channel.flush(now=now)
        self.long_polls.wake()

    def stop(self) -> None:
        """Write what is pending, and stop every timer."""
        self.flush(now=True)
        self.long_polls.stop()
        self.returning.stop()

    # --- from the seats to the log -------------------------------------------------------------

    def submit(self, body: Body, pending: Pending | None = None) -> None:
        """Append an entry to the room's log."""
        self._log.append(self.name, body, pending)

    def decide(
        self, body: Body, refused: Callable[[ChatError | Ack], None] | None = None
    ) -> Awaitable[Outcome]:
        """Append an entry of this node itself; the room's decision can be awaited.

        Args:
            body: the entry.
            refused: called if the entry does not become an event, even if the caller was cancelled.
        """
        decision = Decision(refused)
        self.submit(body, decision)
        return decision.outcome

    def highest_number(self, seat: str) -> int:
        member = self.state.members.get(seat)
        return member.n if member else 0

    def accepted(self, seat: str, n: int) -> bool:
        return self.state.accepted(seat, n)

    def node_of(self, seat: str) -> str:
        member = self.state.members.get(seat)
        return member.node if member else ""

    # --- joining -------------------------------------------------------------------------------

    async def take_seat(self, hello: Hello, nick: str, technique: str, origin: Origin) -> HubSeat:
        """Give a new seat, or give one back to its owner. Raises a `ChatError` that says why not."""
        self._arriving += 1
        try:
            cursor = hello.cursor
            if cursor and self._log.shared and cursor.epoch == self.epoch:
                await self._wait_for(cursor.seq)
            self.replica.first = await self._log.first(self.name)
            if cursor:
                await check_cursor(cursor, self.name, self.replica, self._log)
            new = key_of_new_seat(hello.seat_key, self.name, nick)
            # The new seat may be there: its welcome was lost. But not if its key was made up just now.
            for key in (hello.seat_key, new) if hello.seat_key else ():
                seat = await self._given_back(key, nick, technique, origin)
                if seat is not None:
                    break
            else:
                seat = await self._join(nick, new, technique, origin)
            seat.begin(await self._replay_from(hello))
            return seat
        finally:
            self._arriving -= 1

    async def _given_back(self, key: str, nick: str, technique: str, origin: Origin) -> HubSeat | None:
        """Give the seat that this key opens back to its owner; return None if there is none for this nick."""
        seat = self._seat_of(seat_name(key), nick)
        if (
            seat is None
            or nick_key(seat.nick) != nick_key(nick)
            or not await self._resume(seat, technique, origin)
        ):
            return None
        seat.key = key
        self._node.arrivals.seated(seat.seat, origin)
        seat.report("resumed", peer=origin.address)
        return seat

    async def _wait_for(self, seq: int) -> None:
        """Wait for an event that another node of this log has already sent to the client."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + REPLICATION_TIMEOUT
        while self.head < seq and (left := deadline - loop.time()) > 0:
            await self.long_polls.wait(left)

    def _seat_of(self, name: str, nick: str) -> HubSeat | None:
        """Return the seat, also one that is at another node and is about to move here."""
        if (seat := self.seats.get(name)) is not None:
            return seat
        member = self.state.members.get(name)
        if member is None or nick_key(member.author) != nick_key(nick):
            return None
        return HubSeat(self, name, member.author, member.technique)

    async def _resume(self, seat: HubSeat, technique: str, origin: Origin) -> bool:
        """Give a seat back to its owner; return False if the seat has just ended."""
        here = seat.seat in self.seats
        if here:
            seat.count_return()
        seat.renew_grace()
        joining = not self.node_of(seat.seat)  # the first hello waits for its entry, and this one behind it
        if seat.technique != technique or seat.leaving or joining or not here:
            self._node.arrivals.count_entry(origin)
            body = Resumed(seat.seat, seat.nick, technique, self.node_name)
            # Added before the entry is appended: when the entry comes back it must find its seat.
            self.add_seat(seat)
            outcome = await self.decide(body, None if here else lambda _: self._not_given(seat))
            if isinstance(outcome, SeatGone):
                return False
            if isinstance(outcome, ChatError):
                raise outcome
            seat.technique, seat.leaving = technique, False
        return not seat.ended  # it may have ended by a later entry of the same batch

    async def _join(self, nick: str, key: str, technique: str, origin: Origin) -> HubSeat:
        if self.closing:
            raise Closing("the server is going down")
        if len(self._all_seats) >= self.limits.seats:
            raise Full(f"this server has {self.limits.seats} seats and all are taken")
        self._node.arrivals.check_seats(origin)
        seat = HubSeat(self, seat_name(key), nick, technique)
        seat.key = key
        body = Joined(seat.seat, nick, nick_key(nick), technique, self.node_name)
        # At another node the owner of the name may have left a moment ago: only the log can decide.
        elsewhere = self._log.shared and self.state.seat_of(body.key) not in self.seats
        if not elsewhere and (refusal := self.state.check(body)):
            raise self._refusal(refusal, body)
        self._node.arrivals.count_entry(origin)
        # Added before the entry is appended: when the entry comes back it must find its seat.
        self.add_seat(seat)
        self._node.arrivals.seated(seat.seat, origin)
        outcome = await self.decide(body, lambda _: self._not_given(seat))
        if not isinstance(outcome, Event):
            raise self._refusal(outcome, body)
        seat.report("joined", peer=origin.address)
        return seat

    def add_seat(self, seat: HubSeat) -> None:
        """Make the seat known to its room, and to calls that bring its key."""
        self._all_seats[seat.seat] = self.seats[seat.seat] = seat

    def _remove_seat(self, seat: HubSeat) -> None:
        self._all_seats.pop(seat.seat, None)
        self.seats.pop(seat.seat, None)
        self._node.arrivals.ended(seat.seat)

    def _not_given(self, seat: HubSeat) -> None:
        """Remove a seat that the room refused, or that could not move here."""
        self._remove_seat(seat)
        seat.end()

    def _refusal(self, refusal: object, body: Joined) -> ChatError:
        """Return why the join is refused; if the name's owner is away, with the seconds until it is free."""
        if isinstance(refusal, NickTaken):
            name = self.state.seat_of(body.key)
            owner, member = self.seats.get(name), self.state.members.get(name)
            if owner is not None:
                left = owner.expires_in()
            else:
                left = self._node.expires_in(member.node) if member is not None else None
            if left is not None:
                return NickTaken(
                    f"{body.author} is away, and keeps the name for {left:.0f} s more", retry_after=left
                )
        assert isinstance(refusal, ChatError)
        return refusal

    async def _replay_from(self, hello: Hello) -> int:
        """Return the seq after which the replay begins."""
        if hello.cursor is not None:
            return hello.cursor.seq
        count = hello.events(self.limits)
        if (start := self.replica.replay_from(count)) is not None:
            return start
        prev, _ = await self._log.read(self.name, before=self.head + 1, limit=count)
        return prev

    def welcome(self, seat: HubSeat) -> Welcome:
        """Return the welcome for the owner of a seat."""
        return Welcome(
            room=self.name,
            nick=seat.nick,
            seat=seat.seat,
            seat_key=seat.key,
            epoch=self.epoch,
            first=min(self.replica.first, self.head),
            head=self.head,
            n=max(seat.n, self.highest_number(seat.seat)),
            members=self.replica.members(),
            limits=self.limits,
        )

    def members(self) -> list[Member]:
        """Return the members; those at this node with how far they have read."""
        seats, members = self.seats, self.replica.members()
        return [seats[one.seat].placed(one) if one.seat in seats else one for one in members]

    def behind(self) -> dict[str, int]:
        """Return how many seqs owners of seats here lack, by public name: of those who lack some."""
        return {name: behind for name, seat in self.seats.items() if (behind := seat.behind)}

    def seats_by_node(self) -> Iterable[MemberState]:
        return self.state.members.values()

    # --- reading -------------------------------------------------------------------------------

    async def history(self, after: int | None, before: int | None, limit: int) -> list[Event]:
        """Return accepted events up to the head, ascending, at most `Limits.page`."""
        limit = max(1, min(limit, self.limits.page))
        if (page := self.replica.page(after, before, limit)) is not None:
            return page
        if after is None:
            before = self.head + 1 if before is None else min(before, self.head + 1)
        prev, entries = await self._log.read(self.name, after=after, before=before, limit=limit)
        events = []
        for entry in entries:
            if entry.seq > self.head:
                break
            events.append(event_of(entry, prev))
            prev = entry.seq
        return events

    def recent(self, after: int, limit: int) -> list[Event] | None:
        """Return the first events after a seq, the same list to all who ask; None: they are not in memory."""
        asked = (after, limit, self.state.head)
        if asked != self._asked:
            self._asked = asked
            self._recent = self.replica.page(after, None, max(1, min(limit, self.limits.page)))
        return self._recent

    # --- fan-out -------------------------------------------------------------------------------

    def channel(self, sink: Sink[Any]) -> Channel:
        """Return the channel of the sink's technique."""
        kind = type(sink)
        if kind not in self._channels:
            self._channels[kind] = Channel(
                kind, self.replica.ring, self.head, self._read_page, self._node.backlog
            )
        return self._channels[kind]

    def _read_page(self, mailbox: Mailbox) -> None:
        """Read a page of the log for a mailbox that is further behind than the ring reaches."""

        async def read() -> None:
            try:
                events = await self.history(mailbox.cursor, None, self.limits.page)
            except ChatError as error:
                mailbox.cut(error)
            else:
                mailbox.take(events)

        self._node.keep(asyncio.create_task(read()))
