"""A replica of a room: the ring of newest events, loading from a log, cursor checks, pages, checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chat.domain.room
import chat.domain.room_replica
from chat.domain.errors import StaleCursor
from chat.domain.model import Body, Cursor, Edited, Entry, Event, Joined, Left, Opened, Resumed, Sent
from chat.domain.room_replica import RING_BYTES, RING_EVENTS, EventRing, RoomReplica, weight


def chain(seqs: Sequence[int], text: str = "") -> list[Event]:
    return [Event("sent", seq, prev, 0, text=text) for prev, seq in zip([0, *seqs], seqs, strict=False)]


def filled(events: Sequence[Event]) -> EventRing:
    ring = EventRing()
    for each in events:
        ring.append(each)
    return ring


def entries(count: int) -> list[Entry]:
    """A room with one member, and messages up to this seq; every third of them is refused."""
    bodies: list[Body] = [Opened("epoch-1"), Joined("s1", "ann", "ann", "tcp", "n1")]
    for n in range(1, count - 1):
        if n % 3:
            bodies.append(Sent("s1", "ann", "tcp", n, f"m{n}"))
        else:
            bodies.append(Edited("s1", "ann", "tcp", n, 99_999, "of no message"))
    return [Entry(seq, seq, body) for seq, body in enumerate(bodies[:count], 1)]


def loaded(log: list[Entry]) -> tuple[RoomReplica, list[int]]:
    replica = RoomReplica()
    return replica, [seq for step in replica.replay(log) for seq in step]


# --- the ring ------------------------------------------------------------------------------------


def test_the_ring_keeps_a_bounded_number_of_events() -> None:
    assert len(filled(chain(range(1, 5 * RING_EVENTS)))) == RING_EVENTS


def test_the_ring_keeps_a_bounded_number_of_bytes() -> None:
    assert sum(map(weight, filled(chain(range(1, RING_EVENTS), "x" * 4000)))) <= RING_BYTES


@given(st.sets(st.integers(1, 40), max_size=20).map(sorted), st.integers(0, 45), st.integers(1, 6))
def test_the_ring_answers_like_a_list_of_the_newest_events(seqs: list[int], seq: int, count: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chat.domain.room_replica, "RING_EVENTS", 4)
        events = chain(seqs)
        ring, kept = filled(events), events[-4:]
    assert ring.complete == (len(events) <= 4)
    assert ring.reaches(seq) == all(each in kept for each in events if each.seq > seq)
    if ring.reaches(seq):
        assert ring.after(seq, count) == [each for each in kept if each.seq > seq][:count]
    assert [each for each in kept if each.seq > ring.before_last(count)] == kept[-count:]
    before = ring.before(seq, count)
    if before is None:
        assert len([each for each in kept if each.seq < seq]) < count
    else:
        assert before == [each for each in events if each.seq < seq][-count:]


# --- loading -------------------------------------------------------------------------------------


def test_loading_gives_what_applying_gives_and_names_the_refused() -> None:
    log = entries(30)
    replica, refused = loaded(log)
    other = RoomReplica()
    outcomes = {entry.seq: other.apply(entry) for entry in log}
    assert refused == [seq for seq, outcome in outcomes.items() if not isinstance(outcome, Event)]
    assert (replica.head, replica.epoch, replica.last) == (other.head, "epoch-1", log[-1])
    assert list(replica.ring) == list(other.ring)


def test_loading_pauses_after_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.domain.room_replica, "REPLAY_BATCH", 10)
    assert len(list(RoomReplica().replay(entries(30)))) == 4


def test_from_a_checkpoint_without_later_events_history_is_not_taken_for_complete() -> None:
    whole, _ = loaded(entries(19))
    replica, _ = loaded([Entry(20, 0, whole.state.checkpoint())])
    assert replica.head == whole.head
    assert replica.page(0, None, 10) is None
    assert replica.page(None, None, 10) is None
    assert replica.replay_from(10) is None


def test_an_empty_room_has_an_empty_history() -> None:
    assert RoomReplica().page(None, None, 10) == []
    assert RoomReplica().replay_from(10) == 0


# --- cursors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cursor", "why"),
    [
        (Cursor(3, "epoch-2"), "another log"),
        (Cursor(31, "epoch-1"), "beyond the newest event"),
        (Cursor(3, "epoch-1"), "history starts at 10"),
    ],
)
def test_a_cursor_that_can_not_be_continued_from_is_refused(cursor: Cursor, why: str) -> None:
    replica, _ = loaded(entries(30))
    replica.first = 10
    with pytest.raises(StaleCursor, match=why):
        replica.check_cursor(cursor, "lab")


@pytest.mark.parametrize("cursor", [Cursor(0), Cursor(9), Cursor(30, "epoch-1")])
def test_a_cursor_at_the_beginning_or_what_is_kept_is_good(cursor: Cursor) -> None:
    replica, _ = loaded(entries(30))
    replica.first = 10
    replica.check_cursor(cursor, "lab")


# --- checkpoints ---------------------------------------------------------------------------------


def test_a_checkpoint_is_due_once_and_later_if_another_wrote_the_newest_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chat.domain.room, "CHECKPOINT_EVERY", 20)
    replica, _ = loaded(entries(25))
    assert replica.take_checkpoint(own=False) is None
    assert replica.take_checkpoint(own=True) == replica.state.checkpoint()
    assert replica.take_checkpoint(own=True) is None


# --- the members ---------------------------------------------------------------------------------


def test_the_list_of_members_is_one_object_until_somebody_comes_or_goes() -> None:
    replica, _ = loaded(entries(2))
    changes: list[tuple[Body, list[str]]] = [
        (Sent("s1", "ann", "tcp", 1, "hi"), ["ann tcp"]),
        (Joined("s2", "bob", "bob", "udp", "n1"), ["ann tcp", "bob udp"]),
        (Joined("s3", "Bob", "bob", "udp", "n1"), ["ann tcp", "bob udp"]),
        (Resumed("s1", "ann", "rest", "n1"), ["ann rest", "bob udp"]),
        (Left("s1", "ann", "rest", "n1"), ["bob udp"]),
    ]
    for seq, (body, there) in enumerate(changes, 3):
        before = replica.members()
        outcome = replica.apply(Entry(seq, seq, body))
        assert [f"{one.nick} {one.technique}" for one in replica.members()] == there
        changed = isinstance(outcome, Event) and outcome.kind != "sent"
        assert (replica.members() is before) == (not changed)
