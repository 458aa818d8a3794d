"""The file of the durable log is emptied, overwritten, replaced or moved while its server runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from chat.domain.errors import ChatError, NotStored
from chat.server.logs import sqlite
from chat.server.logs.sqlite import SqliteLog
from tests.support.line_client import LineClient
from tests.support.logbook import LogBook, fill, texts
from tests.support.processes import serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="an open file can't be replaced there")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.sqlite3"


@pytest.fixture
async def backup(path: Path) -> Path:
    """A log with messages old 1 to old 3, and its copy from before old 3."""
    await fill(path, "old 1", "old 2")
    copy = path.with_name("backup")
    shutil.copyfile(path, copy)
    await fill(path, "old 3")
    return copy


def wal(path: Path) -> Path:
    return Path(f"{path}-wal")


def emptied(path: Path, backup: Path) -> None:
    os.truncate(path, 0)


def backup_put_into_it(path: Path, backup: Path) -> None:
    path.write_bytes(backup.read_bytes())


def backup_written_over_it(path: Path, backup: Path) -> None:
    """As rsync --inplace does: the file is never empty."""
    with path.open("r+b") as file:
        file.write(backup.read_bytes())


def text_put_into_it(path: Path, backup: Path) -> None:
    path.write_bytes(b"x" * path.stat().st_size)


def wal_emptied(path: Path, backup: Path) -> None:
    os.truncate(wal(path), 0)


def wal_zeroed(path: Path, backup: Path) -> None:
    wal(path).write_bytes(bytes(wal(path).stat().st_size))


def backup_in_its_place(path: Path, backup: Path) -> None:
    shutil.copyfile(backup, f"{path}.restored")
    os.replace(f"{path}.restored", path)


def deleted(path: Path, backup: Path) -> None:
    path.unlink()


def wal_deleted(path: Path, backup: Path) -> None:
    wal(path).unlink()


OVERWRITTEN = [
    emptied,
    backup_put_into_it,
    backup_written_over_it,
    text_put_into_it,
    wal_emptied,
    wal_zeroed,
]
MOVED = [backup_in_its_place, deleted, wal_deleted]
Harm = Callable[[Path, Path], None]


@pytest.mark.parametrize("harm", [*OVERWRITTEN, *MOVED])
async def test_nothing_is_acknowledged_once_the_file_was_harmed(
    path: Path, backup: Path, harm: Harm, caplog: pytest.LogCaptureFixture
) -> None:
    async with LogBook(SqliteLog(path)) as book:
        assert await book.say("new 1") == [4]
        harm(path, backup)
        assert await book.say("new 2") == []
        assert await book.say("new 3") == []
    errors = [error for _, error in book.failed]
    assert [type(error) for error in errors] == [NotStored, NotStored]
    words = "emptied or overwritten" if harm in OVERWRITTEN else "deleted or moved"
    assert all(words in str(error) and "start the server again" in str(error) for error in errors)
    (record,) = caplog.records  # it is said once
    assert str(path) in record.getMessage()
    assert "stop the server" in record.getMessage()


@pytest.mark.parametrize("harm", [*OVERWRITTEN, *MOVED])
async def test_harm_within_a_commit_is_noticed_before_the_acknowledgement(
    monkeypatch: pytest.MonkeyPatch, path: Path, backup: Path, harm: Harm
) -> None:
    log = SqliteLog(path)
    async with LogBook(log) as book:
        await book.say("new 1")
        commit = log._commit

        def commit_and_harm(*items: object) -> None:
            commit(*items)  # type: ignore[arg-type]
            harm(path, backup)

        monkeypatch.setattr(log, "_commit", commit_and_harm)
        assert await book.say("new 2") == []


@pytest.mark.parametrize("end", ["stopped", "killed"])
@pytest.mark.parametrize("harm", [backup_put_into_it, backup_written_over_it, backup_in_its_place])
async def test_a_backup_that_was_put_in_place_stays_as_it_is(
    path: Path, backup: Path, harm: Harm, end: str
) -> None:
    """A -wal that is left beside it would be written into it."""
    if end == "stopped":
        async with LogBook(SqliteLog(path)) as book:
            await book.say(*"abcdefgh")
            harm(path, backup)
            assert await book.say("new") == []
    else:

        def notice_and_kill() -> None:
            with (
                serving("--log", f"sqlite:{path}") as (process, address),
                LineClient(address, "ann", room="talk") as ann,
            ):
                harm(path, backup)
                assert ann.say("new")["code"] == "not_stored"
                process.kill()
                process.wait()

        await asyncio.to_thread(notice_and_kill)
    assert await texts(path) == ["old 1", "old 2"]


@pytest.mark.parametrize("harm", [deleted, wal_deleted])
async def test_what_was_acknowledged_is_whole_in_a_file_that_was_moved(
    path: Path, backup: Path, harm: Harm
) -> None:
    kept = path.with_name("kept")
    async with LogBook(SqliteLog(path)) as book:
        await book.say("new 1")
        os.link(path, kept)  # to see what is in the file that is deleted
        harm(path, backup)
        assert await book.say("new 2") == []
        with closing(sqlite3.connect(f"{kept.as_uri()}?immutable=1", uri=True)) as db:
            rows = db.execute("SELECT body FROM entries ORDER BY seq").fetchall()
    assert len(rows) == 4


async def test_another_log_that_is_longer_is_no_continuation(path: Path, backup: Path) -> None:
    other = path.with_name("other")
    await fill(other, *(f"other {number}" for number in range(300)))
    async with LogBook(SqliteLog(path)) as book:
        await book.say("new 1")
        backup_written_over_it(path, other)
        assert await book.say("new 2") == []


async def test_a_touch_and_a_look_with_another_program_are_no_harm(path: Path, backup: Path) -> None:
    async with LogBook(SqliteLog(path)) as book:
        await book.say("new 1")
        os.utime(path)
        assert await book.say("new 2") == [5]
        with closing(sqlite3.connect(path)) as db:
            assert len(db.execute("SELECT seq FROM entries").fetchall()) == 5
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            copy = sqlite3.connect(path.with_name("copy"))
            with closing(copy):
                db.backup(copy)
        assert await book.say("new 3") == [6]
    assert await texts(path) == ["old 1", "old 2", "old 3", "new 1", "new 2", "new 3"]


async def test_the_wal_is_carried_into_the_database_while_the_server_runs(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    monkeypatch.setattr(sqlite, "_CHECKPOINT_PAGES", 20)
    async with LogBook(SqliteLog(path)) as book:
        for number in range(100):
            await book.say(f"{number} {'x' * 500}")
        assert wal(path).stat().st_size < 100 * 4096  # it begins again after each checkpoint
        os.utime(path)
        assert await book.say("after") == [101]
    assert len(await texts(path)) == 101


async def test_a_commit_that_failed_after_it_began_the_wal_anew_is_no_harm(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    log = SqliteLog(path)
    async with LogBook(log) as book:
        await book.say("new 1")
        await asyncio.to_thread(log._checkpoint)
        commit = log._commit

        def fail(*items: object) -> None:
            log._writing.execute("INSERT INTO refused VALUES ('x', 1)")  # begins it anew
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(log, "_commit", fail)
        assert await book.say("new 2") == []
        monkeypatch.setattr(log, "_commit", commit)
        assert await book.say("new 3") == [3]


async def test_an_overwritten_log_is_not_read(path: Path, backup: Path) -> None:
    async with LogBook(SqliteLog(path)) as book:
        text_put_into_it(path, backup)
        await book.say("new")
        with pytest.raises(ChatError, match="emptied or overwritten"):
            await book.log.read("lab", limit=10)


# --- as a user sees it -------------------------------------------------------------------------


def test_the_server_refuses_drafts_and_says_what_to_do(path: Path) -> None:
    with serving("--log", f"sqlite:{path}") as (process, address), LineClient(address, "ann") as ann:
        assert ann.say("one")["kind"] == "sent"
        os.truncate(path, 0)  # : > chat.sqlite3
        refused = [ann.say(f"late {number}") for number in range(5)]
        assert {answer.get("code") for answer in refused} == {"not_stored"}
        assert "restore it from a backup" in refused[0]["text"]
        process.terminate()
        _, said = process.communicate(timeout=60)
    told = [line for line in said.splitlines() if "emptied or overwritten" in line]
    assert len(told) == 2  # the alarm, and the record for the operator
    assert told[0].startswith("the log ")
    assert "not stored" in told[1]
    assert str(path) in said
    assert "--fresh" in said
    assert "Traceback" not in said
