"""One person's place in a room of this node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import msgspec

from chat.domain.errors import (
    BadRequest,
    BadText,
    ChatError,
    Closing,
    Full,
    NotStored,
    SeatGone,
    SeatTaken,
    TooFast,
)
from chat.domain.model import MAX_NUMBER, Ack, Body, Draft, Event, Left, Limits, Member, Welcome
from chat.domain.rate_limit import TokenBucket, too_fast
from chat.domain.room import Authored, body_of
from chat.interfaces.log import Pending
from chat.interfaces.server import Reply, Sink
from chat.server.fanout import Channel, Mailbox
from chat.server.held_draft import HeldDraft
from chat.server.long_polls import LongPolls
from chat.server.pace import take_turn
from chat.server.pending import Decision, DraftPending
from chat.server.records import Records
from chat.server.supervision import Supervision
from chat.transport.deadlines import Deadlines

POLL_GRACE = 4
"""A seat outlives the last call of a polling client by this many grace times."""
POLL_AWAY = 3
"""After so many grace times without a call the owner of such a seat is away. It is longer than clients wait
between two polls (`chat.transport.polling.LONGEST`), so nobody who polls is ever away."""


class SeatRoom(Protocol):
    """What a seat needs of its room."""

    name: str
    limits: Limits
    pages: Limits
    """How fast a seat may read again what it has read."""
    records: Records
    supervision: Supervision
    """The teacher's means."""
    returning: Deadlines[HubSeat]
    """Until when the owners of seats must return who are away."""
    long_polls: LongPolls

    @property
    def closing(self) -> bool: ...

    @property
    def head(self) -> int: ...

    def welcome(self, seat: HubSeat) -> Welcome: ...

    def members(self) -> list[Member]: ...

    def highest_number(self, seat: str) -> int:
        """Return the seat's highest draft number that the room has accepted."""

    def foresee(self, body: Authored) -> Ack | ChatError | None:
        """Return how the room would refuse this entry, if that is certain now."""

    def accepted(self, seat: str, n: int) -> bool: ...

    def node_of(self, seat: str) -> str:
        """Return the node of a member's seat, which may be one that left it to this one; "": no member's."""

    def submit(self, body: Body, pending: Pending | None = None) -> None:
        """Append an entry to the room's log."""

    def channel(self, sink: Sink[Any]) -> Channel: ...

    async def history(self, after: int | None, before: int | None, limit: int) -> list[Event]: ...

    def recent(self, after: int, limit: int) -> list[Event] | None:
        """Return the first events after a seq as `history` does; None if they are not in memory."""


class HubSeat:
    """A seat of this node. It outlives its connection by the grace time."""

    def __init__(self, room: SeatRoom, seat: str, nick: str, technique: str) -> None:
        self.seat = seat
        """The public name."""
        self.nick = nick
        self.technique = technique
        self.key = ""
        """The seat key; "" if its owner has not come back since this server was started."""
        self.access = ""
        """The access token with which its owner came; "": there was none, or the owner has not come."""
        self.start = 0
        """The seq after which the next `attach` begins."""
        self.read_up_to = 0
        """The seq up to which its owner has read since the seat was taken."""
        self._seen: int | None = None  # what the last connection has taken, or the cursor of the last poll
        self.restored_at: int | None = None
        """Where the log ended when this seat was found in it; None: the owner has come since."""
        self.leaving = False
        """Its `Left` is on the way to the log."""
        self.expired = False
        """Its owner was gone for longer than the grace time."""
        self.ended = False
        self.n = 0
        """The highest draft number that came from the owner, accepted or not."""
        self._room = room
        self._loop = asyncio.get_running_loop()
        self._mailbox: Mailbox | None = None
        self._polls = 0  # reads that wait for events
        self._said = float("-inf")  # when its last draft was appended
        self._held: HeldDraft | None = None
        self._expires: float | None = None
        self._there_until = 0.0  # before that the owner is not away, though not connected
        self._await_return(room.limits.grace)

    @cached_property
    def _bucket(self) -> TokenBucket:
        """How fast it may send. Made when that is first asked: until then it would be full anyhow."""
        return TokenBucket(self._room.limits, self._loop.time, margin=1.0)

    @cached_property
    def _pages(self) -> TokenBucket:
        """How fast it may read again what it has read."""
        return TokenBucket(self._room.pages, self._loop.time, margin=1.0)

    @property
    def welcome(self) -> Welcome:
        return self._room.welcome(self)

    @property
    def room_name(self) -> str:
        return self._room.name

    @property
    def head(self) -> int:
        return self._room.head

    @property
    def mailbox(self) -> Mailbox | None:
        """The place of its connection in the fan-out; None: it has none, or polls."""
        return self._mailbox

    @property
    def behind(self) -> int:
        """How many seqs of the room were not written to its owner yet; 0 also if the owner has not come."""
        if self._mailbox is not None:
            return self._mailbox.seqs_behind
        return 0 if self.restored_at is not None else max(0, self._room.head - self.read_up_to)

    def begin(self, start: int) -> None:
        """Its owner has taken the seat, and reads on after this seq."""
        self.start = self.read_up_to = self._seen = start
        self.restored_at = None
        self.renew_grace()

    def placed(self, member: Member) -> Member:
        """Return its member, with how far the owner has read as far as that is known."""
        seen = self._seen if self._mailbox is None else self._mailbox.seen
        return msgspec.structs.replace(member, seen=seen or None)

    # --- sending -------------------------------------------------------------------------------

    def send(self, draft: Draft, reply: Reply) -> None:
        room, n = self._room, draft.n
        if self.ended:
            return reply(draft, SeatGone("the seat has ended: join again", n=n))
        if room.closing:
            return reply(draft, Closing("the server is going down", n=n))
        if not n:
            n = max(self.n, room.highest_number(self.seat)) + 1
            if n > MAX_NUMBER:
                return reply(draft, BadRequest("this seat has used its last draft number: join again"))
            self.n = n
        elif n > self.n:
            self.n = n
        try:
            body = body_of(draft, n, self.seat, self.nick, self.technique, room.limits.text_bytes)
        except BadText as error:
            return reply(draft, error)
        if (known := room.foresee(body)) is not None:
            return reply(draft, known)
        if self._held is not None and (behind := self._held.holds_back(draft.n)):
            return reply(draft, behind)
        if wait := self._bucket.take():
            slow = TooFast(too_fast(room.limits), n=n, retry_after=wait)
            self.hold(draft.n, slow)
            return reply(draft, slow)
        now = self._loop.time()
        supervision = room.supervision
        if supervision.concerns(body):
            if refused := supervision.permit(body, now - self._said):
                if isinstance(refused, TooFast):
                    self.hold(draft.n, refused)
                return reply(draft, refused)
            reply = supervision.appended(body, reply)
        room.submit(body, DraftPending(draft, reply, self))
        self._said = now
        return None

    def hold(self, n: int, error: ChatError) -> None:
        """Let no later draft pass one that was refused for now."""
        held = self._held
        if n and isinstance(error, NotStored | TooFast) and not (held is not None and 0 < held.n < n):
            if held is not None:
                held.let_go()
            self._held = HeldDraft(n, error)

    def accepted(self, n: int) -> bool:
        return self._room.accepted(self.seat, n)

    # --- receiving -----------------------------------------------------------------------------

    def attach(self, sink: Sink[Any], *, live: bool = False) -> None:
        if self._mailbox is not None:
            self._mailbox.cut(SeatTaken("another connection has taken this seat over"))
        self.stop_timer()
        channel = self._room.channel(sink)
        self._mailbox = Mailbox(sink, channel, channel.sent if live else self.start, self._was_cut)
        self.expired = False
        self._mailbox.pump()

    def drained(self, sink: Sink[Any]) -> None:
        if self._mailbox is not None and self._mailbox.sink is sink:
            self._mailbox.pump()

    def when_written(self, sink: Sink[Any], then: Callable[[], None]) -> None:
        if self._mailbox is not None and self._mailbox.sink is sink:
            self._mailbox.when_live(then)
        else:
            then()

    def detach(self, sink: Sink[Any] | None = None, reason: ChatError | None = None) -> None:
        if self._mailbox is not None and sink in (None, self._mailbox.sink):
            if not self._mailbox.closed and not self._room.closing:
                if reason is None:
                    self.report("away")
                else:
                    self._was_cut(reason)
            self.read_up_to = max(self.read_up_to, self._mailbox.written)
            self._mailbox.close()
            self._seen = self._mailbox.seen
            self._mailbox = None
            self._there_until = 0.0
            self._await_return(self._room.limits.grace)

    async def read(self, after: int, limit: int, wait: float) -> list[Event]:
        if wait > 0 and after >= self._room.head:
            held = self.hold_poll(after, wait)
            try:
                await held
            finally:
                self.release_poll(held)
        else:
            self._asked(after)
            self.polled()
        return await self.history(after=after, before=None, limit=limit)

    def hold_poll(self, after: int, wait: float) -> asyncio.Future[None]:
        self._asked(after)
        self._expires = None
        self._polls += 1
        return self._room.long_polls.hold(wait)

    def release_poll(self, held: asyncio.Future[None]) -> None:
        self._room.long_polls.release(held)
        self._polls -= 1
        self.polled()

    def _asked(self, after: int) -> None:
        """Its owner has read up to this seq, and asks for what comes behind. Raises a `ChatError`."""
        if self.ended:
            raise SeatGone("the seat has ended: join again")
        if self.restored_at is not None:
            if after > self.restored_at:  # a poll has no epoch, but the hello that it leads to has one
                raise SeatGone(f"the log has lost the events up to {after}: join again, with your cursor")
            # Once: who polls on over restarts would keep an epoch that ended before its cursor.
            self.restored_at = None
            raise Closing("the server was started again: reconnect and resume")
        self._seen = max(self._seen or 0, min(after, self._room.head))

    async def history(self, *, after: int | None, before: int | None, limit: int) -> list[Event]:
        if after is not None and before is None and (events := self.recent(after, limit)) is not None:
            return events
        await take_turn(self._pages.take)
        return self._given(await self._room.history(after, before, limit), after, before)

    def recent(self, after: int, limit: int) -> list[Event] | None:
        # Reading on costs as much as being pushed the same events once; all else may be asked for for ever.
        events = self._room.recent(after, limit) if after >= self.read_up_to else None
        return None if events is None else self._given(events, after, None)

    def _given(self, events: list[Event], after: int | None, before: int | None) -> list[Event]:
        """Note that the owner is given this page; return what of it fits the connection."""
        if self._mailbox is not None:  # a client that polls has none
            events = self._mailbox.fit(events, backwards=after is None)
            self._loop.call_soon(self._note_reply)
        if events and before is None and after is not None and after >= self.read_up_to:
            self.read_up_to = max(self.read_up_to, events[-1].seq)
        return events

    def _note_reply(self) -> None:
        """Count a reply that is written now, and that the peer may not read."""
        if self._mailbox is not None:
            self._mailbox.note()

    async def members(self) -> list[Member]:
        await take_turn(self._pages.take)
        self._loop.call_soon(self._note_reply)
        return self._room.members()

    def count_return(self) -> None:
        """The owner takes the seat again, and may read all of it again. Raises `Full` if too often."""
        if wait := self._pages.take():
            raise Full(f"you come back too often: try again in {wait:.2g} s", retry_after=wait)

    # --- leaving -------------------------------------------------------------------------------

    def leave(self) -> None:
        if self.leaving or self.ended or self._room.closing:
            return
        if node := self._room.node_of(self.seat):
            self.leaving = True
            body = Left(self.seat, self.nick, self.technique, node)
            self._room.submit(body, Decision(self._not_left))

    def _not_left(self, refusal: ChatError | Ack) -> None:
        """Continue after a `Left` that was refused or not stored: the grace time will end the seat."""
        self.leaving = False
        if self._mailbox is not None and isinstance(refusal, ChatError):
            self._mailbox.cut(refusal)

    def end(self, reason: ChatError | None = None) -> None:
        """End the seat, and send its owner the reason."""
        self.ended = True
        self.stop_timer()
        if self._mailbox is not None:
            mailbox, self._mailbox = self._mailbox, None
            if reason is None:  # its owner has asked for that
                mailbox.close()
                mailbox.sink.close(SeatGone("the seat has ended"))
            else:
                mailbox.cut(reason)

    # --- for the operator ----------------------------------------------------------------------

    def report(self, name: str, **fields: str) -> None:
        """Report something about this seat."""
        self._room.records.report(
            name, technique=self.technique, room=self._room.name, nick=self.nick, seat=self.seat, **fields
        )

    def _was_cut(self, reason: ChatError) -> None:
        if not self._room.closing:
            self.report("cut", code=reason.code, reason=str(reason))

    # --- the grace time ------------------------------------------------------------------------

    def renew_grace(self) -> None:
        """Restart the grace time, because the owner has taken the seat, and connects or polls next."""
        self._renew(self._room.limits.grace, 1)

    def polled(self) -> None:
        """Restart the longer grace time of polling clients."""
        self._renew(self._room.limits.grace * POLL_GRACE, POLL_AWAY)

    def _renew(self, grace: float, there: int) -> None:
        if self._mailbox is None and not self._polls and not self.ended:
            self._there_until = self._await_return(grace) + self._room.limits.grace * there

    def expires_in(self) -> float | None:
        """Return the seconds until the seat ends; None while its owner is not away."""
        now = self._loop.time()
        return None if self._expires is None or now < self._there_until else max(0.0, self._expires - now)

    def _await_return(self, grace: float) -> float:
        """End the seat if its owner does not return in so many seconds; return the time of now."""
        self._expires = self._room.returning.set(self, grace)
        return self._expires - grace

    def stop_timer(self) -> None:
        """Stop the grace time, because the owner is connected or the seat has ended."""
        self._expires = None
        self._room.returning.drop(self)

    def expire(self) -> None:
        """Leave, because the grace time is over."""
        if self._expires is not None and self._mailbox is None:  # no poll waits, and no connection is there
            self.expired = True
            self.leave()
            self._await_return(self._room.limits.grace)  # to try again, if the log can't store it
