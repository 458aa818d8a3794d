"""The RPC family in one room, each person a program: all see the same, whatever happens to the server."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.support.foreign import Foreign, Launch
from tests.support.ports import own_port

PEOPLE = {"alice": "grpc", "bob": "rpyc", "carol": "oncrpc", "dave": "oncrpc", "eve": "tcp"}
ROUNDS, LINES = 10, 20
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
            if said := MESSAGE.fullmatch(await self.terminal.line()):
                self.heard.append((said[1], said[2], said[3]))


@pytest.mark.timeout(150)
@pytest.mark.parametrize("killed", [False, True], ids=["calm", "kill -9"])
async def test_everybody_sees_the_same_1000_messages_in_one_order(
    launch: Launch, tmp_path: Path, killed: bool
) -> None:
    ports = {name: own_port() for name in ("tcp", "rpyc", "grpc", "oncrpc")}
    command = [sys.executable, "-m", "chat", "serve", *ports, "--rate", "off"]
    command += ["--log", f"sqlite:{tmp_path / 'log.sqlite3'}"]
    for name, port in ports.items():
        command += ["--port-of", f"{name}={port}"]

    async def serve() -> Foreign:
        server = await launch(*command)
        for _ in ports:
            await server.until("")
        return server

    async def sit_down(nick: str) -> Talker:
        port = ports[PEOPLE[nick]]
        if nick == "dave":
            return Talker(await launch("chat-client", "127.0.0.1", port, nick))
        plain = [sys.executable, "-m", "chat", "--plain", "--backend", PEOPLE[nick]]
        return Talker(await launch(*plain, "--server", f"127.0.0.1:{port}", "--as", nick))

    server = await serve()
    people = {nick: await sit_down(nick) for nick in PEOPLE}
    for number in range(ROUNDS):
        for nick, talker in people.items():
            talker.terminal.type(*(f"{nick} {number * LINES + i}" for i in range(LINES)))
        so_far = number * LINES * len(PEOPLE)
        if killed and number % 4 == 2:
            await people["carol"].hears(so_far + LINES)  # so that some is stored, and some under way
            server.process.kill()
            await server.process.wait()
            server = await serve()
        everybody = so_far + LINES * len(PEOPLE)
        await asyncio.gather(*(talker.hears(everybody) for talker in people.values()))

    order = people["alice"].heard
    assert len(order) == ROUNDS * LINES * len(PEOPLE)
    for talker in people.values():
        assert talker.heard == order
    for nick, technique in PEOPLE.items():
        said = [(nick, technique, f"{nick} {i}") for i in range(ROUNDS * LINES)]
        assert [one for one in order if one[0] == nick] == said
    for talker in people.values():
        code, complaints = await talker.terminal.over()
        assert (code, killed or complaints) == (0, killed or [])
