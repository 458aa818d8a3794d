"""A log that was closed well is not read from end to end again; one that was changed since then is."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from chat.server.logs.soundness import is_sound, note_sound
from chat.server.logs.sqlite import SqliteLog
from tests.support.logbook import LogBook, child_holding, fill, refusal, texts

TEXTS = ["x" * 2000] * 20
PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.sqlite3"


async def sound(path: Path) -> bool:
    return await asyncio.to_thread(is_sound, path)


async def test_a_log_that_was_closed_well_is_sound_and_opens(path: Path) -> None:
    await fill(path, *TEXTS)
    assert await sound(path)
    await fill(path, "more")
    assert await sound(path)
    assert await texts(path) == [*TEXTS, "more"]


async def test_what_is_noted_as_sound_is_not_read_from_end_to_end(path: Path) -> None:
    await fill(path, *TEXTS)
    harm(path)
    await asyncio.to_thread(note_sound, path)
    async with LogBook(SqliteLog(path)):
        pass


def harm(path: Path) -> None:
    """Damage a page, and leave size and times as they were, as far as a program can."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.seek(5 * PAGE)
        file.write(os.urandom(PAGE))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def contents(path: Path) -> bytes:
    return path.read_bytes()


def copied(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    os.replace(copy, path)


def touched(path: Path) -> None:
    os.utime(path)


def changed(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE entries SET body = body || ' ' WHERE seq = 2")


@pytest.mark.parametrize("change", [harm, copied, touched, changed])
async def test_a_file_that_was_changed_is_not_sound(path: Path, change: Callable[[Path], None]) -> None:
    await fill(path, *TEXTS)
    change(path)
    assert not await sound(path)


async def test_damage_after_it_was_closed_is_found_before_anything_is_written(path: Path) -> None:
    await fill(path, *TEXTS)
    harm(path)
    before = contents(path)
    assert "damaged" in await refusal(path)
    assert contents(path) == before


async def test_a_log_whose_server_was_killed_is_read_from_end_to_end(path: Path) -> None:
    def kill() -> None:
        with child_holding(path):
            pass

    await asyncio.to_thread(kill)
    assert not await sound(path)


async def test_a_file_that_somebody_else_wrote_meanwhile_is_not_called_sound(path: Path) -> None:
    await fill(path, *TEXTS)
    async with LogBook(SqliteLog(path)) as book:
        touched(path)
        await book.say("after")
    assert not await sound(path)
