"""The window: which events have come, whatever order they come in; held against a plain model of it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.event_window import WIDTH, EventWindow

# --- one thing at a time -------------------------------------------------------------------------


def test_in_order_the_floor_follows() -> None:
    window = EventWindow(3)
    assert [window.take(seq, seq - 1) for seq in (4, 5, 6)] == [True, True, True]
    assert window.floor == 6
    assert window.complete


def test_holes_in_the_seqs_are_no_gaps() -> None:
    window = EventWindow()
    for seq, prev in ((1, 0), (4, 1), (9, 4)):
        window.take(seq, prev)
    assert (window.floor, list(window.holes())) == (9, [])


def test_what_overtakes_waits_until_the_chain_reaches_it() -> None:
    window = EventWindow()
    window.take(1, 0)
    window.take(5, 4)
    window.take(4, 3)
    assert (window.floor, list(window.holes())) == (1, [(1, 4)])
    window.take(3, 1)
    assert (window.floor, list(window.holes())) == (5, [])


def test_an_event_is_taken_once() -> None:
    window = EventWindow()
    assert window.take(1, 0)
    assert window.take(5, 4)
    assert not window.take(1, 0)
    assert not window.take(5, 4)


def test_what_was_missed_may_still_come_once() -> None:
    window = EventWindow()
    window.take(1, 0)
    window.take(3, 2)
    assert window.miss(2, 1)
    assert window.floor == 3
    assert not window.knows(2)
    assert window.take(2, 1)
    assert not window.take(2, 1)


def test_what_has_come_is_not_missed() -> None:
    window = EventWindow()
    window.take(1, 0)
    window.take(3, 2)
    assert not window.miss(1, 0)
    assert not window.miss(3, 2)
    assert window.miss(2, 1)
    assert not window.miss(2, 1), "it is known to be missing"


def test_a_head_that_has_not_come_is_a_hole() -> None:
    window = EventWindow(7)
    window.hear_of(9)
    assert not window.complete
    assert list(window.holes()) == [(7, 10)]
    window.take(8, 7)
    assert list(window.holes()) == [(8, 10)]
    window.take(9, 8)
    assert window.complete


def test_a_floor_that_names_no_event_is_passed() -> None:
    """A cursor may be the seq of an entry that was refused: the next event's prev is less."""
    window = EventWindow(5)
    assert window.take(6, 4)
    assert (window.floor, window.complete) == (6, True)


def test_after_a_skip_what_is_ahead_is_reached() -> None:
    window = EventWindow()
    for seq, prev in ((5, 3), (9, 7), (12, 9)):
        window.take(seq, prev)
    window.skip(8)
    assert window.floor == 12, "nothing can be between 8 and 9: 9 came after 7"
    assert list(window.holes()) == []
    assert window.complete


def test_a_skip_never_goes_back() -> None:
    window = EventWindow(9)
    window.skip(4)
    assert window.floor == 9


def test_missing_ones_are_remembered_up_to_a_number() -> None:
    window = EventWindow()
    for seq in range(1, WIDTH + 2):
        window.miss(seq, seq - 1)
    assert not window.take(1, 0), "it is forgotten, and counts as known"
    assert window.take(2, 1)


def test_what_is_ahead_is_bounded() -> None:
    window = EventWindow()
    for seq in range(3, 6 * WIDTH, 2):  # every second one is missing
        window.take(seq, seq - 1)
        assert window.ahead <= 2 * WIDTH
    assert window.floor > 0, "the oldest holes were given up"


@pytest.mark.parametrize(("ahead", "full"), [(WIDTH - 1, False), (WIDTH, True)])
def test_it_says_when_a_hole_must_be_dealt_with(ahead: int, full: bool) -> None:
    window = EventWindow()
    for seq in range(2, 2 + ahead):
        window.take(seq, seq - 1)
    assert window.full is full


# --- against a model -----------------------------------------------------------------------------

Log = list[tuple[int, int]]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """A room's log: seqs with holes, each with the one before it."""
    steps = draw(st.lists(st.integers(1, 3), min_size=1, max_size=30))
    seqs = list(itertools.accumulate(steps))
    return list(zip(seqs, [0, *seqs], strict=False))


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[Log, list[tuple[str, tuple[int, int]]]]:
    """A log, and its events coming or being missed, in any order and number."""
    log = draw(logs())
    moves = st.tuples(st.sampled_from(["take", "miss"]), st.sampled_from(log))
    return log, draw(st.lists(moves, max_size=90))


@given(deliveries())
def test_it_knows_what_a_set_would_know(played: tuple[Log, list[tuple[str, tuple[int, int]]]]) -> None:
    log, moves = played
    window, come, missed = EventWindow(), set[int](), set[int]()
    for move, (seq, prev) in moves:
        if move == "take":
            assert window.take(seq, prev) is (seq not in come)
            come.add(seq)
        else:
            assert window.miss(seq, prev) is (seq not in come | missed)
            missed |= {seq} - come
    heard = max(come | missed, default=0)
    dealt_with = come | missed
    unknown = next((index for index, (seq, _) in enumerate(log) if seq not in dealt_with), len(log))
    assert window.floor == (log[unknown - 1][0] if unknown else 0)
    assert window.highest == heard
    assert window.complete is all(seq in dealt_with for seq, _ in log if seq <= heard)
    assert [window.knows(seq) for seq, _ in log] == [seq in come for seq, _ in log]
    inside = {seq for seq, _ in log for after, before in window.holes() if after < seq < before}
    assert inside == {seq for seq, _ in log if seq <= heard and seq not in dealt_with}


@given(logs(), st.data())
def test_a_skip_leaves_no_hole_before_it_and_those_behind_it(log: Log, data: st.DataObject) -> None:
    come = data.draw(st.lists(st.sampled_from(log), unique=True))
    seq = data.draw(st.integers(0, log[-1][0]))
    window = EventWindow()
    for one, prev in come:
        window.take(one, prev)
    window.skip(seq)
    assert window.floor >= seq or seq == 0
    taken = {one for one, _ in come}
    heard = max(taken, default=0)
    inside = {one for one, _ in log for after, before in window.holes() if after < one < before}
    assert inside == {one for one, _ in log if seq < one <= heard and one not in taken}
