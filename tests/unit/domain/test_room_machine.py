"""Any sequence of entries: the room decides as its rules say, read word by word from all that was accepted.

The model keeps every accepted entry and looks through all of them each time; the room keeps a window.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chat.domain import room as rules
from chat.domain.errors import ChatError, DraftConflict, NickTaken, NoSuchMessage, NotYours, SeatGone
from chat.domain.model import Ack, Body, Deleted, Edited, Entry, Event, Joined, Left, Opened, Resumed, Sent
from chat.domain.room import Room
from tests.support.entries import EPOCH, SMALL, deleted, edited, joined, sent

NICKS = ("ann", "Ann", "bob")
NODES = ("n1", "n2")
SEATS = st.integers(0, 11)
"""Mostly one of the members; the last three: one of all seats that there ever were."""
NUMBERS = st.integers(1, 6)
TEXTS = st.sampled_from(["a", "b"])


class RoomMachine(RuleBasedStateMachine):
    """Feeds a room, and predicts each outcome."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(rules, "WINDOW", SMALL)
        self.room = Room()
        self.accepted: list[tuple[Entry, Event]] = []
        self.seats: list[Joined] = []
        self.seq = 0
        self._apply(Opened(EPOCH), Event)
        self.join("ann", "n1")
        self.join("bob", "n1")

    def teardown(self) -> None:
        self.patch.undo()

    # --- what may come ---------------------------------------------------------------------------

    @rule(nick=st.sampled_from(NICKS), node=st.sampled_from(NODES))
    def join(self, nick: str, node: str) -> None:
        body = joined(f"s{len(self.seats)}", nick, node)
        taken = any(one.key == body.key for one in self._members().values())
        self.seats.append(body)
        self._apply(body, NickTaken if taken else Event)

    @rule(back=SEATS)
    def join_again(self, back: int) -> None:
        seat = self._seat(back)
        if seat.seat in self._members():
            self._apply(seat, SeatGone)

    @rule(back=SEATS, node=st.sampled_from(NODES))
    def resume(self, back: int, node: str) -> None:
        seat = self._seat(back)
        body = Resumed(seat.seat, seat.author, "rest", node)
        self._apply(body, Event if seat.seat in self._members() else SeatGone)

    @rule(back=SEATS, node=st.sampled_from(NODES))
    def leave(self, back: int, node: str) -> None:
        seat = self._seat(back)
        member = self._members().get(seat.seat)
        here = member is not None and member.node == node
        self._apply(Left(seat.seat, seat.author, "tcp", node), Event if here else SeatGone)

    @rule(back=SEATS, n=NUMBERS, text=TEXTS)
    def say(self, back: int, n: int, text: str) -> None:
        seat = self._seat(back)
        self._draft(sent(n, text, seat.seat, seat.author))

    @rule(back=SEATS, ago=st.integers(0, SMALL + 2), text=TEXTS, own=st.booleans())
    def edit(self, back: int, ago: int, text: str, own: bool) -> None:
        seat, id = self._target(back, ago, own)
        self._draft(edited(self.seq + 10, id, text, seat.seat, seat.author))

    @rule(back=SEATS, ago=st.integers(0, SMALL + 2), own=st.booleans())
    def delete(self, back: int, ago: int, own: bool) -> None:
        seat, id = self._target(back, ago, own)
        self._draft(deleted(self.seq + 10, id, seat.seat, seat.author))

    @rule(ago=st.integers(0, SMALL + 2))
    def send_again(self, ago: int) -> None:
        for entry, _ in self.accepted:
            if entry.seq == self.seq + 1 - ago and isinstance(entry.body, Sent | Edited | Deleted):
                self._draft(entry.body)
                return

    # --- what must be ----------------------------------------------------------------------------

    @invariant()
    def the_members_are_those_who_joined_and_did_not_leave(self) -> None:
        found = {seat: (one.author, one.node) for seat, one in self.room.members.items()}
        assert found == {seat: (one.author, one.node) for seat, one in self._members().items()}

    @invariant()
    def the_events_are_a_chain(self) -> None:
        seqs = [event.seq for _, event in self.accepted]
        assert [event.prev for _, event in self.accepted] == [0, *seqs[:-1]]
        assert self.room.head == seqs[-1]

    # --- the model -------------------------------------------------------------------------------

    def _seat(self, back: int) -> Joined:
        members = self._members()
        there = [seat for seat in self.seats if seat.seat in members]
        seats = there if there and back < 9 else self.seats
        return seats[-1 - back % len(seats)] if seats else joined("nobody")

    def _target(self, back: int, ago: int, own: bool) -> tuple[Joined, int]:
        """Return a seat and an entry to change; often the author's own message."""
        id = max(1, self.seq + 1 - ago)
        authors = {entry.seq: entry.body.seat for entry, _ in self.accepted if isinstance(entry.body, Sent)}
        if own and id in authors:
            return next(seat for seat in self.seats if seat.seat == authors[id]), id
        return self._seat(back), id

    def _members(self) -> dict[str, Joined]:
        found: dict[str, Joined] = {}
        for entry, _ in self.accepted:
            match entry.body:
                case Joined() as body:
                    found[body.seat] = body
                case Resumed() as body:
                    old = found[body.seat]
                    found[body.seat] = Joined(old.seat, old.author, old.key, body.technique, body.node)
                case Left() as body:
                    del found[body.seat]
        return found

    def _draft(self, body: Sent | Edited | Deleted) -> None:
        self._apply(body, self._expected(body))

    def _expected(self, body: Sent | Edited | Deleted) -> type[Event | Ack | ChatError]:
        if body.seat not in self._members():
            return SeatGone
        now = self.seq + 1
        recent = [entry for entry, _ in self.accepted if entry.seq > now - SMALL]
        drafts = [entry.body for entry in recent if isinstance(entry.body, Sent | Edited | Deleted)]
        same = [one for one in drafts if (one.seat, one.n) == (body.seat, body.n)]
        if same:
            return Ack if same[-1] == body else DraftConflict
        if isinstance(body, Sent):
            return Event
        messages = {entry.seq: entry.body.seat for entry in recent if isinstance(entry.body, Sent)}
        gone = {entry.body.id for entry, _ in self.accepted if isinstance(entry.body, Deleted)}
        if body.id not in messages or body.id in gone:
            return NoSuchMessage
        return Event if messages[body.id] == body.seat else NotYours

    def _apply(self, body: Body, expected: type[Event | Ack | ChatError]) -> None:
        checked = self.room.check(body) if self.seq and not isinstance(body, Opened) else None
        self.seq += 1
        entry = Entry(self.seq, 1_700_000_000_000 + self.seq, body)
        outcome = self.room.apply(entry)
        assert isinstance(outcome, expected), f"{body}: {outcome!r}, and not {expected.__name__}"
        if isinstance(outcome, Event):
            assert checked is None or self._forgets(body)
            self.accepted.append((entry, outcome))

    def _forgets(self, body: Body) -> bool:
        """Whether `check`, which is asked one entry earlier, may still know what `apply` has forgotten."""
        return isinstance(body, Sent | Edited | Deleted)


TestRoomMachine = RoomMachine.TestCase
TestRoomMachine.settings = settings(
    max_examples=200, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow]
)
