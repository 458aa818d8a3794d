"""A pause ends early when somebody else has found the server; the pauses after that begin small again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chat.background.sightings import Sightings
from chat.client.retry_wait import LOOK_EVERY
from chat.domain.errors import ConnectionLost
from chat.domain.rate_limit import LAST_RETRY
from tests.support.fake_client import FakeRoom, Watch, talking
from tests.support.stage import Clock, settle

LOST = ConnectionLost("nothing listens")


class Seen:
    """What several clients share."""

    def __init__(self) -> None:
        self.told = 0
        self.looks = 0

    def look(self) -> int:
        self.looks += 1
        return self.told

    def tell(self) -> None:
        self.told += 1


async def waits_long(room: FakeRoom, watch: Watch, clock: Clock) -> None:
    """Break the connection, and let the tries fail until the pauses are as long as they get."""
    await watch.until(lambda: watch.states and watch.states[-1].name == "up")
    room.refusals = [LOST] * 100
    room.cut()
    while not watch.states or watch.states[-1].retry_in < LAST_RETRY:
        await passes(clock, 0.5)


async def passes(clock: Clock, seconds: float) -> None:
    """Let time pass, and the threads that look at files come back."""
    await clock.advance(seconds)
    for _ in range(20):
        await asyncio.to_thread(int)
    await settle()


async def test_when_somebody_finds_the_server_all_try_at_once_and_their_pauses_begin_small(
    room: FakeRoom, clock: Clock
) -> None:
    seen = Seen()
    async with talking(room, seen=seen) as (_, watch):
        await waits_long(room, watch, clock)
        tries = len(room.greetings)
        await passes(clock, LOOK_EVERY)
        assert len(room.greetings) == tries
        seen.told += 1
        await passes(clock, LOOK_EVERY)
        assert len(room.greetings) == tries + 1
        assert 0 < watch.states[-1].retry_in < 1


async def test_nobody_looks_more_than_once_a_second(room: FakeRoom, clock: Clock) -> None:
    seen = Seen()
    async with talking(room, seen=seen) as (_, watch):
        await waits_long(room, watch, clock)
        before = seen.looks
        for _ in range(20):
            await passes(clock, 0.1)
        assert seen.looks - before <= 2 / LOOK_EVERY


async def test_a_pause_that_the_server_asked_for_is_kept(room: FakeRoom, clock: Clock) -> None:
    seen = Seen()
    async with talking(room, seen=seen) as (_, watch):
        await watch.state("up")
        room.cut(ConnectionLost("busy", retry_after=8.0))
        await watch.state("retrying")
        tries = len(room.greetings)
        seen.told += 1
        for _ in range(14):
            await passes(clock, 0.5)
        assert len(room.greetings) == tries
        await passes(clock, 2)
        assert len(room.greetings) == tries + 1


async def test_who_was_let_in_tells_the_others(room: FakeRoom) -> None:
    seen = Seen()
    async with talking(room, seen=seen) as (session, watch):
        await watch.state("up")
        assert seen.told == 1
        room.cut()
        await watch.state("retrying")
        session.retry_now()
        await watch.state("up")
        assert seen.told == 2


@pytest.mark.parametrize("hosts", [["127.0.0.1"], ["localhost"], ["::1"], ["0.0.0.0"], ["10.0.0.5", "::"]])
def test_clients_of_one_host_share_a_sighting(tmp_path: Path, hosts: list[str]) -> None:
    mine, others = Sightings(tmp_path, ["localhost"]), Sightings(tmp_path, hosts)
    elsewhere = Sightings(tmp_path, ["10.0.0.6"])
    before = mine.look(), elsewhere.look()
    others.tell()
    assert mine.look() != before[0]
    assert elsewhere.look() == before[1]


def test_a_folder_that_can_not_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sightings = Sightings(tmp_path / "file", ["localhost"])
    before = sightings.look()
    sightings.tell()
    assert sightings.look() == before
