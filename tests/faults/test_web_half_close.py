"""HTTP clients that half-close behind their request, as ``nc -N`` does, or that are gone when refused."""

from __future__ import annotations

import asyncio
import shutil
import socket

import pytest

import chat.transport.http_connection
from tests.faults.test_web_connections import GET, POLL, Echo, echo, nothing_is_logged
from tests.support.http_peer import HttpPeer

__all__ = ["echo", "nothing_is_logged"]  # fixtures

WORK = b"GET /work HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"


@pytest.mark.both_loops
@pytest.mark.parametrize(
    "late", [b"", GET, HALF], ids=["alone", "with one behind it", "with half of one behind it"]
)
async def test_what_came_before_a_half_close_is_answered_whole(echo: Echo, late: bytes) -> None:
    async with await HttpPeer.open(echo.at) as peer:
        await peer.send(WORK + late)
        assert await echo.asked.get() == "/work"
        peer.writer.write_eof()
        await asyncio.sleep(0.05)  # let the FIN come first
        echo.done.set()
        answers = await peer.reader.read()
        assert answers.count(b"HTTP/1.1 200 OK") == (2 if late == GET else 1)
        assert answers.endswith(b"\r\n\r\n")


@pytest.mark.both_loops
async def test_a_large_answer_arrives_whole_after_a_half_close(echo: Echo) -> None:
    async with await HttpPeer.open(echo.at) as peer:
        await peer.send(LARGE)
        peer.writer.write_eof()
        head, _, body = (await peer.reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert len(body) == 8 << 20


async def test_a_half_close_between_requests_closes(echo: Echo) -> None:
    async with await HttpPeer.open(echo.at) as peer:
        await peer.send(GET)
        await echo.ended.get()
        peer.writer.write_eof()
        assert (await peer.reader.read()).startswith(b"HTTP/1.1 200 OK")


async def test_a_half_close_with_a_long_poll_is_not_kept_waiting(echo: Echo) -> None:
    async with await HttpPeer.open(echo.at) as peer:
        await peer.send(POLL)
        peer.writer.write_eof()
        assert await peer.reader.read() == b""
    assert await echo.ended.get() == "hung up"


async def test_a_long_poll_with_news_is_answered_after_a_half_close(echo: Echo) -> None:
    echo.news.set()
    async with await HttpPeer.open(echo.at) as peer:
        await peer.send(POLL)
        peer.writer.write_eof()
        assert (await peer.reader.read()).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.skipif(
    not shutil.which("nc.openbsd"), reason="nc.openbsd is missing: apt install netcat-openbsd"
)
async def test_nc_with_a_half_close_prints_the_whole_answer(echo: Echo) -> None:
    nc = await asyncio.create_subprocess_exec(
        *("nc.openbsd", "-N", echo.at.host, str(echo.at.port)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await nc.communicate(LARGE)
    assert len(printed.partition(b"\r\n\r\n")[2]) == 8 << 20


async def test_who_is_gone_when_it_is_refused_leaves_no_traceback(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernel answers the refusal with a reset, and then there is nothing to half-close: ENOTCONN."""
    monkeypatch.setattr(chat.transport.http_connection, "REQUEST_TIMEOUT", 0.2)
    with socket.create_connection((echo.at.host, echo.at.port)) as peer:
        peer.sendall(HALF)
        while not echo._connections or not echo._connections[0]._reading:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        (connection,) = echo._connections
        connection.transport.pause_reading()  # so busy that it has not seen the FIN
    await connection.lost
    async with await HttpPeer.open(echo.at) as after:
        await after.send(GET)
        assert (await after.reader.readline()).startswith(b"HTTP/1.1 200")
