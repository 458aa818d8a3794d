"""The hub: the rooms of this node, who sits in them, and the fan-out of what happens.

A draft goes from a seat into the log; what the log hands back is decided by `Room.apply` and fanned
out: encoded once for each technique, written in one piece to every connection that keeps up.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

from chat.fanout import Channel, Mailbox, Ring
from chat.model import (
    MAX_NUMBER,
    AccessDenied,
    BadRequest,
    BadText,
    Body,
    ChatError,
    Closing,
    Cursor,
    Deleted,
    Draft,
    Edited,
    Event,
    Full,
    Hello,
    Joined,
    Left,
    Limits,
    Member,
    NickTaken,
    NoSuchRoom,
    Opened,
    Resumed,
    SeatGone,
    StaleCursor,
    TooFast,
    Welcome,
)
from chat.neighbours import Neighbours
from chat.pace import Pace, too_fast
from chat.ports import Committed, Log, Reply, Sink
from chat.room import TAIL, WINDOW, Outcome, Room, body_of, event_of, replay_order
from chat.text import clean_nick, clean_room, nick_key, seat_name
from chat.updates import history_starts

POLL_GRACE = 4
"""Times the grace time that a seat outlives the last call of a polling client."""
UNREADY = 5.0
"""Seconds after a failed commit in which the hub is not ready: long enough to send people elsewhere, short
enough that a disk with room again is tried again."""
TURN = 500  # entries replayed in one go
SEARCHES = 2
"""Searches for the last change of an old message that read the log together; others wait."""
BEHIND = 5.0
"""Seconds in which what another server of a shared log has shown comes here too, or never will."""
KEY_CHARS = 64
"""More than a seat key has: what is longer is none, and not kept."""

_cached_seat_name = lru_cache(4096)(seat_name)  # a polling client brings its key with each call


class Hub:
    """All rooms of this node. Everything runs on one event loop; nothing here blocks it."""

    def __init__(self, log: Log, *, limits: Limits | None = None, access: str = "") -> None:
        """Prepare; ``access`` is the access token that every hello must bring, "" for none."""
        self.limits = limits or Limits()
        self.node = log.node
        self.log = log
        self.closing = False
        self._access = access
        self._rooms: dict[str, LiveRoom] = {}
        self._loading: dict[str, asyncio.Task[LiveRoom]] = {}
        self._early: dict[str, list[Committed]] = {}  # what came for a room while it was loaded
        self._known: set[str] = set()
        self._seats: dict[str, HubSeat] = {}  # of all rooms, by name
        self.searches = asyncio.Semaphore(SEARCHES)
        self.neighbours = Neighbours(self)
        self._failed_at = float("-inf")
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Open the log, and give the members it knows their grace time. Raises `ChatError`."""
        await self.log.start(self._committed, self._failed)
        self._known = set(await self.log.rooms())
        self.keep(asyncio.create_task(self._wake_rooms()))
        if self.log.shared:
            self.keep(asyncio.create_task(self.neighbours.watch()))

    async def stop(self) -> None:
        """Take no more drafts, commit what is enqueued, and close the log."""
        self.closing = True
        for room in self._rooms.values():
            room.quiet()
        for task in [*self._tasks, *self._loading.values()]:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._loading.values(), return_exceptions=True)
        await self.log.stop()

    @property
    def seats(self) -> int:
        """How many seats this node holds, those in their grace time included."""
        return len(self._seats)

    @property
    def ready(self) -> bool:
        """Whether drafts can be stored now: it is not closing, and the log did not fail a moment ago."""
        return not self.closing and asyncio.get_running_loop().time() - self._failed_at >= UNREADY

    def admit(self, access: str) -> None:
        """Raise `AccessDenied` unless this is the access token, where one is asked for."""
        if not self._access or hmac.compare_digest(self._access.encode(), access.encode(errors="replace")):
            return
        if access:
            raise AccessDenied("the access token is wrong: ask who runs the server for the right one")
        raise AccessDenied("this server asks for an access token: start with --token-file, or set CHAT_TOKEN")

    async def take_seat(self, hello: Hello, technique: str) -> HubSeat:
        """Give a seat, or give one back. Raises a `ChatError` that says why not."""
        self.admit(hello.access)
        name, nick = clean_room(hello.room), clean_nick(hello.nick)
        room = await self._room(name)
        return await room.take_seat(hello, nick, technique)

    def find_seat(self, seat_key: str, room: str = "") -> HubSeat:
        """Return the seat that this key opens, in this room if one is named. Raises `SeatGone`."""
        seat = self._seats.get(_cached_seat_name(seat_key)) if len(seat_key) <= KEY_CHARS else None
        if seat is None:
            raise SeatGone("no seat has this key: it has ended, or never was; come in again")
        if room and seat.room.name != room:
            raise SeatGone(f"no seat in room {room} has this key: it is of another room")
        seat.touch(self.limits.grace * POLL_GRACE)
        return seat

    def enlist(self, seat: HubSeat) -> None:
        """From now on the seat is there, in its room and for those who call with its key."""
        self._seats[seat.seat] = seat.room.seats[seat.seat] = seat

    def strike(self, seat: HubSeat) -> None:
        """It is there no more."""
        self._seats.pop(seat.seat, None)
        seat.room.seats.pop(seat.seat, None)

    async def look(self, room: str, access: str) -> LiveRoom:
        """Return a room that exists. Raises a `ChatError`."""
        self.admit(access)
        name = clean_room(room)
        if name not in self._known and self.log.shared:
            await self.learn_rooms()
        if name not in self._known:
            raise NoSuchRoom(f"there is no room {name}: it comes into being when somebody enters it")
        return await self._room(name)

    def rooms(self, access: str) -> list[str]:
        """Return the names of all rooms, sorted. Raises `AccessDenied`."""
        self.admit(access)
        return sorted(self._known)

    def live_rooms(self) -> list[LiveRoom]:
        """Return the rooms that are loaded here."""
        return list(self._rooms.values())

    async def learn_rooms(self) -> None:
        """Ask the log for rooms that other servers have opened."""
        self._known.update(await self.log.rooms())

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold a background task until it ends; `stop` cancels it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- rooms ---------------------------------------------------------------------------------

    async def _room(self, name: str) -> LiveRoom:
        if (room := self._rooms.get(name)) is not None and room.state.epoch:
            return room
        if self.closing:
            raise Closing("the server is going down")
        if name not in self._known and len(self._known) >= self.limits.rooms:
            raise Full(f"this server has {self.limits.rooms} rooms and takes no more: use one of them")
        task = self._loading.get(name)
        if task is None:
            self._known.add(name)
            task = self._loading[name] = asyncio.create_task(self._load(name))
            task.add_done_callback(lambda _: self._loading.pop(name, None))
        return await asyncio.shield(task)

    async def _load(self, name: str) -> LiveRoom:
        self._early[name] = []
        try:
            return await self._replay(name)
        finally:
            self._early.pop(name, None)

    async def _replay(self, name: str) -> LiveRoom:
        entries, sure = replay_order(await self.log.tail(name, TAIL))
        room = LiveRoom(self, name)
        for place, entry in enumerate(entries, 1):
            outcome = room.state.apply(entry)
            if isinstance(outcome, Event):
                room.ring.append(outcome)
            elif outcome is not None and entry.seq > sure:
                self.log.refuse(name, entry.seq)
            if place % TURN == 0:
                await asyncio.sleep(0)
        self._rooms[name] = room
        for member in room.state.members.values():
            if member.node == self.node:
                self.enlist(HubSeat(room, member.seat, member.author, member.technique))
        for item in self._early[name]:
            room.apply(item)
        if not room.state.epoch:
            outcome = await room.decide(Opened(str(uuid.uuid4())))
            if isinstance(outcome, ChatError) and not room.state.epoch:
                del self._rooms[name]
                raise outcome
        return room

    async def _wake_rooms(self) -> None:
        """Load every room, so that members who never come back get their grace time and leave."""
        for name in sorted(self._known):
            with suppress(ChatError):  # whoever enters the room is told
                await self._room(name)

    def _committed(self, batch: list[Committed]) -> None:
        rooms = self._rooms
        touched = set()
        for item in batch:
            if (room := rooms.get(item.room)) is None:
                if (early := self._early.get(item.room)) is not None:
                    early.append(item)
                continue
            room.apply(item)
            touched.add(room)
        for room in touched:
            room.flush()

    def _failed(self, notes: list[Any], error: ChatError) -> None:
        self._failed_at = asyncio.get_running_loop().time()
        for note in notes:
            if note is not None:
                reply, draft = note
                reply(draft, type(error)(str(error), n=getattr(draft, "n", 0)))


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
