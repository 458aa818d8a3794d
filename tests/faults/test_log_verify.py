"""A log whose disk has changed a bit, or lost something: `chat log verify` finds it, and says where."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chat.domain.errors import ChatError
from chat.server.logs.files import connect
from chat.server.logs.sqlite import SqliteLog
from chat.server.logs.verify import verify
from chat.server.logs.wal_check import damage, wal_problems
from tests.support.line_client import LineClient
from tests.support.logbook import LogBook, said
from tests.support.processes import chat_here, log_files, one_line, serving
from tests.support.talks import TEXT, find, flip, talk

BUILD_BEFORE = Path(__file__).parents[1] / "support" / "data" / "build_before" / "chat.sqlite3"
FLIPS = 300


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "chat.sqlite3"
    await talk(path)
    return path


def found(path: Path) -> str:
    return "\n".join(verify(path).problems)


def test_a_whole_log_is_ok_and_stays_as_it_is(path: Path) -> None:
    before, names = log_files(path.parent), os.listdir(path.parent)
    report = verify(path)
    assert report.problems == []
    assert report.notes() == []
    assert report.summary() == "2 rooms, 18 entries: 16 events, 2 refused, 0 checkpoints"
    assert (log_files(path.parent), os.listdir(path.parent)) == (before, names)


# --- flipped bits ------------------------------------------------------------------------------


def in_a_text(path: Path) -> int:
    return find(path, TEXT.encode())


def body(path: Path) -> int:
    """In the file room, seq (one byte) and time (six bytes) stand before the body."""
    return path.read_bytes().rindex(b'{"kind":"sent"', 0, in_a_text(path))


def in_a_time(path: Path) -> int:
    return body(path) - 1


def in_a_seq(path: Path) -> int:
    return body(path) - 7


def in_a_room(path: Path) -> int:
    return body(path) - 8


def in_a_type(path: Path) -> int:
    """The type of the body, text or bytes, is the lowest bit of the record's header, before the room."""
    return body(path) - 11


def in_a_checksum(path: Path) -> int:
    return path.read_bytes().index(b',"sum":"', in_a_text(path)) + 10


def in_the_name_of_a_checksum(path: Path) -> int:
    return path.read_bytes().index(b',"sum":"', in_a_text(path)) + 3


def generation(path: Path) -> bytes:
    with closing(connect(path, "ro&immutable=1")) as db:
        (name,) = db.execute("SELECT name FROM generations").fetchone()
    return str(name).encode()


def in_a_table(path: Path) -> int:
    return find(path, generation(path))


def in_an_index(path: Path) -> int:
    """The names of the generations have one, so each stands twice in the file."""
    return find(path, generation(path), last=True)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (in_a_text, "room lab, entry 3: its checksum does not fit"),
        (in_a_time, "room lab, entry 3: its checksum does not fit"),
        (in_a_type, "room lab, an entry behind 2: its fields have wrong types"),
        (in_a_checksum, "room lab, entry 3: it"),
        (in_the_name_of_a_checksum, "room lab, entry 3: it is damaged: no chat writes it like this"),
        (in_a_seq, "room lab, entry 2: it stands behind entry 2"),
        (in_a_room, "room lac, entry 3: it is the first one, and does not open the room"),
        (in_a_table, "SQLite: row"),
        (in_an_index, "SQLite: row"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_flipped_bit_is_found(path: Path, place: Callable[[Path], int], words: str) -> None:
    flip(path, place(path))
    assert words in found(path)


def test_a_bit_that_was_flipped_anywhere_is_found_or_changes_nothing_that_is_read(path: Path) -> None:
    whole, broken = contents(path), path.with_name("broken.sqlite3")
    places = random.Random(7)
    missed = []
    caught = 0
    for _ in range(FLIPS):
        place, bit = places.randrange(path.stat().st_size), places.randrange(8)
        shutil.copyfile(path, broken)
        flip(broken, place, bit)
        try:
            problems = verify(broken).problems
        except ChatError:
            problems = ["it can't be opened"]
        caught += bool(problems)
        if not problems and contents(broken) != whole:
            missed.append((place, bit))
    assert missed == []
    assert caught > FLIPS // 20  # most of a small file is empty space


def contents(path: Path) -> list[list[Any]]:
    tables = ("entries", "refused", "generations", "begun")
    with closing(connect(path, "ro&immutable=1")) as db:
        return [db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


@pytest.mark.parametrize("command", [["verify"], ["export"], ["compact"], ["backup", "to"]])
def test_an_error_text_of_sqlite_that_is_no_utf8_is_told_in_one_line(
    path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It quotes the file, and Python's module can't decode it."""
    monkeypatch.chdir(tmp_path)
    flip(path, find(path, b"TABLE entries"), bit=7)
    for done in (
        chat_here("log", command[0], str(path), *command[1:]),
        chat_here("serve", "tcp", "--port", "0", "--log", f"sqlite:{path}"),
    ):
        assert done.returncode == 1
        assert one_line(done.stderr)
        assert "damaged (malformed database schema" in done.stderr


# --- what is missing, or too much --------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "DELETE FROM entries WHERE room = 'lab' AND seq = 4",
            "room lab, entry 5: its checksum does not fit",
        ),
        (
            "DELETE FROM entries WHERE room = 'lab' AND seq = 1",
            "entry 2: it is the first one, and does not open",
        ),
        ("UPDATE entries SET seq = 99 WHERE room = 'lab' AND seq = 4", "room lab, entry 99: its checksum"),
        ("UPDATE entries SET body = '{' WHERE room = 'den' AND seq = 2", "room den, entry 2: it is damaged"),
        ("UPDATE refused SET seq = 3", "room lab, entry 3: it is marked as refused, but the room accepts it"),
        (
            "INSERT INTO refused VALUES ('den', 99)",
            "room den, entry 99: it is marked as refused, and does not",
        ),
        ("INSERT INTO refused VALUES ('attic', 1)", "room attic"),
        ("DELETE FROM generations WHERE number = 1", "generation 1 began at 1, and is not known"),
        ("UPDATE begun SET seq = 0 WHERE number = 2", "generation 2 can't begin at 0, behind 1"),
        ("UPDATE begun SET seq = seq + 1 WHERE number = 2", "checksum does not fit"),
        ("UPDATE generations SET name = '0123456789ab' WHERE number = 2", "checksum does not fit"),
    ],
)
def test_what_does_not_belong_together_is_found(path: Path, change: str, words: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        if "refused SET" in change:
            db.execute("DELETE FROM refused WHERE seq > 5")
        db.execute(change)
    assert words in found(path)


def test_many_problems_are_counted_and_not_all_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.server.logs.verify.MOST", 3)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE entries SET at = at + 1")
    report = verify(path)
    assert (len(report.problems), report.more) == (3, 15)


async def test_seqs_that_failed_commits_used_up_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "chat.sqlite3"
    async with LogBook(SqliteLog(path)) as book:
        for text in ("a", "\ud800", "b", "c"):
            book.append("lab", said(text))
            await book.settled()
    # these entries open no room, but that is all
    problems = await asyncio.to_thread(found, path)
    assert problems == "room lab, entry 1: it is the first one, and does not open the room"


# --- logs of an older chat ---------------------------------------------------------------------


async def test_an_older_log_is_verified_as_far_as_possible_and_goes_on_with_checksums(tmp_path: Path) -> None:
    path = shutil.copyfile(BUILD_BEFORE, tmp_path / "chat.sqlite3")
    report = await asyncio.to_thread(verify, path)
    assert report.problems == []
    (note,) = report.notes()
    assert note.startswith("11 entries have no checksum")
    await talk(path)
    report = await asyncio.to_thread(verify, path)
    assert report.problems == []
    assert report.unchecked == 11
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM entries WHERE room = 'lab' AND seq = 11")
    assert "room lab, entry 12: its checksum does not fit" in await asyncio.to_thread(found, path)


# --- the -wal of a server that was killed --------------------------------------------------------


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The log of a server that was killed: what was said is in the -wal."""
    path = tmp_path / "logs" / "chat.sqlite3"
    with serving("--log", f"sqlite:{path}") as (process, address), LineClient(address, "ann") as ann:
        for number in range(6):
            ann.say(f"line {number}")
        process.kill()
        process.wait()
    return path


def wal(path: Path) -> Path:
    return Path(f"{path}-wal")


def end_of(path: Path) -> int:
    """Return where the last commit in a -wal ends: behind it is room."""
    return len(path.read_bytes().rstrip(b"\0"))


def test_a_killed_server_leaves_no_damage_and_its_log_stays_as_it_is(killed: Path) -> None:
    before = log_files(killed.parent)
    assert wal(killed).stat().st_size > 4096
    assert verify(killed).problems == []
    assert verify(killed).events == 8
    after = log_files(killed.parent)
    assert {name: after[name] for name in (killed.name, wal(killed).name)} == {
        name: before[name] for name in (killed.name, wal(killed).name)
    }


@pytest.mark.parametrize("where", ["header", "first frame", "line 2", "salt", "last commit"])
def test_a_flipped_bit_in_the_wal_is_found_though_sqlite_ignores_what_is_behind(
    killed: Path, where: str
) -> None:
    places = {
        "header": 17,
        "first frame": 32 + 24 + 100,
        "line 2": find(wal(killed), b"line 2"),
        "salt": 32 + 8,
        "last commit": end_of(wal(killed)) - 1,
    }
    flip(wal(killed), places[where])
    words = "its last commit is damaged" if where == "last commit" else "commits from there on can't be read"
    assert words in found(killed)
    assert found(killed).startswith("chat.sqlite3-wal: ")


@pytest.mark.parametrize("cut", [1, 4096 + 24])
def test_a_commit_that_a_kill_cut_off_is_no_damage(killed: Path, cut: int) -> None:
    os.truncate(wal(killed), end_of(wal(killed)) - cut)
    assert verify(killed).problems == []


@pytest.mark.parametrize("frame", [0, 1])
def test_a_hole_in_the_last_commit_may_come_from_a_power_failure(tmp_path: Path, frame: int) -> None:
    with closing(sqlite3.connect(tmp_path / "any.sqlite3", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (x)")
        file = tmp_path / "any.sqlite3-wal"
        before = file.stat().st_size
        db.execute("INSERT INTO t VALUES (zeroblob(20000))")
        data = bytearray(file.read_bytes())
    assert damage(bytes(data)) == []
    start = before + frame * (24 + 4096)
    data[start : start + 512] = bytes(512)  # a sector that was not written
    assert "the power failed" in "".join(damage(bytes(data)))


async def test_what_an_unfinished_commit_left_is_no_damage_once_a_server_has_begun(tmp_path: Path) -> None:
    path, left = tmp_path / "whole.sqlite3", tmp_path / "left.sqlite3"
    async with LogBook(SqliteLog(path)) as book:
        await book.say("one")
        start = wal(path).stat().st_size
        await book.say(*["long " * 200] * 50)
        shutil.copy(path, left)
        data = bytearray(wal(path).read_bytes())
    data[start : start + 512] = bytes(512)  # a sector that was not written when the power failed
    wal(left).write_bytes(data)
    async with LogBook(SqliteLog(left)) as book:
        assert await asyncio.to_thread(wal_problems, wal(left)) == []
        assert await book.say("two") == [2]


# --- as a user sees it -------------------------------------------------------------------------


def test_the_exit_code_and_the_last_line_say_what_to_do(path: Path) -> None:
    done = chat_here("log", "verify", f"sqlite:{path}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "ok"
    flip(path, in_a_text(path))
    done = chat_here("log", "verify", str(path))
    assert done.returncode == 1
    assert "room lab, entry 3" in done.stdout
    assert "ok" not in done.stdout.splitlines()
    assert one_line(done.stderr)
    assert "1 problem)" in done.stderr
    assert "put a backup in its place" in done.stderr
    assert "chat log export" in done.stderr
