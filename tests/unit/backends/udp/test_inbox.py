"""The inbox: whatever order events come in, the reader gets each once, and what is missing by name."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

import backends.udp.inbox
from backends.udp.inbox import Inbox
from chat.domain.model import Event, Missing, MissingEvents


def event(seq: int, prev: int | None = None) -> Event:
    return Event("sent", seq, seq - 1 if prev is None else prev, 0, "ann", "s", "udp", seq, seq, f"m{seq}")


def missing(*seqs: int) -> list[Missing]:
    return [Missing(seq, seq - 1) for seq in seqs]


def seqs(news: Sequence[Event | MissingEvents]) -> list[int | list[int]]:
    """Events by their seq, missing events by the list of theirs."""
    return [one.seqs if isinstance(one, MissingEvents) else one.seq for one in news]


# --- as it comes ---------------------------------------------------------------------------------


def test_the_replay_comes_before_what_was_pushed_meanwhile() -> None:
    inbox = Inbox(0, 2, in_order=False)
    inbox.push([event(3)])
    assert not inbox
    inbox.pull([event(1)])
    inbox.pull([event(2), event(3)])
    assert seqs(inbox.read()) == [1, 2, 3]
    assert inbox.replayed


def test_what_is_pushed_and_replayed_comes_once_and_is_not_counted() -> None:
    inbox = Inbox(0, 2, in_order=False)
    inbox.pull([event(1), event(2)])
    inbox.push([event(2)])
    assert (seqs(inbox.read()), inbox.twice) == ([1, 2], 0)


def test_a_replay_that_comes_by_itself_is_read_too() -> None:
    inbox = Inbox(0, 2, in_order=False)
    inbox.push([event(1), event(2)])
    inbox.push([event(3)])
    assert inbox.replayed
    assert seqs(inbox.read()) == [1, 2, 3]


def test_a_replay_that_is_not_there_any_more_holds_up_nothing() -> None:
    inbox = Inbox(0, 2, in_order=False)
    inbox.push([event(3)])
    inbox.skip(2)
    assert seqs(inbox.read()) == [3]


def test_what_overtakes_is_shown_at_once() -> None:
    inbox = Inbox(5, 5, in_order=False)
    inbox.push([event(7)])
    inbox.push([event(6)])
    assert seqs(inbox.read()) == [7, 6]
    assert inbox.complete


def test_what_comes_twice_is_counted() -> None:
    inbox = Inbox(5, 5, in_order=False)
    inbox.push([event(6), event(6)])
    assert (seqs(inbox.read()), inbox.twice) == ([6], 1)


def test_a_hole_is_named_and_what_comes_late_is_shown() -> None:
    inbox = Inbox(5, 5, in_order=False)
    inbox.push([event(8)])
    assert inbox.holes(8) == [(5, 8)]
    inbox.name(missing(6, 7))
    assert inbox.lost == 2
    inbox.push([event(7)])
    assert seqs(inbox.read()) == [8, [6, 7], 7]
    assert (inbox.lost, inbox.late, inbox.complete) == (1, 1, True)


def test_what_came_while_it_was_asked_for_is_not_named() -> None:
    inbox = Inbox(5, 5, in_order=False)
    inbox.push([event(8), event(6)])
    inbox.name(missing(6, 7))
    assert seqs(inbox.read()) == [8, 6, [7]]


def test_a_tail_that_was_only_heard_of_is_a_hole() -> None:
    inbox = Inbox(5, 5, in_order=False)
    inbox.hear_of(7)
    assert not inbox.complete
    assert inbox.holes(7) == [(5, 8)]


def test_holes_are_told_up_to_a_mark() -> None:
    inbox = Inbox(5, 5, in_order=False)
    inbox.push([event(8), event(10)])
    assert inbox.holes(8) == [(5, 8)]
    assert inbox.holes(9) == [(5, 8), (8, 10)]


def test_more_than_the_reader_has_room_for_is_lost_and_found_missing() -> None:
    inbox = Inbox(0, 0, in_order=False)
    count = backends.udp.inbox.INBOX
    inbox.push([event(seq) for seq in range(1, count + 6)])
    assert inbox.full
    assert len(inbox.read()) == count
    assert inbox.holes(count + 5) == [(count, count + 6)]


def test_a_hole_that_holds_nothing_is_closed() -> None:
    inbox = Inbox(5, 5, in_order=False)
    inbox.push([event(9, 7)])
    inbox.skip(8)
    assert inbox.complete


# --- in order ------------------------------------------------------------------------------------


def test_in_order_what_overtakes_waits() -> None:
    inbox = Inbox(5, 5, in_order=True)
    inbox.push([event(7), event(8)])
    assert not inbox
    inbox.push([event(6)])
    assert seqs(inbox.read()) == [6, 7, 8]


def test_in_order_what_waits_for_a_hole_is_not_for_the_reader_to_read() -> None:
    inbox = Inbox(0, 0, in_order=True)
    inbox.push([event(seq) for seq in range(2, backends.udp.inbox.INBOX + 10)])
    assert inbox.full
    assert not inbox.unread
    inbox.pull([event(1)], mending=True)
    assert inbox.unread


def test_in_order_a_hole_is_filled_with_what_was_asked_for() -> None:
    inbox = Inbox(5, 5, in_order=True)
    inbox.push([event(8)])
    inbox.pull([event(6), event(7)], mending=True)
    assert seqs(inbox.read()) == [6, 7, 8]
    assert (inbox.mended, inbox.lost) == (2, 0)


@given(
    st.permutations(range(1, 21)),
    st.lists(st.integers(1, 20)),
    st.sets(st.integers(1, 20)),
    st.booleans(),
)
def test_everything_is_read_once_or_named(
    order: list[int], again: list[int], lost: set[int], in_order: bool
) -> None:
    inbox = Inbox(0, 0, in_order=in_order)
    for seq in [*order, *again]:
        if seq not in lost:
            inbox.push([event(seq)])
    inbox.hear_of(20)
    for after, before in inbox.holes(20):
        hole = range(after + 1, before)
        if in_order:
            inbox.pull([event(seq) for seq in hole], mending=True)
        else:
            inbox.name(missing(*hole))
    assert inbox.complete
    news = inbox.read()
    read = [one.seq for one in news if isinstance(one, Event)]
    named = [seq for one in news if isinstance(one, MissingEvents) for seq in one.seqs]
    assert sorted(named) == ([] if in_order else sorted(lost))
    assert sorted([*read, *named]) == list(range(1, 21))
    assert not in_order or read == list(range(1, 21))
