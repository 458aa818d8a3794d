"""`chat log export`: a log as JSON lines."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.line_client import LineClient
from tests.support.logbook import run_child
from tests.support.processes import chat, chat_here, serving
from tests.support.talks import TEXT, talk

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "chat.sqlite3"
    await talk(path)
    return path


def exported(*arguments: str) -> list[dict[str, Any]]:
    done = chat_here("log", "export", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_events_are_exported_as_tail_prints_them_also_while_the_server_runs(tmp_path: Path) -> None:
    path = tmp_path / "chat.sqlite3"
    with serving("--log", f"sqlite:{path}") as (_, address), LineClient(address, "ann") as ann:
        ann.say("one")
        ann.say("zwei: größer 😀")
        ann.ask({"kind": "edit", "n": 3, "id": 3, "text": "eins"}, "edited")
        tail = chat("tail", "-b", "tcp", "--server", address, "--after", "0", "--count", "5", "--json")
        events = exported(str(path))
        assert [json.loads(line) for line in tail.stdout.splitlines()] == events[:5]
        assert [event["kind"] for event in events[:5]] == ["opened", "joined", "sent", "sent", "edited"]


def test_entries_are_exported_with_those_that_were_refused(path: Path) -> None:
    lines = exported(str(path), "--entries")
    assert len(lines) == 18
    assert [line["seq"] for line in lines if not line["accepted"]] == [4, 9]
    assert [line["body"]["kind"] for line in lines if line["room"] == "den"][:3] == [
        "opened",
        "joined",
        "sent",
    ]
    assert "sum" not in lines[0]["body"]
    events = exported(str(path))
    assert [(event["room"], event["seq"]) for event in events] == [
        (line["room"], line["seq"]) for line in lines if line["accepted"]
    ]
    for room in ("den", "lab"):
        seqs = [event["seq"] for event in events if event["room"] == room]
        assert [event["prev"] for event in events if event["room"] == room] == [0, *seqs[:-1]]


def test_one_room_is_exported_into_a_file(path: Path, tmp_path: Path) -> None:
    to = tmp_path / "den.jsonl"
    assert exported(str(path), "--room", "den", "--to", str(to)) == []
    lines = [json.loads(line) for line in to.read_text(encoding="utf-8").splitlines()]
    assert {line["room"] for line in lines} == {"den"}
    assert len(lines) == 7
    done = chat_here("log", "export", str(path), "--to", str(to))
    assert "exists" in done.stderr
    done = chat_here("log", "export", str(path), "--room", "attic")
    assert done.stderr.endswith("has no room attic: it has den, lab\n")
    assert chat_here("log", "export", str(path), "--force").returncode == 2


def test_a_refusal_that_was_not_stored_yet_is_no_event(path: Path) -> None:
    whole = exported(str(path))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM refused")  # as if the server was killed before
    assert exported(str(path)) == whole


def test_what_can_be_read_of_a_damaged_log_is_exported(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE entries SET body = '{' WHERE room = 'lab' AND seq = 2")  # ann joined
    done = chat_here("log", "export", str(path))
    assert done.returncode == 1
    assert "room lab, entry 2 can't be read" in done.stderr
    assert TEXT in done.stdout


@POSIX
def test_a_reader_that_wants_no_more_ends_the_export_quietly(path: Path) -> None:
    code = """
    import subprocess
    chat = [sys.executable, "-m", "chat", "log", "export", sys.argv[1]]
    with subprocess.Popen(chat, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as export:
        export.stdout.close()
    done = subprocess.run([*chat, "--to", sys.argv[1] + ".export"], capture_output=True)
    print(done.stderr.decode(), end="")
    """
    with run_child(code, path) as child:
        assert child.communicate(timeout=60)[0] == ""
