"""A log that lost its end, as a restored backup has, and cursors from what was lost."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chat.domain.errors import Closing, SeatGone, StaleCursor
from chat.domain.model import Cursor, Event
from chat.server.hub import Hub
from chat.server.logs.sqlite import SqliteLog
from tests.support.logbook import LogBook
from tests.support.stage import come_in, enter, says


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.sqlite3"


class Run:
    """One run of a server on a log, in which somebody says some lines."""

    def __init__(self, path: Path, *texts: str, nick: str = "ann") -> None:
        self._path, self._texts, self._nick = path, texts, nick

    async def __aenter__(self) -> Run:
        self.hub = Hub(SqliteLog(self._path))
        await self.hub.start()
        self.ann, _ = await come_in(self.hub, self._nick)
        self.cursors = []
        for text in self._texts:
            event = await says(self.ann, text)
            assert isinstance(event, Event)
            self.cursors.append(Cursor(event.seq, self.ann.welcome.epoch))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.ann.leave()
        await self.hub.stop()

    async def resumes(self, *cursors: Cursor) -> list[bool]:
        """Return which of these cursors may continue here."""
        found = []
        for number, cursor in enumerate(cursors):
            try:
                (await enter(self.hub, f"reader-{number}", cursor=cursor)).leave()
            except StaleCursor:
                found.append(False)
            else:
                found.append(True)
        return found


async def test_a_cursor_from_the_lost_end_is_stale_also_when_the_new_history_has_passed_it(
    path: Path, tmp_path: Path
) -> None:
    async with Run(path, "kept") as kept:
        pass
    shutil.copyfile(path, tmp_path / "backup")
    async with Run(path, *"abc") as lost:
        pass
    shutil.copyfile(tmp_path / "backup", path)
    async with Run(path, *"0123456789") as new:
        assert new.hub.live_rooms()[0].head > lost.cursors[-1].seq
        assert await new.resumes(*kept.cursors, *lost.cursors, *new.cursors) == [
            *[True],
            *[False] * 3,
            *[True] * 10,
        ]


async def test_a_backup_from_the_middle_of_a_generation_ends_it_there(path: Path, tmp_path: Path) -> None:
    async with Run(path, "a", "b") as run:
        with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(tmp_path / "backup")) as copy:
            db.backup(copy)
        last = await says(run.ann, "lost")
        assert isinstance(last, Event)
        lost = Cursor(last.seq, run.ann.welcome.epoch)
    shutil.copyfile(tmp_path / "backup", path)
    async with Run(path, *"0123456789", nick="bob") as new:
        assert await new.resumes(*run.cursors, lost) == [True, True, False]


async def test_every_cursor_of_a_log_that_lost_nothing_is_good_after_restarts(path: Path) -> None:
    cursors: list[Cursor] = []
    for texts in ("ab", "", "c", "de"):
        async with Run(path, *texts) as run:
            cursors += run.cursors
            assert all(await run.resumes(*cursors, Cursor(0, run.ann.welcome.epoch)))
    assert len({cursor.epoch for cursor in cursors}) == 3
    assert len({cursor.epoch.partition(".")[0] for cursor in cursors}) == 1


async def test_a_cursor_without_a_generation_is_good_up_to_where_the_first_one_began(path: Path) -> None:
    """A chat that did not know generations gave it out, and may have lost its log's end since."""
    async with Run(path, "a", "b") as before:
        pass
    with closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE generations; DROP TABLE begun")
    old = [Cursor(one.seq, one.epoch.partition(".")[0]) for one in before.cursors]
    async with Run(path, *"0123456789") as run:
        beyond = Cursor(run.cursors[-1].seq, old[0].epoch)
        assert await run.resumes(*old, beyond) == [True, True, False]


async def test_seqs_that_a_failed_commit_has_used_up_belong_to_no_older_cursor(path: Path) -> None:
    async with Run(path, "a") as before:
        end = before.hub.live_rooms()[0].head
    log = SqliteLog(path)
    async with LogBook(log) as book:
        found = log._found["lab"]
        assert await book.say("\ud800") == []  # it can't be stored
        assert await book.say("b") == [found + 2]
        assert await log.end_of("lab", before.ann.welcome.epoch.partition(".")[2]) == found >= end


async def test_a_poll_of_a_seat_that_read_what_was_lost_must_join_again(path: Path) -> None:
    async with Run(path, "kept") as run:
        bob = await enter(run.hub, "bob")
        head = bob.head
    for after, good in ((head, True), (head + 5, False)):
        hub = Hub(SqliteLog(path))
        await hub.start()
        await hub.look("lab", "")
        seat = hub.find_seat(bob.welcome.seat_key or bob.key)
        if good:
            with pytest.raises(Closing, match="reconnect and resume"):
                await seat.read(after, 10, 0)
            assert [event.kind for event in await seat.read(after, 10, 0)] == ["left"]
        else:
            with pytest.raises(SeatGone, match="join again, with your cursor"):
                await seat.read(after, 10, 0)
        await hub.stop()


async def test_who_polls_over_restarts_keeps_a_cursor_that_is_good(path: Path) -> None:
    async with Run(path, "first") as run:
        bob = await enter(run.hub, "bob")
        key, cursor = bob.key, Cursor(bob.head, bob.welcome.epoch)
    for nick in ("ann", "carol"):  # each run begins to write behind what bob has read
        async with Run(path, "more", nick=nick) as run:
            seat = run.hub.find_seat(key)
            with pytest.raises(Closing):
                await seat.read(cursor.seq, 10, 0)
            again = await enter(run.hub, "bob", cursor=cursor, seat_key=key)
            assert again.seat == bob.seat
            cursor = Cursor((await again.read(cursor.seq, 10, 0))[-1].seq, again.welcome.epoch)
