"""Datagrams, REST and SOAP in one room, each person a program: all see the same, or know what they miss."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from chat.interfaces.address import Address
from tests.support.foreign import Foreign
from tests.support.node import Run, Start, serving, until
from tests.support.ports import own_port

PEOPLE = {"alice": "rest", "bob": "soap", "carol": "udp", "dave": "rest", "eve": "soap", "frank": "tcp"}
IN_NODE = ("dave", "eve")
TECHNIQUES = ("tcp", "udp", "rest", "soap")
SETTINGS = {"rest": ("--poll", "long"), "soap": ("--poll", "long")}
LOSSY = ("--loss", "0.3", "--seed", "7")
LINES = 20
"""What each says in one round."""
CHAT = (sys.executable, "-m", "chat")
MESSAGE = re.compile(r"(?:\[\d+\]|\d\d:\d\d) (\w+) \((\w+)\): (.*)")


class Talker:
    """A terminal: what it shows of what people said."""

    def __init__(self, terminal: Foreign) -> None:
        self.terminal = terminal
        self.heard: list[tuple[str, str, str]] = []
        """Author, technique and text, as it came."""

    async def hears(self, count: int) -> None:
        """Read on until so many messages are on the screen."""
        while len(self.heard) < count:
            line = await self.terminal.line()
            assert not line.startswith("!"), line
            if said := MESSAGE.fullmatch(line):
                self.heard.append((said[1], said[2], said[3]))


class Room:
    """A server that can be killed, and the people around it."""

    def __init__(self, run: Run, start: Start, log: Path) -> None:
        self._run, self._start = run, start
        self._addresses = {name: Address("127.0.0.1", own_port()) for name in TECHNIQUES}
        self._command = [*CHAT, "serve", *TECHNIQUES, "--rate", "off", "--log", f"sqlite:{log}"]
        for name, address in self._addresses.items():
            self._command += ["--port-of", f"{name}={address.port}"]

    async def open(self) -> None:
        self._server = await self._run(*self._command)
        for _ in TECHNIQUES:
            await self._server.line()

    async def kill(self) -> None:
        """End the server as a crash would, and start it again."""
        self._server.process.kill()
        await self._server.process.wait()
        await self.open()

    async def enter(self, nick: str, *options: str) -> Talker:
        technique = PEOPLE[nick]
        address = self._addresses[technique]
        if nick in IN_NODE:
            terminal = await self._start(technique, address, nick)
        else:
            plain = [*CHAT, "--plain", "--backend", technique, *SETTINGS.get(technique, ()), *options]
            terminal = await self._run(*plain, "--server", address, "--as", nick)
        await until(terminal, f"* you are {nick} in room lab")
        return Talker(terminal)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("carols", "rounds", "killed"),
    [
        pytest.param((), 5, False, id="600 messages"),
        # A lost draft is sent again before the next one goes out: that takes its time.
        pytest.param((*LOSSY, "--repair"), 1, False, id="a lossy one who repairs"),
        pytest.param((), 3, True, id="kill -9"),
    ],
)
async def test_everybody_sees_the_same_messages_in_one_order(
    run: Run, start: Start, tmp_path: Path, carols: tuple[str, ...], rounds: int, killed: bool
) -> None:
    """Where the server is killed carol only listens: what she says as a datagram is said once."""
    room = Room(run, start, tmp_path / "log.sqlite3")
    await room.open()
    people = {nick: await room.enter(nick, *(carols if nick == "carol" else ())) for nick in PEOPLE}
    talking = [nick for nick in PEOPLE if not killed or nick != "carol"]
    for number in range(rounds):
        for nick in talking:
            people[nick].terminal.type(*(f"{nick} {number * LINES + i}" for i in range(LINES)))
        so_far = number * LINES * len(talking)
        if killed:
            await people["frank"].hears(so_far + LINES)  # so that some is stored, and some under way
            await room.kill()
        everybody = so_far + LINES * len(talking)
        async with asyncio.TaskGroup() as hearing:
            for talker in people.values():
                hearing.create_task(talker.hears(everybody))

    order = people["frank"].heard
    assert len(order) == rounds * LINES * len(talking)
    for nick, talker in people.items():
        assert talker.heard == order, nick
    for nick in talking:
        said = [(nick, PEOPLE[nick], f"{nick} {i}") for i in range(rounds * LINES)]
        assert [one for one in order if one[0] == nick] == said
    for talker in people.values():
        code, complaints = await talker.terminal.over()
        assert (code, killed or complaints) == (0, killed or [])


class Watcher:
    """``chat tail --json``: the events that came, and the seqs of those that did not."""

    def __init__(self, process: Foreign) -> None:
        self._process = process
        self.came: list[int] = []
        self.missing: list[int] = []
        self.gone: set[str] = set()
        """Who has left."""

    async def read(self) -> None:
        line = json.loads(await self._process.line())
        if line["kind"] == "gap":
            self.missing += line["seqs"]
            return
        self.came.append(line["seq"])
        if line["kind"] == "left":
            self.gone.add(line["author"])

    async def knows(self, seqs: set[int]) -> None:
        """Read until each of these has come, or is said to be missing."""
        while not seqs <= {*self.came, *self.missing}:
            await self.read()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("repair", [False, True], ids=["as it is", "repaired"])
async def test_a_lossy_datagram_reader_names_exactly_what_did_not_come(
    run: Run, start: Start, tmp_path: Path, repair: bool
) -> None:
    """The end of the talk is lost like the rest of it, with nothing behind it that would show the hole."""

    async def watch(technique: str, *options: str) -> Watcher:
        tail = [*CHAT, "tail", "--json", "--after", "0", "--backend", technique, *options]
        nick = f"watch-{technique}"
        watcher = Watcher(await run(*tail, "--server", addresses[technique], "--as", nick))
        await watcher.read()
        return watcher

    async def talk(nick: str) -> None:
        technique = PEOPLE[nick]
        if nick in IN_NODE:
            talker = await start(technique, addresses[technique], nick)
        else:
            send = [*CHAT, "send", "--backend", technique, *SETTINGS.get(technique, ())]
            talker = await run(*send, "--server", addresses[technique], "--as", nick)
        talker.type(*(f"{nick} {i}" for i in range(2 * LINES)))
        assert await talker.over() == (0, [])

    log = ("--log", f"sqlite:{tmp_path / 'log.sqlite3'}", "--rate", "off")
    talkers = sorted(PEOPLE.keys() - {"carol"})
    with serving(dict.fromkeys(TECHNIQUES, 0), *log) as (_, addresses):
        everything = await watch("tcp")
        carol = await watch("udp", *LOSSY, *(("--repair",) if repair else ()))
        await asyncio.gather(*map(talk, talkers))
        while not everything.gone >= set(talkers):
            await everything.read()
        await carol.knows(set(everything.came))

    assert sorted(carol.came + carol.missing) == everything.came, "no event twice, and none in both"
    if repair:
        assert carol.came == everything.came, "in the room's order"
    else:
        assert carol.missing, "three of ten datagrams were thrown away"
