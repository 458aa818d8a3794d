"""What every log promises, once for each; then what is the URL's, and where a log may lie.

What only a durable log can be asked (kills, full disks, damage) is in `tests/faults`.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backends
from chat.background import state_folder
from chat.background.state_folder import network_file_system
from chat.domain.errors import ChatError, Closing
from chat.domain.model import Body, Checkpoint, Deleted, Edited, Entry, Joined, Opened
from chat.interfaces.log import Log
from chat.server.logs import open_log
from chat.server.logs.memory import MemoryLog
from chat.server.logs.sqlite import SqliteLog
from tests.support.logbook import LogBook, marks, said
from tests.support.relayed_log import RelayedLog

AT = 1_700_000_000.1239
CHECKPOINT = Checkpoint("e1", 1, ())


@pytest.fixture(params=["memory", "sqlite", "relayed"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Log:
    if request.param == "relayed":
        if sys.platform == "win32":
            pytest.skip("workers share a log on Linux only")
        return RelayedLog(MemoryLog(clock=lambda: AT))
    url = {"memory": "memory", "sqlite": f"sqlite:{tmp_path}/log/chat.sqlite3"}[request.param]
    return open_log(url, clock=lambda: AT)


@pytest.fixture
async def book(log: Log) -> AsyncIterator[LogBook]:
    async with LogBook(log) as book:
        yield book


async def test_seq_counts_from_1_in_each_room(book: LogBook) -> None:
    for room in ("lab", "den", "lab"):
        book.append(room, said())
    await book.settled()
    assert [(item.room, item.entry.seq) for item in book.committed] == [("lab", 1), ("den", 1), ("lab", 2)]


async def test_an_entry_carries_its_time_in_milliseconds_and_what_is_pending(book: LogBook) -> None:
    book.append("lab", said(), "mine")
    await book.settled()
    assert book.committed[0].entry == Entry(1, 1_700_000_000_123, said())
    assert marks([book.committed[0].pending]) == ["mine"]


async def test_append_hands_nothing_back_before_it_returns(book: LogBook) -> None:
    book.append("lab", said())
    assert book.committed == []
    await book.settled()


async def test_batches_come_back_in_the_order_of_the_appends(book: LogBook) -> None:
    for n in range(3000):
        book.append("lab" if n % 3 else "den", said(), n)
        if n % 500 == 0:
            await asyncio.sleep(0)
    await book.settled()
    assert marks(item.pending for item in book.committed) == list(range(3000))


async def test_what_is_appended_together_is_committed_together(book: LogBook) -> None:
    """Each transaction waits for the disk: one for each entry would be slow."""
    await book.say(*["x"] * 500)
    assert book.batches < 100


async def test_every_kind_of_body_is_read_as_it_was_written(book: LogBook) -> None:
    bodies: list[Body] = [
        Opened("e1"),
        Joined("5ea7", "zoë", "zoë", "tcp", "n1"),
        said('tab\t newline\n "quotes" \\ ünïcode 👩🏽‍🚀'),
        Edited("5ea7", "zoë", "tcp", 2, 3, "x" * 4000),
        Deleted("5ea7", "zoë", "tcp", 3, 3),
        CHECKPOINT,
    ]
    for body in bodies:
        book.append("lab", body)
    await book.settled()
    assert [entry.body for entry in await book.log.tail("lab", 10)] == bodies


async def test_rooms_are_listed_once_they_have_an_entry(book: LogBook) -> None:
    assert await book.log.rooms() == []
    for room in ("lab", "den", "lab"):
        book.append(room, said())
    await book.settled()
    assert await book.log.rooms() == ["den", "lab"]


async def test_tail_gives_the_newest_ascending_refused_ones_included(book: LogBook) -> None:
    for _ in range(5):
        book.append("lab", said())
    await book.settled()
    book.log.refuse("lab", 4)
    assert seqs(await book.log.tail("lab", 3)) == [3, 4, 5]
    assert seqs(await book.log.tail("lab", 99)) == [1, 2, 3, 4, 5]
    assert await book.log.tail("lab", 0) == []
    assert await book.log.tail("nowhere", 3) == []


@pytest.mark.parametrize(
    ("after", "before", "limit", "expected"),
    [
        (0, None, 3, (0, [1, 3, 6])),
        (3, None, 3, (3, [6, 7])),
        (5, None, 1, (3, [6])),
        (7, None, 3, (7, [])),
        (99, None, 3, (7, [])),
        (None, 7, 2, (1, [3, 6])),
        (None, 7, 3, (0, [1, 3, 6])),
        (None, 99, 1, (6, [7])),
        (None, 1, 3, (0, [])),
        (None, 0, 3, (0, [])),
        (None, None, 2, (3, [6, 7])),
        (1, 7, 9, (1, [3, 6])),
        (0, None, 0, (0, [])),
    ],
)
async def test_read_gives_a_page_of_accepted_entries_and_the_seq_before_it(
    book: LogBook, after: int | None, before: int | None, limit: int, expected: tuple[int, list[int]]
) -> None:
    for seq in range(1, 9):
        book.append("lab", CHECKPOINT if seq == 4 else said())
    book.append("den", said())
    await book.settled()
    for seq in (2, 5, 8):
        book.log.refuse("lab", seq)
    prev, page = await book.log.read("lab", after=after, before=before, limit=limit)
    assert (prev, seqs(page)) == expected


async def test_read_of_a_room_without_entries_is_empty(book: LogBook) -> None:
    assert await book.log.read("nowhere", after=0, limit=3) == (0, [])
    assert await book.log.read("nowhere", before=9, limit=3) == (0, [])


async def test_reads_know_nothing_that_was_not_handed_back(book: LogBook) -> None:
    """Else a page could show an entry that the room is going to refuse."""
    await book.say("known")
    book.append("lab", said("not yet"))
    known = [item.entry for item in book.committed]
    assert (await book.log.read("lab", after=0, limit=9))[1] == known
    book.append("lab", said("not yet"))
    known = [item.entry for item in book.committed]
    assert await book.log.tail("lab", 9) == known
    await book.settled()


async def test_a_refusal_inside_the_callback_holds_for_the_next_read(log: Log) -> None:
    async with LogBook(log, refuse={2}) as book:
        for _ in range(3):
            book.append("lab", said())
        await book.settled()
        assert seqs((await log.read("lab", after=0, limit=9))[1]) == [1, 3]


async def test_stop_hands_back_what_is_queued(log: Log) -> None:
    async with LogBook(log) as book:
        for n in range(2500):
            book.append("lab", said(), n)
    assert marks(item.pending for item in book.committed) == list(range(2500))


async def test_a_stopped_log_takes_nothing_and_stops_twice(log: Log) -> None:
    async with LogBook(log):
        pass
    with pytest.raises(Closing):
        log.append("lab", said(), None)
    await log.stop()


# --- both logs are one -------------------------------------------------------------------------

ROOMS = st.sampled_from(["lab", "den"])
SEQ = st.integers(0, 15)
STEPS = st.one_of(
    st.tuples(
        st.just("append"), ROOMS, st.sampled_from([said("a"), said('"kind":"checkpoint"'), CHECKPOINT])
    ),
    st.tuples(st.just("refuse"), ROOMS, SEQ),
    st.tuples(st.just("read"), ROOMS, st.none() | SEQ, st.none() | SEQ, st.integers(0, 9)),
    st.tuples(st.just("tail"), ROOMS, st.integers(0, 9)),
    st.tuples(st.just("reopen")),
)


@settings(max_examples=60)
@given(st.lists(STEPS, max_size=40))
def test_memory_and_sqlite_give_the_same_answers(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(both_agree(Path(folder) / "chat.sqlite3", steps))


async def both_agree(path: Path, steps: list[tuple[Any, ...]]) -> None:
    memory, sqlite = LogBook(MemoryLog(clock=lambda: AT)), LogBook(SqliteLog(path, clock=lambda: AT))
    async with memory, sqlite:
        for step in steps:
            match step:
                case ("append", room, body):
                    memory.append(room, body)
                    sqlite.append(room, body)
                    continue
                case ("refuse", room, seq):
                    memory.log.refuse(room, seq)
                    sqlite.log.refuse(room, seq)
                    continue
            await memory.settled()
            await sqlite.settled()
            match step:
                case ("read", room, after, before, limit):
                    one = await memory.log.read(room, after=after, before=before, limit=limit)
                    two = await sqlite.log.read(room, after=after, before=before, limit=limit)
                    assert one == two
                case ("tail", room, count):
                    assert await memory.log.tail(room, count) == await sqlite.log.tail(room, count)
                case ("reopen",):  # the file, not the memory
                    await sqlite.log.stop()
                    sqlite.log = SqliteLog(path, clock=lambda: AT)
                    await sqlite.__aenter__()
            assert await memory.log.rooms() == await sqlite.log.rooms()
    assert memory.committed == sqlite.committed


# --- by URL ------------------------------------------------------------------------------------


def test_a_url_names_the_log(tmp_path: Path) -> None:
    assert isinstance(open_log("memory"), MemoryLog)
    log = open_log(f"sqlite:{tmp_path / 'chat.sqlite3'}")
    assert isinstance(log, SqliteLog)
    assert log.path == tmp_path / "chat.sqlite3"


@pytest.mark.parametrize("url", ["", "chat.sqlite3", "mysql:x", "sqlite", "sqlite:", "memory:x", "\x1b[2J:"])
def test_a_url_that_names_no_log_is_refused_in_words(url: str) -> None:
    with pytest.raises(ChatError, match=r"write (memory|sqlite)") as error:
        open_log(url, backends.techniques())
    assert "\x1b" not in str(error.value)


# --- where a log may lie -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/ann/state", None),
        ("/net/home/ann/state", "nfs4"),
        ("/net/home/local/state", None),
        ("/network/state", None),
        ("/mnt/c/state", "9p"),
        ("/media/far/state", "fuse.sshfs"),
        ("/media/disk/state", None),
        ("/over/state", None),
        ("/drive/state", "remote"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the mount points are POSIX paths")
def test_a_network_file_system_is_named(
    monkeypatch: pytest.MonkeyPatch, path: str, expected: str | None
) -> None:
    mounts = [
        ("/", "ext4", "rw"),
        ("/net/home", "nfs4", "rw,vers=4.2"),
        ("/net/home/local", "xfs", "rw"),
        ("/net", "autofs", "rw"),
        ("/mnt/c", "9p", "rw"),
        ("/media/far", "fuse.sshfs", "rw"),
        ("/media/disk", "fuseblk", "rw"),
        ("/over", "cifs", "rw"),
        ("/over", "tmpfs", "rw"),
        ("/drive", "", "rw,remote"),
    ]
    monkeypatch.setattr(state_folder, "mounts", lambda: iter(mounts))
    assert network_file_system(path) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a file of the mounts")
def test_the_mounts_are_those_that_psutil_finds() -> None:
    found = [(one.mountpoint, one.fstype, one.opts) for one in psutil.disk_partitions(all=True)]
    assert list(state_folder.mounts()) == found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a file of the mounts")
def test_a_mount_may_have_blanks_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mounts").write_text("nas:/a /mnt/my\\040home nfs4 rw,vers=4.2 0 0\n")
    monkeypatch.setattr(state_folder, "_MOUNTS", tmp_path / "mounts")
    assert list(state_folder.mounts()) == [("/mnt/my home", "nfs4", "rw,vers=4.2")]


def test_the_folder_of_the_tests_is_on_some_file_system(tmp_path: Path) -> None:
    """The real list of mounts can be read, for a path that does not exist yet."""
    assert network_file_system(tmp_path / "not" / "yet") in (None, network_file_system(tmp_path))


def seqs(entries: Sequence[Entry]) -> list[int]:
    return [entry.seq for entry in entries]
