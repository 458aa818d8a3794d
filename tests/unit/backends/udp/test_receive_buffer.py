"""The receive buffer: in whatever order events come, each is read once, and missing ones are reported."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

import backends.udp.receive_buffer
from backends.udp.receive_buffer import ReceiveBuffer
from chat.domain.model import Event, Missing, MissingEvents


def event(seq: int, prev: int | None = None) -> Event:
    return Event("sent", seq, seq - 1 if prev is None else prev, 0, "ann", "s", "udp", seq, seq, f"m{seq}")


def missing(*seqs: int) -> list[Missing]:
    return [Missing(seq, seq - 1) for seq in seqs]


def seqs(news: Sequence[Event | MissingEvents]) -> list[int | list[int]]:
    """Return the seq of each event, and a list of seqs for missing ones."""
    return [one.seqs if isinstance(one, MissingEvents) else one.seq for one in news]


# --- as it comes ---------------------------------------------------------------------------------


def test_the_replay_comes_before_what_was_pushed_meanwhile() -> None:
    buffer = ReceiveBuffer(0, 2, in_order=False)
    buffer.add_live([event(3)])
    assert not buffer
    buffer.add_requested([event(1)])
    buffer.add_requested([event(2), event(3)])
    assert seqs(buffer.read()) == [1, 2, 3]
    assert buffer.replayed


def test_what_is_pushed_and_replayed_comes_once_and_is_not_counted() -> None:
    buffer = ReceiveBuffer(0, 2, in_order=False)
    buffer.add_requested([event(1), event(2)])
    buffer.add_live([event(2)])
    assert (seqs(buffer.read()), buffer.duplicates) == ([1, 2], 0)


def test_a_replay_that_comes_by_itself_is_read_too() -> None:
    buffer = ReceiveBuffer(0, 2, in_order=False)
    buffer.add_live([event(1), event(2)])
    buffer.add_live([event(3)])
    assert buffer.replayed
    assert seqs(buffer.read()) == [1, 2, 3]


def test_a_replay_that_is_not_there_any_more_holds_up_nothing() -> None:
    buffer = ReceiveBuffer(0, 2, in_order=False)
    buffer.add_live([event(3)])
    buffer.skip(2)
    assert seqs(buffer.read()) == [3]


def test_what_overtakes_is_shown_at_once() -> None:
    buffer = ReceiveBuffer(5, 5, in_order=False)
    buffer.add_live([event(7)])
    buffer.add_live([event(6)])
    assert seqs(buffer.read()) == [7, 6]
    assert buffer.complete


def test_what_comes_twice_is_counted() -> None:
    buffer = ReceiveBuffer(5, 5, in_order=False)
    buffer.add_live([event(6), event(6)])
    assert (seqs(buffer.read()), buffer.duplicates) == ([6], 1)


def test_missing_events_are_reported_and_late_ones_passed_on() -> None:
    buffer = ReceiveBuffer(5, 5, in_order=False)
    buffer.add_live([event(8)])
    assert buffer.missing_ranges(8) == [(5, 8)]
    buffer.report_missing(missing(6, 7))
    assert buffer.lost == 2
    buffer.add_live([event(7)])
    assert seqs(buffer.read()) == [8, [6, 7], 7]
    assert (buffer.lost, buffer.late, buffer.complete) == (1, 1, True)


def test_an_event_that_came_meanwhile_is_not_reported() -> None:
    buffer = ReceiveBuffer(5, 5, in_order=False)
    buffer.add_live([event(8), event(6)])
    buffer.report_missing(missing(6, 7))
    assert seqs(buffer.read()) == [8, 6, [7]]


def test_events_that_were_only_announced_are_missing() -> None:
    buffer = ReceiveBuffer(5, 5, in_order=False)
    buffer.announce(7)
    assert not buffer.complete
    assert buffer.missing_ranges(7) == [(5, 8)]


def test_missing_ranges_end_at_the_seq_that_is_given() -> None:
    buffer = ReceiveBuffer(5, 5, in_order=False)
    buffer.add_live([event(8), event(10)])
    assert buffer.missing_ranges(8) == [(5, 8)]
    assert buffer.missing_ranges(9) == [(5, 8), (8, 10)]


def test_more_than_the_reader_has_room_for_is_lost_and_found_missing() -> None:
    buffer = ReceiveBuffer(0, 0, in_order=False)
    count = backends.udp.receive_buffer.BUFFER_EVENTS
    buffer.add_live([event(seq) for seq in range(1, count + 6)])
    assert buffer.full
    assert len(buffer.read()) == count
    assert buffer.missing_ranges(count + 5) == [(count, count + 6)]


def test_a_range_without_events_can_be_skipped() -> None:
    buffer = ReceiveBuffer(5, 5, in_order=False)
    buffer.add_live([event(9, 7)])
    buffer.skip(8)
    assert buffer.complete


# --- in order ------------------------------------------------------------------------------------


def test_in_order_what_overtakes_waits() -> None:
    buffer = ReceiveBuffer(5, 5, in_order=True)
    buffer.add_live([event(7), event(8)])
    assert not buffer
    buffer.add_live([event(6)])
    assert seqs(buffer.read()) == [6, 7, 8]


def test_in_order_what_waits_for_a_missing_event_does_not_count_as_unread() -> None:
    buffer = ReceiveBuffer(0, 0, in_order=True)
    buffer.add_live([event(seq) for seq in range(2, backends.udp.receive_buffer.BUFFER_EVENTS + 10)])
    assert buffer.full
    assert not buffer.unread
    buffer.add_requested([event(1)], repair=True)
    assert buffer.unread


def test_in_order_requested_events_close_a_range() -> None:
    buffer = ReceiveBuffer(5, 5, in_order=True)
    buffer.add_live([event(8)])
    buffer.add_requested([event(6), event(7)], repair=True)
    assert seqs(buffer.read()) == [6, 7, 8]
    assert (buffer.repaired, buffer.lost) == (2, 0)


@given(
    st.permutations(range(1, 21)),
    st.lists(st.integers(1, 20)),
    st.sets(st.integers(1, 20)),
    st.booleans(),
)
def test_every_event_is_read_once_or_reported(
    order: list[int], again: list[int], lost: set[int], in_order: bool
) -> None:
    buffer = ReceiveBuffer(0, 0, in_order=in_order)
    for seq in [*order, *again]:
        if seq not in lost:
            buffer.add_live([event(seq)])
    buffer.announce(20)
    for after, before in buffer.missing_ranges(20):
        seqs_between = range(after + 1, before)
        if in_order:
            buffer.add_requested([event(seq) for seq in seqs_between], repair=True)
        else:
            buffer.report_missing(missing(*seqs_between))
    assert buffer.complete
    news = buffer.read()
    read = [one.seq for one in news if isinstance(one, Event)]
    reported = [seq for one in news if isinstance(one, MissingEvents) for seq in one.seqs]
    assert sorted(reported) == ([] if in_order else sorted(lost))
    assert sorted([*read, *reported]) == list(range(1, 21))
    assert not in_order or read == list(range(1, 21))
