"""What slow connections hold together: pages become small, and who has taken nothing for longest is cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat.domain.errors import SlowReader
from chat.domain.model import Bounds, Cursor, Limits
from chat.interfaces.server import LOW_WATER
from chat.server.backlog import LEAVING, LOOK_EVERY, STUCK
from chat.server.fanout import SMALL_PAGE
from chat.server.hub import Hub
from chat.server.seat import HubSeat
from tests.support.stage import Clock, Disk, Peer, enter, running, says, settle

KEEP = LOW_WATER + 4000
"""Bytes that are counted: more than `LOW_WATER`."""
MOST = 4 * KEEP


class SlowPeer(Peer):
    """A connection whose peer takes what the test says."""

    waiting = 0

    def write(self, blob: bytes) -> None:
        assert self.reason is None, "written to after it was cut"
        super().write(blob)
        self.waiting += len(blob)

    def buffered(self) -> int:
        return self.waiting


@pytest.fixture
async def hub(disk: Disk) -> AsyncIterator[Hub]:
    async with running(disk, bounds=Bounds(unread_bytes=MOST), limits=Limits(burst=0)) as hub:
        yield hub


async def come(hub: Hub, nick: str, **hello: Any) -> tuple[HubSeat, SlowPeer]:
    seat, peer = await enter(hub, nick, **hello), SlowPeer()
    seat.attach(peer)
    tell(hub)
    return seat, peer


def tell(hub: Hub) -> None:
    """Write what is held back: who comes is told together."""
    for room in hub.live_rooms():
        room.flush(now=True)


async def say_much(seat: HubSeat, size: int) -> None:
    """Say so many bytes, in messages of 2,000."""
    for _ in range(size // 2000):
        await says(seat, "x" * 2000)


async def crowd(hub: Hub, *nicks: str) -> tuple[HubSeat, list[SlowPeer]]:
    """Let people come of whom nobody reads; return somebody else who talks."""
    slow = [(await come(hub, nick))[1] for nick in nicks]
    talker = await enter(hub, "talker")
    tell(hub)
    for peer in slow:
        peer.waiting = 0  # what they got when they came
    return talker, slow


async def test_the_one_that_took_nothing_for_longest_is_cut_first_and_resumes(hub: Hub) -> None:
    talker, (bob,) = await crowd(hub, "bob")
    await say_much(talker, KEEP + 2000)
    ann_seat, ann = await come(hub, "ann", replay=0)
    cat = (await come(hub, "cat", replay=0))[1]
    while bob.reason is None:
        await say_much(talker, 2000)
    assert isinstance(bob.reason, SlowReader)
    assert "needs the memory" in str(bob.reason)
    assert (ann.reason, cat.reason) == (None, None)
    last = ann_seat.head
    again = await enter(hub, "bob", cursor=Cursor(len(bob.got)), replay=None, seat_key=key_of(hub, "bob"))
    peer = Peer()
    again.attach(peer)
    tell(hub)
    assert len(bob.got) + len(peer.got) == last


def key_of(hub: Hub, nick: str) -> str:
    (seat,) = [seat for room in hub.live_rooms() for seat in room.seats.values() if seat.nick == nick]
    return seat.key


async def test_all_together_hold_no_more_than_the_bound(hub: Hub) -> None:
    talker, slow = await crowd(hub, *(f"n{number}" for number in range(8)))
    for _ in range(40):
        await say_much(talker, 2000)
        counted = [peer.waiting for peer in slow if peer.reason is None and peer.waiting > LOW_WATER]
        assert sum(counted) <= MOST
    assert any(peer.reason is None for peer in slow), "not everybody is cut"


async def test_who_takes_everything_is_not_cut_however_many_do_not(hub: Hub) -> None:
    talker, slow = await crowd(hub, *(f"n{number}" for number in range(8)))
    _, reader = await come(hub, "reader")
    for _ in range(40):
        await say_much(talker, 2000)
        reader.waiting = 0
    assert reader.reason is None
    assert any(peer.reason is not None for peer in slow)


async def test_while_memory_is_short_only_those_are_cut_that_take_nothing_at_all(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    _, (ann, bob, cat) = await crowd(hub, "ann", "bob", "cat")
    for peer in (ann, bob, cat):
        peer.waiting = MOST * 3 // 10  # nine tenths together; without one of them six
        hub_seat(hub, peer).drained(peer)
    for _ in range(int(STUCK / LOOK_EVERY)):
        assert ann.reason is None
        await clock.advance(LOOK_EVERY)
        for peer in (bob, cat):
            peer.waiting -= 10
            hub_seat(hub, peer).drained(peer)
    assert isinstance(ann.reason, SlowReader)
    assert (bob.reason, cat.reason) == (None, None)


async def test_without_need_nobody_is_cut_however_long_it_takes_nothing(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    talker, (ann,) = await crowd(hub, "ann")
    await say_much(talker, KEEP)
    await clock.advance(10 * STUCK)
    await say_much(talker, 2000)
    assert ann.reason is None


async def test_while_memory_is_short_pages_are_small_also_those_that_are_asked_for(hub: Hub) -> None:
    talker, slow = await crowd(hub, "ann", "bob", "cat")
    await say_much(talker, KEEP)
    late, peer = await come(hub, "late", cursor=Cursor(0))
    assert 0 < peer.waiting <= SMALL_PAGE + LOW_WATER
    page = await late.history(after=None, before=None, limit=200)
    assert sum(len(event.text) for event in page) <= SMALL_PAGE
    assert page[-1].seq == late.head, "a page of the newest ends with the newest"
    page = await late.history(after=0, before=None, limit=200)
    assert page[0].seq == 1
    for one in slow:
        one.waiting = 0
        hub_seat(hub, one).drained(one)
    peer.waiting = 0
    late.drained(peer)
    assert len(await late.history(after=None, before=None, limit=200)) > len(page)


def hub_seat(hub: Hub, peer: SlowPeer) -> HubSeat:
    seats = [seat for room in hub.live_rooms() for seat in room.seats.values()]
    return next(seat for seat in seats if seat._mailbox is not None and seat._mailbox.sink is peer)


async def test_replies_that_nobody_reads_count_too(hub: Hub) -> None:
    talker, (ann, bob) = await crowd(hub, "ann", "bob")
    await says(talker, "hello")
    for peer, size in ((ann, MOST // 2), (bob, MOST)):
        await hub_seat(hub, peer).history(after=None, before=None, limit=1)
        peer.waiting += size  # the technique writes the page now
        await settle()
    assert isinstance(ann.reason, SlowReader)


async def test_a_connection_that_ended_counts_no_more_and_one_that_was_cut_soon(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    backlog = hub._node.backlog
    talker, (ann, bob) = await crowd(hub, "ann", "bob")
    await say_much(talker, MOST // 2 - 4000)
    seat = hub_seat(hub, bob)
    assert backlog.is_tight
    seat.detach(bob)
    assert not backlog.is_tight
    ann.waiting += MOST
    await hub_seat(hub, ann).history(after=None, before=None, limit=1)
    await settle()
    assert ann.reason is not None
    assert backlog.is_tight, "its buffer is there until the peer has read the reason"
    await clock.advance(LEAVING + 0.1)
    assert not backlog.is_tight
