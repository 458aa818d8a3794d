"""The hub: the rooms of this node, who sits in them, and the fan-out of what happens.

A draft goes from a seat into the log; what the log hands back is decided by `Room.apply` and fanned
out: encoded once for each technique, written in one piece to every connection that keeps up.
"""

from __future__ import annotations

import asyncio
import hmac
import uuid
from contextlib import suppress
from functools import lru_cache
from typing import Any

from chat.domain.errors import (
    AccessDenied,
    ChatError,
    Closing,
    Full,
    NoSuchRoom,
    SeatGone,
)
from chat.domain.model import (
    Event,
    Hello,
    Limits,
    Opened,
)
from chat.domain.room import TAIL, replay_order
from chat.domain.validation import clean_nick, clean_room, seat_name
from chat.interfaces.log import Committed, Log
from chat.server.cluster import Neighbours
from chat.server.live_room import SEARCHES, TURN, LiveRoom
from chat.server.seat import POLL_GRACE, HubSeat

UNREADY = 5.0
"""Seconds after a failed commit in which the hub is not ready: long enough to send people elsewhere, short
enough that a disk with room again is tried again."""
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
