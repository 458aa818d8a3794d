"""A client that nobody generated: the chapter's Python, with nothing but sockets and struct."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.foreign import INSTALL
from tests.support.node import cannot_run
from tests.support.processes import PATIENCE, chat, running, tail

CHAPTER = Path(__file__).parents[2] / "backends" / "oncrpc" / "README.md"


def program() -> str:
    """Return the chapter's client as it stands there."""
    return programs()[0]


def programs() -> list[str]:
    """Return the chapter's client, and what sends one datagram twice."""
    found = re.findall(r"```python\n(.*?)```", CHAPTER.read_text(encoding="utf-8"), re.DOTALL)
    assert len(found) == 2
    return found


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """Run ``chat serve oncrpc`` on a free port; yield its ``HOST:PORT``."""
    with running("serve", "oncrpc", "--port", "0", "--json", "--log", "memory", *arguments) as process:
        assert process.stdout is not None
        offer = json.loads(process.stdout.readline())
        yield f"{offer['host']}:{offer['port']}"


def test_the_chapters_client_runs_as_it_stands(tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    script.write_text(program(), encoding="utf-8")
    with serving() as address:
        place = ("--backend", "oncrpc", "--server", address)
        assert chat("send", *place, "--as", "ann", "wörld").returncode == 0
        done = subprocess.run(
            [sys.executable, "-X", "utf8", str(script), *address.split(":"), "me"],
            input="hello\nfrom forty lines\n\x1b\n",
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=True,
        )
        events = tail(*place, "--as", "eve", "--count", "8")
    lines = done.stdout.splitlines()
    assert lines[0] == "error: a message may not hold U+001B ESCAPE (character 1)"
    assert [line for line in lines if line.startswith(("ann", "me"))] == [
        "ann: wörld",
        "me: hello",
        "me: from forty lines",
    ]
    assert [(event["author"], event["kind"]) for event in events] == [
        *[("", "opened"), ("ann", "joined"), ("ann", "sent"), ("ann", "left")],
        *[("me", "joined"), ("me", "sent"), ("me", "sent"), ("me", "left")],
    ]
    assert len([line for line in program().splitlines() if line and not line.isspace()]) <= 45


def test_a_name_that_is_taken_is_said_and_nothing_else_happens(tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    script.write_text(program(), encoding="utf-8")
    with serving() as address:
        done = subprocess.run(
            [sys.executable, str(script), *address.split(":"), "no name"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stdout.startswith("error: a nick may not hold U+0020 SPACE")
    assert done.stderr == ""


def test_the_chapters_client_in_c_finds_the_server_without_rpcbind(tmp_path: Path) -> None:
    missing = [name for name in ("gcc", "rpcgen") if shutil.which(name) is None]
    if missing or not Path("/usr/include/tirpc/rpc/rpc.h").exists():
        cannot_run(f"{', '.join(missing) or 'libtirpc'} is missing: {INSTALL}")
    chapter = CHAPTER.read_text(encoding="utf-8")
    (code,) = re.findall(r"```c\n(.*?)```", chapter, re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?)```", chapter, re.DOTALL)
    *build, run = commands.replace(
        "protos/chat.x", str(CHAPTER.parents[2] / "protos" / "chat.x")
    ).splitlines()
    (tmp_path / "client.c").write_text(code, encoding="utf-8")
    with serving() as address:
        place = ("--backend", "oncrpc", "--server", address)
        assert chat("send", *place, "--as", "ann", "wörld").returncode == 0
        for command in (*build, run.replace("127.0.0.1 7111", address.replace(":", " "))):
            done = subprocess.run(
                command,
                cwd=tmp_path,
                shell=True,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, ""), command
        assert done.stdout.splitlines() == ["ann: wörld", "me: hello from C"]
        events = tail(*place, "--as", "eve", "--count", "7")
    assert [(event["author"], event["kind"]) for event in events][-3:] == [
        ("me", "joined"),
        ("me", "sent"),
        ("me", "left"),
    ]


@pytest.mark.parametrize(("cache", "times"), [("on", 1), ("off", 2)])
def test_a_datagram_that_comes_twice_is_said_once_or_twice(tmp_path: Path, cache: str, times: int) -> None:
    script = tmp_path / "twice.py"
    script.write_text(programs()[1], encoding="utf-8")
    with serving("--duplicate-cache", cache) as address:
        subprocess.run([sys.executable, str(script), *address.split(":")], timeout=PATIENCE, check=True)
        assert chat("send", "-b", "oncrpc", "--server", address, "--as", "ann", "last").returncode == 0
        events = tail("-b", "oncrpc", "--server", address, "--as", "eve", "--count", str(4 + times))
    said = [event["text"] for event in events if event["kind"] == "sent"]
    assert said == ["how often do you read this?"] * times + ["last"]
