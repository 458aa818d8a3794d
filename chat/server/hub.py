"""The hub: the rooms of this node, and who may join them.

A draft goes from a seat into the log. What the log hands back is decided by `Room.apply` and fanned out:
encoded once for each technique, written in one piece to every connection that keeps up.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

from chat.domain.access_token import is_token
from chat.domain.errors import AccessDenied, ChatError, Closing, Full, NoSuchRoom, SeatGone, SeatTaken
from chat.domain.guesses import Guesses
from chat.domain.model import Bounds, Hello, Limits, Opened
from chat.domain.room import TAIL
from chat.domain.seat_key import LONGEST
from chat.domain.validation import clean_nick, clean_room, seat_name
from chat.interfaces.log import Committed, Log, Pending
from chat.server.arrivals import Origin
from chat.server.cluster import Cluster
from chat.server.live_room import MOVED, LiveRoom
from chat.server.measured import Measured
from chat.server.node import Node
from chat.server.room_reader import RoomReader
from chat.server.seat import HubSeat

UNREADY = 5.0
"""Seconds after a failed commit in which the hub is not ready: long enough that a balancer chooses another
server, short enough that drafts are accepted soon after the disk has space again."""

NOBODY = Origin()
"""Whom nothing is counted against: the hub itself."""

_cached_seat_name = lru_cache(4096)(seat_name)  # a polling client brings its key with each call; longer: none


class Hub:
    """All rooms of this node. Everything runs on one event loop; nothing here blocks it."""

    def __init__(
        self,
        log: Log,
        *,
        limits: Limits | None = None,
        bounds: Bounds | None = None,
        access: str = "",
        teacher: str = "",
    ) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            log: not started yet; the hub starts and stops it.
            limits: what clients may do.
            bounds: what one address and one connection may take.
            access: the shared access token that every hello must bring; "": none.
            teacher: the teacher's token, see `chat.domain.classroom`; "": there is no teacher.
        """
        self.limits = limits or Limits()
        self.log = log
        self.cluster = Cluster(log, self.limits.grace, self.live_rooms, self._learn_rooms)
        self._access = access
        self._guesses = Guesses(lambda: asyncio.get_running_loop().time())
        self._node = Node(log, self.limits, bounds or Bounds(), teacher)
        self._node.expires_in = self.cluster.expires_in
        self._rooms: dict[str, LiveRoom] = {}
        self._loading: dict[str, asyncio.Task[LiveRoom]] = {}
        self._early: dict[str, list[Committed]] = {}  # entries that come for a room while it is loaded
        self._known: set[str] = set()  # names of rooms
        self._seats: dict[str, HubSeat] = {}  # of all rooms, by public name
        self._failed_at = float("-inf")
        self._failing = False  # no commit has succeeded since one failed
        self.records = self._node.records
        self.measured = Measured()

    async def start(self) -> None:
        """Open the log, and begin the grace time of the members that it knows. Raises `ChatError`."""
        await self.log.start(self._on_committed, self._on_failed)
        self._known = set(await self.log.rooms())
        self._node.keep(asyncio.create_task(self._load_all()))
        if self.log.nodes_return:
            self._node.keep(asyncio.create_task(self._archive()))
        else:
            self._node.keep(asyncio.create_task(self.cluster.watch()))

    async def stop(self) -> None:
        """Take no more drafts, commit what is enqueued, and close the log."""
        self.close()
        for room in self._rooms.values():
            room.stop()
        for task in self._loading.values():
            task.cancel()
        await self._node.cancel_tasks()
        await asyncio.gather(*self._loading.values(), return_exceptions=True)
        await self.log.stop()

    def close(self) -> None:
        """Take no more drafts."""
        self._node.closing = True

    @property
    def seats(self) -> int:
        """How many seats this node holds, those in their grace time included."""
        return len(self._seats)

    def all_seats(self) -> Sequence[HubSeat]:
        """Return the seats that this node holds."""
        return list(self._seats.values())

    @property
    def room_count(self) -> int:
        """How many rooms there are, those that are not loaded included."""
        return len(self._known)

    @property
    def ready(self) -> bool:
        """Whether drafts can be stored now: it is not closing, and the log did not fail a moment ago."""
        recovered = asyncio.get_running_loop().time() - self._failed_at >= UNREADY
        return recovered and not self._node.closing

    def renew(self, access: str) -> None:
        """Require another access token of everybody who comes from now on."""
        self._access = access

    def admit(self, access: str, peer: str = "", seat_key: str = "", room: str = "") -> bool:
        """Raise `AccessDenied` unless this is the access token, or none is needed: see `HubPort.admit`."""
        if not self._access:
            return True
        self.may_guess(peer)
        if is_token(access, self._access):
            self._guesses.right(peer)
            return True
        if seat_key and self._took_seat(access, seat_key, room):
            return False
        if not access:
            raise AccessDenied("this server requires an access token: use --token-file, or set CHAT_TOKEN")
        if peer and not self._guesses.wait(peer):  # a known host may go on, but its waiting grows no longer
            self.wrong_token(peer)
        raise AccessDenied("the access token is wrong: ask the person who runs the server for the right one")

    def _took_seat(self, access: str, seat_key: str, room: str) -> bool:
        """Return whether the seat was taken with this token."""
        seat = self._seat(seat_key)
        return (
            seat is not None
            and room in ("", seat.room_name)
            and seat.access != ""
            and is_token(access, seat.access)
        )

    def _seat(self, seat_key: str) -> HubSeat | None:
        name = _cached_seat_name(seat_key) if len(seat_key) <= LONGEST else ""
        return self._seats.get(name)

    def may_guess(self, peer: str) -> None:
        """Raise `AccessDenied` if this host must wait, because of the wrong tokens that came from it."""
        wait = self._guesses.wait(peer)
        if wait and not self._guesses.is_known(peer):
            raise AccessDenied(
                f"too many wrong access tokens came from your address: try again in {wait:.0f} s",
                retry_after=wait,
            )

    def wrong_token(self, peer: str) -> None:
        """Count a wrong token."""
        self.records.report("wrong_token", peer=peer, count=self._guesses.wrong(peer))

    def dropped(self, technique: str, reason: ChatError, peer: str = "") -> None:
        """Note that a technique has ended a connection that had no seat."""
        if not self._node.closing:
            self.records.report("dropped", technique=technique, code=reason.code, peer=peer)

    async def take_seat(self, hello: Hello, technique: str, peer: str = "", connection: str = "") -> HubSeat:
        """Give a new seat, or give one back to its owner. Raises a `ChatError` that says why not."""
        access = self._access
        try:
            self.admit(hello.access, peer)
            name, nick = clean_room(hello.room), clean_nick(hello.nick)
            origin = Origin(peer, f"{technique} {connection}" if connection else "")
            room = await self._room(name, origin)
            seat = await room.take_seat(hello, nick, technique, origin)
        except ChatError as error:
            self.records.report("refused", technique=technique, code=error.code, peer=peer)
            raise
        seat.access = access
        return seat

    def find_seat(self, seat_key: str, room: str = "") -> HubSeat:
        """Return the seat that this key opens.

        It restarts the grace time of a polling client.

        Args:
            seat_key: from the welcome.
            room: the room that the seat must be in; "": any.

        Raises:
            SeatGone: no seat has this key, or it is in another room.
            SeatTaken: the seat has moved to another node of the log.
        """
        name = _cached_seat_name(seat_key) if len(seat_key) <= LONGEST else ""
        seat = self._seats.get(name)
        if seat is None:
            if any(name in one.moved for one in self._rooms.values()):
                raise SeatTaken(MOVED)
            raise SeatGone("no seat has this key: the seat has ended or never existed; join again")
        if room and seat.room_name != room:
            raise SeatGone(f"no seat in room {room} has this key: it opens a seat in another room")
        seat.polled()
        return seat

    async def look(self, room: str, access: str, peer: str = "", seat_key: str = "") -> RoomReader:
        """Return a room that exists, to read it without a seat. Raises a `ChatError`."""
        self.admit(access, peer, seat_key, room)
        name = clean_room(room)
        if name not in self._known and self.log.shared:
            await self._learn_rooms()
        if name not in self._known:
            raise NoSuchRoom(f"there is no room {name}: it is created when somebody joins it")
        found = await self._room(name)
        return RoomReader(found, self._node, lambda: self._node.arrivals.take_page(peer))

    def rooms(self, access: str, peer: str = "") -> list[str]:
        """Return the names of all rooms, archived ones too, sorted. Raises `AccessDenied`."""
        self.admit(access, peer)
        return sorted(self._known)

    def live_rooms(self) -> Sequence[LiveRoom]:
        """Return the rooms that are loaded here."""
        return list(self._rooms.values())

    # --- rooms ---------------------------------------------------------------------------------

    async def _learn_rooms(self) -> None:
        """Ask the log for rooms that other nodes have opened."""
        self._known.update(await self.log.rooms())

    async def _room(self, name: str, origin: Origin = NOBODY) -> LiveRoom:
        """Return a room, loaded or opened if need be; ``origin`` is counted as who opens it."""
        while (room := self._rooms.get(name)) is None or not room.state.epoch:
            if self._node.closing:
                raise Closing("the server is going down")
            task = self._loading.get(name)
            if task is None:
                self._make_place()
                if name not in self._known:
                    self._node.arrivals.count_room(origin)
                    self._known.add(name)
                task = self._loading[name] = asyncio.create_task(self._load(name))
                task.add_done_callback(lambda _: self._loading.pop(name, None))
            await asyncio.shield(task)
        return room

    def _make_place(self) -> None:
        """Archive the room that was empty for longest, if too many are in use. Raises `Full` if none is."""
        if len(self._rooms.keys() | self._loading.keys()) < self.limits.rooms:
            return
        if not self._archive_rooms(at_most=1):
            raise Full(f"this server has {self.limits.rooms} rooms, the most that it allows: use one of them")

    async def _archive(self) -> None:
        """Archive rooms that were empty for a time. Their log is kept, and they are loaded from it again."""
        empty = self._node.bounds.empty
        while True:
            await asyncio.sleep(empty / 4)
            self._archive_rooms(empty)

    def _archive_rooms(self, empty: float = 0.0, at_most: int | None = None) -> int:
        """Archive the rooms that were empty for so many seconds, longest first; return how many.

        None, if their members may be at other nodes that are killed and do not return.
        """
        if not self.log.nodes_return:
            return 0
        now = asyncio.get_running_loop().time()
        found = []
        for room in self._rooms.values():
            if room.epoch and (since := room.empty_for(now)) is not None and since >= empty:
                found.append((-since, room.name))
        found = sorted(found)[:at_most]
        for _, name in found:
            del self._rooms[name]
        return len(found)

    async def _load(self, name: str) -> LiveRoom:
        self._early[name] = []
        try:
            return await self._replay(name)
        finally:
            self._early.pop(name, None)

    async def _replay(self, name: str) -> LiveRoom:
        entries = await self.log.tail(name, TAIL)
        room = LiveRoom(self._node, name, self._seats)
        left_out: set[int] = set()
        for refused in room.replica.replay(entries):
            for seq in refused:
                self.log.refuse(name, seq)
            left_out.update(refused)
            await asyncio.sleep(0)
        room.supervision.replay(entry for entry in entries if entry.seq not in left_out)
        self._rooms[name] = room
        for member in room.seats_by_node():
            if self.log.owns(member.node):
                seat = HubSeat(room, member.seat, member.author, member.technique)
                seat.restored_at = room.state.applied
                room.add_seat(seat)
        for item in self._early[name]:
            if item.entry.seq > room.state.applied:
                room.apply(item)
        if not room.epoch:
            outcome = await room.decide(Opened(str(uuid.uuid4())))
            if isinstance(outcome, ChatError) and not room.epoch:
                del self._rooms[name]
                raise outcome
        return room

    async def _load_all(self) -> None:
        """Load every room, so that the grace time of members who never come back ends."""
        for name in sorted(self._known):
            with suppress(ChatError):  # the next client that joins the room gets the error
                room = await self._room(name)
                if self.log.nodes_return and room.empty_for(0.0) is not None:
                    self._rooms.pop(name, None)  # archived: only one with members needs the memory

    # --- from the log --------------------------------------------------------------------------

    def _on_committed(self, batch: list[Committed]) -> None:
        if self._failing:
            self._failing = False
            self.records.report("stored_again")
        rooms = self._rooms
        touched = set()
        for item in batch:
            if (room := rooms.get(item.room)) is None:
                self._known.add(item.room)
                if (early := self._early.get(item.room)) is not None:
                    early.append(item)
                continue
            room.apply(item)
            touched.add(room)
        for room in touched:
            room.flush()
        self.measured.committed(batch)

    def _on_failed(self, pending: list[Pending], error: ChatError) -> None:
        self._failed_at = asyncio.get_running_loop().time()
        self.measured.not_stored += len(pending)
        if not self._failing:
            self._failing = True
            self.records.report("not_stored", reason=str(error))
        for one in pending:
            one.failed(error)
