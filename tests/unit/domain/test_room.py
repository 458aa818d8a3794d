"""The rules of a room: who may do what, and what is told to whom."""

from __future__ import annotations

import pytest

import chat.domain.room
from chat.domain.errors import ChatError, DraftConflict, Full, NickTaken, NoSuchMessage, NotYours, SeatGone
from chat.domain.model import (
    Ack,
    Body,
    Entry,
    Event,
    Left,
    Opened,
    Resumed,
)
from chat.domain.room import Room
from tests.support.entries import EPOCH, SMALL, Log, deleted, edited, joined, sent


@pytest.fixture
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.domain.room, "WINDOW", SMALL)


# --- the order -----------------------------------------------------------------------------------


def test_prev_is_the_seq_of_the_event_before_whatever_was_refused_between() -> None:
    log = Log()
    first = log.accepted(sent(1))
    log.add(edited(2, 99))  # refused
    log.add(sent(1))  # a duplicate
    second = log.accepted(sent(3))
    assert (first.seq, second.seq, second.prev) == (3, 6, 3)


def test_the_first_event_has_no_event_before_it() -> None:
    event = Room().apply(Entry(1, 5, Opened(EPOCH)))
    assert event == Event("opened", 1, 0, 5, text=EPOCH)


def test_a_room_opens_once() -> None:
    log = Log()
    assert isinstance(log.add(Opened("another")), ChatError)
    assert log.room.epoch == EPOCH


def test_nothing_is_accepted_before_the_opening() -> None:
    room = Room()
    bodies: list[Body] = [joined(), sent(1), Left("s1", "ann", "tcp", "n1")]
    for seq, body in enumerate(bodies, 1):
        assert isinstance(room.apply(Entry(seq, 0, body)), ChatError)
    assert (room.head, room.members) == (0, {})


# --- seats ---------------------------------------------------------------------------------------


def test_a_nick_is_taken_in_any_case() -> None:
    assert isinstance(Log().add(joined("s2", "ANN")), NickTaken)


def test_a_seat_can_be_taken_once() -> None:
    assert isinstance(Log().add(joined("s1", "bob")), SeatGone)


def test_a_nick_is_free_again_when_its_owner_has_left() -> None:
    log = Log(Left("s1", "ann", "tcp", "n1"))
    log.accepted(joined("s2", "ann"))
    assert [member.seat for member in log.room.members.values()] == ["s2"]


def test_a_full_room_takes_nobody_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.domain.room, "MAX_MEMBERS", 1)
    assert isinstance(Log().add(joined("s2", "bob")), Full)


def test_only_the_node_that_owns_a_seat_can_end_it() -> None:
    log = Log(Resumed("s1", "ann", "rest", "n2"))
    assert isinstance(log.add(Left("s1", "ann", "tcp", "n1")), SeatGone)  # a late goodbye
    log.accepted(Left("s1", "ann", "rest", "n2"))


def test_a_seat_that_moves_takes_its_technique_along() -> None:
    log = Log(Resumed("s1", "ann", "rest", "n2"))
    assert [(m.technique, m.node) for m in log.room.members.values()] == [("rest", "n2")]


@pytest.mark.parametrize("body", [Resumed("s1", "eve", "tcp", "n1"), Left("s1", "eve", "tcp", "n1")])
def test_nobody_moves_or_leaves_under_another_name(body: Body) -> None:
    assert isinstance(Log(sent(1)).add(body), SeatGone)


@pytest.mark.parametrize("body", [sent(9), Resumed("s1", "ann", "tcp", "n1"), Left("s1", "ann", "tcp", "n1")])
def test_a_seat_that_has_ended_can_do_nothing(body: Body) -> None:
    assert isinstance(Log(Left("s1", "ann", "tcp", "n1")).add(body), SeatGone)


def test_nobody_speaks_under_another_name_than_the_seats() -> None:
    assert isinstance(Log().add(sent(1, nick="bob")), SeatGone)


# --- who wrote what ------------------------------------------------------------------------------


def test_the_author_can_edit_and_then_delete() -> None:
    log = Log(sent(1))
    edit = log.accepted(edited(2, 3, "better"))
    assert (edit.kind, edit.id, edit.text) == ("edited", 3, "better")
    assert log.accepted(deleted(3, 3)).id == 3


@pytest.mark.parametrize(
    "change", [edited(1, 3, seat="s2", nick="bob"), deleted(1, 3, seat="s2", nick="bob")]
)
def test_nobody_else_can_change_a_message(change: Body) -> None:
    assert isinstance(Log(sent(1), joined("s2", "bob")).add(change), NotYours)


def test_authorship_ends_with_the_seat_and_not_with_the_nick() -> None:
    log = Log(sent(1), Left("s1", "ann", "tcp", "n1"), joined("s2", "ann"))
    assert isinstance(log.add(edited(1, 3, seat="s2")), NotYours)


@pytest.mark.parametrize("id", [2, 4, 99], ids=["a join", "an edit", "nothing"])
def test_only_a_message_can_be_changed(id: int) -> None:
    assert isinstance(Log(sent(1), edited(2, 3)).add(edited(3, id)), NoSuchMessage)


def test_a_deleted_message_stays_as_it_is() -> None:
    log = Log(sent(1), deleted(2, 3))
    assert isinstance(log.add(edited(3, 3)), NoSuchMessage)
    assert isinstance(log.add(deleted(4, 3)), NoSuchMessage)


@pytest.mark.usefixtures("small_window")
def test_a_message_can_be_changed_within_the_window_only() -> None:
    log = Log(sent(1), *(sent(n) for n in range(2, SMALL)))
    log.accepted(edited(50, 3))
    assert isinstance(log.add(edited(51, 3)), NoSuchMessage)


def test_a_message_is_what_its_last_change_made_of_it() -> None:
    log = Log(sent(1), sent(2))
    room = log.room
    assert (room.version(3), room.last_change(3)) == (3, 3)
    change = log.accepted(edited(3, 3))
    log.add(edited(4, 3, seat="nobody"))
    assert (room.version(3), room.last_change(3)) == (change.seq, change.seq)
    end = log.accepted(deleted(5, 3))
    assert (room.version(3), room.last_change(3)) == (0, end.seq), "there is nothing left to be changed"
    assert (room.version(4), room.last_change(4)) == (4, 4)
    for nothing in (0, 1, 2, change.seq, end.seq, 99):
        assert (room.version(nothing), room.last_change(nothing)) == (0, 0)


# --- drafts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "draft", [sent(7, "once"), edited(7, 3, "once"), deleted(7, 3)], ids=["sent", "edited", "deleted"]
)
def test_a_draft_that_comes_twice_is_answered_with_its_first_seq(draft: Body) -> None:
    log = Log(sent(1))
    first = log.accepted(draft)
    log.accepted(sent(8))
    assert log.add(draft) == Ack(7, first.seq)


@pytest.mark.parametrize("other", [sent(7, "twice"), edited(7, 3, "once"), deleted(7, 3)])
def test_a_number_that_was_used_is_refused_with_another_content(other: Body) -> None:
    assert isinstance(Log(sent(1), sent(7, "once")).add(other), DraftConflict)


def test_numbers_may_come_in_any_order() -> None:
    log = Log(sent(5))
    assert log.accepted(sent(2, "late")).n == 2
    assert log.room.members["s1"].n == 5


def test_every_seat_counts_for_itself() -> None:
    log = Log(sent(1), joined("s2", "bob"))
    log.accepted(sent(1, "mine", seat="s2", nick="bob"))


def test_a_refused_draft_is_not_remembered() -> None:
    log = Log(edited(1, 99))
    log.accepted(sent(1))


@pytest.mark.usefixtures("small_window")
def test_a_number_is_remembered_for_the_window_and_no_longer() -> None:
    log = Log(sent(1), *(sent(n) for n in range(2, SMALL)))
    assert log.add(sent(1)) == Ack(1, 3)
    assert isinstance(log.add(sent(1)), Event)


@pytest.mark.usefixtures("small_window")
def test_what_a_room_remembers_does_not_grow() -> None:
    log = Log()
    for n in range(1, 10 * SMALL, 2):
        log.add(edited(n + 1, log.accepted(sent(n)).seq))
    assert len(log.room._messages) <= SMALL
    assert len(log.room._changes) <= SMALL
    assert len(log.room._drafts) == len(log.room._draft_order) <= SMALL


@pytest.mark.usefixtures("small_window")
def test_a_seat_that_joins_again_may_use_its_numbers_again() -> None:
    log = Log(sent(1), Left("s1", "ann", "tcp", "n1"), joined())
    second = log.accepted(sent(1, "another"))
    for n in range(2, 2 + SMALL - 4):  # the first one is forgotten, the second is not
        log.accepted(sent(n))
    assert log.add(sent(1, "another")) == Ack(1, second.seq)
    for n in range(20, 20 + SMALL):
        log.accepted(sent(n))
    assert ("s1", 1) not in log.room._drafts


# --- a beginning that was cut off ----------------------------------------------------------------


def test_who_may_be_behind_does_not_foresee_that_a_message_to_come_is_none() -> None:
    log = Log(sent(1))
    room = log.room
    assert room.foresee(edited(2, room.applied + 5)) is None
    assert isinstance(room.check(edited(2, room.applied + 5)), NoSuchMessage)
    assert isinstance(room.foresee(edited(2, 1)), NoSuchMessage)
