"""A backup that is taken while people talk, a server that is killed, and the backup in its place."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chat.server.logs.files import connect
from chat.server.logs.verify import verify
from tests.support.line_client import LineClient
from tests.support.logbook import child_holding
from tests.support.nobody import as_nobody
from tests.support.processes import chat, chat_here, log_files, one_line, serving
from tests.support.talks import TEXT, find, flip, talk

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


class Crowd:
    """Clients that talk as fast as they are answered, and keep what was acknowledged."""

    def __init__(self, address: str) -> None:
        self.acknowledged: list[dict[str, Any]] = []
        self.clients = [LineClient(address, f"nick-{number}") for number in range(4)]
        self._go_on = True
        self._more = threading.Condition()
        self._threads = [threading.Thread(target=self._talk, args=(client,)) for client in self.clients]

    def __enter__(self) -> Crowd:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._go_on = False
        for thread in self._threads:
            thread.join()
        for client in self.clients:
            client.__exit__(None, None, None)

    def until(self, count: int) -> None:
        """Wait until so many messages are acknowledged."""
        with self._more:
            assert self._more.wait_for(lambda: len(self.acknowledged) >= count, timeout=60)

    def _talk(self, client: LineClient) -> None:
        number = 0
        while self._go_on:
            number += 1
            try:
                answer = client.say(f"{client.welcome['nick']} says {number}")
            except (OSError, AssertionError):
                return  # the server was killed
            assert answer["kind"] == "sent"
            with self._more:
                self.acknowledged.append(answer)
                self._more.notify_all()


def entries(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT * FROM entries ORDER BY room, seq").fetchall()


def test_a_backup_under_load_restored_after_a_kill_has_all_that_was_acknowledged_before_it(
    tmp_path: Path,
) -> None:
    log, backup, restored = (
        tmp_path / "a" / "chat.sqlite3",
        tmp_path / "backup",
        tmp_path / "b" / "chat.sqlite3",
    )
    with serving("--log", f"sqlite:{log}", "--rate", "off") as (process, address), Crowd(address) as crowd:
        crowd.until(300)
        before = list(crowd.acknowledged)
        done = chat("log", "backup", str(log), str(backup))
        assert (done.returncode, done.stderr) == (0, "")
        during = len(crowd.acknowledged)
        assert during > len(before)  # they talked on
        online = chat("log", "verify", str(log))
        assert (online.returncode, online.stdout.splitlines()[-1]) == (0, "ok")
        crowd.until(during + 100)
        process.kill()
        process.wait()
    epoch = crowd.clients[0].welcome["epoch"]
    assert chat("log", "verify", str(log)).returncode == 0  # what the kill left, too

    restored.parent.mkdir()
    shutil.copyfile(backup, restored)
    kept = entries(restored)
    assert kept == entries(log)[: len(kept)]
    assert {event["seq"] for event in before} <= {seq for _, seq, _, _ in kept}
    with serving("--log", f"sqlite:{restored}") as (_, address), LineClient(address, "new", after=0) as new:
        while not new.seen or new.seen[-1].get("author") != "new":
            new.next()
        events = {event["seq"]: event for event in new.seen}
        assert [event for event in before if events[event["seq"]] != event] == []
        last = kept[-1][1]
        lost = max(event["seq"] for event in crowd.acknowledged)
        assert lost > last
        for number in range(5):
            new.say(f"new {number}")
        with LineClient(address, "old", after=lost, epoch=epoch) as old:
            assert old.welcome["code"] == "stale_cursor"
            assert "begin without a cursor" in old.welcome["text"]
        with LineClient(address, "good", after=before[-1]["seq"], epoch=epoch) as good:
            assert good.welcome["kind"] == "welcome"
    assert verify(restored).problems == []
    assert entries(restored)[: len(kept)] == kept


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "chat.sqlite3"
    await talk(path)
    return path


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backups" / "backup.sqlite3"


def taken(path: Path, backup: Path, *options: str) -> str:
    """Take a backup; return its error, or nothing."""
    backup.parent.mkdir(exist_ok=True)
    done = chat_here("log", "backup", str(path), str(backup), *options)
    assert (done.returncode, bool(done.stderr)) in [(0, False), (1, True)]
    assert not done.stderr or one_line(done.stderr)
    names = {backup.name} if backup.exists() else set()
    assert set(os.listdir(backup.parent)) == names, "nothing else is left there"
    return done.stderr


def test_a_backup_is_one_file_for_its_owner_and_the_log_stays_as_it_is(path: Path, backup: Path) -> None:
    before, names = log_files(path.parent), os.listdir(path.parent)
    assert taken(path, backup) == ""
    assert entries(backup) == entries(path)
    assert (log_files(path.parent), os.listdir(path.parent)) == (before, names)
    if sys.platform != "win32":
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_a_backup_has_what_a_killed_server_left_in_the_wal(tmp_path: Path, backup: Path) -> None:
    path = tmp_path / "logs" / "chat.sqlite3"
    with serving("--log", f"sqlite:{path}") as (process, address), LineClient(address, "ann") as ann:
        said = ann.say("in the -wal")
        process.kill()
        process.wait()
    assert taken(path, backup) == ""
    with serving("--log", f"sqlite:{backup}") as (_, address), LineClient(address, "eve", after=0) as eve:
        assert said in [eve.next() for _ in range(said["seq"])] or said in eve.seen


def test_a_file_is_replaced_only_if_asked_for(path: Path, backup: Path) -> None:
    backup.parent.mkdir()
    backup.write_text("mine")
    assert "exists: name another file, or replace it with --force" in taken(path, backup)
    assert backup.read_text() == "mine"
    assert taken(path, backup, "--force") == ""
    assert entries(backup) == entries(path)


def test_a_damaged_log_takes_no_good_backups_place(path: Path, backup: Path) -> None:
    assert taken(path, backup) == ""
    good = backup.read_bytes()
    flip(path, find(path, TEXT.encode()))
    error = taken(path, backup, "--force")
    assert "damaged, so no backup was made (room lab, entry 3: " in error
    assert "chat log verify" in error
    assert backup.read_bytes() == good


def test_a_log_that_a_server_uses_is_never_replaced(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite3"
    with child_holding(other):
        before = log_files(tmp_path)
        done = chat_here("log", "backup", str(path), str(other), "--force")
        assert one_line(done.stderr)
        assert "name another file" in done.stderr
        done = chat_here("log", "backup", str(path), str(path), "--force")
        assert "its own backup" in done.stderr
        assert log_files(tmp_path) == before


def test_a_folder_that_is_missing_is_named(path: Path, tmp_path: Path) -> None:
    done = chat_here("log", "backup", str(path), str(tmp_path / "none" / "backup"))
    assert one_line(done.stderr)
    assert f"there is no folder {tmp_path / 'none'} for the backup: make it" in done.stderr
    done = chat_here("log", "backup", str(path), str(tmp_path), "--force")
    assert done.stderr == f"chat: {tmp_path} is a folder: name a file in it for the backup\n"


@POSIX
def test_a_log_that_a_server_uses_is_not_replaced_though_no_wal_stands_beside_it(
    path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.sqlite3"
    with child_holding(other) as holder:
        os.rename(f"{other}-wal", tmp_path / "moved")
        done = chat_here("log", "backup", str(path), str(other), "--force")
    assert done.stderr.endswith(f"in use by a chat server (process {holder.pid}): name another file\n")


TINY_DISK = """
mount -t tmpfs -o size=40k tmpfs "$1" || exit 77
"$2" -m chat log backup "$3" "$1/backup.sqlite3" 2>&1
echo "exit code $?"
ls "$1"
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system of 40 KiB")
async def test_a_full_disk_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "chat.sqlite3"
    await talk(path, more=200)
    disk = tmp_path / "disk"
    disk.mkdir()
    shell = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", TINY_DISK, "sh"]
    child = await asyncio.create_subprocess_exec(
        *shell, str(disk), sys.executable, str(path), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()
    if child.returncode in (1, 77):
        pytest.skip("no right to mount here")
    backup = disk / "backup.sqlite3"
    assert out.decode().splitlines() == [
        f"chat: no space on the disk for the backup {backup}: free some, or name another disk",
        "exit code 1",
    ]


# --- files that are no log -----------------------------------------------------------------------


COMMANDS = [["verify"], ["export"], ["compact"], ["backup", "to"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command[0]))
@pytest.mark.parametrize("what", ["missing", "text", "empty", "folder", "other program", "newer"])
def test_what_is_no_log_is_named_in_one_line(
    tmp_path: Path, command: list[str], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "some.file"
    words = {
        "missing": "there is no log",
        "text": "is not a chat log",
        "empty": "an empty file",
        "folder": "is a folder",
        "other program": "the database of another program",
        "newer": "has format 9",
    }
    match what:
        case "text":
            path.write_text("no database\n" * 500)
        case "empty":
            path.touch()
        case "folder":
            path.mkdir()
        case "other program" | "newer":
            chat_id = int.from_bytes(b"chat") if what == "newer" else 7
            with closing(sqlite3.connect(path)) as db:
                db.executescript(f"PRAGMA application_id={chat_id}; PRAGMA user_version=9; CREATE TABLE t(x)")
    done = chat_here("log", command[0], str(path), *command[1:])
    assert done.returncode == 1
    assert one_line(done.stderr), done.stderr
    assert words[what] in done.stderr
    assert str(path) in done.stderr
    assert ": " in done.stderr.removeprefix("chat: ")  # and what to do
    assert set(os.listdir(tmp_path)) <= {"some.file", "state"}


@POSIX
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command[0]))
def test_a_log_that_may_not_be_read_is_named_in_one_line(
    path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_CONFIG", os.devnull)  # root's settings are root's
    path.chmod(0)
    with as_nobody(path.parent):
        done = chat_here("log", command[0], str(path), *[str(path.with_name(name)) for name in command[1:]])
    assert done.returncode == 1
    assert one_line(done.stderr), done.stderr
    assert "Permission denied" in done.stderr
    assert "give yourself the right" in done.stderr


@POSIX
def test_a_log_on_a_disk_that_is_read_only_is_verified_exported_and_copied(
    path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_CONFIG", os.devnull)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    backup.parent.mkdir(mode=0o777)
    backup.parent.chmod(0o777)
    with as_nobody(path.parent):
        assert chat_here("log", "verify", str(path)).returncode == 0
        assert chat_here("log", "export", str(path)).returncode == 0
        assert taken(path, backup) == ""
        done = chat_here("log", "compact", str(path))
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert "can't write the log" in done.stderr
    with closing(connect(backup, "ro&immutable=1")) as db:
        assert db.execute("SELECT count(*) FROM entries").fetchone() == (18,)


@pytest.mark.parametrize("command", COMMANDS[:2] + COMMANDS[3:], ids=lambda command: str(command[0]))
def test_a_log_that_another_program_holds_for_itself_is_named(
    path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("chat.server.logs.files.BUSY", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        done = chat_here("log", command[0], str(path), *command[1:])
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert "another program holds" in done.stderr
    assert "close that program" in done.stderr
