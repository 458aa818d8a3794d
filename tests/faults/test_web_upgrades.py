"""Requests that offer another protocol (Upgrade, RFC 9110, 7.8): the offer is ignored, and the body is read.

Java's HttpClient and ``curl --http2`` send this offer with the first request of a connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest

from chat.interfaces.technique import Technique
from chat.transport.http_connection import MAX_AHEAD, MAX_HEAD
from tests.support.http_peer import HttpPeer
from tests.support.kit import Serving
from tests.support.soap_peer import envelope
from tests.support.soap_peer import request as operation

pytestmark = [pytest.mark.both_loops, pytest.mark.parametrize("technique", ["rest", "soap"], indirect=True)]

H2C = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQBAAAAAAIA"}
OFFERS = {
    "h2c": H2C,
    "websocket": {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
    "two protocols": {"Connection": "keep-alive, upgrade", "Upgrade": "h2c, example/1"},
}
TOO_LONG = {"X-Filler": "x" * MAX_HEAD}


@pytest.fixture
async def peer(server: Serving) -> AsyncIterator[HttpPeer]:
    """A peer; at the end its connection, and the server, must still be good for a request."""
    async with await HttpPeer.open(server.address) as peer:
        yield peer
        assert (await peer.ask("GET", "/nothing")).status == 404


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def joins(peer: HttpPeer, name: str, nick: str, headers: dict[str, str], *, chunked: bool = False) -> bytes:
    """Return a request that takes a seat; its body is complete, and in one chunk or of a known length."""
    if name == "rest":
        path, kind, body = "/rooms/lab/seats", "application/json", f'{{"nick":"{nick}"}}'.encode()
    else:
        path, kind, body = "/soap", "text/xml", envelope(operation("Join", room="lab", nick=nick))
    headers = {"Content-Type": kind, **headers}
    if not chunked:
        return peer.request("POST", path, body, headers=headers)
    head = peer.request("POST", path, headers={**headers, "Transfer-Encoding": "chunked"})
    return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def joined(name: str) -> int:
    return 201 if name == "rest" else 200


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("offer", OFFERS)
async def test_the_body_of_a_request_that_offers_an_upgrade_is_read(
    peer: HttpPeer, technique: Technique, offer: str, chunked: bool
) -> None:
    await peer.send(joins(peer, technique.name, "ann", OFFERS[offer], chunked=chunked))
    answer = await peer.answer()
    assert answer.status == joined(technique.name), answer
    assert answer.headers.keys() & {"upgrade", "connection"} == set()


async def test_head_and_body_may_come_apart(peer: HttpPeer, technique: Technique) -> None:
    head, end, body = joins(peer, technique.name, "ann", H2C).partition(b"\r\n\r\n")
    await peer.send(head[:40])
    await asyncio.sleep(0)
    await peer.send(head[40:] + end)
    await asyncio.sleep(0)
    for byte in body:
        await peer.send(bytes([byte]))
        await asyncio.sleep(0)
    assert (await peer.answer()).status == joined(technique.name)


async def test_requests_behind_it_are_answered_in_order(peer: HttpPeer, technique: Technique) -> None:
    name = technique.name
    ask = peer.request("GET", "/nothing", headers=H2C)
    await peer.send(joins(peer, name, "ann", H2C) + ask + joins(peer, name, "bob", H2C) + ask)
    statuses = [(await peer.answer()).status for _ in range(4)]
    assert statuses == [joined(name), 404, joined(name), 404]


async def test_its_headers_count_as_those_of_others(server: Serving, technique: Technique) -> None:
    async with await HttpPeer.open(server.address) as peer:
        await peer.send(joins(peer, technique.name, "ann", {**H2C, **TOO_LONG}))
        assert (await peer.answer()).status == 431
        assert await peer.rest() == b""


async def test_many_of_them_ahead_are_not_queued(server: Serving) -> None:
    async with await HttpPeer.open(server.address) as peer:
        await peer.send(peer.request("GET", "/nothing", headers=H2C) * (MAX_AHEAD + 2))
        data = await peer.rest()
        assert data.count(b"HTTP/1.1 404 ") <= MAX_AHEAD + 1
