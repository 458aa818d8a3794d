"""The server of the session's state machine: real rules, and lines that do what a script says.

Nothing happens by itself: the script says which request the room takes next, which answer and which events
arrive, and what gets lost when a line breaks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from chat.client import draft_sender
from chat.domain.errors import ChatError, ConnectionLost, NickTaken, StaleCursor, Unconfirmed
from chat.domain.model import (
    Ack,
    Body,
    Draft,
    Entry,
    Event,
    Hello,
    Joined,
    Left,
    Limits,
    Member,
    Missing,
    MissingEvents,
    Opened,
    Sent,
    Welcome,
)
from chat.domain.rate_limit import TokenBucket
from chat.domain.room import Outcome, Room, body_of
from chat.interfaces.client import ChatClient
from chat.server.held_draft import HOLD
from tests.support.fake_client import ADDRESS

TECHNIQUE = "tcp"
GRACE = 15.0


@dataclass(slots=True, eq=False)
class Request:
    """A draft on its way, and what its sender waits for."""

    draft: Draft
    answer: asyncio.Future[Ack | None]
    outcome: Ack | ChatError | None = None
    """What the room has answered."""


@dataclass(slots=True, eq=False)
class Seat:
    name: str
    nick: str
    bucket: TokenBucket
    line: Line | None = None
    held: tuple[int, ChatError, float] | None = None
    """The draft that was refused for now, why, and until when no later one may pass it."""


@dataclass
class ScriptedRoom:
    """One room, its seats, and every line to it that there ever was."""

    push: bool
    """A draft is answered by its event, as a push technique does; else by an acknowledgement."""
    limits: Limits
    clock: Callable[[], float]
    logs: list[list[Event]] = field(default_factory=list)
    """The events of each log that the room had; the newest is the last."""
    lines: list[Line] = field(default_factory=list)
    seats: dict[str, Seat] = field(default_factory=dict)
    own_seats: set[str] = field(default_factory=set)
    refusals: list[ChatError] = field(default_factory=list)
    """Told to the next ones who connect, one each."""
    refuse_drafts: list[ChatError] = field(default_factory=list)
    """Told to the next drafts, one each."""
    lose_welcome: bool = False
    """The next one gets a seat, and does not learn of it."""
    slow: asyncio.Event | None = None
    """Whoever connects waits for it."""
    frozen: bool = False
    """No ping is answered."""
    late: deque[tuple[str, Request]] = field(default_factory=deque)
    """Requests of lines that have ended, with their seats: they may still arrive."""
    sent: dict[int, Draft] = field(default_factory=dict)
    """By number: every draft that a line was given."""
    accepted: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    refusal_lost: set[int] = field(default_factory=set)
    """Numbers of the drafts whose refusal, for good or for now, never arrived."""
    told: set[int] = field(default_factory=set)
    """Numbers of the drafts whose fate was told for good, over a line that stood."""
    cut_off: set[int] = field(default_factory=set)
    """Numbers of those that were under way when their line ended, since the last welcome."""
    given_up: set[int] = field(default_factory=set)
    """Numbers of those that were cut off before the last welcome."""
    not_before: float = 0.0
    """When the next draft is welcome, as the last refusal said."""
    stale: int = 0
    """How often somebody was told that the log is another one."""

    def __post_init__(self) -> None:
        self.begin_log()

    # --- the log -------------------------------------------------------------------------------

    def begin_log(self) -> None:
        """The room has a new log: nobody is in it, and every line has ended."""
        for line in self.lines:
            line.end(ConnectionLost("the server was restored"))
        self.seats.clear()
        self.late.clear()
        self.rules, self.seq = Room(), 0
        self.logs.append([])
        self.decide(Opened(self.epoch))

    @property
    def epoch(self) -> str:
        return f"e{len(self.logs)}"

    @property
    def events(self) -> list[Event]:
        return self.logs[-1]

    @property
    def head(self) -> int:
        return self.events[-1].seq

    def decide(self, body: Body) -> Outcome:
        """Give an entry the next seq, whether the room takes it or not: so the seqs of events have holes."""
        self.seq += 1
        outcome = self.rules.apply(Entry(self.seq, self.seq, body))
        if isinstance(outcome, Event):
            self.events.append(outcome)
        return outcome

    def members(self) -> list[Member]:
        return [Member(one.seat, one.author, one.technique) for one in self.rules.members.values()]

    def other(self, nick: str, text: str) -> None:
        """Another member says something, and comes first if need be."""
        seat = f"seat of {nick}"
        if seat not in self.rules.members:
            self.comes_or_goes(nick)
        self.decide(Sent(seat, nick, TECHNIQUE, self.seq + 1, text))

    def comes_or_goes(self, nick: str) -> None:
        """Another member comes, or goes if he is there."""
        seat = f"seat of {nick}"
        there = seat in self.rules.members
        self.decide(Left(seat, nick, TECHNIQUE, "n1") if there else Joined(seat, nick, nick, TECHNIQUE, "n1"))

    # --- seats ---------------------------------------------------------------------------------

    def dial(self) -> Line:
        self.lines.append(Line(self))
        return self.lines[-1]

    @property
    def line(self) -> Line | None:
        """The line that stands."""
        return next((line for line in self.lines if line.standing), None)

    def take_seat(self, hello: Hello, line: Line) -> Welcome:
        if self.refusals:
            raise self.refusals.pop(0)
        if hello.cursor is not None and hello.cursor.epoch != self.epoch:
            self.stale += 1
            raise StaleCursor("another log")
        seat = self.seats.get(hello.seat_key)
        if seat is None:
            if any(one.nick == hello.nick for one in self.seats.values()):
                raise NickTaken("its owner is away", retry_after=GRACE)
            name = f"s{len(self.own_seats) + 1}"
            bucket = TokenBucket(self.limits, self.clock, margin=1.0)
            seat = self.seats[f"key of {name}"] = Seat(name, hello.nick, bucket)
            self.own_seats.add(name)
            self.decide(Joined(name, hello.nick, hello.nick, TECHNIQUE, "n1"))
        if self.lose_welcome:
            self.lose_welcome = False
            raise ConnectionLost("the welcome got lost")
        seat.line, line.seat = line, seat
        first = hello.cursor.seq if hello.cursor else self._newest(self.limits.replay)
        line.up_to = first
        self.given_up |= self.cut_off
        return Welcome(
            "lab",
            seat.nick,
            seat.name,
            f"key of {seat.name}",
            self.epoch,
            1,
            self.head,
            self.rules.members[seat.name].n,
            tuple(self.members()),
            self.limits,
        )

    def _newest(self, count: int) -> int:
        return self.events[-count].prev if count < len(self.events) else 0

    def end_seats(self) -> None:
        """The grace time of everybody who is away is over."""
        for key, seat in list(self.seats.items()):
            if seat.line is None:
                self.leave(key)

    def leave(self, key: str) -> None:
        seat = self.seats.pop(key)
        self.decide(Left(seat.name, seat.nick, TECHNIQUE, "n1"))

    # --- drafts --------------------------------------------------------------------------------

    def take(self, name: str, request: Request) -> None:
        """The room decides about a draft that has come in."""
        request.outcome = outcome = self._outcome(name, request.draft)
        n = request.draft.n
        if outcome is None or isinstance(outcome, Ack):
            self.accepted.add(n)
        elif outcome.final:
            self.refused.add(n)

    def _outcome(self, name: str, draft: Draft) -> Ack | ChatError | None:
        seat = self.seats.get(f"key of {name}")
        body = body_of(draft, draft.n, name, "ann", TECHNIQUE, self.limits.text_bytes)
        if seat is not None and not isinstance(self.rules.check(body), Ack):
            if seat.held and draft.n > seat.held[0] and self.clock() < seat.held[2]:
                return seat.held[1]
            seat.held = None
            if self.refuse_drafts:
                error = self.refuse_drafts.pop(0)
                seat.held = None if error.final else (draft.n, error, self.clock() + HOLD)
                return error
        outcome = self.decide(body)
        if isinstance(outcome, Event):
            return None if self.push else Ack(draft.n, outcome.seq)
        return outcome


class Line(ChatClient):
    """One connection. It is the session's client, and the script's place to say what it carries."""

    def __init__(self, room: ScriptedRoom) -> None:
        super().__init__(ADDRESS)
        self.room = room
        self.seat: Seat | None = None
        self.up: deque[Request] = deque()
        """Requests that the room has not taken."""
        self.answers: deque[Request] = deque()
        """Requests whose answer has not arrived."""
        self.up_to = 0
        """The seq up to which events have arrived, or got lost."""
        self.closed = False
        self.left = False
        self._under_way: dict[int, Request] = {}
        self._news: asyncio.Queue[list[Event | MissingEvents] | ChatError | None] = asyncio.Queue()
        self._over: ChatError | None = None

    @property
    def standing(self) -> bool:
        return self.seat is not None and self._over is None

    # --- what the script says ------------------------------------------------------------------

    def take(self) -> None:
        """The room takes the next request."""
        assert self.seat is not None
        request = self.up.popleft()
        self.room.take(self.seat.name, request)
        if request.outcome is not None:
            self.answers.append(request)

    def answer(self) -> None:
        """The next answer arrives."""
        request = self.answers.popleft()
        outcome = request.outcome
        if request.answer.done():  # its event was faster
            return
        if isinstance(outcome, ChatError):
            if outcome.final:
                self.room.told.add(request.draft.n)
            else:
                self.room.not_before = self.room.clock() + (outcome.retry_after or draft_sender.HOLD)
            request.answer.set_exception(outcome)
        else:
            self.room.told.add(request.draft.n)
            request.answer.set_result(outcome)

    def no_answer(self) -> None:
        """The technique gives up waiting for the oldest answer."""
        request = next(one for one in self._under_way.values() if not one.answer.done())
        self.room.told.add(request.draft.n)
        request.answer.set_exception(Unconfirmed("no answer in 3 s"))

    @property
    def waiting(self) -> bool:
        """Whether a draft waits for its answer."""
        return not all(request.answer.done() for request in self._under_way.values())

    @property
    def coming(self) -> list[Event]:
        """The events that have not arrived."""
        return [event for event in self.room.events if event.seq > self.up_to]

    @property
    def came(self) -> list[Event]:
        """The events that have arrived, or got lost."""
        return [event for event in self.room.events if event.seq <= self.up_to]

    def bring(self, events: list[Event]) -> None:
        """Events arrive, perhaps again."""
        self._news.put_nowait(list(events))
        for event in events:
            self.up_to = max(self.up_to, event.seq)
            if event.seat in self.room.own_seats and event.n:
                self.room.told.add(event.n)

    def miss(self, events: list[Event]) -> None:
        """Events got lost, and the technique names them."""
        lost = MissingEvents(tuple(Missing(one.seq, one.prev, one.kind) for one in events))
        self._news.put_nowait([lost])
        self.up_to = events[-1].seq

    def end(self, reason: ChatError | None) -> None:
        """The line ends, for both sides; what is under way on it may arrive late."""
        if self._over is not None:
            return
        self._over = reason or ConnectionLost("closed")
        self._news.put_nowait(reason)
        for request in self._under_way.values():
            if not request.answer.done():
                self.room.cut_off.add(request.draft.n)
                request.answer.set_exception(ConnectionLost("gone"))
        self.room.refusal_lost |= {one.draft.n for one in self.answers if isinstance(one.outcome, ChatError)}
        if self.seat is not None:
            self.room.late.extend((self.seat.name, request) for request in self.up)
            if self.seat.line is self:
                self.seat.line = None

    # --- what the session calls ----------------------------------------------------------------

    async def connect(self, hello: Hello) -> Welcome:
        if self.room.slow is not None:
            await self.room.slow.wait()
        if self._over is not None:
            raise ConnectionLost("gone")
        return self.room.take_seat(hello, self)

    async def send(self, draft: Draft) -> Ack | None:
        if self._over is not None:
            raise ConnectionLost("gone")
        assert self.seat is not None
        assert draft.n not in self._under_way, f"draft {draft.n} is under way already"
        assert self.room.clock() >= self.room.not_before, "it was told to wait"
        assert not self.seat.bucket.take(), "it sends faster than the welcome allows"
        self.room.sent.setdefault(draft.n, draft)
        request = Request(draft, asyncio.get_running_loop().create_future())
        self._under_way[draft.n] = request
        self.up.append(request)
        try:
            return await request.answer
        except asyncio.CancelledError:
            self.room.cut_off.add(draft.n)
            raise
        finally:
            del self._under_way[draft.n]

    def answered(self, n: int) -> None:
        request = self._under_way.get(n)
        if self.room.push and request is not None and not request.answer.done():
            request.answer.set_result(None)

    async def events(self) -> AsyncIterator[list[Event | MissingEvents]]:
        while (item := await self._news.get()) is not None:
            if isinstance(item, ChatError):
                raise item
            yield item

    async def history(
        self, *, after: int | None = None, before: int | None = None, limit: int
    ) -> list[Event]:
        return [one for one in self.room.events if before is None or one.seq < before][-limit:]

    async def members(self) -> list[Member]:
        return self.room.members()

    async def ping(self) -> float:
        if self.room.frozen:
            await asyncio.Event().wait()
        return 0.001

    async def close(self, *, leave: bool = True) -> None:
        if leave and self.standing and self.seat is not None:
            self.left = True
            self.room.leave(f"key of {self.seat.name}")
        self.closed = True
        self.end(None)
