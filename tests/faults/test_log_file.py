"""A file that the durable log can't use: damaged, foreign, read-only, no room; and set aside."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chat.domain.errors import ChatError
from chat.server.logs import files
from chat.server.logs.files import VERSION, set_aside
from chat.server.logs.sqlite import SqliteLog
from tests.support.logbook import LogBook, child_holding, fill, refusal, texts
from tests.support.nobody import as_nobody
from tests.support.processes import chat_here

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.sqlite3"


# --- damaged and foreign files -----------------------------------------------------------------


def other_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript("PRAGMA journal_mode = WAL; PRAGMA application_id = 7; CREATE TABLE t(x)")


def newer_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")


def without_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE refused")


def broken_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-4096:-3000] = os.urandom(1096)
    path.write_bytes(data)


def text_file(path: Path) -> None:
    path.write_text("This is no database.\n" * 500)


def cut(size: int) -> Callable[[Path], None]:
    def cut(path: Path) -> None:
        os.truncate(path, size)

    return cut


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (other_program, "another program"),
        (text_file, "not even SQLite"),
        (newer_version, f"format {VERSION + 1}"),
        (without_table, "table is missing"),
        (broken_page, "damaged"),
        (cut(0), "empty"),
        (cut(60), "cut off"),
        (cut(4096 * 5), "damaged"),
        (cut(4096 * 5 + 100), "damaged"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_file_that_is_no_sound_log_is_refused_and_stays_as_it_is(
    path: Path, harm: Callable[[Path], None], words: str
) -> None:
    if harm is not other_program:
        await fill(path, *["x" * 2000] * 20)
    harm(path)
    before = contents(path)
    reason = await refusal(path)
    assert words in reason
    assert "--fresh" in reason
    assert contents(path) == before


async def test_a_damaged_file_with_a_wal_stays_as_it_is(path: Path) -> None:
    """Closing a database carries its -wal into it, unless it was opened to be read only."""

    def kill_and_harm() -> None:
        with child_holding(path):
            pass
        data = bytearray(path.read_bytes())
        data[4 * 4096 : 6 * 4096] = os.urandom(2 * 4096)  # pages of old entries, so not in the -wal
        path.write_bytes(data)

    await fill(path, *["x" * 2000] * 20)
    await asyncio.to_thread(kill_and_harm)
    before = contents(path)
    assert before["chat.sqlite3-wal"]
    assert "damaged" in await refusal(path)
    assert contents(path) == before


async def test_a_wal_without_its_log_is_not_taken_for_a_new_one(path: Path) -> None:
    def kill_and_lose() -> None:
        with child_holding(path):
            pass
        path.unlink()

    await asyncio.to_thread(kill_and_lose)
    before = contents(path)
    assert "--fresh" in await refusal(path)
    assert contents(path) == before


async def test_an_entry_that_is_no_json_is_named(path: Path) -> None:
    await fill(path, "a", "b")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE entries SET body = '{' WHERE seq = 2")
    async with LogBook(SqliteLog(path)) as book:
        with pytest.raises(ChatError, match=r"entry of lab .*damaged"):
            await book.log.read("lab", after=0, limit=9)


def contents(path: Path) -> dict[str, bytes]:
    """Return the log's files, but for the -shm: an index that SQLite makes again."""
    return {file.name: file.read_bytes() for file in (path, Path(f"{path}-wal")) if file.exists()}


# --- no place for it ---------------------------------------------------------------------------


async def test_a_missing_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state" / "chat.sqlite3"
    await fill(path, "a")
    assert await texts(path) == ["a"]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--log" in await refusal(tmp_path / "file" / "chat.sqlite3")


async def test_a_log_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    assert "--log" in await refusal(tmp_path)


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[None]:
    """Root may write what is read-only: be somebody else for a test, who owns its folder."""
    with as_nobody(tmp_path, owner=True):
        yield


@POSIX
@pytest.mark.usefixtures("unprivileged")
async def test_a_folder_that_is_read_only_is_refused(tmp_path: Path, path: Path) -> None:
    os.chmod(tmp_path, 0o500)
    reason = await refusal(path)
    os.chmod(tmp_path, 0o700)
    assert "can't write" in reason
    assert "--log" in reason
    assert contents(path) == {}


@POSIX
async def test_a_file_that_is_read_only_is_refused(path: Path, request: pytest.FixtureRequest) -> None:
    await fill(path, "a")
    os.chmod(path, 0o400)
    request.getfixturevalue("unprivileged")
    reason = await refusal(path)
    assert "can't write" in reason
    assert "--log" in reason


# --- no file -----------------------------------------------------------------------------------


def folder(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to(os.devnull)


def loop(path: Path) -> None:
    path.symlink_to(path)


@POSIX
@pytest.mark.parametrize("make", [folder, pipe, device, loop])
def test_what_is_no_file_is_neither_opened_nor_set_aside(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    before = path.lstat()
    with pytest.raises(ChatError) as refused:
        asyncio.run(SqliteLog(path).start(lambda batch: None, lambda notes, error: None))
    with pytest.raises(ChatError) as not_set_aside:
        set_aside(path)
    assert "--fresh" not in str(refused.value)
    assert str(refused.value) == str(not_set_aside.value)
    assert os.path.samestat(path.lstat(), before)
    assert os.listdir(path.parent) == [path.name]
    assert not Path(f"{os.devnull}.lock").exists()


@pytest.mark.parametrize("place", ["//rel.db", "///rel.db", "////rel.db"])
@pytest.mark.parametrize("fresh", [(), ("--fresh",)], ids=["", "fresh"])
def test_slashes_as_in_a_url_get_the_right_form(place: str, fresh: tuple[str, ...]) -> None:
    done = chat_here("serve", "tcp", "--port", "0", "--log", f"sqlite:{place}", *fresh)
    assert done.returncode == 1
    assert done.stderr == f"chat: 'sqlite:{place}' is not a log: write sqlite:rel.db or sqlite:/rel.db\n"


@pytest.mark.parametrize("full", ["when the file is made", "when it is written"])
async def test_a_disk_without_room_for_a_new_log_is_named(
    monkeypatch: pytest.MonkeyPatch, path: Path, full: str
) -> None:
    def no_room(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if full == "when the file is made":
        monkeypatch.setattr("chat.server.logs.files.os.open", no_room)
    else:
        monkeypatch.setattr(files, "_SCHEMA", "PRAGMA max_page_count = 1;" + vars(files)["_SCHEMA"])
    reason = await refusal(path)
    monkeypatch.undo()
    assert "no space" in reason
    assert contents(path) == {}
    assert await texts(path) == []


# --- set aside ---------------------------------------------------------------------------------


async def test_a_log_is_set_aside_whole_under_a_dated_name(path: Path) -> None:
    def kill_and_set_aside() -> Path | None:
        with child_holding(path):
            pass
        return set_aside(path)

    aside = await asyncio.to_thread(kill_and_set_aside)
    assert aside
    assert re.fullmatch(r"chat-\d{4}-\d\d-\d\dT\d{6}\.sqlite3", aside.name)
    assert aside.parent == path.parent
    assert await texts(path) == []  # a new one
    assert await texts(aside) == ["held"]  # which was in the -wal


async def test_a_name_that_is_taken_gets_a_number(path: Path) -> None:
    names = set()
    for text in ("a", "b", "c"):
        await fill(path, text)
        names.add(await asyncio.to_thread(set_aside, path))
    assert len(names) == 3


async def test_a_file_that_was_refused_can_be_set_aside(path: Path) -> None:
    text_file(path)
    (before,) = contents(path).values()
    await refusal(path)
    aside = await asyncio.to_thread(set_aside, path)
    assert aside
    assert list(contents(aside).values()) == [before]
    assert await texts(path) == []


def test_where_there_is_no_log_nothing_is_set_aside(path: Path) -> None:
    assert set_aside(path) is None
