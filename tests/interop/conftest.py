"""The Node clients of the techniques over HTTP, installed once for all tests."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path

import pytest

from chat.ports import Address
from tests.interop.node import Run, Start, install
from tests.interop.oncrpc_c.foreign import Foreign


@pytest.fixture(scope="session")
def node_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns the client of a technique, in a copy of its folder."""
    environment = dict(
        os.environ
    )  # of the session: in a test's own the proxies are dead, and npm may need them

    def program(technique: str) -> Path:
        return install(technique, tmp_path_factory.mktemp(technique), environment)

    return cache(program)


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    """Starts a program; what still runs when the test is over is killed."""
    started: list[Foreign] = []

    async def run(*command: object, **environment: str) -> Foreign:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        )
        started.append(Foreign(process))
        return started[-1]

    yield run
    for foreign in started:
        if foreign.process.returncode is None:
            foreign.process.kill()
        await foreign.over()


@pytest.fixture
def start(node_program: Callable[[str], Path], run: Run) -> Start:
    """Starts the Node client of a technique."""

    async def start(
        technique: str, address: Address, nick: str, *options: str, **environment: str
    ) -> Foreign:
        return await run("node", node_program(technique), *options, address, nick, **environment)

    return start
