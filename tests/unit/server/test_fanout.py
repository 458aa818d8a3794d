"""Fan-out: what the ring keeps, when is written, and that nobody misses or repeats an event.

The sinks here take nothing until the test drains them; the log answers when the test lets it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chat.domain.room_replica
import chat.interfaces.server
import chat.server.fanout
from chat.domain.errors import ChatError, SlowReader
from chat.domain.model import Event, Kind
from chat.domain.room_replica import EVENT_BYTES, RING_EVENTS, EventRing, weight
from chat.server.fanout import PAGE_BYTES, pages
from tests.support.channel_stage import Peer, PromptPeer, Stage, event


def seqs_of(events: Sequence[Event]) -> list[int]:
    return [event.seq for event in events]


def filled(events: Sequence[Event]) -> EventRing:
    ring = EventRing()
    for each in events:
        ring.append(each)
    return ring


# --- pages ------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 4000), max_size=100))
def test_pages_are_small_and_hold_everything_in_order(sizes: list[int]) -> None:
    events = [event(seq, seq - 1, "x" * size) for seq, size in enumerate(sizes, 1)]
    cut = list(pages(events))
    assert [each for page in cut for each in page] == events
    assert all(sum(map(weight, page)) <= PAGE_BYTES for page in cut)


@pytest.mark.parametrize("letter", ["x", "ä", "€", "😀"])
def test_a_page_is_as_small_in_bytes_whatever_the_letters(letter: str) -> None:
    events = [event(seq, seq - 1, letter * 1000) for seq in range(1, 300)]
    for page in pages(events):
        assert sum(EVENT_BYTES + len(one.text.encode()) for one in page) <= PAGE_BYTES


def test_an_event_larger_than_a_page_is_a_page() -> None:
    large = event(1, 0, "x" * (2 * PAGE_BYTES))
    assert list(pages([large, event(2, 1)])) == [[large], [event(2, 1)]]


# --- a channel -----------------------------------------------------------------------------------


@contextmanager
def everything_small() -> Iterator[None]:
    """A ring of 8 events, pages of 3, buffers of 2 to 6."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chat.domain.room_replica, "RING_EVENTS", 8)
        patch.setattr(chat.server.fanout, "PAGE_BYTES", 3 * EVENT_BYTES)
        for module in (chat.interfaces.server, chat.server.fanout):
            patch.setattr(module, "LOW_WATER", 2 * EVENT_BYTES)
        patch.setattr(chat.server.fanout, "HIGH_WATER", 6 * EVENT_BYTES)
        yield


@pytest.fixture
def small() -> Iterator[None]:
    with everything_small():
        yield


async def test_one_event_is_written_at_once() -> None:
    stage = Stage()
    peer = stage.attach(Peer())
    for _ in range(3):
        stage.happen(1)
    assert peer.got == [1, 2, 3]


async def test_after_a_burst_events_are_gathered_for_the_gap() -> None:
    stage = Stage(PromptPeer)
    peer = stage.attach(PromptPeer())
    stage.happen(2)
    stage.happen(1)
    stage.happen(2)
    assert (peer.got, peer.writes) == ([1, 2], 1)
    while len(peer.got) < 5:
        peer.written.clear()
        await peer.written.wait()
    assert (peer.got, peer.writes) == ([1, 2, 3, 4, 5], 2)


async def test_who_has_read_what_the_gap_holds_back_does_not_get_it_again() -> None:
    stage = Stage()
    stage.happen(2)
    stage.happen(2)
    peer = stage.attach(Peer(after=4))
    stage.settle()
    assert peer.got == []


async def test_who_comes_in_the_gap_costs_the_others_no_write() -> None:
    stage = Stage()
    peer = stage.attach(Peer())
    stage.happen(2)
    later = []
    for _ in range(3):
        stage.happen(1)
        later.append(stage.attach(Peer(after=stage.log[-1].seq)))
    assert (peer.writes, [one.got for one in later]) == (1, [[], [], []])
    stage.channel.flush(now=True)
    assert (peer.got, peer.writes) == ([1, 2, 3, 4, 5], 2)
    assert [one.got for one in later] == [[4, 5], [5], []]
    stage.happen(1)
    assert [one.got[-1] for one in (peer, *later)] == [6, 6, 6, 6]


async def test_who_comes_or_goes_is_told_together_and_a_message_waits_for_nobody() -> None:
    stage = Stage()
    peer = stage.attach(Peer())
    told: list[tuple[Kind, int]] = [("joined", 1), ("joined", 1), ("left", 1), ("sent", 2)]
    for kind, writes in told:
        stage.happen(1, kind=kind)
        assert peer.writes == writes
    assert peer.got == stage.due(peer)


@pytest.mark.usefixtures("small")
async def test_a_peer_that_does_not_read_is_not_written_to() -> None:
    stage = Stage()
    peer = stage.attach(Peer())
    for _ in range(8):
        stage.happen(1)
    assert peer.got == [1, 2, 3, 4, 5, 6, 7]
    stage.settle()
    assert peer.got == stage.due(peer)


@pytest.mark.usefixtures("small")
async def test_who_falls_further_behind_than_the_ring_is_cut_and_the_others_go_on() -> None:
    stage = Stage()
    slow, quick = stage.attach(Peer()), stage.attach(Peer())
    for _ in range(30):
        stage.happen(1)
        stage.drain(quick)
    assert isinstance(slow.reason, SlowReader)
    assert quick.got == stage.due(quick)


@pytest.mark.usefixtures("small")
async def test_a_long_replay_is_never_cut_however_slowly_it_is_read() -> None:
    stage = Stage()
    stage.happen(30)
    stage.channel.flush(now=True)
    slow = stage.attach(Peer())
    for _ in range(30):
        stage.happen(1)
    stage.settle()
    assert slow.reason is None
    assert slow.got == stage.due(slow)


# --- what is known of a peer ---------------------------------------------------------------------


class SilentPeer(Peer):
    """A peer of whom nobody ever knows what it has taken."""

    def taken(self, written: int) -> int | None:
        return None


def seen(stage: Stage, peer: Peer) -> int | None:
    return stage.mailboxes[peer].seen


@pytest.mark.usefixtures("small")
async def test_a_peer_has_seen_what_it_took_and_nothing_that_waits_for_it() -> None:
    stage = Stage()
    stage.happen(3)
    peer = stage.attach(Peer(after=2))
    assert seen(stage, peer) == 2, "what is written to it waits"
    stage.drain(peer)
    assert seen(stage, peer) == 3
    for _ in range(5):
        stage.happen(1)
        assert seen(stage, peer) == 3
    stage.settle()
    assert seen(stage, peer) == 8


@pytest.mark.usefixtures("small")
async def test_who_has_fallen_behind_has_seen_no_more_than_it_was_written() -> None:
    stage = Stage()
    peer = stage.attach(Peer())
    for _ in range(8):
        stage.happen(1)
    peer.waiting = 0  # it has taken that, and the hub is not told yet
    assert (peer.got[-1], seen(stage, peer)) == (7, 7)


async def test_what_a_lost_connection_had_not_taken_is_not_seen_for_that() -> None:
    stage = Stage()
    peer = stage.attach(Peer())
    stage.happen(1)
    stage.drain(peer)
    assert seen(stage, peer) == 1
    stage.happen(1)
    stage.mailboxes[peer].close()
    peer.waiting = 0  # its buffer is gone
    assert seen(stage, peer) == 1


async def test_over_a_technique_that_never_knows_nothing_is_said_to_be_seen() -> None:
    stage = Stage()
    peer = stage.attach(SilentPeer())
    stage.happen(1)
    assert seen(stage, peer) is None


async def test_a_log_that_cannot_be_read_ends_the_connection() -> None:
    stage = Stage()
    stage.happen(2 * RING_EVENTS)
    stage.channel.flush(now=True)
    peer = stage.attach(Peer())
    (mailbox,) = stage.reads
    mailbox.cut(ChatError("the disk is gone"))
    assert str(peer.reason) == "the disk is gone"
    mailbox.take(stage.log)  # too late: nothing may be written any more
    assert peer.got == []


async def test_a_mailbox_that_is_closed_gets_nothing_more() -> None:
    stage = Stage()
    peer = stage.attach(Peer())
    stage.happen(1)
    stage.mailboxes[peer].close()
    stage.happen(1)
    assert (peer.got, peer.reason) == ([1], None)


Step = Callable[[Stage, int], None]


def answers_one(stage: Stage, which: int) -> None:
    if stage.reads:
        stage.answer(list(stage.reads)[which % len(stage.reads)])


def drains_one(stage: Stage, which: int) -> None:
    if stage.mailboxes:
        stage.drain(list(stage.mailboxes)[which % len(stage.mailboxes)])


def attaches(stage: Stage, which: int) -> None:
    seqs = [0, *seqs_of(stage.log)]
    stage.attach(Peer(seqs[which % len(seqs)]))


steps: list[Step] = [
    lambda stage, some: stage.happen(1, hole=1 + some % 3),
    lambda stage, some: stage.happen(1 + some % 12),
    lambda stage, some: stage.happen(1 + some % 3, kind="joined"),
    lambda stage, _: stage.channel.flush(now=True),
    attaches,
    drains_one,
    drains_one,
    answers_one,
]


@given(st.lists(st.tuples(st.sampled_from(steps), st.integers(0, 100)), max_size=60))
async def test_everybody_gets_each_event_once_in_order_whatever_happens_when(
    story: list[tuple[Step, int]],
) -> None:
    with everything_small():
        stage = Stage()
        for step, some in story:
            step(stage, some)
            for peer in stage.mailboxes:
                assert peer.got == stage.due(peer)[: len(peer.got)]
                assert peer.waiting <= (6 + 3) * EVENT_BYTES
        stage.settle()
        for peer in stage.mailboxes:
            if peer.reason is None:
                assert peer.got == stage.due(peer)
            else:
                assert isinstance(peer.reason, SlowReader)
