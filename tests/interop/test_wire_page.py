"""docs/wire.md, as it is typed: each block is a tap and a client, and shows what it says."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from chat.background import server
from tests.support.node import Run, cannot_run, until
from tests.support.processes import chat
from tests.support.wire_page import TEXT, step, tapped


@pytest.fixture(autouse=True)
async def own_server(state_dir: Path) -> AsyncIterator[None]:
    """The taps start the server of this user; it ends with the test."""
    yield
    await asyncio.to_thread(server.stop, state_dir)


def wanted(program: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        cannot_run(f"{program} is not installed: apt install {package}")
    return path


async def test_what_is_typed_into_nc_is_seen(run: Run) -> None:
    wanted("nc", "netcat-openbsd")
    block = step("nc")
    async with tapped(run, block) as (tap, port):
        nc = await run(*block.at(port))
        nc.type(block.typed[0])
        assert "JSON line hello" in await until(tap, 'hello nick="me"')
        await until(tap, "JSON line welcome")
        nc.type(block.typed[1])
        assert "→" in await until(tap, f'say text="{TEXT}"')
        assert "←" in await until(tap, f'text="{TEXT}"')


async def test_what_curl_asks_is_seen(run: Run) -> None:
    wanted("curl", "curl")
    block = step("curl")
    async with tapped(run, block) as (tap, port):
        curl = await run(*block.at(port), no_proxy="127.0.0.1")
        assert "→ HTTP/1.1 GET" in await until(tap, "GET /rooms")
        assert "← HTTP/1.1 200" in await until(tap, "200 OK")
        assert (await curl.over())[0] == 0


async def test_what_the_client_in_node_says_is_seen(run: Run, node_program: Callable[[str], Path]) -> None:
    block = step("node")
    program = node_program("grpc")
    assert block.client[1] == program.name
    async with tapped(run, block) as (tap, port):
        node = await run("node", program, *block.at(port)[2:])
        node.type(*block.typed)
        while TEXT not in (frame := json.loads(await tap.line()))["texts"]:
            pass
        assert (frame["direction"], frame["protocol"], frame["role"]) == ("up", "gRPC", "message")
        assert frame["sizes"]["payload"] == len(TEXT)


async def test_what_our_client_says_is_drawn(run: Run) -> None:
    block = step("chat")
    async with tapped(run, block) as (tap, port):
        sent = await asyncio.to_thread(chat, *block.at(port)[1:])
        assert sent.returncode == 0, sent.stderr
        assert "▶" in await until(tap, f'Send "{TEXT}"')
