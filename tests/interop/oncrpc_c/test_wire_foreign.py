"""The client in C, seen through ``chat wire``, over both transports."""

from __future__ import annotations

import pytest

from tests.support.foreign import Launch, served
from tests.support.node import Run
from tests.support.wire_program import watching


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_the_client_in_c(run: Run, launch: Launch, transport: str) -> None:
    with served("oncrpc", "--log", "memory", "--port", "0") as (_, addresses):
        options = ("--transport", transport)
        async with watching(run, "oncrpc", addresses["oncrpc"], *options) as watched:
            where = (watched.address.host, watched.address.port)
            client = await launch("chat-client", *(["-u"] if transport == "udp" else []), *where, "cee")
            client.type("hello from C")
            await client.until("hello from C")
            assert (await client.over())[0] == 0
    assert "hello from C" in watched.texts("up")
    assert "ONC RPC" in watched.protocols
