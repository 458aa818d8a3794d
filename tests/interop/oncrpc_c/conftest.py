"""C programs that rpcgen and libtirpc carry, our servers, and who else is in the room."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backends.oncrpc.server import OncRpcServer
from backends.tcp.client import TcpClient
from backends.tcp.server import TcpServer
from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.interfaces.client import ChatClient
from chat.server.hub import Hub
from tests.support.foreign import INSTALL, SOURCES, Enter, Foreign, Launch, make
from tests.support.once import made_once
from tests.support.people import Person

CHAT_X = SOURCES.parents[3] / "protos" / "chat.x"
SANITIZE = "-fsanitize=address,undefined -fno-sanitize-recover=undefined"

# --- the programs ------------------------------------------------------------------------------


def can_sanitize(folder: Path) -> bool:
    """Say whether the compiler brings the libraries that watch over memory, and they work here."""
    source = folder / "probe.c"
    source.write_text("int main(void) { return 0; }\n")
    build = ["gcc", *SANITIZE.split(), "-o", str(folder / "probe"), str(source)]
    return not any(
        subprocess.run(command, capture_output=True, check=False).returncode
        for command in (build, [str(folder / "probe")])
    )


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of chat-client and chat-server; where possible they end badly over any misuse of memory."""
    return made_once("oncrpc-c", build, SOURCES, CHAT_X)


def build(folder: Path) -> None:
    missing = [name for name in ("make", "gcc", "rpcgen") if shutil.which(name) is None]
    built = None
    if not missing:
        flags = f"CFLAGS=-O1 -g {SANITIZE}" if can_sanitize(folder) else "CFLAGS=-O2"
        built = make(folder, flags)
        if INSTALL in built.stderr:
            missing = ["libtirpc"]
    if missing:
        reason = f"{', '.join(missing)} is missing: {INSTALL} make"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    assert built is not None
    assert built.returncode == 0, built.stderr


@pytest.fixture
async def launch(programs: Path) -> AsyncIterator[Launch]:
    """Starts a program; what still runs when the test is over is killed."""
    started: list[Foreign] = []

    async def launch(program: str, *arguments: object, **environment: str) -> Foreign:
        process = await asyncio.create_subprocess_exec(
            programs / program,
            *map(str, arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        started.append(Foreign(process))
        return started[-1]

    yield launch
    for foreign in started:
        if foreign.process.returncode is None:
            foreign.process.kill()
        await foreign.over()


# --- who else is there -------------------------------------------------------------------------


@pytest.fixture
async def enter() -> AsyncIterator[Enter]:
    people: list[Person] = []

    async def enter(client: ChatClient, nick: str, **hello: Any) -> Person:
        try:
            welcome = await client.connect(Hello("lab", nick, **hello))
        except BaseException:
            await client.close()
            raise
        people.append(Person(client, welcome))
        people[-1].listen()
        return people[-1]

    yield enter
    for person in people:
        await person.stop()
        await person.client.close()


@pytest.fixture
async def oncrpc(hub: Hub) -> AsyncIterator[Address]:
    server = OncRpcServer(hub, Address("127.0.0.1", 0))
    yield await server.start()
    await server.stop()


@pytest.fixture
async def tcp(hub: Hub) -> AsyncIterator[Address]:
    server = TcpServer(hub, Address("127.0.0.1", 0))
    yield await server.start()
    await server.stop()


@pytest.fixture
async def ann(tcp: Address, enter: Enter) -> Person:
    """Somebody in the same room, with another technique."""
    return await enter(TcpClient(tcp), "ann")


@pytest.fixture
async def their_server(launch: Launch) -> Address:
    foreign = await launch("chat-server")
    word, port = (await foreign.line()).split()
    assert word == "port"
    return Address("127.0.0.1", int(port))
