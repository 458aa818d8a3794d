"""How fast one may read: what is slowed down, what is refused, and what costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from chat.domain.errors import Full, TooFast
from chat.domain.model import Bounds, Cursor
from chat.server.hub import Hub
from chat.server.pace import LONGEST
from chat.server.seat import HubSeat
from tests.support.stage import Clock, Disk, enter, running, says, settle

SLOW = Bounds(pages=2, page_rate=0.1, address_pages=2, address_page_rate=0.1)
"""A third page comes ten seconds after the first two: later than anybody waits."""
PEER = "192.0.2.1"


@pytest.fixture
async def slow(disk: Disk) -> AsyncIterator[Hub]:
    async with running(disk, bounds=SLOW) as hub:
        yield hub


async def newest(seat: HubSeat) -> int:
    return len(await seat.history(after=None, before=None, limit=10))


@pytest.mark.parametrize("what", ["history", "earlier", "members"])
async def test_a_seat_that_asks_too_often_is_refused_and_told_when_to_ask_again(slow: Hub, what: str) -> None:
    seat, other = await enter(slow), await enter(slow, "bob")

    async def ask(seat: HubSeat) -> object:
        if what == "members":
            return await seat.members()
        return await seat.history(after=None, before=3 if what == "earlier" else None, limit=10)

    for _ in range(2):
        assert await ask(seat)
    with pytest.raises(TooFast, match="one after the other") as refused:
        await ask(seat)
    assert refused.value.retry_after == pytest.approx(10.0, abs=0.5)
    assert await ask(other)


async def test_who_asks_in_turn_waits_a_moment_and_is_never_refused(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with running(disk, bounds=Bounds(pages=1, page_rate=10.0)) as hub:
        seat = await enter(hub)
        await newest(seat)
        for _ in range(3):
            page = asyncio.create_task(newest(seat))
            await settle()
            assert not page.done()
            await clock.advance(0.11)
            assert await page == 2


async def test_of_many_at_once_those_are_refused_that_would_wait_too_long(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with running(disk, bounds=Bounds(pages=1, page_rate=2.5)) as hub:
        seat = await enter(hub)
        asked = [asyncio.create_task(newest(seat)) for _ in range(5)]
        for _ in range(10):
            await clock.advance(LONGEST / 4)
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert told.count(2) == 3  # one at once, and two within a second
        assert sum(isinstance(one, TooFast) for one in told) == 2


async def test_to_read_on_costs_nothing_and_to_read_again_does(slow: Hub) -> None:
    seat = await enter(slow)
    for number in range(5):
        await says(seat, f"m{number}")
        assert len(await seat.read(seat.read_up_to, 1, 0)) == 1
    for _ in range(2):
        assert await seat.read(0, 10, 0)
    with pytest.raises(TooFast):
        await seat.read(0, 10, 0)
    with pytest.raises(TooFast):
        await seat.history(after=0, before=None, limit=10)
    await says(seat, "new")
    assert [event.text for event in await seat.read(seat.read_up_to, 10, 0)] == ["m3", "m4", "new"]


async def test_what_the_log_is_read_for_is_counted_also_for_who_reads_on(
    slow: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.domain.room_replica.RING_EVENTS", 1)
    seat = await enter(slow)
    for number in range(5):
        await says(seat, f"m{number}")
    for after in (1, 2):
        assert await seat.read(after, 1, 0)
    with pytest.raises(TooFast):
        await seat.read(3, 1, 0)


async def test_to_wait_for_news_costs_nothing(slow: Hub) -> None:
    seat = await enter(slow)
    for _ in range(5):
        assert await seat.read(seat.head, 10, 0) == []
    assert await newest(seat)


async def test_who_takes_a_seat_again_and_again_to_read_it_all_is_refused(slow: Hub) -> None:
    seat = await enter(slow)
    for _ in range(2):
        await enter(slow, seat_key=seat.key, cursor=Cursor(0))
    with pytest.raises(Full, match="too often") as refused:
        await enter(slow, seat_key=seat.key, cursor=Cursor(0))
    assert refused.value.retry_after is not None


@pytest.mark.parametrize("what", ["history", "read", "members", "message"])
async def test_an_address_without_a_seat_is_refused_too(slow: Hub, what: str) -> None:
    await says(await enter(slow), "hello")

    async def ask(peer: str) -> object:
        room = await slow.look("lab", "", peer)
        if what == "history":
            return await room.history(after=None, before=None, limit=10)
        if what == "read":
            return await room.read(0, 10, 0)
        return await room.members() if what == "members" else await room.message(3)

    for _ in range(2):
        assert await ask(PEER)
    with pytest.raises(TooFast):
        await ask(PEER)
    assert await ask("192.0.2.2")


async def test_pages_back_through_a_long_history_are_never_refused(disk: Disk) -> None:
    """The bounds as they are: more pages, one after the other, than a seat may read at once."""
    async with running(disk) as hub:
        seat = await enter(hub)
        for _ in range(Bounds().pages + 10):
            assert await newest(seat) == 2
