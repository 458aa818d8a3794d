"""Who watches the other servers on a shared log: whose seats are left, and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection

import pytest

from chat.domain.errors import NickTaken, SeatGone, SeatTaken
from chat.domain.model import Entry, Hello, Joined, Left, Limits, Resumed
from chat.domain.validation import seat_name
from chat.interfaces.log import Committed
from chat.server.hub import Hub
from chat.server.logs.memory import MemoryLog


class SharedLog(MemoryLog):
    """A log in memory that others write to as well, and of whom some are gone."""

    shared = True
    nodes_return = False
    node = "here"

    def __init__(self) -> None:
        super().__init__()
        self.dead: set[str] = set()
        self.asked: list[set[str]] = []

    async def gone(self, nodes: Collection[str]) -> set[str]:
        self.asked.append(set(nodes))
        return self.dead & set(nodes)


@pytest.fixture
def log() -> SharedLog:
    return SharedLog()


@pytest.fixture
async def hub(log: SharedLog) -> AsyncIterator[Hub]:
    hub = Hub(log, limits=Limits(grace=0.2))
    await hub.start()
    await hub.take_seat(Hello("lab", "ann"), "tcp")
    for seat, nick, node in (("s1", "bob", "there"), ("s2", "cat", "away"), ("s3", "s3", "s3")):
        log.append("lab", Joined(seat, nick, nick, "tcp", node), None)
    await asyncio.sleep(0)
    yield hub
    await hub.stop()


def members(hub: Hub) -> list[str]:
    (room,) = hub.live_rooms()
    return [member.nick for member in room.members()]


async def test_the_seats_of_a_server_that_is_gone_are_left_after_the_grace_time(
    hub: Hub, log: SharedLog
) -> None:
    log.dead = {"away"}
    await hub.cluster.poll()
    await asyncio.sleep(0)
    assert "cat" in members(hub), "its owner may come in elsewhere"
    await asyncio.sleep(0.25)
    await hub.cluster.poll()
    await asyncio.sleep(0)
    assert [nick for nick in members(hub) if nick != "ann"] == ["bob", "s3"]


async def test_one_that_was_away_for_a_moment_begins_anew(hub: Hub, log: SharedLog) -> None:
    log.dead = {"away"}
    await hub.cluster.poll()
    log.dead = set()
    await hub.cluster.poll()
    await asyncio.sleep(0.25)
    log.dead = {"away"}
    await hub.cluster.poll()
    await asyncio.sleep(0)
    assert "cat" in members(hub)


async def test_whoever_wants_the_name_of_one_at_a_server_that_is_gone_is_told_how_long(
    hub: Hub, log: SharedLog
) -> None:
    with pytest.raises(NickTaken) as taken:
        await hub.take_seat(Hello("lab", "cat"), "tcp")
    assert taken.value.retry_after is None
    log.dead = {"away"}
    await hub.cluster.poll()
    with pytest.raises(NickTaken) as taken:
        await hub.take_seat(Hello("lab", "cat"), "tcp")
    assert taken.value.retry_after is not None
    assert 0 < taken.value.retry_after <= 0.2


async def test_clients_without_a_server_are_looked_for_less_often(hub: Hub, log: SharedLog) -> None:
    log.asked.clear()
    for _ in range(10):
        await hub.cluster.poll()
    assert [nodes for nodes in log.asked if "s3" in nodes] == [{"there", "away", "s3"}]
    assert all("here" not in nodes for nodes in log.asked)


async def test_what_comes_for_a_room_that_is_not_loaded_here_harms_nobody(hub: Hub, log: SharedLog) -> None:
    hub._on_committed([Committed("elsewhere", Entry(1, 1, Joined("s9", "eve", "eve", "tcp", "there")), None)])
    assert members(hub) == ["ann", "bob", "cat", "s3"]


async def test_a_key_of_a_seat_elsewhere_under_another_name_moves_nothing(hub: Hub, log: SharedLog) -> None:
    key = "the key of bob"
    log.append("lab", Joined(seat_name(key), "rob", "rob", "tcp", "there"), None)
    await asyncio.sleep(0)
    (room,) = hub.live_rooms()
    seat = await hub.take_seat(Hello("lab", "eve", seat_key=key), "tcp")
    assert seat.seat != seat_name(key)
    before = room.state.applied
    await asyncio.sleep(0.3)  # longer than the grace time
    assert [member.node for member in room.state.members.values() if member.author == "rob"] == ["there"]
    entries = await log.tail("lab", room.state.applied - before)
    assert [entry.body.author for entry in entries if isinstance(entry.body, Left)].count("rob") == 0


async def test_a_call_with_the_key_of_a_seat_that_moved_learns_that_it_was_taken_over(
    hub: Hub, log: SharedLog
) -> None:
    seat = await hub.take_seat(Hello("lab", "dan"), "rest")
    key = seat.welcome.seat_key
    log.append("lab", Resumed(seat.seat, "dan", "grpc", "there"), None)
    await asyncio.sleep(0)
    with pytest.raises(SeatTaken):
        hub.find_seat(key)
    log.append("lab", Resumed(seat.seat, "dan", "grpc", "away"), None)  # and on to a third server
    await asyncio.sleep(0)
    with pytest.raises(SeatTaken):
        hub.find_seat(key)
    log.append("lab", Left(seat.seat, "dan", "grpc", "away"), None)
    await asyncio.sleep(0)
    with pytest.raises(SeatGone):
        hub.find_seat(key)


async def test_a_seat_that_came_back_from_another_server_is_found_again(hub: Hub, log: SharedLog) -> None:
    seat = await hub.take_seat(Hello("lab", "dan"), "rest")
    key = seat.welcome.seat_key
    log.append("lab", Resumed(seat.seat, "dan", "grpc", "there"), None)
    await asyncio.sleep(0)
    again = await hub.take_seat(Hello("lab", "dan", seat_key=key), "rest")
    assert hub.find_seat(key) is again
