"""What must not cost a room anything it has acknowledged: restarts, full disks, hostile numbers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chat.domain.errors import BadRequest, ChatError, NotStored
from chat.domain.model import MAX_NUMBER, Checkpoint, Entry, Event, Joined, Limits, Opened, SeatState, Sent
from chat.domain.room import WINDOW, Room, replay_order
from chat.server.logs.sqlite import SqliteLog
from tests.support.stage import Disk, come_in, enter, running, says, settle

FREE = Limits(burst=0)


def joined(seq: int, nick: str) -> Entry:
    return Entry(seq, 0, Joined(nick, nick, nick, "tcp", "solo"))


def sent(seq: int, nick: str, n: int) -> Entry:
    return Entry(seq, 0, Sent(nick, nick, "tcp", n, "hello"))


def test_a_checkpoint_does_not_forget_who_came_in_while_it_was_on_its_way() -> None:
    ann = SeatState("ann", "ann", "ann", "tcp", "solo", 7)
    log = [
        sent(108, "ann", 7),
        joined(109, "bob"),  # committed before the checkpoint, and not known to it
        Entry(110, 0, Checkpoint("epoch", 108, (ann,))),
        sent(111, "bob", 1),
    ]
    entries, sure = replay_order(log)
    room = Room()
    outcomes = {entry.seq: room.apply(entry) for entry in entries}
    assert isinstance(outcomes[109], Event)
    assert isinstance(outcomes[111], Event)
    assert outcomes[111].prev == 109
    assert list(room.members) == ["ann", "bob"]
    assert sure == 108 + WINDOW


def test_a_log_from_its_beginning_is_applied_as_it_stands() -> None:
    log = [Entry(1, 0, Opened("epoch")), joined(2, "ann"), Entry(3, 0, Checkpoint("epoch", 2, ()))]
    assert replay_order(log) == (log, 0)


def test_a_log_without_beginning_and_checkpoint_is_not_made_up() -> None:
    with pytest.raises(ChatError, match="was deleted"):
        replay_order([sent(108, "ann", 7)])


async def test_the_last_draft_number_is_not_counted_beyond(tmp_path: Path) -> None:
    path = str(tmp_path / "log.sqlite3")
    async with running(SqliteLog(path), limits=FREE) as hub:
        ann = await enter(hub)
        assert isinstance(await says(ann, "the last", MAX_NUMBER), Event)
        assert isinstance(await says(ann, "one more"), BadRequest)
    async with running(SqliteLog(path), limits=FREE) as hub:
        bob = await enter(hub, "bob")
        assert [event.text for event in await bob.history(after=2, before=None, limit=9)][:1] == ["the last"]


async def test_a_room_that_could_not_be_opened_harms_no_other() -> None:
    disk = Disk()
    async with running(disk, limits=FREE) as hub:
        ann, peer = await come_in(hub)
        disk.full = True
        first = asyncio.create_task(enter(hub, "bob", room="new"))
        await settle()
        disk.full = False
        second = asyncio.create_task(enter(hub, "cat", room="new"))
        assert isinstance(await says(ann, "still here"), Event)
        with pytest.raises(NotStored):
            await first
        assert (await second).nick == "cat"
        await settle()
        assert peer.got[-1] == "sent ann still here"


async def test_who_leaves_again_and_again_leaves_once() -> None:
    disk = Disk()
    async with running(disk) as hub:
        seat = await enter(hub)
        for _ in range(100):
            seat.leave()
        await settle()
        assert disk.kinds() == ["opened", "joined", "left"]
