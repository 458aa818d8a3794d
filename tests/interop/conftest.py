"""The Node clients of the techniques over HTTP, installed once for all tests; and a browser in a room."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path

import pytest

import backends
from chat.domain.model import Hello
from chat.interfaces.address import Address
from chat.interfaces.server import ServerOptions
from chat.server.hub import Hub
from tests.support.browser import Browser, chromium
from tests.support.foreign import Foreign
from tests.support.kit import QUICK
from tests.support.node import Run, Start, install, program, sources
from tests.support.once import made_once
from tests.support.people import Person
from tests.support.ports import own_port

EnterRoom = Callable[[str, str], Awaitable[Person]]


@pytest.fixture(scope="session")
def node_program() -> Callable[[str], Path]:
    """Returns the client of a technique, in a copy of its folder that all workers share."""
    environment = dict(os.environ)  # before a test makes the proxies dead: npm may need them

    def find(technique: str) -> Path:
        def make(folder: Path) -> None:
            install(technique, folder, environment)

        return program(technique, made_once(f"node-{technique}", make, *sources(technique)))

    return cache(find)


@pytest.fixture
def start(node_program: Callable[[str], Path], run: Run) -> Start:
    """Starts the Node client of a technique."""

    async def start(
        technique: str, address: Address, nick: str, *options: str, **environment: str
    ) -> Foreign:
        return await run("node", node_program(technique), *options, address, nick, **environment)

    return start


# --- a browser, and the room that it is for ----------------------------------------------------


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    """Chromium, with an empty profile; skipped where there is none, but not in CI."""
    async with chromium(tmp_path / "chromium") as browser:
        yield browser


@pytest.fixture(scope="session")
def tcp_and_rest() -> None:
    for name in ("tcp", "rest"):  # here and not on the loop: an import reads files
        backends.technique(name).load_server()
        backends.technique(name).load_client()


@pytest.fixture
async def room_servers(tcp_and_rest: None, hub: Hub, access: str) -> AsyncIterator[dict[str, Address]]:
    """The room over TCP and over REST."""
    running = {
        name: backends.technique(name).load_server()(
            hub, Address("127.0.0.1", own_port()), ServerOptions(access=access)
        )
        for name in ("tcp", "rest")
    }
    yield {name: await server.start() for name, server in running.items()}
    for server in running.values():
        await server.stop()


@pytest.fixture
async def enter_room(room_servers: dict[str, Address], access: str) -> AsyncIterator[EnterRoom]:
    """Lets somebody take a seat in room lab over a technique, and listen."""
    async with AsyncExitStack() as stack:

        async def enter(technique: str, nick: str) -> Person:
            client = backends.technique(technique).load_client()(room_servers[technique], QUICK)
            person = Person(client, await client.connect(Hello("lab", nick, access=access)))
            stack.push_async_callback(client.close)
            person.listen()
            stack.push_async_callback(person.stop)
            return person

        yield enter
