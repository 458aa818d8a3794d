"""``chat export`` and ``chat log export``: a room as a page, from a server and from a log file."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import CHAT, PATIENCE, chat_here, one_line, serving
from tests.support.talks import talk


def test_a_room_is_written_in_each_format_and_no_file_is_replaced_unasked(tmp_path: Path) -> None:
    with serving("--log", "memory") as (_, address):
        there = ("--server", address, "--as", "ann", "--room", "lab")
        assert chat_here("send", *there, "<b>*hello*</b>").returncode == 0
        page = tmp_path / "room.html"
        for _ in range(2):
            done = chat_here("export", *there, "--to", str(page), "--force")
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert "&lt;b&gt;*hello*&lt;/b&gt;" in page.read_text(encoding="utf-8")
        done = chat_here("export", *there)
        assert "**ann** (tcp): \\<b\\>\\*hello\\*\\</b\\>\n" in done.stdout
        done = chat_here("export", *there, "--format", "jsonl")
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert [event["kind"] for event in events[:4]] == ["opened", "joined", "sent", "left"]
        assert events[-1]["kind"] == "left"  # the coming of the reader is not in it
        before = page.read_bytes()
        done = chat_here("export", *there, "--to", str(page))
        assert (done.returncode, page.read_bytes()) == (1, before)
        assert "exists: name another file, or replace it with --force" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["room.html"]


def test_a_room_that_is_new_is_told() -> None:
    with serving("--log", "memory") as (_, address):
        done = chat_here("export", "--server", address, "--as", "ann", "--room", "lba", "--format", "jsonl")
        assert [json.loads(line)["kind"] for line in done.stdout.splitlines()] == ["opened"]
        assert (done.returncode, done.stderr) == (
            0,
            "chat: nobody has been in lba before: is that the room?\n",
        )


def test_without_a_server_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.cli.export.GIVE_UP", 0.0)
    to = tmp_path / "room.md"
    done = chat_here("export", "--server", "127.0.0.1:1", "--to", str(to))
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert not list(tmp_path.glob("room*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for other processes")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143)], ids=["Ctrl+C", "SIGTERM"]
)
def test_a_signal_leaves_nothing_half(number: signal.Signals, code: int, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = "{}:{}".format(*silent.getsockname())
        command = [*CHAT, "export", "--server", address, "--to", str(tmp_path / "room.html")]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(1)  # it asks to come in
                assert list(tmp_path.glob("room.html.*"))
                process.send_signal(number)
                _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors.strip()) == (code, "")
    assert not list(tmp_path.glob("room*"))


def test_to_replace_needs_a_file() -> None:
    done = chat_here("export", "--force")
    assert (done.returncode, one_line(done.stderr)) == (2, True)


# --- from a log file ----------------------------------------------------------------------------


@pytest.fixture
async def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "chat.sqlite3"
    await talk(path)
    return path


def test_a_room_of_a_log_is_a_page(log: Path, tmp_path: Path) -> None:
    to = tmp_path / "den.html"
    done = chat_here("log", "export", str(log), "--room", "den", "--to", str(to))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert to.read_text(encoding="utf-8").count("in the other room") == 2
    done = chat_here("log", "export", str(log), "--room", "lab", "--format", "md")
    assert done.stdout.count("changed *(edited)*") == 2
    assert "words in question" not in done.stdout


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--format", "md"), "a page has one room"),
        (("--format", "md", "--room", "den", "--room", "lab"), "a page has one room"),
        (("--format", "html", "--room", "den", "--entries"), "--entries needs --format jsonl"),
    ],
)
def test_a_page_has_one_room_and_no_entries(log: Path, options: tuple[str, ...], why: str) -> None:
    done = chat_here("log", "export", str(log), *options)
    assert done.returncode == 2
    assert why in done.stderr
