"""One person's place in a room of this node."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from chat.domain.errors import (
    BadRequest,
    BadText,
    ChatError,
    Closing,
    SeatGone,
    TooFast,
)
from chat.domain.model import (
    MAX_NUMBER,
    Draft,
    Event,
    Left,
    Member,
    Welcome,
)
from chat.domain.rate_limit import Pace, too_fast
from chat.domain.room import Outcome, body_of
from chat.interfaces.server import Reply, Sink
from chat.server.fanout import Mailbox

if TYPE_CHECKING:
    from chat.server.live_room import LiveRoom


POLL_GRACE = 4
"""Times the grace time that a seat outlives the last call of a polling client."""


class HubSeat:
    """A seat of this node. It outlives its connection by the grace time."""

    def __init__(self, room: LiveRoom, seat: str, nick: str, technique: str) -> None:
        self.room = room
        self.seat = seat
        self.nick = nick
        self.technique = technique
        self.key = ""
        self.start = 0
        """The seq after which the next `attach` begins."""
        self.leaving = False
        """Its end is on the way to the log."""
        self.ended = False
        self._loop = asyncio.get_running_loop()
        self._mailbox: Mailbox | None = None
        self._polls = 0  # reads that wait for news
        self._n = 0
        self._pace = Pace(room.hub.limits, self._loop.time, margin=1.0)
        self._expires: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._await_return(room.hub.limits.grace)

    @property
    def welcome(self) -> Welcome:
        room, state = self.room, self.room.state
        return Welcome(
            room=room.name,
            nick=self.nick,
            seat=self.seat,
            seat_key=self.key,
            epoch=state.epoch,
            first=min(room.first, state.head),
            head=state.head,
            n=max(self._n, state.members[self.seat].n) if self.seat in state.members else self._n,
            members=tuple(room.members()),
            limits=room.hub.limits,
        )

    @property
    def head(self) -> int:
        return self.room.state.head

    # --- speaking ------------------------------------------------------------------------------

    def send(self, draft: Draft, reply: Reply) -> None:
        room, limits = self.room, self.room.hub.limits
        n = draft.n
        if self.ended:
            return reply(draft, SeatGone("the seat has ended: come in again", n=n))
        if room.hub.closing:
            return reply(draft, Closing("the server is going down", n=n))
        if not n:
            member = room.state.members.get(self.seat)
            n = max(self._n, member.n if member else 0) + 1
            if n > MAX_NUMBER:
                return reply(draft, BadRequest("this seat has used its last draft number: come in again"))
            self._n = n
        elif n > self._n:
            self._n = n
        try:
            body = body_of(draft, n, self.seat, self.nick, self.technique, limits.text_bytes)
        except BadText as error:
            return reply(draft, error)
        state = room.state
        known = state.foresee(body) if room.hub.log.shared else state.check(body)
        if known is not None:
            return reply(draft, known)
        if wait := self._pace.take():
            return reply(draft, TooFast(too_fast(limits), n=n, retry_after=wait))
        room.hub.log.append(room.name, body, (reply, draft))
        return None

    # --- listening -----------------------------------------------------------------------------

    def attach(self, sink: Sink[Any], *, live: bool = False) -> None:
        if self._mailbox is not None:
            self._mailbox.cut(SeatGone("another connection has taken this seat over"))
        self._stay()
        channel = self.room.channel(sink)
        self._mailbox = Mailbox(sink, channel, channel.sent if live else self.start)
        self._mailbox.pump()

    def drained(self, sink: Sink[Any]) -> None:
        if self._mailbox is not None and self._mailbox.sink is sink:
            self._mailbox.pump()

    def detach(self, sink: Sink[Any] | None = None) -> None:
        if self._mailbox is not None and sink in (None, self._mailbox.sink):
            self._mailbox.close()
            self._mailbox = None
            self._await_return(self.room.hub.limits.grace)

    async def read(self, after: int, limit: int, wait: float) -> list[Event]:
        if self.ended:
            raise SeatGone("the seat has ended: come in again")
        grace = self.room.hub.limits.grace * POLL_GRACE
        if after >= self.room.state.head and wait > 0:
            self._stay()
            self._polls += 1
            try:
                await self.room.next_event(wait)
            finally:
                self._polls -= 1
                self.touch(grace)
        self.touch(grace)
        return await self.room.history(after, None, limit)

    async def history(self, *, after: int | None, before: int | None, limit: int) -> list[Event]:
        return await self.room.history(after, before, limit)

    def members(self) -> list[Member]:
        return self.room.members()

    def accepted(self, n: int) -> bool:
        return self.room.state.accepted(self.seat, n)

    # --- going ---------------------------------------------------------------------------------

    def leave(self) -> None:
        if self.leaving or self.ended or self.room.hub.closing:
            return
        if self.seat in self.room.state.members:
            self.leaving = True
            body = Left(self.seat, self.nick, self.technique, self.room.hub.node)
            self.room.hub.log.append(self.room.name, body, (self._left, None))

    def _left(self, _: Draft | None, outcome: Outcome) -> None:
        if isinstance(outcome, ChatError):  # then the grace time ends the seat
            self.leaving = False
            if self._mailbox is not None:
                self._mailbox.cut(outcome)

    def end(self, reason: ChatError | None = None) -> None:
        """The room has ended the seat; its owner is told the reason, if it is none that he knows."""
        self.ended = True
        self.quiet()
        if self._mailbox is not None:
            mailbox, self._mailbox = self._mailbox, None
            mailbox.cut(reason or SeatGone("the seat has ended"))

    def quiet(self) -> None:
        """No timer of this seat may fire any more."""
        self._stay()

    def touch(self, grace: float | None = None) -> None:
        """Its owner was heard of: begin the grace time anew."""
        if self._mailbox is None and not self._polls and not self.ended:
            self._await_return(grace or self.room.hub.limits.grace)

    def expires_in(self) -> float | None:
        """Return the seconds until the seat ends; None while its owner is connected."""
        return None if self._expires is None else max(0.0, self._expires - self._loop.time())

    def _await_return(self, grace: float) -> None:
        """Expect the owner back within so many seconds. Said again and again, it keeps the one timer."""
        self._expires = self._loop.time() + grace
        if self._timer is not None and self._timer.when() <= self._expires:
            return  # it will find out that there is more time
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._expires, self._expire)

    def _stay(self) -> None:
        self._expires = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if self._expires is None:
            return
        if (left := self._expires - self._loop.time()) > 0:
            self._await_return(left)
        elif self._mailbox is None:
            self.leave()
            # Should the log refuse to store it, try again.
            self._await_return(self.room.hub.limits.grace)
