"""The chapter's commands for `buf curl`, which knows of the service what reflection tells it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import backends
from chat.interfaces.address import Address
from tests.support.by_hand import HOSTILE, run_by_hand
from tests.support.node import install_folder, serving
from tests.support.once import made_once
from tests.support.processes import PATIENCE, running, tail

CHAPTER = Path(__file__).parents[2] / "backends" / "grpc" / "README.md"
SOURCE = Path(__file__).parent / "grpc_buf"
CALL = re.compile(r"^npx (@bufbuild/buf (?:.*\\\n)*.*)\n((?:  .*\n)*)", re.MULTILINE)


class Command(NamedTuple):
    arguments: list[str]
    typed: str


def commands() -> dict[str, Command]:
    """Return the commands by the last word of each; below a command stands what is typed into it."""
    found = {}
    for line, typed in CALL.findall(CHAPTER.read_text(encoding="utf-8")):
        _, *arguments = shlex.split(line.replace("\\\n", ""))
        found[arguments[-1].rpartition("/")[2]] = Command(arguments, typed)
    return found


@pytest.fixture(scope="session")
def buf() -> Path:
    environment = dict(os.environ)  # before a test makes the proxies dead: npm may need them
    folder = made_once("buf", lambda folder: install_folder(SOURCE, folder, environment), SOURCE)
    return folder / "node_modules" / ".bin" / "buf"


@pytest.fixture
def address() -> Iterator[Address]:
    with serving({"grpc": 0}, "--log", "memory") as (_, places):
        yield places["grpc"]


def run(buf: Path, address: Address, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run one of the chapter's commands at this address."""
    command = commands()[name]
    arguments = [part.replace("127.0.0.1:50051", str(address)) for part in command.arguments]
    return subprocess.run(
        [buf, *arguments, *more],
        input=command.typed,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )


def test_the_chapter_shows_three_commands() -> None:
    assert list(commands()) == ["127.0.0.1:50051", "Members", "Chat"]


@pytest.mark.parametrize("version", ["grpc-v1", "grpc-v1alpha"])
def test_it_lists_what_there_is(buf: Path, address: Address, version: str) -> None:
    done = run(buf, address, "127.0.0.1:50051", "--reflect-protocol", version)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line.startswith("chat.")] == [
        f"chat.v1.ChatService/{method}" for method in ("Chat", "History", "Members")
    ]


def test_it_describes_reflection_itself(buf: Path, address: Address) -> None:
    done = run(buf, address, "127.0.0.1:50051", "--reflect-protocol", "grpc-v1")
    assert "grpc.reflection.v1.ServerReflection/ServerReflectionInfo" in done.stdout.splitlines()


def test_it_calls_a_method(buf: Path, address: Address) -> None:
    with running("tail", "-b", "grpc", "--server", str(address), "--as", "ann") as ann:
        assert ann.stdout is not None
        ann.stdout.readline()
        done = run(buf, address, "Members")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"nick": "ann"' in done.stdout


def test_it_holds_a_whole_chat(buf: Path, address: Address) -> None:
    done = run(buf, address, "Chat")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"welcome"' in done.stdout
    assert '"text": "typed by hand"' in done.stdout
    assert '"kind": "LEFT"' in done.stdout
    events = tail("-b", "grpc", "--server", str(address), "--as", "eve", "--count", "5")
    assert [event["kind"] for event in events] == ["opened", "joined", "sent", "left", "joined"]


def test_a_message_as_a_command_says_it(buf: Path, address: Address, tmp_path: Path) -> None:
    found = ("npx @bufbuild/buf", shlex.quote(str(buf)))
    done = run_by_hand(backends.technique("grpc"), address, HOSTILE, tmp_path, found)
    assert (done.returncode, done.stderr) == (0, "")
    events = tail("-b", "grpc", "--server", str(address), "--as", "eve", "--count", "5")
    assert (events[2]["author"], events[2]["text"]) == ("by-hand", HOSTILE)
