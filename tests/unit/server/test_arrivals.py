"""What one address and one connection may take, and what becomes of rooms that nobody uses."""

from __future__ import annotations

import asyncio

import pytest

from chat.domain.errors import ChatError, Full, NickTaken, NoSuchRoom
from chat.domain.model import NO_BOUNDS, Bounds, Event, Limits
from chat.server.hub import Hub
from chat.server.logs.memory import MemoryLog
from chat.server.seat import HubSeat
from tests.support.stage import Clock, Disk, come_in, enter, running, says, settle

HERE, AWAY, BESIDE = "127.0.0.1", "192.0.2.1", "192.0.2.2"


async def refused(hub: Hub, nick: str, **hello: str) -> Full:
    with pytest.raises(Full) as full:
        await enter(hub, nick, **hello)
    return full.value


async def gone(seat: HubSeat) -> None:
    seat.leave()
    await settle()


# --- seats ---------------------------------------------------------------------------------------


async def test_an_address_has_so_many_seats_and_gets_one_back_when_one_ends(disk: Disk) -> None:
    async with running(disk, bounds=Bounds(address_seats=2)) as hub:
        first = await enter(hub, "ann", peer=AWAY)
        await enter(hub, "bob", peer=AWAY, room="den")
        assert "your address has 2 seats" in str(await refused(hub, "cat", peer=AWAY))
        await enter(hub, "cat", peer=BESIDE)
        await gone(first)
        await enter(hub, "ann", peer=AWAY)


async def test_this_machine_has_more_because_a_class_may_sit_there(disk: Disk) -> None:
    async with running(disk, bounds=Bounds(address_seats=1, loopback_seats=2)) as hub:
        await enter(hub, "ann", peer=HERE)
        await enter(hub, "bob", peer=HERE)
        await refused(hub, "cat", peer=HERE)


async def test_a_seat_counts_where_its_owner_is_now(disk: Disk) -> None:
    async with running(disk, bounds=Bounds(address_seats=1)) as hub:
        seat = await enter(hub, "ann", peer=AWAY)
        await enter(hub, "ann", peer=BESIDE, seat_key=seat.key)
        await enter(hub, "bob", peer=AWAY)
        await refused(hub, "cat", peer=BESIDE)


async def test_the_owner_of_a_seat_gets_it_back_whatever_the_address_has(disk: Disk) -> None:
    async with running(disk, bounds=Bounds(address_seats=1)) as hub:
        seat = await enter(hub, "ann", peer=AWAY)
        await enter(hub, "bob", peer=BESIDE)
        assert await enter(hub, "ann", peer=BESIDE, seat_key=seat.key) is seat


async def test_a_connection_takes_so_many_seats_and_others_are_not_concerned(disk: Disk) -> None:
    async with running(disk, bounds=Bounds(connection_seats=1)) as hub:
        seat = await enter(hub, "ann", peer=HERE, connection="1")
        assert "over this connection" in str(await refused(hub, "bob", peer=HERE, connection="1"))
        await enter(hub, "bob", peer=HERE, connection="2")
        await enter(hub, "cat", "udp", peer=HERE, connection="1")  # of another technique
        await gone(seat)
        await enter(hub, "dan", peer=HERE, connection="1")


async def test_a_seat_that_the_log_does_not_store_is_not_counted(disk: Disk) -> None:
    async with running(disk, bounds=Bounds(address_seats=1)) as hub:
        await enter(hub, "bob", peer=BESIDE)
        disk.full = True
        with pytest.raises(ChatError):
            await enter(hub, "ann", peer=AWAY)
        disk.full = False
        await enter(hub, "ann", peer=AWAY)


# --- coming and going ----------------------------------------------------------------------------


async def test_who_comes_and_goes_all_the_time_must_wait_and_the_log_is_spared(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with running(disk, bounds=Bounds(entries=2, entry_rate=0.1)) as hub:
        for _ in range(2):
            await gone(await enter(hub, "eve", peer=AWAY))
        before = disk.kinds()
        full = await refused(hub, "eve", peer=AWAY)
        assert full.retry_after == pytest.approx(10.0, abs=0.5)
        assert "try again in" in str(full)
        await refused(hub, "eve-2", peer=AWAY)
        assert disk.kinds() == before
        await enter(hub, "ann", peer=BESIDE)
        await clock.advance(10.0)
        await enter(hub, "eve", peer=AWAY)


async def test_a_seat_that_moves_between_techniques_costs_as_much_and_one_that_stays_nothing(
    disk: Disk,
) -> None:
    async with running(disk, bounds=Bounds(entries=2, entry_rate=0.1)) as hub:
        seat = await enter(hub, "ann", "tcp", peer=AWAY)
        for _ in range(3):
            await enter(hub, "ann", "tcp", peer=AWAY, seat_key=seat.key)
        await enter(hub, "ann", "rest", peer=AWAY, seat_key=seat.key)
        with pytest.raises(Full):
            await enter(hub, "ann", "tcp", peer=AWAY, seat_key=seat.key)
        assert await enter(hub, "ann", "rest", peer=AWAY, seat_key=seat.key) is seat


async def test_a_nick_that_is_taken_costs_nothing(disk: Disk) -> None:
    async with running(disk, bounds=Bounds(entries=2, entry_rate=0.1)) as hub:
        await enter(hub, "ann", peer=AWAY)
        for _ in range(3):
            with pytest.raises(NickTaken):
                await enter(hub, "ann", peer=AWAY)
        await enter(hub, "bob", peer=AWAY)


async def test_two_hundred_come_back_from_one_address_after_a_restart(disk: Disk) -> None:
    """The bounds as they are: their log is in memory, so all take new seats."""
    async with running(disk) as hub:
        nicks = [f"n{number}" for number in range(200)]
        await asyncio.gather(*(enter(hub, nick, peer=AWAY) for nick in nicks))
    async with running(MemoryLog()) as hub:
        await asyncio.gather(*(enter(hub, nick, peer=AWAY) for nick in nicks))
        assert hub.seats == 200


async def test_where_the_rate_is_off_nothing_is_bounded(disk: Disk) -> None:
    async with running(disk, bounds=NO_BOUNDS) as hub:
        for number in range(Bounds().entries + 1):
            await enter(hub, f"n{number}", room=f"r{number}", peer=AWAY, connection="1")


# --- rooms ---------------------------------------------------------------------------------------


async def test_an_address_opens_so_many_rooms_and_enters_the_others(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with running(disk, bounds=Bounds(new_rooms=1, room_rate=0.1)) as hub:
        await enter(hub, "ann", room="one", peer=AWAY)
        full = await refused(hub, "ann", room="two", peer=AWAY)
        assert full.retry_after == pytest.approx(10.0, abs=0.5)
        assert hub.rooms("") == ["one"]
        await enter(hub, "bob", room="one", peer=AWAY)
        await enter(hub, "bob", room="two", peer=BESIDE)
        await enter(hub, "ann", room="two", peer=AWAY)
        await clock.advance(10.0)
        await enter(hub, "ann", room="three", peer=AWAY)


async def test_an_empty_room_is_archived_and_found_again_by_its_name(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with running(disk, bounds=Bounds(empty=100.0)) as hub:
        await come_in(hub, "bob", room="den")
        seat, _ = await come_in(hub, "ann")
        said = await says(seat, "hello")
        assert isinstance(said, Event)
        epoch = seat.welcome.epoch
        await gone(seat)
        await clock.advance(30.0)
        assert in_use(hub) == ["den", "lab"]
        for _ in range(6):
            await clock.advance(25.0)
        assert in_use(hub) == ["den"]
        assert hub.rooms("") == ["den", "lab"]
        seat = await enter(hub, "ann")
        assert seat.welcome.epoch == epoch
        assert said in await seat.history(after=None, before=None, limit=10)
        assert isinstance(await says(seat, "hello again"), Event)


async def test_a_room_that_somebody_waits_in_is_not_archived(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with running(disk, bounds=Bounds(empty=100.0)) as hub:
        await gone(await enter(hub, "ann"))
        reader = await hub.look("lab", "")
        waiting = asyncio.create_task(reader.read(reader.head, 10, 1000.0))
        for _ in range(6):
            await clock.advance(25.0)
        assert in_use(hub) == ["lab"]
        await enter(hub, "bob")
        assert [event.author for event in await waiting] == ["bob"]


async def test_empty_rooms_make_place_for_others_before_their_time(disk: Disk) -> None:
    async with running(disk, limits=Limits(rooms=2)) as hub:
        await enter(hub, "ann", room="one")
        await gone(await enter(hub, "ann", room="two"))
        await enter(hub, "ann", room="three")
        assert in_use(hub) == ["one", "three"]
        await refused(hub, "ann", room="two")
        assert (await hub.look("one", "")).head == 2


async def test_rooms_that_are_empty_at_the_start_stay_archived(disk: Disk) -> None:
    async with running(disk) as hub:
        await enter(hub, "bob", room="den")
        await gone(await enter(hub, "ann"))
    async with running(disk) as hub:
        assert in_use(hub) == ["den"]
        assert (await hub.look("lab", "")).head == 3


async def test_a_room_that_nobody_has_entered_is_none(disk: Disk) -> None:
    async with running(disk, limits=Limits(rooms=1)) as hub:
        await enter(hub, "ann")
        await refused(hub, "ann", room="two")
        with pytest.raises(NoSuchRoom):
            await hub.look("two", "")


def in_use(hub: Hub) -> list[str]:
    return sorted(room.name for room in hub.live_rooms())
