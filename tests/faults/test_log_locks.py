"""The lock of the durable log: one server on a log, whatever the names of its file."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from chat.domain.errors import ChatError
from chat.server.logs.files import set_aside
from chat.server.logs.sqlite import SqliteLog
from tests.support.line_client import LineClient
from tests.support.logbook import LogBook, child_holding, refusal, run_child, texts
from tests.support.processes import chat, one_line, serving

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.sqlite3"


async def test_a_second_server_is_told_the_pid_of_the_first(path: Path) -> None:
    def second_server() -> tuple[int, str]:
        with child_holding(path) as child:
            return child.pid, asyncio.run(refusal(path))

    pid, words = await asyncio.to_thread(second_server)
    assert f"process {pid}" in words
    assert "chat stop" in words


async def test_a_second_log_in_the_same_process_is_refused(path: Path) -> None:
    async with LogBook(SqliteLog(path)) as book:
        assert f"process {os.getpid()}" in await refusal(path)
        assert await book.say("still here") == [1]


@POSIX
async def test_a_second_name_of_the_file_has_the_same_lock(tmp_path: Path, path: Path) -> None:
    (tmp_path / "other").symlink_to(path)
    async with LogBook(SqliteLog(path)):
        with pytest.raises(ChatError, match="in use"):
            await SqliteLog(tmp_path / "other").start(lambda batch: None, lambda notes, error: None)


@POSIX
async def test_a_hard_link_of_the_file_has_the_same_lock(tmp_path: Path, path: Path) -> None:
    def second_server() -> str:
        with child_holding(path):
            os.link(path, tmp_path / "other")
            return asyncio.run(refusal(tmp_path / "other"))

    assert "in use" in await asyncio.to_thread(second_server)


@POSIX
async def test_a_hard_link_in_the_same_process_is_refused(tmp_path: Path, path: Path) -> None:
    async with LogBook(SqliteLog(path)):
        os.link(path, tmp_path / "other")
        reason = await refusal(tmp_path / "other")
    assert ("in use" if sys.platform == "linux" else "second name") in reason


@POSIX
@pytest.mark.parametrize("cleaned", [[".lock"], [".lock", ".pid"]], ids="".join)
async def test_the_lock_holds_after_its_files_were_cleaned_up(path: Path, cleaned: list[str]) -> None:
    def second_server() -> tuple[int, str]:
        with child_holding(path) as child:
            for part in cleaned:
                Path(f"{path}{part}").unlink()
            first = asyncio.run(refusal(path))
            assert asyncio.run(refusal(path)) == first  # the refused one has cleaned nothing up
            return child.pid, first

    pid, words = await asyncio.to_thread(second_server)
    assert "in use" in words
    assert (f"process {pid}" in words) == (".pid" not in cleaned)


@POSIX
async def test_the_lock_is_kept_while_the_same_process_opens_and_closes_the_file(path: Path) -> None:
    """The POSIX locks of a process are lost when it closes the file somewhere else."""

    def second_server() -> int:
        path.open("rb").close()
        other = run_child(
            """
            asyncio.run(SqliteLog(sys.argv[1]).start(None, None))
            """,
            path.rename(path.with_name("moved")),
        )
        other.communicate()
        return other.returncode

    async with LogBook(SqliteLog(path)):
        assert await asyncio.to_thread(second_server) != 0


@POSIX
def test_a_second_server_on_a_hard_link_is_refused_and_the_first_goes_on(tmp_path: Path, path: Path) -> None:
    with serving("--log", f"sqlite:{path}") as (_, address), LineClient(address, "ann") as ann:
        os.link(path, tmp_path / "other")
        Path(f"{path}.lock").unlink()
        for log in (tmp_path / "other", path):
            second = chat("serve", "tcp", "--port", "0", "--log", f"sqlite:{log}")
            assert second.returncode
            assert one_line(second.stderr)
            assert "in use" in second.stderr
        assert ann.say("still here")["kind"] == "sent"


@POSIX
async def test_a_log_with_a_second_name_is_refused(tmp_path: Path, path: Path) -> None:
    """A server that was killed leaves a -wal beside one name; under the other its entries would be lost."""

    def kill() -> None:
        with child_holding(path):
            pass

    await asyncio.to_thread(kill)
    os.link(path, tmp_path / "other")
    assert "remove one of the names" in await refusal(tmp_path / "other")
    (tmp_path / "other").unlink()
    assert await texts(path) == ["held"]


@POSIX
def test_a_log_in_use_under_a_second_name_is_not_set_aside(tmp_path: Path, path: Path) -> None:
    with child_holding(path):
        os.link(path, tmp_path / "other")
        with pytest.raises(ChatError, match="in use"):
            set_aside(tmp_path / "other")
    assert path.exists()


def test_a_log_in_use_is_not_set_aside(path: Path) -> None:
    with child_holding(path) as child, pytest.raises(ChatError, match=f"process {child.pid}"):
        set_aside(path)
    assert path.exists()
