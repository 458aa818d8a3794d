"""The Node clients of the techniques over HTTP, installed once for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from chat.interfaces.address import Address
from tests.support.foreign import Foreign
from tests.support.node import Run, Start, install


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
def start(node_program: Callable[[str], Path], run: Run) -> Start:
    """Starts the Node client of a technique."""

    async def start(
        technique: str, address: Address, nick: str, *options: str, **environment: str
    ) -> Foreign:
        return await run("node", node_program(technique), *options, address, nick, **environment)

    return start
