"""`chat log compact`: the file gets smaller, and nobody misses anything."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chat.domain.model import Opened
from chat.server.logs import compact as compacting
from chat.server.logs.compact import compact
from chat.server.logs.sqlite import SqliteLog
from chat.server.logs.verify import verify
from tests.support.line_client import LineClient
from tests.support.logbook import child_holding
from tests.support.processes import chat_here, log_files, one_line, serving
from tests.support.stage import enter, running, says
from tests.support.talks import TEXT, find, flip

OLD = 40
"""Seqs behind which refused entries and checkpoints count as old in these tests."""


@pytest.fixture
async def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two rooms whose lines took turns, so that pages are half full; with refused entries and checkpoints."""
    monkeypatch.setattr("chat.domain.room.CHECKPOINT_EVERY", 10)
    monkeypatch.setattr(compacting, "TAIL", OLD)
    path = tmp_path / "logs" / "chat.sqlite3"
    log = SqliteLog(path)
    async with running(log) as hub:
        seats = [await enter(hub, "ann", room=room) for room in ("den", "lab")]
        await says(seats[1], TEXT)
        for number in range(60):
            for seat in seats:
                await says(seat, f"{number} {'x' * 200}")
                if number % 7 == 3:
                    log.append(seat.room_name, Opened("a second one"), None)
        for seat in seats:
            seat.leave()
    return path


def exported(path: Path, *options: str) -> list[str]:
    return chat_here("log", "export", str(path), *options).stdout.splitlines()


def test_every_event_stays_and_what_no_server_reads_again_goes(path: Path) -> None:
    before, stored = exported(path), exported(path, "--entries")
    size = path.stat().st_size
    done = compact(path)
    assert verify(path).problems == []
    assert exported(path) == before
    kept = exported(path, "--entries")
    assert len(stored) - len(kept) == done.dropped > 5
    assert set(kept) < set(stored)
    for kind in ("opened", "checkpoint"):
        counts = [
            sum('"accepted": false' in line and kind in line for line in lines) for lines in (stored, kept)
        ]
        assert counts[0] > counts[1] > 0, "what is new stays as it is"
    assert done.after == path.stat().st_size < done.before == size
    assert compact(path).dropped == 0


async def test_a_server_goes_on_from_it_and_its_log_is_sound(path: Path) -> None:
    await asyncio.to_thread(compact, path)
    async with running(SqliteLog(path)) as hub:
        ann = await enter(hub, "ann")
        await says(ann, "after")
    report = await asyncio.to_thread(verify, path)
    assert report.problems == []


def test_a_log_in_use_is_not_compacted_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "chat.sqlite3"
    with child_holding(path) as holder:
        before = log_files(tmp_path)
        done = chat_here("log", "compact", str(path))
        assert done.returncode == 1
        assert one_line(done.stderr)
        assert f"in use by a chat server (process {holder.pid}): stop it first" in done.stderr
        assert log_files(tmp_path) == before


def test_a_damaged_log_is_not_compacted_and_stays_as_it_is(path: Path) -> None:
    flip(path, find(path, TEXT.encode()))
    before = path.read_bytes()
    done = chat_here("log", "compact", str(path))
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert "damaged, so it was not compacted (room lab, entry 3: " in done.stderr
    assert path.read_bytes() == before


def test_a_disk_without_space_leaves_the_log_as_good_as_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = exported(path)

    class Full(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            if sql == "VACUUM":
                super().execute("PRAGMA max_page_count = 1")
                super().execute("CREATE TABLE more AS SELECT * FROM entries")
            return super().execute(sql, *arguments)

    def connect(path: Path, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, isolation_level=None, factory=Full)

    monkeypatch.setattr(compacting, "connect", connect)
    done = chat_here("log", "compact", str(path))
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert "no space on the disk for compacting" in done.stderr
    assert "as good as before" in done.stderr
    assert exported(path) == before
    assert verify(path).problems == []


def test_the_log_of_a_killed_server_is_compacted_whole(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "chat.sqlite3"
    with serving("--log", f"sqlite:{path}") as (process, address), LineClient(address, "ann") as ann:
        ann.say("in the -wal")
        process.kill()
        process.wait()
    before = exported(path)
    done = chat_here("log", "compact", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "bytes before" in done.stdout
    assert exported(path) == before
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
