"""The Node clients of the techniques over HTTP, installed once for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from chat.interfaces.address import Address
from tests.support.foreign import Foreign
from tests.support.node import Run, Start, install, program
from tests.support.once import made_once


@pytest.fixture(scope="session")
def node_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns the client of a technique, in a copy of its folder that all workers share."""
    environment = dict(os.environ)  # before a test makes the proxies dead: npm may need them

    def find(technique: str) -> Path:
        def make(folder: Path) -> None:
            install(technique, folder, environment)

        return program(technique, made_once(tmp_path_factory, f"node-{technique}", make))

    return cache(find)


@pytest.fixture
def start(node_program: Callable[[str], Path], run: Run) -> Start:
    """Starts the Node client of a technique."""

    async def start(
        technique: str, address: Address, nick: str, *options: str, **environment: str
    ) -> Foreign:
        return await run("node", node_program(technique), *options, address, nick, **environment)

    return start
