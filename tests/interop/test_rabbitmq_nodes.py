"""Two servers on one log in a broker, and somebody who needs neither: one room, also when a server dies."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys

import pytest

from chat.interfaces.address import Address
from tests.support.foreign import Foreign
from tests.support.node import Run, until
from tests.support.ports import own_port

LINES = 100
"""What each of the three says."""
ROUND = 20
CHAT = (sys.executable, "-m", "chat")
MESSAGE = re.compile(r"(?:\[\d+\]|\d\d:\d\d) (\w+) \((\w+)\): (.*)")
SOON = 20.0
"""Seconds until the seats of a server that died are left."""
LATER = 35.0
"""The same for one that is frozen: first the broker must notice."""


class Node:
    """A ``chat serve --log amqp://...``, with gRPC and SOAP."""

    def __init__(self, run: Run, url: str) -> None:
        self._run, self._url = run, url
        self.grpc, self.soap = (Address("127.0.0.1", own_port()) for _ in range(2))

    async def open(self) -> None:
        ports = ("--port-of", f"grpc={self.grpc.port}", "--port-of", f"soap={self.soap.port}")
        serve = [*CHAT, "serve", "grpc", "soap", "--rate", "off", *ports]
        self.server = await self._run(*serve, CHAT_SERVE_LOG=self._url)
        for _ in range(2):
            await self.server.line()


async def enter(run: Run, technique: str, server: object, nick: str) -> Foreign:
    plain = [*CHAT, "--plain", "--backend", technique, "--server", server, "--as", nick]
    terminal = await run(*plain, *(("--poll", "long") if technique == "soap" else ()))
    await until(terminal, f"* you are {nick} in room lab")
    return terminal


async def hears(terminal: Foreign, heard: list[tuple[str, str]], count: int) -> None:
    """Read on until so many messages are on the screen."""
    while len(heard) < count:
        if said := MESSAGE.fullmatch(await terminal.line()):
            heard.append((said[1], said[3]))


async def everything(run: Run, url: str) -> list[dict[str, object]]:
    """Return what happened in the room so far, as somebody who comes now reads it."""
    tail = await run(
        *CHAT, "tail", "-b", "rabbitmq", "--server", url, "--as", "eve", "--after", "0", "--json"
    )
    events: list[dict[str, object]] = []
    while not events or events[-1]["author"] != "eve":
        events.append(json.loads(await tail.line()))
    return events


@pytest.mark.timeout(120)
async def test_three_hundred_messages_in_one_order_and_a_server_that_dies_takes_nothing_with_it(
    run: Run, vhost: str
) -> None:
    one, two = Node(run, vhost), Node(run, vhost)
    await one.open()
    alice = await enter(run, "grpc", f"{one.grpc},{two.grpc}", "alice")  # two is not there yet: she is at one
    await two.open()
    people = {
        "alice": alice,
        "bob": await enter(run, "soap", two.soap, "bob"),
        "carol": await enter(run, "rabbitmq", vhost, "carol"),
    }
    heard: dict[str, list[tuple[str, str]]] = {nick: [] for nick in people}
    for start in range(0, LINES, ROUND):
        for nick, terminal in people.items():
            terminal.type(*(f"{nick} {number}" for number in range(start, start + ROUND)))
        if start == 2 * ROUND:
            await hears(people["carol"], heard["carol"], 3 * start + ROUND)  # some is under way
            one.server.process.kill()
        async with asyncio.TaskGroup() as hearing:
            for nick, terminal in people.items():
                hearing.create_task(hears(terminal, heard[nick], 3 * (start + ROUND)))
    assert heard["alice"] == heard["bob"] == heard["carol"]
    for nick in people:
        said = [text for author, text in heard["carol"] if author == nick]
        assert said == [f"{nick} {number}" for number in range(LINES)]
    events = await everything(run, vhost)
    assert len({event["seat"] for event in events if event["author"] == "alice"}) == 1
    assert [event["kind"] for event in events if event["author"] == "alice"][-1] != "left"


@pytest.mark.timeout(120)
async def test_the_seats_of_servers_that_are_gone_are_left_by_the_others(run: Run, vhost: str) -> None:
    """One is killed and one is frozen, at the same time: each has a time limit of its own."""
    killed, frozen, alive = Node(run, vhost), Node(run, vhost), Node(run, vhost)
    for node in (killed, frozen, alive):
        await node.open()
    await enter(run, "grpc", killed.grpc, "alice")
    await enter(run, "grpc", frozen.grpc, "dave")
    bob = await enter(run, "grpc", alive.grpc, "bob")
    killed.server.process.send_signal(signal.SIGKILL)
    frozen.server.process.send_signal(signal.SIGSTOP)
    began, left = asyncio.get_running_loop().time(), {"alice": 0.0, "dave": 0.0}
    async with asyncio.timeout(LATER):
        while not all(left.values()):
            if gone := re.fullmatch(r"\d\d:\d\d \* (\w+) left", await bob.line()):
                left[gone[1]] = asyncio.get_running_loop().time() - began
    assert left["alice"] < SOON
    bob.type("still talking")
    heard: list[tuple[str, str]] = []
    await hears(bob, heard, 1)
    assert heard == [("bob", "still talking")]
