"""The rules of a room: who may do what, what is told to whom, and that every node decides alike.

Hypothesis plays rooms full of people who retry, take over names and change each other's messages.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chat.domain.room
from chat.domain.errors import ChatError, DraftConflict, Full, NickTaken, NoSuchMessage, NotYours, SeatGone
from chat.domain.model import (
    Ack,
    Body,
    Checkpoint,
    Deleted,
    Edited,
    Entry,
    Event,
    Joined,
    Left,
    Opened,
    Resumed,
    Sent,
)
from chat.domain.room import Outcome, Room

EPOCH = "0ddba11"
SMALL = 12  # the window in the tests that must reach beyond it


def joined(seat: str = "s1", nick: str = "ann", node: str = "n1") -> Joined:
    return Joined(seat, nick, nick.casefold(), "tcp", node)


def sent(n: int, text: str = "hello", seat: str = "s1", nick: str = "ann") -> Sent:
    return Sent(seat, nick, "tcp", n, text)


def edited(n: int, id: int, text: str = "other", seat: str = "s1", nick: str = "ann") -> Edited:
    return Edited(seat, nick, "tcp", n, id, text)


def deleted(n: int, id: int, seat: str = "s1", nick: str = "ann") -> Deleted:
    return Deleted(seat, nick, "tcp", n, id)


class Log:
    """Gives the seqs, and feeds a room."""

    def __init__(self, *bodies: Body) -> None:
        self.room = Room()
        self.entries: list[Entry] = []
        for body in (Opened(EPOCH), joined(), *bodies):
            self.add(body)

    def add(self, body: Body) -> Outcome:
        entry = Entry(len(self.entries) + 1, 1_700_000_000_000 + len(self.entries), body)
        self.entries.append(entry)
        return self.room.apply(entry)

    def accepted(self, body: Body) -> Event:
        outcome = self.add(body)
        assert isinstance(outcome, Event), outcome
        return outcome


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


# --- every node decides alike --------------------------------------------------------------------

SEATS = ("s1", "s2", "s3")
NICKS = ("ann", "bob", "Ann")
few = st.integers(1, 6)
seats, nicks, nodes = st.sampled_from(SEATS), st.sampled_from(NICKS), st.sampled_from(("n1", "n2"))
texts, techniques = st.sampled_from(("a", "b")), st.sampled_from(("tcp", "rest"))
ids = st.integers(1, 60)
bodies: st.SearchStrategy[Body] = st.one_of(
    st.builds(Sent, seats, nicks, techniques, few, texts),
    st.builds(Sent, seats, nicks, techniques, few, texts),
    st.builds(Edited, seats, nicks, techniques, few, ids, texts),
    st.builds(Deleted, seats, nicks, techniques, few, ids),
    st.builds(joined, seats, nicks, nodes),
    st.builds(Resumed, seats, nicks, techniques, nodes),
    st.builds(Left, seats, nicks, techniques, nodes),
    st.builds(Opened, st.just("another")),
)


def outcome_json(outcome: Outcome) -> object:
    """Return all that an outcome tells anybody, comparable."""
    if isinstance(outcome, ChatError):
        return [outcome.code, str(outcome), outcome.n]
    return None if outcome is None else repr(outcome)


def play(log: list[Body]) -> tuple[list[object], str]:
    room = Room()
    outcomes = [outcome_json(room.apply(Entry(seq, seq, body))) for seq, body in enumerate(log, 1)]
    return outcomes, repr(room.checkpoint())


@given(st.lists(bodies, max_size=60))
def test_the_same_entries_give_the_same_outcomes_and_the_same_state(log: list[Body]) -> None:
    assert play([Opened(EPOCH), *log]) == play([Opened(EPOCH), *log])


@given(st.lists(bodies, max_size=60))
def test_check_foretells_what_apply_decides(log: list[Body]) -> None:
    room = Room()
    room.apply(Entry(1, 1, Opened(EPOCH)))
    for seq, body in enumerate(log, 2):
        if not isinstance(body, Opened):
            foretold = room.check(body)
            outcome = room.apply(Entry(seq, seq, body))
            assert outcome_json(foretold) == (None if isinstance(outcome, Event) else outcome_json(outcome))


@given(st.lists(bodies, max_size=60))
def test_events_form_one_chain(log: list[Body]) -> None:
    room, last = Room(), 0
    for seq, body in enumerate([Opened(EPOCH), *log], 1):
        outcome = room.apply(Entry(seq, seq, body))
        if isinstance(outcome, Event):
            assert (outcome.prev, outcome.seq) == (last, seq)
            last = seq
    assert room.head == last


def dice() -> Callable[[int], int]:
    """Return a source of numbers below a limit, the same on every Python."""
    state = 1

    def below(limit: int) -> int:
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % limit

    return below


def test_every_python_decides_as_the_first_one_did() -> None:
    below = dice()
    room, outcomes = Room(), [repr(Room().apply(Entry(1, 1, Opened(EPOCH))))]
    room.apply(Entry(1, 1, Opened(EPOCH)))
    for seq in range(2, 3000):
        seat, nick, n = SEATS[below(3)], ("ann", "bob", "Straße")[below(3)], below(40)
        node, technique, id = f"n{below(2)}", ("tcp", "rest")[below(2)], max(1, seq - below(30))
        bodies: tuple[Body, ...] = (
            Sent(seat, nick, technique, n, f"t{below(2)}é\n😀"),
            Edited(seat, nick, technique, n, id, f"t{below(2)}"),
            Deleted(seat, nick, technique, n, id),
            Joined(seat, nick, nick.casefold(), technique, node),
            Resumed(seat, nick, technique, node),
            Left(seat, nick, technique, node),
        )
        outcome = room.apply(Entry(seq, seq, bodies[(0, 0, 0, 0, 1, 1, 1, 2, 3, 3, 4, 5)[below(12)]]))
        outcomes.append(outcome.code if isinstance(outcome, ChatError) else repr(outcome))
    assert {"seat_gone", "nick_taken", "draft_conflict", "not_yours", "no_such_message"} <= {*outcomes}
    told = "\n".join([*outcomes, repr(room.checkpoint())])
    assert sha256(told.encode()).hexdigest()[:16] == "ec96338d55354869", (
        "nodes of two versions would disagree"
    )


# --- a beginning that was cut off ----------------------------------------------------------------


class Person:
    """Somebody who keeps to the protocol: counts up, and repeats only what is not long ago."""

    def __init__(self, nick: str) -> None:
        self.nick, self.life = nick, 1
        self.drafts: list[Body] = []

    def does(self, what: str, some: int, log: list[Entry]) -> Body:
        seat, n = f"{self.nick}{self.life}", len(self.drafts) + 1
        id = max(1, len(log) - some)
        match what:
            case "join":
                return joined(seat, self.nick)
            case "leave":
                self.life, self.drafts = self.life + 1, []
                return Left(seat, self.nick, "tcp", "n1")
            case "repeat" if self.drafts:
                again = self.drafts[-1 - some % len(self.drafts)]
                if any(entry.body is again for entry in log[-SMALL // 2 :]):
                    return again
                return Resumed(seat, self.nick, "rest", "n1")
            case "edit":
                self.drafts.append(edited(n, id, "x", seat, self.nick))
            case "delete":
                self.drafts.append(deleted(n, id, seat, self.nick))
            case _:
                self.drafts.append(sent(n, f"text {n}", seat, self.nick))
        return self.drafts[-1]


doings = st.sampled_from(("say", "say", "edit", "delete", "repeat", "repeat", "join", "join", "leave"))
stories = st.lists(
    st.tuples(st.integers(0, 2), doings, st.integers(0, 2 * SMALL)), min_size=4 * SMALL, max_size=8 * SMALL
)


@given(stories, st.integers(1, SMALL))
def test_a_room_restored_from_a_checkpoint_soon_equals_one_that_read_everything(
    story: list[tuple[int, str, int]], cut: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chat.domain.room, "WINDOW", SMALL)
        patch.setattr(chat.domain.room, "CHECKPOINT_EVERY", SMALL // 2)
        everything, restored = Room(), Room()
        people = [Person(nick) for nick in ("ann", "bob", "eve")]
        log: list[Entry] = []
        restored_at = 0

        def add(body: Body) -> None:
            nonlocal restored_at
            entry = Entry(len(log) + 1, 1, body)
            log.append(entry)
            outcome = everything.apply(entry)
            if entry.seq > cut:
                same = outcome_json(restored.apply(entry)) == outcome_json(outcome)
                restored_at = restored_at or (entry.seq if isinstance(body, Checkpoint) else 0)
                assert same or not restored_at or entry.seq <= restored_at + 2 * SMALL

        add(Opened(EPOCH))
        for who, what, some in story:
            add(people[who].does(what, some, log))
            if everything.checkpoint_due():
                add(everything.checkpoint())
        assert restored.checkpoint() == everything.checkpoint()
        assert restored._messages == everything._messages
        assert restored._drafts == everything._drafts


def test_who_may_be_behind_does_not_foresee_that_a_message_to_come_is_none() -> None:
    log = Log(sent(1))
    room = log.room
    assert room.foresee(edited(2, room.applied + 5)) is None
    assert isinstance(room.check(edited(2, room.applied + 5)), NoSuchMessage)
    assert isinstance(room.foresee(edited(2, 1)), NoSuchMessage)
