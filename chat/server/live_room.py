"""A room with its connections: the state, the newest events, the seats of this node."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chat.domain.errors import (
    ChatError,
    Closing,
    Full,
    NickTaken,
    SeatGone,
    StaleCursor,
    history_starts,
)
from chat.domain.model import (
    Body,
    Cursor,
    Deleted,
    Draft,
    Edited,
    Event,
    Hello,
    Joined,
    Member,
    Resumed,
)
from chat.domain.room import WINDOW, Outcome, Room, event_of
from chat.domain.validation import nick_key, seat_name
from chat.interfaces.log import Committed
from chat.interfaces.server import Sink
from chat.server.fanout import Channel, Mailbox, Ring
from chat.server.seat import HubSeat

if TYPE_CHECKING:
    from chat.server.hub import Hub


TURN = 500  # entries replayed in one go


SEARCHES = 2
"""Searches for the last change of an old message that read the log together; others wait."""


BEHIND = 5.0
"""Seconds in which what another server of a shared log has shown comes here too, or never will."""


class LiveRoom:
    """A room with its connections: the state, the newest events, the seats of this node."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        self.name = name
        self.state = Room()
        self.ring = Ring()
        self.seats: dict[str, HubSeat] = {}
        self._channels: dict[type[Sink[Any]], Channel] = {}
        self._waiting: set[asyncio.Future[None]] = set()  # long polls
        self._own = True  # the newest entry is one of this node's
        self.first = 1
        """The seq of the oldest entry that is kept; as of the last time somebody came in."""

    @property
    def epoch(self) -> str:
        return self.state.epoch

    @property
    def head(self) -> int:
        return self.state.head

    # --- from the log to the people ------------------------------------------------------------

    def apply(self, item: Committed) -> None:
        outcome = self.state.apply(item.entry)
        if type(outcome) is Event:
            self.ring.append(outcome)
            for channel in self._channels.values():
                channel.pending.append(outcome)
            if outcome.kind in ("left", "resumed") and (seat := self.seats.get(outcome.seat)):
                self._ended(seat, outcome)
        elif outcome is not None:
            self.hub.log.refuse(self.name, item.entry.seq)
        self._own = item.note is not None
        if item.note is not None:
            reply, draft = item.note
            reply(draft, outcome)

    def _ended(self, seat: HubSeat, event: Event) -> None:
        """A seat of this node has left, or moved: to here, where it is, or to another node."""
        reason: ChatError | None = None
        if event.kind == "left" and not seat.leaving:
            reason = Closing("you were taken for gone, and have left: come in again")
        elif event.kind == "resumed":
            if self.state.members[seat.seat].node == self.hub.node:
                return
            reason = SeatGone("the seat has moved to another server, and goes on there")
        self.hub.strike(seat)
        self.flush(now=True)  # who leaves still sees what happened before
        seat.end(reason)

    def flush(self, *, now: bool = False) -> None:
        if self.state.checkpoint_due(own=self._own) and not self.hub.closing:
            self.state.checkpointed = self.state.applied
            self.hub.log.append(self.name, self.state.checkpoint(), None)
        for channel in self._channels.values():
            channel.flush(now=now)
        if self._waiting:
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_result(None)
            self._waiting.clear()

    def quiet(self) -> None:
        self.flush(now=True)
        for seat in self.seats.values():
            seat.quiet()

    async def decide(self, body: Body, refused: Callable[[], None] | None = None) -> Outcome:
        """Append an entry that no draft stands behind, and wait for the room's decision.

        ``refused`` is called even if nobody waits any more.
        """
        decided: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def reply(_: Draft | None, outcome: Outcome) -> None:
            if refused is not None and not isinstance(outcome, Event):
                refused()
            if not decided.done():
                decided.set_result(outcome)

        self.hub.log.append(self.name, body, (reply, None))
        return await decided

    # --- coming in -----------------------------------------------------------------------------

    async def take_seat(self, hello: Hello, nick: str, technique: str) -> HubSeat:
        cursor = hello.cursor
        if cursor and cursor.epoch and cursor.epoch != self.state.epoch:
            raise StaleCursor(f"room {self.name} has another log than the cursor's: begin without a cursor")
        if cursor and self.hub.log.shared and cursor.epoch:
            await self._catch_up(cursor.seq)
        if cursor and cursor.seq > self.state.head:
            raise StaleCursor(
                f"the cursor {cursor.seq} is beyond the newest event {self.state.head} of room {self.name}: "
                "begin without a cursor"
            )
        self.first = await self.hub.log.first(self.name)
        if cursor and 0 < cursor.seq < self.first - 1:
            raise StaleCursor(history_starts(self.first))
        key = hello.seat_key
        seat = self._seat_of(seat_name(key), nick) if key else None
        if seat is None or nick_key(seat.nick) != nick_key(nick) or not await self._resume(seat, technique):
            seat = await self._join(nick, technique)
        else:
            seat.key = key
        seat.start = await self._replay_from(cursor)
        seat.touch()
        return seat

    async def _catch_up(self, seq: int) -> None:
        """Wait for what another server of this log has shown already, and has not come here yet."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + BEHIND
        while self.state.head < seq and (left := deadline - loop.time()) > 0:
            await self.next_event(left)

    def _seat_of(self, name: str, nick: str) -> HubSeat | None:
        """Return the seat, also one that is at another server and is about to move here."""
        if (seat := self.seats.get(name)) is not None:
            return seat
        member = self.state.members.get(name)
        if member is None or nick_key(member.author) != nick_key(nick):
            return None
        return HubSeat(self, name, member.author, member.technique)

    async def _resume(self, seat: HubSeat, technique: str) -> bool:
        """Give a seat back to its owner; False when it ends just now."""
        here = seat.seat in self.seats
        seat.touch()
        if seat.technique != technique or seat.leaving or not here:
            body = Resumed(seat.seat, seat.nick, technique, self.hub.node)
            # In the table before the entry is: what comes back from the log must find its seat.
            self.hub.enlist(seat)
            outcome = await self.decide(body, None if here else lambda: self._not_here(seat))
            if isinstance(outcome, SeatGone):
                return False
            if isinstance(outcome, ChatError):
                raise outcome
            seat.technique, seat.leaving = technique, False
        return not seat.ended  # it may have ended behind what was decided, in the same batch

    async def _join(self, nick: str, technique: str) -> HubSeat:
        if self.hub.closing:
            raise Closing("the server is going down")
        if self.hub.seats >= self.hub.limits.seats:
            raise Full(f"this server has {self.hub.limits.seats} seats and all are taken")
        key = secrets.token_urlsafe(16)
        seat = HubSeat(self, seat_name(key), nick, technique)
        seat.key = key
        # In the table before the entry is: what comes back from the log must find its seat.
        body = Joined(seat.seat, nick, nick_key(nick), technique, self.hub.node)
        # Whose name it is at another server may have left there a moment ago: the log decides.
        elsewhere = self.hub.log.shared and self.state.seat_of(body.key) not in self.seats
        if not elsewhere and (refusal := self.state.check(body)):
            raise self._refused(refusal, body)
        self.hub.enlist(seat)

        outcome = await self.decide(body, lambda: self._not_here(seat))
        if not isinstance(outcome, Event):
            raise self._refused(outcome, body)
        return seat

    def _not_here(self, seat: HubSeat) -> None:
        """The seat was not given, or could not move here."""
        self.hub.strike(seat)
        seat.end()

    def _refused(self, refusal: object, body: Joined) -> ChatError:
        if isinstance(refusal, NickTaken):
            name = self.state.seat_of(body.key)
            owner, member = self.seats.get(name), self.state.members.get(name)
            if owner is not None:
                left = owner.expires_in()
            else:
                left = self.hub.neighbours.expires_in(member.node) if member is not None else None
            if left is not None:
                return NickTaken(
                    f"{body.author} is away, and keeps the name for {left:.0f} s more", retry_after=left
                )
        assert isinstance(refusal, ChatError)
        return refusal

    async def _replay_from(self, cursor: Cursor | None) -> int:
        if cursor is not None:
            return cursor.seq
        replay = self.hub.limits.replay
        if self.ring.complete or len(self.ring) >= replay:
            return self.ring.before_last(replay)
        prev, _ = await self.hub.log.read(self.name, before=self.state.head + 1, limit=replay)
        return prev

    def members(self) -> list[Member]:
        return [
            Member(member.seat, member.author, member.technique) for member in self.state.members.values()
        ]

    # --- reading -------------------------------------------------------------------------------

    async def history(self, after: int | None, before: int | None, limit: int) -> list[Event]:
        """Return accepted events up to the head: what is committed but not decided is nobody's yet."""
        limit = max(1, min(limit, self.hub.limits.page))
        if after is not None and before is None and self.ring.reaches(after):
            return self.ring.after(after, limit)
        if after is None:
            before = self.state.head + 1 if before is None else min(before, self.state.head + 1)
        prev, entries = await self.hub.log.read(self.name, after=after, before=before, limit=limit)
        events = []
        for entry in entries:
            if entry.seq > self.state.head:
                break
            events.append(event_of(entry, prev))
            prev = entry.seq
        return events

    async def read(self, after: int, limit: int, wait: float) -> list[Event]:
        if after >= self.state.head and wait > 0:
            await self.next_event(wait)
        return await self.history(after, None, limit)

    async def next_event(self, wait: float) -> None:
        """Wait until something happens, or so many seconds."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)
        try:
            await asyncio.wait([waiting], timeout=wait)
        finally:
            waiting.cancel()

    async def message(self, id: int) -> tuple[Event, Event] | None:
        """Return a message's ``sent`` event and that of its last change. Raises a `ChatError`.

        What the room remembers costs two reads of an event. For an older message the log is read for as long
        as it could be changed, `WINDOW` seqs.
        """
        sent = await self._event(id)
        if sent is None or sent.kind != "sent":
            return None
        if last := self.state.last_change(id):
            return sent, (await self._event(last) if last != id else None) or sent
        found = sent
        async with self.hub.searches:
            after = id
            while after < id + WINDOW:
                prev, entries = await self.hub.log.read(
                    self.name, after=after, before=id + WINDOW, limit=TURN
                )
                for entry in entries:
                    if isinstance(entry.body, Edited | Deleted) and entry.body.id == id:
                        found = event_of(entry, prev)
                    prev = entry.seq
                if len(entries) < TURN:
                    break
                after = entries[-1].seq
        return sent, found

    async def _event(self, seq: int) -> Event | None:
        """Return the event with this seq; None where there is none."""
        found = await self.history(seq - 1, None, 1) if 0 < seq <= self.head else []
        return found[0] if found and found[0].seq == seq else None

    def version(self, id: int) -> int:
        return self.state.version(id)

    def channel(self, sink: Sink[Any]) -> Channel:
        kind = type(sink)
        if kind not in self._channels:
            self._channels[kind] = Channel(kind, self.ring, self.state.head, self._page)
        return self._channels[kind]

    def _page(self, mailbox: Mailbox) -> None:
        """Read a page of the log for a mailbox that is further behind than the ring."""

        async def read() -> None:
            try:
                events = await self.history(mailbox.cursor, None, self.hub.limits.page)
            except ChatError as error:
                mailbox.cut(error)
            else:
                mailbox.take(events)

        self.hub.keep(asyncio.create_task(read()))
