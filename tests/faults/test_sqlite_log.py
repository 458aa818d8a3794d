"""What the durable log does when its disk or its server fails while it runs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from chat.domain.errors import NotStored
from chat.server.logs.sqlite import SqliteLog
from tests.support.logbook import LogBook, child_holding, fill, marks, run_child, said, texts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.sqlite3"


# --- killed ------------------------------------------------------------------------------------


def test_what_was_handed_back_survives_a_kill(path: Path) -> None:
    child = run_child(
        """
        async def main():
            log = SqliteLog(sys.argv[1])
            async with LogBook(log) as book:
                while True:
                    print(*await book.say(*"abcdefghijklmnop"), flush=True)
        asyncio.run(main())
        """,
        path,
    )
    assert child.stdout
    with child, child.stdout:
        printed = [child.stdout.readline() for _ in range(30)]
        child.kill()
        printed += child.stdout.readlines()
    whole = [line for line in printed if line.endswith("\n")]
    told = {int(seq) for line in whole for seq in line.split()}

    async def stored() -> set[int]:
        async with LogBook(SqliteLog(path)) as book:
            return {entry.seq for entry in await book.log.tail("lab", 1_000_000)}

    assert len(told) >= 30 * 16
    assert told <= asyncio.run(stored())


async def test_a_killed_server_leaves_no_lock(path: Path) -> None:
    def hold_and_kill() -> None:
        with child_holding(path):
            pass

    await asyncio.to_thread(hold_and_kill)
    assert await texts(path) == ["held"]


# --- the -wal grows ----------------------------------------------------------------------------


async def test_most_commits_leave_the_size_of_the_wal_as_it_is(path: Path) -> None:
    """The size would have to be written as well, and waited for."""
    sizes = []
    async with LogBook(SqliteLog(path)) as book:
        for number in range(40):
            await book.say(f"line {number}")
            sizes.append(os.stat(f"{path}-wal").st_size)
    assert len(set(sizes)) <= 2
    assert await texts(path) == [f"line {number}" for number in range(40)]


# --- the disk fills up while it runs -----------------------------------------------------------


async def test_a_full_disk_fails_what_is_not_stored_and_later_appends_work_again(path: Path) -> None:
    big = ["x" * 3000] * 100  # several statements in one transaction
    log = SqliteLog(path)
    async with LogBook(log) as book:
        await book.say("before")
        await limit_pages(log, 0)
        assert await book.say(*big) == []
        assert [mark for pending, _ in book.failed for mark in marks(pending)] == big
        assert all(isinstance(error, NotStored) and "full" in str(error) for _, error in book.failed)
        await limit_pages(log, 1_000_000)
        assert await book.say("after") == [102]  # the seqs of what failed are burnt
    assert await texts(path) == ["before", "after"]


async def test_what_was_appended_behind_an_entry_that_failed_does_not_pass_it(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    """Nobody could know of the failure yet, so an author's later draft would come first."""
    log = SqliteLog(path)
    async with LogBook(log) as book:
        commit, full = log._commit, [True]

        def fail_once(*items: Any) -> None:
            if full.pop():
                for number in range(5):  # they come while the commit runs
                    log._loop.call_soon_threadsafe(book.append, "lab", said(f"behind {number}"), number)
                monkeypatch.setattr(log, "_commit", commit)
                raise OSError("disk full")

        monkeypatch.setattr(log, "_commit", fail_once)
        assert await book.say("first") == []
        await book.settled()
        assert [mark for pending, _ in book.failed for mark in marks(pending)] == ["first", *range(5)]
        assert await book.say("first", "second") == [7, 8]
    assert await texts(path) == ["first", "second"]


async def test_a_refusal_that_found_the_disk_full_is_written_later(path: Path) -> None:
    log = SqliteLog(path)
    async with LogBook(log) as book:
        await book.say("a", "b")
        await limit_pages(log, 0)
        book.append("lab", said("x" * 9000))
        log.refuse("lab", 1)
        await book.settled()
        assert (await log.read("lab", after=0, limit=9))[1] == [book.committed[1].entry]
        await limit_pages(log, 1_000_000)
    assert book.failed
    assert await texts(path) == ["b"]


async def limit_pages(log: SqliteLog, count: int) -> None:
    """Make the disk full for this log: it may have ``count`` pages, or no more than it has."""
    await asyncio.to_thread(log._writing.execute, f"PRAGMA max_page_count = {count or 1}")


TINY_DISK = """
set -e
mount -t tmpfs -o size=300k tmpfs "$1"
shift
exec "$@"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system of 300 KiB")
async def test_a_disk_that_is_really_full_loses_nothing_that_was_handed_back(tmp_path: Path) -> None:
    code = """
    import json, pathlib
    ballast = pathlib.Path(sys.argv[1]).parent / "ballast"
    ballast.write_bytes(bytes(120_000))
    async def main():
        async with LogBook(SqliteLog(sys.argv[1])) as book:
            while not book.failed:
                await book.say("x" * 3000)
            ballast.unlink()
            await book.say("after")
        stored = [item.entry.seq for item in book.committed]
        async with LogBook(SqliteLog(sys.argv[1])) as book:
            found = [entry.seq for entry in await book.log.tail("lab", 10_000)]
        print(json.dumps([stored, found]))
    asyncio.run(main())
    """
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", TINY_DISK, "sh", str(tmp_path)]
    probe = await asyncio.create_subprocess_exec(*command, "true", stderr=asyncio.subprocess.DEVNULL)
    if await probe.wait():
        pytest.skip("no right to mount here")
    child = await asyncio.to_thread(run_child, code, tmp_path / "chat.sqlite3", before=command)
    out, _ = await asyncio.to_thread(child.communicate)
    stored, found = json.loads(out)
    assert stored == found
    assert len(stored) > 3
    assert stored[-1] > len(stored)  # one failed before the last


async def test_a_file_that_was_deleted_under_the_server_is_noticed(path: Path) -> None:
    async with LogBook(SqliteLog(path)) as book:
        await book.say("a")
        os.replace(path, f"{path}.moved")
        assert await book.say("b") == []
        assert "deleted or moved" in str(book.failed[0][1])


async def test_a_body_that_can_not_be_encoded_does_not_end_the_writer(path: Path) -> None:
    async with LogBook(SqliteLog(path)) as book:
        assert await book.say("\ud800") == []
        assert isinstance(book.failed[0][1], NotStored)
        assert await book.say("after") == [2]


# --- refused entries ---------------------------------------------------------------------------


async def test_refusals_survive_a_restart_also_those_of_the_last_batch(path: Path) -> None:
    async with LogBook(SqliteLog(path), refuse={2, 4}) as book:
        await book.say("a", "b")
        book.append("lab", said("c"))
        book.append("lab", said("d"))
    assert await texts(path) == ["a", "c"]


async def test_a_refusal_that_is_written_is_not_kept_in_memory(path: Path) -> None:
    log = SqliteLog(path)
    async with LogBook(log) as book:
        await book.say("a")
        log.refuse("lab", 1)
        await book.say("b")
        assert log._unwritten["lab"] == set()


async def test_reads_leave_out_what_is_committed_and_not_handed_back(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    log = SqliteLog(path)
    async with LogBook(log) as book:
        await book.say("known")
        on_disk = asyncio.Event()
        tell, held = log._tell, []

        def hold(*call: Any) -> None:
            held.append(call)
            log._loop.call_soon_threadsafe(on_disk.set)

        monkeypatch.setattr(log, "_tell", hold)
        book.append("lab", said("committed"))
        await on_disk.wait()
        assert len((await log.read("lab", after=0, limit=9))[1]) == len(await log.tail("lab", 9)) == 1
        monkeypatch.undo()
        tell(*held[0])
        await book.settled()
        assert len(await log.tail("lab", 9)) == 2


# --- nothing leaks -----------------------------------------------------------------------------


async def test_a_start_that_is_cancelled_leaves_no_lock(path: Path) -> None:
    log = SqliteLog(path)
    start = asyncio.create_task(log.start(lambda batch: None, lambda pending, error: None))
    await asyncio.sleep(0)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    await asyncio.to_thread(log._reader.shutdown)
    await fill(path, "a")


async def test_stop_ends_both_threads_and_removes_what_it_made(path: Path) -> None:
    log = SqliteLog(path)
    async with LogBook(log) as book:
        await book.say("a")
    await asyncio.to_thread(log._reader.shutdown)
    assert not log._writer.is_alive()
    assert set(os.listdir(path.parent)) <= {
        "chat.sqlite3",
        "chat.sqlite3.lock",
        "chat.sqlite3.sound",
        "state",
    }
