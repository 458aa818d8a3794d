"""HTTP peers that misbehave, against the smallest web server: what every technique over HTTP relies on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import pytest

import chat.transport.http_connection
import chat.transport.http_server
from chat.domain.errors import ChatError, Closing
from chat.interfaces.address import Address
from chat.server.hub import Hub
from chat.transport.asgi import Application, Receive, Scope, Send
from chat.transport.http_connection import MAX_AHEAD, MAX_HEAD, HttpConnection
from chat.transport.http_server import ClientDisconnected, WebServer, read_body
from chat.transport.stream import TURN_BYTES
from tests.support.http_peer import HttpPeer

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POLL = b"GET /poll HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Echo(WebServer):
    """Says what it was sent; ``/poll`` is kept open until `news`, ``/work`` until `done`."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub, Address("127.0.0.1", 0))
        self.at = self.address
        """Where it really listens."""
        self.news, self.done = asyncio.Event(), asyncio.Event()
        self.asked: asyncio.Queue[str] = asyncio.Queue()
        self.ended: asyncio.Queue[str] = asyncio.Queue()

    def application(self) -> Application:
        return self.answer

    def refusal(self, status: int, error: ChatError) -> tuple[str, bytes]:
        return "text/plain", f"{status} {error}".encode()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, status = scope["path"], 200
        body: bytes | None = b""
        try:
            body = await read_body(receive, 1000)
            self.asked.put_nowait(path)
            if path == "/poll":
                await self.poll(scope, self.news.wait())
            if path == "/work":
                await self.done.wait()
            if path == "/large":
                body = bytes(8 << 20)
        except ClientDisconnected:
            self.ended.put_nowait("hung up")
            return
        except Closing as closing:
            status, body = 503, str(closing).encode()
        self.ended.put_nowait(path)
        if body is None:
            status, body = 413, b""
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def echo(hub: Hub) -> AsyncIterator[Echo]:
    echo = Echo(hub)
    echo.at = await echo.start()
    yield echo
    await echo.stop()


@pytest.fixture
async def peer(echo: Echo) -> AsyncIterator[HttpPeer]:
    async with await HttpPeer.open(echo.at) as peer:
        yield peer


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a peer does, it writes no line into anybody's log."""
    yield
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


# --- keeping the connection ----------------------------------------------------------------------


async def test_a_connection_is_kept_and_every_answer_has_a_date(peer: HttpPeer) -> None:
    for _ in range(3):
        await peer.send(GET)
        answer = await peer.answer()
        assert (answer.status, list(answer.headers)) == (200, ["content-length", "date"])


async def test_requests_that_come_together_are_answered_in_order(peer: HttpPeer, echo: Echo) -> None:
    await peer.send(b"".join(GET.replace(b"/ ", b"/%d " % n) for n in range(20)))
    for n in range(20):
        assert (await peer.answer()).status == 200
        assert await echo.asked.get() == f"/{n}"


async def test_a_request_that_comes_byte_by_byte_is_one(peer: HttpPeer) -> None:
    for byte in GET:
        await peer.send(bytes([byte]))
        await asyncio.sleep(0)
    assert (await peer.answer()).status == 200


async def test_too_many_requests_ahead_are_not_queued(peer: HttpPeer, echo: Echo) -> None:
    await peer.send(POLL + GET * (MAX_AHEAD + 1))
    assert await echo.asked.get() == "/poll"
    echo.news.set()
    assert (await peer.answer()).status == 200
    assert await peer.rest() == b""
    assert echo.asked.empty()


@pytest.mark.parametrize("lead", [b"", b"\r\n"], ids=["nothing", "an empty line"])
async def test_who_says_nothing_is_hung_up_on(hub: Hub, monkeypatch: pytest.MonkeyPatch, lead: bytes) -> None:
    monkeypatch.setattr(chat.transport.http_connection, "REQUEST_TIMEOUT", 0.05)
    echo = Echo(hub)
    async with await HttpPeer.open(await echo.start()) as peer:
        await peer.send(lead)
        assert await peer.rest() == b""
    await echo.stop()


async def test_empty_lines_between_requests_keep_no_connection_open(
    peer: HttpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await peer.send(GET)
    await peer.answer()
    monkeypatch.setattr(chat.transport.http_connection, "REQUEST_TIMEOUT", 0.05)
    await peer.send(b"\r\n")
    assert await peer.rest() == b""


async def test_so_much_in_one_turn_of_the_loop_is_followed_by_the_turn_of_others(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[HttpConnection] = []
    real = HttpConnection.connection_made

    def connection_made(self: HttpConnection, transport: asyncio.Transport) -> None:
        made.append(self)
        real(self, transport)

    monkeypatch.setattr(HttpConnection, "connection_made", connection_made)
    async with await HttpPeer.open(echo.at) as peer:
        await peer.ask("GET", "/")
        (connection,) = made
        assert connection.transport.is_reading()
        connection.data_received(TURN_BYTES * b"\n")
        assert not connection.transport.is_reading()
        await peer.ask("GET", "/")
        assert connection.transport.is_reading()


@pytest.mark.parametrize(
    "begun",
    [
        b"GE",
        b"GET / HTTP/1.1\r\nHost: loc",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab",
    ],
    ids=["a verb", "a head", "a body"],
)
async def test_a_request_that_does_not_end_is_answered_in_time(
    peer: HttpPeer, echo: Echo, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(chat.transport.http_connection, "REQUEST_TIMEOUT", 0.05)
    await peer.send(begun)
    assert (await peer.answer()).status == 408
    assert await peer.rest() == b""


async def test_between_requests_a_connection_rests_and_is_closed_at_last(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.transport.http_connection, "KEEP_ALIVE", 1)
    monkeypatch.setattr(chat.transport.http_connection, "REQUEST_TIMEOUT", 0.05)
    echo = Echo(hub)
    async with await HttpPeer.open(await echo.start()) as peer:
        await peer.send(GET)
        await peer.answer()
        await asyncio.sleep(0.1)  # longer than a request may take
        await peer.send(GET)
        assert (await peer.answer()).status == 200
        assert await peer.rest() == b""
    await echo.stop()


async def test_who_takes_nothing_of_an_answer_is_cut(
    echo: Echo, peer: HttpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.transport.http_connection, "ANSWER_TIMEOUT", 0.05)
    await peer.send(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n" * 4)
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's is a Transport
    (connection,) = echo._connections
    await connection.lost
    peer.writer.transport.abort()


# --- what is no request --------------------------------------------------------------------------

GARBAGE = {
    "another protocol": b'{"kind":"hello"}\n',
    "TLS": bytes.fromhex("1603010200010001fc0303") + bytes(100),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "zeros": bytes(1000),
    "a negative length": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "a tunnel": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a chunk without a size": b"POST / HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("what", GARBAGE)
async def test_what_is_no_request_is_refused_and_hung_up_on(peer: HttpPeer, echo: Echo, what: str) -> None:
    await peer.send(GARBAGE[what])
    answer = await peer.answer()
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert answer.body.startswith(b"400 ")
    assert await peer.rest() == b""


async def test_what_came_before_garbage_is_answered(peer: HttpPeer, echo: Echo) -> None:
    await peer.send(POLL + GARBAGE["zeros"])
    assert await echo.asked.get() == "/poll"
    echo.news.set()
    answer = await peer.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert await peer.rest() == b""


@pytest.mark.parametrize("pieces", [1, 100])
@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * MAX_HEAD + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * (MAX_HEAD // 6) + b"\r\n",
    ],
    ids=["a long path", "a long header", "many headers"],
)
async def test_a_head_without_an_end_is_refused(peer: HttpPeer, head: bytes, pieces: int) -> None:
    size = len(head) // pieces + 1
    for place in range(0, len(head), size):
        await peer.send(head[place : place + size])
        await asyncio.sleep(0)
    assert (await peer.answer()).status == 431
    assert await peer.rest() == b""


async def test_a_head_of_the_largest_size_is_read(peer: HttpPeer) -> None:
    await peer.send(GET[:-2] + b"X: " + b"x" * (MAX_HEAD - 100) + b"\r\n\r\n")
    assert (await peer.answer()).status == 200


async def test_a_head_that_comes_with_the_end_of_a_long_request_is_not_too_large(peer: HttpPeer) -> None:
    chunk = b"%x;%b\r\n%b\r\n0\r\n\r\n" % (900, b"x" * MAX_HEAD, b"x" * 900)
    await peer.send(
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + GET[:9]
    )
    assert (await peer.answer()).status == 200
    await peer.send(GET[9:])
    assert (await peer.answer()).status == 200


async def test_trailers_are_no_headers_and_do_not_pile_up(peer: HttpPeer) -> None:
    chunks = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    await peer.send(chunks + b"Host: evil.example\r\n\r\n")
    assert (await peer.answer()).status == 200
    await peer.send(chunks + b"X: " + b"y" * MAX_HEAD + b"\r\n\r\n")
    assert (await peer.answer()).status == 431


async def test_a_body_that_is_too_long_is_thrown_away_and_the_connection_goes_on(peer: HttpPeer) -> None:
    size = 100_000  # more than is read ahead of the application
    await peer.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
    assert (await peer.answer()).status == 413
    await peer.send(GET)
    assert (await peer.answer()).status == 200


# --- hosts and origins ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1:8000", "[::1]:8000", "192.168.1.20", "printer", "box.local", "LOCALHOST:1"],
)
async def test_names_that_nobody_can_register_are_ours(peer: HttpPeer, host: str) -> None:
    assert (await peer.ask("GET", "/", headers={"Host": host})).status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "a.b"])
async def test_a_public_name_that_leads_here_is_not_ours(peer: HttpPeer, host: str, echo: Echo) -> None:
    answer = await peer.ask("GET", "/", headers={"Host": host})
    assert answer.status == 421
    assert host.partition(":")[0] in answer.body.decode()
    assert echo.asked.empty()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "https://{host}"])
async def test_pages_of_another_origin_may_not_call(peer: HttpPeer, echo: Echo, origin: str) -> None:
    headers = {"Origin": origin.format(host=peer.host)}
    for method in ("GET", "POST", "OPTIONS"):
        assert (await peer.ask(method, "/", headers=headers)).status == 403
    assert echo.asked.empty()


async def test_of_two_origins_both_must_be_welcome(peer: HttpPeer) -> None:
    own = f"Origin: http://{peer.host}\r\n"
    request = f"GET / HTTP/1.1\r\nHost: {peer.host}\r\n{own}Origin: http://evil.example\r\n\r\n"
    await peer.send(request.encode())
    assert (await peer.answer()).status == 403


async def test_pages_of_the_own_origin_and_of_those_that_are_named_may_call(
    peer: HttpPeer, echo: Echo
) -> None:
    echo.origins = frozenset({"http://localhost:5173"})
    for origin in (f"http://{peer.host}", "http://localhost:5173"):
        assert (await peer.ask("GET", "/", headers={"Origin": origin})).status == 200


async def test_where_there_are_too_many_connections_that_is_said(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WebServer, "crowded", True)
    async with await HttpPeer.open(echo.at) as peer:
        await peer.send(GET)
        assert (await peer.answer()).status == 503
        assert await peer.rest() == b""


async def test_a_crowd_sends_nobody_away_who_was_there_before(
    peer: HttpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await peer.ask("GET", "/")).status == 200
    monkeypatch.setattr(WebServer, "crowded", True)
    assert (await peer.ask("GET", "/")).status == 200


# --- long polls ----------------------------------------------------------------------------------


@pytest.mark.parametrize("behind", [b"", GET], ids=["alone", "with a request behind it"])
async def test_who_hangs_up_ends_the_long_poll(echo: Echo, behind: bytes) -> None:
    async with await HttpPeer.open(echo.at) as peer:
        await peer.send(POLL + behind)
        assert await echo.asked.get() == "/poll"
    assert await echo.ended.get() == "hung up"


async def test_a_server_that_stops_answers_its_long_polls(hub: Hub) -> None:
    echo = Echo(hub)
    at = await echo.start()
    peers = [await HttpPeer.open(at) for _ in range(10)]
    for peer in peers:
        await peer.send(POLL + GET)
        assert await echo.asked.get() == "/poll"
    await echo.stop()
    for peer in peers:
        answer = await peer.answer()
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        assert await peer.rest() == b""
        await peer.close()
    assert echo.asked.empty()


async def test_while_a_server_stops_no_long_poll_begins(peer: HttpPeer, echo: Echo) -> None:
    echo.stopping = True
    await peer.send(POLL)
    assert (await peer.answer()).status == 503


async def test_a_server_that_stops_waits_for_nobody_for_ever(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat.transport.http_server, "LINGER", 0.05)
    echo = Echo(hub)
    at = await echo.start()
    starts = (b"", b"GET", b"GET /work HTTP/1.1\r\nHost: localhost\r\n\r\n", GET)
    peers = [await HttpPeer.open(at) for _ in starts]
    for peer, start in zip(peers, starts, strict=True):
        await peer.send(start)
    assert {await echo.asked.get(), await echo.asked.get()} == {"/work", "/"}
    await echo.stop()
    for peer in peers:
        await peer.rest()
        await peer.close()
