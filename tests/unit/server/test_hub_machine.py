"""Any sequence of people who come, talk, vanish and come back: the hub answers as a plain model of it does.

The model (`tests.support.hub_model`) looks through all that was, each time. The clock stands until a rule
moves it, so grace times and rates are exact.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chat.domain import guesses
from chat.domain.errors import ChatError, SeatGone, SeatTaken
from chat.domain.model import Ack, Bounds, Delete, Draft, Edit, Event, Hello, Limits, Say
from chat.server.hub import Hub
from chat.server.logs.memory import MemoryLog
from chat.server.seat import HubSeat
from tests.support.hub_model import FREE, NETWORKS, TOKEN, Expected, HubModel, Line, Person
from tests.support.stage import Peer
from tests.support.stepped_loop import SteppedLoop

T = TypeVar("T")
RUNS = int(os.environ.get("MACHINES", "100"))
LIMITS = Limits(burst=3, rate=2.0, rooms=2, seats=5)
BOUNDS = Bounds(
    entries=4,
    entry_rate=0.07,
    new_rooms=2,
    room_rate=0.03,
    address_seats=2,
    loopback_seats=4,
    connection_seats=2,
    pages=0,
    empty=1e9,  # only for want of a place
)
ROOMS = st.sampled_from(["lab", "den", "attic", "yard"])
NICKS = st.sampled_from(["ann", "Ann", "bob", "cat"])
ADDRESSES = st.sampled_from(list(NETWORKS))
CONNECTIONS = st.sampled_from(["", "1", "2"])
TECHNIQUES = st.sampled_from(["tcp", "rest"])
WHO = st.integers(0, 7)
"""Mostly one of those who are there; the last two: anybody who ever was."""


class Reader(Peer):
    """A connection that remembers what was written to it."""

    @staticmethod
    def encode(events: Sequence[Event]) -> bytes:
        return "\n".join(f"{event.seq} {event.prev}" for event in events).encode()


class HubMachine(RuleBasedStateMachine):
    """Plays all people, and the time."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(guesses, "FREE", FREE)
        self.loop = SteppedLoop()
        self.log = MemoryLog(clock=self.loop.time)
        self.readers: dict[str, Reader] = {}
        self.model = HubModel(LIMITS, BOUNDS, self.loop.time)
        self._start()

    def _start(self) -> None:
        async def start() -> None:
            self.hub = Hub(self.log, limits=LIMITS, bounds=BOUNDS, access=TOKEN)
            await self.hub.start()

        self.loop.run(start())

    def teardown(self) -> None:
        self.loop.run(self.hub.stop())
        self.loop.close()
        self.patch.undo()

    # --- coming in -------------------------------------------------------------------------------

    @rule(room=ROOMS, nick=NICKS, technique=TECHNIQUES, address=ADDRESSES, connection=CONNECTIONS)
    def join(self, room: str, nick: str, technique: str, address: str, connection: str) -> None:
        self._come(room, nick, technique, address, connection, "")

    @rule(who=WHO, technique=TECHNIQUES, address=ADDRESSES, other=st.sampled_from(["", "", "nick", "room"]))
    def come_back(self, who: int, technique: str, address: str, other: str) -> None:
        """Somebody brings his seat key; perhaps to another room, or with another nick."""
        if (one := self._one(who)) is not None:
            room, nick = "yard" if other == "room" else one.room, "dan" if other == "nick" else one.nick
            self._come(room, nick, technique, address, "3", one.key)

    @rule(address=ADDRESSES, token=st.sampled_from(["", "open", TOKEN]), times=st.integers(1, 3))
    def guess(self, address: str, token: str, times: int) -> None:
        for _ in range(times):
            expected = self.model.admit(token, address)
            try:
                self._call(lambda: self.hub.admit(token, address))
            except ChatError as error:
                self._same(error, expected)
            else:
                assert expected is None

    def _come(self, room: str, nick: str, technique: str, address: str, connection: str, key: str) -> None:
        origin = (address, f"{technique} {connection}" if connection else "")
        owner = None
        loaded = [one.name for one in self.hub.live_rooms()]
        expected = self.model.admit(TOKEN, address) or self.model.open(room, address, loaded)
        if expected is None:
            owner = self.model.owner(key, room, nick)
            if owner is not None:
                expected = self.model.resume(owner, technique, origin)
            else:
                expected = self.model.join(room, nick, origin)
        hello = Hello(room, nick, access=TOKEN, seat_key=key)
        try:
            seat = self.loop.run(self.hub.take_seat(hello, technique, address, connection))
        except ChatError as error:
            self._same(error, expected)
            return
        assert expected is None, f"{nick} came in, and {expected} was expected"
        if owner is not None:
            assert (seat.seat, seat.key) == (owner.seat, owner.key)
        else:
            self.model.joined(seat.seat, seat.key, hello, technique, origin)

    # --- being there -----------------------------------------------------------------------------

    @rule(who=WHO)
    def connect(self, who: int) -> None:
        if (found := self._there(who)) is None:
            return
        one, seat = found
        reader, old = Reader(), self.readers.get(one.seat)
        self._call(lambda: seat.attach(reader))
        self.model.attached(one)
        self.readers[one.seat] = reader
        if old is not None:
            assert isinstance(old.reason, SeatTaken)

    @rule(who=WHO)
    def drop(self, who: int) -> None:
        if (found := self._there(who)) is not None:
            one, seat = found
            self._call(lambda: seat.detach(self.readers.pop(one.seat, None)))
            self.model.dropped(one)

    @rule(who=WHO)
    def poll(self, who: int) -> None:
        if (one := self._one(who)) is not None:
            if one.alive:
                assert self.hub.find_seat(one.key).seat == one.seat
                self.model.polled(one)
            else:
                with pytest.raises(SeatGone):
                    self.hub.find_seat(one.key)

    @rule(who=WHO)
    def leave(self, who: int) -> None:
        if (found := self._there(who)) is not None:
            one, seat = found
            self._call(seat.leave)
            self.model.left(one)
            if (reader := self.readers.pop(one.seat, None)) is not None:
                assert isinstance(reader.reason, SeatGone)
                assert len(reader.got) == len(self.model.lines[one.room])

    @rule(seconds=st.sampled_from([0.6, 1.3, 5.2, 14.9, 15.6, 44.7, 61.1]))
    def time_passes(self, seconds: float) -> None:
        self.loop.advance(seconds)
        self.model.time_has_passed()
        gone = {one.seat: one for one in self.model.expired()}
        rooms = {one.name: one for one in self.hub.live_rooms()}
        for name in {one.room for one in gone.values()}:  # in which order, only the hub's timers know
            events = self.loop.run(rooms[name].history(None, None, LIMITS.page))
            for event in events[len(self.model.lines[name]) :]:
                if event.seat in gone:
                    self.model.left(gone.pop(event.seat))
        assert not gone, "the grace time is over, and the seat is there"

    @rule()
    def restart(self) -> None:
        self.loop.run(self.hub.stop())
        self.readers.clear()
        self.model.restart()
        self._start()

    # --- drafts ----------------------------------------------------------------------------------

    @rule(who=WHO, count=st.integers(1, 4))
    def say(self, who: int, count: int) -> None:
        if (one := self._one(who)) is not None:
            for _ in range(count):
                n = max([*one.drafts, one.held], default=0) + 1
                self._draft(one, Say(f"{one.nick} {n}", n))

    @rule(who=WHO, back=st.integers(0, 5), delete=st.booleans())
    def change(self, who: int, back: int, delete: bool) -> None:
        if (one := self._one(who)) is not None:
            n = max([*one.drafts, one.held], default=0) + 1
            id = max(1, len(self.model.lines[one.room]) - back)
            self._draft(one, Delete(id, n) if delete else Edit(id, f"{one.nick} {n}", n))

    @rule(who=WHO, back=st.integers(0, 2), other=st.booleans())
    def send_again(self, who: int, back: int, other: bool) -> None:
        """The same draft, or another one with its number; or the one that came too fast."""
        if (one := self._one(who)) is not None:
            if one.drafts:
                n = list(one.drafts)[-1 - back % len(one.drafts)]
                self._draft(one, Say("something else", n) if other else one.drafts[n])
            elif one.held:
                self._draft(one, Say("it comes again", one.held))

    def _draft(self, one: Person, draft: Draft) -> None:
        outcomes: list[Event | Ack | ChatError] = []
        seat = self.seats.get(one.seat)
        messages: dict[int, str] = {}
        for seq, line in enumerate(self.model.lines[one.room], 1):
            if line.kind == "sent":
                messages[seq] = line.seat
            elif line.kind == "deleted":
                del messages[line.id]
        expected = self.model.draft(one, draft, messages)
        if seat is None:  # its owner would learn it where the seat is looked for
            assert expected[0] is SeatGone
            return
        self._call(lambda: seat.send(draft, lambda _, outcome: outcomes.append(outcome)))
        (outcome,) = outcomes
        self._same(outcome, expected)

    # --- what must be ----------------------------------------------------------------------------

    @invariant()
    def it_is_as_in_the_model(self) -> None:
        assert set(self.seats) == {one.seat for one in self.model.there()}
        assert set(self._call(lambda: self.hub.rooms(TOKEN, "198.51.100.1"))) == set(self.model.lines)
        rooms = {one.name: one for one in self.hub.live_rooms()}
        assert len(rooms) <= LIMITS.rooms
        assert {one.room for one in self.model.there()} <= set(rooms)
        for name, room in rooms.items():
            events = self.loop.run(room.history(None, None, LIMITS.page))
            found = [
                Line(one.kind, one.seat, one.id if one.kind in ("edited", "deleted") else 0, one.text)
                for one in events
            ]
            assert found[1:] == self.model.lines[name][1:]
            assert [one.seat for one in room.members()] == [one.seat for one in self.model.there(name)]
            room.flush(now=True)  # who comes and goes may be told a moment later
            chain = [f"{event.seq} {event.prev}" for event in events]
            for one in self.model.there(name):
                if one.seat in self.readers:
                    assert self.readers[one.seat].got == chain
                    assert self.readers[one.seat].reason is None

    @property
    def seats(self) -> dict[str, HubSeat]:
        return {seat.seat: seat for seat in self.hub.all_seats()}

    def _same(self, found: object, expected: Expected | None) -> None:
        assert expected is not None, f"{found!r}, and nothing was to be refused"
        kind, wait = expected
        assert type(found) is kind, f"{found!r}, and {kind.__name__} was expected"
        if wait is not None:
            assert isinstance(found, ChatError)
            assert found.retry_after == pytest.approx(wait)

    def _one(self, who: int) -> Person | None:
        people = self.model.there() if who < 6 else self.model.people
        return people[-1 - who % len(people)] if people else None

    def _there(self, who: int) -> tuple[Person, HubSeat] | None:
        one = self._one(who)
        return (one, self.seats[one.seat]) if one is not None and one.alive else None

    def _call(self, work: Callable[[], T]) -> T:
        """Do something on the loop, and let everything follow from it."""

        async def call() -> T:
            return work()

        return self.loop.run(call())


TestHubMachine = HubMachine.TestCase
TestHubMachine.settings = settings(
    max_examples=RUNS, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow]
)
