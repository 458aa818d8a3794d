"""The Axios client on the wire: what HTTP has for polls without news, and for requests of unknown fate."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from chat.interfaces.address import Address
from tests.support.node import Start, serving
from tests.support.raw import RawPeer
from tests.support.relay import Relay


class Breaking(Relay):
    """Breaks a connection once, when a message is on its way: to the server, or the receipt back."""

    def __init__(self, target: Address, lost: str) -> None:
        super().__init__(target)
        self._answer = lost == "answer"
        path = b"/rooms/lab/messages"
        self._sign = b"\r\nlocation: %b/" % path if self._answer else b"POST %b " % path
        self.broken = False

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, down: bool) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                if down:
                    self.down += data
                else:
                    self.up += data
                if down is self._answer and self._sign in data and not self.broken:
                    self.broken = True
                    break
                sink.write(data)
        sink.transport.abort()


@pytest.fixture
async def addresses() -> AsyncIterator[dict[str, Address]]:
    with serving({"rest": 0, "tcp": 0}, "--log", "memory") as (_, addresses):
        yield addresses


async def test_a_poll_without_news_is_answered_by_304(start: Start, addresses: dict[str, Address]) -> None:
    relay = Relay(addresses["rest"])
    await relay.start()
    node = await start("rest", relay.address, "node")
    await node.until("* node joined (rest)")
    assert await node.over() == (0, [])
    await relay.stop()
    (asked,) = set(re.findall(rb'if-none-match: ("[^"]+")', relay.up, re.IGNORECASE))
    assert re.search(rb"HTTP/1.1 304 .*\r\netag: " + re.escape(asked), relay.down, re.IGNORECASE)


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_a_message_whose_connection_breaks_is_said_once(
    start: Start, addresses: dict[str, Address], lost: str
) -> None:
    """Nobody knows whether it has arrived; its Idempotency-Key does."""
    relay = Breaking(addresses["rest"], lost)
    await relay.start()
    async with await RawPeer.open(addresses["tcp"]) as ann:
        await ann.say(kind="hello", nick="ann")
        node = await start("rest", relay.address, "node")
        await node.until("* node joined (rest)")
        node.type("one", "two")
        assert await node.over() == (0, [])
        await ann.until("left", author="node")
    await relay.stop()
    assert relay.broken
    assert [line["text"] for line in ann.lines if line["kind"] == "sent"] == ["one", "two"]
    keys = re.findall(rb"idempotency-key: (\d+)", relay.up, re.IGNORECASE)
    assert keys == ([b"1", b"1", b"2"] if lost == "request" else [b"1", b"2"])
