"""The five minutes of docs/lesson-0.md: every command on the page is run, and shows what the page says."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat.background import server
from tests.support.foreign import Foreign
from tests.support.node import Run, until
from tests.support.processes import chat

PAGE = Path(__file__).parents[2] / "docs" / "lesson-0.md"
CHAT = (sys.executable, "-m", "chat")
MESSAGE = re.compile(r"\d\d:\d\d \w+ \(\w+\): (.*)")
AWAY = re.compile(r"\* the server was away for \d+(?:\.\d)? s(, \d+ lines? waited)?")
LINES = [f"line {number}" for number in range(10)]


def step(number: int) -> list[str]:
    """Return what is typed in a step: the commands, and the lines that go into them."""
    (part,) = re.findall(rf"^## {number}\..*?(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.M)
    blocks = re.findall(r"```console\n(.*?)```", part, re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


class Class:
    """The terminals of the class. A screen is for people: here each client writes lines."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def enter(self, command: str) -> Foreign:
        words = shlex.split(command)
        assert words[0] == "chat"
        terminal = await self._run(*CHAT, *words[1:], "--plain")
        await until(terminal, f"* you are {words[-1]} in room lab")
        return terminal


@pytest.fixture
async def lesson(run: Run, state_dir: Path) -> AsyncIterator[Class]:
    yield Class(run)
    await asyncio.to_thread(server.stop, state_dir)


async def hears(terminal: Foreign, texts: list[str]) -> list[str]:
    """Read until the last of these texts is there; return what people said until then."""
    said: list[str] = []
    while not said or said[-1] != texts[-1]:
        if found := MESSAGE.fullmatch(await terminal.line()):
            said.append(found[1])
    return said


@pytest.fixture
def broker(vhost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker that is found is the tests' own, in which nothing has happened yet."""
    monkeypatch.setenv("CHAT_AMQP_URL", vhost)


@pytest.mark.usefixtures("broker")
async def test_1_everybody_in_one_room() -> None:
    (command,) = step(1)
    done = await asyncio.to_thread(chat, *shlex.split(command)[1:])
    assert done.returncode == 0, done.stdout + done.stderr


async def test_2_one_is_told_and_the_other_asks(lesson: Class) -> None:
    told, asks = step(2)
    ann, bob = await lesson.enter(told), await lesson.enter(asks)
    ann.type(*LINES)
    for terminal in (ann, bob):
        assert await hears(terminal, LINES) == LINES


async def test_3_what_is_lost_is_named_or_repaired(lesson: Class) -> None:
    ann = await lesson.enter(step(2)[0])
    loses, repairs = step(3)
    cat, dan = await lesson.enter(loses), await lesson.enter(repairs)
    many = [f"line {number}" for number in range(40)]
    ann.type(*many)
    assert await hears(dan, many) == many
    missing = 0
    while not missing:
        line = await cat.line()
        if found := re.match(r"! (\d+) messages? missing: ", line):
            missing = int(found[1])


async def test_4_a_killed_server_takes_nothing_with_it(lesson: Class) -> None:
    told, asks = step(2)
    ann, bob = await lesson.enter(told), await lesson.enter(asks)
    status, kill, *_ = step(4)
    ann.type(*LINES[:5])
    await hears(bob, LINES[:5])
    done = await asyncio.to_thread(chat, *shlex.split(status)[1:])
    found = re.match(r"process (\d+)", done.stdout)
    assert found, done.stdout
    assert kill == "kill -9 PROCESS"
    os.kill(int(found[1]), signal.SIGKILL)
    ann.type(*LINES[5:])
    assert await hears(bob, LINES) == LINES[5:]
    await hears(ann, LINES)
    for terminal in (ann, bob):
        assert any(AWAY.fullmatch(line) for line in terminal.lines), terminal.lines


async def test_4_a_server_that_is_kept_away_was_away_and_the_lines_waited(lesson: Class, run: Run) -> None:
    _, _, stop, serve, told, asks = step(4)
    assert (stop, serve) == ("chat stop", "chat serve")
    command = (*CHAT, *shlex.split(serve)[1:], "tcp", "rest", "--port-of", "tcp=0", "--port-of", "rest=0")
    first = await run(*command)
    while not (await first.line()).startswith("rest "):
        pass
    ann, bob = await lesson.enter(told), await lesson.enter(asks)
    first.process.send_signal(signal.SIGINT)
    assert (await first.over())[0] == 0
    for terminal in (ann, bob):
        await terminal.until("trying again")
    ann.type(*LINES[:3])
    second = await run(*command)
    assert await hears(bob, LINES[:3]) == LINES[:3]
    await hears(ann, LINES[:3])
    assert [AWAY.fullmatch(line)[1] for line in ann.lines if AWAY.fullmatch(line)] == [", 3 lines waited"]  # type: ignore[index]  # it matches
    assert [AWAY.fullmatch(line)[1] for line in bob.lines if AWAY.fullmatch(line)] == [None]  # type: ignore[index]
    second.process.send_signal(signal.SIGINT)


async def test_5_typed_by_hand(lesson: Class, run: Run) -> None:
    if shutil.which("nc") is None:
        reason = "nc is not installed: apt install netcat-openbsd"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    ann = await lesson.enter(step(2)[0])
    ann.type(*LINES)  # the room's history
    await hears(ann, LINES)
    command, *typed = step(5)
    asked = re.fullmatch(r"nc 127.0.0.1 \$\((.*)\)", command)
    assert asked, command
    port = await asyncio.to_thread(chat, *shlex.split(asked[1])[1:])
    nc = await run("nc", "127.0.0.1", port.stdout.strip())
    nc.type(typed[0])
    assert '"kind":"welcome"' in await nc.line()
    nc.type(typed[1])
    assert '"text":"typed by hand"' in await nc.line(), "no history pushes the welcome off the screen"
    assert await hears(ann, ["typed by hand"]) == ["typed by hand"]


@pytest.mark.usefixtures("broker")
async def test_6_a_stream_remembers_and_an_exchange_does_not(lesson: Class) -> None:
    first, other, late, late_too = step(6)
    eve, fay = await lesson.enter(first), await lesson.enter(other)
    notice = await eve.line()
    assert notice.startswith("* this room is in the broker; to open it to other techniques, run: chat serve")
    eve.type("who was there")
    for terminal in (eve, fay):
        await hears(terminal, ["who was there"])
    gus = await lesson.enter(late)
    await hears(gus, ["who was there"])
    hal = await lesson.enter(late_too)
    eve.type("who is here now")
    assert await hears(hal, ["who is here now"]) == ["who is here now"]
